/* Values in RDB encoding, as snapshots hold them and DUMP and RESTORE will: malformed ones are refused and leave nothing, a
 * value that is taken saves to bytes that load to the same value, in memory of exactly their size. */
#include "fuzz.h"
#include "store/rdb.h"
#include "store/store.h"

static struct store_key *load(struct store *s, struct slice name, int type, struct slice bytes,
                              uint64_t expiry_ms, const struct store_limits *limits)
{
    struct store_view v = {.store = s, .index = 1, .writing = true, .limits = limits};
    char *own = malloc(bytes.len ? bytes.len : 1);
    fuzz_check(own);
    if (bytes.len)
        memcpy(own, bytes.data, bytes.len);
    struct reader r = reader_of(slice_of(own, bytes.len));
    size_t before = store_count(s, 0);
    struct store_key *k = store_rdb_load(&v, name, type, &r, expiry_ms);
    fuzz_check(k || store_count(s, 0) == before);
    free(own);
    return k;
}

static void check_string(struct slice bytes)
{
    struct reader r = reader_of(bytes);
    struct buf scratch = BUF_EMPTY, again = BUF_EMPTY;
    struct slice text, text_again;
    uint64_t len;
    if (rdb_get_string(&r, &scratch, &text)) {
        struct buf kept = BUF_EMPTY; /* borrowed, or in scratch */
        buf_append_slice(&kept, text);
        rdb_put_string(&again, buf_slice(&kept));
        r = reader_of(buf_slice(&again));
        fuzz_check(rdb_get_string(&r, &scratch, &text_again) && reader_left(&r) == 0);
        fuzz_check(slice_equal(text_again, buf_slice(&kept)));
        buf_deinit(&kept);
    }
    r = reader_of(bytes);
    if (rdb_get_length(&r, &len)) {
        uint64_t len_again;
        buf_truncate(&again, 0);
        rdb_put_length(&again, len);
        r = reader_of(buf_slice(&again));
        fuzz_check(rdb_get_length(&r, &len_again) && len_again == len && reader_left(&r) == 0);
    }
    buf_deinit(&scratch);
    buf_deinit(&again);
}

/* As RESTORE takes it, into the form that limits ask for: it is taken or refused all the same. */
static void check_restore(struct slice name, int type, struct slice bytes, bool good)
{
    static const struct store_limits limits = {
        .list_max_listpack_size = 4,
        .hash_max_listpack_entries = 3,
        .hash_max_listpack_value = 5,
        .set_max_intset_entries = 3,
        .zset_max_listpack_entries = 3,
        .zset_max_listpack_value = 5,
        .stream_node_max_bytes = 100,
        .stream_node_max_entries = 3,
        .hll_sparse_max_bytes = 3000,
    };
    struct store *s = store_new(1, (struct hash_seed){1, 2});
    fuzz_check((load(s, name, type, bytes, 0, &limits) != NULL) == good);
    fuzz_check(store_is_sound(s));
    store_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = fuzz_reader(data, len);
    int type = get_u8(&r);
    uint64_t expiry_ms = get_u8(&r);
    struct piece name = piece_take(&r, get_u8(&r)), value = piece_take(&r, reader_left(&r));
    struct store *s = store_new(2, (struct hash_seed){1, 2}), *copy = store_new(2, (struct hash_seed){1, 2});
    uint64_t empty = store_digest(s);
    if (type > 40)
        type = RDB_TYPE_STRING; /* often: it needs no structure */
    struct store_key *k = load(s, piece_slice(&name), type, piece_slice(&value), expiry_ms, NULL);
    check_restore(piece_slice(&name), type, piece_slice(&value), k != NULL);
    if (k) {
        fuzz_check(store_is_sound(s));
        struct buf saved = BUF_EMPTY, again = BUF_EMPTY;
        store_rdb_save(k, &(struct rdb_out){&saved, NULL, NULL});
        struct store_key *twin =
            load(copy, piece_slice(&name), store_rdb_type(k), buf_slice(&saved), expiry_ms, NULL);
        fuzz_check(twin && store_digest(copy) == store_digest(s));
        store_rdb_save(twin, &(struct rdb_out){&again, NULL, NULL});
        fuzz_check(slice_equal(buf_slice(&saved), buf_slice(&again)));
        fuzz_check(strcmp(store_key_encoding(k), store_key_encoding(twin)) == 0);
        buf_deinit(&saved);
        buf_deinit(&again);
    } else {
        fuzz_check(store_digest(s) == empty);
    }
    check_string(piece_slice(&value));
    store_free(s);
    store_free(copy);
    free(name.data);
    free(value.data);
    return 0;
}
