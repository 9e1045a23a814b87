/* The vote file on the file system. */
#include "storage/vote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"

enum { MARK_OFFSET = 2 * VOTE_SECTOR };

static void write_sector(int fd, const char *sector, off_t offset)
{
    ssize_t n = pwrite(fd, sector, VOTE_SECTOR, offset);
    if (n != VOTE_SECTOR)
        log_fatal("Writing the vote file failed: %s", n < 0 ? strerror(errno) : "short write");
}

void vote_file_sync(const struct vote_file *f)
{
    if (fdatasync(f->fd) != 0)
        log_fatal("Syncing the vote file failed: %s", strerror(errno));
}

void vote_file_save(struct vote_file *f, const struct vote_record *r)
{
    char sector[VOTE_SECTOR];
    uint64_t sequence = f->record.sequence + 1;
    f->record = *r;
    f->record.sequence = sequence;
    vote_encode(sector, &f->record);
    for (int slot = 0; slot < 2; slot++) {
        write_sector(f->fd, sector, slot * VOTE_SECTOR);
        vote_file_sync(f);
    }
}

void vote_file_set_mark(struct vote_file *f, const struct vote_mark *m, bool sync)
{
    char sector[VOTE_SECTOR];
    f->mark = *m;
    f->mark_found = true;
    vote_mark_encode(sector, m);
    /* Past the checksum there are only zeroes, which creation wrote: this runs once a turn. */
    ssize_t n = pwrite(f->fd, sector, 512, MARK_OFFSET);
    if (n != 512)
        log_fatal("Writing the mark failed: %s", n < 0 ? strerror(errno) : "short write");
    if (sync)
        vote_file_sync(f);
}

enum vote_open vote_file_read(struct vote_file *f, int dir_fd, bool *repair, char *error, size_t error_len)
{
    char file[VOTE_FILE_BYTES] = {0};
    *f = (struct vote_file){.fd = openat(dir_fd, "vote", O_RDWR | O_CLOEXEC)};
    if (f->fd < 0 && errno == ENOENT)
        return VOTE_ABSENT;
    if (f->fd < 0 || pread(f->fd, file, sizeof file, 0) < 0) {
        snprintf(error, error_len, "cannot read the vote file: %s", strerror(errno));
        vote_file_close(f);
        return VOTE_FAILED;
    }
    enum vote_state state = vote_choose(file, &f->record, repair);
    if (state == VOTE_GOOD) {
        f->mark_found = vote_mark_decode(file + MARK_OFFSET, &f->mark);
        return VOTE_OPENED;
    }
    snprintf(error, error_len, "%s",
             state == VOTE_NEWER_FORMAT ? "the vote file has a newer format than this program knows"
                                        : "the vote file is damaged in both slots: the identity of this node "
                                          "is gone. Replace it: CLUSTER FORGET "
                                          "its id, then join with an empty directory");
    vote_file_close(f);
    return VOTE_FAILED;
}

bool vote_file_create(int dir_fd, char *error, size_t error_len)
{
    char file[VOTE_FILE_BYTES];
    struct vote_record blank = {.sequence = 1, .generation = 1};
    struct vote_mark mark = {.clean = true};
    vote_encode(file, &blank);
    vote_encode(file + VOTE_SECTOR, &blank);
    vote_mark_encode(file + MARK_OFFSET, &mark);
    int fd = openat(dir_fd, "vote.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool done = fd >= 0 && pwrite(fd, file, sizeof file, 0) == (ssize_t)sizeof file && fsync(fd) == 0 &&
                renameat(dir_fd, "vote.tmp", dir_fd, "vote") == 0 && fsync(dir_fd) == 0;
    if (!done)
        snprintf(error, error_len, "cannot write the vote file: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return done;
}

void vote_file_close(struct vote_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}
