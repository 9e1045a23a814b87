/* One node of a stream: its entries, packed. */
#include "store/stream_int.h"

static int64_t number_at(const uint8_t *lp, size_t at)
{
    int64_t number = 0;
    lp_i64(lp, at, &number);
    return number;
}

static size_t master_fields(const uint8_t *lp)
{
    return lp_seek(lp, 2); /* where their number stands */
}

static void append_fields(uint8_t **lp, const struct slice *fields, size_t pairs, bool names, bool values)
{
    for (size_t i = 0; i < pairs; i++) {
        if (names)
            lp_append(lp, fields[2 * i]);
        if (values)
            lp_append(lp, fields[2 * i + 1]);
    }
}

struct stream_node stream_node_new(struct stream_id id, const struct slice *fields, size_t pairs)
{
    struct stream_node n = {.master = id, .lp = lp_new()};
    lp_append_i64(&n.lp, 0);
    lp_append_i64(&n.lp, 0);
    lp_append_i64(&n.lp, (int64_t)pairs);
    append_fields(&n.lp, fields, pairs, true, false);
    lp_append_i64(&n.lp, 0);
    return n;
}

static bool has_master_fields(const uint8_t *lp, const struct slice *fields, size_t pairs)
{
    size_t at = master_fields(lp);
    if ((size_t)number_at(lp, at) != pairs)
        return false;
    for (size_t i = 0; i < pairs; i++) {
        at = lp_next(lp, at);
        if (!lp_equal(lp, at, fields[2 * i]))
            return false;
    }
    return true;
}

void stream_node_count(struct stream_node *n)
{
    lp_replace_i64(&n->lp, lp_first(n->lp), n->live);
    lp_replace_i64(&n->lp, lp_seek(n->lp, 1), n->deleted);
}

static uint64_t entry_start(struct stream_id id)
{
    return mix_fold(id.ms ^ MIX_1, id.seq ^ MIX_2);
}

void stream_node_append(struct stream_node *n, struct stream_id id, const struct slice *fields, size_t pairs)
{
    bool same = has_master_fields(n->lp, fields, pairs);
    n->live++;
    stream_node_count(n);
    lp_append_i64(&n->lp, same ? ENTRY_SAME_FIELDS : 0);
    lp_append_i64(&n->lp, (int64_t)(id.ms - n->master.ms));
    lp_append_i64(&n->lp, (int64_t)(id.seq - n->master.seq));
    if (!same)
        lp_append_i64(&n->lp, (int64_t)pairs);
    append_fields(&n->lp, fields, pairs, !same, true);
    lp_append_i64(&n->lp, (int64_t)(same ? pairs + 3 : 2 * pairs + 4));
    uint64_t digest = entry_start(id);
    for (size_t i = 0; i < 2 * pairs; i++)
        digest = mix_slice(digest, fields[i]);
    n->digest += digest;
}

/* ---- reading ---- */

/* The entry whose flags stand at `offset`. */
static void read_entry(const struct stream_node *n, size_t offset, struct stream_at *at)
{
    at->offset = offset;
    at->flags = number_at(n->lp, offset);
    size_t p = lp_next(n->lp, offset);
    at->id.ms = n->master.ms + (uint64_t)number_at(n->lp, p);
    p = lp_next(n->lp, p);
    at->id.seq = n->master.seq + (uint64_t)number_at(n->lp, p);
    p = lp_next(n->lp, p);
    if (at->flags & ENTRY_SAME_FIELDS) {
        at->name = master_fields(n->lp);
        at->fields = (size_t)number_at(n->lp, at->name);
        at->name = lp_next(n->lp, at->name);
        at->value = p;
    } else {
        at->fields = (size_t)number_at(n->lp, p);
        at->name = 0;
        at->value = lp_next(n->lp, p);
    }
}

static size_t behind_master(const uint8_t *lp)
{
    size_t at = master_fields(lp);
    for (int64_t left = number_at(lp, at) + 2; left; left--)
        at = lp_next(lp, at);
    return at;
}

/* The entry that ends with the element at `count_at`; false: that is the end of the master entry. */
static bool read_before(const struct stream_node *n, size_t count_at, struct stream_at *at)
{
    int64_t elements = number_at(n->lp, count_at);
    if (!elements)
        return false;
    for (; elements; elements--)
        count_at = lp_prev(n->lp, count_at);
    read_entry(n, count_at, at);
    return true;
}

bool stream_node_edge(const struct stream_node *n, bool last, struct stream_at *at)
{
    if (last)
        return read_before(n, lp_last(n->lp), at);
    size_t offset = behind_master(n->lp);
    if (offset)
        read_entry(n, offset, at);
    return offset != 0;
}

