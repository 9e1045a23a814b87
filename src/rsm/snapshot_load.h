/* Inside the loader: its state, shared by the file's records (snapshot_load.c) and our AUX fields
 * (snapshot_aux.c). */
#ifndef RSM_SNAPSHOT_LOAD_H
#define RSM_SNAPSHOT_LOAD_H

#include "rsm/rsm_int.h"

struct rsm_loader {
    struct rsm *r; /* being filled */
    struct buf pending;
    struct buf members, text[2];
    uint64_t crc, consumed;
    bool failed, complete, keys_begun;
    bool ending;   /* all has been fed */
    size_t try_at; /* pending bytes before a collection is tried again */
    uint32_t db;
    uint64_t expiry_ms; /* of the key that follows */
    /* From our AUX fields; `ours` once one of them was seen, `seen` has a bit for each. */
    bool ours;
    uint64_t seen;
    uint64_t floor, digest, digest_version;
    struct rsm_snapshot_meta meta;
    char error[200];
};

bool rsm_loader_fail(struct rsm_loader *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Takes one AUX field; those of Redis are read over. */
bool rsm_loader_aux(struct rsm_loader *l, struct slice name, struct slice value);
/* Fails when one of our fields is missing. */
bool rsm_loader_aux_complete(struct rsm_loader *l);

#endif
