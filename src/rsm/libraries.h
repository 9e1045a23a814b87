/* Libraries of functions as replicated state: by their names, and their functions by theirs, whatever the case of a function's. */
#ifndef RSM_LIBRARIES_H
#define RSM_LIBRARIES_H

#include "base/dict.h"
#include "base/list.h"
#include "script/script.h"

struct library;
struct library_function {
    struct library *library;
    struct slice name, description; /* data NULL: none. Allocated */
    unsigned flags;
};
struct library {
    struct list in_order;
    struct slice name, code; /* the code with its first line. Allocated */
    struct library_function *functions;
    size_t count;
};
struct libraries {
    struct dict *by_name, *functions;
    struct list in_order; /* of their coming; what replaces another comes last */
    uint64_t digest;
};
void libraries_init(struct libraries *s, struct hash_seed seed);
void libraries_deinit(struct libraries *s, struct script_engine *e);
struct library *libraries_find(const struct libraries *s, struct slice name);              /* NULL: none */
struct library_function *libraries_function(const struct libraries *s, struct slice name); /* NULL: none */
void libraries_remove(struct libraries *s, struct script_engine *e, struct library *l);
void libraries_move(struct libraries *to, struct libraries *from); /* `to` is not one, `from` none any more */
void libraries_flush(struct libraries *s, struct script_engine *e);

/* What is below a library's first line. */
struct slice library_body(const struct library *l);
/* Of code with its first line, which is run for it. NULL: the error's text, without "ERR". `beside`: one of the same name must not be there. May
 * be NULL. */
struct library *library_new(struct script_engine *e, struct slice code, const struct libraries *beside,
                            struct buf *error);
void library_free(struct library *l);
/* Takes it over, all of them or none; in the place of those of the same name, or there must be none. false: the error's text, and they are
 * still the caller's. */
bool libraries_add(struct libraries *s, struct script_engine *e, struct library *const *l, size_t count,
                   bool replace, struct buf *error);

#endif
