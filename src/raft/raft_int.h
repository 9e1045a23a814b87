/* Inside of the core. The invariants that every file here keeps:
 *
 * I1. base <= snapshot_index <= commit <= last, persisted <= last. Commit never falls, and nothing at or below it
 * is ever cut. (`snapshot_index` may be above `base`: entries are kept for lagging peers.)
 *
 * I2. `persisted` speaks of the log as it is now: a cut lowers it, and a write that was under way before a cut
 * vouches for nothing (`ticket`; B6, B8).
 *
 * I3. No message that depends on a term or a vote leaves before the vote file holds it (`held`, B12).
 *
 * I4. A follower's `matched` is what messages of this term's leader have proven, and what is committed. It acks
 * min(matched, persisted) and commits min(leader's word, matched): never its own last index (B3, B4).
 *
 * I5. A leader commits by counting only an entry of its own term (3.6.2, B1), counting itself by `persisted`
 * (10.2.1), and only voters of the newest configuration in its log (4.1, B35, B37).
 *
 * I6. Every message of one step carries one send round, above those of all earlier steps (B24).
 *
 * I7. Votes are counted by who gave them, in the state that asked for them: a pre-vote is no vote, a higher term is
 * no vote (B15, B16).
 *
 * The B numbers are those of tests/mutants/raft: bugs that public implementations have shipped.
 *
 * Files: log.c what is known of the entries; election.c terms and votes; failover.c links, beats and stalls;
 * follow.c appends on a follower; replicate.c the leader's sending and commit; lead.c its other duties; read.c
 * rounds; membership.c the peers; shortlog.c voters that lost entries; snapshot.c; raft.c the step. */
#ifndef RAFT_INT_H
#define RAFT_INT_H

#include "base/prng.h"
#include "raft/raft.h"

/* No term, index or round is taken from outside above this. */
#define RAFT_COUNT_MAX (UINT64_MAX / 2)

/* What is known of the entries: a ring of sizes, runs of equal terms, and the configurations. */
struct raft_run {
    uint64_t first, term;
};

struct raft_config_at {
    uint64_t index;
    struct raft_members members;
};

struct raft_log {
    uint64_t base, base_term; /* the entry before the first one held */
    uint64_t last;
    uint8_t *sizes; /* of entry i at [i & mask], rounded up */
    uint64_t mask;
    struct raft_run *runs; /* of base+1..last, in order */
    size_t run_count, run_cap;
    struct raft_config_at *configs; /* [0]: in force at base; then those of base+1..last in order */
    size_t config_count, config_cap;
};

void raft_log_init(struct raft_log *log, uint64_t base, uint64_t base_term,
                   const struct raft_members *members);
void raft_log_deinit(struct raft_log *log);
void raft_log_append(struct raft_log *log, uint64_t term, uint32_t size, const struct raft_members *members);
void raft_log_cut(struct raft_log *log, uint64_t from);   /* drops from..last */
void raft_log_compact(struct raft_log *log, uint64_t to); /* drops ..to */
void raft_log_restart(struct raft_log *log, uint64_t base, uint64_t base_term,
                      const struct raft_members *members);
uint64_t raft_log_term(const struct raft_log *log, uint64_t index); /* 0: not held, nor base */
static inline uint64_t raft_log_last_term(const struct raft_log *log)
{
    return log->run_count > 0 ? log->runs[log->run_count - 1].term : log->base_term;
}
/* The last entry of a batch that starts at `first` and keeps to max_bytes unless it is a single entry; `bytes` are up to an
 * eighth more than it has. */
uint64_t raft_log_batch(const struct raft_log *log, uint64_t first, size_t max_bytes, size_t *bytes);
/* The last index <= `index` whose term is <= `term`: where two logs may still agree. Below base: base - 1. */
uint64_t raft_log_agree(const struct raft_log *log, uint64_t index, uint64_t term);
const struct raft_config_at *raft_log_config(const struct raft_log *log);

enum raft_peer_state {
    RAFT_PROBE,     /* where the logs agree is not known, or the peer is silent: one APPEND at a time */
    RAFT_REPLICATE, /* optimistic: `next` runs ahead of what is acknowledged, within the window */
    RAFT_SNAPSHOT,  /* needs a snapshot; heartbeats only */
};

struct raft_inflight {
    uint64_t last, round;
    size_t bytes;
};

struct raft_peer {
    uint64_t id;
    bool voter;
    bool leaving;              /* removed from the members, still told that it is (4.2.2) */
    uint64_t leaving_until_us; /* but not for ever */

    /* Election: its answer to our request, and what it last said of itself. */
    bool granted;
    bool known_short;

