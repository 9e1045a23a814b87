/* Streams for the replicas of Redis: entries with the IDs that they got, trimmed to the length that is left, and what has become of each
 * pending entry. */
#include "commands/propagate.h"
#include "commands/stream_group.h"

#include "base/alloc.h"

static bool find(const struct writing *w, struct slice key, struct collection *stream)
{
    const struct store_key *k = propagate_peek(w, key);
    if (!k || store_key_type(k) != STORE_STREAM)
        return false;
    *stream = store_collection(k);
    return true;
}

/* ---- XADD, XTRIM ---- */

/* Its options up to where the ID of XADD stands; is there a trimming that goes by nodes, which differ on the replica? */
static size_t past_options(const struct command_context *c, bool *roughly, bool *must_exist)
{
    size_t i = 2;
    *roughly = *must_exist = false;
    while (i < c->argc) {
        if (arg_is(c, i, "nomkstream")) {
            *must_exist = true;
            i++;
        } else if (arg_is(c, i, "maxlen") || arg_is(c, i, "minid")) {
            *roughly |= arg_is(c, i + 1, "~");
            i += arg_is(c, i + 1, "~") || arg_is(c, i + 1, "=") ? 3 : 2;
        } else if (arg_is(c, i, "limit")) {
            i += 2;
        } else {
            break;
        }
    }
    return i;
}

bool propagate_xadd(struct writing *w)
{
    const struct command_context *c = w->c;
    struct collection stream;
    bool roughly, must_exist;
    char text[24];
    size_t at = past_options(c, &roughly, &must_exist), n = 0;
    if (!find(w, c->argv[1], &stream))
        return false;
    struct slice *argv = mem_alloc((c->argc + 4) * sizeof *argv);
    if (roughly) {
        argv[n++] = c->argv[0];
        argv[n++] = c->argv[1];
        if (must_exist)
            argv[n++] = WORD("NOMKSTREAM");
        argv[n++] = WORD("MAXLEN");
        argv[n++] = WORD("=");
        argv[n++] = slice_of(text, format_u64(text, stream_facts(&stream).length));
    } else {
        memcpy(argv, c->argv, at * sizeof *argv);
        n = at;
    }
    argv[n++] = reply_next_text(w);
    memcpy(argv + n, c->argv + at + 1, (c->argc - at - 1) * sizeof *argv);
    propagate(w, argv, n + c->argc - at - 1);
    mem_free(argv);
    return true;
}

bool propagate_xtrim(struct writing *w)
{
    const struct command_context *c = w->c;
    struct collection stream;
    bool roughly, must_exist;
    char text[24];
    past_options(c, &roughly, &must_exist);
    if (!roughly) {
        propagate(w, c->argv, c->argc);
        return true;
    }
    if (!find(w, c->argv[1], &stream))
        return false;
    size_t len = format_u64(text, stream_facts(&stream).length);
    PROPAGATE(w, c->argv[0], c->argv[1], WORD("MAXLEN"), WORD("="), slice_of(text, len));
    return true;
}

/* ---- groups ---- */

/* A group whose entries are told of. */
struct telling {
    struct writing *w;
    struct slice key, name;
    const struct stream_group *group;
};

static bool find_told(struct writing *w, struct slice key, struct slice name, struct telling *t)
{
    struct collection stream;
    if (!find(w, key, &stream))
        return false;
    *t = (struct telling){w, key, name, stream_group_find(&stream, name)};
    return t->group;
}

/* As it is pending now; makes the consumer, and moves the group behind it. Returns whose it is; NULL: it is not pending. */
static const struct stream_consumer *tell_pending(const struct telling *t, struct slice text)
{
    struct stream_id id = {0, 0};
    char last[STREAM_ID_TEXT_MAX], time[24], count[24];
    const struct stream_pending *p = stream_id_parse(text, &id) ? ids_find(&t->group->pending, id) : NULL;
    if (!p)
        return NULL;
    PROPAGATE(t->w, WORD("XCLAIM"), t->key, t->name, p->owner->named.name, WORD("0"), text, WORD("TIME"),
              slice_of(time, format_i64(time, p->delivered_ms)), WORD("RETRYCOUNT"),
              slice_of(count, format_u64(count, p->deliveries)), WORD("FORCE"), WORD("JUSTID"),
              WORD("LASTID"), slice_of(last, stream_id_print(last, t->group->last)));
    return p->owner;
}

