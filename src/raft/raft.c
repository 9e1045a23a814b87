/* The step: one event in, the duties that follow from it out. What waits for the vote file waits here. */
#include "raft/raft.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "raft/raft_int.h"

struct raft *raft_new(const struct raft_config *config, const struct raft_recovered *found, uint64_t now_us)
{
    assert(config->id != 0 && config->inflight_max > 0 && config->inflight_max_bytes > 0);
    assert(config->heartbeat_us > 0 && config->election_us > 2 * config->heartbeat_us);
    struct raft *r = mem_calloc(1, sizeof *r);
    r->config = *config;
    r->now_us = now_us;
    prng_seed(&r->prng, config->seed ^ config->id);
    r->term = r->saved_term = r->save_sent.term = found->term;
    r->voted_for = r->saved_vote = r->save_sent.vote = found->voted_for;
    r->short_log = r->save_sent.short_log = found->short_log;
    r->short_log_until = r->save_sent.until = found->short_log ? found->short_log_until : 0;
    r->had_others = found->had_others;
    raft_log_init(&r->log, found->snapshot_index, found->snapshot_term, &found->members);
    r->commit = r->matched = r->persisted = r->snapshot_index = found->snapshot_index;
    r->ticket = 1;
    raft_sync_peers(r);
    raft_timer_reset(r);
    return r;
}

void raft_free(struct raft *r)
{
    if (!r)
        return;
    while (r->peer_count > 0)
        raft_drop_peer(r, &r->peers[r->peer_count - 1]);
    raft_log_deinit(&r->log);
    mem_free(r->pending);
    mem_free(r->out);
    mem_free(r->held);
    mem_free(r->reads);
    mem_free(r);
}

void raft_load(struct raft *r, uint64_t index, const struct raft_entry *entry)
{
    assert(index == r->log.last + 1);
    raft_log_append(&r->log, entry->term, entry->size, entry->members);
    r->persisted = index;
    /* An entry may have reached the journal before its term reached the vote file; no message has left on it
     * (I3). */
    if (entry->term > r->term) {
        r->term = entry->term;
        r->voted_for = 0;
    }
    if (entry->members)
        raft_sync_peers(r);
}

void raft_say(struct raft *r, const char *fmt, ...)
{
    size_t room = sizeof r->say - r->say_len;
    if (r->say_len > 0 && room > 2) {
        memcpy(r->say + r->say_len, "; ", 3);
        r->say_len += 2;
        room -= 2;
    }
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(r->say + r->say_len, room, fmt, args);
    va_end(args);
    if (n > 0)
        r->say_len += (size_t)n < room ? (size_t)n : room - 1;
}

struct raft_message raft_message_to(const struct raft *r, enum raft_message_type type, uint64_t to)
{
    return (struct raft_message){.type = type, .from = r->config.id, .to = to, .term = r->term, .first = 1};
}

static void push_message(struct raft_message **list, size_t *count, size_t *cap, const struct raft_message *m)
{
    if (*count == *cap) {
        *cap = *cap ? *cap * 2 : 32;
        *list = mem_realloc(*list, *cap * sizeof **list);
    }
    (*list)[(*count)++] = *m;
}

/* I3: (3.4, figure 3.1: "updated on stable storage before responding") our term before anything that tells
 * it, our vote before the reply that gives it. A pre-vote speaks of a term that nobody has entered. */
static bool may_leave(const struct raft *r, const struct raft_message *m)
{
    switch (m->type) {
    case RAFT_MSG_PREVOTE:
        return true;
    case RAFT_MSG_PREVOTE_REPLY:
        return !m->reject || r->saved_term >= m->term;
    case RAFT_MSG_VOTE_REPLY:
        if (!m->reject)
            return r->saved_term == m->term && r->saved_vote == m->to;
        return r->saved_term >= m->term;
    default:
        return r->saved_term >= m->term;
    }
}

void raft_post(struct raft *r, const struct raft_message *m)
{
    if (may_leave(r, m)) {
        push_message(&r->out, &r->out_count, &r->out_cap, m);
        return;
    }
    for (size_t i = 0; i < r->held_count;
         i++) /* a later answer of the same kind says all that the earlier did */
        if (r->held[i].type == m->type && r->held[i].to == m->to && r->held[i].reject == m->reject) {
            r->held[i] = *m;
            return;
        }
    push_message(&r->held, &r->held_count, &r->held_cap, m);
}

void raft_release_held(struct raft *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->held_count; i++) {
        struct raft_message m = r->held[i];
        if (m.term < r->term)
            continue; /* of a term that is over: the peer will ask again */
        if (may_leave(r, &m))
            push_message(&r->out, &r->out_count, &r->out_cap, &m);
        else
            r->held[kept++] = m;
    }
    r->held_count = kept;
}

