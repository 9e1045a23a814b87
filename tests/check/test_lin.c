/* Is the fast checker right, both ways? Thousands of small random histories against one that tries every order with real
 * strings, and the hard cases by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge.h"

#include "base/prng.h"

#include <stdlib.h>

enum { SMALL_MAX = 6 };

/* ---- every order -------------------------------------------------------------------------------------------- */

struct plain_state {
    char value[64];
    bool nil;
    uint64_t due_us;
};

static bool text_is(struct slice s, const struct plain_state *p)
{
    return p->nil ? !s.data : s.data && slice_equal(s, slice_cstr(p->value));
}

static bool says(const struct op_text *o, int64_t number)
{
    return o->outcome == OUTCOME_UNKNOWN || strtoll(o->result.data, NULL, 10) == number;
}

static void put(struct plain_state *p, struct slice s)
{
    memcpy(p->value, s.data, s.len);
    p->value[s.len] = 0;
    p->nil = false;
}

static bool is_number(const struct plain_state *p)
{
    return p->nil ||
           (p->value[0] >= '0' && p->value[0] <= '9' && strspn(p->value, "0123456789") == strlen(p->value));
}

/* One operation as Redis would run it, with strings. false: not with this answer. */
static bool plain_run(struct plain_state *p, const struct op_text *o)
{
    struct plain_state old = *p;
    bool unknown = o->outcome == OUTCOME_UNKNOWN;
    switch (o->kind) {
    case OP_GET:
        return unknown || text_is(o->result, p);
    case OP_SET:
        put(p, o->arg);
        p->due_us = o->number ? o->invoked_us + (uint64_t)o->number * 1000 : 0;
        return true;
    case OP_SETNX:
        if (p->nil) {
            put(p, o->arg);
            p->due_us = 0;
        }
        return says(o, old.nil);
    case OP_GETSET:
        put(p, o->arg);
        p->due_us = 0;
        return unknown || text_is(o->result, &old);
    case OP_APPEND:
        if (p->nil) {
            put(p, o->arg);
            p->due_us = 0;
        } else {
            strncat(p->value, o->arg.data, o->arg.len);
        }
        return says(o, (int64_t)strlen(p->value));
    case OP_INCR:
        if (!is_number(p))
            return o->outcome == OUTCOME_ERROR || unknown;
        if (o->outcome == OUTCOME_ERROR)
            return false;
        if (p->nil)
            p->due_us = 0;
        snprintf(p->value, sizeof(p->value), "%lld",
                 (p->nil ? 0 : strtoll(p->value, NULL, 10)) + (long long)o->number);
        p->nil = false;
        return says(o, strtoll(p->value, NULL, 10));
    case OP_DEL:
        p->nil = true;
        p->due_us = 0;
        return says(o, !old.nil);
    case OP_PERSIST:
        p->due_us = 0;
        return says(o, !old.nil && old.due_us);
    case OP_CAS:
        if (text_is(o->arg, p) && says(o, 1)) {
            put(p, o->next);
            p->due_us = 0;
            return true;
        }
        return unknown || says(o, 0);
    default:
        return false;
    }
}

struct all_orders {
    const struct op_text *ops;
    uint32_t count, used;
};

/* The latest moment of the next one: none that is still to run may have returned before. */
static uint64_t latest_us(const struct all_orders *a)
{
    uint64_t latest = UINT64_MAX;
    for (uint32_t i = 0; i < a->count; i++)
        if (!(a->used >> i & 1) && a->ops[i].outcome != OUTCOME_UNKNOWN && a->ops[i].returned_us < latest)
            latest = a->ops[i].returned_us;
    return latest;
}

static bool explains(struct all_orders *a, const struct plain_state *now)
{
    uint64_t latest = latest_us(a);
    if (latest == UINT64_MAX) /* only unknown ones are left, and may as well not run */
        return true;
    for (uint32_t i = 0; i < a->count; i++) {
        if (a->used >> i & 1 || a->ops[i].invoked_us > latest)
            continue;
        for (int expired = 0; expired < 2; expired++) {
            struct plain_state next = *now;
            if (expired && (next.nil || !next.due_us || next.due_us > latest))
                continue;
            if (expired)
                next = (struct plain_state){.nil = true};
            a->used |= 1u << i;
            bool yes = plain_run(&next, &a->ops[i]) && explains(a, &next);
            a->used &= ~(1u << i);
            if (yes)
                return true;
        }
    }
    return false;
}