/* Nobody has to process it any more. */
static void tell_gone(const struct telling *t, struct slice id)
{
    PROPAGATE(t->w, WORD("XACK"), t->key, t->name, id);
}

static void tell_consumer(const struct telling *t, struct slice name)
{
    if (stream_consumer_find(t->group, name))
        PROPAGATE(t->w, WORD("XGROUP"), WORD("CREATECONSUMER"), t->key, t->name, name);
}

/* How many entries the group has read, which XCLAIM does not say. Redis leaves its replicas without it. */
static void tell_place(const struct telling *t)
{
    char last[STREAM_ID_TEXT_MAX], read[24];
    const struct slice argv[] = {WORD("XGROUP"),
                                 WORD("SETID"),
                                 t->key,
                                 t->name,
                                 slice_of(last, stream_id_print(last, t->group->last)),
                                 WORD("ENTRIESREAD"),
                                 slice_of(read, format_i64(read, t->group->entries_read))};
    const struct propagation *to = t->w->to;
    to->write(to->arg, true, t->w->c->view.db, argv, sizeof argv / sizeof *argv);
}

static bool next_is_null(const struct writing *w)
{
    return w->reply.len > 1 && (w->reply.data[0] == '_' || w->reply.data[1] == '-');
}

/* The entries of one stream: new ones, or the consumer's own once more. One that was deleted stays pending as it was, and XCLAIM of it
 * would end that. Without acknowledgement another's may be among them. */
static bool tell_read(struct writing *w, struct slice key, struct slice group, struct slice consumer)
{
    struct telling t;
    bool known = false;
    if (!find_told(w, key, group, &t))
        return false;
    for (size_t n = reply_next_count(w); n; n--) {
        reply_next_count(w);
        struct slice id = reply_next_text(w);
        const struct stream_consumer *owner = next_is_null(w) ? NULL : tell_pending(&t, id);
        known |= owner && slice_equal(owner->named.name, consumer);
        reply_skip(w);
    }
    if (!known)
        tell_consumer(&t, consumer);
    tell_place(&t);
    return true;
}

bool propagate_xreadgroup(struct writing *w)
{
    const struct command_context *c = w->c;
    size_t group = xread_find_option(c->argv, c->argc, "group");
    bool mapped = w->reply.len && *w->reply.data == '%';
    size_t n = reply_next_count(w) / (mapped ? 2 : 1);
    if (!n)
        return false; /* it waits, and yet has made its consumer */
    for (; n; n--) {
        if (!mapped)
            reply_next_count(w);
        struct slice key = reply_next_text(w);
        if (!tell_read(w, key, c->argv[group + 1], c->argv[group + 2]))
            return false;
    }
    return true;
}

bool propagate_xclaim(struct writing *w)
{
    const struct command_context *c = w->c;
    struct telling t;
    struct stream_id id;
    if (!find_told(w, c->argv[1], c->argv[2], &t))
        return false;
    for (size_t i = 5; i < c->argc && stream_id_parse(c->argv[i], &id); i++)
        if (!tell_pending(&t, c->argv[i]))
            tell_gone(&t, c->argv[i]);
    tell_place(&t);
    return true;
}

bool propagate_xautoclaim(struct writing *w)
{
    const struct command_context *c = w->c;
    struct telling t;
    if (!find_told(w, c->argv[1], c->argv[2], &t))
        return false;
    reply_next_count(w);
    reply_skip(w);
    for (size_t n = reply_next_count(w); n; n--) {
        bool whole = w->reply.len && *w->reply.data == '*';
        if (whole)
            reply_next_count(w);
        tell_pending(&t, reply_next_text(w));
        if (whole)
            reply_skip(w);
    }
    for (size_t n = reply_next_count(w); n; n--)
        tell_gone(&t, reply_next_text(w));
    return true;
}
