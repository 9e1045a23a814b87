/* The same entries give the same replies, the same digest and the same snapshot, to the byte, on a machine
 * that ran them all and on one that was restored from snapshots on the way. Random, from a seed (TEST_SEED to
 * repeat one). */
#include "../../support/writes.h"
#include "machine.h"

#define SEEDS   12
#define STEPS   3000
#define CLIENTS 4

struct run {
    struct prng dice;
    struct rsm *whole, *restored;
    uint64_t stamp_ms;
    uint64_t session[CLIENTS], next[CLIENTS]; /* what the clients believe */
    uint64_t proxy_next, proxy_lowest;
    struct buf sent[5]; /* the newest entry without a number, and some with one */
    size_t restores, outcomes[RSM_UNKNOWN_KIND + 1];
};

static uint64_t below(struct run *t, uint64_t n)
{
    return prng_below(&t->dice, n);
}

/* Strings on few keys, so that they meet. */
static void random_string(struct run *t, char *out, size_t size)
{
    unsigned k = (unsigned)below(t, 40), j = (unsigned)below(t, 40), v = (unsigned)below(t, 100000);
    switch (below(t, 14)) {
    case 0:
    case 1:
        snprintf(out, size, "SET k%u %u", k, v);
        break;
    case 2:
    case 3:
        snprintf(out, size, "SET k%u v%u PX %u", k, v, 1 + v % 2000);
        break;
    case 4:
    case 5:
        snprintf(out, size, "INCR k%u", k);
        break;
    case 6:
        snprintf(out, size, "APPEND k%u %u", k, v);
        break;
    case 7:
        snprintf(out, size, "DEL k%u k%u", k, j);
        break;
    case 8:
        snprintf(out, size, "RENAME k%u k%u", k, j);
        break;
    case 9:
        snprintf(out, size, "GETDEL k%u", k);
        break;
    case 10:
        snprintf(out, size, "GETSET k%u %0*u", k, (int)(v % 5000 + 1), v);
        break;
    case 11:
        snprintf(out, size, "PEXPIRE k%u %u", k, v % 3000);
        break;
    case 12:
        snprintf(out, size, "RANDOMKEY");
        break;
    default:
        snprintf(out, size, below(t, 30) ? "SET k%u" : "FLUSHDB", k); /* an error, as a rule */
    }
}

static void random_command(struct run *t, struct write *w)
{
    char words[6000];
    if (below(t, 2) == 0) {
        random_write(&t->dice, w);
        return;
    }
    random_string(t, words, sizeof words);
    buf_truncate(&w->text, 0);
    buf_append_cstr(&w->text, words);
    put_u8(&w->text, 0);
    w->argc = split(w->text.data, w->argv, WRITE_WORDS);
    w->db = below(t, 6) ? 0 : 1;
}

/* Applies the entry to both and compares what they say and what they are. */
static void apply_payload(struct run *t, struct slice payload, struct buf *reply)
{
    struct buf other = BUF_EMPTY;
    struct rsm_result a, b;
    uint64_t index = rsm_applied(t->whole) + 1;
    buf_truncate(reply, 0);
    rsm_apply(t->whole, index, 1 + index / 1000, payload, reply, &a);
    rsm_apply(t->restored, index, 1 + index / 1000, payload, &other, &b);
    assert_int_equal(a.outcome, b.outcome);
    assert_int_not_equal(a.outcome, RSM_UNKNOWN_KIND);
    t->outcomes[a.outcome]++;
    if (!slice_equal(buf_slice(reply), buf_slice(&other)))
        fail_msg("entry %llu: '%.*s' and '%.*s'", (unsigned long long)index, (int)reply->len, reply->data,
                 (int)other.len, other.data);
    if (rsm_digest(t->whole) != rsm_digest(t->restored))
        fail_msg("entry %llu: the digests differ", (unsigned long long)index);
    buf_deinit(&other);
}

static void apply_both(struct run *t, const struct rsm_request *q, struct buf *reply)
{
    struct buf *payload = &t->sent[q->numbering == RSM_TAGGED ? 0 : 1 + prng_below(&t->dice, 4)];
    buf_truncate(payload, 0);
    rsm_encode(payload, q, t->stamp_ms, prng_next(&t->dice));
    apply_payload(t, buf_slice(payload), reply);
}