/* ---- small random histories ----------------------------------------------------------------------------------- */

static const char *const words[] = {"a", "b", "1", "2", "ab"};

static struct slice pick(struct prng *p)
{
    return slice_cstr(words[prng_below(p, 5)]);
}

static struct slice keep(struct buf *space, const char *text)
{
    size_t at = space->len;
    buf_append(space, text, strlen(text) + 1);
    return slice_of(space->data + at, strlen(text));
}

/* Answers are those of one order that is possible, and then, mostly, one or two are changed. */
static uint32_t draw(struct prng *p, struct op_text *ops, struct buf *space)
{
    static const enum op_kind kinds[] = {OP_GET,    OP_GET,  OP_SET, OP_SETNX, OP_GETSET,
                                         OP_APPEND, OP_INCR, OP_DEL, OP_CAS,   OP_PERSIST};
    uint32_t count = 2 + (uint32_t)prng_below(p, SMALL_MAX - 1);
    uint64_t spread = 1 + prng_below(p, 6000);
    for (uint32_t i = 0; i < count; i++) {
        struct op_text *o = &ops[i];
        uint64_t moment = 10000 + i * 1000, early = prng_below(p, spread), late = prng_below(p, spread);
        *o = (struct op_text){.client = i, .key = SLICE_LITERAL("k"), .kind = kinds[prng_below(p, 10)]};
        o->invoked_us = moment - early;
        o->returned_us = moment + late;
        if (o->kind == OP_SET || o->kind == OP_SETNX || o->kind == OP_GETSET || o->kind == OP_APPEND)
            o->arg = pick(p);
        if (o->kind == OP_INCR)
            o->number = 1 + (int64_t)prng_below(p, 2);
        if (o->kind == OP_SET && prng_below(p, 3) == 0)
            o->number = 1 + (int64_t)prng_below(p, 3);
        if (o->kind == OP_CAS) {
            bool nil = prng_below(p, 3) == 0;
            o->arg = nil ? slice_of(NULL, 0) : pick(p);
            o->next = pick(p);
        }
    }
    struct plain_state now = {.nil = true};
    for (uint32_t i = 0; i < count; i++) {
        struct op_text *o = &ops[i];
        static const char *const answers[] = {"0",  "1", "2", "3",  "4",  "5", "6",
                                              "11", "a", "b", "ab", "ba", "12"};
        if (now.due_us && now.due_us <= o->returned_us && prng_below(p, 2))
            now = (struct plain_state){.nil = true};
        struct plain_state before = now;
        uint64_t outcome = prng_below(p, 8);
        bool wrong = prng_below(p, 6) == 0, answered = false;
        if (outcome == 0) {
            o->outcome = OUTCOME_UNKNOWN;
            bool runs = prng_below(p, 2);
            if (runs)
                plain_run(&now, o);
            continue;
        }
        if (outcome == 1 && prng_below(p, 3) == 0) {
            o->outcome = OUTCOME_NOT_RUN;
            continue;
        }
        if (o->kind == OP_INCR && !is_number(&now)) {
            o->outcome = OUTCOME_ERROR;
            continue;
        }
        for (uint32_t a = 0; a < 14 && !answered; a++) {
            bool text = o->kind == OP_GET || o->kind == OP_GETSET;
            now = before;
            o->result = a == 13 ? slice_of(NULL, 0) : slice_cstr(answers[a]);
            if (!text && a == 13)
                break;
            answered = plain_run(&now, o);
        }
        if (!answered) { /* a value of another length than these */
            now = before;
            struct op_text asked = *o;
            asked.outcome = OUTCOME_UNKNOWN;
            plain_run(&now, &asked);
            char number[24];
            snprintf(number, sizeof(number), "%zu", strlen(now.value));
            o->result = o->kind == OP_GET || o->kind == OP_GETSET
                            ? before.nil ? slice_of(NULL, 0) : keep(space, before.value)
                        : o->kind == OP_INCR ? keep(space, now.value)
                                             : keep(space, number);
        }
        if (wrong) {
            bool text = o->kind == OP_GET || o->kind == OP_GETSET;
            bool nil = prng_below(p, 3) == 0;
            if (text)
                o->result = nil ? slice_of(NULL, 0) : pick(p);
            else if (o->kind != OP_SET)
                o->result =
                    slice_cstr(answers[prng_below(p, o->kind == OP_APPEND || o->kind == OP_INCR ? 4 : 2)]);
        }
    }
    return count;
}

