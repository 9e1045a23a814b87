/* One core, any messages: fields near the present ones or anything at all, from members, from strangers, entries of any terms and
 * kinds; between them ticks, proposals, and a disk that answers late. Nothing makes it crash, and what it does itself stays
 * right: term and commit never fall, nothing committed is cut, one vote a term, nothing said or acknowledged
 * before it is durable. */
#include "raft/raft.h"
#include "fuzz.h"

enum { SELF = 1, STEPS_MAX = 600, WRITES_MAX = 64, ENTRIES_MAX = 8, LOG_MAX = 4096, TERMS_MAX = 1024 };
#define FOREVER UINT64_MAX

struct journal_write {
    uint64_t first, last, cut, ticket; /* cut: from here on, 0: nothing */
    uint64_t terms[ENTRIES_MAX + 1];
};

struct world {
    struct raft *raft;
    struct reader r;
    uint64_t now_us;
    struct raft_members members; /* of a CONFIG entry or a snapshot, borrowed for a call */
    /* The disk: what is durable, and what is on its way there, in order. */
    uint64_t term, vote;
    struct {
        uint64_t term, vote;
    } saves[WRITES_MAX];
    size_t save_count;
    uint64_t durable[LOG_MAX], durable_last; /* terms */
    struct journal_write writes[WRITES_MAX];
    size_t write_count;
    uint64_t snapshot_index, snapshot_term; /* durable */
    uint64_t offered_index, offered_term;   /* received, or being installed */
    bool installing;
    /* Promises made. */
    uint64_t commit;
    uint64_t votes[TERMS_MAX]; /* granted to, by term */
    struct raft_duties d;
};

static uint64_t near(struct reader *r, uint64_t value)
{
    uint8_t how = get_u8(r);
    if (how == 255)
        return get_u64(r);
    if (how == 254)
        return FOREVER - get_u8(r);
    if (how >= 240)
        return 0;
    return value + how % 8 - (how % 8 > 4 ? 8 : 0);
}

static void note_writes(struct world *w)
{
    const struct raft_duties *d = &w->d;
    if (!d->cut && d->append_last < d->append_first)
        return;
    fuzz_check(w->write_count < WRITES_MAX);
    struct journal_write *j = &w->writes[w->write_count++];
    *j = (struct journal_write){.first = d->append_first,
                                .last = d->append_last,
                                .cut = d->cut ? d->cut_from : 0,
                                .ticket = d->append_ticket};
    fuzz_check(j->last < j->first || j->last - j->first <= ENTRIES_MAX);
    for (uint64_t i = j->first; i <= j->last; i++)
        j->terms[i - j->first] = raft_term_at(w->raft, i);
}

static bool holds(const struct world *w, uint64_t index, uint64_t term)
{
    return index <= w->snapshot_index || (index <= w->durable_last && w->durable[index] == term);
}

static void check_message(struct world *w, const struct raft_message *m)
{
    bool future = m->type == RAFT_MSG_PREVOTE || (m->type == RAFT_MSG_PREVOTE_REPLY && !m->reject);
    fuzz_check(m->from == SELF && m->to != SELF && m->to != 0);
    fuzz_check(future || m->term <= w->term);
    if (m->type == RAFT_MSG_VOTE)
        fuzz_check(w->term == m->term && w->vote == SELF);
    if (m->type == RAFT_MSG_VOTE_REPLY && !m->reject) {
        fuzz_check(w->term == m->term && w->vote == m->to);
        uint64_t *to = &w->votes[m->term % TERMS_MAX];
        fuzz_check(m->term >= TERMS_MAX || *to == 0 || *to == m->to);
        *to = m->to;
    }
    if ((m->type == RAFT_MSG_APPEND_REPLY || m->type == RAFT_MSG_HEARTBEAT_REPLY) && !m->reject &&
        m->index > 0)
        fuzz_check(holds(w, m->index, raft_term_at(w->raft, m->index)) ||
                   m->index < raft_first_index(w->raft));
    if (m->type == RAFT_MSG_APPEND && m->last >= m->first)
        fuzz_check(m->first == m->index + 1 && m->last <= raft_last_index(w->raft) &&
                   m->first >= raft_first_index(w->raft));
    fuzz_check(m->type != RAFT_MSG_APPEND || m->commit <= raft_commit(w->raft));
}