static void number_it(struct run *t, struct rsm_request *q)
{
    uint64_t who = below(t, CLIENTS + 3);
    if (who < CLIENTS) {
        q->numbering = RSM_SESSION_NUMBER;
        q->session = t->session[who];
        q->request_id = below(t, 4) ? t->next[who]++ : t->next[who] + 3 - below(t, 12);
    } else if (who == CLIENTS) {
        q->numbering = RSM_PROXY_NUMBER;
        q->client_id = SLICE_LITERAL("a-node");
        q->may_open = below(t, 3);
        q->request_id = q->may_open ? t->proxy_next++ : t->proxy_next - below(t, 20);
        if (below(t, 5) == 0)
            t->proxy_lowest = t->proxy_next - below(t, 20);
        q->lowest = t->proxy_lowest;
    }
}

static void random_exec(struct run *t, struct rsm_request *q, struct buf *reply)
{
    struct write writes[4] = {{0}};
    struct slice argv[4 * WRITE_WORDS], key;
    uint32_t counts[4], dbs[4];
    struct rsm_watch watch[2];
    q->kind = RSM_EXEC;
    q->argc = 0;
    q->commands = below(t, 5);
    for (size_t i = 0; i < q->commands; i++) {
        if (below(t, 16) == 0)
            random_change(&t->dice, &writes[i], true);
        else
            random_command(t, &writes[i]);
        counts[i] = (uint32_t)writes[i].argc;
        dbs[i] = writes[i].db;
        for (size_t n = 0; n < writes[i].argc; n++)
            argv[q->argc++] = writes[i].argv[n];
    }
    q->watch_count = below(t, 3);
    char names[2][8];
    for (size_t i = 0; i < q->watch_count; i++) {
        uint64_t due, other = 0;
        snprintf(names[i], sizeof names[i], "k%u", (unsigned)below(t, 40));
        key = slice_cstr(names[i]);
        watch[i] = (struct rsm_watch){.key = key};
        bool ok = rsm_version(t->whole, t->stamp_ms, 0, key, &watch[i].version, &due);
        assert_int_equal(ok, rsm_version(t->restored, t->stamp_ms, 0, key, &other, &due));
        assert_true(!ok || other == watch[i].version);
    }
    q->argv = argv;
    q->counts = counts;
    q->dbs = dbs;
    q->watches = watch;
    apply_both(t, q, reply);
    for (size_t i = 0; i < 4; i++)
        buf_deinit(&writes[i].text);
}

static void open_or_resume(struct run *t, struct buf *reply)
{
    uint64_t who = below(t, CLIENTS);
    struct slice id = slice_of(&"abcdefgh"[who], 1);
    struct rsm_request q = {.kind = RSM_SESSION,
                            .argv = &id,
                            .argc = 1,
                            .user = SLICE_LITERAL("default"),
                            .may_open = below(t, 4),
                            .request_id = 1 + below(t, 500)};
    apply_both(t, &q, reply);
    if (reply->data[0] == ':') {
        put_u8(reply, 0);
        t->session[who] = strtoull(reply->data + 1, NULL, 10);
        t->next[who] = q.request_id;
    }
}

/* Of a setting, or of users. */
static void any_change(struct run *t, struct buf *reply)
{
    struct write w = {0};
    random_change(&t->dice, &w, false);
    struct rsm_request q = {.kind = slice_equal(w.argv[0], RSM_USERS) ? RSM_ACL : RSM_SETTING,
                            .argv = w.argv + 1,
                            .argc = w.argc - 1};
    apply_both(t, &q, reply);
    buf_deinit(&w.text);
}

static void random_setting(struct run *t, struct buf *reply)
{
    static const char *const lines[] = {"session-window 4",
                                        "session-window 64",
                                        "session-timeout 3",
                                        "session-timeout 30",
                                        "session-max 2",
                                        "session-max 10",
                                        "maxmemory-policy allkeys-lru maxmemory 1gb",
                                        "maxmemory-policy volatile-lru",
                                        "session-max 10 session-window nonsense"};
    struct slice argv[8];
    struct rsm_request q = {.kind = RSM_SETTING, .argv = argv};
    q.argc = split(lines[below(t, 9)], argv, 8);
    apply_both(t, &q, reply);
}

