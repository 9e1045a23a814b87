/* Libraries of functions, and scripts as state: loaded, called, replaced, dumped and restored, from source of a grammar (lua.h) and from
 * payloads of any bytes. Two machines agree; what is refused has changed nothing; a dump restores to the same libraries; a snapshot with
 * bytes changed is refused with words, or gives a state that is whole. */
#include "base/checksum.h"
#include "loaded.h"
#include "lua.h"
#include "store/rdb.h"
#include "twins.h"

static void ask(struct twins *t, const struct slice *argv, size_t argc, bool whole)
{
    struct rsm_request q = {
        .kind = RSM_COMMAND, .resp = 2 + argc % 2, .user = SLICE_LITERAL("u"), .argv = argv, .argc = argc};
    uint64_t digest = rsm_digest(t->a);
    twins_request(t, &q);
    fuzz_check(t->result.outcome == RSM_RAN && resp_reply_len(buf_slice(&t->reply)) == t->reply.len);
    if (whole && t->reply.data[0] == '-')
        fuzz_check(rsm_digest(t->a) == digest);
}

static void load(struct twins *t, struct reader *r, uint8_t how)
{
    struct buf code = BUF_EMPTY;
    lua_put_library(r, &code);
    struct slice argv[] = {SLICE_LITERAL("function"), SLICE_LITERAL("load"), SLICE_LITERAL("replace"),
                           buf_slice(&code)};
    lua_show(buf_slice(&code));
    if (how & 128)
        argv[2] = argv[3];
    ask(t, argv, how & 128 ? 3 : 4, true);
    buf_deinit(&code);
}

static void call(struct twins *t, struct reader *r, uint8_t how)
{
    char name[] = "f0";
    struct buf text = BUF_EMPTY;
    struct slice argv[] = {
        SLICE_LITERAL("fcall"), slice_of(name, 2), SLICE_LITERAL("1"), SLICE_LITERAL("k"), {"", 0}};
    name[1] = (char)('0' + get_u8(r) % 4);
    lua_put_text(r, &text);
    argv[4] = buf_slice(&text);
    if (how & 128)
        argv[0] = SLICE_LITERAL("fcall_ro");
    ask(t, argv, 5, false);
    buf_deinit(&text);
}

static void put_record(struct reader *r, struct buf *payload)
{
    struct buf code = BUF_EMPTY;
    uint8_t how = get_u8(r);
    put_u8(payload, how == 0xff ? 0xf6 : 0xf5);
    if (how % 8 == 7) {
        size_t len = get_u8(r);
        buf_append_slice(payload, get_raw(r, len < reader_left(r) ? len : reader_left(r)));
    } else {
        lua_put_library(r, &code);
        rdb_put_string(payload, buf_slice(&code));
    }
    buf_deinit(&code);
}

static void restore(struct twins *t, struct reader *r, uint8_t how)
{
    static const char *const policies[] = {"flush", "append", "replace", "nosuch"};
    struct buf payload = BUF_EMPTY;
    uint8_t bent = get_u8(r);
    for (unsigned n = get_u8(r) % 3; n > 0; n--)
        put_record(r, &payload);
    if (bent % 8 == 1 && payload.len)
        payload.data[get_u8(r) % payload.len] ^= (char)get_u8(r);
    rdb_put_footer(&payload, 0);
    if (bent % 8 == 2)
        payload.data[payload.len - 1 - bent / 8 % 10] ^= 1;
    struct slice argv[] = {SLICE_LITERAL("function"), SLICE_LITERAL("restore"), buf_slice(&payload),
                           slice_cstr(policies[how / 64])};
    ask(t, argv, get_u8(r) % 8 ? 4 : 3, true);
    buf_deinit(&payload);
}

