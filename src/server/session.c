/* Names and numbers (DESIGN 5): a plain name tags entries, `<id>@seq=<n>` opens a session in which requests count. */
#include "base/number.h"
#include "server/users.h"

void session_stamp(struct client *c, struct rsm_request *req, bool numbered)
{
    req->user = client_user(c);
    if (req->kind == RSM_SESSION)
        return;
    req->client_id = client_tag(c);
    if (numbered) {
        req->numbering = RSM_SESSION_NUMBER;
        req->session = c->session;
        req->request_id = c->next_number;
    } else {
        req->numbering = RSM_TAGGED;
        req->request_id = c->request_id + 1;
    }
}

/* By name alone: whatever else is wrong with the request, client and server count alike. */
bool session_is_numbered(struct slice name, struct slice second, bool in_multi)
{
    const struct command *row = command_lookup(name);
    if (!row)
        return false;
    if (slice_is_word(name, "exec"))
        return true;
    const struct command *sub = row->subcommands && second.data ? command_lookup_sub(row, second) : NULL;
    return !in_multi && ((sub ? sub : row)->flags & (CMD_WRITE | CMD_NUMBERED));
}

static bool ends_with_number(struct slice name, const char *mark, struct slice *id, int64_t *number)
{
    const char *at = name.len ? memrchr(name.data, '@', name.len) : NULL;
    size_t mark_len = strlen(mark);
    if (!at || at == name.data)
        return false;
    struct slice tail = {at, name.len - (size_t)(at - name.data)};
    if (tail.len <= mark_len || memcmp(tail.data, mark, mark_len) != 0)
        return false;
    *id = slice_of(name.data, (size_t)(at - name.data));
    return parse_i64(slice_of(tail.data + mark_len, tail.len - mark_len), number) && *number >= 0;
}

enum { NAME_MAX_BYTES = 1024 };

/* A plain one is in each entry of its client, a session's in the state of every node. */
const char *client_name_error(struct slice name)
{
    if (name.len > NAME_MAX_BYTES)
        return "ERR Client names cannot be longer than 1024 bytes.";
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] < '!' || name.data[i] > '~')
            return "ERR Client names cannot contain spaces, newlines or special characters.";
    return NULL;
}

void client_set_name(struct client *c, struct slice name)
{
    buf_truncate(&c->name, 0);
    buf_append_slice(&c->name, name);
    c->session = 0;
}

bool session_is_asked(struct slice name)
{
    struct slice id;
    int64_t number;
    return ends_with_number(name, "@seq=", &id, &number) || ends_with_number(name, "@retry=", &id, &number);
}

bool session_setname(struct client *c, struct slice name)
{
    struct slice id;
    int64_t number;
    bool open = ends_with_number(name, "@seq=", &id, &number);
    if (!open && !ends_with_number(name, "@retry=", &id, &number))
        return false;
    struct rsm_request req = {.kind = RSM_SESSION,
                              .client_id = id,
                              .argv = &id,
                              .argc = 1,
                              .request_id = (uint64_t)number,
                              .may_open = open,
                              .resp = 2};
    buf_truncate(&c->opening, 0);
    buf_append_slice(&c->opening, id);
    c->opening_number = (uint64_t)number;
    uint32_t open_before = c->writes_open;
    c->wait_asked = route_write(c, NULL, &req, KIND_SESSION, 0, false) == WAIT;
    c->exclusive = c->writes_open != open_before;
    return true;
}

void session_opened(struct client *c, struct slice reply)
{
    int64_t index = 0;
    if (reply.len < 4 || !parse_i64(slice_of(reply.data + 1, reply.len - 3), &index))
        return;
    buf_truncate(&c->name, 0);
    buf_append_slice(&c->name, buf_slice(&c->opening));
    c->session = (uint64_t)index;
    c->next_number = c->opening_number;
}