static void test_every_order(void **state)
{
    (void)state;
    struct prng p;
    uint64_t yes = 0, no = 0, n = getenv("N") ? strtoull(getenv("N"), NULL, 10) : 40000;
    prng_seed(&p, getenv("SEED") ? strtoull(getenv("SEED"), NULL, 10) : 1);
    for (uint64_t round = 0; round < n; round++) {
        struct op_text ops[SMALL_MAX + 1];
        struct buf space = BUF_EMPTY;
        buf_reserve(&space, 4096);
        uint32_t count = draw(&p, ops, &space);
        struct history *h = history_new();
        struct op_text run[SMALL_MAX + 1];
        struct all_orders all = {.ops = run};
        for (uint32_t i = 0; i < count; i++) {
            history_add(h, &ops[i]);
            if (ops[i].outcome != OUTCOME_NOT_RUN)
                run[all.count++] = ops[i];
        }
        bool expected = explains(&all, &(struct plain_state){.nil = true});
        size_t of_key;
        const struct op **sorted = history_of_key(h, 0, &of_key);
        struct lin_verdict v = lin_check(sorted, of_key, &(struct lin_config){.start = LIN_EMPTY});
        if ((v.result == LIN_YES) != expected) {
            for (uint32_t i = 0; i < count; i++)
                history_print(stderr, &ops[i]);
            fail_msg("round %llu: the checker says %s, every order says %s", (unsigned long long)round,
                     v.result == LIN_YES ? "yes" : "no", expected ? "yes" : "no");
        }
        yes += expected;
        no += !expected;
        history_free(h);
        buf_deinit(&space);
    }
    assert_true(yes > n / 5 && no > n / 5); /* else the test would be blind on one side */
}

/* ---- by hand -------------------------------------------------------------------------------------------------- */

static enum lin_result judged(const char *text, size_t situations, uint64_t slack_us)
{
    struct history *h = history_new();
    struct buf space = BUF_EMPTY;
    for (const char *line = text; *line;) {
        const char *end = strchr(line, '\n');
        struct op_text t;
        const char *wrong = history_parse(slice_of(line, (size_t)(end - line)), &t, &space);
        if (wrong)
            fail_msg("%s: %.*s", wrong, (int)(end - line), line);
        history_add(h, &t);
        line = end + 1;
    }
    size_t count;
    const struct op **ops = history_of_key(h, 0, &count);
    struct lin_config config = {.situations = situations, .slack_us = slack_us, .start = LIN_EMPTY};
    enum lin_result result = lin_check(ops, count, &config).result;
    history_free(h);
    buf_deinit(&space);
    return result;
}

