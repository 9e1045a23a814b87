/* Inside the keyspace.
 *
 * A database is a dense array of key pointers, an index from hash to place in that array, and a heap of the
 * keys that expire:
 *
 *     array:  place -> key. A new key goes to the end; removing one moves the last key into its place.
 *     index:  hash -> place (index.h): one bucket is split or merged at a time.
 *     heap:   (expiry time, key), smallest first; every key knows its slot in it.
 *
 * All three live in segments, so that growing never copies a big array: no single call stalls, whatever the
 * size.
 *
 * Invariants
 *   I1  every place 0 <= p < count holds a key, the index holds p exactly once, under that key's hash.
 *   I2  a key with an expiry time stands in its database's heap at the slot it names; others do not.
 *   I3  digest of a database = sum over its keys of digest_head + digest_value; memory = sum of allocated
 * sizes. I4  order depends on the calls alone, never on addresses or on the index: the array is what a
 * snapshot writes.
 *
 * A key is one allocation:
 *
 *     struct store_key (16 bytes) | expiry block (16 bytes, if KEY_HAS_EXPIRY) | key bytes | value bytes
 *
 * Value bytes by encoding: ENC_INT a host-order int64; ENC_EMBSTR, ENC_RAW the text; ENC_BIG a struct
 * big_value; ENC_PACKED and above, a collection in one of its forms: a struct held_value, whose size never changes. Nothing after the key is aligned. The expiry block stays when the expiry goes (at_ms 0): SET k v
 * EX n again and again would otherwise move the key twice each time. */
#ifndef STORE_STORE_INT_H
#define STORE_STORE_INT_H

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "store/collection.h"
#include "store/index.h"
#include "store/store.h"

/* Encodings; OBJECT ENCODING shows ENC_BIG as raw. */
enum encoding { ENC_INT, ENC_EMBSTR, ENC_RAW, ENC_BIG, ENC_PACKED, ENC_INTSET, ENC_LARGE };

#define EMBSTR_MAX     44   /* Redis's limit between embstr and raw */
#define INLINE_MAX     4096 /* longer values get an allocation of their own */
#define KEY_HAS_EXPIRY 0x80u

struct store_key {
    uint64_t meta; /* version << 8 | KEY_HAS_EXPIRY | encoding << 4 | type */
    uint32_t key_len;
    uint32_t value_len; /* bytes of the value area */
};

struct expiry_block {
    uint64_t at_ms; /* STORE_NEVER: not in the heap */
    uint32_t slot;  /* in the heap */
    uint32_t unused;
};

struct big_value {
    char *data;
    uint64_t len, cap;
};

struct held_value { /* a collection's; the form is in the encoding */
    void *data;
    uint64_t digest;
};

struct expiry_item {
    uint64_t at_ms;
    struct store_key *key;
};

struct store_db {
    struct segments keys; /* of struct store_key * */
    uint32_t count;
    struct index index;
    struct segments expiring; /* of struct expiry_item: a 4-ary heap */
    uint32_t expiring_count;
    uint64_t digest;
    size_t memory;          /* allocated for keys and values */
    uint64_t version_floor; /* under those of its keys: when it was swapped last */
    struct store *store;
    struct store_db *next_dead; /* flushed databases wait for store_sweep */
};

#define VERSION_SLOTS 65536

/* usage.c */
struct usage {
    enum store_usage kind;
    uint32_t *slots;  /* NULL: nothing is tracked */
    uint32_t since_s; /* first use seen */
    uint64_t chance;
};

struct store {
    struct hash_seed seed;
    uint32_t db_count;
    struct store_db *dbs;
    /* The key due soonest, for every entry asks: looked up again only after the first of some heap has changed. */
    struct soonest {
        bool known;
        uint32_t db;
        uint64_t at_ms; /* STORE_NEVER: none */
    } soonest;
    uint64_t version_floor;
    uint64_t *gone; /* VERSION_SLOTS: what deleted keys left, see versions.c */
    struct store_stats stats;
    struct usage usage;
    struct store_db *dead_dbs;
    char *dead_values; /* freed blocks of big values, linked through their first bytes */
    struct dead_collection *dead_collections;
    size_t unswept; /* in the three above */
};

#define KEYS_MAX (UINT32_MAX - 1) /* a database's limit: places are 32 bits */

static inline struct store_key **db_slot(const struct store_db *db, uint32_t place)
{
    return segments_at(&db->keys, place, sizeof(struct store_key *));
}

static inline struct store_key *db_key(const struct store_db *db, uint32_t place)
{
    return *db_slot(db, place);
}

/* key.c: the layout of one key. The functions that may move it give the new address; the caller puts it back.
 */
static inline enum encoding key_encoding(const struct store_key *k)
{
    return (enum encoding)(k->meta >> 4 & 7);
}

static inline bool key_has_block(const struct store_key *k)
{
    return k->meta & KEY_HAS_EXPIRY;
}

static inline uint64_t key_version(const struct store_key *k)
{
    return k->meta >> 8;
}

static inline struct expiry_block *key_block(const struct store_key *k)
{
    return (struct expiry_block *)(void *)((char *)(uintptr_t)k + sizeof *k);
}

static inline char *key_bytes(const struct store_key *k)
{
    return (char *)(uintptr_t)k + sizeof *k + (key_has_block(k) ? sizeof(struct expiry_block) : 0);
}

static inline struct slice key_slice(const struct store_key *k)
{
    return (struct slice){key_bytes(k), k->key_len};
}

static inline char *key_value(const struct store_key *k)
{
    return key_bytes(k) + k->key_len;
}

