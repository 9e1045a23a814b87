/* Which keys are used, as this process sees it: what eviction goes by, and what OBJECT IDLETIME and FREQ tell. No part of the
 * state: no two nodes see the same reads. So it stands aside of the keys, in a table of slots by hash, there only under a policy that
 * asks for it. Keys that share a slot are taken for used when one of them is; with a million slots that spoils few choices.
 *
 * A slot, by time: the second of the last use. By frequency: minute of the last decay << 8 | Morris's counter, which starts at 5,
 * gains one with probability 1 / (10 (n - 5) + 1) and loses one a minute: Redis's figures. 0: not seen yet. */
#include "store/store_int.h"

enum { SLOTS = 1 << 20, COUNTER_START = 5, COUNTER_MAX = 255, LOG_FACTOR = 10 };

static uint32_t *slot_of(const struct usage *u, uint64_t hash)
{
    return &u->slots[(hash ^ hash >> 32) % SLOTS];
}

void store_track_usage(struct store *s, enum store_usage kind)
{
    struct usage *u = &s->usage;
    if (u->kind == kind)
        return;
    mem_free(u->slots);
    *u = (struct usage){.kind = kind, .chance = 88172645463325252};
    if (kind != STORE_USAGE_NONE)
        u->slots = mem_calloc(SLOTS, sizeof *u->slots);
}

static uint32_t minutes(uint64_t now_ms)
{
    return (uint32_t)(now_ms / 60000) & 0xffffff;
}

static unsigned decayed(uint32_t slot, uint64_t now_ms)
{
    if (slot == 0)
        return COUNTER_START;
    uint32_t passed = (minutes(now_ms) - (slot >> 8)) & 0xffffff;
    unsigned counter = slot & 255;
    return passed > counter ? 0 : counter - passed;
}

/* xorshift: what is drawn here decides nothing that another node would have to decide alike. */
static bool gains(struct usage *u, unsigned counter)
{
    unsigned beyond = counter > COUNTER_START ? counter - COUNTER_START : 0;
    u->chance ^= u->chance << 13;
    u->chance ^= u->chance >> 7;
    u->chance ^= u->chance << 17;
    return u->chance % (beyond * LOG_FACTOR + 1) == 0;
}

void usage_touch(struct usage *u, uint64_t hash, uint64_t now_ms)
{
    uint32_t *slot = slot_of(u, hash);
    if (u->kind == STORE_USAGE_TIME) {
        if (u->since_s == 0)
            u->since_s = (uint32_t)(now_ms / 1000);
        *slot = (uint32_t)(now_ms / 1000);
        return;
    }
    unsigned counter = decayed(*slot, now_ms);
    if (counter < COUNTER_MAX && gains(u, counter))
        counter++;
    *slot = minutes(now_ms) << 8 | counter;
}

uint64_t usage_idle_s(const struct usage *u, uint64_t hash, uint64_t now_ms)
{
    uint32_t seen_s = *slot_of(u, hash), now_s = (uint32_t)(now_ms / 1000);
    if (seen_s == 0)
        seen_s = u->since_s;
    return now_s > seen_s ? now_s - seen_s : 0;
}

unsigned usage_frequency(const struct usage *u, uint64_t hash, uint64_t now_ms)
{
    return decayed(*slot_of(u, hash), now_ms);
}

enum store_usage store_usage_kind(const struct store *s)
{
    return s->usage.kind;
}

uint64_t store_idle_s(const struct store_view *v, struct slice key)
{
    assert(v->store->usage.kind == STORE_USAGE_TIME);
    return usage_idle_s(&v->store->usage, key_hash(&v->store->seed, key), v->now_ms);
}

unsigned store_frequency(const struct store_view *v, struct slice key)
{
    assert(v->store->usage.kind == STORE_USAGE_FREQUENCY);
    return usage_frequency(&v->store->usage, key_hash(&v->store->seed, key), v->now_ms);
}

void store_set_usage(struct store_view *v, struct slice key, uint64_t value)
{
    struct usage *u = &v->store->usage;
    if (u->kind == STORE_USAGE_NONE)
        return;
    uint32_t *slot = slot_of(u, key_hash(&v->store->seed, key));
    uint64_t now_s = v->now_ms / 1000;
    if (u->kind == STORE_USAGE_TIME)
        *slot = value < now_s ? (uint32_t)(now_s - value) : 1;
    else
        *slot = minutes(v->now_ms) << 8 | (uint32_t)(value & 255);
}
