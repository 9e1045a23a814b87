/* The beat thread. While the main thread applies one long entry it says to the peers that this node is alive:
 * a leader to everybody, so that nobody elects; a follower to its leader, so that CheckQuorum counts it
 * (DESIGN 2). It says nothing about the log, it stops after ten election timeouts, and it is silent whenever
 * the main thread turns, so a main thread that hangs for good still costs the office.
 *
 * The handshake is the loop's work; a beat connection that stands is handed over and belongs to the thread
 * from then on. The two talk through `lock`: commands one way, notes the other, each with an eventfd to wake
 * the reader. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "transport/transport_int.h"
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    BEAT_CONNS = 128,
    BEAT_PEERS = 64,
    BEAT_PAYLOAD = 9,
    BEAT_AWAY_ELECTIONS = 10,
};

struct beat_conn {
    int fd;
    uint32_t handle, tag; /* handle 0: accepted */
    uint64_t peer, serial;
    struct frame_in in;
};

struct command {
    bool add;
    struct beat_conn conn; /* drop: by handle, or by peer, or all */
};

struct heard {
    uint64_t peer, term;
};
struct lost {
    uint32_t handle;
    uint64_t serial;
};

struct beat {
    struct transport *t;
    pthread_t thread;
    int epoll_fd, wake_fd, note_fd;
    struct event *note_event;
    _Atomic uint64_t last_turn_us;
    atomic_bool applying;

    pthread_mutex_t lock; /* over the next six */
    bool stop, leader;
    uint64_t term, leader_id;
    struct buf commands; /* struct command, as they came */
    struct heard heard[BEAT_PEERS];
    size_t heard_count;
    struct buf lost; /* struct lost */

    /* The loop's own. */
    bool told_leader;
    uint64_t told_term, told_leader_id, last_serial;

    /* The thread's own. */
    struct beat_conn *conns[BEAT_CONNS];
    size_t conn_count;
    uint64_t spoke_us;
};

static void wake(int fd)
{
    uint64_t one = 1;
    (void)!write(fd, &one, sizeof one); /* fails only when the reader has yet to look anyway */
}

/* -- the thread
 * ---------------------------------------------------------------------------------------------------- */

static void note_lost(struct beat *b, const struct beat_conn *c)
{
    if (c->handle == 0)
        return;
    struct lost l = {c->handle, c->serial};
    pthread_mutex_lock(&b->lock);
    buf_append(&b->lost, &l, sizeof l);
    pthread_mutex_unlock(&b->lock);
    wake(b->note_fd);
}

/* A peer that beats while we are away for long leaves one note, not a thousand: the latest says all. */
static void note_heard(struct beat *b, uint64_t peer, uint64_t term)
{
    pthread_mutex_lock(&b->lock);
    size_t i = 0;
    while (i < b->heard_count && b->heard[i].peer != peer)
        i++;
    if (i < BEAT_PEERS) {
        b->heard[i] = (struct heard){peer, term};
        b->heard_count += i == b->heard_count;
    }
    pthread_mutex_unlock(&b->lock);
    wake(b->note_fd);
}

static void conn_end(struct beat *b, size_t i, bool tell)
{
    struct beat_conn *c = b->conns[i];
    if (tell)
        note_lost(b, c);
    close(c->fd); /* leaves the epoll set by itself */
    frame_in_deinit(&c->in);
    mem_free(c);
    b->conns[i] = b->conns[--b->conn_count];
}

static void conn_end_of(struct beat *b, const struct beat_conn *c)
{
    for (size_t i = 0; i < b->conn_count; i++) {
        if (b->conns[i] == c) {
            conn_end(b, i, true);
            return;
        }
    }
}

static void carry_out(struct beat *b, const struct command *cmd)
{
    const struct beat_conn *n = &cmd->conn;
    for (size_t i = b->conn_count; i-- > 0;) {
        struct beat_conn *c = b->conns[i];
        bool hit;
        if (cmd->add) /* the newest takes the place of its predecessor */
            hit = c->handle == n->handle && c->peer == n->peer && c->tag == n->tag;
        else if (n->handle != 0)
            hit = c->handle == n->handle;
        else
            hit = n->peer == 0 || (c->handle == 0 && c->peer == n->peer);
        if (hit)
            conn_end(b, i, !cmd->add && n->handle == 0 && n->peer == 0);
    }
    if (!cmd->add)
        return;
    struct beat_conn *c = mem_alloc(sizeof *c);
    *c = *n;
    c->in.payload_max = BEAT_PAYLOAD;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    if (b->conn_count == BEAT_CONNS)
        conn_end(b, 0, true);
    b->conns[b->conn_count++] = c;
    if (epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) != 0)
        conn_end(b, b->conn_count - 1, true);
}

