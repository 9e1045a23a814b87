/* The rules of exactly once (DESIGN 5; dissertation, section 6.3): who may open a session, which numbers run,
 * which are answered from memory, which are refused. */
#include "rsm/rsm_int.h"

#include "base/resp.h"

#include <assert.h>

static const char no_session[] = "NOSESSION This session is unknown or has expired";
/* The proxying node hands this to its client as it is: nobody can say any more whether the request ran. */
static const char unknown_outcome[] = "MAYBE The outcome of this request is not known";

static const char other_request[] = "ERR another request was sent under this number";

bool rsm_is_numbered(const struct rsm_request *q)
{
    return q->numbering != RSM_TAGGED &&
           (q->kind == RSM_COMMAND || q->kind == RSM_EXEC || q->kind == RSM_SETTING ||
            q->kind == RSM_UNBLOCK || q->kind == RSM_ACL);
}

/* A session that is due is gone, whether or not the bounded expiry has come to it. */
static bool is_due(const struct rsm *r, const struct rsm_session *s)
{
    return r->stamp_ms - s->used_ms >= rsm_session_timeout_ms(r);
}

static struct rsm_session *alive(struct rsm *r, struct rsm_session *s)
{
    if (!s || !is_due(r, s))
        return s;
    rsm_session_close(&r->sessions, s);
    return NULL;
}

static void refuse(struct buf *reply, struct rsm_result *result, const char *error)
{
    result->outcome = RSM_REFUSED;
    resp_error(reply, error);
}

void rsm_apply_session(struct rsm *r, uint64_t index, const struct rsm_request *q, struct buf *reply,
                       struct rsm_result *result)
{
    struct rsm_session *s = alive(r, rsm_session_by_key(&r->sessions, false, q->user, q->argv[0]));
    if (s) {
        rsm_session_touch(&r->sessions, s, r->stamp_ms);
    } else if (!q->may_open) {
        refuse(reply, result, no_session);
        return;
    } else if (r->sessions.clients >= r->settings.value[SETTING_SESSION_MAX]) {
        refuse(reply, result, "ERR max number of sessions reached");
        return;
    } else {
        s = rsm_session_open(&r->sessions, index, false, q->user, q->argv[0], q->request_id, r->stamp_ms);
    }
    resp_integer(reply, (int64_t)s->name);
}

/* NULL: refused. */
static struct rsm_session *client_session(struct rsm *r, const struct rsm_request *q, struct buf *reply,
                                          struct rsm_result *result)
{
    struct rsm_session *s = alive(r, rsm_session_by_name(&r->sessions, q->session));
    if (s && !s->proxy && slice_equal(rsm_session_user(s), q->user)) {
        rsm_session_touch(&r->sessions, s, r->stamp_ms);
        return s;
    }
    refuse(reply, result, no_session);
    return NULL;
}

/* Numbers below the first one of a session may have run in an earlier one that was forgotten, hence a session
 * starts with the number that opens it, and only a first send, which surely has not run, opens one. */
static struct rsm_session *proxy_session(struct rsm *r, uint64_t index, const struct rsm_request *q,
                                         struct buf *reply, struct rsm_result *result)
{
    struct slice nobody = slice_of(NULL, 0);
    struct rsm_session *s = alive(r, rsm_session_by_key(&r->sessions, true, nobody, q->client_id));
    if (s) {
        rsm_session_touch(&r->sessions, s, r->stamp_ms);
    } else if (q->may_open) {
        s = rsm_session_open(&r->sessions, index, true, nobody, q->client_id, q->request_id, r->stamp_ms);
    } else {
        refuse(reply, result, unknown_outcome);
        return NULL;
    }
    rsm_window_trim(&r->sessions, s, q->lowest);
    return s;
}

/* For an EXEC only its name and RESP version: a transaction that is retried reads anew and may ask for
 * something else. */
static uint64_t request_hash(const struct rsm *r, const struct rsm_request *q, struct slice asked)
{
    if (q->kind == RSM_EXEC)
        return rsm_mix(RSM_EXEC, (uint64_t)q->resp);
    return rsm_mix((uint64_t)q->kind, siphash(&r->seed, asked.data, asked.len));
}

/* The lowest of the last numbers when `top` is the highest. */
static uint64_t window_low(const struct rsm *r, const struct rsm_session *s, uint64_t top)
{
    uint64_t window = s->proxy ? PROXY_WINDOW : r->settings.value[SETTING_SESSION_WINDOW];
    return top >= window ? top - window + 1 : 0;
}

static void slide(struct rsm *r, struct rsm_session *s, uint64_t top)
{
    rsm_window_trim(&r->sessions, s, window_low(r, s, top));
}

