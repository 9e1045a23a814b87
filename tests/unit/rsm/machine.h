/* A state machine under test and a hand to feed it: each helper encodes one entry, applies it at the next
 * index, and returns the reply as a C string (valid until the next call). */
#ifndef TESTS_RSM_MACHINE_H
#define TESTS_RSM_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "rsm/rsm.h"

#define MACHINE_CLUSTER 77
#define MACHINE_START   1700000000000u

struct machine {
    struct rsm *rsm;
    uint64_t stamp_ms, chance;
    struct buf payload, reply;
    struct rsm_result result;
};

/* Whoever asks the sessions before is told what applying then does, as long as no time passes in between. */
static inline void assert_recalled(const struct machine *m, enum rsm_memory memory, struct slice recalled)
{
    enum rsm_outcome outcome = m->result.outcome;
    assert_int_equal(memory == RSM_HEARD, outcome == RSM_DUPLICATE);
    assert_int_equal(memory == RSM_FORGOTTEN, outcome == RSM_REFUSED);
    if (memory == RSM_PENDING)
        assert_int_not_equal(m->result.claim, 0);
    else if (memory != RSM_UNHEARD)
        assert_true(slice_equal(recalled, buf_slice(&m->reply)));
    else
        assert_int_equal(recalled.len, 0);
}

static inline const char *apply_request(struct machine *m, const struct rsm_request *q)
{
    struct buf recalled = BUF_EMPTY;
    buf_truncate(&m->payload, 0);
    buf_truncate(&m->reply, 0);
    rsm_encode(&m->payload, q, m->stamp_ms, m->chance++);
    uint64_t digest = rsm_digest(m->rsm);
    bool same_time = m->stamp_ms <= rsm_stamp_ms(m->rsm);
    enum rsm_memory memory = rsm_recall(m->rsm, buf_slice(&m->payload), &recalled);
    assert_true(rsm_digest(m->rsm) == digest);
    rsm_apply(m->rsm, rsm_applied(m->rsm) + 1, 1, buf_slice(&m->payload), &m->reply, &m->result);
    if (same_time && q->kind != RSM_SESSION)
        assert_recalled(m, memory, buf_slice(&recalled));
    buf_deinit(&recalled);
    put_u8(&m->reply, 0);
    m->reply.len--;
    return m->reply.data;
}

static inline struct machine machine_new(void)
{
    struct machine m = {.rsm = rsm_new(), .stamp_ms = MACHINE_START};
    struct rsm_request q = {.kind = RSM_FOUND, .cluster_id = MACHINE_CLUSTER, .seed = {3, 4}};
    assert_string_equal(apply_request(&m, &q), "+OK\r\n");
    return m;
}

static inline void machine_free(struct machine *m)
{
    rsm_free(m->rsm);
    buf_deinit(&m->payload);
    buf_deinit(&m->reply);
}

/* "SET key value": words between single spaces. `words` must outlive the use of argv. */
static inline size_t split(const char *words, struct slice *argv, size_t max)
{
    size_t argc = 0;
    for (const char *at = words; argc < max;) {
        size_t len = strcspn(at, " ");
        argv[argc++] = slice_of(at, len);
        if (!at[len])
            break;
        at += len + 1;
    }
    return argc;
}

static inline const char *apply_words(struct machine *m, struct rsm_request q, const char *words)
{
    struct slice argv[32];
    q.argv = argv;
    q.argc = split(words, argv, 32);
    q.resp = q.resp ? q.resp : 2;
    return apply_request(m, &q);
}

static inline const char *command(struct machine *m, const char *words)
{
    return apply_words(m, (struct rsm_request){.kind = RSM_COMMAND}, words);
}

/* The n-th request of a session. */
static inline const char *numbered(struct machine *m, uint64_t session, uint64_t n, const char *words)
{
    struct rsm_request q = {
        .kind = RSM_COMMAND, .numbering = RSM_SESSION_NUMBER, .session = session, .request_id = n};
    return apply_words(m, q, words);
}

static inline const char *session_request(struct machine *m, const char *id, const char *user, uint64_t n,
                                          bool open)
{
    struct rsm_request q = {.kind = RSM_SESSION, .request_id = n, .user = slice_cstr(user), .may_open = open};
    return apply_words(m, q, id);
}

