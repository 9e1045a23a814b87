/* What entries do, as Redis would write it to its replicas (rsm_listener.written): each command by command_propagate, keys that go
 * because of their time, or for want of memory, as DEL. What changes and is written nowhere is told as such. */
#include "rsm/rsm_int.h"

static void tell(const struct rsm *r, enum rsm_writing what, uint32_t db, const struct slice *argv,
                 size_t argc)
{
    r->listener.written(r->listener.arg, what, db, argv, argc);
}

void rsm_unit_begins(struct rsm *r)
{
    r->in_unit = true;
}

void rsm_unit_ends(struct rsm *r)
{
    r->in_unit = false;
    tell(r, RSM_WRITES_END, 0, NULL, 0);
}

static void write_del(struct rsm *r, uint32_t db, struct slice key)
{
    const struct slice argv[] = {SLICE_LITERAL("DEL"), key};
    tell(r, RSM_WRITES, db, argv, 2);
    if (!r->in_unit)
        tell(r, RSM_WRITES_END, 0, NULL, 0);
}

/* In the middle of a change. */
void rsm_written_heard(struct rsm *r, enum store_event_class class, const char *event, uint32_t db,
                       struct slice key)
{
    if (class == EVENT_CHANGED && event)
        write_del(r, db, key);
    else if (class == EVENT_CHANGED || class == EVENT_FLUSHED || class == EVENT_BESIDE)
        r->changed = true;
}

void rsm_written_evicted(struct rsm *r, uint32_t db, struct slice key)
{
    r->changed = false;
    write_del(r, db, key);
}

static void write(void *arg, bool beside, uint32_t db, const struct slice *argv, size_t argc)
{
    tell(arg, beside ? RSM_WRITES_BESIDE : RSM_WRITES, db, argv, argc);
}

void rsm_written_command(struct rsm *r, const struct command *row, const struct command_context *c,
                         size_t reply_at)
{
    struct propagation to = {r, write};
    if (!r->changed || !c->view.writing)
        return;
    r->changed = false;
    if (!command_propagate(row, c, slice_drop(buf_slice(c->out), reply_at), &to))
        tell(r, RSM_WRITES_KEYS, 0, NULL, 0);
}

void rsm_written_entry(struct rsm *r)
{
    if (r->changed)
        tell(r, RSM_WRITES_KEYS, 0, NULL, 0);
    r->changed = false;
}
