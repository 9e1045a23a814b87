/* The log sink and the clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"

static void read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    buf_truncate(out, 0);
    for (int c; (c = fgetc(f)) != EOF;)
        put_u8(out, (uint8_t)c);
    fclose(f);
    put_u8(out, 0);
}

struct files {
    char dir[64], log[80], moved[80];
    struct buf text;
};

static int setup(void **state)
{
    static struct files f;
    snprintf(f.dir, sizeof f.dir, "/tmp/kvorum-log-XXXXXX");
    if (!mkdtemp(f.dir))
        return -1;
    snprintf(f.log, sizeof f.log, "%s/log", f.dir);
    snprintf(f.moved, sizeof f.moved, "%s/moved", f.dir);
    log_set_level(LOG_NOTICE);
    *state = &f;
    return log_set_file(f.log) ? 0 : -1;
}

static int teardown(void **state)
{
    struct files *f = *state;
    log_set_file(NULL);
    buf_deinit(&f->text);
    unlink(f->log);
    unlink(f->moved);
    return rmdir(f->dir);
}

static void a_line_has_redis_form(void **state)
{
    struct files *f = *state;
    log_set_role('S');
    log_line(LOG_WARNING, "term %d", 7);
    read_file(f->log, &f->text);
    int pid, day, year, hour, minute, second, ms, end = 0;
    char role, mark, month[4];
    int fields = sscanf(f->text.data, "%d:%c %2d %3s %4d %2d:%2d:%2d.%3d %c term 7%n", &pid, &role, &day,
                        month, &year, &hour, &minute, &second, &ms, &mark, &end);
    assert_int_equal(fields, 10);
    assert_int_equal(pid, getpid());
    assert_int_equal(role, 'S');
    assert_int_equal(mark, '#');
    assert_string_equal(f->text.data + end, "\n");
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    assert_int_equal(year, local.tm_year + 1900);
    assert_in_range((hour * 60 + minute) - (local.tm_hour * 60 + local.tm_min) + 1440, 1439, 1441);
}

static void lower_levels_are_not_written(void **state)
{
    struct files *f = *state;
    log_line(LOG_VERBOSE, "unseen");
    assert_false(log_enabled(LOG_VERBOSE));
    log_set_level(LOG_DEBUG);
    assert_true(log_enabled(LOG_VERBOSE));
    log_line(LOG_DEBUG, "seen");
    read_file(f->log, &f->text);
    assert_null(strstr(f->text.data, "unseen"));
    assert_non_null(strstr(f->text.data, " . seen\n"));
}

static void one_call_is_one_line(void **state)
{
    struct files *f = *state;
    char huge[5000];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    log_line(LOG_NOTICE, "name a\n1:M 01 Jan 1970 * faked\r\x1b[2J");
    log_line(LOG_NOTICE, "%s", huge);
    read_file(f->log, &f->text);
    int lines = 0;
    for (const char *p = f->text.data; (p = strchr(p, '\n')); p++)
        lines++;
    assert_int_equal(lines, 2);
    assert_null(strchr(f->text.data, '\r'));
    assert_null(strchr(f->text.data, '\x1b'));
}

static void reopening_lets_a_log_be_moved_away(void **state)
{
    struct files *f = *state;
    log_line(LOG_NOTICE, "first");
    assert_int_equal(rename(f->log, f->moved), 0);
    log_line(LOG_NOTICE, "second");
    assert_true(log_reopen());
    log_line(LOG_NOTICE, "third");
    read_file(f->moved, &f->text);
    assert_non_null(strstr(f->text.data, "first"));
    assert_non_null(strstr(f->text.data, "second"));
    assert_null(strstr(f->text.data, "third"));
    read_file(f->log, &f->text);
    assert_non_null(strstr(f->text.data, "third"));
}

static void a_path_that_cannot_be_opened_changes_nothing(void **state)
{
    struct files *f = *state;
    assert_false(log_set_file("/nonexistent/log"));
    log_line(LOG_NOTICE, "still here");
    read_file(f->log, &f->text);
    assert_non_null(strstr(f->text.data, "still here"));
}

static void *chatter(void *unused)
{
    for (int i = 0; i < 500; i++)
        log_line(LOG_NOTICE, "begin %d end", i);
    return unused;
}

static void threads_do_not_tear_each_others_lines(void **state)
{
    struct files *f = *state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, chatter, NULL), 0);
    for (int i = 0; i < 10; i++)
        assert_true(log_reopen());
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    read_file(f->log, &f->text);
    int lines = 0;
    for (char *line = f->text.data, *end; (end = strchr(line, '\n')); line = end + 1, lines++) {
        *end = '\0';
        assert_non_null(strstr(line, " * begin "));
        assert_string_equal(end - 4, " end");
    }
    assert_int_equal(lines, 2000);
}

static void fatal_says_why_and_exits_1(void **state)
{
    struct files *f = *state;
    pid_t child = fork();
    if (child == 0)
        log_fatal("disk %s", "gone");
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    read_file(f->log, &f->text);
    assert_non_null(strstr(f->text.data, " # disk gone\n"));
}

static void clocks_run_and_chance_differs(void **state)
{
    (void)state;
    uint64_t before = clock_mono_us();
    usleep(2000);
    assert_true(clock_mono_us() - before >= 2000);
    assert_in_range(clock_wall_us() / 1000000, (uint64_t)time(NULL) - 1, (uint64_t)time(NULL) + 1);
    char a[32] = {0}, b[32] = {0};
    os_random(a, sizeof a);
    os_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILE(a_line_has_redis_form),
        WITH_FILE(lower_levels_are_not_written),
        WITH_FILE(one_call_is_one_line),
        WITH_FILE(reopening_lets_a_log_be_moved_away),
        WITH_FILE(a_path_that_cannot_be_opened_changes_nothing),
        WITH_FILE(threads_do_not_tear_each_others_lines),
        WITH_FILE(fatal_says_why_and_exits_1),
        cmocka_unit_test(clocks_run_and_chance_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
