/* The ring of slots: requests of one connection that are not answered yet, in their order. Slots keep their buffers,
 * so a connection that has found its depth allocates nothing more. */
#include <assert.h>

#include "base/alloc.h"
#include "server/caches.h"
#include "server/slots.h"
#include "server/users.h"

enum { RING_FIRST = 16, SLOT_BYTES_KEPT = 1024, RING_KEPT = 256 };

#define SLOT_MASK ((1u << TICKET_SLOT_BITS) - 1)

struct slot *slot_at(struct client *c, uint32_t seq)
{
    assert(seq - c->head < c->tail - c->head);
    return &c->ring[seq & (c->ring_cap - 1)];
}

static void ring_grow(struct client *c)
{
    uint32_t cap = c->ring_cap ? c->ring_cap * 2 : RING_FIRST;
    struct slot *ring = mem_calloc(cap, sizeof *ring);
    for (uint32_t i = 0; i < c->ring_cap; i++) {
        uint32_t seq = c->head + i;
        ring[seq & (cap - 1)] = c->ring[seq & (c->ring_cap - 1)];
    }
    mem_free(c->ring);
    c->ring = ring;
    c->ring_cap = cap;
}

struct slot *slot_push(struct client *c, enum slot_state state, enum slot_kind kind)
{
    if (c->tail - c->head == c->ring_cap)
        ring_grow(c);
    struct slot *slot = &c->ring[c->tail++ & (c->ring_cap - 1)];
    slot->state = (uint8_t)state;
    slot->kind = (uint8_t)kind;
    slot->released = slot->write = slot->open = slot->publishes = false;
    slot->quiet = c->reply_off || c->reply_skip;
    slot->tracked = slot->drop_copies = slot->guess = false;
    slot->row = NULL;
    slot->group = 0;
    slot->key_slot = 0;
    slot->db = c->db;
    buf_truncate(&slot->bytes, 0);
    return slot;
}

static void give_back(struct slot *slot)
{
    if (slot->bytes.cap > SLOT_BYTES_KEPT)
        buf_deinit(&slot->bytes);
}

static void slot_pop_first(struct client *c)
{
    give_back(slot_at(c, c->head));
    c->head++;
}

void slot_pop_last(struct client *c)
{
    give_back(slot_at(c, c->tail - 1));
    c->tail--;
}

void ring_free(struct client *c)
{
    for (uint32_t i = 0; i < c->ring_cap; i++)
        buf_deinit(&c->ring[i].bytes);
    mem_free(c->ring);
    c->ring = NULL;
    c->ring_cap = 0;
}

uint64_t ticket_of(const struct client *c, uint32_t seq)
{
    return (uint64_t)c->place << (TICKET_SLOT_BITS + TICKET_GENERATION_BITS) |
           (uint64_t)c->generation << TICKET_SLOT_BITS | (seq & SLOT_MASK);
}

struct node_asker client_asks(const struct client *c, uint32_t seq)
{
    return (struct node_asker){
        .ticket = ticket_of(c, seq), .stream = ticket_of(c, 0), .behind = c->writes_open};
}

struct client *ticket_owner(struct server *s, uint64_t ticket)
{
    uint64_t place = ticket >> (TICKET_SLOT_BITS + TICKET_GENERATION_BITS);
    uint32_t generation = (uint32_t)(ticket >> TICKET_SLOT_BITS) & ((1u << TICKET_GENERATION_BITS) - 1);
    struct client *c = place < s->place_count ? s->clients[place] : NULL;
    return c && c->generation == generation && !c->doomed ? c : NULL;
}

bool ticket_names(uint64_t ticket, uint32_t seq)
{
    return (((uint32_t)ticket ^ seq) & SLOT_MASK) == 0;
}

struct client *ticket_client(struct server *s, uint64_t ticket, uint32_t *seq)
{
    struct client *c = ticket_owner(s, ticket);
    if (!c)
        return NULL;
    uint32_t ahead = ((uint32_t)ticket - c->head) & SLOT_MASK;
    if (ahead >= c->tail - c->head)
        return NULL;
    *seq = c->head + ahead;
    return c;
}

struct buf *reply_begin(struct client *c)
{
    if (!ring_empty(c))
        return &slot_push(c, SLOT_READY, KIND_COMMAND)->bytes;
    client_touch(c);
    return client_out(c);
}

void slot_pack(struct buf *out, const struct slice *argv, size_t argc)
{
    put_varint(out, argc);
    for (size_t i = 0; i < argc; i++)
        put_bytes(out, argv[i]);
}

size_t slot_unpack(struct server *s, struct slice packed)
{
    struct reader r = reader_of(packed);
    size_t argc = get_varint(&r);
    if (argc > s->argv_cap) {
        s->argv = mem_realloc(s->argv, argc * sizeof *s->argv);
        s->argv_cap = argc;
    }
    for (size_t i = 0; i < argc; i++)
        s->argv[i] = get_bytes(&r);
    assert(!r.failed);
    return argc;
}

