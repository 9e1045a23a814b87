/* What the node says, by ticket, turned into replies. */
#include "base/alloc.h"
#include "base/log.h"
#include "base/number.h"
#include "server/caches.h"
#include "server/slots.h"
#include "server/users.h"

static const char maybe[] =
    "-MAYBE The outcome of this write is unknown: it may have been applied or not\r\n";

static void put_done(struct client *c, struct slot *slot, const struct node_answer *answer, struct buf *out)
{
    if (answer->index > c->last_index)
        c->last_index = answer->index;
    switch ((enum slot_kind)slot->kind) {
    case KIND_EXEC:
        if (slot->publishes && answer->index > c->publish_after)
            c->publish_after = answer->index;
        exec_answered(c, answer->reply, out);
        return;
    case KIND_SESSION:
        if (answer->reply.len && answer->reply.data[0] == ':') {
            session_opened(c, answer->reply);
            resp_simple(out, "OK");
            return;
        }
        break;
    case KIND_WATCH:
        if (c->watch_failed)
            resp_error(out, "CLUSTERDOWN The watched key could not be read");
        else
            resp_simple(out, "OK");
        return;
    case KIND_ACL:
        acl_answered(c, slot, answer->reply, out);
        return;
    case KIND_SETTING:
        config_set_answered(c->server, slot, answer->reply);
        break;
    case KIND_BGSAVE:
        if (answer->reply.len && answer->reply.data[0] == '-')
            break;
        resp_simple(out, "Background saving started");
        return;
    default:
        break;
    }
    if (answer->reply.len == 0)
        resp_simple(out, "OK");
    buf_append_slice(out, answer->reply);
}

void put_refusal(bool exec, struct slice error, struct buf *out)
{
    if (exec && error.len > 4 && memcmp(error.data, "-OOM", 4) == 0) {
        buf_append_cstr(out, "-EXECABORT Transaction discarded because of: ");
        error = slice_drop(error, 1);
    }
    buf_append_slice(out, error);
}

/* false: the slot stays, for it has to be told where to go once that is known. */
static bool put_outcome(struct client *c, struct slot *slot, const struct node_answer *answer,
                        struct buf *out)
{
    struct server *s = c->server;
    switch (answer->outcome) {
    case NODE_DONE:
        put_done(c, slot, answer, out);
        return true;
    case NODE_UNKNOWN:
        s->stats.maybe++;
        buf_append_cstr(out, maybe);
        if (slot->write)
            poison(c);
        return true;
    case NODE_CLEARED:
        blocking_cleared(c, slot, out);
        return true;
    case NODE_NOT_LEADER:
        if (slot->write)
            poison(c);
        if (slot->write && !route_knows_leader(s) && route_park(c)) {
            slot->state = SLOT_ROUTE;
            return false;
        }
        route_refuse(c, out, slot->key_slot, slot->write, slot->write && c->session);
        return true;
    default:
        put_refusal(slot->kind == KIND_EXEC, answer->reply, out);
        return true;
    }
}

static void count_failure(struct client *c, const struct slot *slot, struct slice reply)
{
    if (reply.len == 0 || reply.data[0] != '-')
        return;
    if (slot->row)
        count_failed(c->server, slot->row, reply);
    else
        count_error(c->server, reply);
}

/* Of a transaction all commands are told as one, for their times are not known apart. What the server makes an entry of (ACL SETUSER,
 * CONFIG SET) was told when its handler ran: as it was sent, without what is secret. */
static void tell_write(struct client *c, const struct command *row, const struct rsm_request *req,
                       uint64_t ns)
{
    if (req->kind != RSM_COMMAND && req->kind != RSM_EXEC)
        return;
    struct slice *argv = mem_alloc((req->argc + 1) * sizeof *argv);
    size_t argc = 0;
    if (req->kind == RSM_EXEC)
        argv[argc++] = SLICE_LITERAL("exec");
    for (size_t i = 0; i < req->argc; i++)
        argv[argc++] = req->argv[i];
    ran(c, row, argv, argc, ns);
    mem_free(argv);
}

/* A write for one of our clients has just been applied: its arguments are in the entry. */
static void write_ran(struct client *c, const struct slot *slot, uint64_t ticket)
{
    struct server *s = c->server;
    struct rsm_decoded d;
    if (s->write_begun_ns == 0 || s->write_ticket != ticket || !slot->row)
        return;
    uint64_t ns = time_end(s, stat_of(s, slot->row), s->write_begun_ns);
    s->write_begun_ns = 0;
    if (is_told(s, ns) && rsm_decode(s->write_payload, &d)) {
        tell_write(c, slot->row, &d.req, ns);
        rsm_decoded_deinit(&d);
    }
}

