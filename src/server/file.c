/* Files, whole. */
#include "server/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 4096 };

bool file_read_fd(int fd, size_t max, struct buf *out)
{
    size_t before = out->len;
    for (;;) {
        ssize_t n = read(fd, buf_reserve(out, READ_BYTES), READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        out->len += (size_t)n;
        if (out->len - before > max) {
            errno = EFBIG;
            return false;
        }
    }
}

bool file_read(const char *path, size_t max, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = file_read_fd(fd, max, out);
    int saved = errno;
    close(fd);
    errno = saved;
    return ok;
}

static bool write_whole(int fd, struct slice text)
{
    while (text.len) {
        ssize_t n = write(fd, text.data, text.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text = slice_drop(text, (size_t)n);
    }
    return fsync(fd) == 0;
}

bool file_replace(const char *path, unsigned mode, struct slice text)
{
    char aside[PATH_MAX];
    if (snprintf(aside, sizeof aside, "%s.%d.tmp", path, (int)getpid()) >= (int)sizeof aside) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return false;
    bool ok = write_whole(fd, text);
    ok = close(fd) == 0 && ok;
    if (ok && rename(aside, path) == 0)
        return true;
    int saved = errno;
    unlink(aside);
    errno = saved;
    return false;
}
