/* Snapshots: there and back in pieces of any size; any damage is found; stock Redis reads ours, we read its
 * dumps. */
#include "../../support/writes.h"
#include "machine.h"

#include "base/checksum.h"

#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct machine full_machine(void)
{
    struct machine m = machine_new();
    struct rsm_request version = {.kind = RSM_VERSION, .node = RSM_APPLY_VERSION};
    assert_string_equal(apply_request(&m, &version), "+OK\r\n");
    struct rsm_request acl = {.kind = RSM_ACL};
    apply_words(&m, acl, "begin");
    apply_words(&m, acl, "setuser bob on nopass %R~a* &c +@all -@string +incr +select|0");
    apply_words(&m, acl, "setuser bob (~b)x +get) (+set)");
    apply_words(&m, acl, "setuser gone on");
    assert_string_equal(apply_words(&m, acl, "deluser gone"), ":1\r\n");
    command(&m, "SET text hello");
    command(&m, "SCRIPT LOAD return(1)");
    command(&m, "EVAL return(KEYS[1]) 1 key");
    command(&m, "EVAL return(2) 0");
    struct slice load[] = {
        SLICE_LITERAL("FUNCTION"), SLICE_LITERAL("LOAD"),
        SLICE_LITERAL("#!lua name=lib\nredis.register_function('f', function() return 1 end)")};
    struct rsm_request function = {.kind = RSM_COMMAND, .resp = 2, .argv = load, .argc = 3};
    assert_string_equal(apply_request(&m, &function), "$3\r\nlib\r\n");
    command(&m, "SET number 12345");
    command(&m, "SET big 1234567890123456789");
    command(&m, "SET 77 -3");
    command(&m, "APPEND raw short");
    command(&m, "SET volatile v PX 100000000000");
    command(&m, "HSET hash f v n 12");
    command(&m, "SADD ints 3 1 70000");
    command(&m, "SADD words b a 7");
    command(&m, "HSET large f 12345678901234567890123456789012345678901234567890123456789012345 n -5");
    command(&m, "SET fleeting v PX 1");
    struct rsm_request other = {.kind = RSM_COMMAND, .db = 5};
    apply_words(&m, other, "SET elsewhere x");
    char words[9000] = "SET long ";
    for (size_t i = 9; i < sizeof words - 1; i++)
        words[i] = (char)('a' + i * i % 23);
    command(&m, words);
    setting(&m, "session-window 7");
    uint64_t s = open_session(&m, "worker", 3);
    for (uint64_t n = 3; n < 20; n++)
        numbered(&m, s, n, n % 2 ? "INCR n" : "GETSET long x");
    open_session(&m, "idle", 1);
    command(&m, words);
    checkpoint(&m, 1);
    return m;
}

static void test_round_trip_in_any_pieces(void **state)
{
    struct machine m = full_machine();
    struct buf file = snapshot_of(m.rsm);
    size_t pieces[] = {1, 2, 7, 100, 4096, 1 << 20};
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        char error[200];
        struct rsm_snapshot_meta meta;
        struct rsm *r = load_snapshot(buf_slice(&file), pieces[i], &meta, error);
        if (!r)
            fail_msg("%s", error);
        assert_true(meta.index == rsm_applied(m.rsm) && meta.term == 1 && meta.cluster_id == MACHINE_CLUSTER);
        assert_true(meta.members_index == 5 && meta.chain == 0xfedcba98);
        assert_true(rsm_applied(r) == meta.index && rsm_applied_term(r) == 1);
        assert_true(rsm_cluster_id(r) == MACHINE_CLUSTER);
        assert_true(rsm_digest(r) == rsm_digest(m.rsm) && rsm_stamp_ms(r) == rsm_stamp_ms(m.rsm));
        assert_int_equal(rsm_session_count(r), 2);
        assert_string_equal(rsm_setting(r, "session-window"), "7");
        struct buf again = snapshot_of(r);
        assert_true(slice_equal(buf_slice(&again), buf_slice(&file)));
        buf_deinit(&again);
        rsm_free(r);
    }
    buf_deinit(&file);
    machine_free(&m);
}

static void put_checksum(struct buf *file)
{
    put_u8(file, 0xff);
    put_u64(file, crc64(0, file->data, file->len));
}

