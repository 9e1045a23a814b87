/* Consensus alone: events in, duties out. Ongaro's dissertation ("Consensus: Bridging Theory and Practice") is
 * the text this room follows; section numbers below and in the code are its.
 *
 * raft_step takes one event and returns the duties that follow from it. No I/O, no clock, no thread, no
 * payload: entries are known by (index, term, kind, size) alone, the node keeps their bytes. The caller carries
 * out duties in any order it likes, since the core itself waits for the disk: a message that may only leave
 * after something is durable is not handed out before the PERSISTED or VOTE_SAVED event that says so (10.2.1: the
 * leader writes in parallel with its followers). */
#ifndef RAFT_RAFT_H
#define RAFT_RAFT_H

#include "raft/entry.h"
#include "raft/types.h"

struct raft;

struct raft_config {
    uint64_t id;
    uint64_t seed;             /* of the election jitter */
    uint64_t heartbeat_us;     /* 50,000 */
    uint64_t election_us;      /* the upper bound, 1,000,000; timeouts are drawn from [half of it, it] */
    size_t append_max_bytes;   /* of one APPEND, exceeded only by a single larger entry */
    size_t inflight_max_bytes; /* a peer, unacknowledged */
    uint32_t inflight_max;     /* messages a peer */
};

/* What the node found on its disk. */
struct raft_recovered {
    uint64_t term, voted_for;
    uint64_t snapshot_index, snapshot_term; /* 0, 0: none */
    struct raft_members members;            /* as of the snapshot; count 0: none (blank) */
    bool short_log;           /* the journal may lack what was promised (DESIGN 7): no vote until whole */
    uint64_t short_log_until; /* 0: not yet known, else the index to reach */
    bool had_others;          /* other voters have been named to this node, whatever is left of the log */
};

/* One log entry as the core knows it. */
struct raft_entry {
    uint64_t term;
    enum raft_entry_kind kind;
    uint32_t size;                      /* bytes of the frame */
    const struct raft_members *members; /* of a CONFIG entry, borrowed for the call; else NULL */
};

enum raft_message_type {
    RAFT_MSG_PREVOTE = 1, /* 9.6 */
    RAFT_MSG_PREVOTE_REPLY,
    RAFT_MSG_VOTE, /* 3.4 */
    RAFT_MSG_VOTE_REPLY,
    RAFT_MSG_APPEND, /* 3.5; may be empty (a probe) */
    RAFT_MSG_APPEND_REPLY,
    RAFT_MSG_HEARTBEAT, /* carries a round and a commit index no higher than the peer's match */
    RAFT_MSG_HEARTBEAT_REPLY,
    RAFT_MSG_TIMEOUT_NOW, /* 3.10 */
};

/* Every message carries (from, to, term). Which further fields mean something stands beside them. The node adds
 * its wall clock on the wire; the core does not know of it. */
struct raft_message {
    enum raft_message_type type;
    uint64_t from, to, term;
    uint64_t
        index; /* APPEND: prev index. (PRE)VOTE and its reply: the sender's last index. APPEND_REPLY: match,
                          or when rejected the prev index that did not match. HEARTBEAT_REPLY: match */
    uint64_t log_term;    /* term of `index` (APPEND, VOTE, PREVOTE and the replies to the last two) */
    uint64_t commit;      /* APPEND, HEARTBEAT: leader's commit (HEARTBEAT: capped at the peer's match) */
    uint64_t round;       /* APPEND, HEARTBEAT: send round; replies echo it. 0 in others */
    uint64_t first, last; /* APPEND: entries first..last follow prev (last < first: none) */
    const struct raft_entry
        *entries;  /* APPEND received: their metas, last-first+1 of them. NULL in duties: the node
                                         looks the entries up itself */
    bool reject;   /* replies */
    bool transfer; /* VOTE after TIMEOUT_NOW: sticky followers answer it (4.2.3) */
    bool
        leader_lost; /* (PRE)VOTE: the sender saw the leader's process end; a peer that saw it too grants at once */
    bool short_log; /* replies and votes: the sender's own log is short (DESIGN 7), its match may go down */
    uint64_t hint_index,
        hint_term; /* APPEND_REPLY rejected: where to try next (fast back-up, 5.3 of the paper).
                          (PRE)VOTE_REPLY: an entry that the sender knows is committed.
                          (PRE)VOTE: sums that stand for the voters of the newest configuration and, where the
                          sender does not know that one to be committed, of the one before; else 0.
                          hint_index alone: APPEND, HEARTBEAT: the leader's last index (what a short log has to reach);
                          HEARTBEAT_REPLY: received, perhaps not yet durable, up to here (tells a lost APPEND) */
};