    /* Replication: the leader's. */
    enum raft_peer_state state;
    uint64_t match, next;
    uint64_t match_round; /* replies to messages of later rounds were made when `match` held already */
    bool refused;         /* came back with less than it acknowledged (B11): neither sent to nor counted */
    bool probe_out;       /* PROBE: an APPEND is unanswered */
    bool silent;          /* PROBE: and so was the one before: send no entries, only the question */
    uint64_t told_commit;
    struct raft_inflight *ring;
    uint32_t ring_head, ring_count;
    size_t inflight_bytes;

    uint64_t heard_us;    /* any sign of life in this term, or its beginning */
    bool heard;           /* so it has given one */
    uint64_t acked_round; /* highest round echoed in this term */
    uint64_t round_trip_us, sample_round, sample_us;

    uint64_t snapshot_index, snapshot_sent_us; /* sent_us 0: under way */
    bool snapshot_wanted;                      /* duty not yet handed out */
};

#define RAFT_PEERS_MAX (2 * RAFT_MEMBERS_MAX)

/* Where a node's log ended when it last stood or voted; it need not be one of the peers. */
struct raft_known {
    uint64_t id, index, term, us;
};

struct raft_pending_read {
    uint64_t seq, index, round;
};

struct raft {
    struct raft_config config;
    struct prng prng;
    uint64_t now_us;

    /* Persistent state, as decided; and how much of it the vote file holds. */
    uint64_t term, voted_for;
    bool short_log;
    uint64_t short_log_until;
    bool had_others;
    uint64_t saved_term, saved_vote;
    struct {
        uint64_t term, vote, until;
        bool short_log;
    } save_sent; /* what the last save_vote duty said */

    struct raft_log log;
    uint64_t commit, persisted, snapshot_index;
    uint64_t ticket; /* goes up with each cut */

    enum raft_role role;
    uint64_t leader;

    /* Follower. */
    uint64_t matched, acked;  /* proven by this term's leader; what we told it is durable */
    uint64_t ack_round;       /* highest round received in this term */
    uint64_t complained_term; /* said once a term what is wrong with its leader */
    uint64_t contact_term;    /* short log: the term whose leader we asked how far to go */
    uint64_t heard_us;        /* last sign of life of the leader */
    uint64_t election_us;     /* when to stand */
    bool installing;
    bool aside; /* must not stand while there may be others */
    uint64_t aside_us;
    uint64_t install_index, install_term;
    struct raft_members install_members;

    /* Fast failover. */
    bool leader_lost; /* we saw the leader's process end, or have been cut off from it */
    uint64_t lost_leader;
    uint64_t ended_until_us; /* its process ended: until then what still comes from it is no sign of life */
    uint64_t cut_us;         /* the link is down: at this time the leader counts as lost; 0: it is up */
    uint64_t failover_us;    /* when to start a pre-vote; 0: not at all */
    uint32_t failover_tries;

    struct raft_known known[RAFT_PEERS_MAX]; /* shortlog.c */

    /* Candidate. */
    bool asked, transfer_vote, lost_vote;

    /* Leader. */
    uint64_t term_start; /* index of the own no-op */
    uint64_t heartbeat_us, notice_us;
    uint64_t round;
    bool round_open; /* this step has its round */
    uint64_t transferee, transfer_us;
    bool journal_hung;

    struct raft_peer peers[RAFT_PEERS_MAX];
    uint32_t peer_count;

    struct raft_pending_read *pending;
    size_t pending_head, pending_count, pending_cap;
    uint64_t read_seq;

    /* The step's output. */
    struct raft_duties *duties;
    struct raft_message *out, *held;
    size_t out_count, out_cap, held_count, held_cap;
    struct raft_read *reads;
    size_t reads_cap;
    bool members_changed;
    char say[512];
    size_t say_len;
};

