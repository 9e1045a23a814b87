/* Histories as lines. */
#include "history.h"

#include "base/number.h"

#include <stdlib.h>

/* What an operation's arguments are, in their order. */
enum argument { NOTHING, TEXT, TEXT_TTL, NUMBER, TEXT_TEXT };

static const struct {
    const char *name;
    enum argument argument;
    bool ttl_needed;
} kinds[OP_KINDS] = {
    [OP_GET] = {"get", NOTHING, false},          [OP_SET] = {"set", TEXT_TTL, false},
    [OP_SETNX] = {"setnx", TEXT_TTL, false},     [OP_GETSET] = {"getset", TEXT, false},
    [OP_APPEND] = {"append", TEXT, false},       [OP_INCR] = {"incr", NUMBER, false},
    [OP_DEL] = {"del", NOTHING, false},          [OP_EXPIRE] = {"expire", NUMBER, false},
    [OP_EXPIREAT] = {"expireat", NUMBER, false}, [OP_PERSIST] = {"persist", NOTHING, false},
    [OP_CAS] = {"cas", TEXT_TEXT, false},        [OP_LOCK] = {"lock", TEXT_TTL, true},
    [OP_UNLOCK] = {"unlock", TEXT, false},
};

static const char *const outcomes[] = {"ok", "unknown", "notrun", "error"};

const char *op_name(enum op_kind kind)
{
    return kinds[kind].name;
}

const char *outcome_name(enum op_outcome outcome)
{
    return outcomes[outcome];
}

/* ---- writing -------------------------------------------------------------------------------------------- */

static void put_string(struct buf *out, struct slice s)
{
    if (!s.data)
        buf_append_cstr(out, "-");
    else if (s.len == 0)
        buf_append_cstr(out, "%");
    else if (s.len == 1 && s.data[0] == '-')
        buf_append_cstr(out, "%2D");
    else
        for (size_t i = 0; i < s.len; i++) {
            unsigned char c = (unsigned char)s.data[i];
            if (c > ' ' && c < 127 && c != '%' && c != ',')
                put_u8(out, c);
            else
                buf_printf(out, "%%%02X", c);
        }
}

static void put_arguments(struct buf *out, const struct op_text *t)
{
    switch (kinds[t->kind].argument) {
    case NOTHING:
        buf_append_cstr(out, "-");
        return;
    case NUMBER:
        buf_printf(out, "%lld", (long long)t->number);
        return;
    case TEXT:
    case TEXT_TTL:
        put_string(out, t->arg);
        if (kinds[t->kind].argument == TEXT_TTL && t->number)
            buf_printf(out, ",%lld", (long long)t->number);
        return;
    case TEXT_TEXT:
        put_string(out, t->arg);
        put_u8(out, ',');
        put_string(out, t->next);
        return;
    }
}

bool history_print(FILE *to, const struct op_text *t)
{
    struct buf line = BUF_EMPTY;
    buf_printf(&line, "%u ", t->client);
    put_string(&line, t->key);
    buf_printf(&line, " %s ", kinds[t->kind].name);
    put_arguments(&line, t);
    put_u8(&line, ' ');
    put_string(&line, t->outcome == OUTCOME_OK ? t->result : slice_of(NULL, 0));
    buf_printf(&line, " %s %llu ", outcomes[t->outcome], (unsigned long long)t->invoked_us);
    if (t->outcome == OUTCOME_UNKNOWN)
        buf_append_cstr(&line, "-\n");
    else
        buf_printf(&line, "%llu\n", (unsigned long long)t->returned_us);
    bool ok = fwrite(line.data, 1, line.len, to) == line.len;
    buf_deinit(&line);
    return ok;
}

/* ---- reading -------------------------------------------------------------------------------------------- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* Undone strings get shorter, and the space was reserved for the whole line: it does not move. */
static bool get_string(struct slice s, struct slice *out, struct buf *space)
{
    char *begin = space->data + space->len;
    *out = slice_of(NULL, 0);
    if (s.len == 0)
        return false;
    if (s.len == 1 && s.data[0] == '-')
        return true;
    for (size_t i = 0; i < s.len && !(s.len == 1 && s.data[0] == '%'); i++) {
        char c = s.data[i];
        if (c == '%') {
            if (i + 2 >= s.len || hex(s.data[i + 1]) < 0 || hex(s.data[i + 2]) < 0)
                return false;
            c = (char)(hex(s.data[i + 1]) * 16 + hex(s.data[i + 2]));
            i += 2;
        }
        space->data[space->len++] = c;
    }
    *out = slice_of(begin, (size_t)(space->data + space->len - begin));
    return true;
}

static struct slice cut(struct slice *rest, char at)
{
    const char *end = rest->len ? memchr(rest->data, at, rest->len) : NULL;
    struct slice head = slice_of(rest->data, end ? (size_t)(end - rest->data) : rest->len);
    *rest = end ? slice_of(end + 1, rest->len - head.len - 1) : slice_of(NULL, 0);
    return head;
}

static bool get_time(struct slice s, uint64_t *out)
{
    int64_t v;
    if (!parse_i64(s, &v) || v < 0)
        return false;
    *out = (uint64_t)v;
    return true;
}

static int find(struct slice word, const char *(*name)(int), int count)
{
    for (int i = 0; i < count; i++)
        if (slice_equal(word, slice_cstr(name(i))))
            return i;
    return -1;
}

