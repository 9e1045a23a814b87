/* How a client goes on when an answer comes, or none. */
#include "work_int.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const probes[] = {"same", "other", "old", "resume", "nobody", "earlier"};

void work_answered(struct work *k, struct client *c, enum phase next)
{
    c->phase = next;
    c->waiting = false;
    c->attempt++;
    if (c->node < WORLD_NODES_MAX && !world_node(k->world, c->node))
        c->node = NOWHERE;
    uint64_t think_us = next == IDLE ? prng_below(&k->chance, k->config.think_us) : 0;
    work_due(k, c, world_now_us(k->world) + think_us);
}

static void unexpected(struct work *k, struct client *c, struct slice reply)
{
    work_wrong(k, "client %u, request %llu (%s%s): unexpected reply %.*s", client_number(k, c),
               (unsigned long long)c->number, c->phase == PROBING ? "probe " : op_name(c->ask.op),
               c->phase == PROBING ? probes[c->probe] : "", (int)(reply.len < 100 ? reply.len : 100),
               reply.data);
    work_answered(k, c, IDLE);
}

static bool begins(struct slice reply, const char *with)
{
    size_t len = strlen(with);
    return reply.len >= len && memcmp(reply.data, with, len) == 0;
}

/* ---- what became of it ------------------------------------------------------------------------------------ */

static void settle(struct work *k, struct client *c, enum op_outcome outcome, struct slice result,
                   uint64_t end)
{
    struct place *p = &k->places[c->ask.place];
    enum token_fate fate = outcome == OUTCOME_OK        ? TOKEN_DONE
                           : outcome == OUTCOME_NOT_RUN ? TOKEN_NOT_RUN
                                                        : TOKEN_UNKNOWN;
    if (c->ask.token) {
        tokens_fate(p->tokens, c->ask.token - 1, fate, end);
        if (c->ask.pair) /* one for the other: they are appended to together */
            tokens_fate(p[1].tokens, c->ask.token - 1, fate, end);
        k->counts.exactly_once++;
    }
    if (c->ask.record) {
        history_answer(k->history, c->ask.record - 1, outcome, result, world_now_us(k->world));
        p->unknown += outcome == OUTCOME_UNKNOWN;
    }
    if (c->kind == PUSHER || c->kind == TAKER)
        work_wait_settle(k, c, outcome);
    k->counts.unknown += outcome == OUTCOME_UNKNOWN;
    k->counts.not_run += outcome == OUTCOME_NOT_RUN;
}

void work_elsewhere(struct work *k, struct client *c, bool surely_not_run)
{
    bool left = c->plain && c->phase == WRITING;
    if (left)
        settle(k, c, surely_not_run ? OUTCOME_NOT_RUN : OUTCOME_UNKNOWN, slice_of(NULL, 0), 0);
    if (left)
        work_answered(k, c, IDLE);
    else if (c->kind == COUNTER && (c->phase == WRITING || c->phase == GETTING))
        work_answered(k, c, WATCHING); /* a transaction is retried as a whole */
    else
        work_answered(k, c, c->phase);
    work_move(k, c);
}

/* The session has expired: what was asked in it may have run before that. A new one begins with the next number. */
static void session_lost(struct work *k, struct client *c, struct slice reply)
{
    if (!k->config.sessions_expire) {
        unexpected(k, c, reply);
        return;
    }
    if (c->phase == WRITING)
        settle(k, c, OUTCOME_UNKNOWN, slice_of(NULL, 0), 0);
    if (c->kind == COUNTER && c->phase == WRITING)
        k->maybe_increments[work_counter_of(k, c)]++;
    if (c->kind == EXPIRING)
        c->set_number = 0;
    c->earlier.number = 0;
    k->counts.sessions_lost++;
    work_answered(k, c, OPENING);
}

/* ---- writes ----------------------------------------------------------------------------------------------- */