/* It waits for a key. Its time ends here: how long it waits is not its own. Told of it is when it is answered, as in Redis: where it is
 * slow, its slot keeps the entry until then, behind the time. */
static void write_waits(struct server *s, uint64_t ticket)
{
    uint32_t seq;
    struct client *c = ticket_client(s, ticket, &seq);
    struct slot *slot = c ? slot_at(c, seq) : NULL;
    if (s->write_begun_ns == 0 || s->write_ticket != ticket)
        return;
    uint64_t ns = slot && slot->row ? time_end(s, stat_of(s, slot->row), s->write_begun_ns) : 0;
    s->write_begun_ns = 0;
    if (is_told(s, ns) && !slot->tracked && slot->bytes.len == 0) {
        put_u64(&slot->bytes, ns);
        buf_append_slice(&slot->bytes, s->write_payload);
    }
}

static void waiter_ran(struct client *c, struct slot *slot)
{
    struct rsm_decoded d;
    if (slot->kind != KIND_BLOCKING || slot->tracked || slot->bytes.len == 0)
        return;
    struct reader r = reader_of(buf_slice(&slot->bytes));
    uint64_t ns = get_u64(&r);
    if (rsm_decode(slice_drop(buf_slice(&slot->bytes), sizeof ns), &d)) {
        tell_write(c, slot->row, &d.req, ns);
        rsm_decoded_deinit(&d);
    }
    buf_truncate(&slot->bytes, 0);
}

/* It ran on the leader, which says how long: this node's client sees it here. */
static void proxied_ran(struct client *c, const struct slot *slot, const struct node_answer *answer)
{
    struct server *s = c->server;
    struct rsm_decoded d;
    if (answer->spent_us == 0 || !slot->row)
        return;
    uint64_t ns = time_add(s, stat_of(s, slot->row), answer->spent_us * 1000);
    if (is_told(s, ns) && rsm_decode(answer->payload, &d)) {
        tell_write(c, slot->row, &d.req, ns);
        rsm_decoded_deinit(&d);
    }
}

static void slot_settle(struct client *c, uint32_t seq, const struct node_answer *answer)
{
    struct slot *slot = slot_at(c, seq);
    if (slot->kind == KIND_WATCH && answer->outcome == NODE_DONE && !watch_answered(c, slot, answer))
        return; /* more keys to ask about */
    if (slot->kind == KIND_EXEC && answer->outcome != NODE_DONE) {
        transaction_free(c->running);
        c->running = NULL;
    }
    bool ran_here = c->server->write_ticket == ticket_of(c, seq);
    if (!ran_here)
        c->server->passed_errors = 0;
    if (slot->kind == KIND_EXEC && answer->outcome == NODE_DONE)
        count_failed_in_exec(c->server, ran_here ? c->server->write_payload : answer->payload, answer->reply);
    write_ran(c, slot, ticket_of(c, seq));
    proxied_ran(c, slot, answer);
    waiter_ran(c, slot);
    bool first = seq == c->head;
    struct buf *out = first ? client_out(c) : &c->server->scratch;
    if (!first)
        buf_truncate(out, 0);
    size_t start = out->len;
    if (log_enabled(LOG_DEBUG))
        log_line(LOG_DEBUG, "replied ticket=%llx index=%llu outcome=%d",
                 (unsigned long long)ticket_of(c, seq), (unsigned long long)answer->index,
                 (int)answer->outcome);
    slot_close(c, slot);
    caches_answered(c, slot, answer, first);
    if (slot->kind == KIND_BLOCKING)
        c->claim = 0; /* a write before it may be answered only now */
    if (put_outcome(c, slot, answer, out)) {
        count_failure(c, slot, slice_drop(buf_slice(out), start));
        slot->state = SLOT_READY;
        buf_truncate(&slot->bytes, 0);
        if (first && slot->quiet)
            buf_truncate(out, start);
        if (first && slot->drop_copies)
            caches_drop_all(c);
        if (first)
            slot_first_answered(c);
        else
            buf_append_slice(&slot->bytes, buf_slice(out));
    }
    client_advance(c);
}

void answer_from_node(void *arg, uint64_t ticket, const struct node_answer *answer)
{
    struct server *s = arg;
    if (ticket == SERVER_TICKET) {
        void (*done)(void *) = s->handed_over;
        s->handed_over = NULL;
        if (done)
            done(s->handed_over_arg);
        return;
    }
    if (answer->outcome == NODE_WAITS) {
        write_waits(s, ticket);
        blocking_waits(s, ticket, answer->index);
        return;
    }
    uint32_t seq;
    struct client *c = ticket_client(s, ticket, &seq);
    if (c && slot_at(c, seq)->state == SLOT_NODE)
        slot_settle(c, seq, answer);
}

