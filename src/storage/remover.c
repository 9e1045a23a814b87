/* See the header. */
#include "storage/remover.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/list.h"

enum { STEP_BYTES = 8 << 20, STEP_MS = 10, HELD_MS = 1000 };

struct doomed {
    struct list link;
    int fd;
};

struct remover {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list files; /* under the lock, as is `stop` */
    bool stop;
};

static void drop(struct doomed *d)
{
    close(d->fd);
    mem_free(d);
}

enum use { UNUSED, IN_USE, NOT_KNOWN };

/* Has anybody else it open, in this process or another, as a backup that is being copied? A lease is given only where nobody has, and
 * not every file system gives any. */
static enum use use_of(int fd)
{
    if (fcntl(fd, F_SETLEASE, F_WRLCK) != 0)
        return errno == EAGAIN ? IN_USE : NOT_KNOWN;
    fcntl(fd, F_SETLEASE, F_UNLCK);
    return UNUSED;
}

/* One step of it. false: it is so small now that it may go. */
static bool shrink(struct doomed *d)
{
    struct stat st;
    return fstat(d->fd, &st) == 0 && st.st_size > STEP_BYTES &&
           ftruncate(d->fd, st.st_size - STEP_BYTES) == 0;
}

/* Under the lock, let go of meanwhile. */
static void rest(struct remover *r, long ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!r->stop && pthread_cond_timedwait(&r->wake, &r->lock, &until) == 0) {
    }
}

static void *run(void *arg)
{
    struct remover *r = arg;
    pthread_setname_np(pthread_self(), "remover");
    pthread_mutex_lock(&r->lock);
    while (!r->stop) {
        if (list_empty(&r->files)) {
            pthread_cond_wait(&r->wake, &r->lock);
            continue;
        }
        struct doomed *d = list_entry(r->files.next, struct doomed, link);
        list_remove(&d->link);
        pthread_mutex_unlock(&r->lock);
        enum use use = use_of(d->fd);
        bool held = use == IN_USE, more = held || (use == UNUSED && shrink(d));
        if (!more)
            drop(d);
        pthread_mutex_lock(&r->lock);
        if (more && held)
            list_push_back(&r->files, &d->link);
        else if (more)
            list_push_front(&r->files, &d->link);
        if (more)
            rest(r, held ? HELD_MS : STEP_MS);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

struct remover *remover_new(void)
{
    struct remover *r = mem_calloc(1, sizeof *r);
    pthread_condattr_t attr;
    list_init(&r->files);
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&r->thread, NULL, run, r) != 0) {
        pthread_mutex_destroy(&r->lock);
        pthread_cond_destroy(&r->wake);
        mem_free(r);
        return NULL;
    }
    return r;
}

void remover_free(struct remover *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    while (!list_empty(&r->files)) {
        struct doomed *d = list_entry(r->files.next, struct doomed, link);
        list_remove(&d->link);
        drop(d);
    }
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->wake);
    mem_free(r);
}

void remover_take(struct remover *r, int dir_fd, const char *name)
{
    struct stat st;
    int fd = r ? openat(dir_fd, name, O_WRONLY | O_CLOEXEC) : -1;
    unlinkat(dir_fd, name, 0);
    if (fd < 0)
        return;
    /* A new generation may have it by another name. */
    if (fstat(fd, &st) != 0 || st.st_nlink > 0 || st.st_size <= STEP_BYTES) {
        close(fd);
        return;
    }
    struct doomed *d = mem_alloc(sizeof *d);
    d->fd = fd;
    pthread_mutex_lock(&r->lock);
    list_push_back(&r->files, &d->link);
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}