void raft_append_duty(struct raft *r, uint64_t first, uint64_t last)
{
    assert(r->duties->append_last < r->duties->append_first);
    r->duties->append_first = first;
    r->duties->append_last = last;
    r->duties->append_ticket = r->ticket;
}

/* 3.5: a conflicting suffix goes. What was durable of it no longer counts, nor does any write under way (I2).
 */
void raft_cut(struct raft *r, uint64_t from)
{
    assert(from > r->commit && r->role != RAFT_LEADER);
    if (raft_members_index(r) >= from)
        r->members_changed = true;
    raft_log_cut(&r->log, from);
    if (r->persisted >= from)
        r->persisted = from - 1;
    r->ticket++;
    r->duties->cut = true;
    r->duties->cut_from = from;
    if (r->members_changed)
        raft_sync_peers(r); /* the configuration before it is in force again (B36) */
}

/* false: the message is not to be looked at any further. */
static bool judge_term(struct raft *r, const struct raft_message *m)
{
    if (m->term < r->term) {
        raft_refuse_stale(r, m);
        return false;
    }
    if (m->term == r->term)
        return true;
    switch (m->type) {
    case RAFT_MSG_PREVOTE:
        return true;
    case RAFT_MSG_PREVOTE_REPLY:
        if (!m->reject)
            return true;
        raft_become_follower(r, m->term, 0);
        return true;
    case RAFT_MSG_VOTE: /* 4.2.3, unless the leader itself wants it (transfer) or is seen to be dead */
        if (raft_sticky(r) && !m->transfer)
            return false;
        raft_become_follower(r, m->term, 0);
        return true;
    case RAFT_MSG_APPEND:
    case RAFT_MSG_HEARTBEAT:
    case RAFT_MSG_TIMEOUT_NOW:
        raft_become_follower(r, m->term, m->from);
        return true;
    default:
        raft_become_follower(r, m->term, 0);
        return true;
    }
}

/* A peer out of its mind: no cluster counts so far. Up to there no sum of ours wraps around. */
static bool counts_too_far(const struct raft_message *m)
{
    const uint64_t words[] = {m->term,  m->index, m->log_term,   m->commit,   m->round,
                              m->first, m->last,  m->hint_index, m->hint_term};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i] > RAFT_COUNT_MAX)
            return true;
    return false;
}

static void on_message(struct raft *r, const struct raft_message *m)
{
    if (m->to != r->config.id || m->from == r->config.id || m->from == 0 || counts_too_far(m) ||
        !judge_term(r, m))
        return;
    switch (m->type) {
    case RAFT_MSG_PREVOTE:
        raft_on_prevote(r, m);
        break;
    case RAFT_MSG_PREVOTE_REPLY:
        raft_on_prevote_reply(r, m);
        break;
    case RAFT_MSG_VOTE:
        raft_on_vote(r, m);
        break;
    case RAFT_MSG_VOTE_REPLY:
        raft_on_vote_reply(r, m);
        break;
    case RAFT_MSG_APPEND:
        raft_on_append(r, m);
        break;
    case RAFT_MSG_APPEND_REPLY:
        raft_on_append_reply(r, m);
        break;
    case RAFT_MSG_HEARTBEAT:
        raft_on_heartbeat(r, m);
        break;
    case RAFT_MSG_HEARTBEAT_REPLY:
        raft_on_heartbeat_reply(r, m);
        break;
    case RAFT_MSG_TIMEOUT_NOW:
        raft_on_timeout_now(r, m);
        break;
    }
}

static void on_persisted(struct raft *r, const struct raft_event *event)
{
    r->journal_hung = false;
    if (event->ticket != 0 && event->ticket != r->ticket)
        return; /* queued before a cut: the write that followed the cut will report too (B8) */
    if (event->index <= r->persisted || raft_log_term(&r->log, event->index) != event->term)
        return;
    r->persisted = event->index;
    raft_advance_commit(r);
    raft_short_log_check(r);
    raft_ack_if_new(r);
}