/* Every single byte counts, and so does every missing one. */
static void test_damage_is_found(void **state)
{
    struct machine m = full_machine();
    struct buf file = snapshot_of(m.rsm);
    char error[200];
    struct rsm_snapshot_meta meta;
    (void)state;
    for (size_t i = 0; i < file.len; i += i < 2000 ? 1 : 13) {
        file.data[i] ^= 1;
        assert_null(load_snapshot(buf_slice(&file), 4096, &meta, error));
        file.data[i] ^= 1;
        if (i % 7 == 0)
            assert_null(load_snapshot(slice_of(file.data, i), 4096, &meta, error));
    }
    /* Bytes that are not what was written, under a checksum that is right: the digest knows. */
    char *value = memmem(file.data, file.len, "hello", 5);
    assert_non_null(value);
    *value = 'j';
    file.len -= 9;
    put_checksum(&file);
    assert_null(load_snapshot(buf_slice(&file), 4096, &meta, error));
    assert_string_equal(error, "the state it holds has another digest than it says");
    *value = 'h';
    memset(file.data + file.len - 8, 0, 8); /* "no checksum" is Redis's word, not ours */
    assert_null(load_snapshot(buf_slice(&file), 4096, &meta, error));
    assert_string_equal(error, "damaged: the checksum is wrong");
    buf_deinit(&file);
    file = snapshot_of(m.rsm);
    put_u8(&file, 0);
    assert_null(load_snapshot(buf_slice(&file), 4096, &meta, error));
    assert_string_equal(error, "has bytes behind its end");
    buf_deinit(&file);
    machine_free(&m);
}

/* Whatever the state can hold: keys of all types in all forms, scripts, libraries, users, those who wait. */
static struct machine everything(void)
{
    struct machine m = machine_newest();
    struct write w = {0};
    struct prng chance;
    prng_seed(&chance, test_seed());
    numbered(&m, open_session(&m, "worker", 1), 1, "INCR n");
    for (int i = 0; i < 1500; i++) {
        random_write(&chance, &w);
        struct rsm_request q = {.kind = RSM_COMMAND, .resp = 2, .asker = 1, .user = SLICE_LITERAL("default")};
        q.argv = w.argv;
        q.argc = w.argc;
        q.db = w.db;
        clock_entry(&m, m.stamp_ms + 1);
        apply_request(&m, &q);
        if (i % 30)
            continue;
        random_change(&chance, &w, true);
        q = (struct rsm_request){.kind = slice_equal(w.argv[0], RSM_USERS) ? RSM_ACL : RSM_SETTING};
        q.argv = w.argv + 1;
        q.argc = w.argc - 1;
        apply_request(&m, &q);
    }
    apply_words(&m, (struct rsm_request){.kind = RSM_ACL}, "setuser bob on nopass ~a* +@all");
    apply_words(&m, (struct rsm_request){.kind = RSM_COMMAND, .asker = 1}, "BLPOP nobody 0");
    command(&m, "SCRIPT LOAD return(1)");
    setting(&m, "set-max-intset-entries 512");
    command(&m, "SADD ints 3 1 70000");
    setting(&m, "zset-max-listpack-entries 1");
    command(&m, "ZADD places 1 a 2.5 b");
    buf_deinit(&w.text);
    checkpoint(&m, 1);
    return m;
}

static const char *const forms[] = {"int",    "embstr",    "raw",      "listpack", "quicklist",
                                    "intset", "hashtable", "skiplist", "stream"};
#define FORMS (sizeof forms / sizeof *forms)

static void assert_holds_everything(struct machine *m, const struct buf *file)
{
    static const char *const fields[] = {"kvorum-user",    "kvorum-script",  "kvorum-session",
                                         "kvorum-blocked", "kvorum-setting", "#!lua name="};
    bool seen[FORMS] = {false};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!memmem(file->data, file->len, fields[i], strlen(fields[i])))
            fail_msg("there is no %s", fields[i]);
    struct store *s = rsm_store(m->rsm);
    for (uint32_t db = 0; db < store_databases(s); db++)
        for (size_t i = 0; i < store_count(s, db); i++)
            for (size_t f = 0; f < FORMS; f++)
                seen[f] |= strcmp(store_key_encoding(store_at(s, db, i)), forms[f]) == 0;
    for (size_t f = 0; f < FORMS; f++)
        if (!seen[f])
            fail_msg("there is no %s", forms[f]);
}

