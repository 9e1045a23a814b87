/* A batch of requests to another server, and what that may do to us: say nothing, say it slowly, say too much. */
#include "bench.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/errand.h"

enum { RUNS = -1 };

struct target {
    struct bench b;
    struct errand *errand;
    int fd;  /* the target's end */
    int how; /* it ended, or RUNS */
    struct buf lines;
};

static void done(void *arg, enum errand_end how, struct slice lines)
{
    struct target *t = arg;
    t->how = (int)how;
    buf_append_slice(&t->lines, lines);
    errand_free(t->errand);
    t->errand = NULL;
}

static void start(struct target *t, size_t answers, uint64_t timeout_ms)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    char port[8], request[16];
    memset(t, 0, sizeof *t);
    bench_start(&t->b, NULL);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 1) == 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    snprintf(port, sizeof port, "%u", ntohs(at.sin_port));
    t->how = RUNS;
    t->errand = errand_new(t->b.server, SLICE_LITERAL("127.0.0.1"), slice_cstr(port),
                           SLICE_LITERAL("PING\r\n"), answers, timeout_ms, done, t);
    t->fd = accept(listener, NULL, NULL);
    bench_run(&t->b);
    assert_int_equal(recv(t->fd, request, sizeof request, 0), 6);
    close(listener);
}

static void stop(struct target *t)
{
    close(t->fd);
    errand_free(t->errand);
    buf_deinit(&t->lines);
    bench_stop(&t->b);
}

static void say(struct target *t, const void *data, size_t len)
{
    assert_true(send(t->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) != 0);
    bench_run(&t->b);
}

static void test_answers(void **state)
{
    struct target t;
    (void)state;
    start(&t, 4, 300);
    say(&t, "+O", 2);
    for (int i = 0; i < 3; i++) { /* longer than it would wait for one */
        usleep(150000);
        assert_int_equal(t.how, RUNS);
        say(&t, "K\r\n+O", 5);
    }
    say(&t, "K\r\n", 3);
    assert_int_equal(t.how, ERRAND_ANSWERED);
    assert_true(slice_equal(buf_slice(&t.lines), SLICE_LITERAL("+OK\r\n+OK\r\n+OK\r\n+OK\r\n")));
    stop(&t);
}

static void test_a_line_without_an_end(void **state)
{
    struct target t;
    static char flood[8 * 1024];
    (void)state;
    memset(flood, 'x', sizeof flood);
    start(&t, 100, 60000);
    say(&t, "+OK\r\n", 5);
    for (int i = 0; i < 4 && t.how == RUNS; i++)
        say(&t, flood, sizeof flood);
    assert_int_equal(t.how, ERRAND_UNANSWERED);
    stop(&t);
}

static void test_byte_by_byte(void **state)
{
    struct target t;
    (void)state;
    start(&t, 1, 100);
    for (int i = 0; i < 20 && t.how == RUNS; i++) {
        usleep(20000);
        say(&t, "x", 1);
    }
    assert_int_equal(t.how, ERRAND_UNANSWERED);
    stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_a_line_without_an_end),
        cmocka_unit_test(test_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
