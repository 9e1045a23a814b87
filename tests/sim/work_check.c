/* The judgement at the end. */
#include "../check/judge.h"
#include "work_int.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool work_bulk(struct slice reply, struct slice *value)
{
    *value = slice_of(NULL, 0);
    if (reply.len >= 4 && reply.data[0] == '$' && reply.data[1] == '-')
        return true;
    const char *end = reply.len && reply.data[0] == '$' ? memchr(reply.data, '\n', reply.len) : NULL;
    if (!end)
        return false;
    size_t len = strtoull(reply.data + 1, NULL, 10), head = (size_t)(end + 1 - reply.data);
    if (head + len + 2 != reply.len)
        return false;
    *value = slice_of(end + 1, len);
    return true;
}

/* false: due, or no bulk reply. */
static bool get(struct node *n, const char *key, struct buf *reply, struct slice *value)
{
    struct slice argv[2] = {SLICE_LITERAL("get"), slice_cstr(key)};
    uint64_t due_ms;
    buf_truncate(reply, 0);
    return node_query(n, node_cluster_ms(n), 0, 2, SLICE_LITERAL("default"), argv, 2, reply, &due_ms) &&
           work_bulk(buf_slice(reply), value);
}

static void check_tokens(struct work *k, struct node *n, const struct place *p, struct buf *reply)
{
    struct slice value;
    char wrong[160];
    if (!get(n, p->name, reply, &value))
        work_wrong(k, "%s cannot be read", p->name);
    else if (!tokens_check(p->tokens, value, wrong, sizeof(wrong)))
        work_wrong(k, "%s: %s", p->name, wrong);
}

static void check_counter(struct work *k, struct node *n, uint32_t counter, struct buf *reply)
{
    struct slice value;
    char key[8];
    snprintf(key, sizeof(key), "n%u", counter);
    if (!get(n, key, reply, &value)) {
        work_wrong(k, "%s cannot be read", key);
        return;
    }
    put_u8(reply, 0);
    uint64_t stands_at = value.data ? strtoull(strchr(reply->data, '\n') + 1, NULL, 10) : 0;
    uint64_t least = k->increments[counter], most = least + k->maybe_increments[counter];
    if (stands_at < least || stands_at > most)
        work_wrong(k, "%s is %llu after %llu increments", key, (unsigned long long)stands_at,
                   (unsigned long long)least);
}

/* What stands in the end belongs to the history too: what was told not to have run must not show there. */
static void read_registers(struct work *k, struct node *n, struct buf *reply)
{
    for (uint32_t i = 0; i < k->place_count; i++) {
        struct slice value;
        if (k->places[i].tokens || !get(n, k->places[i].name, reply, &value))
            continue;
        struct op_text t = {.client = k->config.clients,
                            .key = slice_cstr(k->places[i].name),
                            .result = value,
                            .kind = OP_GET,
                            .invoked_us = world_now_us(k->world),
                            .returned_us = world_now_us(k->world)};
        history_add(k->history, &t);
    }
}

static void judge(struct work *k)
{
    struct judge_config config = {.slack_us = work_trusts_clocks(k) ? CLOCK_SLACK_US : JUDGE_NO_CLOCK};
    struct judge_counts counts;
    struct buf report = BUF_EMPTY;
    if (!judge_history(k->history, &config, &counts, &report)) {
        work_wrong(k, "%.*s", (int)(report.len < 400 ? report.len : 400), report.data);
        if (getenv("SIM_LOG"))
            fprintf(stderr, "%.*s", (int)report.len, report.data);
    }
    buf_deinit(&report);
}

const char *work_check(struct work *k, struct node *n)
{
    struct buf reply = BUF_EMPTY;
    for (uint32_t i = 0; i < k->place_count; i++)
        if (k->places[i].tokens)
            check_tokens(k, n, &k->places[i], &reply);
    for (uint32_t i = 0; i < COUNTERS; i++)
        check_counter(k, n, i, &reply);
    if (rsm_waiting(node_rsm(n)))
        work_wrong(k, "%zu commands wait, of clients that are gone", rsm_waiting(node_rsm(n)));
    if (!k->judged) {
        k->judged = true;
        work_wait_check(k, n);
        read_registers(k, n, &reply);
        judge(k);
    }
    buf_deinit(&reply);
    return work_failed(k);
}
