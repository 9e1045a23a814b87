/* Writing a snapshot: a forked child has the state as it was at the fork, and writes it in its own time.
 *
 * The child must neither touch RocksDB (its threads are not there any more, its locks may be held for ever)
 * nor keep a socket open: a leader that dies is known by its connections closing. It ends with its parent. A
 * thread here waits for it, verifies the file, waits for the word on it, and puts it in place or throws it
 * away; the reader serves peers meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "storage/storage_int.h"

#define TEMP_NAME "snapshot.tmp"
enum { BUFFER_BYTES = 1 << 18, EXIT_REFUSED = 255 };

struct sink {
    char *buffer;
    size_t len;
    uint64_t written, flushed;
};

_Noreturn static void end_child(int error)
{
    _exit(error > 0 && error < EXIT_REFUSED ? error : EXIT_REFUSED);
}

static void drain(struct sink *s)
{
    if (!snapshot_write_all(SNAPSHOT_CHILD_FD, s->buffer, s->len))
        end_child(errno);
    s->written += s->len;
    s->len = 0;
    snapshot_write_back(SNAPSHOT_CHILD_FD, s->written, &s->flushed);
}

static bool emit(void *arg, const void *data, size_t len)
{
    struct sink *s = arg;
    const char *at = data;
    while (len > 0) {
        size_t room = BUFFER_BYTES - s->len, n = len < room ? len : room;
        memcpy(s->buffer + s->len, at, n);
        s->len += n;
        at += n;
        len -= n;
        if (s->len == BUFFER_BYTES)
            drain(s);
    }
    return true;
}

/* Out of the way of the server: no descriptors but the standard three and its own, no handlers, low priority.
 */
void snapshot_become_child(int fd, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_REFUSED);
    if (fd != SNAPSHOT_CHILD_FD && dup2(fd, SNAPSHOT_CHILD_FD) < 0)
        end_child(errno);
    close_range(SNAPSHOT_CHILD_FD + 1, ~0u, 0);
    struct sigaction plain = {.sa_handler = SIG_DFL};
    for (int sig = 1; sig < SIGRTMIN; sig++)
        sigaction(sig, &plain, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpriority(PRIO_PROCESS, 0, 10);
    syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 7); /* best effort, last of all */
}

_Noreturn static void run_child(int fd, pid_t parent,
                                bool (*write)(void *arg, storage_emit_fn *emit, void *sink), void *arg)
{
    snapshot_become_child(fd, parent);
    struct sink sink = {.buffer = mem_alloc(BUFFER_BYTES)};
    if (!write(arg, emit, &sink))
        _exit(EXIT_REFUSED);
    drain(&sink);
    if (fsync(SNAPSHOT_CHILD_FD) != 0)
        end_child(errno);
    _exit(0);
}

struct job {
    struct storage *s;
    struct snapshot_id id;
    pid_t pid;
    uint64_t began_us;
};

/* A full disk, or a child that was killed, leaves the old snapshot; a failing disk is the end. */
static bool child_succeeded(struct storage *s, pid_t pid, bool *refused)
{
    int status = 0;
    pid_t got;
    while ((got = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&s->lock);
    s->child = -1;
    pthread_mutex_unlock(&s->lock);
    if (got < 0)
        return false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFSIGNALED(status)) {
        log_line(LOG_WARNING, "Writing the snapshot ended by signal %d", WTERMSIG(status));
        return false;
    }
    int error = WEXITSTATUS(status);
    *refused = error == EXIT_REFUSED;
    if (error == EIO || error == EROFS)
        log_fatal("Writing the snapshot failed: %s", strerror(error));
    log_line(LOG_WARNING, "Writing the snapshot failed: %s",
             error == EXIT_REFUSED ? "given up" : strerror(error));
    return false;
}

