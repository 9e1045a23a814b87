/* What a client asks next. */
#include "work_int.h"

#include <stdio.h>

static struct place *place_of(struct work *k, const struct client *c)
{
    return &k->places[c->ask.place];
}

static void take_place(struct work *k, struct client *c, uint32_t place)
{
    c->ask.place = place;
    memcpy(c->ask.key, k->places[place].name, sizeof(c->ask.key));
}

/* The slot's present key, or a fresh one when that has been used enough. */
static void take_slot(struct work *k, struct client *c, char letter, uint32_t *slots, uint32_t slot)
{
    struct place *p = &k->places[slots[slot]];
    size_t most = k->config.big_bytes > KEY_BYTES ? 8 * k->config.big_bytes : KEY_BYTES;
    bool used_up = p->tokens ? tokens_end(p->tokens) > most
                             : p->operations >= REGISTER_OPERATIONS || p->unknown >= REGISTER_UNKNOWN;
    if (used_up)
        slots[slot] = work_place_new(k, letter, slot);
    take_place(k, c, slots[slot]);
}

static void choose_read(struct work *k, struct client *c)
{
    c->phase = READING;
    c->ask.op = OP_GET;
    if (c->kind == PAIRED) {
        take_place(k, c, k->pair_place);
        c->ask.pair = true;
    } else {
        take_place(k, c, k->token_place[prng_below(&k->chance, k->config.keys)]);
    }
    c->must_see = tokens_end(place_of(k, c)->tokens);
}

static void choose_append(struct work *k, struct client *c)
{
    struct tokens *tokens = NULL;
    c->ask.op = OP_APPEND;
    if (c->kind == PAIRED) {
        if (tokens_end(k->places[k->pair_place].tokens) > KEY_BYTES) {
            k->pair_place = work_place_new(k, 'm', 0);
            work_place_new(k, 'm', 1);
        }
        take_place(k, c, k->pair_place);
        c->ask.pair = true;
    } else {
        take_slot(k, c, 'k', k->token_place, (uint32_t)prng_below(&k->chance, k->config.keys));
    }
    int len = snprintf(c->ask.value, sizeof(c->ask.value), "<%u.%llu>", client_number(k, c),
                       (unsigned long long)c->number);
    c->ask.big = !c->ask.pair && k->config.big_bytes && c->number % 16 == 3;
    struct buf text = BUF_EMPTY;
    buf_append(&text, c->ask.value, (size_t)len - 1);
    while (c->ask.big && text.len < k->config.big_bytes)
        put_u8(&text, '-');
    put_u8(&text, '>');
    tokens = place_of(k, c)->tokens;
    c->ask.token = tokens_add(tokens, client_number(k, c), buf_slice(&text)) + 1;
    if (c->ask.pair)
        tokens_add(k->places[c->ask.place + 1].tokens, client_number(k, c), buf_slice(&text));
    buf_deinit(&text);
}

uint32_t work_counter_of(const struct work *k, const struct client *c)
{
    return client_number(k, c) / 12 % COUNTERS; /* of a dozen clients two count (work.c), and are to meet */
}

static void choose_counter(struct work *k, struct client *c)
{
    c->phase = WATCHING;
    c->ask.op = OP_CAS;
    snprintf(c->ask.key, sizeof(c->ask.key), "n%u", work_counter_of(k, c));
}

static void choose_expiring(struct work *k, struct client *c)
{
    snprintf(c->ask.key, sizeof(c->ask.key), "t%u", client_number(k, c));
    if (c->set_number && prng_below(&k->chance, 4)) {
        c->phase = READING;
        c->ask.op = OP_GET;
        return;
    }
    c->number++;
    c->ask.op = OP_SET;
    snprintf(c->ask.value, sizeof(c->ask.value), "%llu", (unsigned long long)c->number);
    c->ask.number = (int64_t)(20 + prng_below(&k->chance, 800));
    c->ttl_ms = (uint64_t)c->ask.number;
    c->set_asked_us = world_now_us(k->world);
}

/* ---- registers -------------------------------------------------------------------------------------------- */

/* Some values are numbers, so that INCR finds one. */
static void fresh_value(struct work *k, struct client *c, char *space, size_t size)
{
    bool number = prng_below(&k->chance, 2);
    unsigned long long name = ++k->names;
    snprintf(space, size, number ? "%u%06llu" : "v%u.%llu", client_number(k, c) + 1, name);
}

static const uint8_t chances[OP_KINDS] = {
    [OP_GET] = 34, [OP_SET] = 13,   [OP_SETNX] = 8,    [OP_GETSET] = 7,  [OP_APPEND] = 10, [OP_INCR] = 10,
    [OP_DEL] = 6,  [OP_EXPIRE] = 3, [OP_EXPIREAT] = 2, [OP_PERSIST] = 2, [OP_CAS] = 5,
};

