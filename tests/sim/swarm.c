/* swarm [--seed n] [--count k] [--step s] [--jobs j] [--hours h] [--ops n] [--stop] [--digest] [--verbose] [--log]
 *
 * Runs k seeds from n on, one after the other in each of j processes: a seed that brings its process down costs nothing
 * but itself. One line for a seed that fails, with the command that runs it again; the last line sums up. With 200
 * seeds or more a kind of fault that never came about fails the run: it has proven nothing. */
#include "swarm.h"

#include "base/clock.h"

#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MAX = 64, SEED_CPU_S = 300, ENOUGH_SEEDS = 200 };

struct options {
    uint64_t seed, count, step, jobs, ops;
    double hours;
    bool stop, digest, verbose, log;
};

/* What the processes share. Each adds to a place of its own. */
struct shared {
    _Atomic uint64_t next; /* the number of the next seed to be run */
    _Atomic bool stop;
    struct job {
        uint64_t seed; /* under way */
        bool running;
        struct swarm_sums sums;
    } jobs[JOBS_MAX];
};

static struct job *this_job; /* for the handler: a signal has no argument of ours */

static void say_failed(uint64_t seed, const char *wrong)
{
    printf("FAILED make sim SEED=%llu N=1: %s\n", (unsigned long long)seed, wrong);
    fflush(stdout);
}

static void on_signal(int number)
{
    char line[128];
    int len = snprintf(line, sizeof(line), "FAILED make sim SEED=%llu N=1: %s\n",
                       (unsigned long long)(this_job ? this_job->seed : 0),
                       number == SIGVTALRM ? "it does not end" : strsignal(number));
    ssize_t written = write(STDOUT_FILENO, line, (size_t)len);
    (void)written;
    signal(number == SIGVTALRM ? SIGABRT : number, SIG_DFL);
    raise(number == SIGVTALRM ? SIGABRT : number);
}

static void run_one(const struct options *o, struct shared *all, struct job *job, uint64_t seed)
{
    char wrong[512];
    uint64_t digest;
    struct itimerval limit = {.it_value.tv_sec = SEED_CPU_S};
    struct plan plan;
    job->seed = seed;
    job->running = true;
    setitimer(ITIMER_VIRTUAL, &limit, NULL);
    plan_draw(&plan, seed);
    if (o->verbose) {
        printf("seed %llu: ", (unsigned long long)seed);
        plan_print(&plan, stdout);
        fflush(stdout);
    }
    bool ok = run_seed(seed, o->log, &job->sums, &digest, wrong, sizeof(wrong));
    job->running = false;
    if (o->digest)
        printf("digest %llu %016llx\n", (unsigned long long)seed, (unsigned long long)digest);
    if (ok)
        return;
    if (!o->verbose) {
        printf("seed %llu: ", (unsigned long long)seed);
        plan_print(&plan, stdout);
    }
    say_failed(seed, wrong);
    if (o->stop)
        all->stop = true;
}

static void add(struct swarm_sums *to, const struct swarm_sums *s)
{
    to->seeds += s->seeds;
    to->failed += s->failed;
    to->simulated_us += s->simulated_us;
    to->ops += s->ops;
    to->exactly_once += s->exactly_once;
    to->linearized += s->linearized;
    to->unknown += s->unknown;
    to->waited += s->waited;
    to->handed += s->handed;
    to->lagged += s->lagged;
    to->counts.events += s->counts.events;
    to->counts.frames += s->counts.frames;
    to->counts.crashes += s->counts.crashes;
    to->counts.members += s->counts.members;
    to->counts.snapshots += s->counts.snapshots;
    for (int f = 0; f < FAULTS; f++)
        to->counts.fired[f] += s->counts.fired[f];
    for (int f = 0; f < DISK_FAULTS; f++)
        to->disk[f] += s->disk[f];
}

static struct swarm_sums sum_up(const struct shared *all)
{
    struct swarm_sums sums = {.seeds = 0};
    for (int j = 0; j < JOBS_MAX; j++)
        add(&sums, &all->jobs[j].sums);
    return sums;
}

static double hours(const struct swarm_sums *s)
{
    return (double)s->simulated_us / 3600e6;
}

/* With a budget of hours or operations there is no end to the seeds but that. */
static bool enough(const struct options *o, const struct shared *all, uint64_t number)
{
    if (o->hours == 0 && o->ops == 0)
        return number >= o->count;
    struct swarm_sums sums = sum_up(all);
    return number >= o->count && hours(&sums) >= o->hours && sums.ops >= o->ops;
}

static void work_through(const struct options *o, struct shared *all, struct job *job)
{
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGVTALRM};
    this_job = job;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        signal(numbers[i], on_signal);
    for (;;) {
        uint64_t number = atomic_fetch_add(&all->next, 1);
        if (all->stop || enough(o, all, number))
            return;
        run_one(o, all, job, o->seed + number * o->step);
    }
}

static pid_t begin_job(const struct options *o, struct shared *all, uint64_t j)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* who asked for this run is gone */
        work_through(o, all, &all->jobs[j]);
        fflush(stdout);
        _exit(0);
    }
    return pid;
}

