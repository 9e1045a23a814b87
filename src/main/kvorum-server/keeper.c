/* The keeper: a second process that shares the server's memory, not its descriptors, and sleeps until the server has ended.
 *
 * The kernel frees a dead process's memory first and closes its sockets after that, and only then can the others find out
 * and elect: 0.1 to 0.8 ms for each megabyte, a fifth of a second with 1 GiB. Memory that somebody else holds is not freed. So the
 * sockets of a server that was killed, or crashed, are closed at once, and the pages go while the others elect.
 *
 * It runs on a stack of its own and on the thread data of the thread that made it, errno included. Hence it makes plain
 * system calls that cannot fail, and that thread waits until it has come to its only lasting one: to read a pipe whose
 * other end the server holds. All signals are blocked; the end of that pipe is what ends it. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "main/kvorum-server/process.h"

enum { STACK_BYTES = 65536, NICE = 10 };

struct start {
    int fd; /* the pipe's end to read */
    atomic_bool settled;
};

/* glibc's clone by its other name: TSan takes the first for a fork. */
extern int __clone(int (*run)(void *), void *stack, int flags, void *arg, ...);

/* Sanitizers keep books of calls by thread, and this is none of theirs. */
__attribute__((no_sanitize("address", "thread", "undefined"))) static int keep(void *arg)
{
    struct start *start = arg;
    unsigned fd = (unsigned)start->fd;
    char byte;
    if (fd > 0)
        syscall(SYS_close_range, 0u, fd - 1, 0);
    syscall(SYS_close_range, fd + 1, ~0u, 0);
    syscall(SYS_prctl, PR_SET_NAME, "kvorum-keeper", 0, 0, 0);
    syscall(SYS_chdir, "/");                         /* or a file system stays busy */
    syscall(SYS_setpriority, PRIO_PROCESS, 0, NICE); /* freeing must not take the others' time */
    atomic_store(&start->settled, true);
    syscall(SYS_read, (int)fd, &byte, sizeof byte);
    return 0;
}

/* Valgrind runs no such process, it ends the program. */
static bool under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
}

void keeper_start(struct process *p)
{
    int ends[2];
    char *stack =
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    struct start start = {.fd = -1};
    sigset_t all, before;

    p->keeper = -1;
    if (stack == MAP_FAILED || under_valgrind() || pipe2(ends, O_CLOEXEC) < 0)
        return;
    start.fd = ends[0];
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    p->keeper = __clone(keep, stack + STACK_BYTES, CLONE_VM, &start);
    int error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(ends[0]);
    p->keeper_fd = ends[1];
    if (p->keeper < 0) {
        log_line(LOG_WARNING, "No keeper: %s. With much data the others notice late when this process ends",
                 strerror(error));
        return;
    }
    while (!atomic_load(&start.settled)) {
        if (waitpid(p->keeper, NULL, WNOHANG | (int)__WCLONE) ==
            p->keeper) { /* forbidden here, it seems: we do without */
            close(p->keeper_fd);
            p->keeper = -1;
            return;
        }
        sched_yield();
    }
}

void keeper_stop(struct process *p)
{
    if (p->keeper < 0)
        return;
    close(p->keeper_fd);
    (void)waitpid(p->keeper, NULL, (int)__WCLONE);
}