static bool await_word(struct storage *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->child_word == WORD_AWAITED)
        pthread_cond_wait(&s->child_wake, &s->lock);
    bool keep = s->child_word == WORD_KEEP;
    pthread_mutex_unlock(&s->lock);
    return keep;
}

static void give_word(struct storage *s, enum snapshot_word word)
{
    if (s->child_word == WORD_AWAITED)
        s->child_word = word;
    pthread_cond_signal(&s->child_wake);
}

void storage_snapshot_keep(struct storage *s, uint64_t index, bool keep)
{
    pthread_mutex_lock(&s->lock);
    if (index == s->child_index)
        give_word(s, keep ? WORD_KEEP : WORD_DROP);
    pthread_mutex_unlock(&s->lock);
}

static void *wait_for_child(void *arg)
{
    struct job *job = arg;
    struct storage *s = job->s;
    struct storage_event event = {
        .type = STORAGE_SNAPSHOT_WRITTEN, .index = job->id.index, .term = job->id.term};
    struct blob *sums = NULL;
    event.ok = child_succeeded(s, job->pid, &event.refused);
    if (event.ok && !(sums = snapshot_verify(s->dir_fd, TEMP_NAME, &job->id.bytes))) {
        log_line(LOG_WARNING, "The snapshot at index %" PRIu64 " does not read back as it was written",
                 job->id.index);
        event.ok = false;
    }
    event.ok = event.ok && await_word(s);
    if (event.ok) {
        event.ok = storage_snapshot_publish(s, TEMP_NAME, &job->id, sums);
    } else {
        blob_unref(sums);
        remover_take(s->remover, s->dir_fd, TEMP_NAME);
    }
    event.total = job->id.bytes;
    event.us = clock_mono_us() - job->began_us;
    pthread_mutex_lock(&s->lock);
    s->child = 0;
    pthread_mutex_unlock(&s->lock);
    mem_free(job);
    storage_post(s, &event);
    return NULL;
}

static void refuse(struct storage *s, uint64_t index, uint64_t term, const char *why)
{
    log_line(LOG_WARNING, "No snapshot at index %" PRIu64 ": %s", index, why);
    struct storage_event event = {.type = STORAGE_SNAPSHOT_WRITTEN, .index = index, .term = term};
    storage_post(s, &event);
}

void storage_snapshot_write(struct storage *s, uint64_t index, uint64_t term,
                            bool (*write)(void *arg, storage_emit_fn *emit, void *sink), void *arg)
{
    pthread_mutex_lock(&s->lock);
    bool busy = s->child != 0;
    struct snapshot_id id = {.generation = s->generation, .index = index, .term = term};
    pthread_mutex_unlock(&s->lock);
    if (busy) {
        refuse(s, index, term, "one is being written");
        return;
    }
    storage_snapshot_stop(s);
    int fd = openat(s->dir_fd, TEMP_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    uint64_t began_us = clock_mono_us();
    pid_t parent = getpid(), pid = fd < 0 ? -1 : fork();
    if (pid == 0)
        run_child(fd, parent, write, arg);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (pid < 0) {
        refuse(s, index, term, strerror(error));
        return;
    }
    struct job *job = mem_alloc(sizeof *job);
    *job = (struct job){s, id, pid, began_us};
    pthread_mutex_lock(&s->lock);
    s->child = pid;
    s->child_index = index;
    s->child_word = WORD_AWAITED;
    pthread_mutex_unlock(&s->lock);
    if (pthread_create(&s->snapshot_thread, NULL, wait_for_child, job) != 0)
        log_fatal("Starting a thread failed");
    s->snapshot_thread_used = true;
}

void storage_snapshot_stop(struct storage *s)
{
    if (!s->snapshot_thread_used)
        return;
    pthread_mutex_lock(&s->lock);
    if (s->child > 0)
        kill(s->child, SIGKILL);
    give_word(s, WORD_DROP);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->snapshot_thread, NULL);
    s->snapshot_thread_used = false;
}