void slot_close(struct client *c, struct slot *slot)
{
    if (slot->open) {
        uint32_t *open = slot->write ? &c->writes_open : &c->reads_open;
        assert(*open > 0);
        --*open;
        slot->open = false;
        c->guesses_open -= slot->guess;
        slot->guess = false;
    }
    /* Behind one that is exclusive nothing is parsed, so it is the last: of those before it, an EXEC is none. */
    if (slot->kind != KIND_COMMAND && slot == slot_at(c, c->tail - 1))
        c->exclusive = false;
}

/* ---- advancing ---- */

/* A read whose round was lost with the office, or a write that surely did not run: now it is their turn to be told where to
 * go. false: nobody knows yet. */
static bool route_again(struct client *c, struct slot *slot)
{
    struct server *s = c->server;
    bool serving = node_is_serving(s->node);
    if (!slot->write && (serving || c->mode == MODE_PROXY)) {
        uint64_t ticket = ticket_of(c, c->head);
        enum node_outcome outcome;
        slot->group = c->head;
        slot->released = false;
        if (serving) {
            slot->state = SLOT_READ;
            outcome = node_read(s->node, c->last_index, false, ticket, &slot->now_ms);
            slot->released = outcome == NODE_DONE;
        } else {
            size_t argc = slot_unpack(s, buf_slice(&slot->bytes));
            struct rsm_request req = {.kind = RSM_COMMAND,
                                      .client_id = client_tag(c),
                                      .user = client_user(c),
                                      .db = slot->db,
                                      .resp = c->resp,
                                      .argv = s->argv,
                                      .argc = argc};
            struct node_asker who = client_asks(c, c->head);
            buf_truncate(&s->error, 0);
            slot->state = SLOT_NODE;
            slot->drop_copies |= slot->tracked; /* it is the leader's now, and `bytes` has no keys */
            slot->tracked = false;
            outcome = slot->kind == KIND_WATCH ? NODE_NOT_LEADER
                                               : node_forward(s->node, &req, true, &who, &s->error);
        }
        if (outcome == NODE_PENDING || outcome == NODE_DONE)
            return true;
        slot->state = SLOT_ROUTE;
    }
    if (!route_knows_leader(s) && route_park(c))
        return false;
    if (!slot->write && slot->kind == KIND_COMMAND) {
        size_t argc = slot_unpack(s, buf_slice(&slot->bytes));
        slot->key_slot = route_key_slot(slot->row, s->argv, argc);
    }
    buf_truncate(&slot->bytes, 0);
    route_refuse(c, &slot->bytes, slot->key_slot, slot->write || slot->guess, slot->write && c->session);
    slot->state = SLOT_READY;
    slot_close(c, slot);
    return true;
}

/* true: the first slot has been dealt with, or changed its state. */
static bool advance_first(struct client *c)
{
    struct slot *slot = slot_at(c, c->head);
    switch ((enum slot_state)slot->state) {
    case SLOT_READY:
        if (!slot->quiet)
            buf_append_slice(client_out(c), buf_slice(&slot->bytes));
        if (slot->drop_copies)
            caches_drop_all(c);
        slot_pop_first(c);
        return true;
    case SLOT_READ: {
        size_t start = c->out.len;
        if (!slot->released)
            return false;
        if (run_read(c, slot, client_out(c))) {
            if (slot->quiet)
                buf_truncate(&c->out, start);
            slot_close(c, slot);
            slot_pop_first(c);
            return true;
        }
        return slot->state == SLOT_ROUTE || slot->state == SLOT_READY;
    }
    case SLOT_ROUTE: {
        enum slot_state before = slot->state;
        return route_again(c, slot) && slot->state != (uint8_t)before && slot->state != SLOT_NODE;
    }
    case SLOT_NODE:
        break;
    }
    return false;
}

void slot_first_answered(struct client *c)
{
    slot_pop_first(c);
}

static bool is_ready_read(const struct slot *slot)
{
    return slot->state == SLOT_READ && slot->released && slot->row && slot->row->first_key == 1;
}

/* Reads that were released together are about to run one after the other: their keys are fetched together. Returns the
 * slot up to which that is done. */
static uint32_t look_ahead(struct client *c)
{
    struct store_ahead keys[STORE_AHEAD_MAX];
    size_t count = 0;
    uint32_t seq = c->head;
    for (; seq != c->tail && count < STORE_AHEAD_MAX && is_ready_read(slot_at(c, seq)); seq++) {
        const struct slot *slot = slot_at(c, seq);
        struct reader r = reader_of(buf_slice(&slot->bytes));
        get_varint(&r);
        get_bytes(&r);
        keys[count++] = (struct store_ahead){slot->db, get_bytes(&r)};
    }
    if (count > 1)
        node_look_ahead(c->server->node, keys, count);
    return seq;
}

void client_advance(struct client *c)
{
    uint32_t seen = c->head;
    while (!c->doomed && !ring_empty(c)) {
        if ((int32_t)(c->head - seen) >= 0)
            seen = look_ahead(c);
        if (!advance_first(c))
            break;
        if (client_unsent(c) > STRANGER_OUTPUT)
            client_enforce_limit(c);
    }
    client_touch(c);
}
