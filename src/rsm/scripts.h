/* Scripts as replicated state: which are known, by their SHA-1. Those that SCRIPT LOAD brought stay until SCRIPT FLUSH; of those that only EVAL
 * brought the SCRIPTS_BY_EVAL used last do, since nobody says when one is not needed any more. */
#ifndef RSM_SCRIPTS_H
#define RSM_SCRIPTS_H

#include "base/dict.h"
#include "base/list.h"
#include "base/sha1.h"
#include "script/script.h"

enum { SCRIPTS_BY_EVAL = 500 };

struct stored_script {
    struct list in_use_order; /* first, see list_entry */
    char name[SHA1_HEX + 1];
    bool loaded; /* by SCRIPT LOAD */
    bool wrote;  /* when an entry ran it last. No part of the state */
    uint32_t len;
    uint64_t hash; /* of its body */
    uint64_t used; /* the table's `uses` when an entry ran it last */
    char body[];
};
struct scripts {
    struct script_engine *engine;
    struct dict *by_name, *by_hash; /* the latter finds by the body, of two with the same hash one */
    struct hash_seed seed;
    struct list in_use_order; /* least recently used first */
    size_t by_eval;
    uint64_t uses;   /* by entries. No part of the state */
    uint64_t digest; /* of their names and how they came, whatever their order */
};
void scripts_init(struct scripts *s, struct hash_seed seed);
void scripts_deinit(struct scripts *s);
/* NULL: none. `name` in any case. */
struct stored_script *scripts_find(const struct scripts *s, struct slice name);
struct stored_script *scripts_find_body(const struct scripts *s, struct slice body);
struct stored_script *scripts_add(struct scripts *s, struct slice body, bool loaded);
/* By an entry: it is the last to be forgotten. */
void scripts_used(struct scripts *s, struct stored_script *script);
/* Might it be forgotten before long? */
bool scripts_is_old(const struct scripts *s, const struct stored_script *script);
void scripts_flush(struct scripts *s);
size_t scripts_count(const struct scripts *s);
/* As bytes in a snapshot, in the order of their use. load false: malformed, or there already. */
void scripts_save(const struct stored_script *script, struct buf *out);
bool scripts_load(struct scripts *s, struct slice bytes);

#endif
