/* Consumer groups of streams: XGROUP and XACK. */
#include "commands/stream_group.h"

bool find_group(struct command_context *c, size_t key, size_t name, struct store_key **k,
                struct stream_group **g)
{
    *g = NULL;
    if (!find_stream(c, key, k))
        return false;
    if (*k) {
        struct collection stream = store_collection(*k);
        *g = stream_group_find(&stream, c->argv[name]);
    }
    return true;
}

bool find_group_or_reply(struct command_context *c, size_t key, size_t name, struct store_key **k,
                         struct stream_group **g)
{
    if (!find_group(c, key, name, k, g))
        return false;
    if (!*g)
        resp_errorf(c->out, "NOGROUP No such key '%.*s' or consumer group '%.*s'", (int)c->argv[key].len,
                    c->argv[key].data, (int)c->argv[name].len, c->argv[name].data);
    return *g;
}

void reply_no_group_at(struct command_context *c, size_t key, size_t name)
{
    resp_errorf(c->out, "NOGROUP No such consumer group '%.*s' for key name '%.*s'", (int)c->argv[name].len,
                c->argv[name].data, (int)c->argv[key].len, c->argv[key].data);
}

/* What is in a group does not change the stream to those who only read it: as in Redis, WATCH and those that wait do not notice. */
void group_edit_begin(struct command_context *c, struct store_edit *e, size_t key)
{
    store_edit_begin(e, &c->view, c->argv[key], STORE_STREAM);
}

void group_edit_end(struct command_context *c, struct store_edit *e, size_t key)
{
    store_edit_end(e, false);
    notify(c, EVENT_BESIDE, NULL, c->argv[key]);
}

struct stream_consumer *see_consumer(struct command_context *c, struct store_edit *e, struct stream_group *g,
                                     size_t key, struct slice name)
{
    struct stream_consumer *owner = stream_consumer_find(g, name);
    if (owner) {
        stream_consumer_seen(&e->value, g, owner, (int64_t)c->view.now_ms);
    } else {
        owner = stream_consumer_make(&e->value, g, name, (int64_t)c->view.now_ms);
        notify(c, EVENT_STREAM, "xgroup-createconsumer", c->argv[key]);
    }
    return owner;
}

/* ---- XGROUP ---- */

struct placed { /* CREATE's and SETID's arguments */
    bool make_stream;
    int64_t entries_read;
};

void reply_bad_subcommand(struct command_context *c, const char *name)
{
    resp_errorf(c->out, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                c->argv[1].len < 128 ? (int)c->argv[1].len : 128, c->argv[1].data, name);
}

static bool parse_placed(struct command_context *c, bool creates, struct placed *p)
{
    *p = (struct placed){.entries_read = STREAM_READ_UNKNOWN};
    for (size_t i = 5; i < c->argc; i++) {
        if (creates && arg_is(c, i, "mkstream")) {
            p->make_stream = true;
        } else if (arg_is(c, i, "entriesread") && i + 1 < c->argc) {
            if (!arg_i64(c, ++i, &p->entries_read))
                return false;
            if (p->entries_read < STREAM_READ_UNKNOWN) {
                resp_error(c->out, "ERR value for ENTRIESREAD must be positive or -1");
                return false;
            }
        } else {
            reply_bad_subcommand(c, "XGROUP");
            return false;
        }
    }
    return true;
}

static bool is_word(struct slice s, char word)
{
    return s.len == 1 && s.data[0] == word;
}

static bool require_key(struct command_context *c, const struct store_key *k)
{
    if (!k)
        resp_error(c->out,
                   "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may "
                   "want to use the MKSTREAM option to create an empty stream automatically.");
    return k;
}

/* The key, and the group of most subcommands. */
static bool require_group(struct command_context *c, struct store_key **k, struct stream_group **g)
{
    if (!find_group(c, 2, 3, k, g) || !require_key(c, *k))
        return false;
    if (!*g)
        reply_no_group_at(c, 2, 3);
    return *g;
}

static struct stream_id last_id(const struct store_key *k)
{
    struct collection stream = k ? store_collection(k) : (struct collection){.data = NULL};
    return stream_facts(&stream).last;
}

void xgroup_create_command(struct command_context *c)
{
    struct placed p;
    struct store_key *k;
    struct stream_group *g;
    struct stream_id id;
    if (!parse_placed(c, true, &p) || !find_group(c, 2, 3, &k, &g) || (!p.make_stream && !require_key(c, k)))
        return;
    if (c->argc > 8) {
        reply_bad_subcommand(c, "XGROUP");
        return;
    }
    if (is_word(c->argv[4], '$'))
        id = last_id(k);
    else if (!arg_stream_id(c, 4, 0, NULL, &id))
        return;
    if (g) {
        resp_error(c->out, "BUSYGROUP Consumer Group name already exists");
        return;
    }
    struct store_edit e;
    store_edit_begin(&e, &c->view, c->argv[2], STORE_STREAM);
    stream_make(&e.value);
    stream_group_make(&e.value, c->argv[3], id, p.entries_read);
    store_edit_end(&e, !k);
    notify(c, EVENT_BESIDE, NULL, c->argv[2]);
    reply_ok(c);
    notify(c, EVENT_STREAM, "xgroup-create", c->argv[2]);
}

