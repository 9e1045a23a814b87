/* The failover meter: how long writes stop when the leader goes.
 *
 *     failover SIGNAL|cut PID PORT [PORT ...]
 *
 * Writes without a pause to a cluster on 127.0.0.1, one small SET after the other on one connection, as an
 * ordinary client does: the first PORT is tried first, a MOVED is followed, a broken or silent connection is
 * left for the next port of the list. Once writes have flowed for a while it sends SIGNAL (9 kill, 15 leave, 19 stop)
 * to PID, the leader, whose port must be the first; "cut" has that node cut its links instead. It prints, in microseconds, the time from just before
 * that to the first acknowledged write of another node. (Only of another: a reply of the old leader may lie
 * in our socket buffer already.) */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX    16
#define WARM_UP_US   300000
#define GIVE_UP_US   60000000
#define SILENCE_US   25000 /* a connection without a reply for so long is left; it bounds the meter's error */
#define RECONNECT_US 500

struct meter {
    int ports[PORTS_MAX];
    size_t port_count, next; /* next: the port to try after the present one */
    redisContext *conn;
    int port; /* of conn */
    uint64_t sequence;
};

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void disconnect(struct meter *m)
{
    if (m->conn)
        redisFree(m->conn);
    m->conn = NULL;
}

static void connect_to(struct meter *m, int port)
{
    const struct timeval silence = {0, SILENCE_US};
    disconnect(m);
    m->port = port;
    m->conn = redisConnectWithTimeout("127.0.0.1", port, silence);
    if (m->conn && (m->conn->err || redisSetTimeout(m->conn, silence) != REDIS_OK))
        disconnect(m);
}

static void connect_to_next(struct meter *m)
{
    connect_to(m, m->ports[m->next++ % m->port_count]);
    if (!m->conn)
        usleep(RECONNECT_US);
}

/* The port in "MOVED slot host:port"; 0: some other error. */
static int moved_to(const char *error)
{
    const char *colon = strrchr(error, ':');
    return strncmp(error, "MOVED ", 6) == 0 && colon ? atoi(colon + 1) : 0;
}

/* One write; true: acknowledged. */
static bool write_once(struct meter *m)
{
    redisReply *reply;
    bool acknowledged;

    if (!m->conn)
        connect_to_next(m);
    if (!m->conn)
        return false;
    reply = redisCommand(m->conn, "SET failover:%llu %llu", (unsigned long long)(m->sequence % 100),
                         (unsigned long long)m->sequence);
    m->sequence++;
    if (!reply) { /* closed, or silent */
        disconnect(m);
        return false;
    }
    acknowledged = reply->type == REDIS_REPLY_STATUS;
    if (!acknowledged) {
        int port = reply->type == REDIS_REPLY_ERROR ? moved_to(reply->str) : 0;
        disconnect(m);
        if (port) {
            connect_to(m, port);
        } else {
            usleep(RECONNECT_US);
        }
    }
    freeReplyObject(reply);
    return acknowledged;
}

/* Until writes have been acknowledged by the first port alone for a while. */
static bool warm_up(struct meter *m)
{
    uint64_t give_up = now_us() + GIVE_UP_US, since = now_us();
    while (now_us() < give_up) {
        if (!write_once(m) || m->port != m->ports[0])
            since = now_us();
        if (now_us() - since >= WARM_UP_US)
            return true;
    }
    return false;
}

/* The leader stays, and goes on answering its clients; its links to the others are gone. */
static bool cut_links(int port)
{
    redisContext *conn = redisConnect("127.0.0.1", port);
    redisReply *reply = conn && !conn->err ? redisCommand(conn, "DEBUG KVORUM-LINK * cut") : NULL;
    bool done = reply && reply->type == REDIS_REPLY_STATUS;
    if (reply)
        freeReplyObject(reply);
    if (conn)
        redisFree(conn);
    return done;
}

static bool end_office(const struct meter *m, const char *how, pid_t pid)
{
    return strcmp(how, "cut") == 0 ? cut_links(m->ports[0]) : kill(pid, atoi(how)) == 0;
}

int main(int argc, char **argv)
{
    struct meter m = {0};
    uint64_t start;

    if (argc < 4 || argc - 3 > PORTS_MAX) {
        fprintf(stderr, "usage: failover SIGNAL|cut PID PORT [PORT ...]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    for (int i = 3; i < argc; i++)
        m.ports[m.port_count++] = atoi(argv[i]);
    if (!warm_up(&m)) {
        fprintf(stderr, "failover: port %d acknowledges no writes\n", m.ports[0]);
        return 1;
    }
    start = now_us();
    if (!end_office(&m, argv[1], (pid_t)atoi(argv[2]))) {
        fprintf(stderr, "failover: %s of %s did not work\n", argv[1], argv[2]);
        return 1;
    }
    while (now_us() - start < GIVE_UP_US) {
        if (write_once(&m) && m.port != m.ports[0]) {
            printf("%llu\n", (unsigned long long)(now_us() - start));
            disconnect(&m);
            return 0;
        }
    }
    fprintf(stderr, "failover: no other node acknowledged a write within %d s\n", GIVE_UP_US / 1000000);
    return 1;
}
