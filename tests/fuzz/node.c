/* A whole node of three on a disk in memory, and peers that send anything: frames of any bytes, Raft messages with fields near the
 * right ones and entries that are framed well or badly, snapshots, hellos, beats; between them clients' requests, a disk
 * that answers late, time. Nothing of it crashes the node. It may end itself, loudly, over an entry or a snapshot that it
 * cannot understand; what it answers is whole. */
#include <setjmp.h>

#include "base/resp.h"
#include "fuzz.h"
#include "node/node_int.h"
#include "node_disk.h"

enum { SELF = 1, CLUSTER = 7, ACTIONS_MAX = 400 };

struct world {
    struct node *node;
    struct disk disk;
    struct reader r;
    uint64_t now_us, tickets;
    uint32_t handles;
    bool ended;
};

/* ---- the ports that are not the disk's ---- */

static bool port_send(void *arg, uint64_t peer, enum node_channel channel, struct slice head,
                      const struct raft_block *blocks, size_t count)
{
    (void)arg, (void)channel;
    fuzz_check(head.len >= 10 && peer != 0);
    for (size_t i = 0; i < count; i++)
        fuzz_check(blocks[i].last >= blocks[i].first &&
                   blocks[i].offset + blocks[i].len <= blocks[i].blob->len);
    return peer != 3; /* that link is full */
}

static uint32_t port_dial(void *arg, const char *host, uint16_t port, uint64_t expected_id)
{
    (void)host, (void)port, (void)expected_id;
    return ++((struct world *)arg)->handles;
}

static void port_hang_up(void *arg, uint32_t handle)
{
    fuzz_check(handle > 0 && handle <= ((struct world *)arg)->handles);
}

static void port_set_self(void *arg, const struct node_hello *self)
{
    (void)arg, (void)self;
}

static void port_applying(void *arg, bool now)
{
    (void)arg, (void)now;
}

static void port_say(void *arg, int level, const char *line)
{
    (void)arg, (void)level;
    if (getenv("FUZZ_LOG"))
        fprintf(stderr, "%s\n", line);
}

/* The process would end here. What the frames that are jumped over had in hand is lost, so nobody looks for leaks in this
 * target; the simulator under AddressSanitizer does (tests/sanitize). */
int __lsan_is_turned_off(void); /* the sanitizer asks */
int __lsan_is_turned_off(void)
{
    return 1;
}

static jmp_buf end;
static void port_fatal(void *arg, const char *line)
{
    port_say(arg, 3, line);
    ((struct world *)arg)->ended = true;
    longjmp(end, 1);
}

static void on_answer(void *arg, uint64_t ticket, const struct node_answer *a)
{
    fuzz_check(ticket > 0 && ticket <= ((struct world *)arg)->tickets);
    if (a->outcome == NODE_DONE && a->reply.len &&
        ticket % 2 == 0) /* of a write of our own, not one forwarded */
        fuzz_check(resp_reply_len(a->reply) == a->reply.len);
}

static void on_read_ready(void *arg, uint64_t ticket, enum node_outcome outcome, uint64_t now_ms)
{
    (void)outcome, (void)now_ms;
    fuzz_check(ticket > 0 && ticket <= ((struct world *)arg)->tickets);
}

static void on_changed(void *arg, bool was_leader)
{
    (void)arg, (void)was_leader;
}

/* ---- a node of a cluster of three, with an entry or two ---- */

static void make_members(struct raft_members *m, uint8_t mask)
{
    *m = (struct raft_members){0};
    for (uint64_t id = 1; id <= 8; id++) {
        struct raft_member *at = &m->at[m->count];
        if (!(mask >> (id - 1) & 1))
            continue;
        *at = (struct raft_member){
            .id = id, .voter = id != 4, .port = 7000, .peer_port = (uint16_t)(7000 + id)};
        snprintf(at->name, sizeof at->name, "n%d", (int)id);
        snprintf(at->host, sizeof at->host, "h");
        m->count++;
    }
}

static void put_entry(struct buf *out, uint64_t index, uint64_t term, enum raft_entry_kind kind,
                      struct slice payload)
{
    size_t begin = raft_entry_begin(out, index, term, kind);
    buf_append_slice(out, payload);
    raft_entry_end(out, begin);
}

static void lay_journal(struct world *w)
{
    struct buf frames = BUF_EMPTY, payload = BUF_EMPTY;
    struct raft_members m;
    struct rsm_request found = {.kind = RSM_FOUND, .cluster_id = CLUSTER};
    make_members(&m, 7);
    raft_members_encode(&payload, &m);
    put_entry(&frames, 1, 1, RAFT_ENTRY_CONFIG, buf_slice(&payload));
    buf_truncate(&payload, 0);
    rsm_encode(&payload, &found, 1000, 1);
    put_entry(&frames, 2, 1, RAFT_ENTRY_DATA, buf_slice(&payload));
    disk_lay(&w->disk, buf_slice(&frames));
    buf_deinit(&frames);
    buf_deinit(&payload);
}

