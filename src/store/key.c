/* One key's allocation: header, expiry block, key, value. The layout is drawn in store_int.h. */
#include "store/store_int.h"
#include "store/value.h"

static size_t key_size(size_t key_len, bool block, size_t value_len)
{
    return sizeof(struct store_key) + (block ? sizeof(struct expiry_block) : 0) + key_len + value_len;
}

struct store_key *key_new(struct store_db *db, struct slice key, bool block, size_t value_len)
{
    assert(key.len <= UINT32_MAX && value_len <= UINT32_MAX);
    struct store_key *k = mem_alloc(key_size(key.len, block, value_len));
    db->memory += mem_usable(k);
    k->meta = block ? KEY_HAS_EXPIRY : 0;
    k->key_len = (uint32_t)key.len;
    k->value_len = (uint32_t)value_len;
    if (block)
        *key_block(k) = (struct expiry_block){STORE_NEVER, 0, 0};
    if (key.len)
        memcpy(key_bytes(k), key.data, key.len);
    return k;
}

/* Growing moves to the next size class when it must; shrinking only when half the allocation would lie idle.
 */
static struct store_key *key_realloc(struct store_db *db, struct store_key *k, size_t size)
{
    size_t had = mem_usable(k);
    if (size <= had && (size >= had / 2 || had <= 64))
        return k;
    k = mem_realloc(k, size);
    db->memory += mem_usable(k) - had;
    return k;
}

struct store_key *key_resize_value(struct store_db *db, struct store_key *k, size_t len)
{
    if (len == k->value_len)
        return k;
    k = key_realloc(db, k, key_size(k->key_len, key_has_block(k), len));
    k->value_len = (uint32_t)len;
    return k;
}

struct store_key *key_add_block(struct store_db *db, struct store_key *k)
{
    if (key_has_block(k))
        return k;
    size_t tail = (size_t)k->key_len + k->value_len;
    k = key_realloc(db, k, key_size(k->key_len, true, k->value_len));
    memmove((char *)k + sizeof *k + sizeof(struct expiry_block), (char *)k + sizeof *k, tail);
    k->meta |= KEY_HAS_EXPIRY;
    *key_block(k) = (struct expiry_block){STORE_NEVER, 0, 0};
    return k;
}

struct big_value key_big(const struct store_key *k)
{
    struct big_value big;
    memcpy(&big, key_value(k), sizeof big);
    return big;
}

void key_set_big(struct store_key *k, const struct big_value *big)
{
    memcpy(key_value(k), big, sizeof *big);
}

void key_free(struct store *s, struct store_db *db, struct store_key *k)
{
    value_drop(s, db, k);
    db->memory -= mem_usable(k);
    mem_free(k);
}

void key_set_encoding(struct store_key *k, enum store_type type, enum encoding enc)
{
    k->meta = (k->meta & ~(uint64_t)0x7f) | (uint64_t)enc << 4 | (uint64_t)type;
}

enum store_type store_key_type(const struct store_key *k)
{
    return (enum store_type)(k->meta & 0xf);
}

struct slice store_key_name(const struct store_key *k)
{
    return key_slice(k);
}

uint64_t store_key_expiry_ms(const struct store_key *k)
{
    return key_at_ms(k);
}

const char *store_type_name(enum store_type type)
{
    static const char *const names[STORE_TYPES] = {"string", "list", "set", "zset", "hash", "stream"};
    return names[type];
}

const char *store_key_encoding(const struct store_key *k)
{
    static const char *const names[] = {"int", "embstr", "raw", "raw"};
    if (key_is_collection(k))
        return value_ops(store_key_type(k))->encodings[store_collection(k).form];
    return names[key_encoding(k)];
}

size_t store_key_bytes(const struct store_key *k)
{
    size_t bytes = mem_usable(k);
    if (key_is_collection(k)) {
        struct collection c = store_collection(k);
        return bytes + value_ops(store_key_type(k))->bytes(&c);
    }
    return key_encoding(k) == ENC_BIG ? bytes + mem_usable(key_big(k).data) : bytes;
}
