/* Reading the journal back: pieces for lagging peers, everything at start, and the judgement of what a crash
 * left. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "storage/journal.h"

static bool damaged(char error[KV_ERROR_MAX], uint64_t index, const char *wrong)
{
    snprintf(error, KV_ERROR_MAX, "journal block at index %" PRIu64 ": %.180s", index, wrong);
    return false;
}

/* To the block that holds `index`. A key below origin is a leftover. */
static bool seek_block(const struct journal_view *v, struct kv_cursor *c, uint64_t index)
{
    struct journal_key key = journal_key(index);
    c->seek_back(c, journal_key_slice(&key));
    return c->valid && journal_key_index(c->key) >= v->origin;
}

/* The block under the cursor. Entries are verified one by one as they are taken. */
static bool read_block(struct kv_cursor *c, struct journal_block *b, char error[KV_ERROR_MAX])
{
    uint64_t index = journal_key_index(c->key);
    const char *wrong = journal_block_read(c->value, b);
    if (!wrong && b->first != index)
        wrong = "it lies under another's key";
    return !wrong || damaged(error, index, wrong);
}

/* Takes the block's entries *next..last that fit into `room`, and one at least if there `must` be one. */
static bool take(struct buf *out, const struct journal_block *b, uint64_t *next, uint64_t last, size_t room,
                 bool must, char error[KV_ERROR_MAX])
{
    size_t from = journal_block_offset(b, *next), len = 0;
    for (; *next <= b->last && *next <= last; must = false, ++*next) {
        struct raft_frame frame;
        if (!raft_entry_read(slice_of(b->frames.data + from + len, b->frames.len - from - len), true, &frame))
            return damaged(error, *next, "the entry's checksum is wrong");
        if (len + frame.len > room && !must)
            break;
        len += frame.len;
    }
    buf_append(out, b->frames.data + from, len);
    return true;
}

bool journal_read(const struct journal_view *v, uint64_t first, uint64_t last, size_t max_bytes,
                  struct raft_block *out, char error[KV_ERROR_MAX])
{
    *out = (struct raft_block){.first = first, .last = first - 1};
    if (last > v->last)
        last = v->last;
    if (first < v->first || first > last)
        return true;
    struct kv_cursor *c = v->kv->cursor(v->kv);
    struct buf bytes = BUF_EMPTY;
    uint64_t next = first;
    bool good = true;
    for (bool there = seek_block(v, c, first); there; c->next(c), there = c->valid) {
        struct journal_block b;
        good = read_block(c, &b, error);
        if (!good || b.first > next || b.last < next)
            break;
        size_t room = bytes.len < max_bytes ? max_bytes - bytes.len : 0;
        good = take(&bytes, &b, &next, last, room, next == first, error);
        if (!good || next <= b.last ||
            next > last) /* what lies behind is not asked for, and may be damaged */
            break;
    }
    if (good && c->failed)
        good = damaged(error, next, c->error);
    c->close(c);
    if (good && next > first) {
        out->last = next - 1;
        out->blob = blob_new(bytes.data, bytes.len);
        out->len = bytes.len;
    }
    buf_deinit(&bytes);
    return good;
}

/* Hands on the block's entries *next..last. */
static bool walk_block(const struct journal_block *b, uint64_t *next, uint64_t last,
                       void (*each)(void *arg, const struct raft_frame *frame), void *arg,
                       char error[KV_ERROR_MAX])
{
    size_t offset = journal_block_offset(b, *next);
    for (; *next <= b->last && *next <= last; ++*next) {
        struct raft_frame frame;
        if (!raft_entry_read(slice_of(b->frames.data + offset, b->frames.len - offset), true, &frame))
            return damaged(error, *next, "the entry's checksum is wrong");
        each(arg, &frame);
        offset += frame.len;
    }
    return true;
}

bool journal_walk(const struct journal_view *v, uint64_t from,
                  void (*each)(void *arg, const struct raft_frame *frame), void *arg,
                  char error[KV_ERROR_MAX])
{
    uint64_t next = from < v->first ? v->first : from;
    if (next > v->last)
        return true;
    struct kv_cursor *c = v->kv->cursor(v->kv);
    bool good = true;
    for (bool there = seek_block(v, c, next); good && there && next <= v->last;
         c->next(c), there = c->valid) {
        struct journal_block b;
        good = read_block(c, &b, error);
        if (!good || b.first > next || b.last < next)
            break;
        good = walk_block(&b, &next, v->last, each, arg, error);
    }
    if (good && next <= v->last)
        good = damaged(error, next, c->failed ? c->error : "it is not there");
    c->close(c);
    return good;
}

/* What recovery carries from block to block. */
struct recovery {
    struct journal *j;
    uint64_t index, term; /* the snapshot's */
    bool started;
    char *what;
};

