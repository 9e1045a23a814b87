/* Who a connection is, and what that lets it do. The users in force are the log's; until it has any, those of this node's file. */
#include "server/users.h"

#include "base/alloc.h"
#include "base/log.h"
#include "server/messages.h"

#define DEFAULT_USER SLICE_LITERAL("default")

struct slice client_user(const struct client *c)
{
    return c->named_user ? buf_slice(&c->user_name) : DEFAULT_USER;
}

static void obey(struct client *c, const struct acl_user *u)
{
    c->user = u;
    c->user_born = acl_user_born(u);
    c->unlimited = acl_is_unlimited(u);
}

void client_become(struct client *c, const struct acl_user *u)
{
    struct slice name = acl_user_name(u);
    buf_truncate(&c->user_name, 0);
    buf_append_slice(&c->user_name, name);
    c->named_user = !slice_equal(name, DEFAULT_USER);
    if (!c->named_user)
        buf_deinit(&c->user_name);
    obey(c, u);
}

void client_become_default(struct client *c)
{
    client_become(c, acl_find(c->server->users, DEFAULT_USER));
    c->authenticated = c->server->door_open;
    c->proved = false;
    c->stranger_us = c->server->now_us;
}

/* ---- the table changes ---- */

/* A connection whose own ACL command is under way hears what became of it. */
static void lose(struct client *c)
{
    const struct slot *last = ring_empty(c) ? NULL : slot_at(c, c->tail - 1);
    client_become_default(c);
    c->authenticated = false;
    if (last && (last->kind == KIND_ACL || last->kind == KIND_EXEC) && last->open)
        client_close_after_reply(c);
    else
        client_doom(c, "its user is gone");
}

static bool may_hear_all(const struct client *c, enum pubsub_kind kind)
{
    for (size_t i = 0; i < subscriber_count(c->subscriber, kind); i++)
        if (!acl_may_hear(c->user, subscriber_at(c->subscriber, kind, i), kind == PUBSUB_PATTERN))
            return false;
    return true;
}

static void check_subscriptions(struct client *c)
{
    if (c->unlimited || !c->subscriber)
        return;
    if (!may_hear_all(c, PUBSUB_CHANNEL) || !may_hear_all(c, PUBSUB_PATTERN) ||
        !may_hear_all(c, PUBSUB_SHARD))
        client_doom(c, "its user may not hear what it listens to any more");
}

/* The users of the file have become the log's: the same ones, if they are the same. */
static bool is_same(const struct acl_user *a, const struct acl_user *b)
{
    struct buf x = BUF_EMPTY, y = BUF_EMPTY;
    acl_user_line(a, &x);
    acl_user_line(b, &y);
    bool same = slice_equal(buf_slice(&x), buf_slice(&y));
    buf_deinit(&x);
    buf_deinit(&y);
    return same;
}

static void look_again(struct client *c, bool begun)
{
    struct server *s = c->server;
    const struct acl_user *u = acl_find(s->users, client_user(c));
    const struct acl_user *was = begun && c->named_user ? acl_find(s->own_users, client_user(c)) : NULL;
    bool stays = u && (was ? is_same(u, was) : begun || acl_user_born(u) == c->user_born);
    if (!stays || (begun && !c->named_user && c->authenticated && !c->proved && !s->door_open)) {
        lose(c);
        return;
    }
    obey(c, u);
    check_subscriptions(c);
}

void users_refresh(struct server *s)
{
    const struct acl *said = s->node ? rsm_acl(node_rsm(s->node)) : NULL;
    bool begun = said && s->users == s->own_users;
    s->users = said ? said : s->own_users;
    s->door_open = acl_is_open(acl_find(s->users, DEFAULT_USER));
    list_for_each(it, &s->everyone) look_again(list_entry(it, struct client, everyone_link), begun);
}

void users_changed(void *arg)
{
    users_refresh(arg);
}

void users_init(struct server *s)
{
    struct acl *nobody = acl_new();
    s->own_users = s->config->users ? s->config->users : acl_new();
    s->config->users = NULL;
    s->own_users_differ = acl_digest(s->own_users) != acl_digest(nobody);
    acl_free(nobody);
    list_init(&s->denials);
    users_refresh(s);
}

void users_deinit(struct server *s)
{
    acl_log_clear(s);
    acl_free(s->own_users);
}

/* ---- into the log ---- */

/* What is in force here becomes what the log says, if it says nothing yet. */
void users_begin(struct server *s)
{
    if (rsm_acl(node_rsm(s->node)))
        return;
    struct acl_words lines = {0};
    acl_words_add(&lines, SLICE_LITERAL("begin"));
    acl_lines(s->own_users, &lines);
    struct rsm_request req = {.kind = RSM_ACL,
                              .resp = 2,
                              .user = DEFAULT_USER,
                              .argv = lines.at,
                              .argc = lines.count,
                              .judged = true};
    buf_truncate(&s->error, 0);
    if (node_is_serving(s->node))
        node_write(s->node, &req, NODE_NOBODY, &s->error);
    else
        node_forward(s->node, &req, false, &(struct node_asker){.ticket = NODE_NOBODY}, &s->error);
    buf_truncate(&s->error, 0);
    acl_words_deinit(&lines);
}

/* The first leader's file. One without any users in it waits for the first change. */
void users_cron(struct server *s)
{
    if (s->own_users_differ && s->node && node_is_serving(s->node) &&
        rsm_apply_version(node_rsm(s->node)) >= 3)
        users_begin(s);
}

/* ---- verdicts ---- */

enum acl_verdict user_judges(struct client *c, const struct command *row, const struct slice *argv,
                             size_t argc, size_t *which)
{
    return acl_check(c->server->users, c->user, row, argv, argc, which);
}

bool user_permits(struct client *c, const struct command *row, const struct slice *argv, size_t argc,
                  struct buf *error)
{
    size_t which = 0;
    enum acl_verdict verdict = user_judges(c, row, argv, argc, &which);
    /* What SORT looks at is judged when it runs, as in Redis. */
    if (verdict == ACL_GRANTED || (c->txn && verdict >= ACL_NO_SORT_BY))
        return true;
    if (verdict < ACL_NO_SORT_BY)
        acl_log_note(c, verdict, verdict == ACL_NO_COMMAND ? slice_cstr(row->name) : argv[which],
                     client_user(c));
    acl_refusal(verdict, row, error);
    return false;
}
