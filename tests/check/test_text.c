/* Histories as files, exactly once by tokens, and locks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge.h"
#include "locks.h"
#include "tokens.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- lines ------------------------------------------------------------------------------------------------------ */

static void test_lines_come_back(void **state)
{
    static const char *const lines[] = {
        "3 k1 append <3.7> 12 ok 1000 1850\n",
        "4 k1 get - <3.6><3.7> ok 1900 2200\n",
        "4 k1 get - - ok 2300 2400\n",
        "4 k2 set x,500 - unknown 2500 -\n",
        "5 k2 del - - notrun 2600 2650\n",
        "5 k2 incr -3 - error 2700 2800\n",
        "5 k2 set % - ok 1 2\n",
        "5 k%20%2C%25 set %2D - ok 1 2\n",
        "5 k get - a%00%0A%FF ok 1 2\n",
        "6 k cas -,b 1 ok 1 2\n",
        "6 k cas a,%2C 0 ok 1 2\n",
        "7 k lock o,1 1 ok 1 2\n",
        "7 k expireat 123456789 0 ok 1 2\n",
        "7 k unlock o - unknown 9 -\n",
        "7 k persist - 1 ok 1 2\n",
        "999999999 k setnx v 0 ok 1 1\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct op_text t;
        struct buf space = BUF_EMPTY;
        char *back = NULL;
        size_t len;
        const char *wrong = history_parse(slice_of(lines[i], strlen(lines[i]) - 1), &t, &space);
        if (wrong)
            fail_msg("%s: %s", wrong, lines[i]);
        FILE *f = open_memstream(&back, &len);
        assert_true(history_print(f, &t));
        fclose(f);
        assert_string_equal(back, lines[i]);
        free(back);
        buf_deinit(&space);
    }
}

static void test_no_lines(void **state)
{
    static const char *const lines[] = {
        "3 k1 append <3.7> 12 ok 1000", "3 k1 append <3.7> 12 ok 1000 1850 7",
        "x k1 get - - ok 1 2",          "3 k1 eat - - ok 1 2",
        "3 k1 get - - fine 1 2",        "3 k1 get x - ok 1 2",
        "3 k1 append a - ok 1 2",       "3 k1 append - 1 ok 1 2",
        "3 k1 del - 2 ok 1 2",          "3 k1 set a,0 - ok 1 2",
        "3 k1 set a,b - ok 1 2",        "3 k1 lock a 1 ok 1 2",
        "3 k1 cas a 1 ok 1 2",          "3 k1 get - a%4 ok 1 2",
        "3 k1 get - a%zz ok 1 2",       "3 k1 set a - unknown 1 2",
        "3 k1 get - a ok 2 1",          "3 k1 get - a ok 2 -",
        "3 - get - a ok 1 2",           "-1 k get - a ok 1 2",
        "3  k get - a ok 1 2",          "3 k1 get - a ok -1 2",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct op_text t;
        struct buf space = BUF_EMPTY;
        if (!history_parse(slice_cstr(lines[i]), &t, &space))
            fail_msg("taken: %s", lines[i]);
        buf_deinit(&space);
    }
}

/* A file as a killed writer leaves it. */
static void test_half_a_line(void **state)
{
    char path[] = "/tmp/kvorum-history-XXXXXX";
    int fd = mkstemp(path);
    const char *text = "# a remark\n\n1 k get - - ok 1 2\n1 k get - - ok 3 4";
    (void)state;
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    struct history *h = history_new();
    assert_non_null(strstr(history_load(h, path), "line 4: cut off"));
    assert_int_equal(history_count(h), 1);
    history_free(h);
    assert_int_equal(ftruncate(fd, (off_t)strlen("# a remark\n\n1 k get - - ok 1 2\n")), 0);
    h = history_new();
    assert_null(history_load(h, path));
    history_free(h);
    close(fd);
    unlink(path);
    h = history_new();
    assert_non_null(history_load(h, path));
    history_free(h);
}

/* ---- tokens ------------------------------------------------------------------------------------------------------- */

/* Each token: its client, its text, what became of it: `d` done at that length, `u` unknown, `n` not run. */
static const char *judge_tokens(const char *tokens, const char *value)
{
    static char wrong[160];
    struct tokens *t = tokens_new();
    char text[32], fate;
    unsigned client, end;
    int used;
    for (; sscanf(tokens, " %u %31s %c%u%n", &client, text, &fate, &end, &used) == 4; tokens += used)
        tokens_fate(t, tokens_add(t, client, slice_cstr(text)),
                    fate == 'd'   ? TOKEN_DONE
                    : fate == 'n' ? TOKEN_NOT_RUN
                                  : TOKEN_UNKNOWN,
                    end);
    bool good = tokens_check(t, slice_cstr(value), wrong, sizeof(wrong));
    tokens_free(t);
    return good ? NULL : wrong;
}