static inline uint64_t key_at_ms(const struct store_key *k)
{
    return key_has_block(k) ? key_block(k)->at_ms : STORE_NEVER;
}

static inline bool key_due(const struct store_key *k, const struct store_view *v)
{
    uint64_t at_ms = key_at_ms(k);
    return at_ms != STORE_NEVER && at_ms + v->lingers_ms <= v->now_ms;
}

static inline uint64_t key_hash(const struct hash_seed *seed, struct slice key)
{
    return siphash(seed, key.data, key.len);
}

struct store_key *key_new(struct store_db *db, struct slice key, bool block, size_t value_len);
/* Makes the value area `len` bytes, keeping what fits; may move the key. */
struct store_key *key_resize_value(struct store_db *db, struct store_key *k, size_t len);
struct store_key *key_add_block(struct store_db *db, struct store_key *k);
/* Frees the key; a big value goes to the sweep. The caller has taken it out of array, index and heap. */
void key_free(struct store *s, struct store_db *db, struct store_key *k);
void key_set_encoding(struct store_key *k, enum store_type type, enum encoding enc);
struct big_value key_big(const struct store_key *k);
void key_set_big(struct store_key *k, const struct big_value *big);

/* db.c: a database's parts kept together. */
struct spot { /* where a key stands, or would */
    struct store_db *db;
    uint64_t hash;
    uint32_t place;      /* PLACE_NONE: absent */
    struct store_key *k; /* NULL: absent */
};
static inline uint32_t db_number(const struct store_db *db)
{
    return (uint32_t)(db - db->store->dbs);
}
struct spot db_spot(struct store *s, uint32_t db, struct slice key);
/* db_spot for a command: a writer deletes a due key first, a reader notes it in the view and sees it as
 * absent. */
struct spot db_find(struct store_view *v, uint32_t db, struct slice key);
void db_insert(struct store_view *v, struct spot *at, struct store_key *k); /* at the end */
void db_moved(struct spot *at, struct store_key *k); /* the key at this spot has a new address */
/* Takes it out of array, index, heap and digest; the key is the caller's to free, versions are the caller's
 * too. */
struct store_key *db_unlink(struct spot *at);
void db_remove(struct store *s, struct spot *at); /* db_unlink, and frees it */
/* What every change of a living key ends with: WATCH sees it, and those who hold a copy hear of it. */
static inline void db_changed(struct store_view *v, const struct spot *at)
{
    at->k->meta = v->index << 8 | (at->k->meta & 0xff);
    store_tell(v, EVENT_CHANGED, NULL, db_number(at->db), key_slice(at->k));
}
/* Whole contribution of a key to the digest, to be subtracted before a change and added after it. */
void db_digest_add(struct spot *at);
void db_digest_subtract(struct spot *at);
void db_drop(struct store *s, uint32_t db); /* empties it; the contents wait for the sweep */

/* expiry.c: the heap of one database. */
void expiry_push(struct store_db *db, struct store_key *k); /* key_block(k)->at_ms is set */
void expiry_remove(struct store_db *db, struct store_key *k);
void expiry_moved(struct store_db *db, struct store_key *k); /* the key has a new address */
struct expiry_item expiry_first(const struct store_db *db);  /* key NULL: none */
/* The database whose first key is due soonest, the lower number when two are equal; at_ms STORE_NEVER: none. */
struct soonest expiry_soonest(const struct store *s);

/* versions.c */
void versions_deleted(struct store *s, uint32_t db, uint64_t hash, uint64_t index);
void versions_expired(struct store *s, uint32_t db, uint64_t hash, const struct store_key *k);
void versions_flushed(struct store *s, uint32_t db, uint64_t index);
void versions_swapped(struct store *s, uint32_t a, uint32_t b, uint64_t index); /* about to be */

/* digest.c */
uint64_t digest_head(uint64_t hash, const struct store_key *k);
/* The parts of the value that the bytes [from, to) of it lie in; whole value: from 0 to SIZE_MAX. */
uint64_t digest_value(uint64_t hash, const struct store_key *k, size_t from, size_t to);

/* value.c: between keys whose value areas have the same size. */
void value_move(struct store_db *to_db, struct store_key *to, struct store_db *from_db,
                struct store_key *from);
void value_copy(struct store_db *to_db, struct store_key *to, const struct store_key *from);

/* Gives away what the value owns beside its key: it waits for the sweep. */
void value_drop(struct store *s, struct store_db *db, struct store_key *k);

/* collection.c */
static inline bool key_is_collection(const struct store_key *k)
{
    return key_encoding(k) >= ENC_PACKED;
}
void collection_put(struct store_key *k, enum store_type type, const struct collection *c);

/* usage.c: while something is tracked. */
void usage_touch(struct usage *u, uint64_t hash, uint64_t now_ms);
uint64_t usage_idle_s(const struct usage *u, uint64_t hash, uint64_t now_ms);
unsigned usage_frequency(const struct usage *u, uint64_t hash, uint64_t now_ms);

/* sweep.c */
void sweep_value(struct store *s, char *data);
void sweep_collection(struct store *s, enum store_type type, const struct collection *c);

/* string.c */
struct slice string_bytes(const struct store_key *k); /* not ENC_INT */
int64_t string_int(const struct store_key *k);        /* ENC_INT */
struct big_value big_new(struct store_db *db, size_t cap);
enum encoding string_best_encoding(struct slice value, int64_t *number);
/* Puts a value with a given encoding (snapshot, INCRBYFLOAT). */
struct store_key *string_put_as(struct store_view *v, struct slice key, struct slice value, enum encoding enc,
                                int64_t number, bool keep_expiry);

#endif
