/* ACL LOG: what was denied on this node, the newest first. The same again within a minute counts as one. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/number.h"
#include "server/users.h"

enum { SAME_WITHIN_US = 60000000, LOOKED_AT = 10, SHOWN = 10 };

struct denial {
    struct list link;
    uint64_t count, at_us;
    enum acl_verdict why;
    const char *context;
    struct buf object, user, client;
};

static const char *context_of(const struct client *c)
{
    static const char top[] = "toplevel", multi[] = "multi", lua[] = "lua";
    return c->in_script ? lua : c->txn || c->in_exec ? multi : top;
}

static void drop(struct server *s, struct denial *d)
{
    list_remove(&d->link);
    s->denial_count--;
    buf_deinit(&d->object);
    buf_deinit(&d->user);
    buf_deinit(&d->client);
    mem_free(d);
}

void acl_log_clear(struct server *s)
{
    list_for_each_safe(it, next, &s->denials) drop(s, list_entry(it, struct denial, link));
}

static struct denial *find_same(struct server *s, const struct denial *d)
{
    size_t looked_at = 0;
    list_for_each(it, &s->denials)
    {
        struct denial *old = list_entry(it, struct denial, link);
        if (looked_at++ == LOOKED_AT)
            break;
        if (old->why == d->why && old->context == d->context && d->at_us - old->at_us <= SAME_WITHIN_US &&
            slice_equal(buf_slice(&old->object), buf_slice(&d->object)) &&
            slice_equal(buf_slice(&old->user), buf_slice(&d->user)))
            return old;
    }
    return NULL;
}

void acl_log_note(struct client *c, enum acl_verdict why, struct slice object, struct slice user)
{
    struct server *s = c->server;
    struct denial *d = mem_calloc(1, sizeof *d);
    d->at_us = s->now_us;
    d->why = why;
    d->context = context_of(c);
    buf_append_slice(&d->object, object);
    buf_append_slice(&d->user, user);
    list_init(&d->link);
    struct denial *same = find_same(s, d);
    d->count = same ? same->count + 1 : 1;
    if (same)
        drop(s, same);
    client_describe(c, c, &d->client);
    list_push_front(&s->denials, &d->link);
    s->denial_count++;
    while (s->denial_count > (size_t)s->config->acllog_max_len)
        drop(s, list_entry(s->denials.prev, struct denial, link));
}

static void put(struct client *c, const struct denial *d, struct buf *out)
{
    static const char *const reasons[] = {[ACL_GRANTED] = "auth",
                                          [ACL_NO_COMMAND] = "command",
                                          [ACL_NO_KEY] = "key",
                                          [ACL_NO_CHANNEL] = "channel"};
    resp_map(out, c->resp, 7);
    resp_bulk_cstr(out, "count");
    resp_integer(out, (int64_t)d->count);
    resp_bulk_cstr(out, "reason");
    resp_bulk_cstr(out, reasons[d->why]);
    resp_bulk_cstr(out, "context");
    resp_bulk_cstr(out, d->context);
    resp_bulk_cstr(out, "object");
    resp_bulk(out, buf_slice(&d->object));
    resp_bulk_cstr(out, "username");
    resp_bulk(out, buf_slice(&d->user));
    resp_bulk_cstr(out, "age-seconds");
    resp_double(out, c->resp, (double)((c->server->now_us - d->at_us) / 1000) / 1000);
    resp_bulk_cstr(out, "client-info");
    resp_bulk(out, buf_slice(&d->client));
}

void acl_log_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct server *s = c->server;
    int64_t count = SHOWN;
    if (argc == 3 && slice_is_word(argv[2], "reset")) {
        acl_log_clear(s);
        resp_simple(out, "OK");
        return;
    }
    if (argc == 3 && !parse_i64(argv[2], &count)) {
        resp_error(out, "ERR value is not an integer or out of range");
        return;
    }
    size_t shown = count < 0 ? 0 : (uint64_t)count < s->denial_count ? (size_t)count : s->denial_count;
    resp_array(out, shown);
    list_for_each(it, &s->denials)
    {
        if (shown-- == 0)
            break;
        put(c, list_entry(it, struct denial, link), out);
    }
}
