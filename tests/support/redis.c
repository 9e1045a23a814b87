/* Starting and asking a redis-server. */
#include "redis.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/resp.h"

int redis_connect(const struct redis *r)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", r->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

bool redis_start(struct redis *r)
{
    struct timespec pause = {0, 10 * 1000 * 1000};
    snprintf(r->dir, sizeof r->dir, "/tmp/kvorum-redis-XXXXXX");
    if (!mkdtemp(r->dir))
        return false;
    snprintf(r->socket, sizeof r->socket, "%s/socket", r->dir);
    r->pid = fork();
    if (r->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes takes it along */
        execl("tests/support/redis-server", "redis-server", "--port", "0", "--unixsocket", r->socket, "--dir",
              r->dir, "--save", "", "--logfile", "/dev/null", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500; i++) {
        int fd = redis_connect(r);
        if (fd >= 0) {
            close(fd);
            return true;
        }
        if (waitpid(r->pid, NULL, WNOHANG) == r->pid)
            return false;
        nanosleep(&pause, NULL);
    }
    return false;
}

void redis_stop(struct redis *r)
{
    kill(r->pid, SIGTERM);
    waitpid(r->pid, NULL, 0);
    unlink(r->socket);
    rmdir(r->dir);
}

static void send_all(int fd, struct slice s)
{
    while (s.len) {
        ssize_t n = write(fd, s.data, s.len);
        assert(n > 0);
        s = slice_of(s.data + n, s.len - (size_t)n);
    }
}

void redis_call(int fd, const struct slice *argv, size_t argc, struct buf *reply)
{
    struct buf request = BUF_EMPTY;
    size_t start = reply->len;
    resp_array(&request, argc);
    for (size_t i = 0; i < argc; i++)
        resp_bulk(&request, argv[i]);
    send_all(fd, buf_slice(&request));
    buf_deinit(&request);
    while (resp_reply_len(slice_drop(buf_slice(reply), start)) == 0) {
        ssize_t n = read(fd, buf_reserve(reply, 65536), 65536);
        assert(n > 0);
        reply->len += (size_t)n;
    }
}

int redis_fd;
static struct redis group;

int redis_group_start(void **state)
{
    (void)state;
    if (!redis_start(&group))
        return -1;
    redis_fd = redis_connect(&group);
    return redis_fd < 0 ? -1 : 0;
}

int redis_group_stop(void **state)
{
    (void)state;
    close(redis_fd);
    redis_stop(&group);
    return 0;
}
