/* A sync of bytes that make a file longer, or that fill blocks which were only reserved, has the file's metadata to write as
 * well; of bytes that replace others it has not. On ext4 that is 180 us beside 107, and 80 us of the processor's time beside
 * 45. So logs are filled with zeroes before they are written (PostgreSQL does it, too), here a piece at a time, where many small
 * commits come; the sync of the next one makes the piece last.
 *
 * RocksDB knows nothing of it. It writes a WAL from the file's beginning and goes by its own count, not by the file's end;
 * its reader passes over zeroes, which one of its own writers leaves behind the end; and when it closes a WAL it cuts off
 * what it has not written. As long as a WAL is no longer than the zeroes, its size does not tell where RocksDB stands. Once
 * it is, it does: that is when the next piece is written, by the thread that writes to RocksDB, so that nothing comes in
 * between. A WAL that RocksDB has left meanwhile gets zeroes behind its end for nothing.
 *
 * What a power cut leaves of one commit ends where a page is missing, for each piece of a record says whether it is the first or the last. Of several
 * commits that were not synced it may leave a later one behind zeroes that the reader passes over, and nobody would see the
 * gap. So such commits never go where zeroes are. */
#include "storage/wal_ahead.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    PIECE_BYTES = 4096,
    PIECES = 64,
    AHEAD_BYTES = PIECES * PIECE_BYTES,
    MANY_COMMITS = 32,
    SMALL_BYTES = 8192, /* of larger commits too few fit in to make up for the second writing */
    SLACK_BYTES = 1024, /* more than RocksDB adds to a small commit */
};

void wal_ahead_open(struct wal_ahead *w, const char *path)
{
    *w = (struct wal_ahead){.dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .fd = -1};
}

static void forget_file(struct wal_ahead *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    w->filled = false;
    w->look_at = 0;
}

void wal_ahead_close(struct wal_ahead *w)
{
    forget_file(w);
    if (w->dir_fd >= 0)
        close(w->dir_fd);
    w->dir_fd = -1;
}

/* 0: there is none. */
static uint64_t newest_number(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    uint64_t newest = 0, number;
    if (!d) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (struct dirent *e; (e = readdir(d));) {
        int end = 0;
        if (sscanf(e->d_name, "%" SCNu64 ".log%n", &number, &end) == 1 && end > 0 && !e->d_name[end] &&
            number > newest)
            newest = number;
    }
    closedir(d);
    return newest;
}

static void find_newest(struct wal_ahead *w)
{
    char name[32];
    uint64_t number = newest_number(w->dir_fd);
    forget_file(w);
    snprintf(name, sizeof name, "%06" PRIu64 ".log", number);
    w->fd = number ? openat(w->dir_fd, name, O_WRONLY | O_CLOEXEC) : -1;
}

/* A full disk takes none: whether it takes what counts is for RocksDB to find out. false: errno. */
static bool write_zeroes(int fd, uint64_t at)
{
    static const char zeroes[PIECE_BYTES];
    struct iovec pieces[PIECES];
    for (size_t i = 0; i < PIECES; i++)
        pieces[i] = (struct iovec){(void *)(uintptr_t)zeroes, sizeof zeroes};
    return pwritev(fd, pieces, PIECES, (off_t)at) >= 0 || errno == ENOSPC || errno == EDQUOT;
}

/* RocksDB stands at `at`, behind all zeroes there were. */
static bool go_ahead(struct wal_ahead *w, uint64_t at)
{
    w->filled = w->bytes / w->commits < SMALL_BYTES;
    w->commits = w->bytes = 0;
    if (w->filled)
        w->look_at = at + AHEAD_BYTES;
    return !w->filled || write_zeroes(w->fd, at);
}

const char *wal_ahead_committed(struct wal_ahead *w, uint64_t memtable, size_t bytes)
{
    if (w->dir_fd < 0)
        return NULL;
    bool another = w->fd < 0 || memtable < w->memtable;
    bool first_in = !another && w->filled && w->commits == 0 && bytes + SLACK_BYTES < AHEAD_BYTES;
    w->memtable = memtable;
    w->commits++;
    w->bytes += bytes;
    if (another)
        find_newest(w);
    if (!first_in && w->commits < MANY_COMMITS)
        return NULL;
    /* Asked for so, its times are not: the kernel would make the next ones exact, and write them at every sync. */
    off_t size = w->fd >= 0 ? lseek(w->fd, 0, SEEK_END) : -1;
    if (size < 0 || (uint64_t)size <= w->look_at)
        return NULL;
    if (first_in)
        return "RocksDB wrote behind the zeroes that it was to replace";
    return go_ahead(w, (uint64_t)size) ? NULL : strerror(errno);
}

bool wal_ahead_must_leave(struct wal_ahead *w)
{
    bool leave = w->filled;
    if (leave)
        forget_file(w);
    w->commits = w->bytes = 0;
    return leave;
}