static void step(struct world *w, struct raft_event e)
{
    uint64_t term = raft_term(w->raft);
    e.now_us = w->now_us;
    raft_step(w->raft, &e, &w->d);
    const struct raft_duties *d = &w->d;
    fuzz_check(raft_term(w->raft) >= term);
    fuzz_check(raft_commit(w->raft) >= w->commit);
    fuzz_check(!d->cut || d->cut_from > w->commit);
    fuzz_check(raft_commit(w->raft) <= raft_last_index(w->raft) &&
               raft_persisted(w->raft) <= raft_last_index(w->raft));
    w->commit = raft_commit(w->raft);
    if (d->save_vote) {
        fuzz_check(w->save_count < WRITES_MAX);
        w->saves[w->save_count].term = d->vote_term;
        w->saves[w->save_count++].vote = d->vote_for;
    }
    note_writes(w);
    for (size_t i = 0; i < d->message_count; i++)
        check_message(w, &d->messages[i]);
    for (size_t i = 0; i < d->read_count; i++)
        fuzz_check(d->reads[i].index <= w->commit && raft_role(w->raft) == RAFT_LEADER);
    if (raft_role(w->raft) == RAFT_LEADER)
        fuzz_check(w->term == raft_term(w->raft) && w->vote == SELF);
    uint64_t persisted = raft_persisted(w->raft);
    fuzz_check(persisted < raft_first_index(w->raft) ||
               holds(w, persisted, raft_term_at(w->raft, persisted)));
    if (d->install) {
        fuzz_check(!w->installing && w->offered_index > w->commit);
        w->installing = true;
    }
}

static void make_members(struct world *w)
{
    uint8_t mask = get_u8(&w->r), voters = get_u8(&w->r);
    w->members = (struct raft_members){0};
    for (uint64_t id = 1; id <= 8; id++)
        if (mask >> (id - 1) & 1)
            w->members.at[w->members.count++] =
                (struct raft_member){.id = id, .voter = voters >> (id - 1) & 1};
}

static void receive(struct world *w)
{
    struct reader *r = &w->r;
    struct raft_entry entries[ENTRIES_MAX];
    uint8_t flags = get_u8(r);
    struct raft_message m = {.type = (enum raft_message_type)(1 + get_u8(r) % 9),
                             .from = 2 + get_u8(r) % 8, /* the transport has seen to that */
                             .to = SELF,
                             .term = near(r, raft_term(w->raft)),
                             .index = near(r, raft_last_index(w->raft))};
    uint64_t there = raft_term_at(w->raft, m.index);
    m.log_term = near(r, there ? there : m.term);
    m.commit = near(r, raft_commit(w->raft));
    m.round = near(r, 3);
    m.hint_index = near(r, raft_last_index(w->raft));
    m.hint_term = near(r, raft_term(w->raft));
    m.reject = flags & 1;
    m.transfer = flags & 2;
    m.leader_lost = flags & 4;
    m.short_log = flags & 8;
    m.first = m.index + 1;
    m.last = m.index;
    /* The node has seen to it that there are as many entries as first and last say, and one CONFIG at most. */
    uint8_t count = m.type == RAFT_MSG_APPEND ? get_u8(r) % (ENTRIES_MAX + 1) : 0;
    if (count && flags & 16)
        m.first = near(r, m.first);
    if (count)
        m.last = m.first <= FOREVER - count ? m.first + count - 1 : m.first - 1;
    bool have_members = false;
    for (uint64_t i = 0; i < count; i++) {
        entries[i] = (struct raft_entry){.term = near(r, m.term), .size = 25 + get_u8(r)};
        uint8_t kind = get_u8(r);
        entries[i].kind = kind < 16 ? RAFT_ENTRY_NOOP : RAFT_ENTRY_DATA;
        if (kind > 240 && !have_members) {
            have_members = true;
            make_members(w);
            entries[i].kind = RAFT_ENTRY_CONFIG;
            entries[i].members = &w->members;
        }
    }
    m.entries = entries;
    step(w, (struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = &m});
}

