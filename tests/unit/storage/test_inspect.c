/* kvorum-inspect, run as people run it: on a whole directory, on a damaged one, on one in use, and to rescue a survivor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "../../support/disk.h"
#include "base/alloc.h"
#include "rsm/rsm.h"
#include "storage/storage.h"

static const struct storage_vote vote_one = {.node_id = 0xb, .cluster_id = 0x4d, .term = 3, .voted_for = 0xb};

static int run(const char *dir, const char *option, struct buf *out)
{
    char command[4096], piece[4096];
    const char *build = getenv("BUILD");
    snprintf(command, sizeof command, "%s/kvorum-inspect %s %s 2>&1", build ? build : "build", dir, option);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    buf_truncate(out, 0);
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        buf_append(out, piece, n);
    put_u8(out, 0);
    int status = pclose(f);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect_text(const struct buf *out, const char *text)
{
    if (!strstr(out->data, text))
        print_message("no \"%s\" in:\n%s\n", text, out->data);
    assert_non_null(strstr(out->data, text));
}

static struct raft_members two_members(void)
{
    struct raft_members m = {.count = 2};
    m.at[0] = (struct raft_member){.id = 0xb, .voter = true, .port = 7001, .peer_port = 17001, .name = "n1"};
    m.at[1] = (struct raft_member){.id = 0xc, .voter = true, .port = 7002, .peer_port = 17002, .name = "n2"};
    strcpy(m.at[0].host, "127.0.0.1");
    strcpy(m.at[1].host, "127.0.0.1");
    return m;
}

static void data(struct buf *b, uint64_t index, const struct rsm_request *q)
{
    size_t begin = raft_entry_begin(b, index, 3, RAFT_ENTRY_DATA);
    rsm_encode(b, q, 1700000000123, 42);
    raft_entry_end(b, begin);
}

/* Entries: 1 members, 2 founding, 3 no-op, 4 a numbered SET, 5 an EXEC, 6.. plain SETs. */
enum { LAST = 30 };
static void append_log(struct storage *s)
{
    struct buf b = BUF_EMPTY;
    struct raft_members members = two_members();
    size_t begin = raft_entry_begin(&b, 1, 3, RAFT_ENTRY_CONFIG);
    raft_members_encode(&b, &members);
    raft_entry_end(&b, begin);
    struct rsm_request found = {.kind = RSM_FOUND, .cluster_id = 0x4d, .seed = {1, 2}, .resp = 2};
    data(&b, 2, &found);
    begin = raft_entry_begin(&b, 3, 3, RAFT_ENTRY_NOOP);
    raft_entry_end(&b, begin);
    struct slice set[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("a key"), SLICE_LITERAL("line\n\"x\"")};
    struct rsm_request q = {.kind = RSM_COMMAND,
                            .numbering = RSM_SESSION_NUMBER,
                            .client_id = SLICE_LITERAL("teller-1"),
                            .request_id = 17,
                            .session = 2,
                            .resp = 2,
                            .argv = set,
                            .argc = 3};
    data(&b, 4, &q);
    struct slice both[] = {SLICE_LITERAL("INCR"), SLICE_LITERAL("n"), SLICE_LITERAL("DEL"),
                           SLICE_LITERAL("m")};
    uint32_t counts[] = {2, 2}, dbs[] = {0, 5};
    struct rsm_request exec = {
        .kind = RSM_EXEC, .resp = 2, .argv = both, .argc = 4, .counts = counts, .dbs = dbs, .commands = 2};
    data(&b, 5, &exec);
    q.numbering = RSM_TAGGED;
    q.session = 0;
    for (uint64_t i = 6; i <= LAST; i++) {
        q.request_id = i;
        data(&b, i, &q);
    }
    struct raft_block block = {.first = 1, .last = LAST, .blob = blob_new(b.data, b.len), .len = b.len};
    storage_append(s, &block, 0);
    blob_unref(block.blob);
    buf_deinit(&b);
    disk_wait_persisted(s, LAST);
}

