/* The keyspace: databases of keys with typed values, expiry, versions for WATCH. Pure and deterministic:
 * every call takes the time, nothing here knows a clock, and two stores that saw the same calls are equal
 * down to the order of their keys (RANDOMKEY and snapshots rely on it).
 *
 * A key whose expiry time is <= the now it is looked up with is "due". For a writer (apply) a due key is
 * deleted on lookup. For a reader it is reported: the reader must not answer, but have a clock entry applied
 * first (DESIGN 4). */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/prng.h"

struct store;
struct store_key; /* one key with its value; owned by the store, valid until the next write to the store */

#define STORE_NEVER 0 /* expiry time of a key without one; times are ms since 1970 by the cluster clock */

enum store_type { STORE_STRING, STORE_LIST, STORE_SET, STORE_ZSET, STORE_HASH, STORE_STREAM, STORE_TYPES };

/* From when on a collection is no longer kept packed; Redis's settings of the same names. */
struct store_limits {
    int64_t list_max_listpack_size; /* elements a node; -1 to -5: 4, 8, 16, 32, 64 KiB */
    uint64_t hash_max_listpack_entries, hash_max_listpack_value;
    uint64_t set_max_intset_entries;
    uint64_t zset_max_listpack_entries, zset_max_listpack_value;
    uint64_t stream_node_max_bytes, stream_node_max_entries; /* 0: no limit */
    uint64_t hll_sparse_max_bytes;
};

struct store *store_new(uint32_t databases, struct hash_seed seed);
void store_free(struct store *s);

/* What happens to keys is told as it happens: keyspace notifications and the caches of clients live on it. The classes are
 * those of Redis's notify-keyspace-events. */
enum store_event_class {
    EVENT_GENERIC = 1 << 0, /* g: del, expire, rename_from, ... */
    EVENT_STRING = 1 << 1,  /* $ */
    EVENT_LIST = 1 << 2,    /* l */
    EVENT_SET = 1 << 3,     /* s */
    EVENT_HASH = 1 << 4,    /* h */
    EVENT_ZSET = 1 << 5,    /* z */
    EVENT_EXPIRED = 1 << 6, /* x */
    EVENT_EVICTED = 1 << 7, /* e */
    EVENT_STREAM = 1 << 8,  /* t */
    EVENT_MISS = 1 << 9,    /* m: a reader found nothing */
    EVENT_NEW = 1 << 10,    /* n: a key that was not there */
    /* No class of Redis's: the key is not what it was, whatever was done to it. Its event is NULL, or "expired": that it was time
       has nothing to do with the entry that it goes by. */
    EVENT_CHANGED = 1 << 11,
    /* A whole database is empty now, or has been swapped for another: no event, no key. Of the node: "replaced", all of them. */
    EVENT_FLUSHED = 1 << 12,
    /* No class either: something beside the value has changed (a stream's groups), which WATCH and readers do not see. */
    EVENT_BESIDE = 1 << 13,
};
/* Called in the middle of a change: must not look into the store. `key` and `event` are good for the call. */
struct store_listener {
    void *arg;
    void (*heard)(void *arg, enum store_event_class class, const char *event, uint32_t db, struct slice key);
};

/* The view one command has. `writing` false: nothing may change, and due keys are noted in due_ms. */
struct store_view {
    struct store *store;
    uint32_t db;
    uint64_t now_ms;
    uint64_t lingers_ms; /* how long a key is still there once its time has come; its due time is the sum */
    uint64_t index;      /* of the entry being applied: becomes the version of every key it changes */
    bool writing;
    bool unused; /* what is looked up does not count as used: TTL and the like ask about a key, not for it */
    unsigned listening; /* event classes that somebody wants to hear of; 0: nobody listens */
    const struct store_listener *listener; /* NULL when `listening` is 0 */
    const struct store_limits
        *limits; /* commands have them always; NULL in loading: forms stay as they were saved */
    uint64_t
        due_ms; /* out, readers: the earliest due time among the keys touched; 0: none, the answer stands */
};

/* Says that something has happened to a key of the view's database. Deleting, expiring, making and changing keys the store
 * tells itself; what it was called, a command does. */
