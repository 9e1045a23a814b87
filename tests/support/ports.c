/* Where tests listen. A claim on a port is a bound socket in Linux's abstract namespace: it keeps other test processes
 * away, and it cannot outlive this one. */
#include "../tests/support/ports.h"
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum claim { NOT_OURS, RELEASED, IN_USE };

/* A test's process has one thread that asks. */
static unsigned char claims[65536];

static int claim(uint16_t port)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int len = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "kvorum-test-port-%u", port);
    if (bind(fd, (struct sockaddr *)&a,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) == 0)
        return 1; /* and the socket stays open */
    close(fd);
    return 0;
}

static int nobody_listens(uint16_t port)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int good = bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 1) == 0;
    close(fd);
    return good;
}

uint16_t test_port(void)
{
    unsigned first = 21400, last = 21499;
    const char *range = getenv("KVORUM_TEST_PORTS");
    if (range && (sscanf(range, "%u-%u", &first, &last) != 2 || first > last || last > 65535))
        abort();
    for (int own = 1; own >= 0; own--) {
        for (unsigned port = first; port <= last; port++) {
            if (claims[port] != (own ? RELEASED : NOT_OURS))
                continue;
            if (!own && !claim((uint16_t)port))
                continue;
            claims[port] = RELEASED;
            if (!nobody_listens((uint16_t)port))
                continue;
            claims[port] = IN_USE;
            return (uint16_t)port;
        }
    }
    fprintf(stderr, "no free port between %u and %u\n", first, last);
    abort();
}

void test_port_release(uint16_t port)
{
    claims[port] = RELEASED;
}