enum raft_event_type {
    RAFT_EVENT_TICK,    /* time has passed; raft_deadline_us says when one is due */
    RAFT_EVENT_MESSAGE, /* message */
    RAFT_EVENT_PROPOSE, /* entries[count]; the core gives them last+1.. and the current term. Only while
                               raft_accepts() */
    RAFT_EVENT_READ,    /* a read was received; the step's duties carry read_seq */
    RAFT_EVENT_PERSISTED, /* the journal is durable up to `index`, whose entry has term `term`, as of the append duty with
                               this `ticket`, or the last of several (B8: an entry may be cut and come back while its first
                               write is still under way; index and term cannot tell the two writes apart) */
    RAFT_EVENT_VOTE_SAVED, /* (term, id voted for) of the last save_vote duty, echoed in `term` and `peer`, is durable */
    RAFT_EVENT_LINK_UP, /* the link to `peer` stands */
    RAFT_EVENT_LINK_LOST, /* the link to `peer` broke; `gone`: a fresh connect was refused or another boot nonce answered,
                               so its process has ended */
    RAFT_EVENT_BEAT, /* `peer` in `term` is alive though its main thread is busy: keeps a follower from electing (peer is
                               its leader) or counts for CheckQuorum (peer is a follower). Never a round, match or commit */
    RAFT_EVENT_STALLED, /* the caller did not step for long: sockets are to be read before anybody is judged */
    RAFT_EVENT_JOURNAL_HUNG, /* our own journal write hangs for two election timeouts: a leader gives up its office */
    RAFT_EVENT_TRANSFER, /* hand leadership to `peer`, 0: the most up-to-date voter (3.10) */
    RAFT_EVENT_COMPACTED, /* a snapshot at (index, term) is durable here: entries up to `compact_to` <= index may be forgotten */
    RAFT_EVENT_SNAPSHOT_RECEIVED, /* a whole verified snapshot (index, term, members) from leader `peer` in its term `leader_term` lies
                               ready: duty install says whether to take it */
    RAFT_EVENT_SNAPSHOT_INSTALLED, /* it is durable and loaded */
    RAFT_EVENT_SNAPSHOT_SENT, /* leader: transfer to `peer` of the snapshot at `index` ended; `gone`: it failed */
};

struct raft_event {
    enum raft_event_type type;
    uint64_t now_us;
    const struct raft_message *message;
    const struct raft_entry *entries;
    size_t count;
    uint64_t index, term, compact_to, peer, ticket, leader_term;
    bool gone;
    const struct raft_members *members;
};

enum raft_role { RAFT_FOLLOWER, RAFT_PRECANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

struct raft_read {
    uint64_t seq;   /* all reads up to this seq */
    uint64_t index; /* may run once this index is applied */
};

/* What is to be done. Pointers are the core's, valid until the next step. */
struct raft_duties {
    bool save_vote; /* make (vote_term, vote_for, short_log, short_log_until) durable, then VOTE_SAVED */
    uint64_t vote_term, vote_for, short_log_until;
    bool short_log;

