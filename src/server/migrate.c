/* MIGRATE: keys go to another server, and then away from here. It is a client of both, and never waits for either: the keys are
 * watched and dumped, RESTORE makes them there, and those that it has made are deleted here by one transaction, which fails if
 * any key has changed since. So what is deleted is what was sent. On our side it comes in through a connection to ourselves, like any
 * other client's, so leaders, proxy ports and doubt are what they are for those. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "server/errand.h"
#include "server/users.h"

enum { PATIENCE_MS = 1000, READ_BYTES = 64 * 1024, KEY_ARG = 3, OPTIONS_AT = 6 };

struct migration {
    struct list link; /* in server.migrations */
    struct server *server;
    uint64_t ticket; /* of who asked */
    struct buf words;
    struct slice *argv; /* in `words` */
    size_t argc;
    const struct slice *keys;
    size_t key_count;
    struct slice user, password; /* data NULL: none */
    int64_t db, timeout_ms;
    bool copy, replace;

    int fd; /* of the connection to ourselves */
    struct event event;
    struct buf asks, replies;
    size_t asked; /* bytes of `asks` that are sent */
    size_t seen;  /* bytes of `replies` that are whole replies */
    size_t open;  /* replies that are still to come */
    bool deleting;

    struct buf request; /* to the target */
    size_t *sent;       /* the keys in it */
    size_t sent_count;
    struct errand *errand;
    struct buf failure; /* what the target said, or that it said nothing; empty: it has taken everything */
};

/* ---- what is asked for ---- */

/* false: the error was appended. */
static bool take_option(struct migration *m, size_t *i, struct buf *out)
{
    struct slice word = m->argv[*i];
    size_t more = m->argc - 1 - *i;
    if (slice_is_word(word, "copy")) {
        m->copy = true;
    } else if (slice_is_word(word, "replace")) {
        m->replace = true;
    } else if (slice_is_word(word, "auth") && more >= 1) {
        m->password = m->argv[++*i];
    } else if (slice_is_word(word, "auth2") && more >= 2) {
        m->user = m->argv[++*i];
        m->password = m->argv[++*i];
    } else if (slice_is_word(word, "keys") && m->argv[KEY_ARG].len) {
        resp_error(out,
                   "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string");
        return false;
    } else if (slice_is_word(word, "keys")) {
        m->keys = m->argv + *i + 1;
        m->key_count = more;
        *i = m->argc;
    } else {
        resp_error(out, "ERR syntax error");
        return false;
    }
    return true;
}

static bool take_options(struct migration *m, struct buf *out)
{
    m->keys = m->argv + KEY_ARG;
    m->key_count = 1;
    for (size_t i = OPTIONS_AT; i < m->argc; i++)
        if (!take_option(m, &i, out))
            return false;
    if (!parse_i64(m->argv[5], &m->timeout_ms) || !parse_i64(m->argv[4], &m->db)) {
        resp_error(out, "ERR value is not an integer or out of range");
        return false;
    }
    if (m->timeout_ms <= 0)
        m->timeout_ms = PATIENCE_MS;
    return true;
}

static void put_request(struct buf *out, const char *name, const struct slice *args, size_t count)
{
    resp_array(out, count + 1);
    resp_bulk_cstr(out, name);
    for (size_t i = 0; i < count; i++)
        resp_bulk(out, args[i]);
}

/* ---- the end ---- */

void migration_free(struct migration *m)
{
    list_remove(&m->link);
    if (m->fd >= 0) {
        event_del(&m->event);
        close(m->fd);
    }
    errand_free(m->errand);
    buf_deinit(&m->words);
    buf_deinit(&m->asks);
    buf_deinit(&m->replies);
    buf_deinit(&m->request);
    buf_deinit(&m->failure);
    mem_free(m->argv);
    mem_free(m->sent);
    mem_free(m);
}

void migrations_end(struct server *s)
{
    list_for_each_safe(it, next, &s->migrations) migration_free(list_entry(it, struct migration, link));
}