static void apply_entry(void *arg, const struct raft_frame *f)
{
    struct rsm *r = arg;
    struct buf reply = BUF_EMPTY;
    struct rsm_result result;
    if (f->kind == RAFT_ENTRY_DATA)
        rsm_apply(r, f->index, f->term, f->payload, &reply, &result);
    else
        rsm_skip(r, f->index, f->term);
    buf_deinit(&reply);
}

struct to_write {
    struct rsm *r;
    struct rsm_snapshot_meta meta;
};

static bool write_state(void *arg, storage_emit_fn *emit, void *sink)
{
    struct to_write *w = arg;
    return rsm_snapshot_write(w->r, &w->meta, emit, sink);
}

static char *make_node(bool snapshot)
{
    char *dir = disk_dir();
    struct storage *s = disk_open(dir, NULL);
    storage_save_vote(s, &vote_one, 0);
    append_log(s);
    if (snapshot) {
        struct to_write w = {.r = rsm_new()};
        storage_replay(s, 1, apply_entry, w.r);
        struct buf members = BUF_EMPTY;
        struct raft_members m = two_members();
        raft_members_encode(&members, &m);
        w.meta = (struct rsm_snapshot_meta){
            .cluster_id = 0x4d, .members_index = 1, .members = buf_slice(&members)};
        storage_snapshot_write(s, rsm_applied(w.r), rsm_applied_term(w.r), write_state, &w);
        storage_snapshot_keep(s, rsm_applied(w.r), true);
        assert_true(disk_wait(s, STORAGE_SNAPSHOT_WRITTEN).ok);
        disk_append(s, LAST + 1, LAST + 5, 3, 10); /* no state machine's, but whole */
        disk_wait_persisted(s, LAST + 5);
        storage_compact(s, LAST);
        rsm_free(w.r);
        buf_deinit(&members);
    }
    storage_close(s);
    return dir;
}

static void it_tells_all_there_is(void **state)
{
    (void)state;
    char *dir = make_node(false);
    struct buf out = BUF_EMPTY;
    for (int again = 0; again < 2; again++) { /* looking changes nothing */
        assert_int_equal(run(dir, "", &out), 0);
        expect_text(
            &out,
            "vote slot=A node=000000000000000b cluster=000000000000004d term=3 voted-for=000000000000000b");
        expect_text(&out, "mark term=3 index=30 closed=in order");
        expect_text(&out,
                    "entry index=1 term=3 kind=config members=000000000000000b=n1@127.0.0.1:7001:17001,");
        expect_text(&out, "entry index=2 term=3 kind=found");
        expect_text(&out, "entry index=3 term=3 kind=noop");
        expect_text(&out, "entry index=4 term=3 kind=command client=\"teller-1\" request=17 session=2 "
                          "stamp=2023-11-14T22:13:20.123Z db=0 SET \"a key\" \"line\\x0a\\\"x\\\"\"");
        expect_text(&out, "entry index=5 term=3 kind=exec");
        expect_text(&out, "db=0 INCR \"n\"; db=5 DEL \"m\"");
        expect_text(&out, "journal entries=30");
        expect_text(&out, "every checksum is right");
    }
    buf_deinit(&out);
    disk_remove(dir);
}

static void it_tells_the_snapshots_header(void **state)
{
    (void)state;
    char *dir = make_node(true);
    struct buf out = BUF_EMPTY;
    assert_int_equal(run(dir, "", &out), 0);
    expect_text(&out, "snapshot file=snapshot-1-30-3.rdb index=30 term=3");
    expect_text(&out, "snapshot-aux kvorum-index=30");
    expect_text(&out, "snapshot-aux kvorum-members=000000000000000b=n1");
    assert_null(strstr(out.data, "entry index=30 "));
    expect_text(&out, "journal entries=5");
    disk_flip(dir, "snapshot-1-30-3.rdb", 4000);
    assert_int_equal(run(dir, "", &out), 1);
    expect_text(&out, "DAMAGED: its checksum is wrong");
    buf_deinit(&out);
    disk_remove(dir);
}

