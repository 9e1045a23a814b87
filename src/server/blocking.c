/* Clients whose command waits for a key (BLPOP and its kin): the wait itself is part of the replicated state, here is who
 * waits. What such a client sends meanwhile lies unread in its input until it has its reply; it is read all the same, or
 * nobody would notice that it has gone. */
#include "base/number.h"
#include "server/slots.h"

static const char unblocked[] =
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";

static void nobody_waits(struct server *s, uint64_t claim)
{
    buf_truncate(&s->error, 0);
    enum node_outcome outcome = node_unblock(s->node, claim, RSM_UNBLOCK_GONE, NODE_NOBODY, &s->error);
    (void)outcome; /* where it cannot be said, a new term says it */
}

void blocking_waits(struct server *s, uint64_t ticket, uint64_t claim)
{
    uint32_t seq;
    struct client *c = ticket_client(s, ticket, &seq);
    if (!c) {
        nobody_waits(s, claim);
        return;
    }
    c->claim = claim;
    client_touch(c); /* its socket is to be watched again */
}

void blocking_gone(struct client *c)
{
    if (c->claim && c->server->node)
        nobody_waits(c->server, c->claim);
    c->claim = 0;
}

/* As in Redis: a client of a cluster is sent to the new leader, any other is told; and both are to look for it. */
void blocking_cleared(struct client *c, const struct slot *slot, struct buf *out)
{
    struct server *s = c->server;
    if (route_knows_leader(s) && s->leader != s->self) {
        route_refuse(c, out, slot->key_slot, true, c->session != 0);
    } else {
        poison(c);
        reply_error(c, out, unblocked);
    }
    client_leave(c);
}

/* ---- CLIENT UNBLOCK ---- */

static struct client *find(struct server *s, uint64_t id)
{
    list_for_each(it, &s->everyone)
    {
        struct client *c = list_entry(it, struct client, everyone_link);
        if (c->id == id && !c->doomed)
            return c;
    }
    return NULL;
}

void client_unblock(struct client *me, const struct slice *argv, size_t argc, struct buf *out)
{
    struct server *s = me->server;
    enum rsm_unblock how = RSM_UNBLOCK_TIMEOUT;
    int64_t id;
    if (argc == 4 && slice_is_word(argv[3], "error")) {
        how = RSM_UNBLOCK_ERROR;
    } else if (argc > 4 || (argc == 4 && !slice_is_word(argv[3], "timeout"))) {
        reply_error(me, out, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return;
    }
    if (!parse_i64(argv[2], &id)) {
        reply_error(me, out, "ERR value is not an integer or out of range");
        return;
    }
    struct client *c = id > 0 ? find(s, (uint64_t)id) : NULL;
    if (c && !list_empty(&c->waiting_link)) {
        wait_unblock(c, how == RSM_UNBLOCK_ERROR);
        resp_integer(out, 1);
        return;
    }
    if (!c || !c->claim || me->in_exec) {
        resp_integer(out, 0);
        return;
    }
    uint64_t ticket = wait_begin(me, KIND_ADMIN);
    wait_end(me, node_unblock(s->node, c->claim, how, ticket, &s->error));
}