void xgroup_setid_command(struct command_context *c)
{
    struct placed p;
    struct store_key *k;
    struct stream_group *g;
    struct stream_id id;
    if (!parse_placed(c, false, &p) || !require_group(c, &k, &g))
        return;
    if (c->argc > 7) {
        reply_bad_subcommand(c, "XGROUP");
        return;
    }
    if (is_word(c->argv[4], '$'))
        id = last_id(k);
    else if (!arg_stream_id_or_end(c, 4, &id))
        return;
    struct store_edit e;
    group_edit_begin(c, &e, 2);
    stream_group_set(&e.value, g, id, p.entries_read);
    group_edit_end(c, &e, 2);
    reply_ok(c);
    notify(c, EVENT_STREAM, "xgroup-setid", c->argv[2]);
}

/* Those that wait in it are to be told. */
void xgroup_destroy_command(struct command_context *c)
{
    struct store_key *k;
    struct stream_group *g;
    if (!find_group(c, 2, 3, &k, &g) || !require_key(c, k))
        return;
    resp_integer(c->out, g != NULL);
    if (!g)
        return;
    struct store_edit e;
    store_edit_begin(&e, &c->view, c->argv[2], STORE_STREAM);
    struct collection gone = stream_group_take(&e.value, g);
    /* WATCH does not see it, as in Redis; but those who wait have to look. */
    store_edit_end(&e, false);
    store_tell(&c->view, EVENT_CHANGED, NULL, c->view.db, c->argv[2]);
    store_discard(&c->view, STORE_STREAM, &gone);
    notify(c, EVENT_STREAM, "xgroup-destroy", c->argv[2]);
}

void xgroup_createconsumer_command(struct command_context *c)
{
    struct store_key *k;
    struct stream_group *g;
    if (!require_group(c, &k, &g))
        return;
    bool absent = !stream_consumer_find(g, c->argv[4]);
    if (absent) {
        struct store_edit e;
        group_edit_begin(c, &e, 2);
        see_consumer(c, &e, g, 2, c->argv[4]);
        group_edit_end(c, &e, 2);
    }
    resp_integer(c->out, absent);
}

void xgroup_delconsumer_command(struct command_context *c)
{
    struct store_key *k;
    struct stream_group *g;
    uint64_t pending = 0;
    if (!require_group(c, &k, &g))
        return;
    struct stream_consumer *owner = stream_consumer_find(g, c->argv[4]);
    if (owner) {
        struct store_edit e;
        group_edit_begin(c, &e, 2);
        pending = stream_consumer_remove(&e.value, g, owner);
        group_edit_end(c, &e, 2);
        notify(c, EVENT_STREAM, "xgroup-delconsumer", c->argv[2]);
    }
    resp_integer(c->out, (int64_t)pending);
}

void xgroup_help_command(struct command_context *c)
{
    static const char *const lines[] = {"CREATE <key> <groupname> <id|$> [option]",
                                        "    Create a new consumer group. Options are:",
                                        "    * MKSTREAM",
                                        "      Create the empty stream if it does not exist.",
                                        "    * ENTRIESREAD entries_read",
                                        "      Set the group's entries_read counter (internal use).",
                                        "CREATECONSUMER <key> <groupname> <consumer>",
                                        "    Create a new consumer in the specified group.",
                                        "DELCONSUMER <key> <groupname> <consumer>",
                                        "    Remove the specified consumer.",
                                        "DESTROY <key> <groupname>",
                                        "    Remove the specified group.",
                                        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
                                        "    Set the current group ID and entries_read counter.",
                                        NULL};
    reply_help(c, "XGROUP", lines);
}

/* ---- XACK ---- */

void xack_command(struct command_context *c)
{
    struct store_key *k;
    struct stream_group *g;
    struct stream_id id;
    if (!find_group(c, 1, 2, &k, &g))
        return;
    if (!g) {
        resp_integer(c->out, 0);
        return;
    }
    for (size_t i = 3; i < c->argc; i++)
        if (!arg_stream_id(c, i, 0, NULL, &id))
            return;
    struct store_edit e;
    int64_t acknowledged = 0;
    group_edit_begin(c, &e, 1);
    for (size_t i = 3; i < c->argc; i++) {
        arg_stream_id(c, i, 0, NULL, &id);
        acknowledged += stream_acknowledge(&e.value, g, id);
    }
    group_edit_end(c, &e, 1);
    resp_integer(c->out, acknowledged);
}
