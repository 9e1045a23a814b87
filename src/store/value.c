/* What every type must be able to do when its key is renamed, copied or removed. */
#include "store/store_int.h"

void value_move(struct store_db *to_db, struct store_key *to, struct store_db *from_db,
                struct store_key *from)
{
    enum encoding enc = key_encoding(from);
    memcpy(key_value(to), key_value(from), from->value_len);
    key_set_encoding(to, store_key_type(from), enc);
    if (enc == ENC_BIG) {
        size_t cap = key_big(from).cap;
        from_db->memory -= cap;
        to_db->memory += cap;
        key_set_encoding(from, STORE_STRING, ENC_RAW); /* owns it no longer */
    }
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
    }
}
