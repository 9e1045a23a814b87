/* One connection of the load generator: requests out, replies in, and where to go when the server has gone. */
#include "../tests/bench/rate/rate.h"
#include "base/alloc.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define RETRY_NS    1000000 /* after a refused connect */
#define OUT_FULL    (256 * 1024)
#define READ_BYTES  (256 * 1024)
#define FIRST_QUEUE 64

/* Replies are looked at as they are parsed and not built: a load generator shall leave the cores to the servers. */
static char some_reply;

static void *on_string(const redisReadTask *task, char *text, size_t len)
{
    struct conn *c = task->privdata;
    if (task->type == REDIS_REPLY_ERROR) {
        len = len < sizeof c->error ? len : sizeof c->error - 1;
        memcpy(c->error, text, len);
        c->error[len] = 0;
    }
    return &some_reply;
}

static void *on_array(const redisReadTask *task, int elements)
{
    (void)task, (void)elements;
    return &some_reply;
}

static void *on_integer(const redisReadTask *task, long long value)
{
    (void)task, (void)value;
    return &some_reply;
}

static void *on_nil(const redisReadTask *task)
{
    struct conn *c = task->privdata;
    c->nil = true;
    return &some_reply;
}

static void on_free(void *reply)
{
    (void)reply;
}

static redisReplyObjectFunctions look = {on_string, on_array, on_integer, on_nil, on_free};