static void load_entry(void *arg, const struct raft_frame *f)
{
    node_load(arg, f->index, f->term, (int)f->kind, f->len, f->payload);
}

static void start(struct world *w)
{
    uint8_t how = get_u8(&w->r);
    struct node_config config = {.heartbeat_us = 50000,
                                 .election_us = 1000000,
                                 .client_wait_us = 2000000,
                                 .checkpoint_bytes = how & 1 ? 200 : UINT64_MAX,
                                 .may_be_invited = how & 2,
                                 .chance = 1};
    struct node_found found = {.identity = {.node_id = SELF, .cluster_id = CLUSTER, .term = 1}};
    struct node_ports ports = {.arg = w,
                               .send = port_send,
                               .dial = port_dial,
                               .hang_up = port_hang_up,
                               .set_self = port_set_self,
                               .applying = port_applying,
                               .say = port_say,
                               .fatal = port_fatal};
    struct node_clients clients = {
        .arg = w, .answer = on_answer, .read_ready = on_read_ready, .changed = on_changed};
    config.self = (struct node_hello){
        .node_id = SELF, .boot_nonce = 5, .name = "n1", .host = "h", .port = 7000, .peer_port = 7001};
    disk_ports(&ports, &w->disk);
    if (how & 4) { /* blank, waiting to be let in */
        found.identity.cluster_id = 0;
        found.identity.term = 0;
        config.join_host = "h";
        config.join_port = 7002;
    } else {
        lay_journal(w);
    }
    w->disk.identity = found.identity;
    w->node = node_new(&config, &found, &ports, &clients, w->now_us, 1700000000000000u);
    disk_replay(&w->disk, load_entry, w->node);
    node_start(w->node, w->now_us);
    node_turn(w->node);
}

/* ---- what peers send ---- */

static uint64_t near(struct reader *r, uint64_t value)
{
    uint8_t how = get_u8(r);
    if (how >= 252)
        return how == 255 ? UINT64_MAX - get_u8(r) : how == 254 ? get_u64(r) : 0;
    return value + how % 8 - (how % 8 > 4 ? 8 : 0);
}

static void put_payload(struct buf *out, struct reader *r, enum raft_entry_kind kind)
{
    struct slice argv[3] = {SLICE_LITERAL("set"), SLICE_LITERAL("k"), SLICE_LITERAL("v")};
    struct rsm_request q = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 3, .node = SELF};
    struct raft_members m;
    uint8_t how = get_u8(r);
    if (how >= 224 && kind != RAFT_ENTRY_NOOP) {
        struct piece p = piece_take(r, how % 32);
        buf_append(out, p.data, p.len);
        free(p.data);
    } else if (kind == RAFT_ENTRY_CONFIG) {
        make_members(&m, how);
        raft_members_encode(out, &m);
    } else if (kind == RAFT_ENTRY_DATA) {
        static const enum rsm_kind kinds[] = {RSM_COMMAND, RSM_COMMAND, RSM_CLOCK, RSM_CHECKPOINT};
        q.kind = kinds[how % 4];
        argv[2] = slice_of("0123456789abcdef", how / 4 % 16);
        rsm_encode(out, &q, 1000u + how * 100u, how);
    }
}

static void put_raft(struct buf *out, struct world *w, uint64_t peer)
{
    struct reader *r = &w->r;
    const struct raft *raft = w->node->raft;
    uint8_t type = get_u8(r), flags = get_u8(r);
    uint64_t last = raft ? raft_last_index(raft) : 0, term = raft ? raft_term(raft) : 1;
    struct raft_message m = {.type = (enum raft_message_type)(1 + type % 9), .from = peer, .to = SELF};
    m.term = near(r, term);
    m.index = near(r, last);
    uint64_t there = raft ? raft_term_at(raft, m.index) : 0;
    m.log_term = near(r, there ? there : m.term);
    m.commit = near(r, last);
    m.round = near(r, 2);
    m.hint_index = near(r, last);
    m.hint_term = near(r, term);
    m.reject = flags & 1;
    m.transfer = flags & 2;
    m.leader_lost = flags & 4;
    m.short_log = flags & 8;
    uint8_t count = m.type == RAFT_MSG_APPEND ? get_u8(r) % 5 : 0;
    m.first = flags & 16 ? near(r, m.index + 1) : m.index + 1;
    m.last = flags & 32 ? near(r, m.index + count) : m.index + count;
    wire_raft_message(out, &m);
    struct buf payload = BUF_EMPTY;
    for (uint8_t i = 0; i < count; i++) {
        uint8_t what = get_u8(r);
        enum raft_entry_kind kind = what < 200   ? RAFT_ENTRY_DATA
                                    : what < 230 ? RAFT_ENTRY_NOOP
                                                 : RAFT_ENTRY_CONFIG;
        buf_truncate(&payload, 0);
        put_payload(&payload, r, kind);
        put_entry(out, flags & 64 ? near(r, m.first + i) : m.first + i, what & 1 ? near(r, m.term) : m.term,
                  kind, buf_slice(&payload));
    }
    buf_deinit(&payload);
}

