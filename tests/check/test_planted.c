/* Known-bad histories, each rejected, and for the right reason: long random executions in which one thing is wrong, planted
 * in their middle. And for each a near miss, that has to be accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge.h"

#include "base/prng.h"

enum { CLIENTS = 5, ROUNDS = 25 };

struct script {
    struct history *h;
    struct prng chance;
    uint64_t now_us;
    uint64_t free_us[CLIENTS]; /* when each has returned */
    uint64_t names;
    /* the value as it is, which the next operation finds */
    char value[4096];
    bool nil;
};

/* ---- executions that are right ---------------------------------------------------------------------------------- */

static void add(struct script *s, uint32_t client, enum op_kind kind, const char *arg, int64_t number,
                const char *result, enum op_outcome outcome, uint64_t invoked_us, uint64_t returned_us)
{
    struct op_text t = {.client = client,
                        .key = SLICE_LITERAL("k"),
                        .arg = arg ? slice_cstr(arg) : slice_of(NULL, 0),
                        .result = result ? slice_cstr(result) : slice_of(NULL, 0),
                        .number = number,
                        .kind = kind,
                        .outcome = outcome,
                        .invoked_us = invoked_us,
                        .returned_us = returned_us};
    history_add(s->h, &t);
}

/* One after the other, nothing beside it. */
static void then(struct script *s, enum op_kind kind, const char *arg, int64_t number, const char *result)
{
    uint64_t at = s->now_us += 100;
    add(s, (uint32_t)prng_below(&s->chance, CLIENTS), kind, arg, number, result, OUTCOME_OK, at, at + 50);
}

static void maybe(struct script *s, enum op_kind kind, const char *arg, int64_t number,
                  enum op_outcome outcome)
{
    uint64_t at = s->now_us += 100;
    add(s, 50 + (uint32_t)prng_below(&s->chance, 50), kind, arg, number, NULL, outcome, at, at + 50);
}

static const char *fresh(struct script *s, char *space)
{
    sprintf(space, "<%llu>", (unsigned long long)++s->names);
    return space;
}

/* An operation whose moment is now, with others beside it. */
static void run_one(struct script *s)
{
    char value[32], before[4096], number[24];
    uint32_t client = (uint32_t)prng_below(&s->chance, CLIENTS);
    uint64_t early = prng_below(&s->chance, 60), late = prng_below(&s->chance, 60), at = s->now_us += 10;
    uint64_t invoked = at - early < s->free_us[client] ? s->free_us[client] + 1 : at - early;
    if (invoked > at)
        return;
    s->free_us[client] = at + late;
    bool nil = s->nil, lost = prng_below(&s->chance, 40) == 0;
    strcpy(before, s->value);
    enum op_kind kind;
    const char *arg = NULL, *result = number;
    switch (prng_below(&s->chance, 8)) {
    case 0:
        kind = OP_SET;
        strcpy(s->value, arg = fresh(s, value));
        s->nil = false;
        result = NULL;
        break;
    case 1:
    case 2:
        kind = OP_APPEND;
        strcat(s->value, arg = fresh(s, value));
        s->nil = false;
        sprintf(number, "%zu", strlen(s->value));
        break;
    case 3:
        kind = OP_DEL;
        s->value[0] = 0;
        s->nil = true;
        sprintf(number, "%d", !nil);
        break;
    case 4:
        kind = OP_GETSET;
        strcpy(s->value, arg = fresh(s, value));
        s->nil = false;
        result = nil ? NULL : before;
        break;
    case 5:
        kind = OP_SETNX;
        arg = fresh(s, value);
        if (nil)
            strcpy(s->value, arg);
        s->nil = false;
        sprintf(number, "%d", nil);
        break;
    default:
        kind = OP_GET;
        result = nil ? NULL : before;
        break;
    }
    lost = lost && kind != OP_GET && kind != OP_DEL; /* a delete explains too much of what is planted later */
    if (lost)
        client += 100; /* who is not answered asks nothing more under its name */
    add(s, client, kind, arg, 0, result, lost ? OUTCOME_UNKNOWN : OUTCOME_OK, invoked, at + late);
}

static void run_some(struct script *s)
{
    uint64_t count = 20 + prng_below(&s->chance, 40);
    for (uint64_t i = 0; i < count && strlen(s->value) < 4000; i++)
        run_one(s);
    s->now_us += 1000; /* everybody has returned */
}

/* ---- what is wrong ---------------------------------------------------------------------------------------------- */

