/* The bytes of an entry: rsm_int.h has the table. Encoding sizes the whole first and then writes it in one
 * go, as it runs once for every write a client sends; decoding believes nothing, as it runs on what peers and
 * disks hand us. */
#include "rsm/rsm_int.h"

#include "base/alloc.h"

#include <assert.h>

#define VARINT_MAX 10
/* Everything before the body, without the bytes of client_id and user. */
#define HEAD_MAX (ENTRY_HEADER_SIZE + 7 * VARINT_MAX + 1)

static char *write_varint(char *at, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *at++ = (char)(v | 0x80);
    *at++ = (char)v;
    return at;
}

static char *write_bytes(char *at, struct slice s)
{
    at = write_varint(at, s.len);
    if (s.len)
        memcpy(at, s.data, s.len);
    return at + s.len;
}

static char *write_u64(char *at, uint64_t v)
{
    store_u64(at, v);
    return at + sizeof v;
}

static size_t body_bound(const struct rsm_request *q)
{
    size_t n = 4 * VARINT_MAX + 24;
    for (size_t i = 0; i < q->argc; i++)
        n += q->argv[i].len + VARINT_MAX;
    n += q->commands * 2 * VARINT_MAX;
    for (size_t i = 0; i < q->watch_count; i++)
        n += q->watches[i].key.len + 3 * VARINT_MAX;
    for (size_t i = 0; q->settings && q->settings[i]; i++)
        n += strlen(q->settings[i]) + 1 + VARINT_MAX;
    return n;
}

static char *write_watches(char *at, const struct rsm_request *q)
{
    at = write_varint(at, q->watch_count);
    for (size_t i = 0; i < q->watch_count; i++) {
        at = write_varint(at, q->watches[i].db);
        at = write_bytes(at, q->watches[i].key);
        at = write_varint(at, q->watches[i].version);
    }
    return at;
}

static char *write_exec(char *at, const struct rsm_request *q)
{
    size_t args = 0;
    at = write_varint(write_watches(at, q), q->commands);
    for (size_t i = 0; i < q->commands; i++) {
        at = write_varint(at, q->dbs[i]);
        at = write_varint(at, q->counts[i]);
        for (uint32_t k = 0; k < q->counts[i]; k++)
            at = write_bytes(at, q->argv[args++]);
    }
    assert(args == q->argc);
    return at;
}

static char *write_found(char *at, const struct rsm_request *q)
{
    size_t n = 0;
    while (q->settings && q->settings[n])
        n++;
    assert(n % 2 == 0);
    at = write_u64(at, q->cluster_id);
    at = write_u64(at, q->seed.k0);
    at = write_u64(at, q->seed.k1);
    at = write_varint(at, n / 2);
    for (size_t i = 0; i < n; i++)
        at = write_bytes(at, slice_of(q->settings[i], strlen(q->settings[i]) + 1));
    return at;
}

static char *write_body(char *at, const struct rsm_request *q)
{
    switch (q->kind) {
    case RSM_FOUND:
        return write_found(at, q);
    case RSM_COMMAND:
    case RSM_SETTING:
    case RSM_ACL:
        at = write_varint(at, q->argc);
        for (size_t i = 0; i < q->argc; i++)
            at = write_bytes(at, q->argv[i]);
        return at;
    case RSM_EXEC:
        return write_exec(at, q);
    case RSM_SESSION:
        assert(q->argc == 1);
        return write_bytes(at, q->argv[0]);
    case RSM_CLOCK:
        return at;
    case RSM_CHECKPOINT:
    case RSM_VERSION:
        return write_varint(at, q->node);
    case RSM_EVICT:
        return write_watches(at, q);
    case RSM_UNBLOCK:
        at = write_varint(write_varint(at, q->claim), q->node);
        return write_varint(at, q->unblock);
    }
    assert(false);
    return at;
}

size_t rsm_encode_bound(const struct rsm_request *q)
{
    return HEAD_MAX + q->client_id.len + q->user.len + body_bound(q);
}

void rsm_encode(struct buf *out, const struct rsm_request *q, uint64_t stamp_ms, uint64_t chance)
{
    char *at = buf_reserve(out, rsm_encode_bound(q));
    *at++ = (char)q->kind;
    assert(!q->asker || q->kind == RSM_COMMAND);
    *at++ = (char)((unsigned)q->numbering | (q->may_open ? 4u : 0) | (q->asker ? ENTRY_MAY_WAIT : 0) |
                   (q->oom ? ENTRY_OOM : 0));
    at = write_u64(at, stamp_ms);
    at = write_u64(at, chance);
    at = write_varint(at, q->request_id);
    at = write_bytes(at, q->client_id);
    at = write_bytes(at, q->user);
    if (q->numbering == RSM_SESSION_NUMBER)
        at = write_varint(at, q->session);
    else if (q->numbering == RSM_PROXY_NUMBER)
        at = write_varint(at, q->lowest);
    if (q->asker)
        at = write_varint(write_varint(at, q->asker), q->until_ms);
    *at++ = q->resp == 3 ? 3 : 2;
    at = write_varint(at, q->db);
    at = write_body(at, q);
    out->len = (size_t)(at - out->data);
}

