/* One command that waits as the bytes of a snapshot's AUX field:
 *
 *     v arrived, v claim, v asker, v until_ms, v session, [v number, u64 hash,] v type, v needs key, v db, v resp,
 *     v first key, v keys, b user, v arguments, each b
 *
 * The fields stand in the order of arrival, so that loading them restores every key's order too. */
#include "rsm/blocked.h"

#include "base/alloc.h"

void blocked_save(const struct blocked *w, struct buf *out)
{
    put_varint(out, w->arrived);
    put_varint(out, w->claim);
    put_varint(out, w->asker);
    put_varint(out, w->until_ms);
    put_varint(out, w->session);
    if (w->session) {
        put_varint(out, w->number);
        put_u64(out, w->hash);
    }
    put_varint(out, w->type);
    put_varint(out, w->needs_key);
    put_varint(out, w->db);
    put_varint(out, (uint64_t)w->resp);
    put_varint(out, w->first_key);
    put_varint(out, w->key_count);
    put_bytes(out, w->user);
    put_varint(out, w->argc);
    for (size_t i = 0; i < w->argc; i++)
        put_bytes(out, w->argv[i]);
}

static bool is_sound(const struct blocked_table *t, const struct blocked *w, uint64_t type, uint64_t resp,
                     uint64_t db)
{
    const struct blocked *last =
        list_empty(&t->in_order) ? NULL : list_entry(t->in_order.prev, struct blocked, in_order);
    return w->arrived && w->claim >= w->arrived && (!last || w->arrived > last->arrived) && w->asker &&
           w->until_ms <= INT64_MAX && type < STORE_TYPES && type != STORE_STRING &&
           (resp == 2 || resp == 3) && db <= UINT32_MAX && !blocked_by_claim(t, w->claim);
}

static bool read_arguments(struct blocked *w, struct slice *argv, size_t count, struct reader *r)
{
    for (size_t i = 0; i < count; i++)
        argv[i] = get_bytes(r);
    w->argv = argv;
    w->argc = count;
    if (r->failed || !count)
        return false;
    const struct command *row = command_find(argv, count);
    return row && row->run && row->flags & CMD_BLOCKING && command_arity_ok(row, count) &&
           reader_left(r) == 0 && w->key_count && w->first_key && w->first_key < count &&
           w->key_count <= count - w->first_key;
}

bool blocked_load(struct blocked_table *t, struct slice bytes)
{
    struct reader r = reader_of(bytes);
    struct blocked w = {.arrived = get_varint(&r)};
    w.claim = get_varint(&r);
    w.asker = get_varint(&r);
    w.until_ms = get_varint(&r);
    w.session = get_varint(&r);
    if (w.session) {
        w.number = get_varint(&r);
        w.hash = get_u64(&r);
    }
    uint64_t type = get_varint(&r), needs_key = get_varint(&r), db = get_varint(&r), resp = get_varint(&r);
    w.first_key = get_varint(&r);
    w.key_count = get_varint(&r);
    w.user = get_bytes(&r);
    uint64_t argc = get_varint(&r);
    if (r.failed || needs_key > 1 || argc > reader_left(&r) || !is_sound(t, &w, type, resp, db) ||
        (w.session && blocked_by_number(t, w.session, w.number)))
        return false;
    w.type = (enum store_type)type;
    w.needs_key = needs_key;
    w.db = (uint32_t)db;
    w.resp = (int)resp;
    struct slice *argv = mem_alloc((size_t)argc * sizeof *argv + 1);
    bool ok = read_arguments(&w, argv, (size_t)argc, &r) && blocked_add(t, &w);
    mem_free(argv);
    return ok;
}