static void finish(struct migration *m, struct slice reply)
{
    struct node_answer answer = {.outcome = NODE_DONE, .reply = reply};
    answer_from_node(m->server, m->ticket, &answer);
    migration_free(m);
}

static void finish_with(struct migration *m, const char *reply)
{
    finish(m, slice_cstr(reply));
}

/* Nothing is left to be done here. */
static void finish_as_target_says(struct migration *m)
{
    finish(m, m->failure.len ? buf_slice(&m->failure) : SLICE_LITERAL("+OK\r\n"));
}

/* ---- our side ---- */

static void on_source(evutil_socket_t fd, short what, void *arg);

static void watch_source(struct migration *m)
{
    short write = m->asked < m->asks.len ? EV_WRITE : 0;
    event_del(&m->event);
    event_assign(&m->event, m->server->base, m->fd, (short)(EV_READ | write), on_source, m);
    event_add(&m->event, NULL);
}

static void ask_for_values(struct migration *m)
{
    if (!m->copy)
        put_request(&m->asks, "WATCH", m->keys, m->key_count);
    for (size_t i = 0; i < m->key_count; i++) {
        put_request(&m->asks, "PTTL", &m->keys[i], 1);
        put_request(&m->asks, "DUMP", &m->keys[i], 1);
    }
    m->open = 2 * m->key_count + !m->copy;
}

static void ask_to_delete(struct migration *m, const size_t *gone, size_t count)
{
    buf_truncate(&m->asks, 0);
    buf_truncate(&m->replies, 0);
    m->asked = m->seen = 0;
    m->deleting = true;
    put_request(&m->asks, "MULTI", NULL, 0);
    resp_array(&m->asks, count + 1);
    resp_bulk_cstr(&m->asks, "DEL");
    for (size_t i = 0; i < count; i++)
        resp_bulk(&m->asks, m->keys[gone[i]]);
    put_request(&m->asks, "EXEC", NULL, 0);
    m->open = 3;
    watch_source(m);
}

/* Takes the first reply off the front of `replies`. */
static struct slice next_reply(struct slice *replies)
{
    size_t len = resp_reply_len(*replies);
    struct slice reply = slice_of(replies->data, len);
    *replies = slice_drop(*replies, len);
    return reply;
}

/* ---- to the target ---- */

static void put_restore(struct migration *m, size_t key, int64_t ttl_ms, struct slice payload)
{
    struct buf *out = &m->request;
    char text[24];
    resp_array(out, m->replace ? 5 : 4);
    /* A node of a Redis Cluster takes keys that are on their way to it by this name only. */
    resp_bulk_cstr(out, cluster_says_enabled(m->server) ? "RESTORE-ASKING" : "RESTORE");
    resp_bulk(out, m->keys[key]);
    resp_bulk(out, slice_of(text, format_i64(text, ttl_ms < 0 ? 0 : ttl_ms ? ttl_ms : 1)));
    resp_bulk(out, payload);
    if (m->replace)
        resp_bulk_cstr(out, "REPLACE");
    m->sent[m->sent_count++] = key;
}

static size_t put_introduction(struct migration *m)
{
    struct slice words[] = {m->user, m->password};
    char text[24];
    struct slice db = slice_of(text, format_i64(text, m->db));
    bool proves = m->password.data != NULL;
    if (proves)
        put_request(&m->request, "AUTH", m->user.data ? words : words + 1, m->user.data ? 2 : 1);
    put_request(&m->request, "SELECT", &db, 1);
    return 1 + proves;
}

/* line: without its newline. */
static void put_failure(struct buf *out, struct slice line)
{
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    if (line.len && *line.data == '-')
        line = slice_drop(line, 1);
    resp_errorf(out, "ERR Target instance replied with error: %.*s", (int)line.len, line.data);
}