static void test_tokens(void **state)
{
    static const struct {
        const char *tokens, *value, *wrong; /* wrong: what the verdict says; NULL: good */
    } cases[] = {
        {"1 <a> d3 2 <b> d6", "<a><b>", NULL},
        {"1 <a> d3 2 <b> d6", "<a>", "<b> was acknowledged and is lost"},
        {"1 <a> d3 2 <b> u0", "<a>", NULL},
        {"1 <a> d3 2 <b> u0", "<a><b>", NULL},
        {"1 <a> d3 2 <b> u0", "<a><b><b>", "<b> stands twice"},
        {"1 <a> d3 2 <b> d6", "<a><a><b>", "<a> stands twice"},
        {"1 <a> d3 2 <b> n0", "<a><b>", "<b> stands, and its client was told that it did not run"},
        {"1 <a> d3 2 <b> n0", "<a>", NULL},
        {"1 <a> d3", "<a><c>", "<c> stands there, and nobody asked for it"},
        {"1 <a> d3", "<a>x", "no token at 3"},
        {"1 <a> d3", "<a><", "no token at 3"},
        {"1 <a> d6 1 <b> d3", "<b><a>", "<a> stands out of order"},
        {"1 <a> d6 2 <b> d3", "<b><a>", NULL},
        {"1 <a> d3 2 <b> d6", "<b><a>", "<b> ends at 3, its reply said 6"},
        {"1 <a> u0 1 <b> d3 1 <c> d6", "<b><c><a>", NULL},
        {"1 <a> d3 1 <b> d9 1 <c> d6", "<a><c><b>", "<b> stands out of order"},
        {"", "", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *wrong = judge_tokens(cases[i].tokens, cases[i].value);
        if (!wrong != !cases[i].wrong || (wrong && strcmp(wrong, cases[i].wrong) != 0))
            fail_msg("%s in %s: %s", cases[i].tokens, cases[i].value, wrong ? wrong : "good");
    }
    struct tokens *t = tokens_new();
    assert_true(tokens_add(t, 1, SLICE_LITERAL("<a>")) == 0);
    assert_true(tokens_add(t, 1, SLICE_LITERAL("<a>")) == SIZE_MAX);
    assert_true(tokens_add(t, 1, SLICE_LITERAL("a")) == SIZE_MAX);
    assert_true(tokens_add(t, 1, SLICE_LITERAL("<<b>")) == SIZE_MAX);
    tokens_free(t);
}

static void test_tokens_on_the_way(void **state)
{
    struct tokens *t = tokens_new();
    char wrong[160];
    (void)state;
    tokens_fate(t, tokens_add(t, 1, SLICE_LITERAL("<a>")), TOKEN_DONE, 3);
    uint64_t then = tokens_end(t);
    tokens_fate(t, tokens_add(t, 2, SLICE_LITERAL("<b>")), TOKEN_DONE, 6);
    assert_true(tokens_seen(t, SLICE_LITERAL("<a>"), then, wrong, sizeof(wrong)));
    assert_false(tokens_seen(t, SLICE_LITERAL("<a>"), tokens_end(t), wrong, sizeof(wrong)));
    assert_false(tokens_seen(t, SLICE_LITERAL("<x><b>"), tokens_end(t), wrong, sizeof(wrong)));
    assert_true(tokens_seen(t, SLICE_LITERAL("<a><b><c>"), tokens_end(t), wrong, sizeof(wrong)));
    tokens_free(t);
}

/* ---- locks -------------------------------------------------------------------------------------------------------- */

static bool two_holders(const char *text, uint64_t slack_us)
{
    struct history *h = history_new();
    struct buf space = BUF_EMPTY;
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        struct op_text t;
        assert_null(history_parse(slice_of(line, (size_t)(strchr(line, '\n') - line)), &t, &space));
        history_add(h, &t);
    }
    size_t count, acquired;
    const struct op **ops = history_of_key(h, 0, &count), *first;
    bool two = locks_check(ops, count, slack_us, &first, &acquired) != NULL;
    history_free(h);
    buf_deinit(&space);
    return two;
}

static void test_locks(void **state)
{
    static const struct {
        const char *what, *history;
        bool two;
        uint64_t slack_us;
    } cases[] = {
        {"one after the other's time", "1 l lock a,10 1 ok 0 100\n2 l lock b,10 1 ok 9000 10001\n", false, 0},
        {"within it", "1 l lock a,10 1 ok 0 100\n2 l lock b,10 1 ok 9000 9001\n", true, 0},
        {"within it, by less than clocks differ", "1 l lock a,10 1 ok 0 100\n2 l lock b,10 1 ok 9900 9990\n",
         false, 20},
        {"refused", "1 l lock a,10 1 ok 0 100\n2 l lock b,10 0 ok 9000 9001\n", false, 0},
        {"released", "1 l lock a,10 1 ok 0 100\n1 l unlock a 1 ok 200 300\n2 l lock b,10 1 ok 150 250\n",
         false, 0},
        {"released, too late",
         "1 l lock a,10 1 ok 0 100\n1 l unlock a 1 ok 260 300\n2 l lock b,10 1 ok 150 250\n", true, 0},
        {"another's release",
         "1 l lock a,10 1 ok 0 100\n1 l unlock c 1 ok 120 140\n2 l lock b,10 1 ok 150 250\n", true, 0},
        {"told so late that it never believed it",
         "1 l lock a,10 1 ok 0 20000\n2 l lock b,10 1 ok 10001 10002\n", false, 0},
        {"never told", "1 l lock a,10 - unknown 0 -\n2 l lock b,10 1 ok 200 250\n", false, 0},
        {"a short one within a long one, then a third",
         "1 l lock a,100 1 ok 0 100\n2 l lock b,1 0 ok 150 160\n3 l lock c,10 1 ok 50000 50001\n", true, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (two_holders(cases[i].history, cases[i].slack_us) != cases[i].two)
            fail_msg("%s", cases[i].what);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_come_back),   cmocka_unit_test(test_no_lines),
        cmocka_unit_test(test_half_a_line),       cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_tokens_on_the_way), cmocka_unit_test(test_locks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