/* The oldest write, and perhaps those behind it: told together (B8). */
static void finish_writes(struct world *w, size_t count)
{
    struct journal_write last = {0};
    for (size_t k = 0; k < count; k++) {
        const struct journal_write *j = &w->writes[k];
        if (j->cut && j->cut <= w->durable_last)
            w->durable_last = j->cut - 1;
        for (uint64_t i = j->first; i <= j->last && i < LOG_MAX; i++) {
            w->durable[i] = j->terms[i - j->first];
            w->durable_last = i;
        }
        if (j->last >= j->first)
            last = *j;
    }
    w->write_count -= count;
    memmove(w->writes, w->writes + count, w->write_count * sizeof w->writes[0]);
    if (last.ticket || last.last)
        step(w, (struct raft_event){.type = RAFT_EVENT_PERSISTED,
                                    .index = last.last,
                                    .term = last.terms[last.last - last.first],
                                    .ticket = last.ticket});
}

static void finish_save(struct world *w)
{
    w->term = w->saves[0].term;
    w->vote = w->saves[0].vote;
    w->save_count--;
    memmove(w->saves, w->saves + 1, w->save_count * sizeof w->saves[0]);
    step(w, (struct raft_event){.type = RAFT_EVENT_VOTE_SAVED, .term = w->term, .peer = w->vote});
}

static void propose(struct world *w, uint8_t how)
{
    struct raft_entry entries[4];
    if (!raft_accepts(w->raft))
        return;
    if (how & 4 && raft_may_change_members(w->raft)) {
        make_members(w);
        bool some_voter = false;
        for (uint32_t i = 0; i < w->members.count; i++)
            some_voter |= w->members.at[i].voter;
        if (!some_voter)
            return; /* the node lets no last voter go */
        entries[0] = (struct raft_entry){.kind = RAFT_ENTRY_CONFIG, .size = 60, .members = &w->members};
        step(w, (struct raft_event){.type = RAFT_EVENT_PROPOSE, .entries = entries, .count = 1});
        return;
    }
    size_t count = 1 + how % 4;
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct raft_entry){.kind = RAFT_ENTRY_DATA, .size = 26u + how};
    step(w, (struct raft_event){.type = RAFT_EVENT_PROPOSE, .entries = entries, .count = count});
}

static void snapshot_received(struct world *w)
{
    if (w->installing)
        return; /* the node asks for no other meanwhile */
    w->offered_index = near(&w->r, raft_last_index(w->raft));
    w->offered_term = near(&w->r, raft_term(w->raft));
    make_members(w);
    step(w, (struct raft_event){.type = RAFT_EVENT_SNAPSHOT_RECEIVED,
                                .index = w->offered_index,
                                .term = w->offered_term,
                                .peer = 2 + get_u8(&w->r) % 8,
                                .leader_term = near(&w->r, raft_term(w->raft)),
                                .members = &w->members});
}

static void snapshot_installed(struct world *w)
{
    if (!w->installing)
        return;
    w->installing = false;
    /* Behind all that was asked of the disk before it. */
    finish_writes(w, w->write_count);
    w->snapshot_index = w->offered_index;
    w->snapshot_term = w->offered_term;
    if (raft_term_at(w->raft, w->snapshot_index) != w->snapshot_term)
        w->durable_last = 0;
    step(w, (struct raft_event){
                .type = RAFT_EVENT_SNAPSHOT_INSTALLED, .index = w->snapshot_index, .term = w->snapshot_term});
}

static void compact(struct world *w, uint8_t how)
{
    uint64_t first = raft_first_index(w->raft), index = w->commit, keep = how % 4;
    if (w->installing || index < first || !holds(w, index, raft_term_at(w->raft, index)))
        return;
    w->snapshot_index = index;
    w->snapshot_term = raft_term_at(w->raft, index);
    step(w, (struct raft_event){.type = RAFT_EVENT_COMPACTED,
                                .index = index,
                                .term = w->snapshot_term,
                                .compact_to = index > keep ? index - keep : 0});
}

