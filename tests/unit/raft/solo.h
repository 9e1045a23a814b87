/* One core alone, fed by hand: for what a network only rarely does in the right order. */
#ifndef TESTS_RAFT_SOLO_H
#define TESTS_RAFT_SOLO_H

#include "raft/raft.h"

struct solo {
    struct raft *raft;
    uint64_t now_us, id;
    struct raft_duties d; /* of the last step */
};

/* Node 1 of `voters`, its log entries of the given terms (0 ends the list), vote file at `term`. */
void solo_init(struct solo *s, uint32_t voters, uint64_t term, const uint64_t *terms);
void solo_deinit(struct solo *s);
void solo_step(struct solo *s, struct raft_event e);
void solo_receive(struct solo *s, struct raft_message m); /* `to` is filled in */
/* An APPEND from `from`: entries after `prev`, their terms listed, 0 ends. */
void solo_append(struct solo *s, uint64_t from, uint64_t term, uint64_t prev, uint64_t prev_term,
                 const uint64_t *terms, uint64_t commit, uint64_t round);
void solo_ack(struct solo *s, uint64_t from, uint64_t match, uint64_t round);
void solo_vote_saved(struct solo *s);                /* all that was decided so far */
void solo_persisted(struct solo *s, uint64_t index); /* of the newest write */
void solo_lead(struct solo *s);                      /* through an election, the no-op not yet durable */
uint64_t solo_propose(struct solo *s, uint32_t n);
const struct raft_message *solo_sent(const struct solo *s, enum raft_message_type type,
                                     uint64_t to); /* or NULL */

#endif
