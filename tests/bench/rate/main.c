/* The load generator: GETs and SETs of random keys at a fixed rate, or as fast as they are answered, to servers on 127.0.0.1.
 *
 *     rate [options] PORT [PORT ...]
 *
 *     -R N   requests a second, sent when they are due whether or not earlier ones were answered (an open loop). A time counts
 *            from when the request was due, so a server that stalls is charged with all that should have been asked meanwhile.
 *            0, the default: a connection sends a pipeline when the one before it is answered (a closed loop).
 *     -n N   requests in all          -t N   seconds; the first of the two that is reached ends the run (t: 60)
 *     -c N   connections (50)         -P N   requests that go out together (1)
 *     -s N   SETs of a hundred (10)   -d N   bytes of a value (64)        -r N   keys, key:000000000000 upwards (100000)
 *     -p     PING in place of GET
 *     -S N   seed (1)                 -f     MOVED is followed, what is lost goes on at the next PORT; without it both end the run
 *
 * All connections start at the first PORT. One line of NAME=VALUE is printed, times in microseconds:
 *     rate       answered requests a second, from the start to the last reply      errors     error replies (codes=: how many of which)
 *     moved      requests that were refused by MOVED and sent again                lost       sent, and never answered
 *     misses     GETs of keys that were not there                                  gap        longest time without an acknowledged SET
 *     lag_p99    how late this program itself was to send: when this is large, the other times are not the server's
 *     get, set   how many were answered without an error; then their _p50, _p90, _p99, _p999, _max */
#include "../tests/bench/rate/rate.h"
#include "base/alloc.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS  1000000000u
#define DRAIN_NS   (10ull * SECOND_NS) /* for what is not answered at the end */
#define IDLE_NS    (SECOND_NS / 1000)  /* no longer wait than so: connections may have to be tried again */
#define CONNS_MAX  20000
#define EVENTS_MAX 256

struct run {
    struct work work;
    struct outcome outcome;
    struct conn *conns;
    size_t conn_count, next; /* next: whose turn it is, at a fixed rate */
    unsigned pipeline;
    double rate;
    uint64_t requests, issued, start_ns, end_ns;
    struct histogram lag;
    int poll;
};

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("rate: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static uint64_t number(const char *text, uint64_t least, uint64_t most)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);
    if (end == text || *end || n < least || n > most)
        die("%s: not a number from %" PRIu64 " to %" PRIu64, text, least, most);
    return n;
}

static void set_value(struct buf *value, size_t bytes)
{
    buf_printf(value, "$%zu\r\n", bytes);
    memset(buf_reserve(value, bytes), 'x', bytes);
    value->len += bytes;
    buf_append(value, "\r\n", 2);
}

static void parse(struct run *r, int argc, char **argv)
{
    uint64_t seed = 1, value_bytes = 64, seconds = 60;
    int option;

    while ((option = getopt(argc, argv, "R:n:t:c:P:s:d:r:S:pf")) != -1) {
        switch (option) {
        case 'R':
            r->rate = (double)number(optarg, 0, 10000000);
            break;
        case 'n':
            r->requests = number(optarg, 1, 1ull << 40);
            break;
        case 't':
            seconds = number(optarg, 1, 86400);
            break;
        case 'c':
            r->conn_count = number(optarg, 1, CONNS_MAX);
            break;
        case 'P':
            r->pipeline = (unsigned)number(optarg, 1, 10000);
            break;
        case 's':
            r->work.set_percent = (unsigned)number(optarg, 0, 100);
            break;
        case 'd':
            value_bytes = number(optarg, 0, 512u << 20);
            break;
        case 'r':
            r->work.keys = number(optarg, 1, 1000000000000);
            break;
        case 'S':
            seed = number(optarg, 0, UINT64_MAX);
            break;
        case 'p':
            r->work.ping = true;
            break;
        case 'f':
            r->work.follow = true;
            break;
        default:
            die("usage: see the head of tests/bench/rate/main.c");
        }
    }
    for (; optind < argc && r->work.port_count < PORTS_MAX; optind++)
        r->work.ports[r->work.port_count++] = (int)number(argv[optind], 1, 65535);
    if (r->work.port_count == 0 || optind < argc)
        die("from 1 to %d ports", PORTS_MAX);
    prng_seed(&r->work.chance, seed);
    set_value(&r->work.value, value_bytes);
    r->end_ns = seconds * SECOND_NS;
}