/* Each first sets the value, so that what was before does not matter; `wrong` plants the defect, else the near miss. It
 * leaves in s->value what is there. */
static void leave(struct script *s, const char *value)
{
    strcpy(s->value, value);
    s->nil = false;
}

static void plant_stale(struct script *s, bool wrong)
{
    uint64_t at = s->now_us;
    then(s, OP_SET, "old", 0, NULL);
    then(s, OP_SET, "new", 0, NULL);
    if (wrong)
        then(s, OP_GET, NULL, 0, "old");
    else /* asked in time, answered late */
        add(s, 7, OP_GET, NULL, 0, "old", OUTCOME_OK, at + 160, at + 900);
    leave(s, "new");
}

/* Two readers: the first has seen the new value. */
static void plant_inversion(struct script *s, bool wrong)
{
    then(s, OP_SET, "old", 0, NULL);
    uint64_t at = s->now_us += 100;
    add(s, 0, OP_SET, "new", 0, NULL, OUTCOME_OK, at, at + 400);
    add(s, 1, OP_GET, NULL, 0, "new", OUTCOME_OK, at + 10, at + 20);
    add(s, 2, OP_GET, NULL, 0, "old", OUTCOME_OK, at + (wrong ? 30 : 15), at + 40);
    s->now_us = at + 400;
    leave(s, "new");
}

static void plant_lost(struct script *s, bool wrong)
{
    then(s, OP_SET, "v", 0, NULL);
    if (wrong)
        then(s, OP_APPEND, "xx", 0, "3");
    else
        maybe(s, OP_APPEND, "xx", 0, OUTCOME_UNKNOWN);
    then(s, OP_APPEND, "yyy", 0, "4");
    leave(s, "vyyy");
}

static void plant_not_run(struct script *s, bool wrong)
{
    then(s, OP_SET, "v", 0, NULL);
    maybe(s, OP_SET, "refused", 0, wrong ? OUTCOME_NOT_RUN : OUTCOME_UNKNOWN);
    then(s, OP_GET, NULL, 0, "refused");
    leave(s, "refused");
}

static void plant_phantom(struct script *s, bool wrong)
{
    then(s, OP_SET, "v", 0, NULL);
    then(s, OP_GET, NULL, 0, wrong ? "nobody's" : "v");
    leave(s, "v");
}

static void plant_twice(struct script *s, bool wrong)
{
    then(s, OP_SET, "7", 0, NULL);
    then(s, OP_INCR, NULL, 3, "10");
    if (!wrong)
        maybe(s, OP_INCR, NULL, 3, OUTCOME_UNKNOWN);
    then(s, OP_GET, NULL, 0, "13");
    leave(s, "13");
}

static void plant_token_twice(struct script *s, bool wrong)
{
    then(s, OP_SET, "v", 0, NULL);
    then(s, OP_APPEND, "<t>", 0, "4");
    then(s, OP_APPEND, "<u>", 0, wrong ? "10" : "7");
    leave(s, wrong ? "v<t><t><u>" : "v<t><u>");
}

/* An unknown write shows, is overwritten, and shows again. */
static void plant_unknown_twice(struct script *s, bool wrong)
{
    maybe(s, OP_SET, "u", 0, OUTCOME_UNKNOWN);
    if (!wrong)
        maybe(s, OP_SET, "u", 0, OUTCOME_UNKNOWN);
    then(s, OP_GET, NULL, 0, "u");
    then(s, OP_SET, "v", 0, NULL);
    then(s, OP_GET, NULL, 0, "v");
    then(s, OP_GET, NULL, 0, "u");
    leave(s, "u");
}

static void plant_future(struct script *s, bool wrong)
{
    then(s, OP_SET, "v", 0, NULL);
    uint64_t at = s->now_us += 100;
    add(s, 0, OP_GET, NULL, 0, "later", OUTCOME_OK, at, at + 50);
    add(s, 1, OP_SET, "later", 0, NULL, OUTCOME_OK, wrong ? at + 60 : at + 50, at + 90);
    s->now_us = at + 90;
    leave(s, "later");
}

static void plant_reordered(struct script *s, bool wrong)
{
    then(s, OP_SET, "v", 0, NULL);
    uint64_t at = s->now_us += 100;
    add(s, 0, OP_APPEND, "aaaaaaaaaaaaaaaaa", 0, "47", OUTCOME_OK, at, at + 50);
    add(s, 1, OP_APPEND, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbb", 0, "30", OUTCOME_OK, wrong ? at + 60 : at + 50,
        at + 90);
    s->now_us = at + 90;
    leave(s, "vbbbbbbbbbbbbbbbbbbbbbbbbbbbbbaaaaaaaaaaaaaaaaa");
}

