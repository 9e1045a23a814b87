/* The commands of a conversation: README.md lists them. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define LLU(x) ((unsigned long long)(x))
enum { WORDS_MAX = 32 };

struct words {
    char text[256];
    char *at[WORDS_MAX];
    uint32_t count;
};

static void split(struct words *s, const char *line)
{
    snprintf(s->text, sizeof s->text, "%s", line);
    s->count = 0;
    for (char *p = strtok(s->text, " "); p && s->count < WORDS_MAX; p = strtok(NULL, " "))
        s->at[s->count++] = p;
}

static uint64_t number(const struct words *s, uint32_t at)
{
    return at < s->count ? strtoull(s->at[at], NULL, 10) : 0;
}

/* What follows the word `name`; fallback when it is not there. */
static uint64_t option(const struct words *s, const char *name, uint64_t fallback)
{
    for (uint32_t i = 1; i + 1 < s->count; i++)
        if (strcmp(s->at[i], name) == 0)
            return number(s, i + 1);
    return fallback;
}

static bool has(const struct words *s, const char *name)
{
    for (uint32_t i = 1; i < s->count; i++)
        if (strcmp(s->at[i], name) == 0)
            return true;
    return false;
}

static uint32_t node_at(struct world *w, const struct words *s, uint32_t at)
{
    uint64_t n = number(s, at);
    return n >= 1 && n <= w->count ? (uint32_t)n : 0;
}

/* The words after the command name flights: "2>1", "1>*", a type, in any order; "first" means only one. */
static bool matches(const struct flight *f, const struct words *s)
{
    static const char *const types[] = {
        "",          "PREVOTE",         "PREVOTE_REPLY", "VOTE", "VOTE_REPLY", "APPEND", "APPEND_REPLY",
        "HEARTBEAT", "HEARTBEAT_REPLY", "TIMEOUT_NOW"};
    for (uint32_t i = 1; i < s->count; i++) {
        const char *word = s->at[i], *to = strchr(word, '>');
        if (to) {
            if ((word[0] != '*' && f->from != strtoull(word, NULL, 10)) ||
                (to[1] != '*' && f->to != strtoull(to + 1, NULL, 10)))
                return false;
        } else if (strcmp(word, "first") != 0 &&
                   strcmp(word, f->snapshot ? "SNAPSHOT" : types[f->message.type]) != 0) {
            return false;
        }
    }
    return true;
}

/* Those in flight now; what is sent meanwhile waits for the next command. */
static bool each_flight(struct world *w, const struct words *s, bool held,
                        void (*what)(struct world *, struct flight *))
{
    struct flight *chosen[512];
    size_t count = 0;
    for (size_t i = 0; i < w->flight_count;)
        if (w->flights[i]->held == held && matches(w->flights[i], s) && !(has(s, "first") && count > 0))
            chosen[count++] = world_take(w, i);
        else
            i++;
    for (size_t i = 0; i < count; i++)
        what(w, chosen[i]);
    if (count == 0)
        show_loud(w, "  nothing in flight");
    return true;
}

static void keep_held(struct world *w, struct flight *f)
{
    f->held = true;
    w->flights[w->flight_count++] = f;
}

static void deliver_twice(struct world *w, struct flight *f)
{
    world_copy(w, f);
    world_deliver(w, f);
}

static bool leads(const struct world *w, uint32_t n)
{
    return raft_role(w->node[n].raft) == RAFT_LEADER;
}

static bool founding(struct world *w, const struct words *s)
{
    w->config.append_max_bytes = ENTRY_BYTES * option(s, "batch", 4);
    w->config.inflight_max = (uint32_t)option(s, "window", 8);
    world_found(w, (uint32_t)number(s, 1), (uint32_t)option(s, "spare", 0));
    return true;
}

/* disk N [log T2 T3 ...] [term T] [vote V]: entry 1 stays the founding one, T2 is the term of entry 2; the node starts
 * anew from it. */
static bool set_disk(struct world *w, const struct words *s)
{
    uint32_t n = node_at(w, s, 1), i;
    if (n == 0)
        return false;
    struct node *node = &w->node[n];
    world_crash(w, n, false);
    if (has(s, "log"))
        memset(&node->journal[2], 0, (ENTRIES_MAX - 2) * sizeof node->journal[0]);
    uint64_t index = 1, term = 1;
    for (i = 3; has(s, "log") && i < s->count && s->at[i][0] >= '0' && s->at[i][0] <= '9'; i++) {
        term = number(s, i);
        struct entry *e = &node->journal[++index];
        *e = (struct entry){.term = term, .kind = RAFT_ENTRY_DATA};
        snprintf(e->name, sizeof e->name, "e%llu", LLU(index));
    }
    node->vote = (struct vote){.term = option(s, "term", term), .vote = option(s, "vote", 0)};
    world_start(w, n);
    show_log(w, n);
    return true;
}

