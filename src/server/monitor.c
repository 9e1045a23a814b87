/* MONITOR: every command that a client of this node has run is shown to those who asked. And which arguments nobody is shown. */
#include <inttypes.h>

#include "server/messages.h"

/* ---- secrets ---- */

static bool is_secret_directive(struct slice name)
{
    static const char *const secret[] = {"requirepass", "masterauth", "masteruser", "tls-key-file-pass",
                                         "tls-client-key-file-pass"};
    for (size_t i = 0; i < sizeof secret / sizeof secret[0]; i++)
        if (slice_is_word(name, secret[i]))
            return true;
    return false;
}

/* Is argv[i] the first or second word behind `option`, which takes `words` of them? */
static bool follows(const struct slice *argv, size_t i, size_t from, const char *option, size_t words)
{
    for (size_t back = 1; back <= words && i >= from + back; back++)
        if (slice_is_word(argv[i - back], option))
            return true;
    return false;
}

bool argument_is_secret(const struct slice *argv, size_t argc, size_t i)
{
    if (i == 0)
        return false;
    if (slice_is_word(argv[0], "auth"))
        return true;
    if (slice_is_word(argv[0], "hello"))
        return follows(argv, i, 2, "auth", 2);
    if (slice_is_word(argv[0], "migrate"))
        return follows(argv, i, 6, "auth", 1) || follows(argv, i, 6, "auth2", 2);
    if (slice_is_word(argv[0], "acl"))
        return i >= 2 && argc > 2 && slice_is_word(argv[1], "setuser");
    if (slice_is_word(argv[0], "config"))
        return i >= 3 && i % 2 == 1 && slice_is_word(argv[1], "set") && is_secret_directive(argv[i - 1]);
    return false;
}

/* ---- MONITOR ---- */

void monitor_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    if (list_empty(&c->monitor_link))
        list_push_back(&c->server->monitors, &c->monitor_link);
    resp_simple(out, "OK");
}

static char escape_of(char byte)
{
    switch (byte) {
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\a':
        return 'a';
    case '\b':
        return 'b';
    case '"':
    case '\\':
        return byte;
    default:
        return 0;
    }
}

static void put_quoted(struct buf *out, struct slice s)
{
    put_u8(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        char escape = escape_of(s.data[i]);
        if (escape)
            buf_printf(out, "\\%c", escape);
        else if (s.data[i] >= ' ' && s.data[i] <= '~')
            put_u8(out, (uint8_t)s.data[i]);
        else
            buf_printf(out, "\\x%02x", (unsigned)(uint8_t)s.data[i]);
    }
    put_u8(out, '"');
}

/* No line is a reply: one who asks for other things as well is told past those that it waits for. What is marked CMD_SKIP_MONITOR
 * runs scripts, and Redis shows it too: in front of what the script calls. */
void monitor_show(struct server *s, const struct command *row, uint32_t db, const char *from,
                  const struct slice *argv, size_t argc)
{
    if (row->flags & CMD_ADMIN)
        return;
    struct buf line = BUF_EMPTY;
    buf_printf(&line, "+%" PRIu64 ".%06" PRIu64 " [%u %s]", s->wall_us / 1000000, s->wall_us % 1000000, db,
               from);
    for (size_t i = 0; i < argc; i++) {
        put_u8(&line, ' ');
        put_quoted(&line, argument_is_secret(argv, argc, i) ? SLICE_LITERAL("(redacted)") : argv[i]);
    }
    buf_append_cstr(&line, "\r\n");
    list_for_each(it, &s->monitors)
        client_push(list_entry(it, struct client, monitor_link), buf_slice(&line));
    buf_deinit(&line);
}
