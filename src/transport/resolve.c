/* Names to addresses without stopping the loop: each look-up has a thread of its own. Not getaddrinfo_a: a look-up
 * that is under way there cannot be given up, and no race detector sees the threads that libc starts for it. */
#include "base/alloc.h"
#include "transport/transport_int.h"
#include <netdb.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

/* The look-up belongs to the thread while it runs, then to the link; whoever comes second to a look-up that was
 * left frees it. */
enum { RUNS, DONE, LEFT };

struct resolve {
    char host[RAFT_HOST_MAX];
    struct sockaddr_storage addr;
    socklen_t addr_len; /* 0: nothing was found */
    atomic_int state;
};

static bool take(const struct addrinfo *a, struct sockaddr_storage *addr, socklen_t *len)
{
    if (!a || a->ai_addrlen > sizeof *addr || (a->ai_family != AF_INET && a->ai_family != AF_INET6))
        return false;
    memcpy(addr, a->ai_addr, a->ai_addrlen);
    *len = a->ai_addrlen;
    return true;
}

static void set_port(struct sockaddr_storage *addr, uint16_t port)
{
    if (addr->ss_family == AF_INET)
        ((struct sockaddr_in *)(void *)addr)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)(void *)addr)->sin6_port = htons(port);
}

static bool look_up(const char *host, int flags, struct sockaddr_storage *addr, socklen_t *len)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags}, *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return false;
    bool good = take(found, addr, len);
    freeaddrinfo(found);
    return good;
}

static void *run(void *arg)
{
    struct resolve *r = arg;
    if (!look_up(r->host, 0, &r->addr, &r->addr_len))
        r->addr_len = 0;
    if (atomic_exchange(&r->state, DONE) == LEFT)
        mem_free(r);
    return NULL;
}

static bool start_thread(struct resolve *r)
{
    /* Signals are the main thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int status = pthread_create(&thread, NULL, run, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status == 0)
        pthread_detach(thread);
    return status == 0;
}

int resolve_start(const char *host, uint16_t port, struct sockaddr_storage *addr, socklen_t *len,
                  struct resolve **out)
{
    if (look_up(host, AI_NUMERICHOST, addr, len)) {
        set_port(addr, port);
        return 1;
    }
    struct resolve *r = mem_calloc(1, sizeof *r);
    snprintf(r->host, sizeof r->host, "%s", host);
    *out = start_thread(r) ? r : NULL;
    if (!*out)
        mem_free(r);
    return *out ? 0 : -1;
}

int resolve_poll(struct resolve *r, uint16_t port, struct sockaddr_storage *addr, socklen_t *len)
{
    if (atomic_load(&r->state) == RUNS)
        return 0;
    bool good = r->addr_len > 0;
    if (good) {
        *addr = r->addr;
        *len = r->addr_len;
        set_port(addr, port);
    }
    mem_free(r);
    return good ? 1 : -1;
}

void resolve_cancel(struct resolve *r)
{
    if (atomic_exchange(&r->state, LEFT) == DONE)
        mem_free(r);
}
