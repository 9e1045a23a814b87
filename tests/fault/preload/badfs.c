/* A file system that fails, for real processes: LD_PRELOAD=build/tests/fault/badfs.so catches the calls that change files
 * under BADFS_DIR. RocksDB's go through the same names.
 *
 * BADFS_CONTROL names the control file (badfs.h): its rules make calls fail, fall short, hang, or be the process's last.
 * BADFS_TRACE, where given, names a file that every change is recorded in, with its data, in the order in which it happened,
 * for all processes and forked children together: out of it badfs.py makes the directory as a power cut at any record would
 * have left it, so that one run of a script gives all its crash points. The lock is held over the call and its record:
 * a trace in another order than the disk's would prove nothing. */
#undef _FORTIFY_SOURCE /* its headers define open() themselves */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "badfs.h"

static struct badfs_control *control;
static char *trace;
static uint64_t trace_room;
static char root[PATH_MAX];
static size_t root_len;

_Noreturn static void give_up(const char *why)
{
    fprintf(stderr, "badfs: %s: %s\n", why, strerror(errno));
    _exit(99);
}

static void *map(const char *path, uint64_t *bytes)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        give_up(path);
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        give_up(path);
    close(fd);
    *bytes = (uint64_t)st.st_size;
    return at;
}

__attribute__((constructor)) static void begin(void)
{
    const char *dir = getenv("BADFS_DIR"), *rules = getenv("BADFS_CONTROL"), *record = getenv("BADFS_TRACE");
    uint64_t bytes;
    if (!dir || !rules)
        return;
    root_len = (size_t)snprintf(root, sizeof root, "%s/", dir);
    struct badfs_control *c = map(rules, &bytes);
    if (bytes < sizeof *c || c->magic != BADFS_MAGIC)
        give_up("that is no control file");
    if (record)
        trace = map(record, &trace_room);
    control = c;
}

/* ---- where a call goes ---------------------------------------------------------------------------------- */

static bool is_ours(const char *path)
{
    return strncmp(path, root, root_len) == 0;
}

static bool path_of_fd(int fd, char out[PATH_MAX])
{
    char link[64];
    if (!control)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, PATH_MAX - 1);
    if (n < 0)
        return false;
    out[n] = 0;
    return is_ours(out) || ((size_t)n + 1 == root_len && strncmp(out, root, (size_t)n) == 0);
}

static bool path_at(int dir, const char *name, char out[PATH_MAX])
{
    if (!control)
        return false;
    if (name[0] == '/') {
        snprintf(out, PATH_MAX, "%s", name);
    } else {
        char base[PATH_MAX];
        if (dir == AT_FDCWD ? !getcwd(base, sizeof base) : !path_of_fd(dir, base))
            return false;
        if (snprintf(out, PATH_MAX, "%s/%s", base, name) >= PATH_MAX)
            return false;
    }
    return is_ours(out);
}

static uint64_t ino_of(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 ? st.st_ino : 0;
}