/* The reply in the history's words; false: no reply to this operation. */
static bool result_of(enum op_kind op, struct slice reply, enum op_outcome *outcome, struct slice *result)
{
    *outcome = OUTCOME_OK;
    *result = SLICE_LITERAL("0");
    switch (op) {
    case OP_GETSET:
        return work_bulk(reply, result);
    case OP_SET:
        return slice_equal(reply, SLICE_LITERAL("+OK\r\n"));
    case OP_SETNX:
    case OP_LOCK:
        if (slice_equal(reply, SLICE_LITERAL("$-1\r\n")))
            return true;
        *result = SLICE_LITERAL("1");
        return slice_equal(reply, SLICE_LITERAL("+OK\r\n"));
    case OP_CAS:
    case OP_UNLOCK:
        if (slice_equal(reply, SLICE_LITERAL("*-1\r\n")))
            return true;
        *result = SLICE_LITERAL("1");
        return slice_equal(reply,
                           op == OP_CAS ? SLICE_LITERAL("*1\r\n+OK\r\n") : SLICE_LITERAL("*1\r\n:1\r\n"));
    default:
        if (op == OP_INCR && begins(reply, "-ERR value is not an integer")) {
            *outcome = OUTCOME_ERROR;
            return true;
        }
        if (reply.len < 4 || reply.data[0] != ':')
            return false;
        *result = slice_of(reply.data + 1, reply.len - 3);
        return true;
    }
}

/* The length behind the token; 0: no such reply. */
static uint64_t end_of(const struct client *c, struct slice reply)
{
    char text[64], both[16];
    snprintf(both, sizeof(both), "*%d\r\n:", 2 + WRITES);
    if (!begins(reply, c->ask.pair ? both : ":"))
        return 0;
    snprintf(text, sizeof(text), "%.*s", (int)(reply.len < 60 ? reply.len : 60), reply.data);
    if (!c->ask.pair)
        return strtoull(text + 1, NULL, 10);
    char *first = strchr(text, ':'), *second = strchr(first + 1, ':');
    uint64_t a = strtoull(first + 1, NULL, 10);
    return second && strtoull(second + 1, NULL, 10) == a ? a : 0;
}

/* A number from the middle of the window; or another request by the number of a transaction that came too late, which its
 * session remembers too. */
static bool probe_earlier(struct work *k, struct client *c)
{
    if (c->kind == COUNTER && c->refused) {
        c->probe = PROBE_OTHER;
        c->ask.op = OP_PERSIST;
        work_answered(k, c, PROBING);
        return true;
    }
    if (c->plain || c->kind != APPENDER)
        return false;
    if (c->earlier.number == 0 || c->earlier.number + WINDOW <= c->number) {
        c->earlier.ask = c->ask;
        c->earlier.number = c->number;
        c->earlier.end = c->acked_end;
        return false;
    }
    if (prng_below(&k->chance, 3))
        return false;
    c->probe = PROBE_EARLIER;
    c->ask = c->earlier.ask;
    work_answered(k, c, PROBING);
    return true;
}

/* Now and then a session sends its last number again, or numbers and names that have to be refused. */
static void acked(struct work *k, struct client *c)
{
    if (k->config.old_numbers && probe_earlier(k, c))
        return;
    if (c->plain || c->kind != APPENDER || prng_below(&k->chance, 10)) {
        work_answered(k, c, IDLE);
        return;
    }
    c->probe = (enum probe)prng_below(&k->chance, PROBES);
    if (c->probe == PROBE_OTHER)
        snprintf(c->ask.value, sizeof(c->ask.value), "<%u.%llu!>", client_number(k, c),
                 (unsigned long long)c->number);
    if (c->probe != PROBE_SAME)
        c->ask.big = false;
    work_answered(k, c, PROBING);
}