/* A piece of a snapshot: right ones of a state of a few entries, or bytes. */
static bool emit(void *arg, const void *data, size_t len)
{
    buf_append(arg, data, len);
    return true;
}

static void put_snapshot(struct buf *out, struct world *w)
{
    struct reader *r = &w->r;
    struct raft *raft = w->node->raft;
    uint8_t how = get_u8(r);
    uint64_t index = near(r, raft ? raft_last_index(raft) + 1 : 3),
             term = near(r, raft ? raft_term(raft) : 1);
    struct buf file = BUF_EMPTY, members = BUF_EMPTY;
    struct raft_members m;
    struct rsm *rsm = rsm_new();
    make_members(&m, how & 1 ? get_u8(r) : 7);
    raft_members_encode(&members, &m);
    for (uint64_t i = 1; i <= index % 64 + 1; i++)
        rsm_skip(rsm, i, term);
    struct rsm_snapshot_meta meta = {
        .cluster_id = CLUSTER, .members_index = 1, .members = buf_slice(&members)};
    rsm_snapshot_write(rsm, &meta, emit, &file);
    rsm_free(rsm);
    if (how & 2)
        file.data[get_u16(r) % file.len] = (char)get_u8(r);
    put_u64(out, near(r, term)); /* the leader's */
    put_u64(out, how & 4 ? near(r, index) : index);
    put_u64(out, how & 8 ? near(r, term) : term);
    put_u64(out, how & 16 ? near(r, 0) : 0);
    put_u64(out, file.len);
    put_u8(out, !(how & 32));
    put_bytes(out, buf_slice(&members));
    buf_append_slice(out, buf_slice(&file));
    buf_deinit(&file);
    buf_deinit(&members);
}

static void put_forward(struct buf *out, struct world *w)
{
    struct reader *r = &w->r;
    static const char *const words[] = {"set", "get", "incr",   "k",    "v",        "7",
                                        "px",  "del", "dbsize", "ping", "flushall", "exec"};
    struct slice argv[4];
    struct rsm_request q = {.resp = 2, .argv = argv, .argc = 1 + get_u8(r) % 4u};
    uint8_t how = get_u8(r);
    for (size_t i = 0; i < q.argc; i++)
        argv[i] = slice_cstr(words[get_u8(r) % 12]);
    put_u64(out, get_u8(r));
    put_u64(out, how & 1 ? 5 : get_u8(r)); /* boot nonce */
    put_u64(out, get_u8(r) % 4);           /* round and place */
    put_u64(out, get_u8(r) % 4);
    put_u8(out, how / 2 % 5);
    put_u8(out, how & 1);
    put_u64(out, get_u8(r));
    q.kind = (enum rsm_kind)(1 + get_u8(r) % 9);
    if (q.kind == RSM_EXEC || q.kind == RSM_FOUND || q.kind == RSM_EVICT || q.kind == RSM_SESSION)
        q.argc = 1;
    static const uint32_t one[] = {1}, db[] = {0};
    q.counts = one;
    q.dbs = db;
    q.commands = q.kind == RSM_EXEC;
    q.numbering = (enum rsm_numbering)(get_u8(r) % 3);
    q.client_id = SLICE_LITERAL("00000000000000020000000000000004");
    q.request_id = get_u8(r);
    q.lowest = get_u8(r);
    q.may_open = how & 64;
    if (q.kind == RSM_SETTING)
        q.argc = q.argc < 2 ? 1 : q.argc & ~1u;
    if (q.kind != RSM_SETTING || q.argc % 2 == 0)
        rsm_encode(out, &q, 0, 0);
}

static void receive(struct world *w)
{
    struct reader *r = &w->r;
    uint8_t what = get_u8(r), type = get_u8(r);
    uint64_t peer = 2 + get_u8(r) % 4;
    struct buf frame = BUF_EMPTY;
    type = what < 140 ? FRAME_RAFT : what < 150 ? FRAME_SNAPSHOT : what < 170 ? FRAME_FORWARD : type % 14;
    put_u8(&frame, type);
    put_u8(&frame, what & 1 ? get_u8(r) : 0);
    put_u64(&frame, 1700000000000000u + get_u16(r) * 1000u);
    if (what < 140) {
        put_raft(&frame, w, peer);
    } else if (what < 150) {
        put_snapshot(&frame, w);
    } else if (what < 170) {
        put_forward(&frame, w);
    } else {
        struct piece p = piece_take(r, get_u8(r));
        buf_append(&frame, p.data, p.len);
        free(p.data);
    }
    struct blob *blob = blob_new(frame.data, frame.len);
    buf_deinit(&frame);
    node_on_frame(w->node, peer, NODE_CONTROL, slice_of(blob->data, blob->len), blob);
    blob_unref(blob);
}