bool rsm_peek_stamp(struct slice payload, uint64_t *stamp_ms)
{
    if (payload.len < ENTRY_HEADER_SIZE)
        return false;
    *stamp_ms = load_u64(payload.data + ENTRY_STAMP_AT);
    return true;
}

bool rsm_restamp(char *payload, size_t len, uint64_t stamp_ms, uint64_t chance)
{
    if (len < ENTRY_HEADER_SIZE)
        return false;
    store_u64(payload + ENTRY_STAMP_AT, stamp_ms);
    store_u64(payload + ENTRY_CHANCE_AT, chance);
    return true;
}

/* ---- decoding ---- */

void rsm_arrays_deinit(struct rsm_arrays *a)
{
    mem_free(a->argv);
    mem_free(a->counts);
    mem_free(a->dbs);
    mem_free(a->watches);
    mem_free(a->settings);
    *a = (struct rsm_arrays){0};
}

/* Arrays grow as elements arrive, never from a count that the payload declares. */
static size_t grown(size_t cap)
{
    return cap ? cap * 2 : 8;
}

static uint32_t get_u32_varint(struct reader *r)
{
    uint64_t v = get_varint(r);
    if (v > UINT32_MAX)
        r->failed = true;
    return (uint32_t)v;
}

static void parse_arguments(struct reader *r, struct rsm_arrays *a, struct rsm_request *q, uint64_t count)
{
    for (uint64_t i = 0; i < count && !r->failed; i++) {
        if (q->argc == a->argv_cap) {
            a->argv_cap = grown(a->argv_cap);
            a->argv = mem_realloc(a->argv, a->argv_cap * sizeof *a->argv);
        }
        a->argv[q->argc++] = get_bytes(r);
    }
    q->argv = a->argv;
}

static void parse_watches(struct reader *r, struct rsm_arrays *a, struct rsm_request *q)
{
    uint64_t count = get_varint(r);
    for (uint64_t i = 0; i < count && !r->failed; i++) {
        if (q->watch_count == a->watch_cap) {
            a->watch_cap = grown(a->watch_cap);
            a->watches = mem_realloc(a->watches, a->watch_cap * sizeof *a->watches);
        }
        struct rsm_watch *w = &a->watches[q->watch_count++];
        w->db = get_u32_varint(r);
        w->key = get_bytes(r);
        w->version = get_varint(r);
    }
    q->watches = a->watches;
}

static void parse_exec(struct reader *r, struct rsm_arrays *a, struct rsm_request *q)
{
    parse_watches(r, a, q);
    uint64_t count = get_varint(r);
    for (uint64_t i = 0; i < count && !r->failed; i++) {
        if (q->commands == a->command_cap) {
            a->command_cap = grown(a->command_cap);
            a->counts = mem_realloc(a->counts, a->command_cap * sizeof *a->counts);
            a->dbs = mem_realloc(a->dbs, a->command_cap * sizeof *a->dbs);
        }
        uint32_t db = get_u32_varint(r), argc = get_u32_varint(r);
        if (argc == 0)
            r->failed = true;
        a->dbs[q->commands] = db;
        a->counts[q->commands++] = argc;
        parse_arguments(r, a, q, argc);
    }
    q->counts = a->counts;
    q->dbs = a->dbs;
}

/* The string's NUL is in the payload, so that `settings` can point there. */
static const char *get_cstr(struct reader *r)
{
    struct slice s = get_bytes(r);
    if (s.len == 0 || memchr(s.data, 0, s.len) != s.data + s.len - 1)
        r->failed = true;
    return s.data;
}

static void parse_found(struct reader *r, struct rsm_arrays *a, struct rsm_request *q)
{
    q->cluster_id = get_u64(r);
    q->seed.k0 = get_u64(r);
    q->seed.k1 = get_u64(r);
    if (q->cluster_id == 0)
        r->failed = true;
    uint64_t pairs = get_varint(r);
    size_t n = 0;
    for (uint64_t i = 0; i < pairs && !r->failed; i++) {
        if (n + 3 > a->setting_cap) {
            a->setting_cap = grown(a->setting_cap);
            a->settings = mem_realloc(a->settings, a->setting_cap * sizeof *a->settings);
        }
        a->settings[n++] = get_cstr(r);
        a->settings[n++] = get_cstr(r);
        a->settings[n] = NULL;
    }
    q->settings = n ? a->settings : NULL;
}

