#include "solo.h"

#include <assert.h>
#include <string.h>

static const uint64_t heartbeat_us = 50000, election_us = 1000000;

void solo_init(struct solo *s, uint32_t voters, uint64_t term, const uint64_t *terms)
{
    struct raft_config config = {.id = 1,
                                 .seed = 1,
                                 .heartbeat_us = heartbeat_us,
                                 .election_us = election_us,
                                 .append_max_bytes = 1000,
                                 .inflight_max_bytes = 10000,
                                 .inflight_max = 8};
    struct raft_recovered found = {.term = term};
    memset(s, 0, sizeof *s);
    s->now_us = 1000000;
    s->id = 1;
    found.members.count = voters;
    for (uint32_t i = 0; i < voters; i++)
        found.members.at[i] = (struct raft_member){.id = i + 1, .voter = true};
    s->raft = raft_new(&config, &found, s->now_us);
    for (uint64_t i = 1; terms && *terms; i++, terms++)
        raft_load(s->raft, i, &(struct raft_entry){*terms, RAFT_ENTRY_DATA, 100, NULL});
}

void solo_deinit(struct solo *s)
{
    raft_free(s->raft);
}

void solo_step(struct solo *s, struct raft_event e)
{
    e.now_us = s->now_us;
    raft_step(s->raft, &e, &s->d);
}

void solo_receive(struct solo *s, struct raft_message m)
{
    m.to = s->id;
    if (m.first == 0)
        m.first = 1;
    solo_step(s, (struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = &m});
}

void solo_append(struct solo *s, uint64_t from, uint64_t term, uint64_t prev, uint64_t prev_term,
                 const uint64_t *terms, uint64_t commit, uint64_t round)
{
    struct raft_entry entries[64];
    uint64_t n = 0;
    for (; terms && terms[n]; n++)
        entries[n] = (struct raft_entry){terms[n], RAFT_ENTRY_DATA, 100, NULL};
    solo_receive(s, (struct raft_message){.type = RAFT_MSG_APPEND,
                                          .from = from,
                                          .term = term,
                                          .index = prev,
                                          .log_term = prev_term,
                                          .first = prev + 1,
                                          .last = prev + n,
                                          .entries = entries,
                                          .commit = commit,
                                          .round = round,
                                          .hint_index = prev + n});
}

void solo_ack(struct solo *s, uint64_t from, uint64_t match, uint64_t round)
{
    solo_receive(s, (struct raft_message){.type = RAFT_MSG_APPEND_REPLY,
                                          .from = from,
                                          .term = raft_term(s->raft),
                                          .index = match,
                                          .round = round});
}

void solo_vote_saved(struct solo *s)
{
    assert(s->d.save_vote);
    solo_step(
        s, (struct raft_event){.type = RAFT_EVENT_VOTE_SAVED, .term = s->d.vote_term, .peer = s->d.vote_for});
}

void solo_persisted(struct solo *s, uint64_t index)
{
    static const uint64_t any_ticket = 0;
    solo_step(s, (struct raft_event){.type = RAFT_EVENT_PERSISTED,
                                     .index = index,
                                     .term = raft_term_at(s->raft, index),
                                     .ticket = any_ticket});
}

void solo_lead(struct solo *s)
{
    s->now_us = raft_deadline_us(s->raft) > s->now_us ? raft_deadline_us(s->raft) : s->now_us;
    solo_step(s, (struct raft_event){.type = RAFT_EVENT_TICK});
    uint64_t term = raft_term(s->raft);
    for (uint64_t from = 2; raft_role(s->raft) == RAFT_PRECANDIDATE; from++)
        solo_receive(s,
                     (struct raft_message){.type = RAFT_MSG_PREVOTE_REPLY, .from = from, .term = term + 1});
    solo_vote_saved(s);
    for (uint64_t from = 2; raft_role(s->raft) == RAFT_CANDIDATE; from++)
        solo_receive(s, (struct raft_message){.type = RAFT_MSG_VOTE_REPLY, .from = from, .term = term + 1});
    assert(raft_role(s->raft) == RAFT_LEADER);
}

uint64_t solo_propose(struct solo *s, uint32_t n)
{
    struct raft_entry entries[64];
    for (uint32_t i = 0; i < n; i++)
        entries[i] = (struct raft_entry){0, RAFT_ENTRY_DATA, 100, NULL};
    solo_step(s, (struct raft_event){.type = RAFT_EVENT_PROPOSE, .entries = entries, .count = n});
    return raft_last_index(s->raft);
}

const struct raft_message *solo_sent(const struct solo *s, enum raft_message_type type, uint64_t to)
{
    for (size_t i = 0; i < s->d.message_count; i++)
        if (s->d.messages[i].type == type && s->d.messages[i].to == to)
            return &s->d.messages[i];
    return NULL;
}
