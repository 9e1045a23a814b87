/* What happened, in words: an entry is index/term, a message has its fields' meanings beside them. */
#include "world.h"

#include <stdarg.h>

#define LLU(x) ((unsigned long long)(x))

static void line(struct world *w, const char *fmt, va_list args)
{
    vfprintf(w->out, fmt, args);
    fputc('\n', w->out);
}

void show(struct world *w, const char *fmt, ...)
{
    if (w->quiet)
        return;
    va_list args;
    va_start(args, fmt);
    line(w, fmt, args);
    va_end(args);
}

void show_loud(struct world *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    line(w, fmt, args);
    va_end(args);
}

static void members(FILE *out, const struct raft_members *m)
{
    fputs("members", out);
    for (uint32_t i = 0; i < m->count; i++)
        fprintf(out, " %llu%s", LLU(m->at[i].id), m->at[i].voter ? "" : "(learner)");
}

static void entry(FILE *out, uint64_t index, const struct entry *e)
{
    fprintf(out, "%llu/%llu", LLU(index), LLU(e->term));
    if (e->kind == RAFT_ENTRY_NOOP)
        fputs(" no-op", out);
    else if (e->members) {
        fputc(' ', out);
        members(out, e->members);
    } else
        fprintf(out, " %s", e->name);
}

static void entries(FILE *out, uint64_t first, uint64_t last, const struct entry *e)
{
    fputc('[', out);
    for (uint64_t i = first; i <= last; i++) {
        if (i > first)
            fputs(", ", out);
        entry(out, i, &e[i - first]);
    }
    fputc(']', out);
}

static void request(FILE *out, const char *name, const struct raft_message *m)
{
    fprintf(out, "%s term %llu, log ends %llu/%llu%s%s%s", name, LLU(m->term), LLU(m->index),
            LLU(m->log_term), m->transfer ? ", by transfer" : "", m->leader_lost ? ", leader lost" : "",
            m->short_log ? ", short log" : "");
}

static void verdict(FILE *out, const char *name, const struct raft_message *m)
{
    fprintf(out, "%s %s term %llu, log ends %llu/%llu, knows %llu committed%s", name,
            m->reject ? "no" : "yes", LLU(m->term), LLU(m->index), LLU(m->log_term), LLU(m->hint_index),
            m->short_log ? ", short log" : "");
}

static void message(FILE *out, const struct flight *f)
{
    const struct raft_message *m = &f->message;
    switch (m->type) {
    case RAFT_MSG_PREVOTE:
        request(out, "PREVOTE", m);
        break;
    case RAFT_MSG_VOTE:
        request(out, "VOTE", m);
        break;
    case RAFT_MSG_PREVOTE_REPLY:
        verdict(out, "PREVOTE_REPLY", m);
        break;
    case RAFT_MSG_VOTE_REPLY:
        verdict(out, "VOTE_REPLY", m);
        break;
    case RAFT_MSG_APPEND:
        fprintf(out, "APPEND term %llu, after %llu/%llu ", LLU(m->term), LLU(m->index), LLU(m->log_term));
        entries(out, m->first, m->last, f->entries);
        fprintf(out, ", commit %llu, round %llu", LLU(m->commit), LLU(m->round));
        break;
    case RAFT_MSG_APPEND_REPLY:
        if (m->reject)
            fprintf(out, "APPEND_REPLY no term %llu, not %llu, perhaps %llu/%llu", LLU(m->term),
                    LLU(m->index), LLU(m->hint_index), LLU(m->hint_term));
        else
            fprintf(out, "APPEND_REPLY yes term %llu, durable %llu", LLU(m->term), LLU(m->index));
        fprintf(out, ", round %llu%s", LLU(m->round), m->short_log ? ", short log" : "");
        break;
    case RAFT_MSG_HEARTBEAT:
        fprintf(out, "HEARTBEAT term %llu, commit %llu, round %llu", LLU(m->term), LLU(m->commit),
                LLU(m->round));
        break;
    case RAFT_MSG_HEARTBEAT_REPLY:
        fprintf(out, "HEARTBEAT_REPLY%s term %llu, durable %llu, received %llu, round %llu%s",
                m->reject ? " no" : "", LLU(m->term), LLU(m->index), LLU(m->hint_index), LLU(m->round),
                m->short_log ? ", short log" : "");
        break;
    case RAFT_MSG_TIMEOUT_NOW:
        fprintf(out, "TIMEOUT_NOW term %llu", LLU(m->term));
        break;
    }
}

