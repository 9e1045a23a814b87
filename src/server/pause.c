/* CLIENT PAUSE: requests stay in the inputs of their connections until the time is up. Of this node's clients, as in Redis;
 * a node that leads and whose clients wait still takes what others forward to it. */
#include "base/number.h"
#include "server/server_int.h"

static bool is_on(const struct server *s)
{
    return s->now_us < s->pause_until_us;
}

bool pause_is_write(const struct server *s, const struct command *row, const struct slice *argv, size_t argc)
{
    return row->flags & (CMD_WRITE | CMD_MAY_REPLICATE | CMD_NUMBERED) &&
           !(row->flags & CMD_BY_SCRIPT && s->node && rsm_script_never_writes(node_rsm(s->node), argv, argc));
}

bool pause_holds(struct client *c, const struct command *row, const struct handler *h,
                 const struct slice *argv, size_t argc)
{
    struct server *s = c->server;
    if (__builtin_expect(s->pause_until_us == 0, 1) || !is_on(s))
        return false;
    bool exec = c->txn && h && h->run == exec_command;
    if (!s->pause_all && !pause_is_write(s, row, argv, argc) && !(exec && c->txn->may_write))
        return false;
    if (list_empty(&c->paused_link))
        list_push_back(&s->paused, &c->paused_link);
    return true;
}

static void end(struct server *s)
{
    s->pause_until_us = 0;
    s->pause_all = false;
    list_for_each_safe(it, next, &s->paused)
    {
        list_remove(it);
        client_touch(list_entry(it, struct client, paused_link));
    }
}

void pause_tick(struct server *s)
{
    if (s->pause_until_us && !is_on(s))
        end(s);
}

/* Of two pauses the longer and the stricter counts. */
void client_pause(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct server *s = c->server;
    int64_t ms;
    bool all = argc == 3 || slice_is_word(argv[3], "all");
    if (argc > 4 || (!all && !slice_is_word(argv[3], "write"))) {
        resp_error(out, argc > 4 ? "ERR syntax error" : "ERR CLIENT PAUSE mode must be WRITE or ALL");
        return;
    }
    if (!parse_i64(argv[2], &ms) || ms > INT64_MAX / 2000) {
        resp_error(out, "ERR timeout is not an integer or out of range");
        return;
    }
    if (ms < 0) {
        resp_error(out, "ERR timeout is negative");
        return;
    }
    uint64_t until_us = s->now_us + (uint64_t)ms * 1000;
    s->pause_until_us = until_us > s->pause_until_us ? until_us : s->pause_until_us;
    s->pause_all |= all;
    resp_simple(out, "OK");
}

void client_unpause(struct client *c, struct buf *out)
{
    end(c->server);
    resp_simple(out, "OK");
}