static struct rsm *load_damaged(struct slice file)
{
    struct rsm_loader *l = rsm_loader_new();
    struct rsm_snapshot_meta meta;
    struct buf keep = BUF_EMPTY;
    bool good = rsm_loader_feed(l, file);
    assert_true(good || rsm_loader_error(l)[0]);
    struct rsm *r = rsm_loader_finish(l, &meta, &keep);
    buf_deinit(&keep);
    return r;
}

/* A bit in each stride: found by the sum over the file. Where that is made right again: in most places by what reads it, or by the
 * digest of the state, or it was of no consequence for the state; and never is there one that is not whole. */
static void test_damage_of_everything(void **state)
{
    struct machine m = everything();
    struct buf file = snapshot_of(m.rsm), other = BUF_EMPTY;
    char error[200];
    struct rsm_snapshot_meta meta;
    struct prng chance;
    size_t harmless = 0, refused = 0;
    (void)state;
    assert_holds_everything(&m, &file);
    prng_seed(&chance, test_seed());
    for (size_t from = 0; from + 8 < file.len; from += 29) {
        size_t at = from + prng_below(&chance, file.len - 8 - from < 29 ? file.len - 8 - from : 29);
        buf_truncate(&other, 0);
        buf_append_slice(&other, buf_slice(&file));
        other.data[at] ^= (char)(1 << prng_below(&chance, 8));
        assert_null(load_snapshot(buf_slice(&other), 4096, &meta, error));
        assert_true(error[0]);
        store_u64(other.data + other.len - 8, crc64(0, other.data, other.len - 8));
        struct rsm *r = load_damaged(buf_slice(&other));
        refused += !r;
        harmless += r != NULL;
        if (r && rsm_digest(r) != rsm_digest(m.rsm))
            fail_msg("a bit of byte %zu makes another state", at);
        rsm_free(r);
    }
    assert_true(refused > 20 * harmless && harmless > 0);
    buf_deinit(&file);
    buf_deinit(&other);
    machine_free(&m);
}

static bool refuse_after(void *arg, const void *data, size_t len)
{
    (void)data;
    (void)len;
    return (*(int *)arg)-- > 0;
}

static void test_failed_write_is_told(void **state)
{
    struct machine m = full_machine();
    struct rsm_snapshot_meta meta = {0};
    (void)state;
    for (int good = 0; good < 2; good++) {
        int left = good;
        assert_false(rsm_snapshot_write(m.rsm, &meta, refuse_after, &left));
    }
    machine_free(&m);
}

/* ---- files that nobody meant to write ---- */

static void assert_file(const char *bytes, size_t len, const char *expected)
{
    struct buf file = BUF_EMPTY;
    struct rsm_snapshot_meta meta;
    char error[200] = "";
    buf_append_cstr(&file, "REDIS0010");
    buf_append(&file, bytes, len);
    put_checksum(&file);
    struct rsm *r = load_snapshot(buf_slice(&file), 3, &meta, error);
    if (expected) {
        assert_null(r);
        if (!strstr(error, expected))
            fail_msg("'%s' instead of '%s'", error, expected);
    } else if (!r) {
        fail_msg("%s", error);
    }
    rsm_free(r);
    buf_deinit(&file);
}
#define FILE_OF(bytes, expected) assert_file(bytes, sizeof(bytes) - 1, expected)