static void open_all(struct run *r)
{
    r->poll = epoll_create1(EPOLL_CLOEXEC);
    if (r->poll < 0)
        die("epoll_create1: %s", strerror(errno));
    r->conns = mem_calloc(r->conn_count, sizeof *r->conns);
    for (size_t i = 0; i < r->conn_count; i++)
        conn_open(&r->conns[i], &r->work, &r->outcome, r->poll);
    r->start_ns = r->outcome.last_ns = r->outcome.last_set_ns = now_ns();
    r->end_ns += r->start_ns;
}

/* At a fixed rate: when the next is due. */
static uint64_t due_ns(const struct run *r)
{
    return r->start_ns + (uint64_t)((double)r->issued / r->rate * SECOND_NS);
}

static void push(struct run *r, struct conn *c, uint64_t due)
{
    for (unsigned i = 0; i < r->pipeline && r->issued < r->requests; i++, r->issued++)
        conn_push(c, due);
    conn_send(c);
}

/* Asks for what is due; the time until there is more to do. */
static uint64_t issue(struct run *r)
{
    uint64_t now = now_ns();
    while (r->rate > 0 && r->issued < r->requests) {
        uint64_t due = due_ns(r);
        if (due >= r->end_ns) {
            r->requests = r->issued;
        } else if (due > now && due > (now = now_ns())) {
            return due - now < IDLE_NS ? due - now : IDLE_NS;
        } else {
            histogram_add(&r->lag, now - due);
            push(r, &r->conns[r->next++ % r->conn_count], due);
        }
    }
    if (now >= r->end_ns)
        r->requests = r->issued;
    return IDLE_NS;
}

/* In a closed loop: a pipeline more on each connection that has its replies. A lost connection is tried again by conn_send. */
static uint64_t go_on(struct run *r)
{
    uint64_t waiting = 0;
    for (size_t i = 0; i < r->conn_count; i++) {
        struct conn *c = &r->conns[i];
        if (r->rate <= 0 && conn_waiting(c) == 0 && r->issued < r->requests)
            push(r, c, now_ns());
        else if (c->fd < 0)
            conn_send(c);
        waiting += conn_waiting(c);
    }
    return waiting;
}

static void loop(struct run *r)
{
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        uint64_t wait_ns = issue(r), waiting = go_on(r);
        struct timespec wait = {0, (long)wait_ns};
        if (r->issued == r->requests && (waiting == 0 || now_ns() > r->end_ns + DRAIN_NS))
            return;
        int count = epoll_pwait2(r->poll, events, EVENTS_MAX, &wait, NULL);
        if (count < 0 && errno != EINTR)
            die("epoll_pwait2: %s", strerror(errno));
        for (int i = 0; i < count; i++)
            conn_event(events[i].data.ptr, events[i].events);
    }
}

static void print_times(const char *name, const struct histogram *h)
{
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
    printf(" %s=%" PRIu64, name, h->count);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        printf(" %s_%s=%.1f", name, points[i].name, (double)histogram_at(h, points[i].share) / 1000);
}

static void report(const struct run *r)
{
    const struct outcome *o = &r->outcome;
    uint64_t answers = o->get.count + o->set.count + o->errors, elapsed = o->last_ns - r->start_ns;

    printf("requests=%" PRIu64 " rate=%.1f errors=%" PRIu64 " codes=", r->issued,
           elapsed ? (double)answers * SECOND_NS / (double)elapsed : 0.0, o->errors);
    for (size_t i = 0; i < o->code_count; i++)
        printf("%s%s:%" PRIu64, i ? "," : "", o->codes[i].code, o->codes[i].count);
    printf(" moved=%" PRIu64 " lost=%" PRIu64 " misses=%" PRIu64 " gap=%.1f lag_p99=%.1f", o->moved, o->lost,
           o->misses, (double)o->gap_ns / 1000, (double)histogram_at(&r->lag, 0.99) / 1000);
    print_times("get", &o->get);
    print_times("set", &o->set);
    putchar('\n');
}

int main(int argc, char **argv)
{
    static struct run r = {
        .conn_count = 50, .pipeline = 1, .requests = UINT64_MAX, .work = {.keys = 100000, .set_percent = 10}};

    prctl(PR_SET_TIMERSLACK, 1); /* waits end when they should, not up to 50 us later */
    parse(&r, argc, argv);
    open_all(&r);
    loop(&r);
    for (size_t i = 0; i < r.conn_count; i++)
        conn_give_up(&r.conns[i]);
    report(&r);
    mem_free(r.conns);
    buf_deinit(&r.work.value);
    return 0;
}