/* ---- what clients ask ---- */

static void ask(struct world *w)
{
    uint8_t what = get_u8(&w->r), how = get_u8(&w->r);
    struct buf error = BUF_EMPTY;
    struct slice argv[3] = {SLICE_LITERAL("set"), SLICE_LITERAL("k"), SLICE_LITERAL("v")};
    struct rsm_request q = {
        .kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 3, .client_id = SLICE_LITERAL("c")};
    uint64_t ms, ticket = w->tickets += 2 - (w->tickets & 1);
    struct node_asker who = {.stream = how >> 2 & 3, .behind = how & 2};
    switch (what % 9) {
    case 0:
        node_write(w->node, &q, ticket, &error);
        break;
    case 1:
        node_read(w->node, 0, how & 1, ticket, &ms);
        break;
    case 2:
        w->tickets = ++ticket; /* odd: its answer is the peer's word */
        argv[0] = how & 1 ? SLICE_LITERAL("get") : SLICE_LITERAL("set");
        q.argc = how & 1 ? 2 : 3;
        who.ticket = ticket;
        node_forward(w->node, &q, how & 1, &who, &error);
        break;
    case 3:
        w->tickets = ++ticket;
        who.ticket = ticket;
        node_forward_watch(w->node, 0, argv[1], &who);
        break;
    case 4:
        node_checkpoint(w->node, how & 1, ticket, &error);
        break;
    case 5:
        w->tickets = ++ticket;
        if (how & 1)
            node_forget(w->node, how / 2 % 8, ticket, &error);
        else
            node_transfer(w->node, how / 2 % 8, ticket, &error);
        break;
    case 6:
        node_read_due(w->node, 1700000000000u + how, ticket);
        break;
    case 7:
        if (how & 1)
            node_reset(w->node, ticket, &error);
        else
            node_meet(w->node, "other", 7000, 7009, ticket, &error);
        break;
    default: {
        struct node_status s;
        node_status(w->node, &s);
        fuzz_check(s.applied <= s.commit || !s.commit);
    }
    }
    buf_deinit(&error);
}

static void say_hello(struct world *w)
{
    uint8_t how = get_u8(&w->r);
    struct node_hello h = {.node_id = 2 + how % 4,
                           .cluster_id = how & 4   ? CLUSTER
                                         : how & 8 ? 8
                                                   : 0,
                           .boot_nonce = get_u8(&w->r),
                           .term = near(&w->r, 1),
                           .has_entries = how & 16,
                           .removed = how & 32 && how & 64,
                           .invites = how & 128 && how & 64,
                           .name = "n2",
                           .host = "h",
                           .peer_port = 7002};
    if (how & 1)
        node_on_hello(w->node, w->handles ? 1 + how % w->handles : 0, &h);
    else
        (void)node_admit(w->node, &h);
}

static void act(struct world *w)
{
    uint8_t what = get_u8(&w->r), how = get_u8(&w->r);
    node_time(w->node, w->now_us, 1700000000000000u + w->now_us);
    switch (what % 16) {
    default:
        receive(w);
        break;
    case 8:
    case 9:
        disk_finish(&w->disk, w->node, 1 + how % 8);
        break;
    case 10:
        w->now_us += how * 1000u;
        break;
    case 11:
        w->now_us += how * 10000u;
        break;
    case 12:
        node_on_link(w->node, 2 + how / 4 % 4, how & 1, how & 2);
        break;
    case 13:
        node_on_beat(w->node, 2 + how % 4, near(&w->r, 1));
        break;
    case 14:
        say_hello(w);
        break;
    case 15:
        ask(w);
        break;
    }
    node_time(w->node, w->now_us, 1700000000000000u + w->now_us);
    node_turn(w->node);
}

static void run(struct world *w)
{
    start(w);
    for (int i = 0; i < ACTIONS_MAX && fuzz_more(&w->r); i++)
        act(w);
    for (int i = 0; i < 50; i++) { /* the disk catches up */
        disk_finish(&w->disk, w->node, 1000);
        node_turn(w->node);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct world w; /* outlives the jump */
    memset(&w, 0, sizeof w);
    w.r = fuzz_reader(data, len);
    w.now_us = 1000000;
    disk_init(&w.disk);
    if (setjmp(end) == 0)
        run(&w);
    if (w.node)
        node_free(w.node);
    disk_deinit(&w.disk);
    return 0;
}
