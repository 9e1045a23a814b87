/* The small ordered key-value store under the journal: what it needs of RocksDB, and all that a simulated
 * disk has to offer in its place.
 *
 * put, del and commit belong to one thread, and so does flush; cursors may be opened by any. A call that
 * returns false has failed for good, `error` says why: after a failed write nothing about the disk is known
 * any more, so the caller ends the process.
 *
 * It is a log's: a key is put behind all others there are, or in place of the first of those that go in the same commit, which are
 * deleted before anything is put. */
#ifndef STORAGE_KV_H
#define STORAGE_KV_H

#include "base/bytes.h"

#define KV_ERROR_MAX 256
#define KV_KEY_BYTES 8 /* a number, big-endian */

/* A view of the store as it was when the cursor was opened. `key` and `value` are borrowed until it moves. */
struct kv_cursor {
    void (*seek)(struct kv_cursor *c, struct slice key);      /* to the first key >= key */
    void (*seek_back)(struct kv_cursor *c, struct slice key); /* to the last key <= key */
    void (*next)(struct kv_cursor *c);
    void (*close)(struct kv_cursor *c);
    bool valid;  /* it stands on a key */
    bool failed; /* what it was to read is damaged: `error` */
    struct slice key, value;
    char error[KV_ERROR_MAX];
};

struct kv {
    /* Changes collect in order and happen together at commit; of a commit that only puts, a crash may leave the first ones.
     * The value is the parts one after the other, copied. */
    void (*put)(struct kv *kv, struct slice key, const struct slice *parts, size_t count);
    void (*del)(struct kv *kv, struct slice key);
    /* `sync`: durable when it returns, and with it everything committed before. */
    bool (*commit)(struct kv *kv, bool sync);
    /* Makes durable what was committed without sync. */
    bool (*sync)(struct kv *kv);
    /* Makes durable anew what was found on opening: a process that died before its sync may have left bytes
     * that are read now and gone after a power cut. */
    bool (*flush)(struct kv *kv);
    struct kv_cursor *(*cursor)(struct kv *kv);
    /* Gives space back: keys in (0, limit) will not be asked for again. Some may stay, and some that were
     * deleted or overwritten may come back; never one >= limit. From any thread, one at a time. */
    void (*drop_below)(struct kv *kv, struct slice limit);
    void (*close)(struct kv *kv);
    struct remover *remover; /* the owner's; NULL, at first: files that go do so at once */
    char error[KV_ERROR_MAX];
};

/* Opens or creates; read_only changes nothing on disk. NULL: `error`; *damaged tells a store that cannot be
 * read from a file system that would not let us. */
struct kv *kv_open(const char *path, bool read_only, bool *damaged, char error[KV_ERROR_MAX]);
/* The same, with values of any size in RocksDB: what lies under that. */
struct kv *kv_rocksdb_open(const char *path, bool read_only, bool *damaged, char error[KV_ERROR_MAX]);
/* How many changes, puts and deletions, it has ever seen committed. What a power cut takes are the last ones. */
uint64_t kv_rocksdb_sequence(struct kv *kv);

#endif