static bool probe_fits(const struct client *c, struct slice reply)
{
    switch (c->probe) {
    case PROBE_SAME:
        return end_of(c, reply) == c->acked_end;
    case PROBE_OTHER:
        return begins(reply, "-ERR another request");
    case PROBE_OLD:
        return begins(reply, "-STALE");
    case PROBE_RESUME:
        return begins(reply, ":") && strtoull(reply.data + 1, NULL, 10) == c->session;
    case PROBE_NOBODY:
        return begins(reply, "-NOSESSION");
    case PROBE_EARLIER:
        return end_of(c, reply) == c->earlier.end;
    }
    return false;
}

static void probe_done(struct work *k, struct client *c, struct slice reply)
{
    k->counts.probes++;
    if (probe_fits(c, reply))
        work_answered(k, c, IDLE);
    else if (begins(reply, "-NOSESSION"))
        session_lost(k, c, reply);
    else
        unexpected(k, c, reply);
}

static bool token_done(struct work *k, struct client *c, struct slice reply)
{
    uint64_t end = end_of(c, reply);
    if (end)
        settle(k, c, OUTCOME_OK, slice_of(NULL, 0), end);
    c->acked_end = end;
    return end != 0;
}

static bool counted(struct work *k, struct client *c, struct slice reply)
{
    bool ran = slice_equal(reply, SLICE_LITERAL("*1\r\n+OK\r\n"));
    k->increments[work_counter_of(k, c)] += ran;
    k->counts.exactly_once++;
    c->refused = !ran;
    return ran || slice_equal(reply, SLICE_LITERAL("*-1\r\n")); /* somebody else was faster */
}

static bool set_done(struct client *c, struct slice reply)
{
    c->set_number = c->number;
    c->gone = false;
    return slice_equal(reply, SLICE_LITERAL("+OK\r\n"));
}

static bool register_done(struct work *k, struct client *c, struct slice reply)
{
    enum op_outcome outcome;
    struct slice result;
    if (!result_of(c->ask.op, reply, &outcome, &result))
        return false;
    settle(k, c, outcome, result, 0);
    if (c->ask.op == OP_LOCK && result.data[0] == '1') {
        memcpy(c->owner, c->ask.value, sizeof(c->owner));
        c->lock_place = c->ask.place;
        k->counts.locks++;
    }
    return true;
}

static void write_done(struct work *k, struct client *c, struct slice reply)
{
    bool good = false;
    if (begins(reply, "-NOSESSION") && !c->plain) {
        session_lost(k, c, reply);
        return;
    }
    /* Of a leader that does not know its proxy any more; or it waits, and may yet run. */
    if (begins(reply, "-MAYBE") && (c->plain || c->kind == TAKER)) {
        work_elsewhere(k, c, false);
        return;
    }
    if (begins(reply, "-UNBLOCKED this request was sent again") && c->kind == TAKER && !c->plain) {
        work_elsewhere(k, c, false); /* an older one of this number came late: that one waits in its place */
        return;
    }
    switch (c->kind) {
    case APPENDER:
    case PAIRED:
        good = token_done(k, c, reply);
        break;
    case COUNTER:
        good = counted(k, c, reply);
        break;
    case EXPIRING:
        good = set_done(c, reply);
        break;
    case REGISTER:
    case LOCKER:
        good = register_done(k, c, reply);
        break;
    case PUSHER:
    case TAKER:
        good = work_wait_done(k, c, reply);
        break;
    case PIPELINE:
    case READER:
        break;
    }
    if (!good) {
        unexpected(k, c, reply);
        return;
    }
    k->counts.acked++;
    k->last_ack_us = world_now_us(k->world);
    acked(k, c);
}

/* ---- reads ------------------------------------------------------------------------------------------------ */

static void record_get(struct work *k, struct client *c, struct slice value)
{
    struct op_text t = {.client = client_number(k, c),
                        .key = slice_cstr(c->ask.key),
                        .result = value,
                        .kind = OP_GET,
                        .outcome = OUTCOME_OK,
                        .invoked_us = c->asked_us,
                        .returned_us = world_now_us(k->world)};
    history_add(k->history, &t);
    k->counts.linearized++;
}