/* One ticket stands for all reads of its group, whose first may have been run by the write behind it. */
void read_ready_from_node(void *arg, uint64_t ticket, enum node_outcome outcome, uint64_t now_ms)
{
    struct client *c = ticket_owner(arg, ticket);
    if (!c)
        return;
    if (ticket_names(ticket, c->group))
        c->group_open = false;
    for (uint32_t i = c->head; i != c->tail; i++) {
        struct slot *slot = slot_at(c, i);
        if (slot->state != SLOT_READ || slot->released || !ticket_names(ticket, slot->group))
            continue;
        slot->released = outcome == NODE_DONE;
        slot->now_ms = now_ms;
        if (outcome != NODE_DONE)
            slot->state = SLOT_ROUTE;
    }
    client_advance(c);
}

/* No reply on a connection is older than one before it. */
static uint64_t read_time(struct server *s, const struct slot *slot)
{
    uint64_t stamp_ms = rsm_stamp_ms(node_rsm(s->node));
    return slot->now_ms > stamp_ms ? slot->now_ms : stamp_ms;
}

static bool guess(struct client *c, uint32_t db, uint64_t now_ms, const struct slice *argv, size_t argc,
                  struct buf *out)
{
    struct server *s = c->server;
    struct command_trial trial = {.told = true};
    buf_truncate(&s->guessed, 0);
    s->guessing = true;
    node_try(s->node, now_ms, db, c->resp, client_user(c), argv, argc, out, &trial);
    s->guessing = false;
    return !trial.writes;
}

/* So many arguments name two or three values: also as long as a value may be they are copied in time. */
enum { QUICK_ARGS = 4 };

bool query_run(struct client *c, const struct command *row, uint32_t db, uint64_t now_ms,
               const struct slice *argv, size_t argc, struct buf *out, uint64_t *due_ms)
{
    struct server *s = c->server;
    struct command_stat *stat = stat_of(s, row);
    bool may_take_long = (!(row->flags & CMD_FAST) || argc > QUICK_ARGS) && s->hooks.busy;
    size_t start = out->len;
    uint64_t begun_ns = time_begin(s, stat);
    if (may_take_long)
        s->hooks.busy(s->hooks.arg, true);
    bool nested = s->in_query;
    s->in_query = true;
    s->script_read = false;
    s->passed_errors = 0;
    s->script.client = c;
    bool done = due_ms ? node_query(s->node, now_ms, db, c->resp, client_user(c), argv, argc, out, due_ms)
                       : guess(c, db, now_ms, argv, argc, out);
    s->in_query = nested;
    s->script.client = NULL;
    if (may_take_long)
        s->hooks.busy(s->hooks.arg, false);
    if (due_ms || done)
        ran(c, row, argv, argc, time_end(s, stat, begun_ns));
    if (out == &c->out && c->pushed > start && c->pushed < out->len)
        start = c->pushed; /* a monitor is shown what its script calls in front of the reply */
    if (done && out->data[start] == '-')
        count_failed(s, row, slice_drop(buf_slice(out), start));
    return done;
}

/* Since it was taken the users may have changed: a follower learns of that with the round that it waited for. */
static bool may_still(struct client *c, const struct slot *slot, size_t argc, struct buf *out)
{
    struct buf error = BUF_EMPTY;
    bool ok = user_permits(c, slot->row, c->server->argv, argc, &error);
    if (!ok)
        reply_errorf(c, out, "%.*s", (int)error.len, error.data);
    buf_deinit(&error);
    return ok;
}

static bool query(struct client *c, struct slot *slot, uint64_t now_ms, struct buf *out, uint64_t *due_ms)
{
    size_t argc = slot_unpack(c->server, buf_slice(&slot->bytes));
    if (!c->unlimited && !may_still(c, slot, argc, out))
        return true;
    if (!query_run(c, slot->row, slot->db, now_ms, c->server->argv, argc, out, due_ms))
        return false;
    if (!due_ms)
        script_calls_tell(c);
    if (slot->tracked)
        caches_remember(c, slot->row, c->server->argv, argc);
    return true;
}

