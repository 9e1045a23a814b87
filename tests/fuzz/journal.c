/* The journal: blocks and whole stores of any bytes are judged, never believed, and what is accepted says of itself what it
 * was made of. The script lays blocks under keys, right ones and wrong ones, with checksums that fit or not. */
#include "storage/journal.h"
#include "../tests/support/kv_memory.h"
#include "base/checksum.h"
#include "fuzz.h"

enum { CLUSTER = 7 };

struct maker {
    struct reader r;
    uint64_t next, term; /* where a right block would go on */
    uint32_t checksum;
    struct kv *kv;
};

/* What was read must be what sealing the same frames gives, byte for byte. */
static void check_block(struct slice value)
{
    struct journal_block b, again;
    char header[JOURNAL_HEADER];
    if (journal_block_read(value, &b))
        return;
    again = b;
    journal_block_seal(header, &again);
    fuzz_check(memcmp(header, value.data, JOURNAL_HEADER) == 0 && again.checksum == b.checksum);
    fuzz_check(journal_block_offset(&b, b.first) == 0 &&
               journal_block_offset(&b, b.last + 1) == b.frames.len);
    fuzz_check(journal_block_term(&b, b.last) == b.last_term);
    uint64_t bad = journal_block_verify(&b);
    fuzz_check(bad == 0 || (bad >= b.first && bad <= b.last));
}

static void put_entry(struct maker *m, struct buf *frames, uint64_t index, uint8_t odd)
{
    struct piece p = piece_take(&m->r, get_u8(&m->r) % 40);
    if (odd & 1)
        m->term += get_u8(&m->r) % 4;
    size_t begin = raft_entry_begin(frames, index, m->term, RAFT_ENTRY_DATA);
    buf_append(frames, p.data, p.len);
    raft_entry_end(frames, begin);
    free(p.data);
}

/* Some bytes become others. */
static void damage(struct maker *m, struct buf *b)
{
    for (uint8_t n = 1 + get_u8(&m->r) % 4; n > 0 && b->len; n--) {
        size_t at = get_u16(&m->r) % b->len;
        b->data[at] = (char)get_u8(&m->r);
    }
}

/* Both checksums made right again after damage, as far as there is a frame to be seen. */
static void mend(struct buf *block)
{
    uint32_t sum = crc32c(0, block->data + 8, JOURNAL_HEADER - 8);
    for (size_t at = JOURNAL_HEADER; block->len - at >= RAFT_ENTRY_HEADER;) {
        size_t len = load_u32(block->data + at);
        if (len < RAFT_ENTRY_HEADER || len > block->len - at)
            break;
        store_u32(block->data + at + 4, crc32c(0, block->data + at + 8, len - 8));
        sum = crc32c(sum, block->data + at, RAFT_ENTRY_HEADER);
        at += len;
    }
    store_u32(block->data + 4, sum);
}

static void put_block(struct maker *m)
{
    uint8_t odd = get_u8(&m->r);
    struct buf frames = BUF_EMPTY, block = BUF_EMPTY;
    struct journal_block b = {.cluster_id = odd & 64 ? 8 : CLUSTER,
                              .first = odd & 2 ? get_u8(&m->r) : m->next,
                              .prev_term = m->term,
                              .prev_checksum = m->checksum};
    b.first = b.first ? b.first : 1;
    b.last = b.first + get_u8(&m->r) % 6;
    for (uint64_t i = b.first; i <= b.last; i++)
        put_entry(m, &frames, i, odd);
    b.frames = buf_slice(&frames);
    char header[JOURNAL_HEADER];
    journal_block_seal(header, &b);
    buf_append(&block, header, sizeof header);
    buf_append_slice(&block, buf_slice(&frames));
    if (odd & 4)
        damage(m, &block);
    if (odd & 8)
        mend(&block);
    struct journal_key key = journal_key(odd & 16 ? get_u8(&m->r) : b.first);
    struct slice value = buf_slice(&block);
    if (odd & 32)
        value.len = get_u16(&m->r) % (value.len + 1);
    m->kv->put(m->kv, journal_key_slice(&key), &value, 1);
    check_block(value);
    m->next = b.last + 1;
    m->checksum = b.checksum;
    buf_deinit(&frames);
    buf_deinit(&block);
}