static bool propose(struct world *w, const struct words *s)
{
    uint32_t n = node_at(w, s, 1);
    struct entry entries[WORDS_MAX];
    struct raft_entry metas[WORDS_MAX];
    if (n == 0 || s->count < 3)
        return false;
    if (!raft_accepts(w->node[n].raft)) {
        show_loud(w, "  n%u takes no proposals", n);
        return true;
    }
    for (uint32_t i = 2; i < s->count; i++) {
        struct entry *e = &entries[i - 2];
        *e = (struct entry){.kind = RAFT_ENTRY_DATA};
        snprintf(e->name, sizeof e->name, "%s", s->at[i]);
        metas[i - 2] = (struct raft_entry){0, RAFT_ENTRY_DATA, ENTRY_BYTES, NULL};
    }
    show(w, "  n%u propose", n);
    world_step(w, n, (struct raft_event){.type = RAFT_EVENT_PROPOSE, .entries = metas, .count = s->count - 2},
               entries);
    return true;
}

static void edit(struct raft_members *m, const char *how, uint64_t id)
{
    uint32_t at = 0;
    while (at < m->count && m->at[at].id != id)
        at++;
    if (strcmp(how, "remove") == 0) {
        if (at < m->count)
            m->at[at] = m->at[--m->count];
        return;
    }
    if (at == m->count)
        m->count++;
    m->at[at] = (struct raft_member){.id = id, .voter = strcmp(how, "voter") == 0};
}

/* change N learner|voter|remove ID */
static bool change(struct world *w, const struct words *s)
{
    uint32_t n = node_at(w, s, 1);
    if (n == 0 || s->count != 4)
        return false;
    if (!raft_may_change_members(w->node[n].raft)) {
        show_loud(w, "  n%u may not change the members now", n);
        return true;
    }
    struct raft_members m = *raft_members(w->node[n].raft);
    edit(&m, s->at[2], number(s, 3));
    struct entry e = {.kind = RAFT_ENTRY_CONFIG, .members = world_keep(w, &m)};
    struct raft_entry meta = {0, RAFT_ENTRY_CONFIG, ENTRY_BYTES, e.members};
    show(w, "  n%u propose", n);
    world_step(w, n, (struct raft_event){.type = RAFT_EVENT_PROPOSE, .entries = &meta, .count = 1}, &e);
    return true;
}

static bool read_at(struct world *w, const struct words *s)
{
    uint32_t n = node_at(w, s, 1);
    if (n == 0)
        return false;
    show(w, leads(w, n) ? "  n%u read" : "  n%u read: refused, it does not lead", n);
    world_step(w, n, (struct raft_event){.type = RAFT_EVENT_READ}, NULL);
    return true;
}

static bool about_votes(const struct flight *f)
{
    return !f->held && !f->snapshot && f->message.type <= RAFT_MSG_VOTE_REPLY;
}

/* One vote saved or one message about votes delivered; false: there is none. */
static bool votes_move(struct world *w)
{
    for (uint32_t n = 1; n <= w->count; n++)
        if (w->node[n].raft && !w->node[n].slow && world_vote_saved(w, n))
            return true;
    for (size_t i = 0; i < w->flight_count; i++)
        if (about_votes(w->flights[i])) {
            world_deliver(w, world_take(w, i));
            return true;
        }
    return false;
}

/* N's timer runs out until it leads, three times at most (it may have to learn of a higher term first). "lead" stops as
 * it does, its first appends in flight; "elect" goes on until everything has settled. */
static bool elect(struct world *w, const struct words *s)
{
    uint32_t n = node_at(w, s, 1);
    if (n == 0)
        return false;
    for (int tries = 0; tries < 3 && !leads(w, n); tries++) {
        world_tick(w, n);
        while (!leads(w, n) && votes_move(w))
            ;
    }
    if (strcmp(s->at[0], "elect") == 0)
        world_settle(w);
    return true;
}

static bool disk_done(struct world *w, const struct words *s)
{
    uint32_t n = node_at(w, s, 1);
    bool (*what)(struct world *, uint32_t) = strcmp(s->at[0], "written") == 0 ? world_written
                                             : strcmp(s->at[0], "saved") == 0 ? world_vote_saved
                                                                              : world_installed;
    if (n == 0)
        return false;
    if (!what(w, n))
        show_loud(w, "  nothing under way");
    else
        while (has(s, "all") && what(w, n))
            ;
    return true;
}

static bool link_event(struct world *w, const struct words *s)
{
    uint32_t n = node_at(w, s, 1), peer = node_at(w, s, 3);
    if (n == 0 || peer == 0)
        return false;
    bool up = strcmp(s->at[2], "up") == 0, gone = strcmp(s->at[2], "refused") == 0;
    show(w, "  n%u link to %u %s", n, peer, up ? "stands" : gone ? "lost, and a new one refused" : "lost");
    world_step(w, n,
               (struct raft_event){
                   .type = up ? RAFT_EVENT_LINK_UP : RAFT_EVENT_LINK_LOST, .peer = peer, .gone = gone},
               NULL);
    return true;
}