/* Those that the target has taken are deleted here. Where it refuses AUTH or SELECT, what it says to the rest does not count. */
static void target_answered(void *arg, enum errand_end end, struct slice lines)
{
    struct migration *m = arg;
    size_t *gone = mem_alloc((m->sent_count + 1) * sizeof *gone), count = 0;
    size_t introduction = 1 + (m->password.data != NULL);
    bool refused = false;
    if (end == ERRAND_NOT_CONNECTED)
        buf_append_cstr(&m->failure, "-IOERR error or timeout connecting to the client\r\n");
    for (size_t i = 0; i < introduction + m->sent_count && lines.len; i++) {
        const char *newline = memchr(lines.data, '\n', lines.len);
        if (!newline)
            break;
        size_t len = (size_t)(newline + 1 - lines.data);
        bool taken = *lines.data == '+'; /* what is neither that nor an error is no answer of a Redis */
        if (!taken && m->failure.len == 0)
            put_failure(&m->failure, slice_of(lines.data, len - 1));
        refused |= !taken && i < introduction;
        if (taken && !refused && i >= introduction)
            gone[count++] = m->sent[i - introduction];
        lines = slice_drop(lines, len);
    }
    if ((end == ERRAND_NOT_SENT || end == ERRAND_UNANSWERED) && m->failure.len == 0)
        buf_printf(&m->failure, "-IOERR error or timeout %s to target instance\r\n",
                   end == ERRAND_NOT_SENT ? "writing" : "reading");
    if (m->copy || count == 0)
        finish_as_target_says(m);
    else
        ask_to_delete(m, gone, count);
    mem_free(gone);
}

/* All that is here is sent. */
static void send_values(struct migration *m)
{
    struct slice replies = buf_slice(&m->replies);
    size_t introduction = put_introduction(m);
    if (!m->copy)
        next_reply(&replies);
    for (size_t i = 0; i < m->key_count; i++) {
        struct slice ttl = next_reply(&replies), value = next_reply(&replies);
        const char *newline = memchr(value.data, '\n', value.len);
        int64_t ttl_ms = -2;
        parse_i64(slice_of(ttl.data + 1, ttl.len - 3), &ttl_ms);
        size_t head = (size_t)(newline + 1 - value.data);
        if (ttl_ms != -2 && value.len > head + 2)
            put_restore(m, i, ttl_ms, slice_of(value.data + head, value.len - head - 2));
    }
    if (m->sent_count == 0) {
        finish_with(m, "+NOKEY\r\n");
        return;
    }
    buf_deinit(&m->replies);
    event_del(&m->event);
    m->errand = errand_new(m->server, m->argv[1], m->argv[2], buf_slice(&m->request),
                           introduction + m->sent_count, (uint64_t)m->timeout_ms, target_answered, m);
}

/* ---- our side's answers ---- */

static bool starts_with(struct slice s, const char *text)
{
    return s.len >= strlen(text) && memcmp(s.data, text, strlen(text)) == 0;
}

static void deleted(struct migration *m)
{
    struct slice replies = buf_slice(&m->replies), reply = SLICE_LITERAL("");
    for (int i = 0; i < 3 && *reply.data != '-'; i++)
        reply = next_reply(&replies);
    if (starts_with(reply, "-MAYBE")) {
        finish_with(m, "-MAYBE The target has the keys. Whether they were deleted here is not known\r\n");
    } else if (*reply.data == '-') {
        struct buf text = BUF_EMPTY;
        resp_errorf(&text, "ERR The target has the keys, but they were not deleted here: %.*s",
                    (int)(reply.len - 3), reply.data + 1);
        finish(m, buf_slice(&text));
        buf_deinit(&text);
    } else if (starts_with(reply, "*-1")) {
        finish_with(m, "-ERR The target has the keys as they were. They have changed here meanwhile, and "
                       "were not deleted\r\n");
    } else {
        finish_as_target_says(m);
    }
}

/* The first that is an error; empty: none is. */
static struct slice first_error(const struct migration *m)
{
    struct slice replies = buf_slice(&m->replies);
    while (replies.len) {
        struct slice reply = next_reply(&replies);
        if (*reply.data == '-')
            return reply;
    }
    return replies;
}