bool run_read(struct client *c, struct slot *slot, struct buf *out)
{
    struct server *s = c->server;
    uint64_t due_ms = 0;
    if (slot->guess)
        return query(c, slot, read_time(s, slot), out, NULL) || route_guess_writes(c, slot, out);
    for (;;) {
        uint64_t now_ms = read_time(s, slot);
        bool done =
            slot->kind == KIND_WATCH ? watch_run(c, now_ms, &due_ms) : query(c, slot, now_ms, out, &due_ms);
        if (done)
            break;
        slot->released = false;
        slot->group = c->head;
        enum node_outcome outcome = node_read_due(s->node, due_ms, ticket_of(c, c->head));
        if (outcome == NODE_PENDING)
            return false;
        if (outcome != NODE_DONE) {
            slot->state = SLOT_ROUTE;
            return false;
        }
        slot->released = true;
        slot->now_ms = due_ms;
    }
    if (slot->kind == KIND_WATCH)
        resp_simple(out, "OK");
    return true;
}

/* A read that must run before the write behind it: where a key is due, it runs at the moment before. Expiry may be late. */
static void run_before_write(struct client *c, struct slot *slot)
{
    struct buf *out = &c->server->scratch;
    uint64_t now_ms = read_time(c->server, slot), due_ms = 0;
    buf_truncate(out, 0);
    while (!query(c, slot, now_ms, out, &due_ms))
        now_ms = due_ms - 1;
    buf_truncate(&slot->bytes, 0);
    buf_append_slice(&slot->bytes, buf_slice(out));
    slot->state = SLOT_READY;
    slot_close(c, slot);
}

static void run_reads_before(struct client *c, uint32_t seq)
{
    for (uint32_t i = c->head; i != seq; i++) {
        struct slot *slot = slot_at(c, i);
        if ((slot->state == SLOT_READ || slot->state == SLOT_ROUTE) && slot->kind == KIND_COMMAND &&
            !slot->write)
            run_before_write(c, slot);
    }
}

void before_from_node(void *arg, uint64_t ticket, struct slice payload)
{
    uint32_t seq;
    struct server *s = arg;
    struct client *c = ticket_client(s, ticket, &seq);
    if (c && c->reads_open)
        run_reads_before(c, seq);
    const struct command *row = c ? slot_at(c, seq)->row : NULL;
    s->write_begun_ns = row ? time_begin(s, stat_of(s, row)) : 0;
    s->write_payload = payload;
    s->write_ticket = ticket;
    s->passed_errors = 0;
    s->write_index = rsm_applied(node_rsm(s->node)) + 1;
}

/* Settings that live in the log are only begun by the file: one that says something else is told so, once. */
static void compare_settings(struct server *s)
{
    struct rsm *rsm = node_rsm(s->node);
    const char **given = config_settings(s->config);
    s->compared = true;
    for (size_t i = 0; given[i]; i += 2) {
        const char *now = rsm_setting(rsm, given[i]);
        uint64_t a, b;
        bool same =
            !now || slice_is_word(slice_cstr(now), given[i + 1]) ||
            (parse_memory(slice_cstr(now), &a) && parse_memory(slice_cstr(given[i + 1]), &b) && a == b);
        if (!same)
            log_line(
                LOG_WARNING,
                "%s is %s in the cluster; %s in this node's configuration does not count: use CONFIG SET",
                given[i], now, given[i + 1]);
    }
    mem_free(given);
}

/* Role, leader, term or members changed: those who waited for a leader go on, those who came to one that is no more leave. */
void changed_from_node(void *arg, bool was_leader)
{
    struct server *s = arg;
    leader_refresh(s);
    if (!s->compared && s->status.leader && rsm_cluster_id(node_rsm(s->node)))
        compare_settings(s);
    if (was_leader && !node_is_serving(s->node))
        list_for_each(it, &s->everyone)
        {
            struct client *c = list_entry(it, struct client, everyone_link);
            if (c->led && c->mode != MODE_PROXY)
                client_leave(c);
        }
    if (route_knows_leader(s))
        list_for_each(it, &s->parked) client_touch(list_entry(it, struct client, parked_link));
    s->again = true;
}

uint64_t wait_begin(struct client *c, enum slot_kind kind)
{
    struct slot *slot = slot_push(c, SLOT_NODE, kind);
    slot->row = c->last_row;
    c->exclusive = true;
    buf_truncate(&c->server->error, 0);
    return ticket_of(c, c->tail - 1);
}

void wait_end(struct client *c, enum node_outcome outcome)
{
    if (outcome == NODE_PENDING)
        return;
    struct node_answer answer = {.outcome = outcome, .reply = buf_slice(&c->server->error)};
    slot_settle(c, c->tail - 1, &answer);
}