static inline void store_tell(const struct store_view *v, enum store_event_class class, const char *event,
                              uint32_t db, struct slice key)
{
    if (__builtin_expect(v->listening & class, 0))
        v->listener->heard(v->listener->arg, class, event, db, key);
}

/* NULL: absent (or due). Counts hits and misses for readers. */
struct store_key *store_find(struct store_view *v, struct slice key);
/* The same of a write that is only tried: it is no hit and no miss. */
const struct store_key *store_find_tried(struct store_view *v, struct slice key);

/* Keys that are about to be looked up: brings into the processor's cache what that will touch. Changes nothing, and
 * need not be right. */
#define STORE_AHEAD_MAX 16
struct store_ahead {
    uint32_t db;
    struct slice key;
};
void store_look_ahead(const struct store *s, const struct store_ahead *keys, size_t count);

enum store_type store_key_type(const struct store_key *k);
struct slice store_key_name(const struct store_key *k);
uint64_t store_key_expiry_ms(const struct store_key *k); /* STORE_NEVER or the time */
const char *store_type_name(enum store_type type);       /* as TYPE says it */
/* "raw", "embstr", "int", "listpack", ... by Redis 7's rules (OBJECT ENCODING). */
const char *store_key_encoding(const struct store_key *k);
size_t store_key_bytes(const struct store_key *k); /* memory it takes */

/* Strings. An integer value may be held as such: text() writes it to `scratch` (at least 21 bytes) when
 * needed. */
struct slice store_string(const struct store_key *k, char *scratch);
size_t store_string_len(const struct store_key *k);
bool store_string_i64(const struct store_key *k, int64_t *out); /* false: its text is not an integer */
/* Sets the value (which must not lie in the store), of any type before; drops the expiry unless keep_expiry.
 */
struct store_key *store_put_string(struct store_view *v, struct slice key, struct slice value,
                                   bool keep_expiry);
/* The same with the encoding chosen: text even where it reads as an integer (INCRBYFLOAT), or an integer
 * (INCR). */
struct store_key *store_put_text(struct store_view *v, struct slice key, struct slice value,
                                 bool keep_expiry);
/* Raw however short, as in Redis what is put together bit by bit is. */
struct store_key *store_put_raw(struct store_view *v, struct slice key, struct slice value, bool keep_expiry);
struct store_key *store_put_i64(struct store_view *v, struct slice key, int64_t number, bool keep_expiry);
/* Grows or overwrites in place where possible (APPEND, SETRANGE), zero-filling a gap; the key must exist and
 * be a string. */
struct store_key *store_string_write(struct store_view *v, struct store_key *k, size_t offset,
                                     struct slice data);

bool store_delete(struct store_view *v, struct slice key); /* true: it was there and not due */
void store_set_expiry(struct store_view *v, struct store_key **k,
                      uint64_t at_ms); /* STORE_NEVER removes it; may move *k */
/* Moves the value, its expiry kept, over whatever stands at `to`. */
void store_rename(struct store_view *v, struct slice from, uint32_t to_db, struct slice to);
void store_copy(struct store_view *v, struct slice from, uint32_t to_db, struct slice to);
void store_flush(struct store_view *v, bool all);
void store_swap(struct store_view *v, uint32_t a, uint32_t b);

size_t store_count(const struct store *s, uint32_t db);
size_t store_count_all(const struct store *s); /* of all databases together */
size_t store_count_expiring(const struct store *s, uint32_t db);
/* How long those have left on average, in ms: of a sample where there are many. 0: there are none. */
uint64_t store_average_ttl(const struct store *s, uint32_t db, uint64_t now_ms);
uint32_t store_databases(const struct store *s);
/* Keys in their kept order: 0 <= i < store_count. */
struct store_key *store_at(const struct store *s, uint32_t db, size_t i);
/* One that is there, due or not; nothing counts it as used. NULL: absent. */
const struct store_key *store_peek(const struct store *s, uint32_t db, struct slice key);
/* One step of SCAN: calls back each key of a stretch, returns the next cursor, 0 at the end. A key that stays
 * throughout a whole scan is reported at least once. Due keys are reported to `each` too: the caller judges
 * them by store_visible. */
