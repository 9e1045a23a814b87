/* Two connections of a server, from the bytes in the socket to the bytes that come back, over the fake node of
 * tests/unit/server: whatever is sent in whatever pieces, while roles change and time passes, each request has at most
 * one reply and each reply is one whole value. Where nothing may hold a request back each has exactly one. */
#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../tests/unit/server/fake_node.h"
#include "base/log.h"
#include "base/resp.h"
#include "fuzz.h"
#include "server/server_int.h"

enum { CONNECTIONS = 2, INPUT_MAX = 6000, PASSES = 4 };

struct end { /* the client's */
    int fd;
    bool closed;
    struct buf sent, received;
};

struct world {
    struct event_base *base;
    struct config *config;
    struct server *server;
    struct node *node;
    struct end ends[CONNECTIONS];
    uint64_t now_us;
    bool steady; /* the node has led throughout, and nothing asked may close a connection or wait */
};

static void on_shutdown(void *arg, bool now)
{
    (void)now;
    ((struct world *)arg)->steady = false;
}

static void connect_end(struct world *w, struct end *e, int mode)
{
    int fds[2];
    fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    *e = (struct end){.fd = fds[0]};
    fuzz_check(client_new(w->server, fds[1], mode, "127.0.0.1:1", "127.0.0.1:2"));
}

/* Making a server costs far more than using it, so one serves many runs: until a run may have changed what outlives the
 * connections. */
static void server_make(struct world *w)
{
    struct buf error = BUF_EMPTY;
    struct slice peer_port = SLICE_LITERAL("1");
    struct server_hooks hooks = {.arg = w, .shutdown = on_shutdown};
    w->base = event_base_new();
    w->config = config_new();
    fuzz_check(config_set(w->config, SLICE_LITERAL("cluster-port"), &peer_port, 1, true, &error) &&
               config_finish(w->config, &error));
    w->server = server_new(w->base, w->config, &hooks);
    buf_deinit(&error);
}

static void server_unmake(struct world *w)
{
    server_free(w->server);
    config_free(w->config);
    event_base_free(w->base);
    w->server = NULL;
}

static void world_init(struct world *w)
{
    if (!w->server)
        server_make(w);
    w->steady = true;
    w->node = fake_new();
    w->node->clients = server_clients(w->server);
    w->now_us += 1000000;
    server_time(w->server, w->now_us, 1000000000);
    server_attach(w->server, w->node);
}

static void end_free(struct end *e)
{
    close(e->fd);
    buf_deinit(&e->sent);
    buf_deinit(&e->received);
}

static bool has_word(struct slice s, const char *word)
{
    for (size_t at = 0, len = strlen(word); at + len <= s.len; at++)
        if (slice_is_word(slice_of(s.data + at, len), word))
            return true;
    return false;
}

