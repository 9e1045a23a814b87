/* The machine's clocks and random source. */
#include "base/clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "base/log.h"

static uint64_t read_ns(clockid_t id)
{
    struct timespec t;
    if (clock_gettime(id, &t) != 0)
        log_fatal("clock_gettime(%d) failed: errno %d", (int)id, errno);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t clock_mono_us(void)
{
    return read_ns(CLOCK_BOOTTIME) / 1000;
}

uint64_t clock_mono_ns(void)
{
    return read_ns(CLOCK_BOOTTIME);
}

uint64_t clock_wall_us(void)
{
    return read_ns(CLOCK_REALTIME) / 1000;
}

void os_random(void *out, size_t len)
{
    char *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            log_fatal("getrandom failed: errno %d", errno);
        at += got;
        len -= (size_t)got;
    }
}
