/* DEBUG RELOAD: this node's state goes through the bytes of a snapshot and back, as on its way to another node or through a
 * restart. That is done right behind a checkpoint, where every node has raised the versions of its keys: those that
 * single keys had are not in a snapshot. */
#include "node/node_int.h"

#include "base/alloc.h"
#include "base/log.h"

struct reload_wait {
    struct list link;
    uint64_t ticket;
};

static void answer_all(struct node *n, const char *error)
{
    if (list_empty(&n->reload_waits))
        return;
    struct buf reply = BUF_EMPTY;
    if (error)
        buf_printf(&reply, "-ERR %s\r\n", error);
    else
        buf_append_cstr(&reply, "+OK\r\n");
    struct node_answer answer = {.outcome = error ? NODE_REFUSED : NODE_DONE, .reply = buf_slice(&reply)};
    list_for_each_safe(it, tmp, &n->reload_waits)
    {
        struct reload_wait *w = list_entry(it, struct reload_wait, link);
        uint64_t ticket = w->ticket;
        list_remove(&w->link);
        mem_free(w);
        n->clients.answer(n->clients.arg, ticket, &answer);
    }
    buf_deinit(&reply);
}

enum node_outcome node_reload(struct node *n, uint64_t ticket, struct buf *error)
{
    enum node_outcome outcome = node_checkpoint(n, false, ticket, error);
    if (outcome != NODE_DONE)
        return outcome;
    struct reload_wait *w = mem_calloc(1, sizeof *w);
    w->ticket = ticket;
    list_push_back(&n->reload_waits, &w->link);
    return NODE_PENDING;
}

static bool append(void *arg, const void *data, size_t len)
{
    buf_append(arg, data, len);
    return true;
}

/* NULL: `bytes` was not written, or does not load. */
static struct rsm *through(struct node *n, struct buf *bytes)
{
    struct rsm_loader *loader = rsm_loader_new();
    struct rsm_snapshot_meta meta;
    struct buf keep = BUF_EMPTY;
    struct rsm *fresh = NULL;
    if (snapshot_emit(n, append, bytes) && rsm_loader_feed(loader, buf_slice(bytes))) {
        fresh = rsm_loader_finish(loader, &meta, &keep);
    } else {
        node_say(n, LOG_WARNING, "DEBUG RELOAD: %s", rsm_loader_error(loader));
        rsm_loader_free(loader);
    }
    buf_deinit(&keep);
    return fresh;
}

/* What is wrong, NULL: nothing. A state that is not the same is not taken. */
static const char *reload(struct node *n)
{
    struct buf bytes = BUF_EMPTY;
    struct rsm *fresh = through(n, &bytes);
    buf_deinit(&bytes);
    if (!fresh)
        return "the snapshot does not load, the log tells why";
    if (rsm_digest(fresh) != rsm_digest(n->rsm)) {
        rsm_free(fresh);
        return "the snapshot loads as another state than was written";
    }
    snapshot_take_state(n, fresh);
    return NULL;
}

void reload_checkpoint_applied(struct node *n)
{
    if (list_empty(&n->reload_waits))
        return;
    answer_all(n, reload(n));
}

void reload_refused(struct node *n)
{
    answer_all(n, "no leader has logged the checkpoint at which to reload");
}

void reload_deinit(struct node *n)
{
    list_for_each_safe(it, tmp, &n->reload_waits)
    {
        list_remove(it);
        mem_free(list_entry(it, struct reload_wait, link));
    }
}
