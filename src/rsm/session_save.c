/* One session as the bytes of a snapshot's AUX field:
 *
 *     v name, v proxy (0 or 1), b user, b id, v low, v top, v used_ms,
 *     v count, count x (v number, u64 hash, v 0: done | v 1, b reply)
 *
 * The fields stand in the order of last use, so that loading them restores that order too. */
#include "rsm/rsm_int.h"

void rsm_session_save(const struct rsm_session *s, struct buf *out)
{
    put_varint(out, s->name);
    put_varint(out, s->proxy);
    put_bytes(out, rsm_session_user(s));
    put_bytes(out, rsm_session_id(s));
    put_varint(out, s->low);
    put_varint(out, s->top);
    put_varint(out, s->used_ms);
    put_varint(out, s->count);
    for (size_t i = 0; i < s->count; i++) {
        const struct rsm_slot *slot = &s->slots[s->first + i];
        put_varint(out, slot->number);
        put_u64(out, slot->hash);
        put_varint(out, slot->len != REPLY_DONE);
        if (slot->len != REPLY_DONE)
            put_bytes(out, rsm_slot_reply(slot));
    }
}

static bool load_slots(struct rsm_sessions *t, struct rsm_session *s, struct reader *r)
{
    uint64_t count = get_varint(r), last = 0;
    for (uint64_t i = 0; i < count && !r->failed; i++) {
        uint64_t number = get_varint(r), hash = get_u64(r), kept = get_varint(r);
        struct slice reply = kept ? get_bytes(r) : slice_of(NULL, 0);
        if (r->failed || kept > 1 || reply.len > REPLY_MAX || number < s->low || number > s->top ||
            (i && number <= last))
            return false;
        rsm_window_add(t, s, number, hash, reply, !kept);
        last = number;
    }
    return !r->failed && reader_left(r) == 0;
}

bool rsm_session_load(struct rsm_sessions *t, struct slice bytes)
{
    struct reader r = reader_of(bytes);
    uint64_t name = get_varint(&r), proxy = get_varint(&r);
    struct slice user = get_bytes(&r), id = get_bytes(&r);
    uint64_t low = get_varint(&r), top = get_varint(&r), used_ms = get_varint(&r);
    if (r.failed || proxy > 1 || rsm_session_by_name(t, name) || rsm_session_by_key(t, proxy, user, id))
        return false;
    struct rsm_session *s = rsm_session_open(t, name, proxy, user, id, low, used_ms);
    s->top = top;
    rsm_session_sum(t, s);
    return load_slots(t, s, &r);
}
