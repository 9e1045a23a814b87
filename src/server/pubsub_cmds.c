/* SUBSCRIBE and its kin, PUBLISH, PUBSUB. */
#include "base/glob.h"
#include "server/messages.h"

/* What a kind counts in its confirmations: shard channels apart, channels and patterns together. */
static int64_t count_of(const struct client *c, enum pubsub_kind kind)
{
    return (int64_t)(kind == PUBSUB_SHARD ? subscriber_count(c->subscriber, PUBSUB_SHARD)
                                          : client_subscriptions(c));
}

static void confirm(struct client *c, enum pubsub_kind kind, const char *word, const struct slice *name,
                    struct buf *out)
{
    resp_push(out, c->resp, 3);
    resp_bulk_cstr(out, word);
    if (name)
        resp_bulk(out, *name);
    else
        resp_null(out, c->resp);
    resp_integer(out, count_of(c, kind));
    c->pushed = out->len; /* as in Redis it is no reply, so CLIENT REPLY OFF leaves it alone */
}

static void subscribe(struct client *c, enum pubsub_kind kind, const struct slice *argv, size_t argc,
                      struct buf *out)
{
    static const char *const words[] = {"subscribe", "psubscribe", "ssubscribe"};
    if (!c->subscriber)
        c->subscriber = subscriber_new(messages_pubsub(c->server), c);
    for (size_t i = 1; i < argc; i++) {
        subscriber_add(c->subscriber, kind, argv[i]);
        confirm(c, kind, words[kind], &argv[i], out);
    }
}

void subscribe_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    subscribe(c, PUBSUB_CHANNEL, argv, argc, out);
}

void psubscribe_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    subscribe(c, PUBSUB_PATTERN, argv, argc, out);
}

void ssubscribe_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    subscribe(c, PUBSUB_SHARD, argv, argc, out);
}

static void unsubscribe_all(struct client *c, enum pubsub_kind kind, const char *word, struct buf *out)
{
    struct buf name = BUF_EMPTY;
    if (subscriber_count(c->subscriber, kind) == 0)
        confirm(c, kind, word, NULL, out);
    for (size_t left; (left = subscriber_count(c->subscriber, kind)) > 0;) {
        buf_truncate(&name, 0);
        buf_append_slice(&name, subscriber_at(c->subscriber, kind, left - 1));
        subscriber_remove(c->subscriber, kind, buf_slice(&name));
        confirm(c, kind, word, &(struct slice){name.data, name.len}, out);
    }
    buf_deinit(&name);
}

static void unsubscribe(struct client *c, enum pubsub_kind kind, const struct slice *argv, size_t argc,
                        struct buf *out)
{
    static const char *const words[] = {"unsubscribe", "punsubscribe", "sunsubscribe"};
    if (argc == 1)
        unsubscribe_all(c, kind, words[kind], out);
    for (size_t i = 1; i < argc; i++) {
        if (c->subscriber)
            subscriber_remove(c->subscriber, kind, argv[i]);
        confirm(c, kind, words[kind], &argv[i], out);
    }
}

void unsubscribe_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    unsubscribe(c, PUBSUB_CHANNEL, argv, argc, out);
}

void punsubscribe_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    unsubscribe(c, PUBSUB_PATTERN, argv, argc, out);
}

void sunsubscribe_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    unsubscribe(c, PUBSUB_SHARD, argv, argc, out);
}

void publish_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argc;
    size_t receivers = messages_publish(c, false, argv[1], argv[2]);
    resp_integer(out, (int64_t)receivers);
}

void spublish_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argc;
    size_t receivers = messages_publish(c, true, argv[1], argv[2]);
    resp_integer(out, (int64_t)receivers);
}

/* ---- PUBSUB: of this node ---- */

static void list_names(struct client *c, enum pubsub_kind kind, const struct slice *argv, size_t argc,
                       struct buf *out)
{
    const struct pubsub *p = messages_pubsub(c->server);
    size_t count = pubsub_count(p, kind), listed = 0;
    for (size_t i = 0; i < count; i++)
        listed += argc == 2 || glob_match(argv[2], pubsub_at(p, kind, i), false);
    resp_array(out, listed);
    for (size_t i = 0; i < count; i++)
        if (argc == 2 || glob_match(argv[2], pubsub_at(p, kind, i), false))
            resp_bulk(out, pubsub_at(p, kind, i));
}

static void count_subscribers(struct client *c, enum pubsub_kind kind, const struct slice *argv, size_t argc,
                              struct buf *out)
{
    const struct pubsub *p = messages_pubsub(c->server);
    resp_array(out, 2 * (argc - 2));
    for (size_t i = 2; i < argc; i++) {
        resp_bulk(out, argv[i]);
        resp_integer(out, (int64_t)pubsub_subscribers(p, kind, argv[i]));
    }
}

static void pubsub_help(struct buf *out)
{
    static const char *const lines[] = {
        "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CHANNELS [<pattern>]",
        "    List the channels that have subscribers on this node, or those that match.",
        "NUMPAT",
        "    Tell how many patterns have subscribers on this node.",
        "NUMSUB [<channel> ...]",
        "    Tell how many subscribers the channels have on this node, without those of patterns.",
        "SHARDCHANNELS [<pattern>]",
        "    As CHANNELS, for shard channels.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    As NUMSUB, for shard channels.",
        "HELP",
        "    Print this help.",
    };
    reply_lines(out, lines, sizeof lines / sizeof lines[0]);
}

void pubsub_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    bool shard = argv[1].len > 5 && slice_is_word(slice_of(argv[1].data, 5), "shard");
    enum pubsub_kind kind = shard ? PUBSUB_SHARD : PUBSUB_CHANNEL;
    struct slice word = slice_drop(argv[1], shard ? 5 : 0);
    if (slice_is_word(word, "channels") && argc <= 3)
        list_names(c, kind, argv, argc, out);
    else if (slice_is_word(word, "numsub"))
        count_subscribers(c, kind, argv, argc, out);
    else if (slice_is_word(word, "numpat"))
        resp_integer(out, (int64_t)pubsub_count(messages_pubsub(c->server), PUBSUB_PATTERN));
    else if (slice_is_word(word, "help"))
        pubsub_help(out);
    else
        reply_errorf(c, out,
                     "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try PUBSUB HELP.",
                     (int)(argv[1].len & 0xff), argv[1].data);
}
