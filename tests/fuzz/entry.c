/* Entries of any bytes: decoding believes nothing, what it takes encodes to the same bytes, and apply is total and the same
 * everywhere (DESIGN 4). */
#include "twins.h"

/* One number has one encoding, so the bytes are the only ones for what they say. */
static void check_codec(struct slice payload)
{
    struct rsm_decoded d;
    uint64_t stamp_ms;
    if (!rsm_decode(payload, &d))
        return;
    struct buf again = BUF_EMPTY;
    rsm_encode(&again, &d.req, d.stamp_ms, d.chance);
    fuzz_check(slice_equal(buf_slice(&again), payload));
    fuzz_check(rsm_peek_stamp(payload, &stamp_ms) && stamp_ms == d.stamp_ms);
    fuzz_check(rsm_restamp(again.data, again.len, d.stamp_ms + 1, 2));
    fuzz_check(rsm_peek_stamp(buf_slice(&again), &stamp_ms) && stamp_ms == d.stamp_ms + 1);
    rsm_decoded_deinit(&d);
    buf_deinit(&again);
}

/* A head that is right, so that the bytes decide about the body. */
static void put_head(struct buf *out, struct reader *r, struct twins *t)
{
    uint8_t kind = get_u8(r), flags = get_u8(r);
    t->stamp_ms += get_u8(r) * 10u;
    put_u8(out, kind % 11);
    put_u8(out, flags & 7);
    put_u64(out, t->stamp_ms);
    put_u64(out, 5);
    put_varint(out, get_u8(r)); /* request id */
    put_bytes(out, SLICE_LITERAL("c"));
    put_bytes(out, SLICE_LITERAL("u"));
    if ((flags & 3) == RSM_SESSION_NUMBER || (flags & 3) == RSM_PROXY_NUMBER)
        put_varint(out, get_u8(r) % 16); /* session, or lowest */
    put_u8(out, flags & 8 ? 3 : 2);
    put_varint(out, get_u8(r) % 5); /* database */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = fuzz_reader(data, len);
    struct twins t;
    struct buf payload = BUF_EMPTY;
    twins_init(&t);
    for (int i = 0; i < 300 && fuzz_more(&r); i++) {
        uint8_t how = get_u8(&r), size = get_u8(&r);
        buf_truncate(&payload, 0);
        if (how & 1)
            put_head(&payload, &r, &t);
        buf_append_slice(&payload, get_raw(&r, reader_left(&r) < size ? reader_left(&r) : size));
        check_codec(buf_slice(&payload));
        twins_apply(&t, buf_slice(&payload));
    }
    buf_deinit(&payload);
    twins_deinit(&t);
    return 0;
}
