/* Totality: whatever the bytes, apply answers with one whole reply or says that it does not understand, and
 * then nothing has changed; the loader takes a file or says why not. */
#include "machine.h"

#include "base/checksum.h"
#include "base/resp.h"

#define ROUNDS 60000

static struct buf corpus[16];
static size_t corpus_count;

static void add(const struct rsm_request *q)
{
    rsm_encode(&corpus[corpus_count++], q, MACHINE_START + 5, 9);
}

static void add_words(struct rsm_request q, const char *words)
{
    struct slice argv[16];
    q.argv = argv;
    q.argc = split(words, argv, 16);
    add(&q);
}

static void make_corpus(void)
{
    static const uint32_t counts[] = {3, 2, 1}, dbs[] = {0, 1, 15};
    static const struct rsm_watch watches[] = {{0, {"k", 1}, 4}, {1, {"n", 1}, 0}};
    static const char *const settings[] = {"databases", "4", "session-window", "9", NULL};
    struct slice argv[8];
    add(&(struct rsm_request){.kind = RSM_FOUND, .cluster_id = 3, .settings = settings});
    add_words((struct rsm_request){.kind = RSM_COMMAND}, "SET k v PX 100");
    add_words((struct rsm_request){.kind = RSM_COMMAND, .db = 1, .resp = 3}, "INCR n");
    add_words((struct rsm_request){.kind = RSM_COMMAND,
                                   .numbering = RSM_SESSION_NUMBER,
                                   .session = 4,
                                   .request_id = 2,
                                   .user = SLICE_LITERAL("u")},
              "APPEND k vv");
    add_words((struct rsm_request){.kind = RSM_COMMAND,
                                   .numbering = RSM_PROXY_NUMBER,
                                   .client_id = SLICE_LITERAL("p"),
                                   .request_id = 3,
                                   .lowest = 2,
                                   .may_open = true},
              "GETSET k w");
    add_words((struct rsm_request){.kind = RSM_SESSION, .may_open = true, .user = SLICE_LITERAL("u")}, "id");
    add_words((struct rsm_request){.kind = RSM_SETTING, .numbering = RSM_SESSION_NUMBER, .session = 6},
              "session-max 3 maxmemory-policy allkeys-lru");
    add(&(struct rsm_request){.kind = RSM_CLOCK});
    add(&(struct rsm_request){.kind = RSM_CHECKPOINT, .node = 1});
    add(&(struct rsm_request){.kind = RSM_EVICT, .watches = watches, .watch_count = 2});
    add(&(struct rsm_request){.kind = RSM_VERSION, .node = 1});
    struct rsm_request exec = {.kind = RSM_EXEC,
                               .argv = argv,
                               .argc = split("SET k v GET k TIME", argv, 8),
                               .counts = counts,
                               .dbs = dbs,
                               .commands = 3};
    add(&exec);
    exec.watches = watches;
    exec.watch_count = 2;
    exec.numbering = RSM_PROXY_NUMBER;
    exec.may_open = true;
    add(&exec);
}

static void mutate(struct prng *dice, struct buf *b)
{
    for (uint64_t n = prng_below(dice, 4); n > 0 && b->len; n--) {
        size_t at = prng_below(dice, b->len);
        switch (prng_below(dice, 6)) {
        case 0:
            b->data[at] = (char)prng_next(dice);
            break;
        case 1:
            b->data[at] ^= (char)(1 << prng_below(dice, 8));
            break;
        case 2:
            b->data[at]++;
            break;
        case 3: /* a huge number where a small one stood */
            b->data[at] = (char)0xff;
            break;
        case 4:
            memmove(b->data + at, b->data + at + 1, b->len - at - 1);
            b->len--;
            break;
        default:
            put_u8(b, (uint8_t)b->data[at]);
        }
    }
    if (prng_below(dice, 20) == 0)
        buf_truncate(b, prng_below(dice, b->len + 1));
}

static void test_apply_is_total(void **state)
{
    struct machine m = {.rsm = rsm_new()};
    struct prng dice;
    size_t outcomes[4] = {0};
    (void)state;
    prng_seed(&dice, test_seed());
    make_corpus();
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 5000 == 0) { /* a young machine again */
            rsm_free(m.rsm);
            m.rsm = rsm_new();
        }
        uint64_t digest = rsm_digest(m.rsm), applied = rsm_applied(m.rsm);
        buf_truncate(&m.payload, 0);
        buf_truncate(&m.reply, 0);
        buf_append_slice(&m.payload, buf_slice(&corpus[prng_below(&dice, corpus_count)]));
        mutate(&dice, &m.payload);
        char *exact = malloc(m.payload.len + 1);
        memcpy(exact, m.payload.data, m.payload.len);
        rsm_apply(m.rsm, applied + 1, 1, slice_of(exact, m.payload.len), &m.reply, &m.result);
        free(exact);
        outcomes[m.result.outcome]++;
        if (m.result.outcome == RSM_UNKNOWN_KIND)
            assert_true(m.reply.len == 0 && rsm_digest(m.rsm) == digest && rsm_applied(m.rsm) == applied);
        else
            assert_int_equal(resp_reply_len(buf_slice(&m.reply)), m.reply.len);
    }
    for (size_t i = 0; i < 4; i++)
        assert_true(outcomes[i] > 100); /* each road was taken */
    for (size_t i = 0; i < corpus_count; i++)
        buf_deinit(&corpus[i]);
    machine_free(&m);
}

/* Damage below the checksum: the checksum is made right again, so that the parser itself is at the front. */
static void test_loader_is_total(void **state)
{
    struct machine m = machine_new();
    struct prng dice;
    size_t taken = 0, refused = 0;
    (void)state;
    command(&m, "SET k v PX 100");
    command(&m, "SET number 70000");
    uint64_t s = open_session(&m, "worker", 1);
    numbered(&m, s, 1, "INCR n");
    numbered(&m, s, 2, "GETSET k v");
    struct buf file = snapshot_of(m.rsm), bad = BUF_EMPTY;
    prng_seed(&dice, test_seed());
    for (int i = 0; i < ROUNDS / 4; i++) {
        char error[200];
        struct rsm_snapshot_meta meta;
        buf_truncate(&bad, 0);
        buf_append(&bad, file.data, file.len - 9);
        mutate(&dice, &bad);
        put_u8(&bad, 0xff);
        put_u64(&bad, crc64(0, bad.data, bad.len));
        struct rsm_loader *l = rsm_loader_new();
        bool ok = rsm_loader_feed(l, buf_slice(&bad));
        snprintf(error, sizeof error, "%s", rsm_loader_error(l));
        assert_true(ok || error[0]);
        struct buf keep = BUF_EMPTY;
        struct rsm *r = rsm_loader_finish(l, &meta, &keep);
        buf_deinit(&keep);
        taken += r != NULL;
        refused += r == NULL;
        rsm_free(r);
    }
    assert_true(taken > 100 && refused > 100);
    buf_deinit(&file);
    buf_deinit(&bad);
    machine_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_apply_is_total),
                                       cmocka_unit_test(test_loader_is_total)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
