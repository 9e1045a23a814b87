#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/checksum.h"

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    abort();
}

static char payload_byte(uint64_t index, uint64_t term, size_t at)
{
    return (char)(index * 31 + term * 7 + at);
}

struct raft_block disk_block(uint64_t first, uint64_t last, uint64_t term, size_t size)
{
    struct buf out = BUF_EMPTY;
    for (uint64_t i = first; i <= last; i++) {
        size_t begin = raft_entry_begin(&out, i, term, RAFT_ENTRY_DATA);
        char *at = buf_reserve(&out, size);
        for (size_t n = 0; n < size; n++)
            at[n] = payload_byte(i, term, n);
        out.len += size;
        raft_entry_end(&out, begin);
    }
    struct raft_block b = {.first = first, .last = last, .blob = blob_new(out.data, out.len), .len = out.len};
    buf_deinit(&out);
    return b;
}

bool disk_frame_is(const struct raft_frame *f, uint64_t index, uint64_t term, size_t size)
{
    if (f->index != index || f->term != term || f->payload.len != size)
        return false;
    for (size_t n = 0; n < size; n++)
        if (f->payload.data[n] != payload_byte(index, term, n))
            return false;
    return true;
}

char *disk_dir(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = NULL;
    if (asprintf(&dir, "%s/kvorum-test-XXXXXX", base ? base : "/tmp") < 0 || !mkdtemp(dir))
        die("mkdtemp");
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void disk_remove(char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(dir);
}

struct storage *disk_open_fsync(const char *dir, enum storage_fsync fsync_mode, struct storage_found *found)
{
    struct storage_found ignored;
    char error[512];
    struct storage_config config = {.dir = dir, .fsync = fsync_mode, .slow_us = 10000000};
    struct storage *s = storage_open(&config, found ? found : &ignored, error, sizeof error);
    if (!s) {
        fprintf(stderr, "storage_open: %s\n", error);
        abort();
    }
    return s;
}

struct storage *disk_open(const char *dir, struct storage_found *found)
{
    return disk_open_fsync(dir, STORAGE_FSYNC_ALWAYS, found);
}

static struct storage_event next_event(struct storage *s)
{
    struct storage_event e;
    while (!storage_poll(s, &e)) {
        struct pollfd p = {.fd = storage_fd(s), .events = POLLIN};
        if (poll(&p, 1, 30000) != 1)
            die("no event within 30 s");
    }
    return e;
}

struct storage_event disk_wait(struct storage *s, enum storage_event_type type)
{
    for (;;) {
        struct storage_event e = next_event(s);
        if (e.type == type)
            return e;
        blob_unref(e.block.blob);
    }
}

void disk_wait_persisted(struct storage *s, uint64_t index)
{
    while (disk_wait(s, STORAGE_PERSISTED).index < index)
        ;
}

void disk_append(struct storage *s, uint64_t first, uint64_t last, uint64_t term, size_t size)
{
    struct raft_block b = disk_block(first, last, term, size);
    storage_append(s, &b, 0);
    blob_unref(b.blob);
}

void disk_rdb(struct buf *out, size_t len, uint64_t seed)
{
    size_t begin = out->len;
    buf_append(out, "REDIS0010", 9);
    for (size_t i = 0; i < len; i++)
        put_u8(out, (uint8_t)((i + seed) * 2654435761u >> 11));
    put_u64(out, crc64(0, out->data + begin, out->len - begin));
}

bool disk_rdb_write(void *arg, storage_emit_fn *emit, void *sink)
{
    const struct buf *b = arg;
    size_t step = 1000;
    for (size_t at = 0; at < b->len; at += step)
        if (!emit(sink, b->data + at, b->len - at < step ? b->len - at : step))
            return false;
    return true;
}

void disk_flip(const char *dir, const char *name, uint64_t bit)
{
    char path[4096];
    unsigned char byte;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDWR);
    if (fd < 0 || pread(fd, &byte, 1, (off_t)(bit / 8)) != 1)
        die(path);
    byte = (unsigned char)(byte ^ 1u << bit % 8);
    if (pwrite(fd, &byte, 1, (off_t)(bit / 8)) != 1)
        die(path);
    close(fd);
}

char *disk_find(const char *dir, const char *prefix)
{
    DIR *d = opendir(dir);
    char *found = NULL;
    if (!d)
        die(dir);
    for (struct dirent *e; !found && (e = readdir(d));)
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0)
            found = strdup(e->d_name);
    closedir(d);
    return found;
}
