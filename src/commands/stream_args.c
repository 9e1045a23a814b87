/* IDs of streams as text. */
#include <errno.h>
#include <stdlib.h>

#include "commands/stream.h"

enum { ID_TEXT_MAX = 127 };

bool find_stream(struct command_context *c, size_t i, struct store_key **k)
{
    *k = store_find(&c->view, c->argv[i]);
    return check_type(c, *k, STORE_STREAM);
}

/* As Redis reads one: what is no integer in its shortest form is left to strtoull. */
static bool parse_u64(const char *text, uint64_t *out)
{
    int64_t number;
    char *end;
    if (parse_i64(slice_cstr(text), &number)) {
        *out = (uint64_t)number;
        return number >= 0;
    }
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *text && !*end;
}

static bool parse_id(struct slice s, uint64_t missing_seq, bool *any_seq, struct stream_id *id)
{
    char text[ID_TEXT_MAX + 1];
    if (s.len > ID_TEXT_MAX || !s.len)
        return false;
    memcpy(text, s.data, s.len);
    text[s.len] = 0;
    char *dash = strchr(text, '-');
    if (dash)
        *dash = 0;
    if (any_seq)
        *any_seq = dash && strcmp(dash + 1, "*") == 0;
    id->seq = any_seq && *any_seq ? 0 : missing_seq;
    return parse_u64(text, &id->ms) && (!dash || (any_seq && *any_seq) || parse_u64(dash + 1, &id->seq));
}

bool stream_id_parse(struct slice s, struct stream_id *id)
{
    return parse_id(s, 0, NULL, id);
}

static bool invalid_id(struct command_context *c)
{
    resp_error(c->out, "ERR Invalid stream ID specified as stream command argument");
    return false;
}

bool arg_stream_id(struct command_context *c, size_t i, uint64_t missing_seq, bool *any_seq,
                   struct stream_id *id)
{
    return parse_id(c->argv[i], missing_seq, any_seq, id) || invalid_id(c);
}

bool arg_stream_id_or_end(struct command_context *c, size_t i, struct stream_id *id)
{
    struct slice s = c->argv[i];
    if (s.len != 1 || (s.data[0] != '-' && s.data[0] != '+'))
        return arg_stream_id(c, i, 0, NULL, id);
    id->ms = id->seq = s.data[0] == '-' ? 0 : UINT64_MAX;
    return true;
}

bool arg_stream_bound(struct command_context *c, size_t i, bool is_end, struct stream_id *id)
{
    struct slice s = c->argv[i];
    bool without = s.len > 1 && s.data[0] == '(';
    uint64_t missing = is_end ? UINT64_MAX : 0;
    if (s.len == 1 && (s.data[0] == '-' || s.data[0] == '+'))
        id->ms = id->seq = s.data[0] == '-' ? 0 : UINT64_MAX;
    else if (!parse_id(without ? slice_drop(s, 1) : s, missing, NULL, id))
        return invalid_id(c);
    if (!without || stream_id_step(id, is_end))
        return true;
    resp_errorf(c->out, "ERR invalid %s ID for the interval", is_end ? "end" : "start");
    return false;
}

size_t stream_id_print(char *out, struct stream_id id)
{
    size_t n = format_u64(out, id.ms);
    out[n++] = '-';
    return n + format_u64(out + n, id.seq);
}

void reply_stream_id(struct buf *out, struct stream_id id)
{
    char text[STREAM_ID_TEXT_MAX];
    resp_bulk(out, slice_of(text, stream_id_print(text, id)));
}

void reply_stream_entry(struct buf *out, const struct collection *stream, struct stream_at at)
{
    struct stream_pair pair;
    resp_array(out, 2);
    reply_stream_id(out, at.id);
    resp_array(out, 2 * at.fields);
    for (size_t i = 0; i < at.fields; i++) {
        stream_next_pair(stream, &at, &pair);
        resp_bulk(out, pair.name);
        resp_bulk(out, pair.value);
    }
}