/* raft.c */
void raft_say(struct raft *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct raft_message raft_message_to(const struct raft *r, enum raft_message_type type, uint64_t to);
void raft_post(struct raft *r,
               const struct raft_message *m); /* sends, or holds it until the vote file is as far */
void raft_release_held(struct raft *r);
void raft_append_duty(struct raft *r, uint64_t first, uint64_t last);
void raft_cut(struct raft *r, uint64_t from);

/* election.c */
void raft_timer_reset(struct raft *r);
void raft_become_follower(struct raft *r, uint64_t term, uint64_t leader);
void raft_start_prevote(struct raft *r, bool leader_lost);
void raft_ask_again(struct raft *r, struct raft_peer *p); /* resends our request for a (pre-)vote */
bool raft_may_stand(const struct raft *r);
bool raft_sticky(const struct raft *r);
void raft_on_prevote(struct raft *r, const struct raft_message *m);
void raft_on_vote(struct raft *r, const struct raft_message *m);
void raft_on_prevote_reply(struct raft *r, const struct raft_message *m);
void raft_on_vote_reply(struct raft *r, const struct raft_message *m);
void raft_on_timeout_now(struct raft *r, const struct raft_message *m);
void raft_on_vote_saved(struct raft *r, uint64_t term, uint64_t vote);
void raft_refuse_stale(struct raft *r, const struct raft_message *m);

/* failover.c */
void raft_hear_leader(struct raft *r, uint64_t leader);
void raft_leader_ended(struct raft *r, bool process);
void raft_on_link(struct raft *r, const struct raft_event *event);
void raft_on_beat(struct raft *r, uint64_t peer, uint64_t term);
void raft_on_stalled(struct raft *r);
void raft_on_journal_hung(struct raft *r);
void raft_tick_follower(struct raft *r);
uint64_t raft_follower_deadline(const struct raft *r);

/* replicate.c */
uint64_t raft_round(struct raft *r); /* of this step */
void raft_lead(struct raft *r);
void raft_propose(struct raft *r, const struct raft_entry *entries, size_t count);
void raft_send(struct raft *r, struct raft_peer *p);
void raft_heartbeat(struct raft *r, struct raft_peer *p);
void raft_ask_for_loss(struct raft *r,
                       struct raft_peer *p); /* did what is under way come in? The reject says no */
void raft_reset_progress(struct raft *r, struct raft_peer *p);
void raft_on_append_reply(struct raft *r, const struct raft_message *m);
void raft_on_heartbeat_reply(struct raft *r, const struct raft_message *m);
void raft_advance_commit(struct raft *r);

/* lead.c */
void raft_tick_leader(struct raft *r);
uint64_t raft_leader_deadline(const struct raft *r);
void raft_transfer(struct raft *r, uint64_t peer);
void raft_transfer_go(struct raft *r, const struct raft_peer *p);
struct raft_peer *raft_best_peer(struct raft *r);
void raft_committed(struct raft *r);

/* follow.c */
void raft_on_append(struct raft *r, const struct raft_message *m);
void raft_on_heartbeat(struct raft *r, const struct raft_message *m);
void raft_ack(struct raft *r);
void raft_ack_if_new(struct raft *r);

/* read.c */
void raft_on_read(struct raft *r);
void raft_release_reads(struct raft *r);
void raft_lose_reads(struct raft *r);

/* membership.c */
struct raft_peer *raft_peer(struct raft *r, uint64_t id); /* NULL: not known */
void raft_sync_peers(struct raft *r);
void raft_drop_peer(struct raft *r, struct raft_peer *p);
bool raft_has_standing(const struct raft *r);
/* Stands for the voters: equal where they are the same ones. 0: there are none. */
uint64_t raft_voters_sum(const struct raft_members *members);
uint64_t raft_sum(uint64_t sum, uint64_t id); /* with one voter more */
/* The configuration before the newest one, which is in force again should that one be cut. NULL: the newest is committed. */
const struct raft_members *raft_members_before(const struct raft *r);
bool raft_sole_voter(const struct raft *r);
/* The value that a quorum of voters has reached, given each voter's value. */
uint64_t raft_quorum_value(const struct raft *r, uint64_t self, uint64_t (*of)(const struct raft_peer *));

/* shortlog.c */
void raft_short_log_contact(struct raft *r, const struct raft_message *m);
void raft_short_log_check(struct raft *r);
void raft_short_log_end(struct raft *r);
void raft_rescue_say(struct raft *r, const char *what);
void raft_note_known(struct raft *r, const struct raft_message *m);
bool raft_rescue(const struct raft *r, uint64_t candidate, uint64_t index, uint64_t term);
bool raft_rescue_by(const struct raft *r, const struct raft_message *m);

/* snapshot.c */
void raft_want_snapshot(struct raft *r, struct raft_peer *p);
void raft_snapshot_duty(struct raft *r);
void raft_snapshot_outrun(struct raft *r, struct raft_peer *p);
bool raft_snapshot_wanted(const struct raft *r);
void raft_on_compacted(struct raft *r, const struct raft_event *event);
void raft_on_snapshot_received(struct raft *r, const struct raft_event *event);
void raft_on_snapshot_installed(struct raft *r, const struct raft_event *event);
void raft_on_snapshot_sent(struct raft *r, const struct raft_event *event);

#endif
