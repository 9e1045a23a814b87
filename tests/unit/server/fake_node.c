/* See fake_node.h. */
#include "fake_node.h"

#include <assert.h>
#include <stdio.h>

#include "base/alloc.h"

/* Who waited and does no longer. */
static void answer_released(struct node *n)
{
    size_t count;
    const struct rsm_release *released = rsm_released(n->rsm, &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < n->waiting_count; k++) {
            struct fake_waiting w = n->waiting[k];
            if (w.claim != released[i].claim)
                continue;
            n->waiting[k] = n->waiting[--n->waiting_count];
            struct node_answer answer = {.outcome = released[i].cleared ? NODE_CLEARED : NODE_DONE,
                                         .reply = released[i].reply,
                                         .index = n->index};
            n->clients.answer(n->clients.arg, w.ticket, &answer);
            break;
        }
    }
}

/* Its claim, when it waits. */
static uint64_t apply(struct node *n, struct slice payload, struct buf *reply)
{
    struct rsm_result result;
    rsm_apply(n->rsm, ++n->index, n->term, payload, reply, &result);
    return result.claim;
}

void fake_new_term(struct node *n)
{
    rsm_skip(n->rsm, ++n->index, ++n->term);
    answer_released(n);
}

void fake_apply_request(struct node *n, const struct rsm_request *req)
{
    struct buf payload = BUF_EMPTY, reply = BUF_EMPTY;
    rsm_encode(&payload, req, n->now_ms, 1);
    apply(n, buf_slice(&payload), &reply);
    answer_released(n);
    buf_deinit(&payload);
    buf_deinit(&reply);
}

struct node *fake_new(void)
{
    struct node *n = mem_calloc(1, sizeof *n);
    struct rsm_request found = {.kind = RSM_FOUND, .cluster_id = 5};
    n->rsm = rsm_new();
    n->now_ms = 1000000;
    n->serving = true;
    n->leader = FAKE_SELF;
    n->term = 1;
    fake_apply_request(n, &found);
    return n;
}

void fake_free(struct node *n)
{
    for (size_t i = 0; i < n->write_count; i++)
        buf_deinit(&n->writes[i].payload);
    rsm_free(n->rsm);
    mem_free(n);
}

void fake_commit(struct node *n, size_t count)
{
    struct buf reply = BUF_EMPTY;
    struct fake_write done[FAKE_MAX];
    assert(count <= n->write_count);
    memcpy(done, n->writes, count * sizeof done[0]);
    n->write_count -= count;
    memmove(n->writes, n->writes + count, n->write_count * sizeof n->writes[0]);
    for (size_t i = 0; i < count; i++) {
        buf_truncate(&reply, 0);
        if (!done[i].forwarded)
            n->clients.before(n->clients.arg, done[i].ticket, buf_slice(&done[i].payload));
        uint64_t claim = apply(n, buf_slice(&done[i].payload), &reply);
        struct node_answer answer = {
            .outcome = claim ? NODE_WAITS : NODE_DONE, .reply = buf_slice(&reply), .index = n->index};
        if (done[i].forwarded) {
            answer.index += n->behind;
            answer.spent_us = n->spent_us;
            answer.payload = buf_slice(&done[i].payload);
        }
        assert(!claim || n->waiting_count < FAKE_MAX);
        if (claim)
            n->waiting[n->waiting_count++] = (struct fake_waiting){.claim = claim, .ticket = done[i].ticket};
        n->clients.answer(n->clients.arg, done[i].ticket, &answer);
        answer_released(n);
        buf_deinit(&done[i].payload);
    }
    buf_deinit(&reply);
}

void fake_settle(struct node *n, enum node_outcome outcome)
{
    size_t count = n->write_count;
    n->write_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct node_answer answer = {.outcome = outcome};
        if (outcome == NODE_REFUSED && n->refusal)
            answer.reply = slice_cstr(n->refusal);
        buf_deinit(&n->writes[i].payload);
        n->clients.answer(n->clients.arg, n->writes[i].ticket, &answer);
    }
}

void fake_round(struct node *n, enum node_outcome outcome)
{
    struct fake_read reads[FAKE_MAX];
    size_t count = n->read_count;
    memcpy(reads, n->reads, count * sizeof reads[0]);
    n->read_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct rsm_request clock = {.kind = RSM_CLOCK};
        if (reads[i].due && reads[i].due_ms > n->now_ms)
            n->now_ms = reads[i].due_ms;
        if (reads[i].due)
            fake_apply_request(n, &clock);
        n->clients.read_ready(n->clients.arg, reads[i].ticket, outcome, n->now_ms);
    }
}