static void watch(struct conn *c, int operation)
{
    struct epoll_event event = {EPOLLIN | (c->writes ? EPOLLOUT : 0), {.ptr = c}};
    if (epoll_ctl(c->poll, operation, c->fd, &event) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

static void watch_writes(struct conn *c, bool writes)
{
    if (c->writes != writes) {
        c->writes = writes;
        watch(c, EPOLL_CTL_MOD);
    }
}

static void conn_start(struct conn *c, int port, int flags)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->port = port;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (c->fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->connecting = connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0;
    if (c->connecting && errno != EINPROGRESS) {
        if (!c->work->follow)
            die("port %d: %s", port, strerror(errno));
        close(c->fd);
        c->fd = -1;
        c->retry_ns = now_ns() + RETRY_NS;
        return;
    }
    c->reader = redisReaderCreateWithFunctions(&look);
    c->reader->privdata = c;
    c->writes = c->connecting;
    watch(c, EPOLL_CTL_ADD);
}

void conn_open(struct conn *c, struct work *work, struct outcome *outcome, int poll)
{
    *c = (struct conn){.work = work, .outcome = outcome, .poll = poll, .fd = -1, .size = FIRST_QUEUE};
    c->requests = mem_alloc(c->size * sizeof *c->requests);
    conn_start(c, work->ports[0], 0);
}

void conn_close(struct conn *c)
{
    if (c->fd < 0)
        return;
    close(c->fd);
    redisReaderFree(c->reader);
    c->fd = -1;
    c->connecting = false;
    buf_truncate(&c->out, 0);
    c->out_done = 0;
}

/* Whatever was sent and not answered may have been done or not; what was not sent goes to the next port. */
static void conn_lost(struct conn *c, const char *why)
{
    if (!c->work->follow)
        die("port %d: %s", c->port, why);
    c->outcome->lost += c->sent - c->head;
    c->head = c->sent;
    bool refused = c->connecting;
    conn_close(c);
    c->retry_ns = refused ? now_ns() + RETRY_NS : 0;
}

static void conn_again(struct conn *c)
{
    int port = c->moved_to ? c->moved_to : c->work->ports[++c->next_port % c->work->port_count];
    c->moved_to = 0;
    conn_start(c, port, SOCK_NONBLOCK);
}

static void push(struct conn *c, struct request request)
{
    if (c->tail - c->head == c->size) {
        struct request *more = mem_alloc(2 * c->size * sizeof *more);
        for (size_t i = c->head; i != c->tail; i++)
            more[i & (2 * c->size - 1)] = c->requests[i & (c->size - 1)];
        mem_free(c->requests);
        c->requests = more;
        c->size *= 2;
    }
    c->requests[c->tail++ & (c->size - 1)] = request;
}

void conn_push(struct conn *c, uint64_t due_ns)
{
    push(c, (struct request){due_ns, prng_below(&c->work->chance, 100) < c->work->set_percent});
}

/* Keys are named as redis-benchmark names them. */
static void encode(struct conn *c, const struct request *r)
{
    static const char get[] = "*2\r\n$3\r\nGET\r\n$16\r\nkey:", set[] = "*3\r\n$3\r\nSET\r\n$16\r\nkey:";
    uint64_t key = prng_below(&c->work->chance, c->work->keys);
    char digits[12];

    if (!r->set && c->work->ping) {
        buf_append_cstr(&c->out, "*1\r\n$4\r\nPING\r\n");
        return;
    }
    for (size_t i = sizeof digits; i-- > 0; key /= 10)
        digits[i] = (char)('0' + key % 10);
    buf_append(&c->out, r->set ? set : get, sizeof set - 1);
    buf_append(&c->out, digits, sizeof digits);
    buf_append(&c->out, "\r\n", 2);
    if (r->set)
        buf_append(&c->out, c->work->value.data, c->work->value.len);
}

/* True: all is written. */
static bool write_out(struct conn *c)
{
    while (c->out_done < c->out.len) {
        ssize_t n =
            send(c->fd, c->out.data + c->out_done, c->out.len - c->out_done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            watch_writes(c, true);
            return false;
        }
        if (n < 0) {
            conn_lost(c, strerror(errno));
            return false;
        }
        c->out_done += (size_t)n;
    }
    buf_truncate(&c->out, 0);
    c->out_done = 0;
    watch_writes(c, false);
    return true;
}

void conn_send(struct conn *c)
{
    if (c->fd < 0 && now_ns() >= c->retry_ns)
        conn_again(c);
    if (c->fd < 0 || c->connecting || c->moved_to || !write_out(c))
        return;
    while (c->sent != c->tail) {
        while (c->sent != c->tail && c->out.len < OUT_FULL)
            encode(c, &c->requests[c->sent++ & (c->size - 1)]);
        if (!write_out(c))
            return;
    }
}

static void count_error(struct outcome *o, const char *error)
{
    size_t len = strcspn(error, " "), i;

    len = len < CODE_BYTES ? len : CODE_BYTES - 1;
    o->errors++;
    for (i = 0; i < o->code_count; i++)
        if (strncmp(o->codes[i].code, error, len) == 0 && !o->codes[i].code[len])
            break;
    if (i == CODES_MAX)
        return;
    if (i == o->code_count)
        memcpy(o->codes[o->code_count++].code, error, len);
    o->codes[i].count++;
}

/* The port in "MOVED slot host:port"; 0: some other error. */
static int moved_to(const char *error)
{
    const char *colon = strrchr(error, ':');
    return strncmp(error, "MOVED ", 6) == 0 && colon ? atoi(colon + 1) : 0;
}

/* The reply to the oldest request has come. */
static void answered(struct conn *c, uint64_t now)
{
    struct outcome *o = c->outcome;
    struct request r;
    int port = c->work->follow ? moved_to(c->error) : 0;

    if (c->head == c->sent)
        die("port %d: a reply without a request", c->port);
    r = c->requests[c->head++ & (c->size - 1)];
    if (port) { /* refused, and not run: there it is due since when it was due here */
        o->moved++;
        c->moved_to = port;
        push(c, r);
        return;
    }
    o->last_ns = now;
    if (c->error[0]) {
        count_error(o, c->error);
        return;
    }
    histogram_add(r.set ? &o->set : &o->get, now - r.due_ns);
    o->misses += c->nil;
    if (r.set) {
        if (now - o->last_set_ns > o->gap_ns)
            o->gap_ns = now - o->last_set_ns;
        o->last_set_ns = now;
    }
}

static void take_replies(struct conn *c, uint64_t now)
{
    void *reply = NULL;
    for (;;) {
        c->error[0] = 0;
        c->nil = false;
        if (redisReaderGetReply(c->reader, &reply) != REDIS_OK)
            die("port %d: %s", c->port, c->reader->errstr);
        if (!reply)
            return;
        answered(c, now);
    }
}

static void conn_read(struct conn *c)
{
    static char bytes[READ_BYTES];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        conn_lost(c, n == 0 ? "closed by the server" : strerror(errno));
        return;
    }
    redisReaderFeed(c->reader, bytes, (size_t)n);
    take_replies(c, now_ns());
    if (c->moved_to && c->head == c->sent)
        conn_close(c);
}

void conn_event(struct conn *c, uint32_t events)
{
    if (c->fd < 0)
        return;
    if (c->connecting) {
        int error = 0;
        socklen_t len = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (error) {
            conn_lost(c, strerror(error));
            return;
        }
        c->connecting = false;
    } else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        conn_read(c);
    }
    conn_send(c);
}

void conn_give_up(struct conn *c)
{
    c->outcome->lost += c->tail - c->head;
    conn_close(c);
    mem_free(c->requests);
    buf_deinit(&c->out);
}
