/* The follower's side of chapter 3.5. What a message proves is all that counts: `matched` is how far this
 * term's leader has shown that our log is its log, an ack says how much of that is durable, and commit never
 * passes it. A late or repeated message therefore changes nothing, and cuts nothing that still agrees (B5).
 */
#include <assert.h>

#include "raft/raft_int.h"

static uint64_t ack_index(const struct raft *r)
{
    return r->matched < r->persisted ? r->matched : r->persisted;
}

void raft_ack(struct raft *r)
{
    struct raft_message m = raft_message_to(r, RAFT_MSG_APPEND_REPLY, r->leader);
    m.index = ack_index(r);
    m.round = r->ack_round;
    m.short_log = r->short_log;
    r->acked = m.index;
    raft_post(r, &m);
}

void raft_ack_if_new(struct raft *r)
{
    if (r->role == RAFT_FOLLOWER && r->leader != 0 && ack_index(r) > r->acked)
        raft_ack(r);
}

static void reject(struct raft *r, const struct raft_message *m)
{
    struct raft_message out = raft_message_to(r, RAFT_MSG_APPEND_REPLY, m->from);
    out.reject = true;
    out.index = m->index;
    out.round = r->ack_round;
    out.short_log = r->short_log;
    out.hint_index = raft_log_agree(&r->log, m->index, m->log_term);
    out.hint_term = raft_log_term(&r->log, out.hint_index);
    raft_post(r, &out);
}

/* What comes from outside is judged, not asserted. */
static bool well_formed(const struct raft_message *m)
{
    uint64_t term = m->log_term;
    if (term > m->term || (m->index == 0) != (term == 0))
        return false;
    if (m->last < m->first)
        return true;
    if (m->first != m->index + 1 || !m->entries)
        return false;
    for (uint64_t i = m->first; i <= m->last; i++) {
        const struct raft_entry *e = &m->entries[i - m->first];
        if (e->term == 0 || e->term < term || e->term > m->term)
            return false;
        if ((e->kind == RAFT_ENTRY_CONFIG) != (e->members != NULL))
            return false;
        term = e->term;
    }
    return true;
}

/* Entries first..m->last are new. */
static void append_from(struct raft *r, const struct raft_message *m, uint64_t first)
{
    for (uint64_t i = first; i <= m->last; i++) {
        const struct raft_entry *e = &m->entries[i - m->first];
        raft_log_append(&r->log, e->term, e->size, e->members);
        r->members_changed |= e->members != NULL;
    }
    raft_append_duty(r, first, m->last);
    if (r->members_changed)
        raft_sync_peers(r);
}

/* Neither can happen unless somebody lost what it had promised. Once a term: it may go on and on. */
static void complain(struct raft *r, const struct raft_message *m, const char *what)
{
    if (r->complained_term != r->term)
        raft_say(r, "node %llx, term %llu, log at %llu: %s", (unsigned long long)m->from,
                 (unsigned long long)m->term, (unsigned long long)m->index, what);
    r->complained_term = r->term;
}

/* A message that begins below our snapshot: what it has to say of the snapshot's last entry is all that can be compared. */
static bool contradicts_snapshot(const struct raft *r, const struct raft_message *m)
{
    uint64_t base = r->log.base;
    return m->first <= base && base <= m->last && m->entries[base - m->first].term != r->log.base_term;
}

/* The first entry of the message that our log lacks or contradicts; last+1: it holds them all. */
static uint64_t first_new(const struct raft *r, const struct raft_message *m)
{
    uint64_t i = m->first;
    if (i <= r->log.base)
        i = r->log.base + 1; /* committed here, hence the same there (B5) */
    while (i <= m->last && i <= r->log.last && raft_log_term(&r->log, i) == m->entries[i - m->first].term)
        i++;
    return i;
}

static void take(struct raft *r, const struct raft_message *m)
{
    uint64_t proven = m->index;
    if (m->last >= m->first) {
        uint64_t new_from = first_new(r, m);
        if (new_from <= m->last && new_from <= r->log.last) {
            if (new_from <= r->commit) { /* B11: never, whoever asks */
                complain(r, m, "asks to replace a committed entry: refused");
                return;
            }
            if (new_from <= r->matched) { /* our acks speak of it, and one that is held may be yet to leave */
                complain(r, m, "asks to replace an entry that it sent in this term: refused");
                return;
            }
            raft_cut(r, new_from);
        }
        if (new_from <= m->last)
            append_from(r, m, new_from);
        proven = m->last;
    }
    if (proven > r->matched)
        r->matched = proven;
    uint64_t commit = m->commit < r->matched ? m->commit : r->matched;
    if (commit > r->commit)
        r->commit = commit;
    raft_short_log_check(r);
    if (ack_index(r) >= proven)
        raft_ack(r);
    else
        raft_ack_if_new(r); /* the rest when it is durable */
}

/* true: it comes from the leader of this term and counts as a sign of life. */
static bool from_leader(struct raft *r, const struct raft_message *m)
{
    if (r->role == RAFT_LEADER || (r->leader != 0 && r->leader != m->from)) {
        complain(r, m, "claims to lead a term that another leads");
        return false;
    }
    if (r->leader_lost && m->from == r->lost_leader && r->now_us < r->ended_until_us)
        return false; /* written before its process ended */
    raft_hear_leader(r, m->from);
    if (m->round > r->ack_round)
        r->ack_round = m->round;
    raft_short_log_contact(r, m);
    return true;
}

void raft_on_append(struct raft *r, const struct raft_message *m)
{
    if (!well_formed(m) || !from_leader(r, m))
        return;
    if (r->installing)
        return; /* one thing at a time (B43); the leader asks again */
    if (m->index < r->log.base) {
        /* Below our snapshot everything is committed: its log is ours up to there (3.6.3), unless it lost what was. */
        if (contradicts_snapshot(r, m)) {
            complain(r, m, "asks to replace a committed entry: refused");
            return;
        }
        if (r->log.base > r->matched)
            r->matched = r->log.base;
        if (m->last < m->first || m->last <= r->log.base) {
            raft_ack(r);
            return;
        }
    } else if (raft_log_term(&r->log, m->index) != m->log_term || (m->index > 0 && m->log_term == 0)) {
        reject(r, m);
        return;
    }
    take(r, m);
}

void raft_on_heartbeat(struct raft *r, const struct raft_message *m)
{
    if (!from_leader(r, m))
        return;
    /* A heartbeat proves nothing of the log: only what appends of this term have shown may commit (B3). */
    uint64_t commit = m->commit < r->matched ? m->commit : r->matched;
    if (commit > r->commit && !r->installing)
        r->commit = commit;
    raft_short_log_check(r);
    struct raft_message out = raft_message_to(r, RAFT_MSG_HEARTBEAT_REPLY, m->from);
    out.index = ack_index(r);
    out.hint_index = r->matched;
    out.round = r->ack_round;
    out.short_log = r->short_log;
    raft_post(r, &out);
}
