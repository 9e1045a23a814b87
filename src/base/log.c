/* Lines for people. `sink` is this process's only writable global outside main: see log.h. */
#include "base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_MAX_BYTES = 2048, QUARTER_HOUR_S = 900 };

static struct {
    atomic_int level, fd;
    atomic_char role;
    /* The zone's offset in seconds, good for one quarter of an hour (zones change on those): localtime_r
     * takes a lock, and a child forked while another thread held it would hang in its first line. */
    atomic_long offset_s, offset_quarter;
    char path[PATH_MAX];
} sink = {.level = LOG_NOTICE, .fd = STDOUT_FILENO, .role = 'M', .offset_quarter = -1};

void log_set_level(enum log_level level)
{
    sink.level = (int)level;
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&sink.level, memory_order_relaxed);
}

void log_set_role(char letter)
{
    sink.role = letter;
}

static int open_path(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/* Takes the place of the file in use under its own number, so that a line being written just then by another
 * thread lands in the one or the other. */
static bool replace_file(int fd)
{
    bool done = dup3(fd, sink.fd, O_CLOEXEC) >= 0;
    close(fd);
    return done;
}

bool log_set_file(const char *path)
{
    bool to_stdout = !path || !*path;
    if (!to_stdout && strlen(path) >= sizeof sink.path)
        return false;
    if (to_stdout) {
        int old = atomic_exchange(&sink.fd, STDOUT_FILENO);
        if (old != STDOUT_FILENO)
            close(old);
        sink.path[0] = '\0';
        return true;
    }
    int fd = open_path(path);
    if (fd < 0)
        return false;
    strcpy(sink.path, path);
    if (sink.fd != STDOUT_FILENO)
        return replace_file(fd);
    sink.fd = fd;
    return true;
}

bool log_reopen(void)
{
    if (!sink.path[0])
        return true;
    int fd = open_path(sink.path);
    return fd >= 0 && replace_file(fd);
}

static long zone_offset_s(time_t now)
{
    long quarter = (long)(now / QUARTER_HOUR_S);
    if (sink.offset_quarter != quarter) {
        struct tm local;
        localtime_r(&now, &local);
        sink.offset_s = local.tm_gmtoff;
        sink.offset_quarter = quarter;
    }
    return sink.offset_s;
}

static size_t format_head(char *out, size_t room, enum log_level level)
{
    static const char marks[] = ".-*#";
    uint64_t now_us = clock_wall_us();
    time_t now = (time_t)(now_us / 1000000);
    time_t shifted = now + zone_offset_s(now);
    struct tm t;
    gmtime_r(&shifted, &t);
    char date[32];
    strftime(date, sizeof date, "%d %b %Y %H:%M:%S", &t);
    return (size_t)snprintf(out, room, "%d:%c %s.%03d %c ", (int)getpid(), (char)sink.role, date,
                            (int)(now_us / 1000 % 1000), marks[level]);
}

/* Names and addresses come from outside: they must not be able to fake a line of their own. */
static void hide_control_bytes(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = '?';
}

static void write_line(enum log_level level, const char *fmt, va_list args)
{
    char line[LINE_MAX_BYTES];
    size_t head = format_head(line, sizeof line, level);
    int len = vsnprintf(line + head, sizeof line - head, fmt, args);
    size_t end = len < 0 ? head : head + (size_t)len;
    if (end > sizeof line - 1)
        end = sizeof line - 1;
    hide_control_bytes(line + head, end - head);
    line[end] = '\n';
    ssize_t written = write(sink.fd, line, end + 1);
    (void)written; /* nowhere to say that saying something failed */
}

void log_line(enum log_level level, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    va_list args;
    va_start(args, fmt);
    write_line(level, fmt, args);
    va_end(args);
}

/* _exit: other threads are still running, and must not meet RocksDB's static destructors. */
void log_fatal(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    write_line(LOG_WARNING, fmt, args);
    va_end(args);
    _exit(1);
}