/* Opens or resumes; the session's name. */
static inline uint64_t open_session(struct machine *m, const char *id, uint64_t n)
{
    const char *reply = session_request(m, id, "", n, true);
    assert_int_equal(reply[0], ':');
    assert_int_equal(m->result.outcome, RSM_RAN);
    return strtoull(reply + 1, NULL, 10);
}

static inline const char *clock_entry(struct machine *m, uint64_t stamp_ms)
{
    struct rsm_request q = {.kind = RSM_CLOCK};
    m->stamp_ms = stamp_ms;
    return apply_request(m, &q);
}

static inline const char *setting(struct machine *m, const char *words)
{
    return apply_words(m, (struct rsm_request){.kind = RSM_SETTING}, words);
}

static inline void checkpoint(struct machine *m, uint64_t node)
{
    struct rsm_request q = {.kind = RSM_CHECKPOINT, .node = node};
    assert_string_equal(apply_request(m, &q), "+OK\r\n");
}

/* A transaction in database 0; commands end with NULL. */
static inline const char *exec_request(struct machine *m, struct rsm_request q, const char *const *commands)
{
    struct slice argv[64];
    uint32_t counts[16], dbs[16] = {0};
    size_t argc = 0, n = 0;
    for (; commands[n]; n++) {
        size_t words = split(commands[n], argv + argc, 64 - argc);
        counts[n] = (uint32_t)words;
        argc += words;
    }
    q.kind = RSM_EXEC;
    q.argv = argv;
    q.argc = argc;
    q.counts = counts;
    q.dbs = q.dbs ? q.dbs : dbs;
    q.commands = n;
    q.resp = q.resp ? q.resp : 2;
    return apply_request(m, &q);
}

static inline const char *query(struct machine *m, uint64_t now_ms, const char *words, uint64_t *due_ms)
{
    struct slice argv[32];
    struct prng chance;
    prng_seed(&chance, 1);
    buf_truncate(&m->reply, 0);
    *due_ms = 0;
    bool ok = rsm_query(m->rsm, now_ms, 0, 2, slice_cstr(""), argv, split(words, argv, 32), &chance,
                        &m->reply, due_ms);
    assert_int_equal(ok, *due_ms == 0);
    put_u8(&m->reply, 0);
    m->reply.len--;
    return m->reply.data;
}

/* ---- snapshots in memory ---- */

static inline bool emit_to_buf(void *arg, const void *data, size_t len)
{
    buf_append(arg, data, len);
    return true;
}

static inline struct buf snapshot_of(struct rsm *r)
{
    struct buf file = BUF_EMPTY;
    struct rsm_snapshot_meta meta = {
        .members_index = 5, .members = SLICE_LITERAL("mem\0bers"), .chain = 0xfedcba98};
    assert_true(rsm_snapshot_write(r, &meta, emit_to_buf, &file));
    return file;
}

/* NULL: refused, and `error` (200 bytes) says why. */
static inline struct rsm *load_snapshot(struct slice file, size_t piece, struct rsm_snapshot_meta *meta,
                                        char *error)
{
    struct rsm_loader *l = rsm_loader_new();
    struct buf keep = BUF_EMPTY;
    for (size_t at = 0; at < file.len; at += piece) {
        size_t len = file.len - at < piece ? file.len - at : piece;
        if (!rsm_loader_feed(l, slice_of(file.data + at, len))) {
            snprintf(error, 200, "%s", rsm_loader_error(l));
            rsm_loader_free(l);
            return NULL;
        }
    }
    snprintf(error, 200, "incomplete");
    struct rsm *r = rsm_loader_finish(l, meta, &keep);
    if (r && meta->index) {
        assert_int_equal(meta->members.len, 8);
        assert_memory_equal(meta->members.data, "mem\0bers", 8);
    }
    buf_deinit(&keep);
    return r;
}

static inline uint64_t test_seed(void)
{
    const char *text = getenv("TEST_SEED");
    return text ? strtoull(text, NULL, 10) : 20240607;
}

/* One that runs what the newest builds know. */
static inline struct machine machine_newest(void)
{
    struct machine m = machine_new();
    struct rsm_request q = {.kind = RSM_VERSION, .node = RSM_APPLY_VERSION};
    apply_request(&m, &q);
    return m;
}

/* Words up to NULL, as arguments. */
static inline size_t machine_words(struct slice *argv, const char *const *words)
{
    size_t argc = 0;
    for (; words[argc]; argc++)
        argv[argc] = slice_cstr(words[argc]);
    return argc;
}

#endif