void show_flight(struct world *w, const struct flight *f, const char *before, const char *after)
{
    if (w->quiet)
        return;
    fprintf(w->out, "%s%llu>%llu ", before, LLU(f->from), LLU(f->to));
    if (f->snapshot) {
        fprintf(w->out, "SNAPSHOT %llu/%llu ", LLU(f->state.index), LLU(f->state.term));
        members(w->out, &f->state.members);
    } else {
        message(w->out, f);
    }
    fprintf(w->out, "%s\n", after);
}

static const char *role_name(const struct raft *r)
{
    switch (raft_role(r)) {
    case RAFT_FOLLOWER:
        return "follower";
    case RAFT_PRECANDIDATE:
        return "pre-candidate";
    case RAFT_CANDIDATE:
        return "candidate";
    case RAFT_LEADER:
        return "leader";
    }
    return "?";
}

static void role(FILE *out, const struct raft *r)
{
    fprintf(out, "%s in term %llu", role_name(r), LLU(raft_term(r)));
    if (raft_role(r) == RAFT_FOLLOWER && raft_leader(r) != 0)
        fprintf(out, " under %llu", LLU(raft_leader(r)));
}

void show_duties(struct world *w, uint32_t n, const struct raft_duties *d)
{
    struct node *node = &w->node[n];
    if (d->role_changed && (!w->quiet || raft_role(node->raft) == RAFT_LEADER)) {
        fprintf(w->out, w->quiet ? "  n%u " : "    ", n);
        role(w->out, node->raft);
        fputc('\n', w->out);
    }
    if (d->say)
        fprintf(w->out, "  %sn%u says: %s\n", w->quiet ? "" : "  ", n, d->say);
    if (d->install)
        node->installing = true;
    if (w->quiet)
        return;
    if (d->cut)
        show(w, "    cut from %llu", LLU(d->cut_from));
    if (d->append_last >= d->append_first) {
        fputs("    write ", w->out);
        entries(w->out, d->append_first, d->append_last, &node->memory[d->append_first]);
        fputc('\n', w->out);
    }
    if (d->save_vote)
        show(w,
             d->short_log ? "    save vote: term %llu for %llu, short log until %llu"
                          : "    save vote: term %llu for %llu",
             LLU(d->vote_term), LLU(d->vote_for), LLU(d->short_log_until));
    if (raft_commit(node->raft) > node->commit_seen)
        show(w, "    commit %llu", LLU(raft_commit(node->raft)));
    if (d->read_seq != 0)
        show(w, "    read %llu waits", LLU(d->read_seq));
    for (size_t i = 0; i < d->read_count; i++)
        show(w, "    read %llu may run at %llu", LLU(d->reads[i].seq), LLU(d->reads[i].index));
    if (d->reads_lost && node->read_count > 0)
        show(w, "    reads that wait are void");
    if (d->install)
        show(w, "    install the snapshot");
    if (d->members_changed) {
        fputs("    now ", w->out);
        members(w->out, raft_members(node->raft));
        fputc('\n', w->out);
    }
}

void show_state(struct world *w, uint32_t n)
{
    const struct node *node = &w->node[n];
    fprintf(w->out, "  n%u ", n);
    if (!node->raft) {
        fputs("down\n", w->out);
        return;
    }
    role(w->out, node->raft);
    fprintf(w->out, ", log %llu..%llu/%llu, durable %llu, commit %llu%s\n", LLU(raft_first_index(node->raft)),
            LLU(raft_last_index(node->raft)), LLU(raft_term_at(node->raft, raft_last_index(node->raft))),
            LLU(raft_persisted(node->raft)), LLU(raft_commit(node->raft)),
            raft_short_log(node->raft) ? ", short log" : "");
}

void show_log(struct world *w, uint32_t n)
{
    const struct node *node = &w->node[n];
    uint64_t first = raft_first_index(node->raft), last = raft_last_index(node->raft);
    fprintf(w->out, "  n%u ", n);
    if (first > 1)
        fprintf(w->out, "%llu/%llu, then ", LLU(first - 1), LLU(raft_term_at(node->raft, first - 1)));
    entries(w->out, first, last, &node->memory[first]);
    fputc('\n', w->out);
}
