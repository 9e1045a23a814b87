/* Load for fault runs: clients of several kinds, each a thread.
 *
 *     load --nodes HOST:PORT:PROXY,... [--history FILE] [--seed N] [--pause US] KIND[@leader|@proxy|@follower]=COUNT ...
 *
 * Runs until standard input ends, then has each client finish what it is at. One line every 200 ms, of what was done since
 * the start, with the latencies of SETs at the leader since the last line; the last line begins with "end". Exit status 1:
 * a client saw something that is wrong, which is on standard error. */
#include "../tests/fault/load/kinds.h"
#include "../tests/fault/load/latency.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 256, LINE_MS = 200, AFTER_FAILURE_MS = 20 };

static const struct kind {
    const char *name;
    void (*run)(struct client *);
} kinds[] = {
    {"registers", registers_run}, {"numbered", numbered_run}, {"pipelined", pipelined_run},
    {"tokens", tokens_run},       {"locks", locks_run},       {"ttls", ttls_run},
    {"transfers", transfers_run}, {"watches", watches_run},   {"sets", sets_run},
};

static struct load load;
static struct thread {
    pthread_t thread;
    const struct kind *kind;
    struct client client;
} threads[CLIENTS_MAX];
static int thread_count;

uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void pause_us(unsigned us)
{
    struct timespec ts = {us / 1000000, (long)(us % 1000000) * 1000};
    while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
        ;
}

void pause_ms(unsigned ms)
{
    pause_us(ms * 1000);
}

bool load_goes_on(struct client *c, enum outcome outcome)
{
    atomic_fetch_add(&c->load->outcomes[outcome], 1);
    if (atomic_load(&c->load->stop))
        return false;
    if (outcome != DONE)
        pause_ms(AFTER_FAILURE_MS);
    else if (c->load->pause_us)
        pause_us(c->load->pause_us);
    return true;
}

void load_wrong(struct client *c, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    atomic_fetch_add(&c->load->wrong, 1);
    fprintf(stderr, "WRONG at %llu ms, client %d: %s\n", (unsigned long long)(now_ns() / 1000000), c->id,
            text);
}

static _Noreturn void usage(const char *what)
{
    fprintf(stderr, "load: %s; see the head of tests/fault/load/main.c\n", what);
    exit(2);
}

static void read_nodes(char *text)
{
    for (char *at = strtok(text, ","); at; at = strtok(NULL, ",")) {
        struct address *a = &load.nodes.at[load.nodes.count];
        unsigned port = 0, proxy = 0;
        if (load.nodes.count == NODES_MAX || sscanf(at, "%63[^:]:%u:%u", a->host, &port, &proxy) != 3)
            usage("--nodes HOST:PORT:PROXY,...");
        a->port = (uint16_t)port;
        a->proxy = (uint16_t)proxy;
        load.nodes.count++;
    }
}

static enum way way_of(const char *name)
{
    if (!name || strcmp(name, "leader") == 0)
        return WAY_LEADER;
    if (strcmp(name, "proxy") != 0 && strcmp(name, "follower") != 0)
        usage(name);
    return strcmp(name, "proxy") == 0 ? WAY_PROXY : WAY_FOLLOWER;
}

static void *run(void *arg)
{
    struct thread *t = arg;
    t->kind->run(&t->client);
    return NULL;
}

/* KIND@WAY=COUNT */
static void add_clients(char *text)
{
    char *count = strchr(text, '='), *way = strchr(text, '@');
    if (!count)
        usage(text);
    *count++ = 0;
    if (way)
        *way++ = 0;
    const struct kind *kind = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, text) == 0)
            kind = &kinds[i];
    if (!kind)
        usage(text);
    for (int i = 0; i < atoi(count); i++) {
        if (thread_count == CLIENTS_MAX)
            usage("too many clients");
        struct thread *t = &threads[thread_count];
        t->kind = kind;
        t->client = (struct client){.load = &load, .id = thread_count++, .which = i, .way = way_of(way)};
        prng_seed(&t->client.prng, load.seed * CLIENTS_MAX + (uint64_t)t->client.id);
    }
}

static void put_line(const char *head)
{
    struct latency l = latency_take();
    printf("%s ms=%llu done=%llu not_run=%llu unknown=%llu retries=%llu wrong=%u sets=%llu p50_us=%llu "
           "p99_us=%llu "
           "p999_us=%llu max_us=%llu\n",
           head, (unsigned long long)(now_ns() / 1000000),
           (unsigned long long)atomic_load(&load.outcomes[DONE]),
           (unsigned long long)atomic_load(&load.outcomes[NOT_RUN]),
           (unsigned long long)atomic_load(&load.outcomes[UNKNOWN]),
           (unsigned long long)atomic_load(&load.retries), atomic_load(&load.wrong),
           (unsigned long long)l.count, (unsigned long long)l.p50_us, (unsigned long long)l.p99_us,
           (unsigned long long)l.p999_us, (unsigned long long)l.max_us);
    fflush(stdout);
}

/* Until whoever started us closes our standard input. */
static void watch(void)
{
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    char bytes[64];
    for (;;) {
        int ready = poll(&in, 1, LINE_MS);
        if (ready > 0 && read(STDIN_FILENO, bytes, sizeof bytes) <= 0)
            return;
        if (ready == 0)
            put_line("at");
    }
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < argc; i++) {
        bool option = strncmp(argv[i], "--", 2) == 0;
        if (!option) {
            add_clients(argv[i]);
            continue;
        }
        if (i + 1 == argc)
            usage(argv[i]);
        char *value = argv[++i];
        if (strcmp(argv[i - 1], "--nodes") == 0)
            read_nodes(value);
        else if (strcmp(argv[i - 1], "--history") == 0)
            path = value;
        else if (strcmp(argv[i - 1], "--seed") == 0)
            load.seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--pause") == 0)
            load.pause_us = (unsigned)atoi(value);
        else
            usage(argv[i - 1]);
    }
    if (!load.nodes.count || !thread_count)
        usage("no nodes, or no clients");
    history_open(&load.history, path);
    for (int i = 0; i < thread_count; i++)
        if (pthread_create(&threads[i].thread, NULL, run, &threads[i]) != 0)
            usage("a thread could not be made");
    watch();
    atomic_store(&load.stop, true);
    for (int i = 0; i < thread_count; i++)
        pthread_join(threads[i].thread, NULL);
    put_line("end");
    if (!history_close(&load.history)) {
        fprintf(stderr, "the history could not be written\n");
        return 2;
    }
    return atomic_load(&load.wrong) ? 1 : 0;
}