static void test_strange_files(void **state)
{
    char error[200];
    struct rsm_snapshot_meta meta;
    (void)state;
    FILE_OF("", NULL);
    FILE_OF("\xfe\x00\xfb\x01\x00\x00\x01k\x01v", NULL);
    FILE_OF("\xfd\x00\x00\x00\x70\xf9\x05\xf8\x09\x00\x01k\x01v", NULL);
    FILE_OF("\xfa\x09redis-ver\x05"
            "6.0.0\xfa\x04what\xc0\x05",
            NULL);
    FILE_OF("\x02\x01k\x02\x01v\x01w", NULL);
    FILE_OF("\x02\x01k\x02\x01v\x01v", "incomplete"); /* one stands twice; more might come */
    FILE_OF("\x07\x01k\x01", "does not know: module");
    FILE_OF("\x15\x01k\x01", "does not know: compact");
    FILE_OF("\xf5\x01x", "function");
    FILE_OF("\xfe\x10", "uses database 16");
    FILE_OF("\x00\x01k\x01v\x00\x01k\x01w", "twice");
    FILE_OF("\x00\xc3\x01k", "malformed");
    FILE_OF("\x00\x01k\x81\xff\xff\xff\xff\xff\xff\xff\xff", "malformed");
    FILE_OF("\x00\x01k\xc3\x01\x81\x00\x00\x00\x08\x00\x00\x00\x00x",
            "malformed"); /* 32 GiB out of one byte */
    FILE_OF("\xfa\x0dkvorum-future\x01x", "does not know: kvorum-future");
    FILE_OF("\xfa\x0ckvorum-index\xc0\x05", "lacks its field kvorum-format");
    FILE_OF("\xfa\x0ckvorum-index\x01x", "bad or misplaced field kvorum-index");
    FILE_OF("\xfa\x0ckvorum-index\x01"
            "5\xfa\x0ckvorum-index\x01"
            "5",
            "bad or misplaced field kvorum-index");
    FILE_OF("\x00\x01k\x01v\xfa\x0ckvorum-index\x01"
            "5",
            "bad or misplaced field kvorum-index");
    assert_null(load_snapshot(SLICE_LITERAL("REDIS0011\xff\0\0\0\0\0\0\0\0"), 5, &meta, error));
    assert_string_equal(error, "has RDB version 11; 5 to 10 are understood");
    assert_null(load_snapshot(SLICE_LITERAL("what a file"), 5, &meta, error));
    assert_string_equal(error, "is not an RDB file");
    assert_null(load_snapshot(SLICE_LITERAL("REDIS0010\xff\1\0\0\0\0\0\0\0"), 5, &meta, error));
    assert_string_equal(error, "damaged: the checksum is wrong");
    assert_null(load_snapshot(SLICE_LITERAL("REDIS0010\xff\0\0\0\0\0\0\0"), 5, &meta, error));
    assert_string_equal(error, "incomplete");
    struct rsm *r = load_snapshot(SLICE_LITERAL("REDIS0010\xff\0\0\0\0\0\0\0\0"), 5, &meta, error);
    assert_non_null(r); /* rdbchecksum no */
    rsm_free(r);
}

/* The file with another value in one of our fields. A short string is its length, then the bytes; a small number is 0xc0 and
 * so many powers of two, then as many bytes. */
static struct buf with_field(const struct buf *file, const char *name, const char *value)
{
    struct buf out = BUF_EMPTY, key = BUF_EMPTY;
    put_u8(&key, (uint8_t)strlen(name));
    buf_append_cstr(&key, name);
    char *found = memmem(file->data, file->len, key.data, key.len);
    assert_non_null(found);
    size_t at = (size_t)(found - file->data) + key.len;
    buf_append(&out, file->data, at);
    put_u8(&out, (uint8_t)strlen(value));
    buf_append_cstr(&out, value);
    uint8_t was = (uint8_t)file->data[at];
    at += 1u + (was < 0xc0 ? was : 1u << (was & 3));
    buf_append(&out, file->data + at, file->len - 9 - at);
    put_checksum(&out);
    buf_deinit(&key);
    return out;
}

static const char loads[] = "";

static void assert_with(const struct buf *file, const char *name, const char *value, const char *expected)
{
    struct buf changed = with_field(file, name, value);
    struct rsm_snapshot_meta meta;
    char error[200] = "";
    struct rsm *r = load_snapshot(buf_slice(&changed), 100, &meta, error);
    if (!r)
        assert_string_equal(error, expected);
    assert_int_equal(r != NULL, expected == loads);
    rsm_free(r);
    buf_deinit(&changed);
}

static void test_a_stamp_that_no_entry_can_have(void **state)
{
    struct machine m = full_machine();
    struct buf file = snapshot_of(m.rsm);
    (void)state;
    assert_with(&file, "kvorum-stamp", "9223372036854775808", "has a bad or misplaced field kvorum-stamp");
    assert_with(&file, "kvorum-stamp", "9223372036854775807",
                "the state it holds has another digest than it says");
    buf_deinit(&file);
    machine_free(&m);
}