static void source_answered(struct migration *m)
{
    struct slice error = first_error(m);
    if (m->deleting)
        deleted(m);
    else if (error.len)
        finish(m, error);
    else
        send_values(m);
}

static void source_lost(struct migration *m)
{
    if (!m->deleting)
        finish_with(m, "-ERR The keys could not be read. Nothing was migrated\r\n");
    else if (m->asked == 0)
        finish_with(
            m, "-ERR The target has the keys, but they were not deleted here: the connection was closed\r\n");
    else
        finish_with(m, "-MAYBE The target has the keys. Whether they were deleted here is not known\r\n");
}

/* false: it is over. */
static bool hear_source(struct migration *m)
{
    ssize_t n = recv(m->fd, buf_reserve(&m->replies, READ_BYTES), READ_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0) {
        source_lost(m);
        return false;
    }
    m->replies.len += (size_t)n;
    for (size_t len; m->open && (len = resp_reply_len(slice_drop(buf_slice(&m->replies), m->seen)));)
        m->seen += len, m->open--;
    if (m->open)
        return true;
    source_answered(m);
    return false;
}

static void on_source(evutil_socket_t fd, short what, void *arg)
{
    struct migration *m = arg;
    server_woken(m->server);
    if (what & EV_WRITE) {
        ssize_t n = send(fd, m->asks.data + m->asked, m->asks.len - m->asked, MSG_NOSIGNAL);
        m->asked += n > 0 ? (size_t)n : 0;
    }
    if (!(what & EV_READ) || hear_source(m))
        watch_source(m);
}

/* A connection to ourselves, as the one who asks: on the same port's terms, in the same database. */
static bool open_source(struct migration *m, struct client *c)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    struct client *self = client_new(m->server, pair[1], c->mode, c->peer, c->local);
    if (!self) {
        close(pair[0]);
        close(pair[1]);
        return false;
    }
    client_set_name(self, SLICE_LITERAL("migrate"));
    client_become(self, c->user);
    self->authenticated = self->unlimited = true; /* MIGRATE itself was permitted */
    self->proved = c->proved;
    self->unseen = true;
    self->db = c->db;
    m->fd = pair[0];
    event_assign(&m->event, m->server->base, m->fd, EV_READ, on_source, m);
    return true;
}

static struct migration *migration_new(struct client *c, const struct slice *argv, size_t argc)
{
    struct migration *m = mem_calloc(1, sizeof *m);
    m->server = c->server;
    m->fd = -1;
    list_push_back(&c->server->migrations, &m->link);
    slot_pack(&m->words, argv, argc);
    struct reader r = reader_of(buf_slice(&m->words));
    m->argc = get_varint(&r);
    m->argv = mem_alloc(m->argc * sizeof *m->argv);
    for (size_t i = 0; i < m->argc; i++)
        m->argv[i] = get_bytes(&r);
    return m;
}

/* A write, as far as its place goes. false: it waits, or was told where to go. */
static bool is_in_place(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (!c->poison && (c->mode == MODE_PROXY || node_is_serving(c->server->node)))
        return true;
    if (!c->poison && !route_knows_leader(c->server) && route_park(c))
        c->wait_asked = true;
    else
        route_refuse(c, out, route_key_slot(c->last_row, argv, argc), true, false);
    return false;
}

void migrate_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (c->session) {
        resp_error(out, "ERR MIGRATE is more than one request: it cannot be numbered");
        return;
    }
    if (!is_in_place(c, argv, argc, out))
        return;
    struct migration *m = migration_new(c, argv, argc);
    if (!take_options(m, out)) {
        migration_free(m);
        return;
    }
    m->sent = mem_alloc((m->key_count + 1) * sizeof *m->sent);
    if (m->key_count == 0) {
        resp_simple(out, "NOKEY");
        migration_free(m);
    } else if (!open_source(m, c)) {
        resp_error(out, "ERR max number of clients reached");
        migration_free(m);
    } else {
        m->ticket = wait_begin(c, KIND_ADMIN);
        ask_for_values(m);
        watch_source(m);
    }
}