/* Into itself, which must leave the same libraries. */
static void dump_and_restore(struct twins *t)
{
    struct buf payload = BUF_EMPTY, again = BUF_EMPTY;
    rsm_dump_functions(t->a, &payload);
    rsm_dump_functions(t->b, &again);
    fuzz_check(slice_equal(buf_slice(&payload), buf_slice(&again)));
    uint64_t digest = rsm_functions_digest(t->a);
    struct slice argv[] = {SLICE_LITERAL("function"), SLICE_LITERAL("restore"), buf_slice(&payload),
                           SLICE_LITERAL("flush")};
    ask(t, argv, 4, true);
    fuzz_check(t->reply.data[0] == '+' && rsm_functions_digest(t->a) == digest);
    buf_truncate(&again, 0);
    rsm_dump_functions(t->a, &again);
    fuzz_check(slice_equal(buf_slice(&payload), buf_slice(&again)));
    buf_deinit(&payload);
    buf_deinit(&again);
}

static void remove_some(struct twins *t, uint8_t how)
{
    static const char *const words[][3] = {{"function", "delete", "l"},     {"function", "delete", "m"},
                                           {"function", "delete", "n"},     {"function", "flush", "sync"},
                                           {"function", "flush", "x"},      {"script", "flush", "sync"},
                                           {"function", "delete", "nosuch"}};
    const char *const *row = words[how / 16 % (sizeof words / sizeof *words)];
    struct slice argv[] = {slice_cstr(row[0]), slice_cstr(row[1]), slice_cstr(row[2])};
    ask(t, argv, 3, true);
}

static void keep_script(struct twins *t, struct reader *r, uint8_t how)
{
    struct buf code = BUF_EMPTY;
    lua_put_chunk(r, true, &code);
    struct slice load[] = {SLICE_LITERAL("script"), SLICE_LITERAL("load"), buf_slice(&code)};
    struct slice eval[] = {SLICE_LITERAL("eval"), buf_slice(&code), SLICE_LITERAL("0")};
    ask(t, how & 128 ? load : eval, 3, how & 128);
    buf_deinit(&code);
}

/* Some bytes of the snapshot change. Under the sum that was right before, one bit is always found. */
static void flip(struct twins *t, struct reader *r, uint8_t how)
{
    struct rsm_snapshot_meta meta = {.members = SLICE_LITERAL("members")}, read;
    struct buf file = loaded_save(t->b, &meta), keep = BUF_EMPTY;
    bool mend = how & 128;
    for (unsigned n = mend ? 1 + get_u8(r) % 3 : 1; n > 0; n--) {
        uint8_t what = get_u8(r);
        size_t at = get_u16(r) % file.len;
        file.data[at] ^= (char)(mend && what > 7 ? what : 1 << what % 8);
    }
    if (mend)
        store_u64(file.data + file.len - 8, crc64(0, file.data, file.len - 8));
    struct rsm *got = loaded_from(buf_slice(&file), how & 64 ? 100 : SIZE_MAX, &read, &keep);
    fuzz_check(!got || mend);
    if (got && read.index)
        loaded_round_trip(got, &read);
    rsm_free(got);
    buf_deinit(&file);
    buf_deinit(&keep);
}

static void step(struct twins *t, struct reader *r)
{
    uint8_t how = get_u8(r);
    switch (how % 8) {
    case 0:
    case 1:
        load(t, r, how);
        break;
    case 2:
        call(t, r, how);
        break;
    case 3:
        restore(t, r, how);
        break;
    case 4:
        if (how & 128)
            remove_some(t, how);
        else
            dump_and_restore(t);
        break;
    case 5:
        keep_script(t, r, how);
        break;
    case 6:
        flip(t, r, how);
        break;
    default:
        t->stamp_ms += how;
        twins_request(t, &(struct rsm_request){.kind = RSM_CHECKPOINT, .node = 1});
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = fuzz_reader(data, len);
    struct twins t;
    twins_init(&t);
    for (int i = 0; i < 20 && fuzz_more(&r); i++)
        step(&t, &r);
    twins_deinit(&t);
    return 0;
}
