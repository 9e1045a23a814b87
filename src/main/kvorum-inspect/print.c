/* Entries and snapshot headers as lines. */
#include "main/kvorum-inspect/inspect.h"

#include <inttypes.h>
#include <time.h>

#include "rsm/rsm.h"
#include "store/rdb.h"

enum { TEXT_MAX = 64, ARGS_MAX = 12, RDB_MAGIC = 9, RDB_OP_AUX = 0xfa };

void print_text(FILE *out, struct slice text)
{
    size_t shown = text.len < TEXT_MAX ? text.len : TEXT_MAX;
    fputc('"', out);
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c >= ' ' && c < 0x7f)
            fputc(c, out);
        else
            fprintf(out, "\\x%02x", c);
    }
    fputc('"', out);
    if (shown < text.len)
        fprintf(out, "...(%zu bytes)", text.len);
}

static void print_time(FILE *out, uint64_t stamp_ms)
{
    time_t seconds = (time_t)(stamp_ms / 1000);
    struct tm t;
    char text[32];
    gmtime_r(&seconds, &t);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &t);
    fprintf(out, "%s.%03uZ", text, (unsigned)(stamp_ms % 1000));
}

void print_members(FILE *out, const struct raft_members *members)
{
    for (uint32_t i = 0; i < members->count; i++) {
        const struct raft_member *m = &members->at[i];
        fprintf(out, "%s%016" PRIx64 "=%s@%s:%u:%u%s", i ? "," : "", m->id, m->name, m->host, m->port,
                m->peer_port, m->voter ? "" : "(learner)");
    }
}

static void print_arguments(FILE *out, const struct slice *argv, size_t argc)
{
    for (size_t i = 0; i < argc && i < ARGS_MAX; i++) {
        fputc(' ', out);
        if (i == 0)
            fprintf(out, "%.*s", (int)argv[0].len, argv[0].data);
        else
            print_text(out, argv[i]);
    }
    if (argc > ARGS_MAX)
        fprintf(out, " ...(%zu arguments)", argc);
}

static void print_exec(FILE *out, const struct rsm_request *q)
{
    size_t at = 0;
    fprintf(out, " watches=%zu", q->watch_count);
    for (size_t i = 0; i < q->commands; i++) {
        fprintf(out, "%s db=%u", i ? ";" : "", q->dbs[i]);
        print_arguments(out, q->argv + at, q->counts[i]);
        at += q->counts[i];
    }
}

static void print_body(FILE *out, const struct rsm_request *q)
{
    switch (q->kind) {
    case RSM_FOUND:
        fprintf(out, " cluster=%016" PRIx64, q->cluster_id);
        for (size_t i = 0; q->settings && q->settings[i]; i += 2)
            fprintf(out, " %s=%s", q->settings[i], q->settings[i + 1]);
        break;
    case RSM_COMMAND:
        fprintf(out, " db=%u", q->db);
        if (q->asker)
            fprintf(out, " asker=%016" PRIx64 " until=%" PRIu64, q->asker, q->until_ms);
        print_arguments(out, q->argv, q->argc);
        break;
    case RSM_EXEC:
        print_exec(out, q);
        break;
    case RSM_SETTING:
    case RSM_SESSION:
    case RSM_ACL:
        print_arguments(out, q->argv, q->argc);
        break;
    case RSM_CHECKPOINT:
        fprintf(out, " node=%016" PRIx64, q->node);
        break;
    case RSM_UNBLOCK:
        fprintf(out, " claim=%" PRIu64 " node=%016" PRIx64 " why=%d", q->claim, q->node, (int)q->unblock);
        break;
    case RSM_VERSION:
        fprintf(out, " version=%" PRIu64, q->node);
        break;
    case RSM_EVICT:
        for (size_t i = 0; i < q->watch_count; i++) {
            fprintf(out, " db=%u version=%" PRIu64 " ", q->watches[i].db, q->watches[i].version);
            print_text(out, q->watches[i].key);
        }
        break;
    case RSM_CLOCK:
        break;
    }
}

static void print_data(FILE *out, struct slice payload)
{
    static const char *const kinds[] = {"?",          "found",   "command", "exec",    "session", "clock",
                                        "checkpoint", "setting", "evict",   "version", "unblock", "acl"};
    struct rsm_decoded d;
    if (!rsm_decode(payload, &d)) {
        fprintf(out, "kind=unknown payload=");
        print_text(out, payload);
        return;
    }
    fprintf(out, "kind=%s client=", kinds[d.req.kind]);
    print_text(out, d.req.client_id);
    fprintf(out, " request=%" PRIu64, d.req.request_id);
    if (d.req.numbering == RSM_SESSION_NUMBER)
        fprintf(out, " session=%" PRIu64, d.req.session);
    fprintf(out, " stamp=");
    print_time(out, d.stamp_ms);
    print_body(out, &d.req);
    rsm_decoded_deinit(&d);
}

void print_entry(FILE *out, const struct raft_frame *frame, bool good)
{
    fprintf(out, "entry index=%" PRIu64 " term=%" PRIu64 " ", frame->index, frame->term);
    struct raft_members members;
    if (!good)
        fprintf(out, "DAMAGED: its checksum is wrong (%zu bytes)", frame->len);
    else if (!raft_entry_known(frame))
        fprintf(out, "kind=%d, which this build does not know", (int)frame->kind);
    else if (frame->kind == RAFT_ENTRY_NOOP)
        fprintf(out, "kind=noop");
    else if (frame->kind == RAFT_ENTRY_DATA)
        print_data(out, frame->payload);
    else if (raft_members_decode(frame->payload, &members)) {
        fprintf(out, "kind=config members=");
        print_members(out, &members);
    } else
        fprintf(out, "kind=config DAMAGED: a member list that cannot be read");
    fputc('\n', out);
}

static bool is_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < ' ' || s.data[i] > '~')
            return false;
    return true;
}

static void print_aux(FILE *out, struct slice name, struct slice value)
{
    struct raft_members members;
    fprintf(out, "snapshot-aux %.*s=", (int)name.len, name.data);
    if (slice_equal(name, SLICE_LITERAL("kvorum-members")) && raft_members_decode(value, &members))
        print_members(out, &members);
    else if (is_text(value))
        fprintf(out, "%.*s", (int)value.len, value.data);
    else
        print_text(out, value);
    fputc('\n', out);
}

bool print_snapshot_head(FILE *out, struct slice head)
{
    if (head.len < RDB_MAGIC || memcmp(head.data, "REDIS", 5) != 0)
        return false;
    struct reader r = reader_of(slice_of(head.data + RDB_MAGIC, head.len - RDB_MAGIC));
    struct buf scratch[2] = {BUF_EMPTY, BUF_EMPTY};
    size_t sessions = 0;
    while (get_u8(&r) == RDB_OP_AUX) {
        struct slice name, value;
        if (!rdb_get_string(&r, &scratch[0], &name) || !rdb_get_string(&r, &scratch[1], &value))
            break; /* the head ends here; the file's own checksum says whether it is whole */
        if (slice_equal(name, SLICE_LITERAL("kvorum-session")))
            sessions++;
        else
            print_aux(out, name, value);
    }
    fprintf(out, "snapshot-sessions %zu%s\n", sessions, r.failed ? " or more" : "");
    buf_deinit(&scratch[0]);
    buf_deinit(&scratch[1]);
    return true;
}
