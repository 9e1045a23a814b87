/* Processes of a test cluster; see the header. */
#include "../tests/support/cluster.h"
#include "../tests/support/ports.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARGS_MAX = 48, START_MS = 10000 };

uint64_t test_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void test_sleep_ms(int ms)
{
    struct timespec ts = {ms / 1000, (ms % 1000) * 1000000L};
    while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
        ;
}

redisReply *cluster_ask(struct cluster *c, int node, int ms, const char *format, ...)
{
    struct timeval tv = {ms / 1000, (ms % 1000) * 1000};
    redisContext *conn = redisConnectWithTimeout("127.0.0.1", c->nodes[node].port, tv);
    redisReply *reply = NULL;
    if (conn && !conn->err && redisSetTimeout(conn, tv) == REDIS_OK) {
        va_list args;
        va_start(args, format);
        reply = redisvCommand(conn, format, args);
        va_end(args);
    }
    if (conn)
        redisFree(conn);
    return reply;
}

bool cluster_info(struct cluster *c, int node, const char *field, char *out, size_t out_len)
{
    snprintf(out, out_len, "%s", "");
    redisReply *reply = cluster_ask(c, node, 1000, "INFO everything");
    size_t len = strlen(field);
    const char *at = reply && reply->str ? reply->str : "";
    bool found = false;
    while (!found && at) {
        if (strncmp(at, field, len) == 0 && at[len] == ':') {
            at += len + 1;
            snprintf(out, out_len, "%.*s", (int)strcspn(at, "\r\n"), at);
            found = true;
        }
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    if (reply)
        freeReplyObject(reply);
    return found;
}

/* -- processes ------------------------------------------------------------------------------------------ */

static void make_dir(const char *path)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST) {
        fprintf(stderr, "mkdir %s: %s\n", path, strerror(errno));
        abort();
    }
}

