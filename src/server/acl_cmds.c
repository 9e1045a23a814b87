/* ACL. What changes users goes the way of a write; the rest is answered from the users in force. */
#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "server/acl_file.h"
#include "server/users.h"

enum { GENPASS_BITS = 256, GENPASS_BITS_MAX = 4096 };

static bool all_channels(const struct server *s)
{
    const char *text = s->node ? rsm_setting(node_rsm(s->node), "acl-pubsub-default") : NULL;
    return text && slice_is_word(slice_cstr(text), "allchannels");
}

/* `argv`: as the client has sent it, to tell it what was wrong in its own words. */
static void change(struct client *c, const struct acl_words *words, const struct slice *argv, size_t argc)
{
    struct rsm_request req = {.kind = RSM_ACL, .resp = c->resp, .argv = words->at, .argc = words->count};
    uint32_t open_before = c->writes_open;
    users_begin(c->server);
    c->wait_asked = route_write(c, command_find(argv, argc), &req, KIND_ACL, 0, false) == WAIT;
    if (c->writes_open == open_before)
        return;
    c->exclusive = true; /* what comes next may depend on it */
    slot_pack(&slot_at(c, c->tail - 1)->bytes, argv, argc);
}

/* The entry knows a password's hash only: where such a rule was refused, the client is told of the rule that it sent. */
void acl_answered(struct client *c, const struct slot *slot, struct slice reply, struct buf *out)
{
    struct server *s = c->server;
    struct acl_words unused = {0};
    struct buf error = BUF_EMPTY;
    if (reply.len && reply.data[0] == '-') {
        size_t argc = slot_unpack(s, buf_slice(&slot->bytes));
        if (argc > 3 && slice_is_word(s->argv[1], "setuser"))
            acl_prepare(s->users, s->argv[2], s->argv + 3, argc - 3, all_channels(s), &unused, &error);
    }
    if (error.len)
        resp_errorf(out, "ERR %.*s", (int)error.len, error.data);
    else
        buf_append_slice(out, reply);
    acl_words_deinit(&unused);
    buf_deinit(&error);
}

static bool set_user(struct client *c, const struct slice *argv, size_t argc, struct acl_words *words,
                     struct buf *out)
{
    struct buf error = BUF_EMPTY;
    bool good = false;
    acl_words_add(words, SLICE_LITERAL("setuser"));
    acl_words_add(words, argv[2]);
    if (!acl_name_is_good(argv[2]))
        resp_error(out, "ERR Usernames can't contain spaces or null characters");
    else if (!acl_prepare(c->server->users, argv[2], argv + 3, argc - 3, all_channels(c->server), words,
                          &error))
        resp_errorf(out, "ERR %.*s", (int)error.len, error.data);
    else
        good = true;
    buf_deinit(&error);
    return good;
}

static void delete_users(const struct slice *argv, size_t argc, struct acl_words *words)
{
    acl_words_add(words, SLICE_LITERAL("deluser"));
    for (size_t i = 2; i < argc; i++)
        acl_words_add(words, argv[i]);
}

/* ---- the file ---- */

static bool has_file(struct client *c, struct buf *path, struct buf *out)
{
    if (*c->server->config->aclfile) {
        config_aclfile(c->server->config, path);
        put_u8(path, 0);
        return true;
    }
    resp_error(
        out,
        "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the "
        "ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file "
        "set) in order to store users in the Redis configuration.");
    return false;
}

static bool load_file(struct client *c, struct acl_words *words, struct buf *out)
{
    struct buf path = BUF_EMPTY, error = BUF_EMPTY;
    struct acl *users = acl_new();
    bool good = has_file(c, &path, out);
    if (good && !acl_file_load(users, path.data, all_channels(c->server), &error)) {
        resp_errorf(out, "ERR %.*s", (int)error.len, error.data);
        good = false;
    }
    if (good) {
        acl_words_add(words, SLICE_LITERAL("load"));
        acl_lines(users, words);
    }
    acl_free(users);
    buf_deinit(&path);
    buf_deinit(&error);
    return good;
}

static void save_file(struct client *c, struct buf *out)
{
    struct buf path = BUF_EMPTY;
    if (has_file(c, &path, out)) {
        if (acl_file_save(c->server->users, path.data)) {
            resp_simple(out, "OK");
        } else {
            log_line(LOG_WARNING, "Saving users to %s: %s", path.data, strerror(errno));
            resp_error(
                out, "ERR There was an error trying to save the ACLs. Please check the server logs for more "
                     "information");
        }
    }
    buf_deinit(&path);
}

