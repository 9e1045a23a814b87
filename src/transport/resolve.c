/* Names to addresses without stopping the loop: glibc looks them up in a thread of its own. */
#include "base/alloc.h"
#include "transport/transport_int.h"
#include <netdb.h>
#include <stdio.h>

struct resolve {
    struct gaicb request;
    struct addrinfo hints;
    char host[RAFT_HOST_MAX];
};

static bool take(const struct addrinfo *a, uint16_t port, struct sockaddr_storage *addr, socklen_t *len)
{
    if (!a || a->ai_addrlen > sizeof *addr || (a->ai_family != AF_INET && a->ai_family != AF_INET6))
        return false;
    memcpy(addr, a->ai_addr, a->ai_addrlen);
    *len = a->ai_addrlen;
    if (a->ai_family == AF_INET)
        ((struct sockaddr_in *)(void *)addr)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)(void *)addr)->sin6_port = htons(port);
    return true;
}

int resolve_start(const char *host, uint16_t port, struct sockaddr_storage *addr, socklen_t *len,
                  struct resolve **out)
{
    struct addrinfo numeric = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found = NULL;
    if (getaddrinfo(host, NULL, &numeric, &found) == 0) {
        bool good = take(found, port, addr, len);
        freeaddrinfo(found);
        if (good)
            return 1;
    }
    struct resolve *r = mem_calloc(1, sizeof *r);
    snprintf(r->host, sizeof r->host, "%s", host);
    r->hints.ai_socktype = SOCK_STREAM;
    r->request.ar_name = r->host;
    r->request.ar_request = &r->hints;
    struct gaicb *list[1] = {&r->request};
    if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0) {
        mem_free(r);
        *out = NULL;
        return -1;
    }
    *out = r;
    return 0;
}

int resolve_poll(struct resolve *r, uint16_t port, struct sockaddr_storage *addr, socklen_t *len)
{
    int status = gai_error(&r->request);
    if (status == EAI_INPROGRESS)
        return 0;
    bool good = status == 0 && take(r->request.ar_result, port, addr, len);
    if (r->request.ar_result)
        freeaddrinfo(r->request.ar_result);
    mem_free(r);
    return good ? 1 : -1;
}

/* A look-up that a thread of glibc is at cannot be called off, and its memory has to outlast it: it is left
 * to the end of the process. That takes a dead name server at the moment a peer is given up. */
void resolve_cancel(struct resolve *r)
{
    int status = gai_cancel(&r->request);
    if (status == EAI_NOTCANCELED)
        return;
    if (status == EAI_ALLDONE && r->request.ar_result)
        freeaddrinfo(r->request.ar_result);
    mem_free(r);
}
