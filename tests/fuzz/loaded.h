/* A snapshot file as the loader takes it: in pieces of any size; refused with words, or a state that saves to a file which loads to
 * the same state. */
#ifndef TESTS_FUZZ_LOADED_H
#define TESTS_FUZZ_LOADED_H

#include "fuzz.h"
#include "rsm/rsm.h"

static inline bool loaded_emit(void *arg, const void *data, size_t len)
{
    buf_append(arg, data, len);
    return true;
}

/* NULL: refused. */
static inline struct rsm *loaded_from(struct slice file, size_t piece, struct rsm_snapshot_meta *meta,
                                      struct buf *keep)
{
    struct rsm_loader *l = rsm_loader_new();
    bool good = true;
    for (size_t at = 0; good && at < file.len; at += piece) {
        size_t left = file.len - at, len = left < piece ? left : piece;
        char *own = malloc(len);
        fuzz_check(own);
        memcpy(own, file.data + at, len);
        good = rsm_loader_feed(l, slice_of(own, len));
        free(own);
    }
    fuzz_check(good || rsm_loader_error(l)[0]);
    return rsm_loader_finish(l, meta, keep);
}

static inline struct buf loaded_save(struct rsm *r, const struct rsm_snapshot_meta *meta)
{
    struct buf file = BUF_EMPTY;
    fuzz_check(rsm_snapshot_write(r, meta, loaded_emit, &file));
    return file;
}

static inline void loaded_round_trip(struct rsm *r, const struct rsm_snapshot_meta *meta)
{
    struct buf file = loaded_save(r, meta), keep = BUF_EMPTY;
    struct rsm_snapshot_meta again;
    struct rsm *copy = loaded_from(buf_slice(&file), SIZE_MAX, &again, &keep);
    fuzz_check(copy);
    fuzz_check(rsm_digest(copy) == rsm_digest(r));
    fuzz_check(store_digest(rsm_store(copy)) == store_digest(rsm_store(r)));
    fuzz_check(rsm_session_count(copy) == rsm_session_count(r));
    fuzz_check(again.index == rsm_applied(r) && slice_equal(again.members, meta->members));
    struct buf second = loaded_save(copy, &again);
    fuzz_check(slice_equal(buf_slice(&file), buf_slice(&second)));
    rsm_free(copy);
    buf_deinit(&file);
    buf_deinit(&second);
    buf_deinit(&keep);
}

#endif