/* ---- questions ---- */

static void put_rules(struct client *c, const struct acl_user *u, size_t selector, struct buf *out)
{
    struct buf text = BUF_EMPTY;
    acl_describe_commands(c->server->users, u, selector, &text);
    resp_bulk_cstr(out, "commands");
    resp_bulk(out, buf_slice(&text));
    buf_truncate(&text, 0);
    acl_describe_keys(u, selector, &text);
    resp_bulk_cstr(out, "keys");
    resp_bulk(out, buf_slice(&text));
    buf_truncate(&text, 0);
    acl_describe_channels(u, selector, &text);
    resp_bulk_cstr(out, "channels");
    resp_bulk(out, buf_slice(&text));
    buf_deinit(&text);
}

static void get_user(struct client *c, struct slice name, struct buf *out)
{
    const struct acl_user *u = acl_find(c->server->users, name);
    if (!u) {
        resp_null(out, c->resp);
        return;
    }
    size_t flags = 0;
    while (acl_flag(u, flags))
        flags++;
    resp_map(out, c->resp, 6);
    resp_bulk_cstr(out, "flags");
    resp_set(out, c->resp, flags);
    for (size_t i = 0; i < flags; i++)
        resp_bulk_cstr(out, acl_flag(u, i));
    resp_bulk_cstr(out, "passwords");
    resp_array(out, acl_password_count(u));
    for (size_t i = 0; i < acl_password_count(u); i++)
        resp_bulk(out, acl_password_hex(u, i));
    put_rules(c, u, 0, out);
    resp_bulk_cstr(out, "selectors");
    resp_array(out, acl_selector_count(u) - 1);
    for (size_t i = 1; i < acl_selector_count(u); i++) {
        resp_map(out, c->resp, 3);
        put_rules(c, u, i, out);
    }
}

static void list_users(struct client *c, bool names_only, struct buf *out)
{
    const struct acl *users = c->server->users;
    struct buf line = BUF_EMPTY;
    resp_array(out, acl_count(users));
    for (size_t i = 0; i < acl_count(users); i++) {
        const struct acl_user *u = acl_at(users, i);
        buf_truncate(&line, 0);
        if (!names_only)
            acl_file_line(users, u, &line);
        resp_bulk(out, names_only ? acl_user_name(u) : buf_slice(&line));
    }
    buf_deinit(&line);
}

static size_t put_category(const struct command *row, uint32_t category, struct buf *names)
{
    size_t count = (row->categories & category) != 0;
    if (count)
        resp_bulk_cstr(names, row->name);
    for (const struct command *sub = row->subcommands; sub && sub->name; sub++)
        count += put_category(sub, category, names);
    return count;
}

static void list_category(struct slice name, struct buf *out)
{
    struct buf names = BUF_EMPTY;
    uint32_t category = command_category(name);
    size_t count = 0;
    if (!category) {
        resp_errorf(out, "ERR Unknown category '%.*s'", (int)(name.len < 128 ? name.len : 128), name.data);
        return;
    }
    for (size_t f = 0; command_family(f); f++)
        for (const struct command *row = command_family(f); row->name; row++)
            count += put_category(row, category, &names);
    resp_array(out, count);
    buf_append_slice(out, buf_slice(&names));
    buf_deinit(&names);
}

static void list_categories(struct buf *out)
{
    size_t count = 0;
    while (command_category_at(count))
        count++;
    resp_array(out, count);
    for (size_t i = 0; i < count; i++)
        resp_bulk_cstr(out, command_category_at(i));
}

static void make_password(const struct slice *argv, size_t argc, struct buf *out)
{
    int64_t bits = GENPASS_BITS;
    uint8_t bytes[GENPASS_BITS_MAX / 8];
    char hex[2 * sizeof bytes];
    if (argc == 3 && !parse_i64(argv[2], &bits)) {
        resp_error(out, "ERR value is not an integer or out of range");
        return;
    }
    if (bits <= 0 || bits > GENPASS_BITS_MAX) {
        resp_errorf(
            out,
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number "
            "up to %d",
            GENPASS_BITS_MAX);
        return;
    }
    size_t digits = ((size_t)bits + 3) / 4;
    os_random(bytes, sizeof bytes);
    format_hex(hex, bytes, sizeof bytes);
    resp_bulk(out, slice_of(hex, digits));
}

