/* What a session remembers: the numbers that ran, each with the hash of what was asked and the reply. Rising
 * order in one array: new numbers come at the end, old ones leave at the front, and only a number that fills
 * a gap moves others. */
#include "rsm/rsm_int.h"

#include "base/alloc.h"

#include <assert.h>

static const char done_reply[] = "-DONE The request ran, but its reply was too large to be remembered\r\n";

struct slice rsm_slot_reply(const struct rsm_slot *slot)
{
    if (slot->len == REPLY_DONE)
        return slice_of(done_reply, sizeof done_reply - 1);
    return slice_of(slot->len <= REPLY_SMALL ? slot->reply.small : slot->reply.big, slot->len);
}

static void slot_free(struct rsm_slot *slot)
{
    if (slot->len > REPLY_SMALL && slot->len != REPLY_DONE)
        mem_free(slot->reply.big);
}

void rsm_window_free(struct rsm_session *s)
{
    for (size_t i = 0; i < s->count; i++)
        slot_free(&s->slots[s->first + i]);
    mem_free(s->slots);
}

void rsm_session_sum(struct rsm_sessions *t, struct rsm_session *s)
{
    uint64_t h = rsm_mix(s->identity, s->low);
    h = rsm_mix(h, s->top);
    h = rsm_mix(h, s->used_ms);
    h = rsm_mix(h, s->slot_digest);
    t->digest += h - s->digest;
    s->digest = h;
}

/* How many of the session's slots have a number below this one. */
static size_t slots_below(const struct rsm_session *s, uint64_t number)
{
    size_t low = 0, high = s->count;
    if (high == 0)
        return 0;
    const struct rsm_slot *slots = s->slots + s->first;
    if (slots[high - 1].number < number)
        return high;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (slots[mid].number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct rsm_slot *rsm_window_find(struct rsm_session *s, uint64_t number)
{
    size_t i = slots_below(s, number);
    if (i == s->count)
        return NULL;
    struct rsm_slot *slot = s->slots + s->first + i;
    return slot->number == number ? slot : NULL;
}

static void make_room(struct rsm_session *s)
{
    if (s->first + s->count < s->cap)
        return;
    if (s->first > s->count / 4) {
        memmove(s->slots, s->slots + s->first, s->count * sizeof *s->slots);
        s->first = 0;
        return;
    }
    s->cap += s->cap / 2 + 4;
    s->slots = mem_realloc(s->slots, s->cap * sizeof *s->slots);
}

void rsm_window_add(struct rsm_sessions *t, struct rsm_session *s, uint64_t number, uint64_t hash,
                    struct slice reply, bool done)
{
    size_t i = slots_below(s, number);
    assert(number >= s->low && (i == s->count || s->slots[s->first + i].number != number));
    make_room(s);
    struct rsm_slot *slot = s->slots + s->first + i;
    memmove(slot + 1, slot, (s->count - i) * sizeof *slot);
    s->count++;
    *slot = (struct rsm_slot){.number = number, .hash = hash};
    slot->len = done ? REPLY_DONE : (uint32_t)reply.len;
    if (!done && reply.len) {
        char *to = reply.len <= REPLY_SMALL ? slot->reply.small : (slot->reply.big = mem_alloc(reply.len));
        memcpy(to, reply.data, reply.len);
    }
    struct slice kept = rsm_slot_reply(slot);
    slot->digest = rsm_mix(rsm_mix(number, hash), siphash(&t->seed, kept.data, kept.len));
    s->slot_digest += slot->digest;
    if (number > s->top)
        s->top = number;
    rsm_session_sum(t, s);
}

void rsm_window_trim(struct rsm_sessions *t, struct rsm_session *s, uint64_t low)
{
    if (low <= s->low)
        return;
    s->low = low;
    while (s->count && s->slots[s->first].number < low) {
        s->slot_digest -= s->slots[s->first].digest;
        slot_free(&s->slots[s->first]);
        s->first++;
        s->count--;
    }
    rsm_session_sum(t, s);
}
