/* SADD, SREM and their family. */
#include "store/set.h"

#include "commands/commands_int.h"

/* The set of a reader's key, empty when there is none; false: another type, and the error was appended. */
static bool find_set(struct command_context *c, struct collection *s)
{
    const struct store_key *k = store_find(&c->view, c->argv[1]);
    *s = (struct collection){.form = FORM_PACKED};
    if (!check_type(c, k, STORE_SET))
        return false;
    if (k)
        *s = store_collection(k);
    return true;
}

/* Then nothing is to be opened for a change: half the work. */
static bool has_all(const struct collection *s, const struct slice *members, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!set_has(s, members[i]))
            return false;
    return true;
}

static void try_sadd(struct command_context *c)
{
    const struct store_key *k = store_find_tried(&c->view, c->argv[1]);
    if (!check_type(c, k, STORE_SET))
        return;
    struct collection s = {.form = FORM_PACKED};
    if (k)
        s = store_collection(k);
    c->trial->writes = !k || !has_all(&s, c->argv + 2, c->argc - 2);
    if (!c->trial->writes)
        resp_integer(c->out, 0);
}

void sadd_command(struct command_context *c)
{
    struct store_edit e;
    struct collection old;
    int64_t fresh = 0;
    if (c->trial) {
        try_sadd(c);
        return;
    }
    if (!find_set(c, &old))
        return;
    if (old.data && has_all(&old, c->argv + 2, c->argc - 2)) {
        resp_integer(c->out, 0);
        return;
    }
    store_edit_begin(&e, &c->view, c->argv[1], STORE_SET);
    for (size_t i = 2; i < c->argc; i++)
        fresh += set_add(&e.value, c->argv[i], c->view.limits);
    store_edit_end(&e, fresh);
    if (fresh)
        notify(c, EVENT_SET, "sadd", c->argv[1]);
    resp_integer(c->out, fresh);
}

void srem_command(struct command_context *c)
{
    struct store_edit e;
    int64_t gone = 0;
    const struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!k) {
        resp_integer(c->out, 0);
        return;
    }
    if (!check_type(c, k, STORE_SET))
        return;
    store_edit_begin(&e, &c->view, c->argv[1], STORE_SET);
    for (size_t i = 2; i < c->argc; i++)
        gone += set_remove(&e.value, c->argv[i]);
    bool stays = store_edit_end(&e, gone);
    if (gone)
        notify(c, EVENT_SET, "srem", c->argv[1]);
    if (!stays)
        notify(c, EVENT_GENERIC, "del", c->argv[1]);
    resp_integer(c->out, gone);
}

void scard_command(struct command_context *c)
{
    struct collection s;
    if (find_set(c, &s))
        resp_integer(c->out, (int64_t)set_count(&s));
}

void sismember_command(struct command_context *c)
{
    struct collection s;
    if (find_set(c, &s))
        resp_integer(c->out, set_has(&s, c->argv[2]));
}

void smismember_command(struct command_context *c)
{
    struct collection s;
    if (!find_set(c, &s))
        return;
    resp_array(c->out, c->argc - 2);
    for (size_t i = 2; i < c->argc; i++)
        resp_integer(c->out, set_has(&s, c->argv[i]));
}

void reply_set(struct command_context *c, const struct collection *s)
{
    char scratch[SET_NUMBER_MAX];
    resp_set(c->out, c->resp, set_count(s));
    for (uint64_t i = 0; i < set_count(s); i++)
        resp_bulk(c->out, set_at(s, i, scratch));
}

void smembers_command(struct command_context *c)
{
    struct collection s;
    if (find_set(c, &s))
        reply_set(c, &s);
}

static void found_member(void *arg, struct slice member)
{
    struct element_scan *s = arg;
    if (element_scan_wants(s, member))
        element_scan_found(s, member);
}

void sscan_command(struct command_context *c)
{
    struct element_scan s;
    if (element_scan_begin(&s, c, STORE_SET))
        element_scan_end(&s, set_scan(&s.value, s.cursor, s.count, found_member, &s));
}

/* Takes the member out of argv[1]; false: it was not there. */
static bool move_out(struct command_context *c)
{
    struct store_edit e;
    store_edit_begin(&e, &c->view, c->argv[1], STORE_SET);
    bool gone = set_remove(&e.value, c->argv[3]);
    bool stays = store_edit_end(&e, gone);
    if (gone)
        notify(c, EVENT_SET, "srem", c->argv[1]);
    if (!stays)
        notify(c, EVENT_GENERIC, "del", c->argv[1]);
    return gone;
}

void smove_command(struct command_context *c)
{
    struct store_edit e;
    const struct store_key *from = store_find(&c->view, c->argv[1]), *to = store_find(&c->view, c->argv[2]);
    if (!from) {
        resp_integer(c->out, 0);
        return;
    }
    if (!check_type(c, from, STORE_SET) || !check_type(c, to, STORE_SET))
        return;
    if (from == to) {
        struct collection s = store_collection(from);
        resp_integer(c->out, set_has(&s, c->argv[3]));
        return;
    }
    bool moved = move_out(c);
    if (moved) {
        store_edit_begin(&e, &c->view, c->argv[2], STORE_SET);
        bool fresh = set_add(&e.value, c->argv[3], c->view.limits);
        store_edit_end(&e, fresh);
        if (fresh)
            notify(c, EVENT_SET, "sadd", c->argv[2]);
    }
    resp_integer(c->out, moved);
}