uint64_t store_scan(const struct store *s, uint32_t db, uint64_t cursor, size_t count,
                    void (*each)(void *arg, struct store_key *k), void *arg);
/* For walks: false when the key is due; notes it in the view (readers). Never deletes. */
bool store_visible(struct store_view *v, const struct store_key *k);

/* Expiry: the earliest expiry time of all keys, 0: none has one. */
uint64_t store_next_expiry_ms(const struct store *s);
uint64_t store_next_due_ms(const struct store_view *v); /* when the first key goes; STORE_NEVER */
/* Deletes at most `limit` due keys in order of (time, database, key); the number deleted. */
size_t store_expire(struct store_view *v, size_t limit);

/* Versions (WATCH): made from the index of a key's last change, the same on every node. Compare for equality
 * only: a version that differs from the one at WATCH says that the key was changed or its time came since
 * (versions.c). */
uint64_t store_version(const struct store_view *v, struct slice key);
/* A checkpoint raises every version to at least `index`. */
void store_raise_versions(struct store *s, uint64_t index);
uint64_t store_version_floor(const struct store *s);

/* What was removed is freed in bounded steps: `budget` pieces at most; false: nothing left. */
bool store_sweep(struct store *s, size_t budget);

/* A digest of the whole state, kept up as keys change: equal states have equal digests. */
uint64_t store_digest(const struct store *s);
/* Is what lies in memory still what was put there? Reads every key and value: slow. */
bool store_is_sound(const struct store *s);
size_t store_memory(const struct store *s); /* bytes of keys and values */
/* Bytes that a database takes beside: to find its keys, and those that expire. */
struct store_overhead {
    size_t keys, expiring;
};
struct store_overhead store_overhead(const struct store *s, uint32_t db);

/* Which keys are used, as this process sees it: no part of the state, in no digest and no snapshot (usage.c). */
enum store_usage { STORE_USAGE_NONE, STORE_USAGE_TIME, STORE_USAGE_FREQUENCY };
void store_track_usage(struct store *s, enum store_usage kind);
enum store_usage store_usage_kind(const struct store *s);
/* Only while that kind is tracked; to be asked before the key is looked up, which counts as a use. */
uint64_t store_idle_s(const struct store_view *v, struct slice key);
unsigned store_frequency(const struct store_view *v, struct slice key);
void store_set_usage(struct store_view *v, struct slice key,
                     uint64_t value); /* idle seconds, or the counter */

/* What a maxmemory policy takes first. */
struct store_policy {
    bool volatile_only;
    enum store_evict_order {
        STORE_EVICT_BY_TIME,
        STORE_EVICT_BY_FREQUENCY,
        STORE_EVICT_BY_CHANCE,
        STORE_EVICT_BY_TTL
    } order;
};
/* One of a few keys taken by chance, none of them `taken`; NULL: none was found. Changes nothing. */
struct store_key *store_choose_victim(const struct store *s, const struct store_policy *p, uint64_t now_ms,
                                      struct prng *chance,
                                      bool (*taken)(void *arg, uint32_t db, struct slice key), void *arg,
                                      uint32_t *db);

struct store_stats {
    uint64_t hits, misses, expired, evicted;
    uint64_t swept; /* keys and values that were freed behind their removal */
};
/* Keys and values that were removed and wait for store_sweep. */
size_t store_unswept(const struct store *s);
struct store_stats *store_stats(struct store *s);

/* Snapshot: bytes of the value in RDB encoding (type byte apart) and back; store/ knows its types, rsm/ the
 * file. */
int store_rdb_type(const struct store_key *k);
struct rdb_out;
void store_rdb_save(const struct store_key *k, struct rdb_out *out);
/* As DUMP gives it: type, value and footer (rdb.h). */
void store_rdb_dump(const struct store_key *k, struct buf *out);
bool store_rdb_knows(int rdb_type);
/* Puts a key at the end of the view's database, over one of its name; its version is the view's index. With view limits a
 * collection gets the form that they ask for, without it keeps the form it was saved in. NULL: the bytes are malformed, or
 * not all there, or the type is not known, and nothing was put. */
struct store_key *store_rdb_load(struct store_view *v, struct slice key, int type, struct reader *r,
                                 uint64_t expiry_ms);

#endif