static void random_evict(struct run *t, struct buf *reply)
{
    char name[8];
    struct rsm_watch w = {0};
    uint64_t due;
    snprintf(name, sizeof name, "k%u", (unsigned)below(t, 40));
    w.key = slice_cstr(name);
    rsm_version(t->whole, t->stamp_ms, 0, w.key, &w.version, &due);
    struct rsm_request q = {.kind = RSM_EVICT, .watches = &w, .watch_count = 1};
    apply_both(t, &q, reply);
}

/* One of the two writes the snapshot, and the second goes on as what was restored from it. */
static void checkpoint_and_restore(struct run *t, struct buf *reply)
{
    struct rsm_request q = {.kind = RSM_CHECKPOINT, .node = 1};
    char error[200];
    struct rsm_snapshot_meta meta;
    apply_both(t, &q, reply);
    struct buf file = snapshot_of(t->whole), other = snapshot_of(t->restored);
    assert_true(slice_equal(buf_slice(&file), buf_slice(&other)));
    if (below(t, 2)) {
        struct rsm *r = load_snapshot(buf_slice(&file), 1 + below(t, 5000), &meta, error);
        if (!r)
            fail_msg("%s", error);
        rsm_free(t->restored);
        t->restored = r;
        t->restores++;
    }
    buf_deinit(&file);
    buf_deinit(&other);
}

static void step(struct run *t, struct buf *reply)
{
    struct rsm_request q = {
        .kind = RSM_COMMAND, .resp = below(t, 8) ? 2 : 3, .user = SLICE_LITERAL("default")};
    uint64_t what = below(t, 100);
    /* mostly forward, now and then back, seldom far */
    t->stamp_ms += what == 0 ? 5000 : below(t, 40);
    t->stamp_ms -= what == 1 ? 100 : 0;
    if (what < 10) {
        struct buf *again = &t->sent[1 + below(t, 4)];
        if (rsm_restamp(again->data, again->len, t->stamp_ms, 1))
            apply_payload(t, buf_slice(again), reply);
    } else if (what < 60) {
        struct write w = {0};
        random_command(t, &w);
        q.argv = w.argv;
        q.argc = w.argc;
        q.db = w.db;
        number_it(t, &q);
        apply_both(t, &q, reply);
        buf_deinit(&w.text);
    } else if (what < 80) {
        number_it(t, &q);
        random_exec(t, &q, reply);
    } else if (what < 87) {
        open_or_resume(t, reply);
    } else if (what < 92) {
        q.kind = RSM_CLOCK;
        apply_both(t, &q, reply);
    } else if (what < 94) {
        random_setting(t, reply);
    } else if (what < 95) {
        any_change(t, reply);
    } else if (what < 98) {
        random_evict(t, reply);
    } else if (what < 99) {
        uint64_t index = rsm_applied(t->whole) + 1;
        rsm_skip(t->whole, index, 1);
        rsm_skip(t->restored, index, 1);
    } else {
        checkpoint_and_restore(t, reply);
    }
}

static void one_run(uint64_t seed)
{
    struct run t = {.whole = rsm_new(), .restored = rsm_new(), .stamp_ms = MACHINE_START, .proxy_next = 100};
    struct buf reply = BUF_EMPTY;
    print_message("seed %llu\n", (unsigned long long)seed);
    prng_seed(&t.dice, seed);
    for (size_t i = 0; i < CLIENTS; i++)
        t.next[i] = 1;
    struct rsm_request q = {.kind = RSM_FOUND, .cluster_id = 1 + seed, .seed = {seed, 7}};
    apply_both(&t, &q, &reply);
    q = (struct rsm_request){.kind = RSM_VERSION, .node = RSM_APPLY_VERSION};
    apply_both(&t, &q, &reply);
    for (int i = 0; i < STEPS; i++)
        step(&t, &reply);
    checkpoint_and_restore(&t, &reply);
    assert_true(t.restores > 0);
    for (int i = RSM_RAN; i <= RSM_REFUSED; i++)
        assert_true(t.outcomes[i] > STEPS / 100); /* each road was taken */
    rsm_free(t.whole);
    rsm_free(t.restored);
    for (size_t i = 0; i < sizeof t.sent / sizeof *t.sent; i++)
        buf_deinit(&t.sent[i]);
    buf_deinit(&reply);
}

static void test_replay(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < SEEDS; i++)
        one_run(test_seed() + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_replay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
