/* Two state machines that are fed the same: what they answer and what they become must not differ, also after one of them was put
 * in its place by its own snapshot. */
#ifndef TESTS_FUZZ_TWINS_H
#define TESTS_FUZZ_TWINS_H

#include "base/resp.h"
#include "fuzz.h"
#include "rsm/rsm.h"

#define TWINS_START 1700000000000u

struct twins {
    struct rsm *a, *b;
    struct buf reply, reply_b;
    struct rsm_result result;
    uint64_t stamp_ms, chance;
};

static inline bool twins_emit(void *arg, const void *data, size_t len)
{
    buf_append(arg, data, len);
    return true;
}

/* Right after a CHECKPOINT, as a node that is sent the snapshot would. */
static inline void twins_restore(struct twins *t)
{
    struct buf file = BUF_EMPTY, keep = BUF_EMPTY;
    struct rsm_snapshot_meta meta = {.members = SLICE_LITERAL("members")};
    fuzz_check(rsm_snapshot_write(t->b, &meta, twins_emit, &file));
    struct rsm_loader *l = rsm_loader_new();
    fuzz_check(rsm_loader_feed(l, buf_slice(&file)));
    struct rsm *copy = rsm_loader_finish(l, &meta, &keep);
    fuzz_check(copy && meta.index == rsm_applied(t->b));
    rsm_free(t->b);
    t->b = copy;
    buf_deinit(&file);
    buf_deinit(&keep);
}

/* Those who waited and do no longer, the same on both, and what each is told is one whole reply. */
static inline void twins_released(struct twins *t)
{
    size_t count, count_b;
    const struct rsm_release *a = rsm_released(t->a, &count), *b = rsm_released(t->b, &count_b);
    fuzz_check(count == count_b);
    for (size_t i = 0; i < count; i++) {
        fuzz_check(a[i].claim == b[i].claim && a[i].asker == b[i].asker && a[i].cleared == b[i].cleared);
        fuzz_check(slice_equal(a[i].reply, b[i].reply));
        fuzz_check(a[i].cleared || resp_reply_len(a[i].reply) == a[i].reply.len);
        fuzz_check(!rsm_waits(t->a, a[i].claim, &(uint64_t){0}));
    }
    fuzz_check(rsm_waiting(t->a) == rsm_waiting(t->b));
    fuzz_check(rsm_waiting_until_ms(t->a) == rsm_waiting_until_ms(t->b));
}

/* One entry. Its reply is in t->reply, empty when the entry was not understood, or when its command waits. */
static inline void twins_apply(struct twins *t, struct slice payload)
{
    uint64_t index = rsm_applied(t->a) + 1, digest = rsm_digest(t->a);
    struct rsm_result result_b;
    char *own = malloc(payload.len ? payload.len : 1);
    fuzz_check(own);
    if (payload.len)
        memcpy(own, payload.data, payload.len);
    buf_truncate(&t->reply, 0);
    buf_truncate(&t->reply_b, 0);
    rsm_look_ahead(t->b, &(struct slice){own, payload.len}, 1);
    rsm_apply(t->a, index, 1, slice_of(own, payload.len), &t->reply, &t->result);
    rsm_apply(t->b, index, 1, payload, &t->reply_b, &result_b);
    free(own);
    fuzz_check(t->result.outcome == result_b.outcome && t->result.checkpoint == result_b.checkpoint);
    fuzz_check(slice_equal(buf_slice(&t->reply), buf_slice(&t->reply_b)));
    fuzz_check(rsm_digest(t->a) == rsm_digest(t->b));
    if (t->result.outcome == RSM_UNKNOWN_KIND) /* and it left no trace */
        fuzz_check(t->reply.len == 0 && rsm_applied(t->a) == index - 1 && rsm_digest(t->a) == digest);
    else
        fuzz_check(rsm_applied(t->a) == index && rsm_applied(t->b) == index);
    if (t->result.outcome != RSM_UNKNOWN_KIND) {
        fuzz_check(t->result.claim == result_b.claim && (t->reply.len > 0) == (t->result.claim == 0));
        twins_released(t);
    }
    if (t->result.outcome != RSM_UNKNOWN_KIND && t->result.checkpoint)
        twins_restore(t);
}

static inline void twins_request(struct twins *t, const struct rsm_request *q)
{
    struct buf payload = BUF_EMPTY;
    rsm_encode(&payload, q, t->stamp_ms, t->chance++);
    twins_apply(t, buf_slice(&payload));
    buf_deinit(&payload);
}

static inline void twins_init(struct twins *t)
{
    /* Small, so that bounds are met, and no input takes all the memory there is. */
    static const char *const settings[] = {"databases",
                                           "4",
                                           "session-window",
                                           "4",
                                           "session-max",
                                           "3",
                                           "proto-max-bulk-len",
                                           "1mb",
                                           "session-timeout",
                                           "60",
                                           "script-max-steps",
                                           "20000",
                                           "script-max-memory",
                                           "4mb",
                                           NULL};
    struct rsm_request q = {.kind = RSM_FOUND, .cluster_id = 7, .seed = {3, 4}, .settings = settings};
    struct rsm_request newest = {.kind = RSM_VERSION, .node = RSM_APPLY_VERSION};
    *t = (struct twins){.a = rsm_new(), .b = rsm_new(), .stamp_ms = TWINS_START};
    twins_request(t, &q);
    fuzz_check(t->result.outcome == RSM_RAN);
    twins_request(t, &newest);
    fuzz_check(t->result.outcome == RSM_RAN);
}

static inline void twins_deinit(struct twins *t)
{
    rsm_free(t->a);
    rsm_free(t->b);
    buf_deinit(&t->reply);
    buf_deinit(&t->reply_b);
}

#endif