static void run_server(struct cluster *c, int node)
{
    const struct cluster_node *n = &c->nodes[node];
    const char *server = getenv("KVORUM_SERVER");
    static char port[8], dir[300], name[16], initial[CLUSTER_MAX * 48], log[320];
    snprintf(port, sizeof port, "%d", n->port);
    snprintf(dir, sizeof dir, "%s/n%d", c->dir, node + 1);
    snprintf(log, sizeof log, "%s/log", dir);
    snprintf(name, sizeof name, "n%d", node + 1);
    make_dir(dir);
    size_t len = 0;
    for (int i = 0; i < c->count; i++)
        len += (size_t)snprintf(initial + len, sizeof initial - len, "%sn%d=127.0.0.1:%d@%d", i ? "," : "",
                                i + 1, c->nodes[i].port, c->nodes[i].peer_port);
    const char *args[ARGS_MAX] = {server ? server : "build/kvorum-server",
                                  "--port",
                                  port,
                                  "--bind",
                                  "127.0.0.1",
                                  "--dir",
                                  dir,
                                  "--node-name",
                                  name,
                                  "--initial-cluster",
                                  initial,
                                  "--enable-debug-command",
                                  "yes"};
    int argc = 13;
    for (int i = 0; c->options && c->options[i] && argc < ARGS_MAX - 1; i++)
        args[argc++] = c->options[i];
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (out < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
        _exit(126);
    execvp(args[0], (char *const *)(uintptr_t)args);
    fprintf(stderr, "%s: %s\n", args[0], strerror(errno));
    _exit(127);
}

static bool answers(struct cluster *c, int node)
{
    redisReply *reply = cluster_ask(c, node, 500, "PING");
    bool yes = reply != NULL;
    if (reply)
        freeReplyObject(reply);
    return yes;
}

bool cluster_spawn(struct cluster *c, int node)
{
    struct cluster_node *n = &c->nodes[node];
    pid_t parent = getpid();
    n->pid = fork();
    if (n->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(125);
        run_server(c, node);
    }
    for (uint64_t end = test_now_ms() + START_MS; test_now_ms() < end; test_sleep_ms(10)) {
        if (answers(c, node))
            return true;
        if (waitpid(n->pid, NULL, WNOHANG) == n->pid) {
            n->pid = 0;
            break;
        }
    }
    fprintf(stderr, "node %d does not come up: see %s/n%d/log\n", node + 1, c->dir, node + 1);
    c->failed = true;
    return false;
}

void cluster_signal(struct cluster *c, int node, int sig)
{
    if (c->nodes[node].pid > 0)
        kill(c->nodes[node].pid, sig);
}

void cluster_kill(struct cluster *c, int node)
{
    cluster_signal(c, node, SIGKILL);
    if (c->nodes[node].pid > 0)
        waitpid(c->nodes[node].pid, NULL, 0);
    c->nodes[node].pid = 0;
}

int cluster_terminate(struct cluster *c, int node, int ms)
{
    pid_t pid = c->nodes[node].pid;
    int status = 0;
    cluster_signal(c, node, SIGTERM);
    for (uint64_t end = test_now_ms() + (uint64_t)ms; test_now_ms() < end; test_sleep_ms(5)) {
        if (waitpid(pid, &status, WNOHANG) != pid)
            continue;
        c->nodes[node].pid = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return -1;
}

bool cluster_start(struct cluster *c, int count, const char *const *options)
{
    memset(c, 0, sizeof *c);
    c->count = count;
    c->options = options;
    c->all = (1u << count) - 1;
    signal(SIGPIPE, SIG_IGN);
    make_dir("build");
    make_dir("build/tmp");
    snprintf(c->dir, sizeof c->dir, "build/tmp/cluster-XXXXXX");
    if (!mkdtemp(c->dir))
        abort();
    for (int i = 0; i < count; i++) {
        c->nodes[i].port = test_port();
        c->nodes[i].peer_port = test_port();
    }
    for (int i = 0; i < count; i++)
        if (!cluster_spawn(c, i))
            return false;
    if (cluster_leader(c, c->all, START_MS) >= 0)
        return true;
    fprintf(stderr, "no leader after %d ms: see %s\n", START_MS, c->dir);
    c->failed = true;
    return false;
}

void cluster_stop(struct cluster *c)
{
    for (int i = 0; i < c->count; i++) {
        cluster_kill(c, i);
        test_port_release(c->nodes[i].port);
        test_port_release(c->nodes[i].peer_port);
    }
    if (c->failed) {
        fprintf(stderr, "the nodes' logs are in %s/n*/log\n", c->dir);
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", c->dir, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

/* -- who leads, and who hears whom ------------------------------------------------------------------------
 */

static bool is_master(struct cluster *c, int node)
{
    redisReply *reply = cluster_ask(c, node, 300, "ROLE");
    bool yes = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 && reply->element[0]->str &&
               strcmp(reply->element[0]->str, "master") == 0;
    if (reply)
        freeReplyObject(reply);
    return yes;
}

int cluster_leader(struct cluster *c, unsigned mask, int ms)
{
    for (uint64_t end = test_now_ms() + (uint64_t)ms;; test_sleep_ms(10)) {
        for (int i = 0; i < c->count; i++)
            if ((mask >> i & 1) && c->nodes[i].pid > 0 && is_master(c, i))
                return i;
        if (test_now_ms() >= end)
            return -1;
    }
}

/* Both ends of a link judge each frame, hence the halves. */
static bool say(struct cluster *c, int node, const char *peer, bool cut)
{
    redisReply *reply = cut ? cluster_ask(c, node, 3000, "DEBUG KVORUM-LINK %s cut", peer)
                            : cluster_ask(c, node, 3000, "DEBUG KVORUM-LINK %s drop %d delay %d", peer,
                                          c->drop_permille / 2, c->delay_ms / 2);
    bool good = reply && reply->type == REDIS_REPLY_STATUS;
    if (!good)
        fprintf(stderr, "node %d: DEBUG KVORUM-LINK %s: %s\n", node + 1, peer,
                reply && reply->str ? reply->str : "no reply");
    if (reply)
        freeReplyObject(reply);
    return good;
}

static bool learn_ids(struct cluster *c)
{
    for (int i = 0; i < c->count; i++) {
        if (c->nodes[i].id[0])
            continue;
        redisReply *reply = cluster_ask(c, i, 3000, "CLUSTER MYID");
        if (reply && reply->type == REDIS_REPLY_STRING)
            snprintf(c->nodes[i].id, sizeof c->nodes[i].id, "%s", reply->str);
        if (reply)
            freeReplyObject(reply);
        if (!c->nodes[i].id[0])
            return false;
    }
    return true;
}

bool cluster_partition(struct cluster *c, const unsigned *groups, int count)
{
    bool good = learn_ids(c);
    for (int a = 0; a < c->count && good; a++) {
        for (int b = 0; b < c->count; b++) {
            bool together = count == 0;
            for (int g = 0; g < count; g++)
                together = together || ((groups[g] >> a & 1) && (groups[g] >> b & 1));
            if (a != b && c->nodes[a].pid > 0)
                good = say(c, a, c->nodes[b].id, !together) && good;
        }
    }
    return good;
}

bool cluster_heal(struct cluster *c)
{
    return cluster_unreliable(c, 0, 0);
}

bool cluster_unreliable(struct cluster *c, int drop_permille, int delay_ms)
{
    bool good = true;
    c->drop_permille = drop_permille;
    c->delay_ms = delay_ms;
    for (int i = 0; i < c->count; i++)
        if (c->nodes[i].pid > 0)
            good = say(c, i, "*", false) && good;
    return good;
}

/* "index digest" of a node, "" when it moved while it was asked. */
static void state_of(struct cluster *c, int node, char *out, size_t out_len)
{
    char before[32], after[32];
    snprintf(out, out_len, "%s", "");
    if (!cluster_info(c, node, "applied_index", before, sizeof before))
        return;
    redisReply *reply = cluster_ask(c, node, 1000, "DEBUG KVORUM-DIGEST");
    if (reply && reply->str && cluster_info(c, node, "applied_index", after, sizeof after) &&
        strcmp(before, after) == 0)
        snprintf(out, out_len, "%s %s", before, reply->str);
    if (reply)
        freeReplyObject(reply);
}

bool cluster_agrees(struct cluster *c, int ms)
{
    char states[CLUSTER_MAX][128];
    for (uint64_t end = test_now_ms() + (uint64_t)ms;; test_sleep_ms(50)) {
        int first = -1;
        bool same = true;
        for (int i = 0; i < c->count; i++) {
            if (c->nodes[i].pid == 0)
                continue;
            state_of(c, i, states[i], sizeof states[i]);
            first = first < 0 ? i : first;
            same = same && states[i][0] && strcmp(states[i], states[first]) == 0;
        }
        if (same && first >= 0)
            return true;
        if (test_now_ms() >= end)
            break;
    }
    for (int i = 0; i < c->count; i++)
        if (c->nodes[i].pid > 0)
            fprintf(stderr, "node %d: applied index and digest \"%s\"\n", i + 1, states[i]);
    return false;
}