/* Events that need no more than a node, or a node and a peer. */
static bool plain_event(struct world *w, const struct words *s, enum raft_event_type type)
{
    uint32_t n = node_at(w, s, 1), peer = node_at(w, s, 2);
    if (n == 0)
        return false;
    uint64_t term = peer ? raft_term(w->node[peer].raft) : 0;
    show(w, peer ? "  n%u %s %u" : "  n%u %s", n, s->at[0], peer);
    world_step(w, n, (struct raft_event){.type = type, .peer = peer, .term = term}, NULL);
    return true;
}

static bool cut(struct world *w, const struct words *s, bool on)
{
    for (uint32_t i = 1; i < s->count; i++) {
        const char *to = strchr(s->at[i], '>');
        if (!to) { /* a node by itself: from all others */
            uint32_t n = node_at(w, s, i);
            for (uint32_t k = 1; k <= w->count; k++)
                w->cut[n][k] = w->cut[k][n] = on && k != n;
            continue;
        }
        w->cut[strtoull(s->at[i], NULL, 10) % (NODES_MAX + 1)][strtoull(to + 1, NULL, 10) % (NODES_MAX + 1)] =
            on;
    }
    if (s->count == 1)
        memset(w->cut, 0, sizeof w->cut);
    return true;
}

static bool life(struct world *w, const struct words *s)
{
    uint32_t n = node_at(w, s, 1);
    if (n == 0)
        return false;
    struct node *node = &w->node[n];
    if (strcmp(s->at[0], "crash") == 0) {
        world_crash(w, n, has(s, "written"));
    } else if (strcmp(s->at[0], "damage") == 0) { /* damage N INDEX: what the journal had after it is lost */
        for (uint64_t i = number(s, 2) + 1; i < ENTRIES_MAX; i++)
            node->journal[i].term = 0;
        node->damaged = !has(s, "unnoticed");
        w->lied |= !node->damaged || w->count == 1;
    } else {
        world_start(w, n);
    }
    show_state(w, n);
    return true;
}

static bool state(struct world *w, const struct words *s)
{
    bool log = strcmp(s->at[0], "log") == 0;
    for (uint32_t n = 1; n <= w->count; n++)
        if ((s->count == 1 || node_at(w, s, 1) == n) && (!log || w->node[n].raft))
            (log ? show_log : show_state)(w, n);
    return true;
}

static bool run(struct world *w, const struct words *s)
{
    const char *verb = s->at[0];
    uint32_t n = node_at(w, s, 1);
#define IS(name) (strcmp(verb, name) == 0)
    if (IS("cluster"))
        return founding(w, s);
    if (IS("disk"))
        return set_disk(w, s);
    if (IS("propose"))
        return propose(w, s);
    if (IS("change"))
        return change(w, s);
    if (IS("read"))
        return read_at(w, s);
    if (IS("elect") || IS("lead"))
        return elect(w, s);
    if (IS("deliver"))
        return each_flight(w, s, false, world_deliver);
    if (IS("repeat"))
        return each_flight(w, s, false, deliver_twice);
    if (IS("hold"))
        return each_flight(w, s, false, keep_held);
    if (IS("late"))
        return each_flight(w, s, true, world_deliver);
    if (IS("drop"))
        return each_flight(w, s, false, world_lose);
    if (IS("written") || IS("saved") || IS("installed"))
        return disk_done(w, s);
    if (IS("crash") || IS("restart") || IS("damage"))
        return life(w, s);
    if (IS("cut") || IS("heal"))
        return cut(w, s, IS("cut"));
    if (IS("state") || IS("log"))
        return state(w, s);
    if (IS("link"))
        return link_event(w, s);
    if (IS("beat"))
        return plain_event(w, s, RAFT_EVENT_BEAT);
    if (IS("stalled"))
        return plain_event(w, s, RAFT_EVENT_STALLED);
    if (IS("hung"))
        return plain_event(w, s, RAFT_EVENT_JOURNAL_HUNG);
    if (IS("transfer"))
        return plain_event(w, s, RAFT_EVENT_TRANSFER);
    if (IS("settle"))
        world_settle(w);
    else if (IS("run") || IS("wait"))
        IS("run") ? world_run(w, number(s, 1) * MS) : (void)(w->now_us += number(s, 1) * MS);
    else if (n == 0)
        return false;
    else if (IS("tick"))
        world_tick(w, n);
    else if (IS("slow") || IS("fast"))
        w->node[n].slow = IS("slow");
    else if (IS("compact"))
        world_compact(w, n, option(s, "keep", 0));
    else
        return false;
    return true;
#undef IS
}

bool script_command(struct world *w, const char *text)
{
    struct words s;
    w->quiet = strncmp(text, "quiet ", 6) == 0;
    split(&s, w->quiet ? text + 6 : text);
    bool known = s.count > 0 && run(w, &s);
    w->quiet = false;
    return known;
}
