/* The vote file on the file system. */
#include "storage/vote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"

static bool file_write(void *arg, const char *data, size_t len, size_t offset)
{
    const int *fd = arg;
    ssize_t n = pwrite(*fd, data, len, (off_t)offset);
    if (n != (ssize_t)len)
        log_fatal("Writing the vote file failed: %s", n < 0 ? strerror(errno) : "short write");
    return true;
}

void vote_file_sync(int fd)
{
    if (fdatasync(fd) != 0)
        log_fatal("Syncing the vote file failed: %s", strerror(errno));
}

static bool file_sync(void *arg)
{
    const int *fd = arg;
    vote_file_sync(*fd);
    return true;
}

struct vote_io vote_file_io(int *fd)
{
    return (struct vote_io){.arg = fd, .write = file_write, .sync = file_sync};
}

enum vote_open vote_file_read(int *fd, int dir_fd, char file[VOTE_FILE_BYTES], char *error, size_t error_len)
{
    memset(file, 0, VOTE_FILE_BYTES);
    *fd = openat(dir_fd, "vote", O_RDWR | O_CLOEXEC);
    if (*fd < 0 && errno == ENOENT)
        return VOTE_ABSENT;
    if (*fd >= 0 && pread(*fd, file, VOTE_FILE_BYTES, 0) >= 0)
        return VOTE_OPENED;
    snprintf(error, error_len, "cannot read the vote file: %s", strerror(errno));
    return VOTE_FAILED;
}

bool vote_file_create(int dir_fd, char *error, size_t error_len)
{
    char file[VOTE_FILE_BYTES];
    vote_blank(file);
    int fd = openat(dir_fd, "vote.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool done = fd >= 0 && pwrite(fd, file, sizeof file, 0) == (ssize_t)sizeof file && fsync(fd) == 0 &&
                renameat(dir_fd, "vote.tmp", dir_fd, "vote") == 0 && fsync(dir_fd) == 0;
    if (!done)
        snprintf(error, error_len, "cannot write the vote file: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return done;
}