static void act(struct world *w)
{
    uint8_t what = get_u8(&w->r), how = get_u8(&w->r);
    bool full = w->save_count + 4 > WRITES_MAX || w->write_count + 4 > WRITES_MAX;
    switch (full ? 6 + what % 2 : what % 20) {
    default:
        receive(w);
        break;
    case 6:
        if (w->write_count)
            finish_writes(w, 1 + how % w->write_count);
        break;
    case 7:
        if (w->save_count)
            finish_save(w);
        break;
    case 8: {
        uint64_t deadline = raft_deadline_us(w->raft);
        w->now_us = deadline > w->now_us && deadline != FOREVER ? deadline : w->now_us;
        step(w, (struct raft_event){.type = RAFT_EVENT_TICK});
        break;
    }
    case 9:
        w->now_us += how * 5000u;
        step(w, (struct raft_event){.type = RAFT_EVENT_TICK});
        break;
    case 10:
        propose(w, how);
        break;
    case 11:
        step(w, (struct raft_event){.type = RAFT_EVENT_READ});
        break;
    case 12:
        step(w, (struct raft_event){.type = how & 1 ? RAFT_EVENT_LINK_UP : RAFT_EVENT_LINK_LOST,
                                    .peer = 2 + how / 4 % 8,
                                    .gone = how & 2});
        break;
    case 13:
        step(w, (struct raft_event){
                    .type = RAFT_EVENT_BEAT, .peer = 2 + how % 8, .term = near(&w->r, raft_term(w->raft))});
        break;
    case 14:
        step(w, (struct raft_event){.type = how & 1 ? RAFT_EVENT_STALLED : RAFT_EVENT_JOURNAL_HUNG});
        break;
    case 15:
        step(w, (struct raft_event){.type = RAFT_EVENT_TRANSFER, .peer = how % 10});
        break;
    case 16:
        compact(w, how);
        break;
    case 17:
        snapshot_received(w);
        break;
    case 18:
        snapshot_installed(w);
        break;
    case 19:
        step(w, (struct raft_event){.type = RAFT_EVENT_SNAPSHOT_SENT,
                                    .peer = 2 + how % 8,
                                    .index = near(&w->r, w->snapshot_index),
                                    .gone = how & 0x80});
        break;
    }
}

static void start(struct world *w)
{
    struct reader *r = &w->r;
    uint8_t shape = get_u8(r);
    struct raft_config config = {.id = SELF,
                                 .seed = 1,
                                 .heartbeat_us = 50000,
                                 .election_us = 1000000,
                                 .append_max_bytes = 200,
                                 .inflight_max_bytes = 1000,
                                 .inflight_max = 4};
    struct raft_recovered found = {.term = 3, .short_log = shape & 16, .short_log_until = shape & 32 ? 9 : 0};
    for (uint64_t id = 1; id <= shape % 6u; id++)
        found.members.at[found.members.count++] = (struct raft_member){.id = id, .voter = id < 5};
    if (shape & 64) {
        found.snapshot_index = w->snapshot_index = 5;
        found.snapshot_term = w->snapshot_term = 1;
    }
    w->now_us = 1000000;
    w->term = found.term;
    w->commit = found.snapshot_index;
    w->raft = raft_new(&config, &found, w->now_us);
    uint64_t index = found.snapshot_index;
    for (uint8_t n = get_u8(r) % 10, term = 1; n > 0; n--) {
        term = (uint8_t)(term + (get_u8(r) % 4 == 0 && term < 3));
        raft_load(w->raft, ++index, &(struct raft_entry){.term = term, .kind = RAFT_ENTRY_DATA, .size = 50});
        w->durable[index] = term;
        w->durable_last = index;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    w.r = fuzz_reader(data, len);
    start(&w);
    for (int i = 0; i < STEPS_MAX && fuzz_more(&w.r) && raft_last_index(w.raft) < LOG_MAX - 64; i++)
        act(&w);
    raft_free(w.raft);
    return 0;
}
