/* The order of writing. */
#include "storage/stable.h"

#include <assert.h>
#include <stdio.h>

enum {
    COPY_BYTES = 4 << 20,
    MARK_BYTES =
        512, /* past its checksum there are only zeroes, which creation wrote: the mark moves once a turn */
};

enum vote_state stable_read_vote(struct stable *s, const char file[VOTE_FILE_BYTES], bool *repair)
{
    enum vote_state state = vote_choose(file, &s->record, repair);
    s->mark_found = vote_mark_decode(file + VOTE_MARK_OFFSET, &s->mark);
    return state;
}

bool stable_save_vote(struct stable *s, const struct vote_record *r)
{
    char sector[VOTE_SECTOR];
    uint64_t sequence = s->record.sequence + 1;
    s->record = *r;
    s->record.sequence = sequence;
    vote_encode(sector, &s->record);
    for (size_t slot = 0; slot < 2; slot++)
        if (!s->io.write(s->io.arg, sector, VOTE_SECTOR, slot * VOTE_SECTOR) || !s->io.sync(s->io.arg))
            return false;
    s->journal.cluster_id = r->vote.cluster_id;
    return true;
}

bool stable_set_mark(struct stable *s, const struct vote_mark *m, bool sync)
{
    char sector[VOTE_SECTOR];
    s->mark = *m;
    s->mark_found = true;
    vote_mark_encode(sector, m);
    return s->io.write(s->io.arg, sector, MARK_BYTES, VOTE_MARK_OFFSET) && (!sync || s->io.sync(s->io.arg));
}

static struct vote_mark mark_at_end(const struct stable *s, const struct journal *j)
{
    struct vote_mark mark = s->mark;
    mark.term = j->last_term;
    mark.index = j->last;
    return mark;
}

bool stable_will_end(struct stable *s, uint64_t index, uint64_t term)
{
    struct vote_mark mark = s->mark;
    mark.term = term;
    mark.index = index;
    return !journal_ends_before(term, index, s->mark.term, s->mark.index) || stable_set_mark(s, &mark, true);
}

bool stable_commit(struct stable *s, bool sync)
{
    if (!s->journal.dirty)
        return true;
    if (!stable_will_end(s, s->journal.last, s->journal.last_term) || !journal_commit(&s->journal, sync))
        return false;
    struct vote_mark mark = mark_at_end(s, &s->journal);
    return stable_set_mark(s, &mark, false);
}

bool stable_apply_cut(struct stable *s)
{
    if (!s->cut_pending)
        return true;
    s->cut_pending = false;
    return journal_cut(&s->journal, s->cut_from);
}

bool stable_append(struct stable *s, const struct raft_block *block)
{
    if (!stable_apply_cut(s))
        return false;
    journal_append(&s->journal, block);
    return true;
}

void stable_cut(struct stable *s, uint64_t from)
{
    assert(!s->journal.dirty);
    if (!s->cut_pending || from < s->cut_from)
        s->cut_from = from;
    s->cut_pending = s->cut_from <= s->journal.last;
}

bool stable_begin_anew(struct stable *s, uint64_t index, uint64_t term)
{
    return journal_drop_all(&s->journal, index, term) && stable_commit(s, true);
}

struct journal_view stable_view(const struct stable *s)
{
    struct journal_view view = journal_view(&s->journal);
    if (s->cut_pending)
        view.last = s->cut_from - 1;
    return view;
}

/* What is whole of `old`, whose kv may be NULL. */
static bool copy_journal(const struct journal *old, struct journal *built, char error[KV_ERROR_MAX])
{
    struct journal_view view = journal_view(old);
    while (built->last < old->last) {
        struct raft_block block;
        if (!journal_read(&view, built->last + 1, old->last, COPY_BYTES, &block, error))
            return false;
        assert(block.last >= block.first);
        journal_append(built, &block);
        blob_unref(block.blob);
        if (!journal_commit(built, true)) {
            snprintf(error, KV_ERROR_MAX, "%s", built->kv->error);
            return false;
        }
    }
    return true;
}

bool stable_build(const struct stable *s, const struct stable_generation *g, struct kv *kv, uint64_t index,
                  uint64_t term, struct journal *built, char error[KV_ERROR_MAX])
{
    enum journal_state state = journal_recover(built, kv, g->vote.cluster_id, index, term, error);
    if (state != JOURNAL_WHOLE || (g->keep && !copy_journal(&s->journal, built, error)))
        return false;
    if (!g->extra)
        return true;
    journal_append(built, g->extra);
    if (!journal_commit(built, true)) {
        snprintf(error, KV_ERROR_MAX, "%s", kv->error);
        return false;
    }
    return true;
}

/* The mark of a log known to be short is lowered after the vote file says so. */
bool stable_make_it_count(struct stable *s, const struct stable_generation *g, uint64_t generation,
                          const struct journal *built)
{
    struct vote_mark mark = mark_at_end(s, built);
    struct vote_record record = {.vote = g->vote, .generation = generation};
    return (g->vote.short_log || stable_will_end(s, built->last, built->last_term)) &&
           stable_save_vote(s, &record) && stable_set_mark(s, &mark, true);
}