/* WATCH has been sent, GET is answered: EXEC. */
static void watched(struct work *k, struct client *c, struct slice value)
{
    if (c->kind == COUNTER) {
        char text[24] = "0";
        if (value.data)
            memcpy(text, value.data, value.len < 23 ? value.len : 23);
        snprintf(c->ask.next, sizeof(c->ask.next), "%llu", strtoull(text, NULL, 10) + 1);
        work_answered(k, c, WRITING);
        return;
    }
    record_get(k, c, value);
    if (c->ask.op == OP_UNLOCK && !slice_equal(value, slice_cstr(c->ask.value))) {
        work_answered(k, c, IDLE); /* was late: it is gone, or another's */
        return;
    }
    work_record(k, c, value);
    work_answered(k, c, WRITING);
}

static void look(struct work *k, struct client *c, struct slice value)
{
    uint64_t now_us = world_now_us(k->world);
    char text[24];
    size_t len = (size_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)c->set_number);
    if (!value.data) {
        if (work_trusts_clocks(k) && now_us + CLOCK_SLACK_US < c->set_asked_us + c->ttl_ms * 1000)
            work_wrong(k, "%s is gone %llu us after it was set for %llu ms", c->ask.key,
                       (unsigned long long)(now_us - c->set_asked_us), (unsigned long long)c->ttl_ms);
        k->counts.expired += !c->gone;
        c->gone = true;
        return;
    }
    if (c->gone)
        work_wrong(k, "%s has come back to life", c->ask.key);
    if (!slice_equal(value, slice_of(text, len)))
        work_wrong(k, "%s holds %.*s, and was set to %s", c->ask.key, (int)value.len, value.data, text);
}

static void read_tokens(struct work *k, struct client *c, struct slice value, struct slice other)
{
    char wrong[160];
    if (!tokens_seen(k->places[c->ask.place].tokens, value, c->must_see, wrong, sizeof(wrong)))
        work_wrong(k, "stale read of %s on node %u by client %u: %s", c->ask.key, c->node,
                   client_number(k, c), wrong);
    if (c->ask.pair && !slice_equal(value, other))
        work_wrong(k, "%s and its pair differ on node %u: half a transaction", c->ask.key, c->node);
}

void work_read_done(struct work *k, struct client *c, struct slice reply, struct slice second)
{
    struct slice value, other = slice_of(NULL, 0);
    if (!work_bulk(reply, &value) || (c->ask.pair && !work_bulk(second, &other))) {
        work_wrong(k, "a read answers %.*s", (int)(reply.len < 60 ? reply.len : 60), reply.data);
        work_answered(k, c, IDLE);
        return;
    }
    if (c->phase == WATCHING || c->phase == GETTING) { /* looked and read in one round, or read after it */
        watched(k, c, value);
        return;
    }
    k->counts.reads++;
    if (c->ask.key[0] == 't')
        look(k, c, value);
    else if (k->places[c->ask.place].tokens)
        read_tokens(k, c, value, other);
    else
        record_get(k, c, value);
    work_answered(k, c, IDLE);
}

void work_done(struct work *k, struct client *c, struct slice reply)
{
    switch (c->phase) {
    case OPENING:
        if (!begins(reply, ":")) {
            unexpected(k, c, reply);
            return;
        }
        c->session = strtoull(reply.data + 1, NULL, 10);
        work_answered(k, c, IDLE);
        return;
    case WRITING:
        write_done(k, c, reply);
        return;
    case PROBING:
        probe_done(k, c, reply);
        return;
    case WATCHING:
        c->version = begins(reply, ":") ? strtoull(reply.data + 1, NULL, 10) : 0;
        work_answered(k, c, GETTING);
        return;
    default:
        work_read_done(k, c, reply, slice_of(NULL, 0));
    }
}
