/* The journal's changes: append, cut, compact, begin anew. */
#include "storage/journal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"

enum { MILESTONE_BYTES = 16 << 10 }; /* what is known of its length is that exact */

void journal_deinit(struct journal *j)
{
    mem_free(j->milestones);
    *j = (struct journal){0};
}

void journal_pass(struct journal *j, uint64_t first, size_t bytes)
{
    uint64_t since = j->milestone_count ? j->milestones[j->milestone_count - 1].written : j->start;
    if (j->written - since >= MILESTONE_BYTES) {
        if (j->milestone_count == j->milestone_cap) {
            j->milestone_cap = j->milestone_cap ? j->milestone_cap * 2 : 64;
            j->milestones = mem_realloc(j->milestones, j->milestone_cap * sizeof *j->milestones);
        }
        j->milestones[j->milestone_count++] = (struct journal_milestone){first, j->written};
    }
    j->written += bytes;
}

static void put_block(struct journal *j, struct journal_block *b)
{
    char header[JOURNAL_HEADER];
    journal_block_seal(header, b);
    struct journal_key key = journal_key(b->first);
    struct slice parts[] = {slice_of(header, sizeof header), b->frames};
    j->kv->put(j->kv, journal_key_slice(&key), parts, 2);
    journal_pass(j, b->first, sizeof header + b->frames.len);
    j->batch_bytes += sizeof header + b->frames.len;
    j->last = b->last;
    j->last_term = b->last_term;
    j->checksum = b->checksum;
    j->dirty = true;
}

void journal_append(struct journal *j, const struct raft_block *block)
{
    assert(block->first == j->last + 1 && block->last >= block->first);
    struct journal_block b = {.cluster_id = j->cluster_id,
                              .first = block->first,
                              .last = block->last,
                              .prev_term = j->last_term,
                              .prev_checksum = j->checksum,
                              .frames = slice_of(block->blob->data + block->offset, block->len)};
    put_block(j, &b);
}

bool journal_commit(struct journal *j, bool sync)
{
    j->dirty = false;
    j->batch_bytes = 0;
    return j->kv->commit(j->kv, sync);
}

/* Puts the cursor on the block that holds `index`, first <= index <= last. */
static bool find(const struct journal *j, struct kv_cursor *c, uint64_t index, struct journal_block *b)
{
    struct journal_key key = journal_key(index);
    c->seek_back(c, journal_key_slice(&key));
    const char *wrong = "it is not there";
    if (c->failed)
        wrong = c->error;
    else if (c->valid)
        wrong = journal_block_read(c->value, b);
    if (!wrong && b->first != journal_key_index(c->key))
        wrong = "it lies under another's key";
    if (!wrong && (b->first < j->origin || b->last < index))
        wrong = "it is not there";
    if (wrong)
        snprintf(j->kv->error, sizeof j->kv->error, "the journal's block with entry %" PRIu64 ": %.180s",
                 index, wrong);
    return !wrong;
}

bool journal_end_after_cut(struct journal *j, uint64_t from, uint64_t *term)
{
    assert(from >= j->first && from <= j->last + 1);
    *term = from == j->first ? j->prev_term : j->last_term;
    if (from == j->first || from > j->last)
        return true;
    struct kv_cursor *c = j->kv->cursor(j->kv);
    struct journal_block b;
    bool found = find(j, c, from - 1, &b);
    if (found)
        *term = journal_block_term(&b, from - 1);
    c->close(c);
    return found;
}

/* Deletes the keys the cursor passes from where it stands. */
static bool delete_rest(struct journal *j, struct kv_cursor *c)
{
    for (; c->valid; c->next(c))
        j->kv->del(j->kv, c->key);
    if (c->failed)
        snprintf(j->kv->error, sizeof j->kv->error, "%s", c->error);
    j->dirty = true;
    return !c->failed;
}

static void forget_milestones_from(struct journal *j, uint64_t from)
{
    while (j->milestone_count && j->milestones[j->milestone_count - 1].index >= from)
        j->milestone_count--;
}

/* The block with entry `from` goes, or what precedes that comes in its place. `j` then ends before `from`. */
static void shrink_block(struct journal *j, struct journal_block b, uint64_t from)
{
    struct journal_key key = journal_key(b.first);
    j->kv->del(j->kv, journal_key_slice(&key));
    if (b.first == from) {
        j->last = from - 1;
        j->last_term = b.prev_term;
        j->checksum = b.prev_checksum;
        return;
    }
    b.frames.len = journal_block_offset(&b, from);
    b.last = from - 1;
    put_block(j, &b);
}

bool journal_cut(struct journal *j, uint64_t from)
{
    assert(!j->dirty && from >= j->first);
    if (from > j->last)
        return true;
    struct kv_cursor *c = j->kv->cursor(j->kv);
    struct journal_block b;
    bool good = find(j, c, from, &b);
    if (good) {
        c->next(c);
        good = delete_rest(j, c) && find(j, c, from, &b); /* what goes is named first: kv.h */
    }
    if (good) {
        forget_milestones_from(j, from);
        shrink_block(j, b, from);
    }
    c->close(c);
    return good;
}

bool journal_drop_all(struct journal *j, uint64_t index, uint64_t term)
{
    assert(!j->dirty);
    struct kv_cursor *c = j->kv->cursor(j->kv);
    struct journal_key key = journal_key(j->origin); /* what lies below is dead, and may be damaged */
    c->seek(c, journal_key_slice(&key));
    bool good = delete_rest(j, c);
    c->close(c);
    j->origin = j->first = index + 1;
    j->last = index;
    j->last_term = j->prev_term = term;
    j->checksum = 0;
    j->milestone_count = 0;
    j->start = j->written;
    return good;
}

static void pass_milestones(struct journal *j, uint64_t first)
{
    size_t n = 0;
    while (n < j->milestone_count && j->milestones[n].index <= first)
        n++;
    if (n == 0)
        return;
    j->start = j->milestones[n - 1].written;
    j->milestone_count -= n;
    memmove(j->milestones, j->milestones + n, j->milestone_count * sizeof *j->milestones);
}

bool journal_compact(struct journal *j, uint64_t upto, uint64_t *limit)
{
    if (upto > j->last)
        upto = j->last;
    *limit = j->origin;
    if (upto < j->first)
        return true;
    if (upto == j->last) {
        j->origin = j->last + 1;
        j->prev_term = j->last_term;
        j->start = j->written;
        j->milestone_count = 0;
    } else {
        struct kv_cursor *c = j->kv->cursor(j->kv);
        struct journal_block b;
        bool good = find(j, c, upto + 1, &b);
        if (good) {
            j->prev_term = b.first == upto + 1 ? b.prev_term : journal_block_term(&b, upto);
            j->origin = b.first;
        }
        c->close(c);
        if (!good)
            return false;
        pass_milestones(j, upto + 1);
    }
    j->first = upto + 1;
    *limit = j->origin;
    return true;
}

uint64_t journal_bytes(const struct journal *j)
{
    return j->written - j->start;
}

struct journal_view journal_view(const struct journal *j)
{
    return (struct journal_view){j->kv, j->cluster_id, j->origin, j->first, j->last};
}
