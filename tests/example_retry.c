/* A counter that is raised exactly once by each call, whatever happens on the way: the retry recipe of
 * README.md, whole.
 *
 *     example_retry SESSION COUNT PORT [PORT ...]        INCR "counter" COUNT times, prints its last value
 *
 * The recipe. One dedicated connection is one session:
 *   1. CLIENT SETNAME <session>@seq=<n>: the next numbered request (each command that writes) is n, then n+1,
 * ...
 *   2. Count those requests yourself.
 *   3. In doubt about request n (connection lost, no reply in time, NOTLEADER, MAYBE, CLUSTERDOWN): connect
 * anew, to any node or to the one named, CLIENT SETNAME <session>@retry=<n>, and send the same request again.
 * If it had run, its remembered reply comes back and it is not run again.
 *   4. NOSESSION, STALE: the server can no longer tell. It did not run the request now; whether it ran before
 * is for the application to find out. Do not open the session again as if nothing had happened.
 * @seq opens or resumes, @retry never opens: a session that has expired is thus noticed instead of the
 * request being run twice. */
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REPLY_TIMEOUT_S 5
#define PAUSE_US        20000
#define GIVE_UP_S       60

struct client {
    const char *session;
    char **ports; /* of the nodes, on 127.0.0.1 */
    int port_count, next;
    redisContext *conn;
    bool opened; /* the server has confirmed the session once */
};

enum outcome { DONE, DOUBT, LOST };

static void disconnect(struct client *c)
{
    if (c->conn)
        redisFree(c->conn);
    c->conn = NULL;
}

/* What an error reply means for the request it answers. */
static enum outcome judge(const redisReply *reply)
{
    if (!reply)
        return DOUBT;
    if (reply->type != REDIS_REPLY_ERROR)
        return DONE;
    if (strncmp(reply->str, "NOSESSION", 9) == 0 || strncmp(reply->str, "STALE", 5) == 0)
        return LOST;
    if (strncmp(reply->str, "NOTLEADER", 9) == 0 || strncmp(reply->str, "MOVED", 5) == 0 ||
        strncmp(reply->str, "MAYBE", 5) == 0 || strncmp(reply->str, "CLUSTERDOWN", 11) == 0 ||
        strncmp(reply->str, "LOADING", 7) == 0)
        return DOUBT;
    return DONE; /* an error of the command itself: its answer */
}

/* Connects to a port and takes the session up at request n. */
static enum outcome connect_to(struct client *c, int port, unsigned long n)
{
    const struct timeval timeout = {REPLY_TIMEOUT_S, 0};
    redisReply *reply;
    enum outcome outcome;

    disconnect(c);
    c->conn = redisConnectWithTimeout("127.0.0.1", port, timeout);
    if (!c->conn || c->conn->err || redisSetTimeout(c->conn, timeout) != REDIS_OK)
        return DOUBT;
    reply = redisCommand(c->conn, "CLIENT SETNAME %s@%s=%lu", c->session, c->opened ? "retry" : "seq", n);
    outcome = judge(reply);
    if (outcome == DONE && reply->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "%s\n", reply->str);
        outcome = LOST;
    }
    if (outcome == DONE)
        c->opened = true;
    if (reply)
        freeReplyObject(reply);
    return outcome;
}

/* The port that a NOTLEADER or MOVED names; 0: none. */
static int named_port(const redisReply *reply)
{
    const char *colon = reply && reply->type == REDIS_REPLY_ERROR ? strrchr(reply->str, ':') : NULL;
    bool names = colon && (strncmp(reply->str, "NOTLEADER", 9) == 0 || strncmp(reply->str, "MOVED", 5) == 0);
    return names ? atoi(colon + 1) : 0;
}

/* Request n, run exactly once. The reply is the caller's; NULL: given up, or the session is lost. */
static redisReply *request(struct client *c, unsigned long n, const char *command)
{
    time_t give_up = time(NULL) + GIVE_UP_S;
    int port = 0;

    while (time(NULL) < give_up) {
        redisReply *reply;
        enum outcome outcome = DONE;
        if (!c->conn || c->conn->err) {
            outcome = connect_to(c, port ? port : atoi(c->ports[c->next++ % c->port_count]), n);
            port = 0;
        }
        reply = outcome == DONE ? redisCommand(c->conn, command) : NULL;
        if (outcome == DONE)
            outcome = judge(reply);
        if (outcome == DONE)
            return reply;
        port = named_port(reply);
        if (outcome == LOST)
            fprintf(stderr, "request %lu: %s\n", n, reply ? reply->str : "the session is gone");
        if (reply)
            freeReplyObject(reply);
        disconnect(c);
        if (outcome == LOST)
            return NULL;
        if (!port)
            usleep(PAUSE_US);
    }
    fprintf(stderr, "request %lu: given up\n", n);
    return NULL;
}

int main(int argc, char **argv)
{
    struct client c = {0};
    long long last = 0;
    unsigned long count;

    if (argc < 4) {
        fprintf(stderr, "usage: example_retry SESSION COUNT PORT [PORT ...]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    c.session = argv[1];
    count = strtoul(argv[2], NULL, 10);
    c.ports = argv + 3;
    c.port_count = argc - 3;
    for (unsigned long n = 1; n <= count; n++) {
        redisReply *reply = request(&c, n, "INCR counter");
        if (!reply)
            return 1;
        if (reply->type != REDIS_REPLY_INTEGER) {
            fprintf(stderr, "request %lu: %s\n", n, reply->str);
            freeReplyObject(reply);
            return 1;
        }
        last = reply->integer;
        freeReplyObject(reply);
    }
    printf("%lld\n", last);
    disconnect(&c);
    return 0;
}