static void world_deinit(struct world *w)
{
    bool changed = false;
    for (int i = 0; i < CONNECTIONS; i++) {
        changed |= has_word(buf_slice(&w->ends[i].sent), "config");
        end_free(&w->ends[i]);
    }
    for (uint32_t i = 0; i < CONNECTIONS; i++) /* the server sees them go */
        event_base_loop(w->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    while (server_turn(w->server))
        ;
    server_detach(w->server);
    if (changed || w->server->client_count > 0)
        server_unmake(w);
    fake_free(w->node);
}

static void receive(struct end *e)
{
    for (;;) {
        ssize_t n = recv(e->fd, buf_reserve(&e->received, 65536), 65536, 0);
        if (n <= 0) {
            e->closed |= n == 0 || (errno != EAGAIN && errno != EINTR);
            return;
        }
        e->received.len += (size_t)n;
    }
}

static void pass(struct world *w)
{
    server_time(w->server, w->now_us, 1000000000 + w->now_us);
    event_base_loop(w->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    while (server_turn(w->server))
        ;
    for (int i = 0; i < CONNECTIONS; i++)
        receive(&w->ends[i]);
}

/* A socket that is full takes the rest after a pass; a server that does not read gets no more. */
static void send_bytes(struct world *w, struct end *e, struct slice s)
{
    for (int tries = 0; s.len && tries < 8; tries++) {
        ssize_t n = send(e->fd, s.data, s.len, MSG_NOSIGNAL);
        if (n > 0) {
            buf_append(&e->sent, s.data, (size_t)n);
            s = slice_of(s.data + n, s.len - (size_t)n);
        }
        pass(w);
    }
}

/* A command of the table with arguments from the words that commands know, so that the fuzzer need not find them. */
static void send_command(struct world *w, struct end *e, struct reader *r)
{
    static const char *const words[] = {
        "a",       "b",       "1",       "-1",        "0",         "PX",         "100", "EX",
        "NX",      "GET",     "KEEPTTL", "s@seq=1",   "s@retry=1", "s@seq=2",    "*",   "MATCH",
        "COUNT",   "name",    "SET",     "maxmemory", "timeout",   "maxclients", "2",   "3",
        "default", "setname", "list",    "REPLY",     "ON",        "databases"};
    const struct command *row = command_at(get_u8(r) % command_count());
    size_t count = get_u8(r) % 5;
    struct buf text = BUF_EMPTY;
    if (row->subcommands)
        count = count ? count : 1;
    resp_array(&text, count + 1);
    resp_bulk_cstr(&text, row->name);
    for (size_t i = 0; i < count; i++) {
        uint8_t pick = get_u8(r);
        size_t subcommands = 0;
        for (; row->subcommands && row->subcommands[subcommands].name; subcommands++)
            ;
        if (i == 0 && subcommands)
            resp_bulk_cstr(&text, strchr(row->subcommands[pick % subcommands].name, '|') + 1);
        else if (pick < 200)
            resp_bulk_cstr(&text, words[pick % (sizeof words / sizeof *words)]);
        else
            resp_bulk(&text, get_raw(r, reader_left(r) < pick % 8 ? reader_left(r) : pick % 8));
    }
    send_bytes(w, e, buf_slice(&text));
    buf_deinit(&text);
}

static void change_role(struct world *w, uint8_t how)
{
    bool was = w->node->serving;
    w->steady = false;
    w->node->serving = how & 1;
    w->node->leader = w->node->serving ? FAKE_SELF : how & 2 ? FAKE_OTHER : 0;
    w->node->clients.changed(w->node->clients.arg, was && !w->node->serving);
}

static void act(struct world *w, struct reader *r)
{
    uint8_t what = get_u8(r), how = get_u8(r);
    struct end *e = &w->ends[how % CONNECTIONS];
    switch (what % 10) {
    case 0:
    case 1: {
        struct piece p = piece_take(r, how);
        send_bytes(w, e, piece_slice(&p));
        free(p.data);
        break;
    }
    case 2:
    case 3:
    case 4:
        send_command(w, e, r);
        break;
    case 5:
        fake_commit(w->node, w->node->write_count < how ? w->node->write_count : how);
        break;
    case 6:
        fake_round(w->node, how & 0x80 ? NODE_REFUSED : how & 0x40 ? NODE_NOT_LEADER : NODE_DONE);
        w->steady &= !(how & 0xc0);
        break;
    case 7:
        change_role(w, how);
        break;
    case 8:
        w->steady = false;
        fake_settle(w->node, how & 1 ? NODE_NOT_LEADER : how & 2 ? NODE_UNKNOWN : NODE_REFUSED);
        break;
    default:
        w->now_us += (uint64_t)how * how * 1000;
        w->node->now_ms += (uint64_t)how * how;
        w->node->alone = how & 1;
        w->steady &= how < 100; /* nobody has idled too long */
    }
    pass(w);
}

static void settle(struct world *w)
{
    for (int i = 0; i < PASSES || w->node->write_count || w->node->read_count; i++) {
        fake_commit(w->node, w->node->write_count);
        fake_round(w->node, NODE_DONE);
        pass(w);
        fuzz_check(i < 20000);
    }
}

static bool has_one_of(struct slice s, const char *const *words)
{
    while (*words && !has_word(s, *words))
        words++;
    return *words != NULL;
}

static bool may_hold_back(struct slice s)
{
    static const char *const words[] = {
        "wait",  "shutdown",    "kill",    "quit",     "multi", "timeout", "auth",       "maxmemory-clients",
        "limit", "requirepass", "cluster", "failover", "blpop", "brpop",   "brpoplpush", "blmove",
        "bzpop", "mpop",        "pause",   "reply",    NULL};
    return has_one_of(s, words);
}

/* More than one reply a request, or some that nobody asked for. */
static bool may_say_more(struct slice s)
{
    static const char *const words[] = {"subscribe", "monitor", "tracking", NULL};
    return has_one_of(s, words);
}

static size_t count_requests(const struct world *w, struct slice s, bool *error)
{
    struct resp_parser p;
    struct resp_limits limits = {
        .max_args = INT32_MAX, .max_bulk = rsm_limits(w->node->rsm).max_bulk, .max_inline = 65536};
    size_t count = 0;
    enum resp_status status;
    resp_parser_init(&p);
    while ((status = resp_parse(&p, s, &limits)) == RESP_REQUEST) {
        count += p.argc > 0;
        s = slice_of(s.data + p.consumed, s.len - p.consumed);
    }
    *error = status == RESP_ERROR;
    resp_parser_deinit(&p);
    return count;
}

static void judge(const struct world *w, const struct end *e)
{
    struct slice left = buf_slice(&e->received);
    size_t replies = 0;
    bool error;
    for (size_t len; left.len && (len = resp_reply_len(left)) > 0; replies++)
        left = slice_of(left.data + len, left.len - len);
    fuzz_check(left.len == 0 || e->closed);
    size_t requests = count_requests(w, buf_slice(&e->sent), &error);
    if (may_say_more(buf_slice(&e->sent)))
        return;
    fuzz_check(replies <= requests + error);
    if (w->steady && !may_hold_back(buf_slice(&w->ends[0].sent)) &&
        !may_hold_back(buf_slice(&w->ends[1].sent)))
        fuzz_check(replies == requests + error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct world w;
    struct reader r = fuzz_reader(data, len < INPUT_MAX ? len : INPUT_MAX);
    fuzz_check(log_set_file("/dev/null"));
    world_init(&w);
    connect_end(&w, &w.ends[0], MODE_REDIRECT);
    connect_end(&w, &w.ends[1], get_u8(&r) & 1 ? MODE_PROXY : MODE_READONLY);
    while (fuzz_more(&r))
        act(&w, &r);
    settle(&w);
    for (int i = 0; i < CONNECTIONS; i++)
        judge(&w, &w.ends[i]);
    world_deinit(&w);
    return 0;
}