bool stream_node_step(const struct stream_node *n, bool back, struct stream_at *at)
{
    if (back)
        return read_before(n, lp_prev(n->lp, at->offset), at);
    size_t offset = at->offset;
    int64_t elements = at->flags & ENTRY_SAME_FIELDS ? (int64_t)at->fields + 3 : 2 * (int64_t)at->fields + 4;
    for (elements++; elements; elements--)
        offset = lp_next(n->lp, offset);
    if (offset)
        read_entry(n, offset, at);
    return offset != 0;
}

static struct slice take(const uint8_t *lp, size_t *at, char *scratch)
{
    struct slice text = lp_text(lp, *at, scratch);
    *at = lp_next(lp, *at);
    return text;
}

void stream_node_pair(const struct stream_node *n, struct stream_at *at, struct stream_pair *pair)
{
    size_t *name = at->flags & ENTRY_SAME_FIELDS ? &at->name : &at->value;
    pair->name = take(n->lp, name, pair->scratch[0]);
    pair->value = take(n->lp, &at->value, pair->scratch[1]);
}

uint64_t stream_node_digest(const struct stream_node *n, const struct stream_at *at)
{
    struct stream_at entry = *at;
    struct stream_pair pair;
    uint64_t digest = entry_start(at->id);
    for (size_t i = 0; i < entry.fields; i++) {
        stream_node_pair(n, &entry, &pair);
        digest = mix_slice(mix_slice(digest, pair.name), pair.value);
    }
    return digest;
}

void stream_node_mark(struct stream_node *n, const struct stream_at *at)
{
    n->digest -= stream_node_digest(n, at);
    lp_replace_i64(&n->lp, at->offset, at->flags | ENTRY_DELETED);
    n->live--;
    n->deleted++;
}

/* ---- from elsewhere ---- */

/* The number at *at, and on to the next element; `bad` is set when there is none. */
static int64_t checked_number(const uint8_t *lp, size_t *at, bool *bad)
{
    int64_t number = 0;
    if (!*at || !lp_i64(lp, *at, &number))
        *bad = true;
    else
        *at = lp_next(lp, *at);
    return *bad ? 0 : number;
}

static void checked_skip(const uint8_t *lp, size_t *at, int64_t count, bool *bad)
{
    for (; count && *at; count--)
        *at = lp_next(lp, *at);
    if (count)
        *bad = true;
}

static bool check_entry(const uint8_t *lp, size_t *at, int64_t names, bool *deleted)
{
    bool bad = false;
    int64_t flags = checked_number(lp, at, &bad), elements = names + 3;
    checked_number(lp, at, &bad);
    checked_number(lp, at, &bad);
    if (!(flags & ENTRY_SAME_FIELDS)) {
        int64_t fields = checked_number(lp, at, &bad);
        if (fields < 0 || fields > INT32_MAX)
            return false;
        elements = 2 * fields + 4;
        checked_skip(lp, at, 2 * fields, &bad);
    } else {
        checked_skip(lp, at, names, &bad);
    }
    *deleted = flags & ENTRY_DELETED;
    return checked_number(lp, at, &bad) == elements && !bad && !(flags & ~3);
}

static bool check_node(struct stream_node *n)
{
    bool bad = false;
    size_t at = lp_first(n->lp);
    int64_t live = checked_number(n->lp, &at, &bad), deleted = checked_number(n->lp, &at, &bad);
    int64_t names = checked_number(n->lp, &at, &bad);
    if (bad || live < 0 || deleted < 0 || names < 0 || live > UINT32_MAX || deleted > UINT32_MAX ||
        names > INT32_MAX)
        return false;
    checked_skip(n->lp, &at, names, &bad);
    if (checked_number(n->lp, &at, &bad) != 0 || bad)
        return false;
    while (at) {
        bool gone;
        if (!check_entry(n->lp, &at, names, &gone))
            return false;
        n->live += !gone;
        n->deleted += gone;
    }
    return n->live == live && n->deleted == deleted;
}

bool stream_node_load(struct stream_node *n, struct stream_id master, uint8_t *lp)
{
    *n = (struct stream_node){.master = master, .lp = lp};
    struct stream_at at;
    struct stream_id last = {0, 0};
    if (!check_node(n))
        return false;
    for (bool more = stream_node_edge(n, false, &at); more; more = stream_node_step(n, false, &at)) {
        if (at.flags & ENTRY_DELETED)
            continue;
        if (stream_id_compare(at.id, last) <= 0)
            return false;
        last = at.id;
        n->digest += stream_node_digest(n, &at);
    }
    return true;
}