/* A process that ends before its work does has met an assert, or worse: another one goes on after that seed. */
static void run_jobs(const struct options *o, struct shared *all)
{
    pid_t pids[JOBS_MAX];
    uint64_t left = o->jobs;
    int status;
    for (uint64_t j = 0; j < o->jobs; j++)
        pids[j] = begin_job(o, all, j);
    while (left) {
        pid_t ended = wait(&status);
        uint64_t j = 0;
        while (j < o->jobs && pids[j] != ended)
            j++;
        if (j == o->jobs)
            continue;
        struct job *job = &all->jobs[j];
        if (status == 0) {
            left--;
            continue;
        }
        job->sums.seeds += job->running;
        job->sums.failed++;
        all->stop = all->stop || o->stop;
        pids[j] = begin_job(o, all, j);
    }
}

static bool summary(const struct shared *all)
{
    struct swarm_sums s = sum_up(all);
    bool ok = s.failed == 0 && s.seeds > 0;
    for (int f = 0; f < FAULTS; f++)
        if (s.seeds >= ENOUGH_SEEDS && s.counts.fired[f] == 0) {
            printf("FAILED: %s never came about\n", fault_names[f]);
            ok = false;
        }
    if (s.seeds >= ENOUGH_SEEDS && (s.waited == 0 || s.handed == 0)) {
        printf("FAILED: no command ever waited\n");
        ok = false;
    }
    for (int f = 0; f < DISK_FAULTS; f++)
        if (s.seeds >= ENOUGH_SEEDS && s.disk[f] == 0) {
            printf("FAILED: disk fault \"%s\" never came about\n", disk_fault_name((enum disk_fault)f));
            ok = false;
        }
    printf("swarm: seeds=%llu failed=%llu hours=%.2f ops=%llu exactly_once=%llu linearized=%llu unknown=%llu",
           (unsigned long long)s.seeds, (unsigned long long)s.failed, hours(&s), (unsigned long long)s.ops,
           (unsigned long long)s.exactly_once, (unsigned long long)s.linearized,
           (unsigned long long)s.unknown);
    printf(" waited=%llu handed=%llu lagged=%llu", (unsigned long long)s.waited, (unsigned long long)s.handed,
           (unsigned long long)s.lagged);
    printf(" events=%llu frames=%llu crashes=%llu members=%llu snapshots=%llu",
           (unsigned long long)s.counts.events, (unsigned long long)s.counts.frames,
           (unsigned long long)s.counts.crashes, (unsigned long long)s.counts.members,
           (unsigned long long)s.counts.snapshots);
    for (int f = 0; f < FAULTS; f++)
        printf(" %s=%llu", fault_names[f], (unsigned long long)s.counts.fired[f]);
    for (int f = 0; f < DISK_FAULTS; f++) {
        printf(" disk-");
        for (const char *c = disk_fault_name((enum disk_fault)f); *c; c++)
            putchar(*c == ' ' ? '-' : *c);
        printf("=%llu", (unsigned long long)s.disk[f]);
    }
    printf("\n");
    return ok;
}

static uint64_t random_seed(void)
{
    uint64_t seed;
    os_random(&seed, sizeof(seed));
    return seed % 1000000000;
}

static bool read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {{"seed", required_argument, NULL, 's'},
                                          {"count", required_argument, NULL, 'n'},
                                          {"step", required_argument, NULL, 't'},
                                          {"jobs", required_argument, NULL, 'j'},
                                          {"hours", required_argument, NULL, 'h'},
                                          {"ops", required_argument, NULL, 'o'},
                                          {"stop", no_argument, NULL, 'x'},
                                          {"digest", no_argument, NULL, 'd'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {"log", no_argument, NULL, 'l'},
                                          {0}};
    for (int c; (c = getopt_long(argc, argv, "v", known, NULL)) != -1;) {
        uint64_t number = optarg ? strtoull(optarg, NULL, 10) : 0;
        switch (c) {
        case 's':
            o->seed = number;
            break;
        case 'n':
            o->count = number;
            break;
        case 't':
            o->step = number;
            break;
        case 'j':
            o->jobs = number < JOBS_MAX ? number : JOBS_MAX;
            break;
        case 'h':
            o->hours = strtod(optarg, NULL);
            break;
        case 'o':
            o->ops = number;
            break;
        case 'x':
            o->stop = true;
            break;
        case 'd':
            o->digest = true;
            break;
        case 'v':
            o->verbose = true;
            break;
        case 'l':
            o->log = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc && o->step > 0;
}

int main(int argc, char **argv)
{
    struct options o = {.seed = random_seed(), .count = 1, .step = 1};
    if (!read_options(&o, argc, argv)) {
        fprintf(stderr, "usage: see the head of tests/sim/swarm.c\n");
        return 2;
    }
    if (o.jobs == 0) /* a single seed runs in this process, for a debugger's sake */
        o.jobs = o.count < 2 ? 0 : (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    struct shared *all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return 2;
    printf("swarm: seeds from %llu on\n", (unsigned long long)o.seed);
    if (o.jobs)
        run_jobs(&o, all);
    else
        work_through(&o, all, &all->jobs[0]);
    bool ok = summary(all);
    munmap(all, sizeof(*all));
    return ok ? 0 : 1;
}