void fake_apply(struct node *n, const char *const *words, size_t count)
{
    struct slice argv[16];
    for (size_t i = 0; i < count; i++)
        argv[i] = slice_cstr(words[i]);
    struct rsm_request req = {
        .kind = RSM_COMMAND, .user = SLICE_LITERAL("default"), .resp = 2, .argv = argv, .argc = count};
    fake_apply_request(n, &req);
}

/* ---- node.h ---- */

static void note(struct node *n, const struct rsm_request *req)
{
    n->numbering = req->numbering;
    n->session = req->session;
    n->request_id = req->request_id;
    n->watch_count = req->watch_count;
    n->watch_version = req->watch_count ? req->watches[0].version : 0;
    n->commands = req->commands;
    n->argc = req->argc;
    snprintf(n->client_id, sizeof n->client_id, "%.*s", (int)req->client_id.len, req->client_id.data);
}

static void keep(struct node *n, const struct rsm_request *req, uint64_t ticket, bool forwarded)
{
    assert(n->write_count < FAKE_MAX);
    struct fake_write *w = &n->writes[n->write_count++];
    *w = (struct fake_write){.ticket = ticket, .forwarded = forwarded, .payload = BUF_EMPTY};
    rsm_encode(&w->payload, req, n->now_ms, 1);
    note(n, req);
}

enum node_outcome node_write(struct node *n, const struct rsm_request *req, uint64_t ticket,
                             struct buf *error)
{
    (void)error;
    if (!n->serving)
        return NODE_NOT_LEADER;
    n->writes_asked++;
    keep(n, req, ticket, false);
    return NODE_PENDING;
}

enum node_outcome node_unblock(struct node *n, uint64_t claim, enum rsm_unblock how, uint64_t ticket,
                               struct buf *error)
{
    struct rsm_request req = {.kind = RSM_UNBLOCK, .resp = 2, .claim = claim, .unblock = how};
    (void)error;
    keep(n, &req, ticket, !n->serving);
    return NODE_PENDING;
}

enum node_outcome node_forward(struct node *n, const struct rsm_request *req, bool read,
                               const struct node_asker *who, struct buf *error)
{
    (void)error;
    n->forwards_asked++;
    n->forwarded_reads += read;
    n->forwarded_behind += who->behind;
    n->forwarded_timed += who->timed;
    snprintf(n->forwarded_user, sizeof n->forwarded_user, "%.*s", (int)req->user.len, req->user.data);
    keep(n, req, who->ticket, true);
    return NODE_PENDING;
}

enum node_outcome node_forward_watch(struct node *n, uint32_t db, struct slice key,
                                     const struct node_asker *who)
{
    (void)n, (void)db, (void)key, (void)who;
    return NODE_REFUSED;
}

enum node_outcome node_read(struct node *n, uint64_t after, bool follower, uint64_t ticket, uint64_t *now_ms)
{
    n->reads_asked++;
    if (!n->serving && !follower)
        return NODE_NOT_LEADER;
    if (n->alone && n->write_count == 0 && after <= n->index) {
        *now_ms = n->now_ms;
        return NODE_DONE;
    }
    assert(n->read_count < FAKE_MAX);
    n->reads[n->read_count++] = (struct fake_read){.ticket = ticket};
    return NODE_PENDING;
}

enum node_outcome node_read_due(struct node *n, uint64_t due_ms, uint64_t ticket)
{
    n->reads[n->read_count++] = (struct fake_read){.ticket = ticket, .due = true, .due_ms = due_ms};
    return NODE_PENDING;
}

bool node_reads_at_once(const struct node *n)
{
    (void)n;
    return true;
}

void node_look_ahead(const struct node *n, const struct store_ahead *keys, size_t count)
{
    (void)n, (void)keys, (void)count;
}

bool node_query(struct node *n, uint64_t now_ms, uint32_t db, int resp, struct slice user,
                const struct slice *argv, size_t argc, struct buf *reply, uint64_t *due_ms)
{
    struct prng chance;
    prng_seed(&chance, 1);
    return rsm_query(n->rsm, now_ms, db, resp, user, argv, argc, &chance, reply, due_ms);
}

void node_memory_beside(struct node *n, uint64_t bytes)
{
    (void)n, (void)bytes;
}

bool node_decides(struct node *n, uint64_t *now_ms)
{
    *now_ms = n->now_ms;
    return n->serving && n->alone && !n->no_room;
}

