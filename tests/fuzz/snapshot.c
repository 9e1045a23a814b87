/* The snapshot loader: a file of any bytes, in pieces of any size, is refused with words or gives a state that saves to a file
 * which loads to the same state. The checksum at the end is made right, or nothing would get past it. */
#include "base/checksum.h"
#include "loaded.h"

/* Entry 1 of a cluster founded from a dump: the keys get its seed and its settings. */
static void found(struct rsm *r)
{
    struct rsm_request q = {.kind = RSM_FOUND, .cluster_id = 3, .seed = {1, 2}};
    struct buf payload = BUF_EMPTY, reply = BUF_EMPTY;
    struct rsm_result result;
    size_t keys = 0;
    for (uint32_t db = 0; db < store_databases(rsm_store(r)); db++)
        keys += store_count(rsm_store(r), db);
    rsm_encode(&payload, &q, 0, 1);
    rsm_apply(r, 1, 1, buf_slice(&payload), &reply, &result);
    fuzz_check(result.outcome == RSM_RAN);
    for (uint32_t db = 0; db < store_databases(rsm_store(r)); db++)
        keys -= store_count(rsm_store(r), db);
    fuzz_check(keys == 0);
    buf_deinit(&payload);
    buf_deinit(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = fuzz_reader(data, len);
    uint8_t piece = get_u8(&r);
    struct buf file = BUF_EMPTY, keep = BUF_EMPTY, keep_pieces = BUF_EMPTY;
    buf_append_slice(&file, get_raw(&r, reader_left(&r)));
    if (file.len > 8)
        store_u64(file.data + file.len - 8, crc64(0, file.data, file.len - 8));
    struct rsm_snapshot_meta meta, meta_pieces;
    struct rsm *whole = loaded_from(buf_slice(&file), SIZE_MAX, &meta, &keep);
    struct rsm *pieces = loaded_from(buf_slice(&file), (size_t)piece + 1, &meta_pieces, &keep_pieces);
    fuzz_check(!whole == !pieces);
    if (whole) {
        fuzz_check(rsm_digest(whole) == rsm_digest(pieces) && meta.index == meta_pieces.index);
        if (meta.index == 0)
            found(whole);
        loaded_round_trip(whole, &meta);
    }
    rsm_free(whole);
    rsm_free(pieces);
    buf_deinit(&file);
    buf_deinit(&keep);
    buf_deinit(&keep_pieces);
    return 0;
}