static void parse_body(struct reader *r, struct rsm_arrays *a, struct rsm_request *q)
{
    switch (q->kind) {
    case RSM_FOUND:
        parse_found(r, a, q);
        break;
    case RSM_COMMAND:
    case RSM_SETTING:
    case RSM_ACL:
        parse_arguments(r, a, q, get_varint(r));
        if (q->argc == 0 || (q->kind == RSM_SETTING && q->argc % 2))
            r->failed = true;
        break;
    case RSM_EXEC:
        parse_exec(r, a, q);
        break;
    case RSM_SESSION:
        parse_arguments(r, a, q, 1);
        break;
    case RSM_CLOCK:
        break;
    case RSM_CHECKPOINT:
    case RSM_VERSION:
        q->node = get_varint(r);
        break;
    case RSM_EVICT:
        parse_watches(r, a, q);
        break;
    case RSM_UNBLOCK: {
        q->claim = get_varint(r);
        q->node = get_varint(r);
        uint64_t why = get_varint(r);
        q->unblock = (enum rsm_unblock)why;
        if (why > RSM_UNBLOCK_ERROR || (q->claim == 0) == (q->node == 0))
            r->failed = true;
        break;
    }
    }
}

bool rsm_entry_glance(struct slice payload, uint32_t *db, struct slice *key)
{
    struct reader r = reader_of(payload);
    if (get_u8(&r) != RSM_COMMAND)
        return false;
    unsigned flags = get_u8(&r), numbering = flags & 3u;
    get_raw(&r, ENTRY_HEADER_SIZE - 2);
    get_varint(&r);
    get_bytes(&r);
    get_bytes(&r);
    if (numbering != RSM_TAGGED)
        get_varint(&r);
    if (flags & ENTRY_MAY_WAIT) {
        get_varint(&r);
        get_varint(&r);
    }
    get_u8(&r);
    *db = get_u32_varint(&r);
    uint64_t argc = get_varint(&r);
    get_bytes(&r);
    *key = get_bytes(&r);
    return argc > 1 && !r.failed;
}

bool rsm_entry_parse(struct slice payload, struct rsm_arrays *a, struct rsm_decoded *out, struct slice *asked)
{
    struct reader r = reader_of(payload);
    struct rsm_request *q = &out->req;
    *out = (struct rsm_decoded){0};
    uint8_t kind = get_u8(&r), flags = get_u8(&r);
    out->stamp_ms = get_u64(&r);
    out->chance = get_u64(&r);
    if (r.failed || kind < RSM_FOUND || kind > RSM_ACL || flags > 31 || (flags & 3) == 3 ||
        (flags & ENTRY_MAY_WAIT && kind != RSM_COMMAND) ||
        (flags & ENTRY_OOM && kind != RSM_COMMAND && kind != RSM_EXEC) ||
        out->stamp_ms > INT64_MAX) /* commands count with it in signed numbers */
        return false;
    q->kind = (enum rsm_kind)kind;
    q->numbering = (enum rsm_numbering)(flags & 3);
    q->may_open = flags & 4;
    q->oom = flags & ENTRY_OOM;
    q->request_id = get_varint(&r);
    q->client_id = get_bytes(&r);
    q->user = get_bytes(&r);
    if (q->numbering == RSM_SESSION_NUMBER)
        q->session = get_varint(&r);
    else if (q->numbering == RSM_PROXY_NUMBER)
        q->lowest = get_varint(&r);
    if (flags & ENTRY_MAY_WAIT) {
        q->asker = get_varint(&r);
        q->until_ms = get_varint(&r);
        if (q->asker == 0 || q->until_ms > INT64_MAX)
            return false;
    }
    *asked = slice_of(r.at, reader_left(&r));
    q->resp = get_u8(&r);
    q->db = get_u32_varint(&r);
    if (r.failed || (q->resp != 2 && q->resp != 3))
        return false;
    parse_body(&r, a, q);
    return !r.failed && reader_left(&r) == 0;
}

bool rsm_decode(struct slice payload, struct rsm_decoded *out)
{
    struct rsm_arrays a = {0};
    struct slice asked;
    if (rsm_entry_parse(payload, &a, out, &asked)) {
        /* What the kind does not use was never allocated, so freeing the request's arrays frees all. */
        return true;
    }
    rsm_arrays_deinit(&a);
    *out = (struct rsm_decoded){0};
    return false;
}

void rsm_decoded_deinit(struct rsm_decoded *d)
{
    mem_free((void *)(uintptr_t)d->req.argv);
    mem_free((void *)(uintptr_t)d->req.counts);
    mem_free((void *)(uintptr_t)d->req.dbs);
    mem_free((void *)(uintptr_t)d->req.watches);
    mem_free((void *)(uintptr_t)d->req.settings);
    *d = (struct rsm_decoded){0};
}