    bool cut; /* first: entries from cut_from on are to be dropped (a conflicting suffix, 3.5) */
    uint64_t cut_from;
    uint64_t append_first,
        append_last;        /* then: make these durable, PERSISTED afterwards (none: last < first). For a
                            follower they are part of the message's entries, for a leader what was proposed, or the no-op of a new term
                            (kind NOOP, which the node frames itself) */
    uint64_t append_ticket; /* to be echoed in PERSISTED */
    bool append_noop;       /* append_first..append_last is the one no-op of a new term */

    const struct raft_message *messages;
    size_t message_count;

    uint64_t read_seq;             /* of the READ event, 0: refused (not leader) */
    const struct raft_read *reads; /* confirmed, in order of seq */
    size_t read_count;
    bool reads_lost; /* all unconfirmed reads are void: the office was lost */

    uint64_t
        send_snapshot; /* begin to send the newest snapshot to this peer, 0: to nobody (others follow in later steps) */
    bool install;      /* take the snapshot just received */
    bool role_changed; /* role, term or leader differ from before the step */
    bool members_changed;
    const char *say; /* a line worth telling people (notice), or NULL */
};

/* `now_us` starts the election timer. */
struct raft *raft_new(const struct raft_config *config, const struct raft_recovered *found, uint64_t now_us);
void raft_free(struct raft *r);
/* Recovery: the journal's durable entries after the snapshot, in order, before the first step. */
void raft_load(struct raft *r, uint64_t index, const struct raft_entry *entry);
/* Founding (DESIGN 3) needs no call of its own: the founder writes entry 1 (CONFIG, term 1) durably, votes for itself in
 * term 1, and starts as any node that recovered that entry. A blank node has no members and only answers. */

void raft_step(struct raft *r, const struct raft_event *event, struct raft_duties *duties);
/* When the next TICK is due; UINT64_MAX: never, unless something happens. */
uint64_t raft_deadline_us(const struct raft *r);

enum raft_role raft_role(const struct raft *r);
uint64_t raft_term(const struct raft *r);
uint64_t raft_leader(const struct raft *r); /* 0: not known */
uint64_t raft_commit(const struct raft *r);
uint64_t raft_last_index(const struct raft *r);
uint64_t raft_first_index(const struct raft *r); /* the first entry still held; last+1 when none */
uint64_t raft_term_at(const struct raft *r, uint64_t index); /* 0: not held (and not the snapshot's index) */
uint64_t raft_persisted(const struct raft *r);
/* Leader, not handing over. A CONFIG entry also needs raft_may_change_members. */
bool raft_accepts(const struct raft *r);
/* One change at a time, none before an entry of the own term is committed (4.1 and its erratum of July 2015). */
bool raft_may_change_members(const struct raft *r);
const struct raft_members *raft_members(const struct raft *r); /* the newest in the log, committed or not */
uint64_t raft_members_index(const struct raft *r);
bool raft_is_voter(const struct raft *r);
uint32_t raft_quorum(const struct raft *r); /* so many voters are a majority */
bool raft_short_log(const struct raft *r);
/* `aside`: others are to lead. It neither stands nor takes an office that is handed to it, while it votes and acks as before,
 * unless nobody has led for three election timeouts: it may be the only one left that holds all that is committed, and
 * then has to lead until another one holds it too. A candidate or leader goes on. */
void raft_stand_aside(struct raft *r, bool aside);

/* What a leader knows of a peer, for INFO and for choosing a transfer target. false: not a peer or not leader. */
struct raft_progress {
    uint64_t match, next;
    uint64_t acked_us;      /* when it last answered; before it has, when this office began */
    bool heard;             /* it has answered in this term */
    uint64_t round_trip_us; /* of the last round */
    size_t inflight_bytes;
    bool snapshotting;
    bool probing;   /* where the logs agree is being asked, by one APPEND at a time */
    bool refused;   /* it was rolled back: neither sent to nor counted until it is replaced */
    bool short_log; /* it says so of itself */
};
bool raft_progress(const struct raft *r, uint64_t peer, struct raft_progress *out);

#endif