static void test_a_digest_of_another_version_is_not_compared(void **state)
{
    struct machine m = full_machine();
    struct buf file = snapshot_of(m.rsm);
    (void)state;
    assert_with(&file, "kvorum-digest", "5", "the state it holds has another digest than it says");
    struct buf newer = with_field(&file, "kvorum-digest-version", "77");
    assert_with(&newer, "kvorum-digest", "5", loads);
    assert_with(&file, "kvorum-digest-version", "x", "has a bad or misplaced field kvorum-digest-version");
    buf_deinit(&newer);
    buf_deinit(&file);
    machine_free(&m);
}

/* ---- with a real redis-server ---- */

static char dir[] = "/tmp/kvorum-rsm-XXXXXX";

static void write_file(const char *name, struct slice bytes)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, f), bytes.len);
    assert_int_equal(fclose(f), 0);
}

static struct buf read_file(const char *name)
{
    char path[256], chunk[4096];
    struct buf out = BUF_EMPTY;
    size_t n;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_append(&out, chunk, n);
    fclose(f);
    return out;
}

/* Runs a shell line in `dir`; its output, without the final newline. */
static const char *shell(const char *line)
{
    static char out[65536];
    char full[2048];
    snprintf(full, sizeof full, "cd %s && %s", dir, line);
    FILE *f = popen(full, "r");
    assert_non_null(f);
    size_t n = fread(out, 1, sizeof out - 1, f);
    int status = pclose(f);
    while (n && out[n - 1] == '\n')
        n--;
    out[n] = 0;
    if (status)
        fail_msg("%s: status %d: %s", line, status, out);
    return out;
}

static pid_t start_redis(const char *file)
{
    char path[256];
    snprintf(path, sizeof path, "%s/sock", dir);
    unlink(path);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody behind */
        if (chdir(dir) || !freopen("redis.log", "w", stdout))
            _exit(127);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--dir", dir,
               "--dbfilename", file, "--save", "", "--appendonly", "no", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500; i++) {
        struct stat st;
        int status;
        if (waitpid(pid, &status, WNOHANG) == pid)
            fail_msg("redis-server ended: %s", shell("tail -3 redis.log"));
        if (stat(path, &st) == 0)
            return pid;
        usleep(10000);
    }
    fail_msg("redis-server did not come up");
    return -1;
}

static void stop_redis(pid_t pid)
{
    int status;
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
}

#define CLI "redis-cli -s sock "

static void test_stock_redis_reads_ours(void **state)
{
    struct machine m = full_machine();
    struct buf file = snapshot_of(m.rsm);
    (void)state;
    write_file("ours.rdb", buf_slice(&file));
    assert_non_null(strstr(shell("redis-check-rdb ours.rdb"), "Checksum OK"));
    pid_t pid = start_redis("ours.rdb");
    assert_string_equal(shell(CLI "ping"), "PONG");
    assert_string_equal(shell(CLI "get text"), "hello");
    assert_string_equal(shell(CLI "get number"), "12345");
    assert_string_equal(shell(CLI "object encoding number"), "int");
    assert_string_equal(shell(CLI "get big"), "1234567890123456789");
    assert_string_equal(shell(CLI "get 77"), "-3");
    assert_string_equal(shell(CLI "get raw"), "short");
    assert_string_equal(shell(CLI "strlen long"), "8990");
    assert_string_equal(shell(CLI "hgetall hash | tr '\\n' ' '"), "f v n 12 ");
    assert_string_equal(shell(CLI "object encoding hash"), "listpack");
    assert_string_equal(shell(CLI "hget large n"), "-5");
    assert_string_equal(shell(CLI "object encoding large"), "hashtable");
    assert_string_equal(shell(CLI "smembers ints | tr '\\n' ' '"), "1 3 70000 ");
    assert_string_equal(shell(CLI "object encoding ints"), "intset");
    assert_string_equal(shell(CLI "smismember words a b 7 c | tr '\\n' ' '"), "1 1 1 0 ");
    assert_string_equal(shell(CLI "pexpiretime volatile"), "1800000000000");
    assert_string_equal(shell(CLI "-n 5 keys '*'"), "elsewhere");
    assert_string_equal(shell(CLI "dbsize"), "12"); /* the fleeting one was due when it was loaded */
    assert_string_equal(
        shell("sed -n 's/.*keys loaded: \\([0-9]*\\), keys expired: \\([0-9]*\\).*/\\1 \\2/p' redis.log"),
        "13 1");
    stop_redis(pid);
    buf_deinit(&file);
    machine_free(&m);
}