/* Takes over what the loop has said. False: the end. */
static bool take_commands(struct beat *b)
{
    uint64_t count;
    (void)!read(b->wake_fd, &count, sizeof count);
    pthread_mutex_lock(&b->lock);
    struct buf commands = b->commands;
    b->commands = (struct buf)BUF_EMPTY;
    bool stop = b->stop;
    pthread_mutex_unlock(&b->lock);
    for (size_t at = 0; at < commands.len; at += sizeof(struct command)) {
        struct command cmd;
        memcpy(&cmd, commands.data + at, sizeof cmd);
        carry_out(b, &cmd);
    }
    buf_deinit(&commands);
    return !stop;
}

static bool main_is_away(const struct beat *b, uint64_t now)
{
    uint64_t turned = atomic_load(&b->last_turn_us);
    return atomic_load(&b->applying) && now > turned && now - turned >= b->t->heartbeat_us &&
           now - turned <= BEAT_AWAY_ELECTIONS * b->t->election_us;
}

/* Says it on every connection dialled to `peer` (0: to all). */
static void say(struct beat *b, uint64_t peer, bool answer)
{
    pthread_mutex_lock(&b->lock);
    uint64_t term = b->term;
    pthread_mutex_unlock(&b->lock);
    char payload[BEAT_PAYLOAD], bytes[FRAME_HEADER + BEAT_PAYLOAD];
    store_u64(payload, term);
    payload[8] = answer;
    frame_header(bytes, FRAME_BEAT, sizeof payload, slice_of(payload, sizeof payload), NULL, 0);
    memcpy(bytes + FRAME_HEADER, payload, sizeof payload);
    for (size_t i = b->conn_count; i-- > 0;) {
        struct beat_conn *c = b->conns[i];
        if (c->handle == 0 || (peer != 0 && c->peer != peer) || inject_drop(b->t->inject, c->peer))
            continue;
        ssize_t n = send(c->fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n != (ssize_t)sizeof bytes && !(n < 0 && (errno == EAGAIN || errno == EINTR)))
            conn_end(b, i, true); /* also after half a frame: the stream is of no more use */
    }
}

static void speak(struct beat *b)
{
    uint64_t now = clock_mono_us();
    if (!main_is_away(b, now) || now - b->spoke_us < b->t->heartbeat_us)
        return;
    b->spoke_us = now;
    pthread_mutex_lock(&b->lock);
    bool leader = b->leader;
    uint64_t leader_id = b->leader_id;
    pthread_mutex_unlock(&b->lock);
    if (leader)
        say(b, 0, false);
    else if (leader_id != 0)
        say(b, leader_id, false);
}

static void take_frame(struct beat *b, const struct beat_conn *c, const struct frame *f)
{
    uint64_t peer = c->peer;
    if (inject_drop(b->t->inject, peer))
        return;
    note_heard(b, peer, load_u64(f->payload.data));
    bool answer = f->payload.data[8] != 0;
    if (!answer && main_is_away(b, clock_mono_us()))
        say(b, peer, true); /* ends only dialled connections, and this one was accepted */
}

static void take_input(struct beat *b, struct beat_conn *c)
{
    bool full;
    ssize_t n = frame_in_recv(&c->in, c->fd, &full);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    struct frame f;
    enum frame_status status = n <= 0 ? FRAME_BAD : frame_in_next(&c->in, &f);
    while (status == FRAME_OK && c->handle == 0 && f.type == FRAME_BEAT && f.payload.len == BEAT_PAYLOAD) {
        take_frame(b, c, &f);
        status = frame_in_next(&c->in, &f);
    }
    if (status != FRAME_MORE)
        conn_end_of(b, c);
}

static bool stands(const struct beat *b, const struct beat_conn *c)
{
    for (size_t i = 0; i < b->conn_count; i++)
        if (b->conns[i] == c)
            return true;
    return false;
}