static void test_classics(void **state)
{
    static const struct {
        const char *what, *history;
        enum lin_result expected;
    } cases[] = {
        {"Herlihy and Wing: two reads see one of two writes that overlap both",
         "1 k set a - ok 0 100\n2 k set b - ok 0 100\n3 k get - a ok 10 20\n3 k get - b ok 30 40\n", LIN_YES},
        {"... but not there and back",
         "1 k set a - ok 0 100\n2 k set b - ok 0 100\n3 k get - a ok 10 20\n3 k get - b ok 30 40\n"
         "3 k get - a ok 50 60\n",
         LIN_NO},
        {"two readers see two writes in different orders",
         "1 k set a - ok 0 100\n2 k set b - ok 0 100\n3 k get - a ok 10 20\n3 k get - b ok 30 40\n"
         "4 k get - b ok 10 20\n4 k get - a ok 30 40\n",
         LIN_NO},
        {"new-old inversion: a read that began after another ended sees less",
         "1 k set a - ok 0 10\n1 k set b - ok 20 100\n2 k get - b ok 30 40\n3 k get - a ok 50 60\n", LIN_NO},
        {"... and may when it overlaps that other",
         "1 k set a - ok 0 10\n1 k set b - ok 20 100\n2 k get - b ok 30 50\n3 k get - a ok 40 60\n", LIN_YES},
        {"an unknown write shows much later",
         "1 k set a - ok 0 10\n2 k set b - unknown 5 -\n1 k get - a ok 20 30\n1 k get - a ok 40 50\n"
         "1 k get - b ok 60 70\n",
         LIN_YES},
        {"... not before it was asked",
         "1 k set a - ok 0 10\n1 k get - b ok 20 30\n2 k set b - unknown 35 -\n", LIN_NO},
        {"... not twice",
         "2 k set b - unknown 5 -\n1 k get - b ok 20 30\n1 k set a - ok 40 50\n1 k get - a ok 51 55\n"
         "1 k get - b ok 60 70\n",
         LIN_NO},
        {"... two of them may",
         "2 k set b - unknown 5 -\n3 k set b - unknown 6 -\n1 k get - b ok 20 30\n1 k set a - ok 40 50\n"
         "1 k get - a ok 51 55\n1 k get - b ok 60 70\n",
         LIN_YES},
        {"of three unknown increments two have run",
         "1 k incr 1 - unknown 0 -\n2 k incr 1 - unknown 0 -\n3 k incr 1 - unknown 0 -\n4 k get - 2 ok 10 "
         "20\n"
         "4 k incr 1 3 ok 30 40\n4 k get - 4 ok 50 60\n",
         LIN_YES},
        {"... and four cannot have",
         "1 k incr 1 - unknown 0 -\n2 k incr 1 - unknown 0 -\n3 k incr 1 - unknown 0 -\n4 k get - 4 ok 10 "
         "20\n",
         LIN_NO},
        {"an unknown delete explains a read of nil once",
         "1 k set a - ok 0 10\n2 k del - - unknown 5 -\n1 k get - - ok 20 30\n1 k set b - ok 40 50\n"
         "1 k get - b ok 60 70\n",
         LIN_YES},
        {"... and hides nothing twice",
         "1 k set a - ok 0 10\n2 k del - - unknown 5 -\n1 k get - - ok 20 30\n1 k set b - ok 40 50\n"
         "1 k get - - ok 60 70\n",
         LIN_NO},
        {"two SETNX cannot both be first", "1 k setnx a 1 ok 0 50\n2 k setnx b 1 ok 0 50\n", LIN_NO},
        {"... unless a delete lies between",
         "1 k setnx a 1 ok 0 50\n2 k setnx b 1 ok 0 50\n3 k del - 1 ok 0 50\n", LIN_YES},
        {"an unknown SETNX took the place",
         "1 k setnx a - unknown 0 -\n2 k setnx b 0 ok 10 20\n2 k get - a ok 30 40\n", LIN_YES},
        {"... but then it did take it",
         "1 k setnx a - unknown 0 -\n2 k setnx b 0 ok 10 20\n2 k get - - ok 30 40\n", LIN_NO},
        {"a read that returned after a write it did not see, equal times",
         "1 k set a - ok 0 10\n2 k get - - ok 10 20\n", LIN_YES},
        {"... strictly after", "1 k set a - ok 0 10\n2 k get - - ok 11 20\n", LIN_NO},
        {"an append in the middle of another's length",
         "1 k append xx 2 ok 0 10\n2 k append yyy 5 ok 20 90\n3 k append z 6 ok 30 40\n", LIN_YES},
        {"... and the lengths cross", "1 k append xx 6 ok 0 10\n2 k append yyy 5 ok 20 90\n", LIN_NO},
        {"a transaction that said nil changed nothing",
         "1 k set a - ok 0 10\n2 k cas a,b 0 ok 20 30\n1 k get - b ok 40 50\n", LIN_NO},
        {"an unknown transaction runs only on what it watched",
         "1 k set a - ok 0 10\n2 k cas a,b - unknown 5 -\n1 k set c - ok 20 30\n1 k get - c ok 40 50\n"
         "1 k get - b ok 60 70\n",
         LIN_NO},
        {"the time to live begins at the asking", "1 k set a,10 - ok 0 100\n2 k get - - ok 10001 10002\n",
         LIN_YES},
        {"... not sooner", "1 k set a,10 - ok 0 100\n2 k get - - ok 9000 9999\n", LIN_NO},
        {"... and may be late", "1 k set a,10 - ok 0 100\n2 k get - a ok 900000 900001\n", LIN_YES},
        {"gone stays gone",
         "1 k set a,10 - ok 0 100\n2 k get - - ok 20000 20001\n2 k get - a ok 20002 20003\n", LIN_NO},
        {"PERSIST that said 1 keeps it",
         "1 k set a,10 - ok 0 100\n1 k persist - 1 ok 200 300\n2 k get - - ok 20000 20001\n", LIN_NO},
        {"APPEND keeps the time to live",
         "1 k set a,10 - ok 0 100\n1 k append b 2 ok 200 300\n2 k get - - ok 20000 20001\n", LIN_YES},
        {"SET ends it", "1 k set a,10 - ok 0 100\n1 k set b - ok 200 300\n2 k get - - ok 20000 20001\n",
         LIN_NO},
        {"what did not run must not show", "1 k set a - notrun 0 10\n2 k get - a ok 20 30\n", LIN_NO},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (judged(cases[i].history, 0, 0) != cases[i].expected)
            fail_msg("%s", cases[i].what);
}

/* A limit that is hit is said so; it is neither a yes nor a no. */
static void test_not_decided(void **state)
{
    struct buf b = BUF_EMPTY;
    (void)state;
    for (int i = 0; i < 14; i++)
        buf_printf(&b, "%d k set v%d - ok 0 1000\n", i, i);
    put_u8(&b, 0);
    assert_int_equal(judged(b.data, 100, 0), LIN_UNDECIDED);
    buf_truncate(&b, 0);
    for (int i = 0; i < 70; i++)
        buf_printf(&b, "%d k set v%d - unknown 0 -\n", i, i);
    buf_append_cstr(&b, "99 k get - v69 ok 1 2\n");
    put_u8(&b, 0);
    assert_int_equal(judged(b.data, 0, 0), LIN_UNDECIDED);
    buf_deinit(&b);
}

/* A pause let go of: what fourteen clients asked within 30 ms is answered at one moment, and no clock was right. */
static void test_crowded(void **state)
{
    static const char crowd[] = "13 k set v17.467 - ok 0 10\n"
                                "13 k cas v17.4622000463,14000466 0 ok 3799 35319\n"
                                "17 k getset 18000468 v17.467 ok 4927 35319\n"
                                "12 k setnx 13000469 0 ok 6239 35319\n"
                                "15 k expireat 7615000 1 ok 8365 35319\n"
                                "9 k del - 1 ok 9228 35319\n"
                                "7 k getset 8000471 - ok 10296 35319\n"
                                "11 k expire 28 1 ok 10546 35319\n"
                                "1 k setnx v2.472 0 ok 12199 35319\n"
                                "0 k setnx v1.473,85 0 ok 14548 35450\n"
                                "4 k cas v17.467,5000464 0 ok 19451 38941\n"
                                "3 k setnx 4000474,215 0 ok 23162 38941\n"
                                "8 k expire 59 1 ok 23162 38941\n"
                                "16 k append 17000476 %d ok 23162 38941\n"
                                "5 k cas v17.467,6000475 0 ok 26399 38941\n";
    char text[sizeof(crowd) + 8];
    (void)state;
    snprintf(text, sizeof(text), crowd, 15);
    assert_int_equal(judged(text, 2000, UINT64_C(1) << 62), LIN_YES);
    snprintf(text, sizeof(text), crowd, 17); /* no value of nine bytes was there */
    assert_int_equal(judged(text, 2000, UINT64_C(1) << 62), LIN_NO);
}

/* Unknown outcomes stay open for ever: a history with many of them is still judged. */
static void test_many_unknown(void **state)
{
    struct buf b = BUF_EMPTY;
    (void)state;
    uint64_t t = 0, len = 0;
    for (int i = 0; i < 3000; i++, t += 10) {
        bool lost = i % 100 == 7;
        char token[24];
        int n = snprintf(token, sizeof(token), "<%d>", i);
        len += lost ? 0 : (uint64_t)n;
        if (lost)
            buf_printf(&b, "%d k append %s - unknown %llu -\n", i, token, (unsigned long long)t);
        else
            buf_printf(&b, "%d k append %s %llu ok %llu %llu\n", i, token, (unsigned long long)len,
                       (unsigned long long)t, (unsigned long long)t + 25);
    }
    put_u8(&b, 0);
    assert_int_equal(judged(b.data, 0, 0), LIN_YES);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_order),  cmocka_unit_test(test_classics),
        cmocka_unit_test(test_not_decided),  cmocka_unit_test(test_crowded),
        cmocka_unit_test(test_many_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