static enum op_kind draw_kind(struct work *k)
{
    uint64_t drawn = prng_below(&k->chance, 100);
    int kind = 0;
    while (drawn >= chances[kind])
        drawn -= chances[kind++];
    return (enum op_kind)kind;
}

static void choose_register(struct work *k, struct client *c)
{
    take_slot(k, c, 'r', k->register_place, (uint32_t)prng_below(&k->chance, k->config.registers));
    place_of(k, c)->operations++;
    c->ask.op = draw_kind(k);
    switch (c->ask.op) {
    case OP_GET:
        c->phase = READING;
        return;
    case OP_CAS:
        c->phase = WATCHING;
        fresh_value(k, c, c->ask.next, sizeof(c->ask.next));
        break;
    case OP_INCR:
        c->ask.number = 1 + (int64_t)prng_below(&k->chance, 3);
        break;
    case OP_EXPIRE:
        c->ask.number = (int64_t)prng_below(&k->chance, 400) - 10;
        break;
    case OP_EXPIREAT:
        c->ask.number = (int64_t)(world_wall_us(k->world) / 1000 + prng_below(&k->chance, 400));
        break;
    case OP_SET:
    case OP_SETNX:
        if (prng_below(&k->chance, 4) == 0)
            c->ask.number = (int64_t)(20 + prng_below(&k->chance, 400));
        fresh_value(k, c, c->ask.value, sizeof(c->ask.value));
        break;
    default:
        fresh_value(k, c, c->ask.value, sizeof(c->ask.value));
        break;
    }
    c->number++;
    if (c->phase == WRITING)
        work_record(k, c, slice_of(NULL, 0));
}

static void choose_lock(struct work *k, struct client *c)
{
    if (c->owner[0]) { /* one in eight leaves it to time */
        bool leave = prng_below(&k->chance, 8) == 0;
        take_place(k, c, c->lock_place);
        memcpy(c->ask.value, c->owner, sizeof(c->owner));
        c->owner[0] = 0;
        if (!leave) {
            c->ask.op = OP_UNLOCK;
            c->phase = WATCHING;
            c->number++;
            return;
        }
    }
    take_slot(k, c, 'l', k->lock_place, (uint32_t)prng_below(&k->chance, LOCKS));
    place_of(k, c)->operations++;
    c->ask.op = OP_LOCK;
    c->ask.number = (int64_t)(30 + prng_below(&k->chance, 600));
    c->number++;
    snprintf(c->ask.value, sizeof(c->ask.value), "o%u.%llu", client_number(k, c),
             (unsigned long long)c->number);
    work_record(k, c, slice_of(NULL, 0));
}

static void choose_reader(struct work *k, struct client *c)
{
    if (prng_below(&k->chance, 2)) {
        choose_read(k, c);
        return;
    }
    c->phase = READING;
    take_place(k, c, k->register_place[prng_below(&k->chance, k->config.registers)]);
}

void work_choose(struct work *k, struct client *c)
{
    c->ask = (struct ask){.op = OP_GET};
    if (c->kind == READER) {
        choose_reader(k, c);
        return;
    }
    if (c->kind == PUSHER || c->kind == TAKER) {
        c->phase = WRITING;
        c->number++;
        work_wait_choose(k, c);
        return;
    }
    if (c->kind != LOCKER && prng_below(&k->chance, c->kind == REGISTER ? 8 : 3) == 0) {
        choose_read(k, c);
        return;
    }
    c->phase = WRITING;
    switch (c->kind) {
    case APPENDER:
    case PAIRED:
        c->number++;
        choose_append(k, c);
        break;
    case COUNTER:
        c->number++;
        choose_counter(k, c);
        break;
    case EXPIRING:
        choose_expiring(k, c);
        break;
    case REGISTER:
        choose_register(k, c);
        break;
    case LOCKER:
        choose_lock(k, c);
        break;
    case READER:
    case PUSHER:
    case TAKER:
    case PIPELINE: /* several at once: work_pipe.c */
        break;
    }
}

/* ---- the history ------------------------------------------------------------------------------------------ */

void work_record(struct work *k, struct client *c, struct slice old)
{
    const struct ask *a = &c->ask;
    struct op_text t = {.client = client_number(k, c),
                        .key = slice_cstr(a->key),
                        .arg = a->op == OP_CAS ? old
                               : a->value[0]   ? slice_cstr(a->value)
                                               : slice_of(NULL, 0),
                        .number = a->number,
                        .kind = a->op,
                        .outcome = OUTCOME_UNKNOWN,
                        .invoked_us = world_now_us(k->world)};
    if (a->op == OP_EXPIREAT) /* on the clock of the history */
        t.number = a->number * 1000 - (int64_t)(world_wall_us(k->world) - world_now_us(k->world));
    if (a->op == OP_CAS)
        t.next = slice_cstr(a->next);
    c->ask.record = history_add(k->history, &t) + 1;
    k->counts.linearized++;
}