/* What is answered without running it; numbers below `low` are forgotten. */
static enum rsm_memory recall(struct rsm_session *s, uint64_t low, uint64_t number, uint64_t hash,
                              struct buf *reply)
{
    if (number < low) {
        resp_error(reply,
                   s->proxy ? unknown_outcome : "STALE This request is older than the session remembers");
        return RSM_FORGOTTEN;
    }
    const struct rsm_slot *slot = rsm_window_find(s, number);
    if (!slot)
        return RSM_UNHEARD;
    if (slot->hash != hash) {
        resp_error(reply, other_request);
        return RSM_FORGOTTEN;
    }
    buf_append_slice(reply, rsm_slot_reply(slot));
    return RSM_HEARD;
}

static bool is_same(const struct blocked *w, const struct rsm_request *q, uint64_t hash)
{
    return w->hash == hash && q->asker;
}

/* A request that waits and is sent again waits on, in its place, for who sent it last. */
static bool take_over(struct rsm *r, uint64_t index, const struct rsm_session *s, const struct rsm_request *q,
                      uint64_t hash, struct buf *reply, struct rsm_result *result)
{
    struct blocked *w = blocked_by_number(&r->blocked, s->name, q->request_id);
    if (!w)
        return false;
    if (!is_same(w, q, hash)) {
        refuse(reply, result, other_request);
        return true;
    }
    blocked_take_over(&r->blocked, w, index, q->asker);
    result->claim = index;
    result->asker = q->asker;
    return true;
}

void rsm_remember(struct rsm *r, uint64_t session, uint64_t number, uint64_t hash, struct slice reply)
{
    struct rsm_session *s = rsm_session_by_name(&r->sessions, session);
    if (!s)
        return;
    slide(r, s, number > s->top ? number : s->top);
    if (number >= s->low) /* the window may have been made smaller since */
        rsm_window_add(&r->sessions, s, number, hash, reply, reply.len > REPLY_MAX);
}

void rsm_apply_numbered(struct rsm *r, uint64_t index, const struct rsm_decoded *d, struct slice asked,
                        struct buf *reply, struct rsm_result *result)
{
    const struct rsm_request *q = &d->req;
    uint64_t number = q->request_id, hash = request_hash(r, q, asked);
    struct rsm_session *s = q->numbering == RSM_PROXY_NUMBER ? proxy_session(r, index, q, reply, result)
                                                             : client_session(r, q, reply, result);
    if (!s)
        return;
    slide(r, s, s->top); /* the window may have been made smaller since */
    if (take_over(r, index, s, q, hash, reply, result))
        return;
    enum rsm_memory memory = recall(s, s->low, number, hash, reply);
    if (memory != RSM_UNHEARD) {
        result->outcome = memory == RSM_HEARD ? RSM_DUPLICATE : RSM_REFUSED;
        return;
    }
    size_t before = reply->len;
    rsm_run(r, index, d, reply, result);
    assert(result->outcome == RSM_RAN);
    if (result->claim) { /* its number is pending; the reply will be remembered when it comes */
        blocked_set_number(&r->blocked, blocked_by_claim(&r->blocked, index), s->name, number, hash);
        return;
    }
    struct slice text = slice_of(reply->data + before, reply->len - before);
    slide(r, s, number > s->top ? number : s->top);
    if (number >= s->low) /* it may itself have made the window smaller */
        rsm_window_add(&r->sessions, s, number, hash, text, text.len > REPLY_MAX);
}

enum rsm_memory rsm_recall(struct rsm *r, struct slice payload, struct buf *reply)
{
    struct rsm_decoded d;
    struct slice asked;
    if (!rsm_entry_parse(payload, &r->arrays, &d, &asked) || !rsm_is_numbered(&d.req))
        return RSM_UNHEARD;
    const struct rsm_request *q = &d.req;
    bool proxy = q->numbering == RSM_PROXY_NUMBER;
    struct rsm_session *s = proxy ? rsm_session_by_key(&r->sessions, true, slice_of(NULL, 0), q->client_id)
                                  : rsm_session_by_name(&r->sessions, q->session);
    if (s && (is_due(r, s) || s->proxy != proxy || (!proxy && !slice_equal(rsm_session_user(s), q->user))))
        s = NULL;
    if (!s && proxy && q->may_open)
        return RSM_UNHEARD;
    if (!s) {
        resp_error(reply, proxy ? unknown_outcome : no_session);
        return RSM_FORGOTTEN;
    }
    const struct blocked *w = blocked_by_number(&r->blocked, s->name, q->request_id);
    if (w) { /* and may yet run */
        bool same = is_same(w, q, request_hash(r, q, asked));
        resp_error(reply, same ? unknown_outcome : other_request);
        return same ? RSM_PENDING : RSM_FORGOTTEN;
    }
    uint64_t low = window_low(r, s, s->top);
    low = low > s->low ? low : s->low;
    low = proxy && q->lowest > low ? q->lowest : low;
    return recall(s, low, q->request_id, request_hash(r, q, asked), reply);
}