/* Finds the block to begin with. JOURNAL_WHOLE with c->valid false: there is none, and none is missing. */
static enum journal_state find_start(struct recovery *r, struct kv_cursor *c)
{
    struct journal_key key = journal_key(r->index + 1);
    c->seek(c, journal_key_slice(&key));
    if (c->failed) {
        damaged(r->what, r->index + 1, c->error);
        return JOURNAL_DAMAGED;
    }
    if (c->valid && journal_key_index(c->key) == r->index + 1)
        return JOURNAL_WHOLE;
    bool later = c->valid;
    key = journal_key(r->index);
    c->seek_back(c, journal_key_slice(&key));
    struct journal_block b;
    const char *wrong = NULL;
    if (c->failed)
        wrong = c->error;
    else if (c->valid && journal_key_index(c->key) > 0)
        wrong = journal_block_read(c->value, &b);
    else
        c->valid = false;
    if (wrong) {
        damaged(r->what, r->index, wrong);
        return JOURNAL_DAMAGED;
    }
    if (c->valid && b.first == journal_key_index(c->key) && b.last >= r->index) {
        if (journal_block_term(&b, r->index) == r->term)
            return JOURNAL_WHOLE;
        r->j->origin = b.first; /* to be dropped from there on */
        return JOURNAL_CONFLICT;
    }
    c->valid = false;
    if (!later)
        return JOURNAL_WHOLE;
    damaged(r->what, r->index + 1, "it is missing");
    return JOURNAL_DAMAGED;
}

static const char *check_links(const struct recovery *r, const struct journal_block *b, uint64_t key)
{
    const struct journal *j = r->j;
    if (b->first != key)
        return "it lies under another's key";
    if (!r->started) /* find_start has seen to the rest */
        return b->first == 1 && (b->prev_term || b->prev_checksum) ? "it is not the first" : NULL;
    if (b->first != j->last + 1)
        return "the block before it is missing";
    if (b->prev_term != j->last_term || b->prev_checksum != j->checksum)
        return "it does not follow the block before it";
    return NULL;
}

static void take_block(struct recovery *r, const struct journal_block *b, size_t bytes)
{
    struct journal *j = r->j;
    if (!r->started)
        j->origin = b->first;
    r->started = true;
    j->last = b->last;
    j->last_term = b->last_term;
    j->checksum = b->checksum;
    journal_pass(j, b->first, bytes);
}

/* The entries before the bad one are good: they are kept when the journal is copied. */
static void keep_entries_before(struct recovery *r, const struct journal_block *b, uint64_t bad)
{
    damaged(r->what, bad, "the entry's checksum is wrong");
    if (bad <= b->first || bad <= r->index + 1)
        return;
    if (!r->started)
        r->j->origin = b->first;
    r->started = true;
    r->j->last = bad - 1;
    r->j->last_term = journal_block_term(b, bad - 1);
}

static enum journal_state recover_block(struct recovery *r, struct kv_cursor *c)
{
    uint64_t key = journal_key_index(c->key);
    struct journal_block b;
    const char *wrong = journal_block_read(c->value, &b);
    if (!wrong && b.cluster_id != r->j->cluster_id) {
        snprintf(r->what, KV_ERROR_MAX,
                 "the journal is of cluster %016" PRIx64 ", the vote file of %016" PRIx64, b.cluster_id,
                 r->j->cluster_id);
        return JOURNAL_FOREIGN;
    }
    if (!wrong && !r->started && b.first == r->index + 1 && b.prev_term != r->term && r->index > 0)
        return JOURNAL_CONFLICT;
    if (!wrong)
        wrong = check_links(r, &b, key);
    if (wrong) {
        damaged(r->what, key, wrong);
        return JOURNAL_DAMAGED;
    }
    uint64_t bad = journal_block_verify(&b);
    if (bad) {
        keep_entries_before(r, &b, bad);
        return JOURNAL_DAMAGED;
    }
    uint64_t unknown = journal_block_unknown(&b);
    if (unknown) {
        snprintf(r->what, KV_ERROR_MAX,
                 "the journal holds an entry, at index %" PRIu64
                 ", of a kind that this build does not know: a newer one has to run here",
                 unknown);
        return JOURNAL_NEWER;
    }
    take_block(r, &b, c->value.len);
    return JOURNAL_WHOLE;
}

enum journal_state journal_recover(struct journal *j, struct kv *kv, uint64_t cluster_id, uint64_t index,
                                   uint64_t term, char what[KV_ERROR_MAX])
{
    *j = (struct journal){.kv = kv,
                          .cluster_id = cluster_id,
                          .origin = index + 1,
                          .first = index + 1,
                          .last = index,
                          .last_term = term,
                          .prev_term = term};
    struct recovery r = {.j = j, .index = index, .term = term, .what = what};
    struct kv_cursor *c = kv->cursor(kv);
    enum journal_state state = find_start(&r, c);
    for (; state == JOURNAL_WHOLE && c->valid; c->next(c))
        state = recover_block(&r, c);
    if (state == JOURNAL_WHOLE && c->failed) {
        damaged(what, j->last + 1, c->error);
        state = JOURNAL_DAMAGED;
    }
    c->close(c);
    return state;
}
