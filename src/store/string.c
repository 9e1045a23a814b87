/* String values: three shapes of text and one of integers, as Redis's encodings go (OBJECT ENCODING shows
 * them). */
#include "base/number.h"
#include "store/store_int.h"

struct slice string_bytes(const struct store_key *k)
{
    if (key_encoding(k) == ENC_BIG) {
        struct big_value big = key_big(k);
        return (struct slice){big.data, big.len};
    }
    return (struct slice){key_value(k), k->value_len};
}

int64_t string_int(const struct store_key *k)
{
    int64_t number;
    memcpy(&number, key_value(k), sizeof number);
    return number;
}

struct slice store_string(const struct store_key *k, char *scratch)
{
    if (key_encoding(k) == ENC_INT)
        return (struct slice){scratch, format_i64(scratch, string_int(k))};
    return string_bytes(k);
}

size_t store_string_len(const struct store_key *k)
{
    char scratch[24];
    return store_string(k, scratch).len;
}

bool store_string_i64(const struct store_key *k, int64_t *out)
{
    if (key_encoding(k) == ENC_INT) {
        *out = string_int(k);
        return true;
    }
    return parse_i64(string_bytes(k), out);
}

enum encoding string_best_encoding(struct slice value, int64_t *number)
{
    if (value.len <= 20 && parse_i64(value, number))
        return ENC_INT;
    if (value.len <= EMBSTR_MAX)
        return ENC_EMBSTR;
    return value.len <= INLINE_MAX ? ENC_RAW : ENC_BIG;
}

/* Bytes the value area needs. */
static size_t area_len(enum encoding enc, size_t len)
{
    if (enc == ENC_INT)
        return sizeof(int64_t);
    return enc == ENC_BIG ? sizeof(struct big_value) : len;
}

struct big_value big_new(struct store_db *db, size_t cap)
{
    struct big_value big = {mem_alloc(cap), 0, 0};
    big.cap = mem_usable(big.data);
    db->memory += big.cap;
    return big;
}

static void fill(struct store_db *db, struct store_key *k, struct slice value, enum encoding enc,
                 int64_t number)
{
    key_set_encoding(k, STORE_STRING, enc);
    if (enc == ENC_INT) {
        memcpy(key_value(k), &number, sizeof number);
    } else if (enc == ENC_BIG) {
        struct big_value big = big_new(db, value.len);
        memcpy(big.data, value.data, value.len);
        big.len = value.len;
        key_set_big(k, &big);
    } else if (value.len) {
        memcpy(key_value(k), value.data, value.len);
    }
}

static void drop_expiry(struct spot *at)
{
    if (key_at_ms(at->k) == STORE_NEVER)
        return;
    expiry_remove(at->db, at->k);
    key_block(at->k)->at_ms = STORE_NEVER;
}

struct store_key *string_put_as(struct store_view *v, struct slice key, struct slice value, enum encoding enc,
                                int64_t number, bool keep_expiry)
{
    assert(v->writing);
    struct spot at = db_find(v, v->db, key);
    size_t area = area_len(enc, value.len);
    if (!at.k) {
        struct store_key *k = key_new(at.db, key, false, area);
        fill(at.db, k, value, enc, number);
        db_insert(v, &at, k);
    } else {
        db_digest_subtract(&at);
        if (!keep_expiry)
            drop_expiry(&at);
        value_drop(v->store, at.db, at.k);
        db_moved(&at, key_resize_value(at.db, at.k, area));
        fill(at.db, at.k, value, enc, number);
    }
    db_changed(v, &at);
    db_digest_add(&at);
    return at.k;
}

struct store_key *store_put_string(struct store_view *v, struct slice key, struct slice value,
                                   bool keep_expiry)
{
    int64_t number = 0;
    enum encoding enc = string_best_encoding(value, &number);
    return string_put_as(v, key, value, enc, number, keep_expiry);
}

struct store_key *store_put_text(struct store_view *v, struct slice key, struct slice value, bool keep_expiry)
{
    enum encoding enc = value.len <= EMBSTR_MAX ? ENC_EMBSTR : value.len <= INLINE_MAX ? ENC_RAW : ENC_BIG;
    return string_put_as(v, key, value, enc, 0, keep_expiry);
}

struct store_key *store_put_raw(struct store_view *v, struct slice key, struct slice value, bool keep_expiry)
{
    return string_put_as(v, key, value, value.len <= INLINE_MAX ? ENC_RAW : ENC_BIG, 0, keep_expiry);
}

struct store_key *store_put_i64(struct store_view *v, struct slice key, int64_t number, bool keep_expiry)
{
    return string_put_as(v, key, (struct slice){NULL, 0}, ENC_INT, number, keep_expiry);
}

/* Room for `need` bytes in a big value, with as much again while it is small and a quarter more when it is
 * large. */
static void big_reserve(struct store_db *db, struct big_value *big, size_t need)
{
    if (need <= big->cap)
        return;
    size_t spare = need < (UINT64_C(16) << 20) ? need : need / 4;
    big->data = mem_realloc(big->data, need + spare);
    size_t cap = mem_usable(big->data);
    db->memory += cap - big->cap;
    big->cap = cap;
}

/* Makes the value raw text of `len` bytes, at least as long as it was; new bytes are zero. */
static void string_extend(struct spot *at, size_t len)
{
    char scratch[24];
    struct slice text = store_string(at->k, scratch);
    size_t had = text.len;
    if (len > INLINE_MAX && key_encoding(at->k) != ENC_BIG) {
        struct big_value fresh = big_new(at->db, len);
        memcpy(fresh.data, text.data, had);
        fresh.len = had;
        db_moved(at, key_resize_value(at->db, at->k, sizeof fresh));
        key_set_encoding(at->k, STORE_STRING, ENC_BIG);
        key_set_big(at->k, &fresh);
    }
    if (key_encoding(at->k) == ENC_BIG) {
        struct big_value big = key_big(at->k);
        big_reserve(at->db, &big, len);
        memset(big.data + had, 0, len - had);
        big.len = len;
        key_set_big(at->k, &big);
        return;
    }
    bool number = key_encoding(at->k) == ENC_INT;
    db_moved(at, key_resize_value(at->db, at->k, len));
    if (number)
        memcpy(key_value(at->k), scratch, had);
    memset(key_value(at->k) + had, 0, len - had);
    key_set_encoding(at->k, STORE_STRING, ENC_RAW);
}

struct store_key *store_string_write(struct store_view *v, struct store_key *k, size_t offset,
                                     struct slice data)
{
    assert(v->writing && store_key_type(k) == STORE_STRING && data.len <= SIZE_MAX - offset);
    struct spot at = db_spot(v->store, v->db, key_slice(k));
    assert(at.k == k);
    size_t had = store_string_len(k), end = offset + data.len;
    size_t from = offset < had ? offset : had, to = end; /* the bytes that change, for the digest */
    if (key_encoding(k) == ENC_INT) {
        from = 0;
        to = SIZE_MAX;
    }
    at.db->digest -= digest_head(at.hash, at.k) + digest_value(at.hash, at.k, from, to);
    string_extend(&at, end > had ? end : had);
    if (data.len) {
        char *bytes = key_encoding(at.k) == ENC_BIG ? key_big(at.k).data : key_value(at.k);
        memcpy(bytes + offset, data.data, data.len);
    }
    at.db->digest += digest_head(at.hash, at.k) + digest_value(at.hash, at.k, from, to);
    db_changed(v, &at);
    return at.k;
}