static void it_finds_damage(void **state)
{
    (void)state;
    char *dir = make_node(false);
    struct buf out = BUF_EMPTY;
    disk_flip(dir, "vote", 200);
    assert_int_equal(run(dir, "", &out), 1);
    expect_text(&out, "vote slot=A DAMAGED");
    expect_text(&out, "vote slot=B node=000000000000000b");
    expect_text(&out, "1 problem");
    disk_flip(dir, "vote", 200);
    char *journal = NULL, *wal;
    assert_true(asprintf(&journal, "%s/journal-1", dir) > 0);
    wal = disk_find(journal, "000004.log"); /* the first WAL */
    assert_non_null(wal);
    disk_flip(journal, wal, 8 * 700);
    assert_int_equal(run(dir, "", &out), 1); /* RocksDB keeps quiet about it; the mark does not */
    expect_text(&out, "journal DAMAGED: the log ends at index 0 of term 0, index 30 of term 3 was promised");
    free(journal);
    free(wal);
    buf_deinit(&out);
    disk_remove(dir);
}

static void it_refuses_a_directory_in_use(void **state)
{
    (void)state;
    char *dir = make_node(false);
    struct storage *s = disk_open(dir, NULL);
    struct buf out = BUF_EMPTY;
    assert_int_equal(run(dir, "", &out), 1);
    expect_text(&out, "in use");
    assert_int_equal(run(dir, "--new-cluster", &out), 1);
    expect_text(&out, "in use");
    storage_close(s);
    assert_int_equal(run("/nonexistent", "", &out), 1);
    buf_deinit(&out);
    disk_remove(dir);
}

static void it_says_what_is_missing(void **state)
{
    (void)state;
    char *dir = make_node(false), *none = disk_dir();
    char command[4096];
    struct buf out = BUF_EMPTY;
    assert_int_equal(run(none, "", &out), 1);
    expect_text(&out, "does not hold a node");
    snprintf(command, sizeof command, "rmdir %s", none); /* it has left nothing there either */
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "rm -r %s/journal-*", dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(run(dir, "", &out), 1);
    expect_text(&out, "the journal cannot be opened");
    buf_deinit(&out);
    free(none);
    disk_remove(dir);
}

static void last_config(void *arg, const struct raft_frame *f)
{
    if (f->kind == RAFT_ENTRY_CONFIG)
        assert_true(raft_members_decode(f->payload, arg));
}

static void a_survivor_becomes_a_cluster_of_one(void **state)
{
    (void)state;
    for (int snapshot = 0; snapshot < 2; snapshot++) {
        char *dir = make_node(snapshot);
        struct buf out = BUF_EMPTY;
        assert_int_equal(run(dir, "--new-cluster", &out), 0);
        expect_text(&out, "NEW CLUSTER");
        expect_text(&out, "LOST");
        assert_int_equal(run(dir, "", &out), 0);
        uint64_t last = snapshot ? LAST + 5 : LAST;
        struct storage_found found;
        struct storage *s = disk_open(dir, &found);
        assert_int_equal(found.vote.node_id, 0xb);
        assert_true(found.vote.cluster_id != 0x4d && found.vote.cluster_id != 0);
        assert_int_equal(found.vote.term, 4);
        assert_int_equal(found.vote.voted_for, 0xb);
        assert_int_equal(found.snapshot_index, snapshot ? LAST : 0);
        assert_int_equal(found.last, last + 1);
        assert_false(found.short_log_found);
        struct raft_members members = {0};
        storage_replay(s, found.first, last_config, &members);
        assert_int_equal(members.count, 1);
        assert_int_equal(members.at[0].id, 0xb);
        assert_string_equal(members.at[0].name, "n1");
        struct rsm *r = rsm_new();
        if (!snapshot) {
            storage_replay(s, 1, apply_entry, r);
            assert_int_equal(rsm_applied(r), LAST + 1);
            assert_int_equal(store_count(rsm_store(r), 0), 2);
        }
        rsm_free(r);
        storage_close(s);
        buf_deinit(&out);
        disk_remove(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_tells_all_there_is),   cmocka_unit_test(it_tells_the_snapshots_header),
        cmocka_unit_test(it_finds_damage),         cmocka_unit_test(it_refuses_a_directory_in_use),
        cmocka_unit_test(it_says_what_is_missing), cmocka_unit_test(a_survivor_becomes_a_cluster_of_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