static void test_we_read_stock_dumps(void **state)
{
    (void)state;
    pid_t pid = start_redis("stock.rdb");
    shell(CLI "set text hello");
    shell(CLI "set number -70000");
    shell(CLI "set 12 x");
    shell(CLI "set volatile v pxat 1800000000000");
    shell(CLI "-n 7 set elsewhere 1");
    shell("head -c 20000 /dev/zero | tr '\\0' a | " CLI "-x set packed"); /* goes through LZF */
    shell("seq 1 3000 | " CLI "-x set numbers");
    shell(CLI "hset hash f v n 12");
    shell(CLI "hset large $(seq 1 1200)");
    shell(CLI "sadd ints 3 1 70000");
    shell(CLI "sadd words b a 7 $(seq 10 400)");
    shell(CLI "save");
    struct buf file = read_file("stock.rdb");
    char error[200];
    struct rsm_snapshot_meta meta;
    struct machine m = {.rsm = load_snapshot(buf_slice(&file), 11, &meta, error), .stamp_ms = MACHINE_START};
    if (!m.rsm)
        fail_msg("%s", error);
    assert_true(meta.index == 0 && meta.cluster_id == 0 && file.len < 20000);
    /* A cluster is founded on it: the keys get its seed and stay where they are. */
    struct rsm_request q = {.kind = RSM_FOUND, .cluster_id = MACHINE_CLUSTER, .seed = {3, 4}};
    struct store *before = rsm_store(m.rsm);
    assert_int_equal(store_count(before, 0), 10);
    assert_string_equal(apply_request(&m, &q), "+OK\r\n");
    uint64_t due;
    assert_string_equal(query(&m, 0, "GET text", &due), "$5\r\nhello\r\n");
    assert_string_equal(query(&m, 0, "GET number", &due), "$6\r\n-70000\r\n");
    assert_string_equal(query(&m, 0, "GET 12", &due), "$1\r\nx\r\n");
    assert_string_equal(query(&m, 0, "DBSIZE", &due), ":10\r\n");
    assert_true(store_next_expiry_ms(rsm_store(m.rsm)) == 1800000000000);
    assert_int_equal(store_count(rsm_store(m.rsm), 7), 1);
    assert_string_equal(query(&m, 0, "HGETALL hash", &due),
                        "*4\r\n$1\r\nf\r\n$1\r\nv\r\n$1\r\nn\r\n$2\r\n12\r\n");
    assert_string_equal(query(&m, 0, "HMGET large 1199 1 2", &due), "*3\r\n$4\r\n1200\r\n$1\r\n2\r\n$-1\r\n");
    assert_string_equal(query(&m, 0, "HLEN large", &due), ":600\r\n");
    assert_string_equal(query(&m, 0, "OBJECT ENCODING large", &due), "$9\r\nhashtable\r\n");
    assert_string_equal(query(&m, 0, "SMEMBERS ints", &due), "*3\r\n$1\r\n1\r\n$1\r\n3\r\n$5\r\n70000\r\n");
    assert_string_equal(query(&m, 0, "SMISMEMBER words a 400 401", &due), "*3\r\n:1\r\n:1\r\n:0\r\n");
    const char *packed = query(&m, 0, "GET packed", &due);
    assert_memory_equal(packed, "$20000\r\naaaa", 12);
    assert_int_equal(strspn(packed + 8, "a"), 20000);
    char *numbers = strdup(query(&m, 0, "GET numbers", &due) + strlen("$13893\r\n"));
    assert_memory_equal(numbers, shell("seq 1 3000"), 13892);
    free(numbers);
    stop_redis(pid);
    buf_deinit(&file);
    machine_free(&m);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip_in_any_pieces),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_damage_of_everything),
        cmocka_unit_test(test_failed_write_is_told),
        cmocka_unit_test(test_strange_files),
        cmocka_unit_test(test_a_stamp_that_no_entry_can_have),
        cmocka_unit_test(test_a_digest_of_another_version_is_not_compared),
        cmocka_unit_test(test_stock_redis_reads_ours),
        cmocka_unit_test(test_we_read_stock_dumps),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
