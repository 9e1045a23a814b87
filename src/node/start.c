/* From what lies on the disk to a running node: snapshot, then the journal's entries, then Raft. */
#include "node/node_int.h"

#include "base/alloc.h"
#include "base/log.h"

#include <assert.h>

/* Recovery hands the journal in before the snapshot is loaded, and Raft needs the snapshot's members first,
 * so what it wants to know of the entries waits here. */
struct loaded_entry {
    uint64_t index, term;
    uint32_t size;
    uint8_t kind;
    size_t members; /* CONFIG: place in loaded_members */
};

void start_deinit(struct node *n)
{
    mem_free(n->loaded);
    mem_free(n->loaded_members);
    n->loaded = NULL;
    n->loaded_members = NULL;
    n->loaded_count = n->loaded_cap = n->loaded_members_count = 0;
}

void node_load(struct node *n, uint64_t index, uint64_t term, int kind, size_t size, struct slice payload)
{
    if (n->loaded_count == n->loaded_cap) {
        n->loaded_cap = n->loaded_cap ? n->loaded_cap * 2 : 1024;
        n->loaded = mem_realloc(n->loaded, n->loaded_cap * sizeof(*n->loaded));
    }
    struct loaded_entry *e = &n->loaded[n->loaded_count++];
    *e = (struct loaded_entry){.index = index, .term = term, .size = (uint32_t)size, .kind = (uint8_t)kind};
    if (kind == RAFT_ENTRY_CONFIG) {
        size_t at = n->loaded_members_count++;
        n->loaded_members =
            mem_realloc(n->loaded_members, n->loaded_members_count * sizeof(*n->loaded_members));
        if (!raft_members_decode(payload, &n->loaded_members[at]))
            n->ports.fatal(n->ports.arg, "the journal holds a member list that cannot be read");
        e->members = at;
    }
    /* The cluster clock goes on from the last stamp in the journal, committed or not. */
    uint64_t stamp_ms;
    if (kind == RAFT_ENTRY_DATA && rsm_peek_stamp(payload, &stamp_ms))
        clock_raise(&n->clock, stamp_ms * 1000, n->now_us);
}

static void make_raft(struct node *n, const struct raft_members *members, uint64_t index, uint64_t term)
{
    struct raft_config config = {.id = n->identity.node_id,
                                 .seed = prng_next(&n->chance),
                                 .heartbeat_us = n->config.heartbeat_us,
                                 .election_us = n->config.election_us,
                                 .append_max_bytes = APPEND_MAX_BYTES,
                                 .inflight_max_bytes = INFLIGHT_MAX_BYTES,
                                 .inflight_max = INFLIGHT_MAX};
    struct raft_recovered found = {.term = n->identity.term,
                                   .voted_for = n->identity.voted_for,
                                   .snapshot_index = index,
                                   .snapshot_term = term,
                                   .short_log = n->identity.short_log || n->found.short_log_found,
                                   .short_log_until = n->identity.short_log_until,
                                   .had_others = n->identity.had_others};
    if (members)
        found.members = *members;
    n->raft = raft_new(&config, &found, n->now_us);
}

void start_run(struct node *n, const struct raft_members *members, uint64_t index, uint64_t term)
{
    assert(!n->raft);
    make_raft(n, members, index, term);
    if (members)
        n->applied_members = *members;
    for (size_t i = 0; i < n->loaded_count; i++) {
        const struct loaded_entry *l = &n->loaded[i];
        if (l->index <= index)
            continue;
        struct raft_entry e = {.term = l->term, .kind = (enum raft_entry_kind)l->kind, .size = l->size};
        if (e.kind == RAFT_ENTRY_CONFIG)
            e.members = &n->loaded_members[l->members];
        raft_load(n->raft, l->index, &e);
    }
    start_deinit(n);
    if (n->found.short_log_found && !n->identity.short_log) {
        n->identity.short_log = true;
        n->identity.short_log_until = 0;
        /* The next append moves the mark that gave it away. */
        node_save_identity(n, COOKIE_PROMISE);
        node_say(n, LOG_WARNING,
                 "The journal is shorter than what this node promised: it takes entries, and grants no "
                 "vote until it holds all that the leader held");
    }
    if (n->identity.short_log && n->identity.had_others &&
        !raft_members_others(raft_members(n->raft), n->identity.node_id))
        node_say(
            n, LOG_WARNING,
            "What is left of the journal names no other voter, but there were others: this node waits for "
            "them, and founds no cluster of its own");
    members_note_others(n);
    n->running = true;
    n->changed = true;
    digest_state_loaded(n, false);
    if (n->identity.diverged)
        node_say(n, LOG_WARNING,
                 "DIVERGED: this node's state was found to differ from the majority's. "
                 "It serves nothing and has to be replaced");
    n->replay.from = index;
    n->replay.until = raft_last_index(n->raft);
    n->replay.since_us = n->replay.said_us = n->now_us;
    node_say(n, LOG_NOTICE, "Journal of %llu entries, term %llu, snapshot at %llu",
             (unsigned long long)raft_last_index(n->raft), (unsigned long long)n->identity.term,
             (unsigned long long)index);
    members_changed(n);
}

void start_begin(struct node *n)
{
    bool known = n->identity.node_id != 0;
    members_start(n);
    if (!known)
        return; /* again when the id is durable */
    if (n->found.snapshot_index)
        snapshot_load_begin(n, n->found.snapshot_index, n->found.snapshot_term, false);
    else if (!n->founding)
        start_run(n, NULL, 0, 0);
}

void node_start(struct node *n, uint64_t now_us)
{
    n->now_us = now_us;
    start_begin(n);
}
