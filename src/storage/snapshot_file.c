/* Snapshot files: pieces for peers, receiving. Failures of the disk end the process. */
#include "storage/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

enum { PIECE = 1 << 18, WRITE_BACK = 4 << 20, IDLE_US = 60 * 1000000 };

struct blob *snapshot_verify(int dir_fd, const char *name, uint64_t *bytes)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    struct snapshot_sum sum = {0};
    char *piece = mem_alloc(PIECE);
    ssize_t n;
    while ((n = read(fd, piece, PIECE)) > 0)
        snapshot_sum_add(&sum, piece, (size_t)n);
    mem_free(piece);
    close(fd);
    *bytes = sum.bytes;
    if (n == 0)
        return snapshot_sum_end(&sum);
    snapshot_sum_deinit(&sum);
    return NULL;
}

struct snapshot_reader *snapshot_readers_get(struct snapshot_readers *r, int dir_fd, uint64_t index,
                                             const struct snapshot_id *newest, struct blob *sums,
                                             uint64_t now_us)
{
    struct snapshot_reader *found = NULL, *oldest = &r->at[0];
    for (size_t i = 0; i < SNAPSHOT_READERS; i++) {
        struct snapshot_reader *at = &r->at[i];
        if (at->id.index && at->id.generation == newest->generation &&
            (at->id.index == index || (!found && at->id.index == newest->index)))
            found = at;
        if (!at->id.index || at->used_us < oldest->used_us)
            oldest = at;
    }
    if (!found && newest->index) {
        char name[SNAPSHOT_NAME_MAX];
        snapshot_name(name, newest);
        int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) /* a still newer one took its place just now; the caller asks again */
            return NULL;
        if (fd < 0)
            log_fatal("Opening %s failed: %s", name, strerror(errno));
        snapshot_reader_close(oldest);
        *oldest = (struct snapshot_reader){.fd = fd, .id = *newest, .sums = blob_ref(sums)};
        found = oldest;
    }
    if (found)
        found->used_us = now_us;
    return found;
}

void snapshot_reader_close(struct snapshot_reader *r)
{
    if (r->id.index)
        close(r->fd);
    blob_unref(r->sums);
    *r = (struct snapshot_reader){0};
}

bool snapshot_reader_read(const struct snapshot_reader *r, uint64_t offset, size_t len,
                          struct raft_block *out)
{
    size_t whole = len;
    uint64_t from = snapshot_blocks_around(r->id.bytes, offset, &whole);
    struct blob *blob = blob_new(NULL, whole);
    ssize_t n = pread(r->fd, blob->data, whole, (off_t)from);
    if (n != (ssize_t)whole || /* what the disk cannot read is damaged too */
        !snapshot_blocks_good(r->sums, from, slice_of(blob->data, whole))) {
        blob_unref(blob);
        return false;
    }
    size_t skip = whole ? (size_t)(offset - from) : 0;
    *out = (struct raft_block){.blob = blob, .offset = skip, .len = whole - skip < len ? whole - skip : len};
    return true;
}

bool snapshot_readers_expire(struct snapshot_readers *r, uint64_t now_us)
{
    bool some = false;
    for (size_t i = 0; i < SNAPSHOT_READERS; i++) {
        struct snapshot_reader *at = &r->at[i];
        if (at->id.index && now_us - at->used_us > IDLE_US)
            snapshot_reader_close(at);
        some = some || at->id.index;
    }
    return some;
}

void snapshot_readers_close(struct snapshot_readers *r)
{
    for (size_t i = 0; i < SNAPSHOT_READERS; i++)
        snapshot_reader_close(&r->at[i]);
}

bool snapshot_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

void snapshot_write_back(int fd, uint64_t written, uint64_t *flushed)
{
    if (written - *flushed < WRITE_BACK)
        return;
    off64_t before = *flushed > WRITE_BACK ? (off64_t)(*flushed - WRITE_BACK) : 0;
    /* Only pacing: the sync at the end is what counts, and what reports. */
    (void)sync_file_range(fd, before, (off64_t)*flushed - before,
                          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    (void)sync_file_range(fd, (off64_t)*flushed, (off64_t)(written - *flushed), SYNC_FILE_RANGE_WRITE);
    *flushed = written;
}

void snapshot_receive_abort(struct snapshot_receiver *r, int dir_fd)
{
    if (r->fd >= 0) {
        close(r->fd);
        unlinkat(dir_fd, SNAPSHOT_RECEIVE_NAME, 0);
    }
    snapshot_sum_deinit(&r->sum);
    *r = (struct snapshot_receiver){.fd = -1};
}

bool snapshot_receive(struct snapshot_receiver *r, int dir_fd, const struct snapshot_id *id, uint64_t offset,
                      struct slice piece)
{
    if (offset == 0) {
        snapshot_receive_abort(r, dir_fd);
        r->id = *id;
        r->fd = openat(dir_fd, SNAPSHOT_RECEIVE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (r->fd < 0)
            log_fatal("Creating %s failed: %s", SNAPSHOT_RECEIVE_NAME, strerror(errno));
    }
    if (r->fd < 0 || r->id.index != id->index || r->id.term != id->term || r->sum.bytes != offset)
        return false;
    if (!snapshot_write_all(r->fd, piece.data, piece.len))
        log_fatal("Writing %s failed: %s", SNAPSHOT_RECEIVE_NAME, strerror(errno));
    snapshot_sum_add(&r->sum, piece.data, piece.len);
    snapshot_write_back(r->fd, r->sum.bytes, &r->flushed);
    return true;
}

struct blob *snapshot_receive_end(struct snapshot_receiver *r, int dir_fd)
{
    if (fsync(r->fd) != 0)
        log_fatal("Syncing %s failed: %s", SNAPSHOT_RECEIVE_NAME, strerror(errno));
    struct blob *sums = snapshot_sum_end(&r->sum);
    if (!sums) {
        log_line(LOG_WARNING, "The snapshot received is damaged: thrown away");
        snapshot_receive_abort(r, dir_fd);
        return NULL;
    }
    close(r->fd);
    r->fd = -1;
    return sums;
}