static void put_raw(struct maker *m)
{
    struct piece key = piece_take(&m->r, sizeof(struct journal_key)),
                 value = piece_take(&m->r, get_u8(&m->r));
    struct slice bytes = piece_slice(&value);
    check_block(bytes);
    if (piece_slice(&key).len == sizeof(struct journal_key)) /* the store in memory has no others */
        m->kv->put(m->kv, piece_slice(&key), &bytes, 1);
    free(key.data);
    free(value.data);
}

struct walk {
    uint64_t next, term;
};

static void on_entry(void *arg, const struct raft_frame *f)
{
    struct walk *w = arg;
    fuzz_check(f->index == w->next && f->term >= w->term);
    w->next++;
    w->term = f->term;
}

static void check_whole(struct journal *j)
{
    char error[KV_ERROR_MAX];
    struct journal_view v = journal_view(j);
    struct walk walk = {.next = v.first};
    fuzz_check(journal_walk(&v, v.first, on_entry, &walk, error));
    fuzz_check(walk.next == v.last + 1);
    struct raft_block b;
    fuzz_check(journal_read(&v, v.first, v.last, 100, &b, error));
    fuzz_check(v.last < v.first || (b.last >= b.first && b.first == v.first));
    blob_unref(b.blob);
}

/* What was taken for whole can be written to, cut, and recovered again to the same end. */
static void use(struct maker *m, struct journal *j, uint64_t index, uint64_t term)
{
    char what[KV_ERROR_MAX];
    struct buf frames = BUF_EMPTY;
    m->term = j->last_term;
    uint64_t first = j->last + 1;
    if (first == 0 || first > UINT64_MAX - 8)
        return; /* no log gets there */
    put_entry(m, &frames, first, 0);
    put_entry(m, &frames, first + 1, 1);
    struct raft_block b = {
        .first = first, .last = first + 1, .blob = blob_new(frames.data, frames.len), .len = frames.len};
    journal_append(j, &b);
    fuzz_check(journal_commit(j, true));
    uint64_t span = j->last - index, from = index + 1 + get_u8(&m->r) % (span ? span : 1);
    if (get_u8(&m->r) & 1 && from >= j->first && from <= j->last)
        fuzz_check(journal_cut(j, from) && journal_commit(j, true) && j->last == from - 1);
    struct journal again;
    enum journal_state state = journal_recover(&again, m->kv, CLUSTER, index, term, what);
    /* With nothing left at or behind the snapshot a leftover before it is looked at, which here may say anything. */
    bool own = j->last > index || j->origin <= index;
    fuzz_check(!own || (state == JOURNAL_WHOLE && again.last == j->last && again.last_term == j->last_term));
    journal_deinit(&again);
    blob_unref(b.blob);
    buf_deinit(&frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct maker m = {.r = fuzz_reader(data, len), .next = 1, .kv = kv_memory_new()};
    uint64_t index = get_u8(&m.r), term = get_u8(&m.r);
    uint8_t how = get_u8(&m.r);
    if (how & 1 || index == 0 || term == 0)
        index = term = 0;
    if (how & 2) { /* the journal begins behind the snapshot */
        m.next = index + 1;
        m.term = term;
    }
    for (uint8_t n = get_u8(&m.r) % 24; n > 0; n--) {
        if (get_u8(&m.r) % 8)
            put_block(&m);
        else
            put_raw(&m);
    }
    m.kv->commit(m.kv, true);
    char what[KV_ERROR_MAX] = "";
    struct journal j;
    enum journal_state state = journal_recover(&j, m.kv, CLUSTER, index, term, what);
    fuzz_check(state == JOURNAL_WHOLE || state == JOURNAL_CONFLICT || what[0]);
    fuzz_check(j.last >= index);
    if (state == JOURNAL_WHOLE) {
        check_whole(&j);
        use(&m, &j, index, term);
    } else if (state == JOURNAL_DAMAGED) { /* the part before the damage is copied elsewhere */
        struct journal_view v = journal_view(&j);
        struct walk walk = {.next = v.first};
        fuzz_check(journal_walk(&v, v.first, on_entry, &walk, what));
    }
    journal_deinit(&j);
    m.kv->close(m.kv);
    return 0;
}