static const char *kind_at(int i)
{
    return kinds[i].name;
}

static const char *outcome_at(int i)
{
    return outcomes[i];
}

static bool get_arguments(struct slice s, struct op_text *t, struct buf *space)
{
    struct slice first = cut(&s, ',');
    switch (kinds[t->kind].argument) {
    case NOTHING:
        return slice_equal(first, SLICE_LITERAL("-")) && !s.data;
    case NUMBER:
        return parse_i64(first, &t->number) && !s.data;
    case TEXT:
        return get_string(first, &t->arg, space) && t->arg.data && !s.data;
    case TEXT_TTL:
        if (s.data ? !parse_i64(s, &t->number) || t->number <= 0 : kinds[t->kind].ttl_needed)
            return false;
        return get_string(first, &t->arg, space) && t->arg.data;
    case TEXT_TEXT:
        return s.data && get_string(first, &t->arg, space) && get_string(s, &t->next, space) && t->next.data;
    }
    return false;
}

/* An answer that its operation cannot have. */
static bool result_fits(const struct op_text *t)
{
    int64_t number;
    switch (t->kind) {
    case OP_GET:
    case OP_SET:
    case OP_GETSET:
        return true;
    case OP_APPEND:
    case OP_INCR:
        return t->result.data && parse_i64(t->result, &number);
    default:
        return t->result.data && parse_i64(t->result, &number) && (number == 0 || number == 1);
    }
}

const char *history_parse(struct slice line, struct op_text *t, struct buf *space)
{
    struct slice field[8];
    int64_t client;
    *t = (struct op_text){.client = 0};
    if (line.len == 0 || line.data[0] == '#')
        return NULL;
    for (int i = 0; i < 8; i++)
        field[i] = cut(&line, ' ');
    if (!field[7].len || line.data)
        return "not eight fields";
    buf_truncate(space, 0);
    size_t longest = 0;
    for (int i = 0; i < 8; i++)
        longest += field[i].len;
    buf_reserve(space, longest);
    if (!parse_i64(field[0], &client) || client < 0 || client >= 1000000000)
        return "the client is no number";
    t->client = (uint32_t)client;
    int kind = find(field[2], kind_at, OP_KINDS), outcome = find(field[5], outcome_at, 4);
    if (kind < 0)
        return "no such operation";
    if (outcome < 0)
        return "no such outcome";
    t->kind = (enum op_kind)kind;
    t->outcome = (enum op_outcome)outcome;
    if (!get_string(field[1], &t->key, space) || !t->key.data)
        return "the key is no string";
    if (!get_arguments(field[3], t, space))
        return "arguments that the operation does not take";
    if (!get_string(field[4], &t->result, space) || (t->outcome == OUTCOME_OK && !result_fits(t)))
        return "a result that the operation does not have";
    if (!get_time(field[6], &t->invoked_us))
        return "the time of invocation is no time";
    if (t->outcome == OUTCOME_UNKNOWN)
        return slice_equal(field[7], SLICE_LITERAL("-")) ? NULL : "an unknown outcome with a time of return";
    if (!get_time(field[7], &t->returned_us))
        return "the time of return is no time";
    return t->returned_us < t->invoked_us ? "returned before it was invoked" : NULL;
}

const char *history_load(struct history *h, const char *path)
{
    static char wrong[256];
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t room = 0, number = 0;
    struct buf space = BUF_EMPTY;
    const char *why = NULL;
    if (!f) {
        snprintf(wrong, sizeof(wrong), "%s: %m", path);
        return wrong;
    }
    for (ssize_t len; !why && (len = getline(&line, &room, f)) >= 0;) {
        struct op_text t;
        number++;
        /* A writer that was killed leaves half a line behind. */
        if (len == 0 || line[len - 1] != '\n')
            why = "cut off";
        else
            why = history_parse(slice_of(line, (size_t)len - 1), &t, &space);
        if (!why && t.key.data)
            history_add(h, &t);
        if (why)
            snprintf(wrong, sizeof(wrong), "%s, line %zu: %s", path, number, why);
    }
    if (!why && ferror(f))
        snprintf(wrong, sizeof(wrong), "%s: %m", why = path);
    fclose(f);
    free(line);
    buf_deinit(&space);
    return why ? wrong : NULL;
}

void op_show(struct buf *out, const struct history *h, const struct op *o)
{
    char space[48];
    struct slice key = history_key(h, o->key);
    buf_printf(out, "%u: client %u %s %.*s", o->line, o->client, kinds[o->kind].name, (int)key.len, key.data);
    if (kinds[o->kind].argument == TEXT || kinds[o->kind].argument == TEXT_TTL ||
        kinds[o->kind].argument == TEXT_TEXT)
        buf_printf(out, " %s", value_show(&o->arg, space));
    if (kinds[o->kind].argument == TEXT_TEXT)
        buf_printf(out, " %s", value_show(&o->next, space));
    if (o->number)
        buf_printf(out, " %lld", (long long)o->number);
    if (o->outcome == OUTCOME_OK)
        buf_printf(out, " -> %s", value_show(&o->result, space));
    else
        buf_printf(out, " %s", outcomes[o->outcome]);
    if (o->outcome == OUTCOME_UNKNOWN)
        buf_printf(out, " [%llu..]", (unsigned long long)o->invoked_us);
    else
        buf_printf(out, " [%llu..%llu]", (unsigned long long)o->invoked_us,
                   (unsigned long long)o->returned_us);
}