static void *run(void *arg)
{
    struct beat *b = arg;
    uint64_t tick_us = b->t->heartbeat_us / 4;
    int tick_ms = tick_us < 1000 ? 1 : (int)(tick_us / 1000);
    for (bool going = true; going;) {
        struct epoll_event events[16];
        int n = epoll_wait(b->epoll_fd, events, 16, tick_ms);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                going = take_commands(b);
            else if (stands(b, events[i].data.ptr)) /* an earlier event may have ended it */
                take_input(b, events[i].data.ptr);
        }
        speak(b);
    }
    while (b->conn_count > 0)
        conn_end(b, 0, false);
    return NULL;
}

/* -- the loop's side
 * ------------------------------------------------------------------------------------------------ */

static void on_notes(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct beat *b = arg;
    struct transport *t = b->t;
    uint64_t count;
    (void)!read((int)fd, &count, sizeof count);
    struct heard heard[BEAT_PEERS];
    pthread_mutex_lock(&b->lock);
    size_t heard_count = b->heard_count;
    memcpy(heard, b->heard, heard_count * sizeof heard[0]);
    b->heard_count = 0;
    struct buf lost = b->lost;
    b->lost = (struct buf)BUF_EMPTY;
    pthread_mutex_unlock(&b->lock);
    for (size_t i = 0; i < heard_count && t->callbacks.beat; i++)
        t->callbacks.beat(t->callbacks.arg, heard[i].peer, heard[i].term);
    for (size_t at = 0; at < lost.len; at += sizeof(struct lost)) {
        struct lost l;
        memcpy(&l, lost.data + at, sizeof l);
        link_beat_lost(t, l.handle, l.serial);
    }
    buf_deinit(&lost);
}

static void command(struct beat *b, const struct command *cmd)
{
    pthread_mutex_lock(&b->lock);
    buf_append(&b->commands, cmd, sizeof *cmd);
    pthread_mutex_unlock(&b->lock);
    wake(b->wake_fd);
}

uint64_t beat_add(struct beat *b, int fd, uint64_t peer, uint32_t handle, uint32_t tag)
{
    struct command cmd;
    memset(&cmd, 0, sizeof cmd);
    cmd.add = true;
    cmd.conn.fd = fd;
    cmd.conn.handle = handle;
    cmd.conn.tag = tag;
    cmd.conn.peer = peer;
    cmd.conn.serial = ++b->last_serial;
    command(b, &cmd);
    return cmd.conn.serial;
}

void beat_drop(struct beat *b, uint32_t handle, uint64_t peer)
{
    struct command cmd;
    memset(&cmd, 0, sizeof cmd);
    cmd.conn.handle = handle;
    cmd.conn.peer = peer;
    command(b, &cmd);
}

void beat_turn(struct beat *b, bool leader, uint64_t term, uint64_t leader_id)
{
    atomic_store_explicit(&b->last_turn_us, clock_mono_us(), memory_order_relaxed);
    if (b->told_leader == leader && b->told_term == term && b->told_leader_id == leader_id)
        return;
    b->told_leader = leader;
    b->told_term = term;
    b->told_leader_id = leader_id;
    pthread_mutex_lock(&b->lock);
    b->leader = leader;
    b->term = term;
    b->leader_id = leader_id;
    pthread_mutex_unlock(&b->lock);
}

void beat_applying(struct beat *b, bool applying)
{
    atomic_store_explicit(&b->applying, applying, memory_order_relaxed);
}

static int must(int value, const char *what)
{
    if (value < 0)
        log_fatal("transport: %s: %s", what, strerror(errno));
    return value;
}

struct beat *beat_new(struct transport *t)
{
    struct beat *b = mem_calloc(1, sizeof *b);
    b->t = t;
    pthread_mutex_init(&b->lock, NULL);
    b->epoll_fd = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    b->wake_fd = must(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
    b->note_fd = must(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    must(epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, b->wake_fd, &ev), "epoll_ctl");
    b->note_event = event_new(t->base, b->note_fd, EV_READ | EV_PERSIST, on_notes, b);
    event_add(b->note_event, NULL);
    /* Signals are the main thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&b->thread, NULL, run, b);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != 0)
        log_fatal("transport: cannot start the beat thread: %s", strerror(status));
    (void)pthread_setname_np(b->thread, "beat");
    return b;
}

void beat_free(struct beat *b)
{
    if (!b)
        return;
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_mutex_unlock(&b->lock);
    wake(b->wake_fd);
    pthread_join(b->thread, NULL);
    event_free(b->note_event);
    close(b->epoll_fd);
    close(b->wake_fd);
    close(b->note_fd);
    buf_deinit(&b->commands);
    buf_deinit(&b->lost);
    pthread_mutex_destroy(&b->lock);
    mem_free(b);
}
