/* What every type must be able to do when its key is renamed, copied or removed; and which types of collections there
 * are. */
#include "store/value.h"

#include "store/hash.h"
#include "store/quicklist.h"
#include "store/set.h"
#include "store/store_int.h"
#include "store/stream.h"

static const struct value_ops *const types[STORE_TYPES] = {
    [STORE_STRING] = NULL,    [STORE_LIST] = &quicklist_ops, [STORE_SET] = &set_ops,
    [STORE_ZSET] = &zset_ops, [STORE_HASH] = &hash_ops,      [STORE_STREAM] = &stream_ops,
};

const struct value_ops *value_ops(enum store_type type)
{
    return types[type];
}

bool value_type_of_rdb(int rdb_type, enum store_type *type)
{
    switch (rdb_type) {
    case RDB_TYPE_LIST:
    case RDB_TYPE_LIST_ZIPLIST:
    case RDB_TYPE_LIST_QUICKLIST:
    case RDB_TYPE_LIST_QUICKLIST_2:
        *type = STORE_LIST;
        break;
    case RDB_TYPE_SET:
    case RDB_TYPE_SET_INTSET:
        *type = STORE_SET;
        break;
    case RDB_TYPE_ZSET:
    case RDB_TYPE_ZSET_2:
    case RDB_TYPE_ZSET_ZIPLIST:
    case RDB_TYPE_ZSET_LISTPACK:
        *type = STORE_ZSET;
        break;
    case RDB_TYPE_HASH:
    case RDB_TYPE_HASH_ZIPMAP:
    case RDB_TYPE_HASH_ZIPLIST:
    case RDB_TYPE_HASH_LISTPACK:
        *type = STORE_HASH;
        break;
    case RDB_TYPE_STREAM_LISTPACKS:
    case RDB_TYPE_STREAM_LISTPACKS_2:
        *type = STORE_STREAM;
        break;
    default:
        return false;
    }
    return types[*type] != NULL;
}

/* Memory that the value owns beside its key. */
static size_t owned_bytes(const struct store_key *k)
{
    if (key_encoding(k) == ENC_BIG)
        return mem_usable(key_big(k).data);
    if (!key_is_collection(k))
        return 0;
    struct collection c = store_collection(k);
    return value_ops(store_key_type(k))->bytes(&c);
}

void value_drop(struct store *s, struct store_db *db, struct store_key *k)
{
    db->memory -= owned_bytes(k);
    if (key_encoding(k) == ENC_BIG) {
        sweep_value(s, key_big(k).data);
    } else if (key_is_collection(k)) {
        struct collection c = store_collection(k);
        sweep_collection(s, store_key_type(k), &c);
    }
    key_set_encoding(k, STORE_STRING, ENC_RAW); /* owns nothing any longer */
}

void value_move(struct store_db *to_db, struct store_key *to, struct store_db *from_db,
                struct store_key *from)
{
    size_t owned = owned_bytes(from);
    memcpy(key_value(to), key_value(from), from->value_len);
    key_set_encoding(to, store_key_type(from), key_encoding(from));
    from_db->memory -= owned;
    to_db->memory += owned;
    key_set_encoding(from, STORE_STRING, ENC_RAW); /* owns nothing any longer */
}

void value_copy(struct store_db *to_db, struct store_key *to, const struct store_key *from)
{
    enum encoding enc = key_encoding(from);
    memcpy(key_value(to), key_value(from), from->value_len);
    key_set_encoding(to, store_key_type(from), enc);
    if (enc == ENC_BIG) {
        struct big_value source = key_big(from);
        struct big_value big = big_new(to_db, source.len);
        memcpy(big.data, source.data, source.len);
        big.len = source.len;
        key_set_big(to, &big);
    } else if (key_is_collection(from)) {
        enum store_type type = store_key_type(from);
        struct collection source = store_collection(from), c = value_ops(type)->copy(&source);
        collection_put(to, type, &c);
        to_db->memory += value_ops(type)->bytes(&c);
    }
}