static void dry_run(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    const struct acl *users = c->server->users;
    const struct acl_user *u = acl_find(users, argv[2]);
    const struct command *row = command_find(argv + 3, argc - 3);
    size_t which = 0;
    if (!u || !row) {
        struct slice unknown = u ? argv[3] : argv[2];
        resp_errorf(out, "ERR %s '%.*s' not found", u ? "Command" : "User", (int)unknown.len, unknown.data);
        return;
    }
    if (!command_arity_ok(row, argc - 3)) {
        resp_errorf(out, "ERR wrong number of arguments for '%s' command", row->name);
        return;
    }
    enum acl_verdict verdict = acl_check(users, u, row, argv + 3, argc - 3, &which);
    if (verdict == ACL_GRANTED || verdict >= ACL_NO_SORT_BY) {
        resp_simple(out, "OK");
        return;
    }
    struct buf text = BUF_EMPTY;
    struct slice touched = argv[3 + which];
    buf_append_cstr(&text, "This user has no permissions to ");
    if (verdict == ACL_NO_COMMAND)
        buf_printf(&text, "run the '%s' command", row->name);
    else
        buf_printf(&text, "access the '%.*s' %s", (int)touched.len, touched.data,
                   verdict == ACL_NO_KEY ? "key" : "channel");
    resp_bulk(out, buf_slice(&text));
    buf_deinit(&text);
}

static void help(struct buf *out)
{
    static const char *const lines[] = {
        "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CAT [<category>]",
        "    List the commands that belong to <category>, or all categories.",
        "DELUSER <username> [<username> ...]",
        "    Delete users, and close their connections.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Tell whether the user may run the command, without running it.",
        "GETUSER <username>",
        "    Get the user's details.",
        "GENPASS [<bits>]",
        "    Make a random password of 256 or <bits> bits.",
        "LIST",
        "    Show all users as they would stand in a file.",
        "LOAD",
        "    Read all users, for the whole cluster, from this node's ACL file.",
        "LOG [<count> | RESET]",
        "    Show what was denied on this node.",
        "SAVE",
        "    Write all users to this node's ACL file.",
        "SETUSER <username> <attribute> [<attribute> ...]",
        "    Make or change a user.",
        "USERS",
        "    List the names of all users.",
        "WHOAMI",
        "    Return the name of this connection's user.",
        "HELP",
        "    Print this help.",
    };
    reply_lines(out, lines, sizeof lines / sizeof lines[0]);
}

bool acl_is_change(struct slice subcommand)
{
    return slice_is_word(subcommand, "setuser") || slice_is_word(subcommand, "deluser") ||
           slice_is_word(subcommand, "load");
}

bool acl_change_words(struct client *c, const struct slice *argv, size_t argc, struct acl_words *words,
                      struct buf *out)
{
    if (!c->server->node) {
        resp_error(out, "LOADING Redis is loading the dataset in memory");
        return false;
    }
    if (slice_is_word(argv[1], "setuser"))
        return set_user(c, argv, argc, words, out);
    if (slice_is_word(argv[1], "load"))
        return load_file(c, words, out);
    delete_users(argv, argc, words);
    return true;
}

static void run_change(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct acl_words words = {0};
    if (acl_change_words(c, argv, argc, &words, out))
        change(c, &words, argv, argc);
    acl_words_deinit(&words);
}

void acl_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (acl_is_change(argv[1]))
        run_change(c, argv, argc, out);
    else if (slice_is_word(argv[1], "getuser"))
        get_user(c, argv[2], out);
    else if (slice_is_word(argv[1], "list") || slice_is_word(argv[1], "users"))
        list_users(c, slice_is_word(argv[1], "users"), out);
    else if (slice_is_word(argv[1], "whoami"))
        resp_bulk(out, client_user(c));
    else if (slice_is_word(argv[1], "save"))
        save_file(c, out);
    else if (slice_is_word(argv[1], "cat") && argc == 2)
        list_categories(out);
    else if (slice_is_word(argv[1], "cat") && argc == 3)
        list_category(argv[2], out);
    else if (slice_is_word(argv[1], "genpass") && argc <= 3)
        make_password(argv, argc, out);
    else if (slice_is_word(argv[1], "log") && argc <= 3)
        acl_log_command(c, argv, argc, out);
    else if (slice_is_word(argv[1], "dryrun"))
        dry_run(c, argv, argc, out);
    else if (slice_is_word(argv[1], "help"))
        help(out);
    else
        resp_errorf(out, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try ACL HELP.",
                    (int)(argv[1].len < 128 ? argv[1].len : 128), argv[1].data);
}
