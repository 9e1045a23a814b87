/* Where tests listen. */
#include "../tests/support/ports.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int is_free(uint16_t port)
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
    static unsigned next; /* a test's process has one thread that asks */
    unsigned first = 21400, last = 21499;
    const char *range = getenv("KVORUM_TEST_PORTS");
    if (range && sscanf(range, "%u-%u", &first, &last) != 2)
        abort();
    if (next == 0)
        next = (unsigned)getpid() * 7 % (last - first + 1);
    for (unsigned i = 0; i <= last - first; i++) {
        uint16_t port = (uint16_t)(first + next++ % (last - first + 1));
        if (is_free(port))
            return port;
    }
    fprintf(stderr, "no free port between %u and %u\n", first, last);
    abort();
}