static void plant_early(struct script *s, bool wrong)
{
    then(s, OP_SET, "v", 500, NULL);
    s->now_us += wrong ? 490000 : 510000;
    then(s, OP_GET, NULL, 0, NULL);
    then(s, OP_SET, "w", 0, NULL);
    leave(s, "w");
}

static void plant_back(struct script *s, bool wrong)
{
    then(s, OP_SET, "v", 500, NULL);
    s->now_us += 600000;
    then(s, OP_GET, NULL, 0, wrong ? NULL : "v");
    then(s, OP_GET, NULL, 0, "v");
    then(s, OP_SET, "w", 0, NULL);
    leave(s, "w");
}

/* The first has it and has not let go. */
static void plant_lock(struct script *s, bool wrong)
{
    then(s, OP_DEL, NULL, 0, s->nil ? "0" : "1");
    then(s, OP_LOCK, "o1", 1000, "1");
    if (!wrong)
        then(s, OP_UNLOCK, "o1", 0, "1");
    then(s, OP_LOCK, "o2", 1000, "1");
    then(s, OP_SET, "w", 0, NULL);
    leave(s, "w");
}

static void plant_watch(struct script *s, bool wrong)
{
    then(s, OP_SET, "v", 0, NULL);
    if (wrong)
        then(s, OP_SET, "other", 0, NULL);
    struct op_text cas = {.client = 3,
                          .key = SLICE_LITERAL("k"),
                          .arg = SLICE_LITERAL("v"),
                          .next = SLICE_LITERAL("w"),
                          .result = SLICE_LITERAL("1"),
                          .kind = OP_CAS,
                          .invoked_us = s->now_us + 100,
                          .returned_us = s->now_us + 150};
    history_add(s->h, &cas);
    s->now_us += 150;
    leave(s, "w");
}

static const struct {
    const char *what;
    void (*plant)(struct script *s, bool wrong);
    enum reason reason, or ;
} plants[] = {
    {"stale read", plant_stale, REASON_STALE, REASON_STALE},
    {"new-old inversion", plant_inversion, REASON_STALE, REASON_STALE},
    {"lost append", plant_lost, REASON_LOST, REASON_LOST},
    {"a write that was told not to have run", plant_not_run, REASON_NOT_RUN, REASON_NOT_RUN},
    {"phantom value", plant_phantom, REASON_OTHER, REASON_OTHER},
    {"increment twice", plant_twice, REASON_TWICE, REASON_TWICE},
    {"token twice", plant_token_twice, REASON_TWICE, REASON_TWICE},
    {"unknown write twice", plant_unknown_twice, REASON_TWICE, REASON_STALE},
    {"read from the future", plant_future, REASON_FUTURE, REASON_FUTURE},
    {"appends out of order", plant_reordered, REASON_FUTURE, REASON_FUTURE},
    {"gone too early", plant_early, REASON_EARLY, REASON_EARLY},
    {"back from the dead", plant_back, REASON_STALE, REASON_STALE},
    {"locked twice", plant_lock, REASON_EARLY, REASON_EARLY},
    {"a transaction on what it did not watch", plant_watch, REASON_LOST, REASON_LOST},
};

static void test_planted(void **state)
{
    size_t bad = 0, good = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
        for (uint64_t round = 0; round < 2 * ROUNDS; round++) {
            bool wrong = round % 2;
            struct script s = {.h = history_new(), .now_us = 1000, .nil = true};
            struct judge_counts counts;
            struct buf report = BUF_EMPTY;
            prng_seed(&s.chance, i * 1000 + round);
            run_some(&s);
            plants[i].plant(&s, wrong);
            s.now_us += 1000;
            run_some(&s);
            bool fine = judge_history(s.h, &(struct judge_config){0}, &counts, &report);
            put_u8(&report, 0);
            if (fine == wrong || counts.undecided_keys)
                fail_msg("%s, round %llu, %s: %s", plants[i].what, (unsigned long long)round,
                         wrong ? "accepted" : "a near miss is rejected", report.data);
            if (wrong && counts.reason != plants[i].reason && counts.reason != plants[i].or)
                fail_msg("%s, round %llu: rejected for another reason: %s", plants[i].what,
                         (unsigned long long)round, report.data);
            bad += wrong;
            good += !wrong;
            history_free(s.h);
            buf_deinit(&report);
        }
    }
    assert_true(bad >= 300 && good >= 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_planted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