void node_try(struct node *n, uint64_t now_ms, uint32_t db, int resp, struct slice user,
              const struct slice *argv, size_t argc, struct buf *reply, struct command_trial *trial)
{
    struct prng chance;
    prng_seed(&chance, 1);
    rsm_try_script(n->rsm, now_ms, db, resp, user, argv, argc, &chance, reply, trial);
}

bool node_watch(struct node *n, uint64_t now_ms, uint32_t db, struct slice key, uint64_t *version,
                uint64_t *due_ms)
{
    return rsm_version(n->rsm, now_ms, db, key, version, due_ms);
}

uint64_t node_pending_index(const struct node *n)
{
    return n->index + n->write_count;
}

enum node_outcome node_meet(struct node *n, const char *host, uint16_t port, uint16_t peer_port,
                            uint64_t ticket, struct buf *error)
{
    (void)host, (void)port, (void)peer_port, (void)ticket;
    n->meets++;
    buf_append_cstr(error, "-ERR no\r\n");
    return NODE_REFUSED;
}

enum node_outcome node_forget(struct node *n, uint64_t id, uint64_t ticket, struct buf *error)
{
    (void)n, (void)id, (void)ticket, (void)error;
    return NODE_NOT_LEADER;
}

enum node_outcome node_transfer(struct node *n, uint64_t target, uint64_t ticket, struct buf *error)
{
    (void)n, (void)target, (void)ticket, (void)error;
    return NODE_NOT_LEADER;
}

enum node_outcome node_reset(struct node *n, uint64_t ticket, struct buf *error)
{
    (void)n, (void)ticket, (void)error;
    return NODE_NOT_LEADER;
}

enum node_outcome node_checkpoint(struct node *n, bool wait, uint64_t ticket, struct buf *error)
{
    (void)n, (void)wait, (void)ticket, (void)error;
    return NODE_NOT_LEADER;
}

enum node_outcome node_reload(struct node *n, uint64_t ticket, struct buf *error)
{
    (void)n, (void)ticket, (void)error;
    return NODE_NOT_LEADER;
}

void node_set_active_expire(struct node *n, bool on)
{
    (void)n, (void)on;
}

uint32_t node_replicas_at(const struct node *n, uint64_t index)
{
    return index <= n->index ? 2 : 0;
}

void node_status(const struct node *n, struct node_status *out)
{
    static const char *const hosts[] = {"127.0.0.1", "10.0.0.9"};
    memset(out, 0, sizeof *out);
    out->node_id = FAKE_SELF;
    out->leader = n->leader;
    out->role = n->serving ? "leader" : "follower";
    out->is_leader = out->serving = n->serving;
    out->term = n->term;
    out->peer_count = 2;
    for (size_t i = 0; i < 2; i++) {
        struct node_peer_status *p = &out->peers[i];
        p->id = i ? FAKE_OTHER : FAKE_SELF;
        p->self = i == 0;
        p->voter = p->link_up = true;
        p->leader = p->id == n->leader;
        p->port = i ? 7009 : 7007;
        p->port_redirect = p->port;
        p->port_proxy = (uint16_t)(p->port + 10);
        snprintf(p->host, sizeof p->host, "%s", hosts[i]);
    }
}

bool node_has_room(struct node *n)
{
    return !n->no_room;
}

bool node_is_full(const struct node *n)
{
    return n->full;
}

void node_set_tracing(struct node *n, bool on)
{
    (void)n, (void)on;
}

bool node_is_serving(const struct node *n)
{
    return n->serving;
}

void node_listen(struct node *n, const struct rsm_listener *listener, unsigned classes)
{
    rsm_listen(n->rsm, listener, classes);
}

bool node_is_trusted(const struct node *n)
{
    (void)n;
    return true;
}

bool node_is_loading(const struct node *n)
{
    return n->loading;
}

uint64_t node_leader(const struct node *n)
{
    return n->leader;
}

uint64_t node_cluster_ms(const struct node *n)
{
    return n->now_ms;
}

struct rsm *node_rsm(struct node *n)
{
    return n->rsm;
}

const struct histogram *node_phase(const struct node *n, enum node_phase phase)
{
    (void)n, (void)phase;
    return NULL;
}

const struct histogram *node_peer_acks(struct node *n, uint64_t peer)
{
    (void)n, (void)peer;
    return NULL;
}

void node_phases_reset(struct node *n)
{
    (void)n;
}
