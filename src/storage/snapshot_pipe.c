/* The state for a replica of Redis: a forked child writes it into a pipe, as fast as it is read. The child is as the one that writes
 * a file: it keeps no socket open, and ends with its parent. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "storage/storage_int.h"

enum { BUFFER_BYTES = 1 << 16, MARK_BYTES = 40, PIPE_BYTES = 1 << 20 };

struct sink {
    char *buffer;
    size_t len;
};

static bool count(void *arg, const void *data, size_t len)
{
    (void)data;
    *(uint64_t *)arg += len;
    return true;
}

static bool drain(struct sink *s)
{
    bool ok = snapshot_write_all(SNAPSHOT_CHILD_FD, s->buffer, s->len);
    s->len = 0;
    return ok;
}

static bool emit(void *arg, const void *data, size_t len)
{
    struct sink *s = arg;
    for (const char *at = data; len > 0;) {
        size_t room = BUFFER_BYTES - s->len, n = len < room ? len : room;
        memcpy(s->buffer + s->len, at, n);
        s->len += n;
        at += n;
        len -= n;
        if (s->len == BUFFER_BYTES && !drain(s))
            return false;
    }
    return true;
}

_Noreturn static void run_child(int fd, pid_t parent, const char *mark,
                                bool (*write)(void *arg, storage_emit_fn *emit, void *sink), void *arg)
{
    char head[64];
    uint64_t bytes = 0;
    struct sink sink = {.buffer = mem_alloc(BUFFER_BYTES)};
    snapshot_become_child(fd, parent);
    if (!mark && !write(arg, count, &bytes))
        _exit(1);
    int len = mark ? snprintf(head, sizeof head, "$EOF:%.*s\r\n", MARK_BYTES, mark)
                   : snprintf(head, sizeof head, "$%llu\r\n", (unsigned long long)bytes);
    bool ok = emit(&sink, head, (size_t)len) && write(arg, emit, &sink);
    if (ok && mark)
        ok = emit(&sink, mark, MARK_BYTES);
    _exit(ok && drain(&sink) ? 0 : 1);
}

int storage_pipe_open(const char *mark, bool (*write)(void *arg, storage_emit_fn *emit, void *sink),
                      void *arg, pid_t *child)
{
    int ends[2];
    pid_t parent = getpid();
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    *child = fork();
    if (*child == 0)
        run_child(ends[1], parent, mark, write, arg);
    close(ends[1]);
    if (*child > 0)
        return ends[0];
    close(ends[0]);
    return -1;
}

/* The kernel closes what a process had open after it has freed its memory: this does not wait for long. */
bool storage_pipe_ended(pid_t child)
{
    int status = 0;
    pid_t got;
    while ((got = waitpid(child, &status, 0)) < 0 && errno == EINTR)
        ;
    return got == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool storage_pipe_stop(pid_t child)
{
    kill(child, SIGKILL);
    return waitpid(child, NULL, WNOHANG) != 0;
}