static void handle(struct raft *r, const struct raft_event *event)
{
    switch (event->type) {
    case RAFT_EVENT_TICK:
        if (r->role == RAFT_LEADER)
            raft_tick_leader(r);
        else
            raft_tick_follower(r);
        break;
    case RAFT_EVENT_MESSAGE:
        on_message(r, event->message);
        break;
    case RAFT_EVENT_PROPOSE:
        raft_propose(r, event->entries, event->count);
        break;
    case RAFT_EVENT_READ:
        raft_on_read(r);
        break;
    case RAFT_EVENT_PERSISTED:
        on_persisted(r, event);
        break;
    case RAFT_EVENT_VOTE_SAVED:
        raft_on_vote_saved(r, event->term, event->peer);
        break;
    case RAFT_EVENT_LINK_UP:
    case RAFT_EVENT_LINK_LOST:
        raft_on_link(r, event);
        break;
    case RAFT_EVENT_BEAT:
        raft_on_beat(r, event->peer, event->term);
        break;
    case RAFT_EVENT_STALLED:
        raft_on_stalled(r);
        break;
    case RAFT_EVENT_JOURNAL_HUNG:
        raft_on_journal_hung(r);
        break;
    case RAFT_EVENT_TRANSFER:
        raft_transfer(r, event->peer);
        break;
    case RAFT_EVENT_COMPACTED:
        raft_on_compacted(r, event);
        break;
    case RAFT_EVENT_SNAPSHOT_RECEIVED:
        raft_on_snapshot_received(r, event);
        break;
    case RAFT_EVENT_SNAPSHOT_INSTALLED:
        raft_on_snapshot_installed(r, event);
        break;
    case RAFT_EVENT_SNAPSHOT_SENT:
        raft_on_snapshot_sent(r, event);
        break;
    }
}

static void save_vote_duty(struct raft *r)
{
    if (r->save_sent.term == r->term && r->save_sent.vote == r->voted_for &&
        r->save_sent.short_log == r->short_log && r->save_sent.until == r->short_log_until)
        return;
    struct raft_duties *d = r->duties;
    d->save_vote = true;
    d->vote_term = r->save_sent.term = r->term;
    d->vote_for = r->save_sent.vote = r->voted_for;
    d->short_log = r->save_sent.short_log = r->short_log;
    d->short_log_until = r->save_sent.until = r->short_log_until;
}

void raft_step(struct raft *r, const struct raft_event *event, struct raft_duties *duties)
{
    memset(duties, 0, sizeof *duties);
    duties->append_first = 1;
    r->duties = duties;
    r->out_count = 0;
    r->round_open = false;
    r->members_changed = false;
    r->say_len = 0;
    if (event->now_us > r->now_us)
        r->now_us = event->now_us;
    enum raft_role role = r->role;
    uint64_t term = r->term, leader = r->leader;

    handle(r, event);
    if (r->role == RAFT_LEADER) {
        raft_release_reads(r);
        raft_snapshot_duty(r);
    }
    save_vote_duty(r);
    assert(r->role == RAFT_LEADER || r->matched >= r->commit);
    assert(r->commit <= r->log.last && r->persisted <= r->log.last && r->log.base <= r->commit);
    duties->messages = r->out;
    duties->message_count = r->out_count;
    duties->role_changed = role != r->role || term != r->term || leader != r->leader;
    duties->members_changed = r->members_changed;
    duties->say = r->say_len > 0 ? r->say : NULL;
    r->duties = NULL;
}

uint64_t raft_deadline_us(const struct raft *r)
{
    return r->role == RAFT_LEADER ? raft_leader_deadline(r) : raft_follower_deadline(r);
}

enum raft_role raft_role(const struct raft *r)
{
    return r->role;
}

uint64_t raft_term(const struct raft *r)
{
    return r->term;
}

uint64_t raft_leader(const struct raft *r)
{
    return r->leader;
}

uint64_t raft_commit(const struct raft *r)
{
    return r->commit;
}

uint64_t raft_last_index(const struct raft *r)
{
    return r->log.last;
}

uint64_t raft_first_index(const struct raft *r)
{
    return r->log.base + 1;
}

uint64_t raft_term_at(const struct raft *r, uint64_t index)
{
    return raft_log_term(&r->log, index);
}

uint64_t raft_persisted(const struct raft *r)
{
    return r->persisted;
}

bool raft_accepts(const struct raft *r)
{
    return r->role == RAFT_LEADER && r->transferee == 0;
}

void raft_stand_aside(struct raft *r, bool aside)
{
    r->aside = aside;
    r->aside_us = r->now_us;
    if (!aside)
        return;
    r->failover_us = 0;
    if (r->role == RAFT_PRECANDIDATE)
        r->role = RAFT_FOLLOWER;
}

bool raft_short_log(const struct raft *r)
{
    return r->short_log;
}

bool raft_progress(const struct raft *r, uint64_t peer, struct raft_progress *out)
{
    for (uint32_t i = 0; r->role == RAFT_LEADER && i < r->peer_count; i++) {
        const struct raft_peer *p = &r->peers[i];
        if (p->id != peer)
            continue;
        out->match = p->match;
        out->next = p->next;
        out->acked_us = p->heard_us;
        out->heard = p->heard;
        out->round_trip_us = p->round_trip_us;
        out->inflight_bytes = p->inflight_bytes;
        out->snapshotting = p->state == RAFT_SNAPSHOT;
        out->probing = p->state == RAFT_PROBE;
        out->refused = p->refused;
        out->short_log = p->known_short;
        return true;
    }
    return false;
}