static uint64_t ino_of_fd(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static uint64_t parent_of(const char *path)
{
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    *slash = 0;
    return ino_of(parent);
}

static const char *name_in(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* ---- rules ---------------------------------------------------------------------------------------------- */

static void hang(const struct badfs_rule *r)
{
    struct timespec step = {.tv_nsec = 5000000};
    for (uint64_t waited = 0; waited < r->ms; waited += 5) {
        if (__atomic_load_n(&r->action, __ATOMIC_ACQUIRE) != BADFS_HANG)
            return;
        nanosleep(&step, NULL);
    }
}

/* What is to happen to this call, at most one thing. */
static enum badfs_action strike(enum badfs_call call, const char *path)
{
    for (int i = 0; i < BADFS_RULES; i++) {
        struct badfs_rule *r = &control->rules[i];
        enum badfs_action action = __atomic_load_n(&r->action, __ATOMIC_ACQUIRE);
        if (action == BADFS_NOTHING || !(r->calls & call) || !strstr(path, r->path))
            continue;
        uint64_t n = __atomic_add_fetch(&r->seen, 1, __ATOMIC_SEQ_CST);
        if (n < r->from || (r->times && n >= r->from + r->times))
            continue;
        __atomic_add_fetch(&r->fired, 1, __ATOMIC_SEQ_CST);
        if (action == BADFS_KILL)
            syscall(SYS_kill, getpid(), SIGKILL);
        if (action == BADFS_HANG)
            hang(r);
        else
            return action;
    }
    return BADFS_NOTHING;
}

/* true: errno says how it failed. */
static bool fails(enum badfs_call call, const char *path)
{
    enum badfs_action action = strike(call, path);
    errno = action == BADFS_ENOSPC ? ENOSPC : EIO;
    return action == BADFS_EIO || action == BADFS_ENOSPC;
}

/* ---- the trace ------------------------------------------------------------------------------------------ */

/* A process that was killed while it held the lock has lost it. */
static void take_lock(void)
{
    uint32_t me = (uint32_t)syscall(SYS_gettid), none = 0, tries = 0;
    while (
        !__atomic_compare_exchange_n(&control->lock, &none, me, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        struct timespec step = {.tv_nsec = 20000};
        if (++tries % 64 == 0 && none && syscall(SYS_tkill, none, 0) != 0 && errno == ESRCH)
            __atomic_compare_exchange_n(&control->lock, &none, 0, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
        nanosleep(&step, NULL);
        none = 0;
    }
}

static void release_lock(void)
{
    __atomic_store_n(&control->lock, 0, __ATOMIC_RELEASE);
}

static void record(struct badfs_record r, const char *name, const char *name2, const void *data, size_t len)
{
    if (!trace)
        return;
    r.name_len = name ? (uint32_t)strlen(name) : 0;
    r.name2_len = name2 ? (uint32_t)strlen(name2) : 0;
    r.data_len = (uint32_t)len;
    r.pid = (uint32_t)getpid();
    uint64_t bytes = sizeof r + r.name_len + r.name2_len + len;
    bytes = (bytes + 7) / 8 * 8;
    r.bytes = (uint32_t)bytes;
    if (control->bytes + bytes > trace_room) {
        errno = ENOSPC;
        give_up("the trace is full");
    }
    char *at = trace + control->bytes;
    memcpy(at, &r, sizeof r);
    at += sizeof r;
    if (name)
        memcpy(at, name, r.name_len);
    if (name2)
        memcpy(at + r.name_len, name2, r.name2_len);
    if (len)
        memcpy(at + r.name_len + r.name2_len, data, len);
    control->bytes += bytes;
    __atomic_add_fetch(&control->events, 1, __ATOMIC_SEQ_CST);
}

/* ---- the calls ------------------------------------------------------------------------------------------ */

static int do_open(int dir, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || !path_at(dir, name, path))
        return (int)syscall(SYS_openat, dir, name, flags, mode);
    if (fails(BADFS_CREATE, path))
        return -1;
    take_lock();
    bool there = ino_of(path) != 0;
    int fd = (int)syscall(SYS_openat, dir, name, flags, mode), error = errno;
    if (fd >= 0 && !there)
        record((struct badfs_record){.event = BADFS_EV_CREATE, .dir = parent_of(path), .ino = ino_of_fd(fd)},
               name_in(path), NULL, NULL, 0);
    else if (fd >= 0 && (flags & O_TRUNC))
        record((struct badfs_record){.event = BADFS_EV_TRUNCATE, .ino = ino_of_fd(fd)}, NULL, NULL, NULL, 0);
    release_lock();
    errno = error;
    return fd;
}

#define MODE_OF(flags, mode)                                                                                 \
    mode_t mode = 0;                                                                                         \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                   \
        va_list args;                                                                                        \
        va_start(args, flags);                                                                               \
        mode = va_arg(args, mode_t);                                                                         \
        va_end(args);                                                                                        \
    }

int openat(int dir, const char *name, int flags, ...)
{
    MODE_OF(flags, mode);
    return do_open(dir, name, flags, mode);
}

int openat64(int dir, const char *name, int flags, ...)
{
    MODE_OF(flags, mode);
    return do_open(dir, name, flags, mode);
}

int open(const char *name, int flags, ...)
{
    MODE_OF(flags, mode);
    return do_open(AT_FDCWD, name, flags, mode);
}

int open64(const char *name, int flags, ...)
{
    MODE_OF(flags, mode);
    return do_open(AT_FDCWD, name, flags, mode);
}

int creat(const char *name, mode_t mode)
{
    return do_open(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* `offset` < 0: where the file stands. */
static ssize_t do_write(int fd, const void *data, size_t len, off_t offset)
{
    char path[PATH_MAX];
    bool ours = path_of_fd(fd, path);
    if (ours) {
        enum badfs_action action = strike(BADFS_WRITE, path);
        if (action == BADFS_EIO || action == BADFS_ENOSPC) {
            errno = action == BADFS_EIO ? EIO : ENOSPC;
            return -1;
        }
        if (action == BADFS_SHORT && len > 1)
            len /= 2;
        take_lock();
    }
    ssize_t n = offset < 0 ? syscall(SYS_write, fd, data, len) : syscall(SYS_pwrite64, fd, data, len, offset);
    if (!ours)
        return n;
    int error = errno;
    if (n > 0)
        record((struct badfs_record){.event = BADFS_EV_WRITE,
                                     .ino = ino_of_fd(fd),
                                     .offset = (uint64_t)(offset < 0 ? lseek(fd, 0, SEEK_CUR) - n : offset)},
               NULL, NULL, data, (size_t)n);
    release_lock();
    errno = error;
    return n;
}

ssize_t write(int fd, const void *data, size_t len)
{
    return do_write(fd, data, len, -1);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    return do_write(fd, data, len, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    return do_write(fd, data, len, offset);
}

static ssize_t do_writev(int fd, const struct iovec *part, int count, off_t offset)
{
    ssize_t sum = 0;
    for (int i = 0; i < count; i++) {
        ssize_t n = do_write(fd, part[i].iov_base, part[i].iov_len, offset < 0 ? offset : offset + sum);
        if (n < 0)
            return sum ? sum : n;
        sum += n;
        if ((size_t)n < part[i].iov_len)
            break;
    }
    return sum;
}

ssize_t writev(int fd, const struct iovec *part, int count)
{
    char path[PATH_MAX];
    return path_of_fd(fd, path) ? do_writev(fd, part, count, -1) : syscall(SYS_writev, fd, part, count);
}

ssize_t pwritev(int fd, const struct iovec *part, int count, off_t offset)
{
    char path[PATH_MAX];
    return path_of_fd(fd, path) ? do_writev(fd, part, count, offset)
                                : syscall(SYS_pwritev, fd, part, count, offset, offset >> 32);
}

ssize_t pwritev64(int fd, const struct iovec *part, int count, off64_t offset)
{
    return pwritev(fd, part, count, offset);
}

static int do_sync(long number, int fd)
{
    char path[PATH_MAX];
    if (!path_of_fd(fd, path))
        return (int)syscall(number, fd);
    if (fails(BADFS_SYNC, path))
        return -1;
    take_lock();
    int result = (int)syscall(number, fd), error = errno;
    if (result == 0)
        record((struct badfs_record){.event = BADFS_EV_SYNC, .ino = ino_of_fd(fd)}, NULL, NULL, NULL, 0);
    release_lock();
    errno = error;
    return result;
}

int fsync(int fd)
{
    return do_sync(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return do_sync(SYS_fdatasync, fd);
}

static int do_rename(int from_dir, const char *from_name, int to_dir, const char *to_name, unsigned flags)
{
    char from[PATH_MAX], to[PATH_MAX];
    if (!path_at(from_dir, from_name, from) || !path_at(to_dir, to_name, to))
        return (int)syscall(SYS_renameat2, from_dir, from_name, to_dir, to_name, flags);
    if (fails(BADFS_RENAME, to))
        return -1;
    take_lock();
    int result = (int)syscall(SYS_renameat2, from_dir, from_name, to_dir, to_name, flags), error = errno;
    if (result == 0)
        record((struct badfs_record){.event = BADFS_EV_RENAME, .dir = parent_of(from), .dir2 = parent_of(to)},
               name_in(from), name_in(to), NULL, 0);
    release_lock();
    errno = error;
    return result;
}

int rename(const char *from, const char *to)
{
    return do_rename(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return do_rename(from_dir, from, to_dir, to, 0);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return do_rename(from_dir, from, to_dir, to, flags);
}

static int do_unlink(int dir, const char *name, int flags)
{
    char path[PATH_MAX];
    if (!path_at(dir, name, path))
        return (int)syscall(SYS_unlinkat, dir, name, flags);
    if (fails(BADFS_UNLINK, path))
        return -1;
    take_lock();
    int result = (int)syscall(SYS_unlinkat, dir, name, flags), error = errno;
    if (result == 0)
        record((struct badfs_record){.event = flags & AT_REMOVEDIR ? BADFS_EV_RMDIR : BADFS_EV_UNLINK,
                                     .dir = parent_of(path)},
               name_in(path), NULL, NULL, 0);
    release_lock();
    errno = error;
    return result;
}

int unlink(const char *name)
{
    return do_unlink(AT_FDCWD, name, 0);
}

int unlinkat(int dir, const char *name, int flags)
{
    return do_unlink(dir, name, flags);
}

int rmdir(const char *name)
{
    return do_unlink(AT_FDCWD, name, AT_REMOVEDIR);
}

int mkdirat(int dir, const char *name, mode_t mode)
{
    char path[PATH_MAX];
    if (!path_at(dir, name, path))
        return (int)syscall(SYS_mkdirat, dir, name, mode);
    if (fails(BADFS_CREATE, path))
        return -1;
    take_lock();
    int result = (int)syscall(SYS_mkdirat, dir, name, mode), error = errno;
    if (result == 0)
        record((struct badfs_record){.event = BADFS_EV_MKDIR, .dir = parent_of(path), .ino = ino_of(path)},
               name_in(path), NULL, NULL, 0);
    release_lock();
    errno = error;
    return result;
}

int mkdir(const char *name, mode_t mode)
{
    return mkdirat(AT_FDCWD, name, mode);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    char path[PATH_MAX];
    if (!path_at(to_dir, to, path))
        return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    if (fails(BADFS_CREATE, path))
        return -1;
    take_lock();
    int result = (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags), error = errno;
    if (result == 0)
        record((struct badfs_record){.event = BADFS_EV_LINK, .dir = parent_of(path), .ino = ino_of(path)},
               name_in(path), NULL, NULL, 0);
    release_lock();
    errno = error;
    return result;
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* ftruncate and what may make a file longer. */
static int do_resize(long number, int fd, long a, long b, long c)
{
    char path[PATH_MAX];
    if (!path_of_fd(fd, path))
        return (int)syscall(number, fd, a, b, c);
    if (fails(BADFS_TRUNCATE, path))
        return -1;
    take_lock();
    struct stat before = {0}, after = {0};
    fstat(fd, &before);
    int result = (int)syscall(number, fd, a, b, c), error = errno;
    fstat(fd, &after);
    if (result == 0 && before.st_size != after.st_size)
        record((struct badfs_record){.event = BADFS_EV_TRUNCATE,
                                     .ino = after.st_ino,
                                     .offset = (uint64_t)after.st_size},
               NULL, NULL, NULL, 0);
    release_lock();
    errno = error;
    return result;
}

int ftruncate(int fd, off_t size)
{
    return do_resize(SYS_ftruncate, fd, size, 0, 0);
}

int ftruncate64(int fd, off64_t size)
{
    return do_resize(SYS_ftruncate, fd, size, 0, 0);
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    return do_resize(SYS_fallocate, fd, mode, offset, len);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
    return do_resize(SYS_fallocate, fd, mode, offset, len);
}

int posix_fallocate(int fd, off_t offset, off_t len)
{
    return do_resize(SYS_fallocate, fd, 0, offset, len) == 0 ? 0 : errno;
}

int posix_fallocate64(int fd, off64_t offset, off64_t len)
{
    return posix_fallocate(fd, offset, len);
}
