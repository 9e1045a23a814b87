/* From bytes to requests that run. A pipeline is parsed some requests ahead, so that the keys its reads will look up are
 * fetched from memory together instead of one after the other; then the requests run in their order. What then turns
 * out not to be ready to run stays in the input, and is parsed again when the client goes on. */
#include "base/alloc.h"
#include "server/server_int.h"

enum { INLINE_MAX = 64 * 1024 };

bool client_may_take(const struct client *c)
{
    return !c->exclusive && !c->closing && !c->doomed && !c->half_closed && c->tail - c->head < PIPELINE_MAX;
}

/* true: another request may be parsed before this one has run: its arguments lie in the input, or have been copied to
 * where they stay. */
static bool keep_args(struct request *r, struct slice args[REQUEST_AHEAD_ARGS], bool is_inline)
{
    if (is_inline || r->argc > REQUEST_AHEAD_ARGS)
        return false;
    for (size_t i = 0; i < r->argc; i++)
        args[i] = r->argv[i];
    r->argv = args;
    return true;
}

/* Parses what comes next, as far as one go may. A stranger's requests one by one: the limits change when it
 * authenticates. */
static enum resp_status parse_ahead(struct client *c, struct resp_parser *p, struct slice input,
                                    size_t *count)
{
    struct server *s = c->server;
    struct resp_limits limits = {.max_args = INT32_MAX,
                                 .max_bulk = s->limits.max_bulk,
                                 .max_inline = INLINE_MAX,
                                 .before_auth = client_is_stranger(c)};
    size_t max = !client_is_stranger(c) ? REQUESTS_AHEAD : 1, end = 0;
    enum resp_status status = RESP_REQUEST;
    for (*count = 0; *count < max;) {
        status = resp_parse(p, slice_of(input.data + end, input.len - end), &limits);
        if (status != RESP_REQUEST)
            break;
        struct request *r = &s->ahead[*count];
        bool is_inline = input.data[end] != '*';
        end += p->consumed;
        *r = (struct request){.argv = p->argv, .argc = p->argc, .end = end};
        if (r->argc)
            r->row = command_lookup(r->argv[0]);
        ++*count;
        if (end == input.len || !keep_args(r, s->ahead_args[*count - 1], is_inline))
            break;
    }
    return status;
}

static void look_ahead(struct client *c, size_t count)
{
    struct server *s = c->server;
    struct store_ahead keys[REQUESTS_AHEAD];
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        const struct request *r = &s->ahead[i];
        if (r->row && r->row->first_key == 1 && r->argc > 1 && !(r->row->flags & CMD_WRITE))
            keys[found++] = (struct store_ahead){c->db, r->argv[1]};
    }
    /* Those that wait for a round are looked up later, in client_advance. */
    if (found > 1 && s->node && node_reads_at_once(s->node))
        node_look_ahead(s->node, keys, found);
}

/* false: it waits, or the client takes no more. */
static bool run(struct client *c, const struct request *r)
{
    if (!client_may_take(c) || (r->argc && dispatch(c, r->row, r->argv, r->argc) == WAIT))
        return false;
    if (client_unsent(c) > STRANGER_OUTPUT)
        client_enforce_limit(c);
    return true;
}

static void refuse_input(struct client *c, const struct resp_parser *p)
{
    reply_errorf(c, reply_begin(c), "ERR Protocol error: %s", p->error);
    client_close_after_reply(c);
}

/* The request that has arrived in part goes on where it stopped, whatever others send in between. */
static void keep_parser(struct client *c)
{
    if (c->parser)
        return;
    c->parser = mem_alloc(sizeof *c->parser);
    *c->parser = c->server->parser;
    resp_parser_init(&c->server->parser);
}

void requests_forget(struct client *c)
{
    if (!c->parser)
        return;
    resp_parser_deinit(c->parser);
    mem_free(c->parser);
    c->parser = NULL;
}

static size_t take(struct client *c, struct resp_parser *p, struct slice input)
{
    struct server *s = c->server;
    size_t at = 0;
    while (client_may_take(c)) {
        size_t count, done = 0;
        enum resp_status status = parse_ahead(c, p, slice_of(input.data + at, input.len - at), &count);
        if (count > 1)
            look_ahead(c, count);
        for (size_t start = 0; done < count; start = s->ahead[done++].end) {
            s->request_bytes = s->ahead[done].end - start;
            if (!run(c, &s->ahead[done]))
                break;
        }
        at += done ? s->ahead[done - 1].end : 0;
        if (done < count) {
            resp_parser_restart(p);
            break;
        }
        if (status == RESP_MORE) {
            if (at < input.len)
                keep_parser(c);
            return at;
        }
        if (status == RESP_ERROR) {
            bool refused = client_may_take(c);
            if (refused)
                refuse_input(c, p);
            resp_parser_restart(p);
            if (refused)
                return input.len;
        }
    }
    c->stalled = at < input.len;
    return at;
}

size_t requests_take(struct client *c, struct slice input)
{
    struct resp_parser *own = c->parser;
    c->stalled = false;
    size_t at = take(c, own ? own : &c->server->parser, input);
    if (own && (c->stalled || at == input.len))
        requests_forget(c);
    return at;
}
