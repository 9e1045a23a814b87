/* time limit: 120 s. An entry that only a newer build can have written stands in the journal: the node stops with a line
 * that says so, every time, and leaves the journal as it is. It is neither skipped nor taken for damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "../support/cluster.h"
#include "../support/disk.h"
#include "rsm/rsm.h"

/* Behind what the stopped node's journal holds. */
static uint64_t append(const char *dir, enum raft_entry_kind kind, struct slice payload)
{
    struct storage_found found;
    struct storage *s = disk_open(dir, &found);
    struct buf b = BUF_EMPTY;
    uint64_t index = found.last + 1;
    raft_entry_end(&b, raft_entry_begin(&b, index, found.vote.term, RAFT_ENTRY_NOOP));
    size_t begin = raft_entry_begin(&b, index + 1, found.vote.term, kind);
    buf_append_slice(&b, payload);
    raft_entry_end(&b, begin);
    struct raft_block block = {
        .first = index, .last = index + 1, .blob = blob_new(b.data, b.len), .len = b.len};
    storage_append(s, &block, 1);
    disk_wait_persisted(s, index + 1);
    blob_unref(block.blob);
    buf_deinit(&b);
    storage_close(s);
    return index + 1;
}

static bool says(const char *log, const char *word)
{
    char line[1024];
    bool found = false;
    FILE *f = fopen(log, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        found = found || strstr(line, word);
    fclose(f);
    return found;
}

static void refuses(const struct cluster *c, const char *dir)
{
    char command[1024], log[320];
    snprintf(log, sizeof log, "%s.log", dir);
    snprintf(
        command, sizeof command,
        "timeout -s KILL 20 build/kvorum-server --bind 127.0.0.1 --port %d --cluster-port %d --node-name n1 "
        "--dir %s >%s 2>&1",
        c->nodes[0].port, c->nodes[0].peer_port, dir, log);
    int status = system(command);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_true(says(log, "this build does not know"));
    assert_false(says(log, "damaged"));
}

static void meets(enum raft_entry_kind kind, struct slice payload)
{
    struct cluster c;
    char dir[300];
    assert_true(cluster_start(&c, 1, NULL));
    for (int i = 0; i < 50; i++)
        freeReplyObject(cluster_ask(&c, 0, 1000, "SET key:%d %d", i, i));
    assert_int_equal(cluster_terminate(&c, 0, 10000), 0);
    snprintf(dir, sizeof dir, "%s/n1", c.dir);
    uint64_t last = append(dir, kind, payload);
    refuses(&c, dir);
    refuses(&c, dir);
    char command[1024], want[64], log[320];
    snprintf(log, sizeof log, "%s.inspect", dir);
    snprintf(want, sizeof want, "%llu", (unsigned long long)last);
    snprintf(command, sizeof command, "build/kvorum-inspect %s >%s 2>&1", dir, log);
    int status = system(command);
    assert_int_equal(WEXITSTATUS(status), 0); /* nothing is wrong with the journal */
    assert_true(says(log, want));
    cluster_stop(&c);
}

static void test_version(void **state)
{
    struct buf b = BUF_EMPTY;
    struct rsm_request req = {.kind = RSM_VERSION, .node = 99};
    (void)state;
    rsm_encode(&b, &req, 0, 0);
    meets(RAFT_ENTRY_DATA, buf_slice(&b));
    buf_deinit(&b);
}

static void test_kind_of_the_state_machine(void **state)
{
    struct buf b = BUF_EMPTY;
    struct rsm_request req = {.kind = RSM_CLOCK};
    (void)state;
    rsm_encode(&b, &req, 0, 0);
    b.data[0] = 77;
    meets(RAFT_ENTRY_DATA, buf_slice(&b));
    buf_deinit(&b);
}

static void test_kind_of_raft(void **state)
{
    (void)state;
    meets((enum raft_entry_kind)7, SLICE_LITERAL("from a later day"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_kind_of_the_state_machine),
        cmocka_unit_test(test_kind_of_raft),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
