/* Commands of the table with arguments from a dictionary, and valid ones on keys of all types, alone, in transactions and numbered,
 * waiting and not, at times that make keys due: two machines agree; each gives one whole reply; one that ends in an error has changed nothing, but for a
 * script, whose writes stand; one that only reads changes
 * nothing, and says the same on both. */
#include "../support/writes.h"
#include "commands/commands.h"
#include "twins.h"

enum { ARGS_MAX = 8, COMMANDS_MAX = 4 };

static struct slice argument(struct reader *r)
{
    static const char *const words[] = {
        "k",
        "l",
        "m",
        "",
        "0",
        "1",
        "-1",
        "10",
        "9223372036854775807",
        "-9223372036854775808",
        "3.5",
        "1e17",
        "nan",
        "inf",
        "value",
        "NX",
        "XX",
        "GT",
        "LT",
        "EX",
        "PX",
        "EXAT",
        "PXAT",
        "GET",
        "KEEPTTL",
        "PERSIST",
        "REPLACE",
        "DB",
        "MATCH",
        "COUNT",
        "TYPE",
        "*",
        "[k-l]*",
        "string",
        "ASYNC",
        "SYNC",
        "100",
        "1000",
        "1700000001000",
        "1048575",
        "2",
        "99999999999999999999",
        "0.1",
        "-0",
        " 1",
        "01",
        "return redis.call(unpack(ARGV))",
        "redis.call('set','k',KEYS[1] or 'none') return redis.pcall(unpack(ARGV))",
        "redis.setresp(3) return {redis.pcall(unpack(ARGV)),redis.call('keys','*')}",
        "#!lua flags=no-writes\nreturn redis.pcall(unpack(ARGV))",
        ("local t={} for i=1,9 do t[{}]=i end for k,v in pairs(t) do "
         "redis.call('rpush','k',v,tostring(k)) end return math.random(9)"),
        "local s='x' while true do s=s..s end",
        "FLUSH",
        "l1",
        "l2",
        "h1",
        "s1",
        "s2",
        "z1",
        "z2",
        "x1",
        "y1",
        "y2",
        "b1",
        "p1",
        "p2",
        "g1",
        "v1",
        "r1",
        "g",
        "c1",
        "m7",
        "7",
        "28",
        "LEFT",
        "RIGHT",
        "BEFORE",
        "AFTER",
        "RANK",
        "MAXLEN",
        "MINID",
        "~",
        "=",
        "LIMIT",
        "NOMKSTREAM",
        "MKSTREAM",
        "ENTRIESREAD",
        "STREAMS",
        "GROUP",
        "BLOCK",
        "NOACK",
        ">",
        "$",
        "0-0",
        "99-1",
        "99-*",
        "1-18446744073709551615",
        "18446744073709551615-18446744073709551615",
        "+",
        "-",
        "IDLE",
        "RETRYCOUNT",
        "FORCE",
        "JUSTID",
        "LASTID",
        "WITHSCORES",
        "WITHVALUES",
        "BYSCORE",
        "BYLEX",
        "REV",
        "[m",
        "(1",
        "-inf",
        "WEIGHTS",
        "AGGREGATE",
        "MAX",
        "MIN",
        "CH",
        "INCR",
        "13.361389",
        "38.115556",
        "FROMLONLAT",
        "FROMMEMBER",
        "BYRADIUS",
        "BYBOX",
        "km",
        "ASC",
        "ANY",
        "STORE",
        "STOREDIST",
        "u8",
        "i64",
        "#3",
        "INCRBY",
        "SET",
        "OVERFLOW",
        "SAT",
        "FAIL",
        "XOR",
        "NOT",
        "BIT",
        "BY",
        "v*",
        "ALPHA",
        "IDX",
        "MINMATCHLEN",
        "ENCODING",
        "FULL"};
    uint8_t pick = get_u8(r);
    size_t count = sizeof words / sizeof *words;
    if (pick < 240)
        return slice_cstr(words[pick % count]);
    size_t len = pick & 15, left = reader_left(r);
    return get_raw(r, len < left ? len : left);
}

/* The row a request is made from; argv[0] is its name, argv[1] a subcommand's. */
static const struct command *pick(struct reader *r, struct slice *argv, size_t *argc)
{
    const struct command *row = command_at(get_u8(r) % command_count());
    argv[0] = slice_cstr(row->name);
    *argc = 1;
    uint8_t sub = get_u8(r);
    if (row->subcommands) {
        size_t n = 0;
        while (row->subcommands[n].name)
            n++;
        row = &row->subcommands[sub % n];
        argv[(*argc)++] = slice_cstr(strchr(row->name, '|') + 1);
    }
    size_t least = (size_t)(row->arity < 0 ? -row->arity : row->arity);
    size_t wanted = least + (row->arity < 0 || sub & 64 ? sub % 4 : 0);
    while (*argc < wanted && *argc < ARGS_MAX)
        argv[(*argc)++] = argument(r);
    return row;
}

static void check_rows(const struct command *row, const struct slice *argv, size_t argc)
{
    int keys[64];
    struct buf error = BUF_EMPTY;
    fuzz_check(command_find(argv, argc) == row);
    if (command_check(argv, argc, &error)) {
        int n = command_keys(row, argv, argc, keys, 64);
        for (int i = 0; i < n && i < 64; i++)
            fuzz_check(keys[i] > 0 && (size_t)keys[i] < argc);
    } else {
        fuzz_check(resp_reply_len(buf_slice(&error)) == error.len && error.len > 0);
    }
    buf_deinit(&error);
}

static void check_one_reply(const struct buf *reply)
{
    fuzz_check(resp_reply_len(buf_slice(reply)) == reply->len);
}

static void read_both(struct twins *t, uint32_t db, int resp, const struct slice *argv, size_t argc)
{
    uint64_t digest = rsm_digest(t->a), due_a = 0, due_b = 0;
    struct prng chance_a, chance_b;
    prng_seed(&chance_a, t->chance);
    prng_seed(&chance_b, t->chance);
    buf_truncate(&t->reply, 0);
    buf_truncate(&t->reply_b, 0);
    bool a =
        rsm_query(t->a, t->stamp_ms, db, resp, SLICE_LITERAL("u"), argv, argc, &chance_a, &t->reply, &due_a);
    bool b = rsm_query(t->b, t->stamp_ms, db, resp, SLICE_LITERAL("u"), argv, argc, &chance_b, &t->reply_b,
                       &due_b);
    fuzz_check(a == b && due_a == due_b && a == (due_a == 0) && rsm_digest(t->a) == digest);
    fuzz_check(slice_equal(buf_slice(&t->reply), buf_slice(&t->reply_b)));
    if (a)
        check_one_reply(&t->reply);
    else
        fuzz_check(t->reply.len == 0);
}

/* Whatever is due by now goes first, so that an error has nothing left to change. */
static void pass_time(struct twins *t)
{
    struct rsm_request q = {.kind = RSM_CLOCK};
    do
        twins_request(t, &q);
    while (rsm_keys_due(t->a, t->stamp_ms));
}

static void number(struct rsm_request *q, struct reader *r)
{
    uint8_t how = get_u8(r);
    q->user = SLICE_LITERAL("u");
    q->client_id = SLICE_LITERAL("client");
    q->request_id = get_u8(r) % 8;
    if (how % 8 == 1) {
        q->numbering = RSM_SESSION_NUMBER;
        q->session = get_u8(r) % 32;
    } else if (how % 8 == 2) {
        q->numbering = RSM_PROXY_NUMBER;
        q->lowest = get_u8(r) % 8;
        q->may_open = how & 8;
    }
}

/* To be seen by who looks into a failure: FUZZ_LOG=1. */
static void show(const struct twins *t, const struct slice *argv, size_t argc)
{
    if (!getenv("FUZZ_LOG"))
        return;
    for (size_t i = 0; i < argc; i++)
        fprintf(stderr, "%.*s ", (int)argv[i].len, argv[i].data);
    fprintf(stderr, "-> %.*s\n", (int)t->reply.len, t->reply.data);
}

static void write_one(struct twins *t, struct reader *r, const struct slice *argv, size_t argc, uint32_t db,
                      int resp)
{
    struct rsm_request q = {.kind = RSM_COMMAND, .db = db, .resp = resp, .argv = argv, .argc = argc};
    number(&q, r);
    if (t->chance % 4 == 0)
        q.asker = 1 + t->chance % 3;
    pass_time(t);
    uint64_t before = store_digest(rsm_store(t->a));
    twins_request(t, &q);
    show(t, argv, argc);
    fuzz_check(t->result.outcome != RSM_UNKNOWN_KIND);
    if (t->result.claim)
        return;
    check_one_reply(&t->reply);
    const struct command *row = command_find(argv, argc);
    if ((t->reply.data[0] == '-' && !(row->flags & CMD_BY_SCRIPT)) || t->result.outcome != RSM_RAN)
        fuzz_check(store_digest(rsm_store(t->a)) == before);
}

/* A valid one. */
static void write_row(struct twins *t, struct reader *r)
{
    struct write w = {.text = BUF_EMPTY};
    struct prng chance;
    size_t rows = 0;
    prng_seed(&chance, get_u8(r));
    while (write_of_row(rows, &chance, &w))
        rows++;
    write_of_row(get_u8(r) % rows, &chance, &w);
    write_one(t, r, w.argv, w.argc, w.db, 2 + t->chance % 2);
    buf_deinit(&w.text);
}

static void transact(struct twins *t, struct reader *r)
{
    struct slice argv[COMMANDS_MAX * ARGS_MAX];
    uint32_t counts[COMMANDS_MAX], dbs[COMMANDS_MAX];
    struct rsm_watch watch = {.key = SLICE_LITERAL("k")};
    struct rsm_request q = {
        .kind = RSM_EXEC, .argv = argv, .counts = counts, .dbs = dbs, .resp = 2 + (get_u8(r) & 1)};
    uint64_t version_b, due_ms;
    number(&q, r);
    if (get_u8(r) & 1 && rsm_version(t->a, t->stamp_ms, 0, watch.key, &watch.version, &due_ms)) {
        fuzz_check(rsm_version(t->b, t->stamp_ms, 0, watch.key, &version_b, &due_ms) &&
                   version_b == watch.version);
        watch.version += get_u8(r) % 16 == 0;
        q.watches = &watch;
        q.watch_count = 1;
    }
    q.commands = get_u8(r) % COMMANDS_MAX;
    for (size_t i = 0; i < q.commands; i++) {
        size_t argc;
        pick(r, argv + q.argc, &argc);
        counts[i] = (uint32_t)argc;
        dbs[i] = get_u8(r) % 5;
        q.argc += argc;
    }
    twins_request(t, &q);
    fuzz_check(t->result.outcome != RSM_UNKNOWN_KIND);
    check_one_reply(&t->reply);
}

static void administer(struct twins *t, struct reader *r)
{
    struct slice argv[2] = {slice_cstr(get_u8(r) & 1 ? "s" : "t")};
    struct rsm_watch victims[2] = {{0, SLICE_LITERAL("k"), get_u8(r)}, {1, SLICE_LITERAL("l"), get_u8(r)}};
    struct rsm_request q = {.resp = 2, .argv = argv, .argc = 1};
    switch (get_u8(r) % 6) {
    case 0:
        q.kind = RSM_SESSION;
        number(&q, r);
        q.numbering = RSM_TAGGED;
        q.may_open = get_u8(r) & 1;
        break;
    case 1:
        q.kind = RSM_CHECKPOINT;
        q.node = 1;
        break;
    case 2:
        q.kind = RSM_EVICT;
        q.watches = victims;
        q.watch_count = 2;
        break;
    case 3:
        q.kind = RSM_SETTING;
        argv[0] = slice_cstr(rsm_setting_name(get_u8(r) % 8));
        argv[1] = argument(r);
        q.argc = 2;
        number(&q, r);
        if (slice_is_word(argv[0], "proto-max-bulk-len"))
            return; /* kept small */
        break;
    case 4:
        q.kind = RSM_UNBLOCK;
        q.argc = 0;
        q.unblock = get_u8(r) % 3;
        q.node = get_u8(r) % 4;
        q.claim = q.node ? 0 : rsm_applied(t->a) - get_u8(r) % 2;
        break;
    default:
        q.kind = RSM_CLOCK;
    }
    twins_request(t, &q);
    check_one_reply(&t->reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = fuzz_reader(data, len);
    struct twins t;
    twins_init(&t);
    for (int i = 0; i < 400 && fuzz_more(&r); i++) {
        struct slice argv[ARGS_MAX];
        size_t argc;
        uint8_t how = get_u8(&r);
        t.stamp_ms += how & 0x80 ? get_u8(&r) * 10u : 0;
        if (how % 8 == 0) {
            transact(&t, &r);
        } else if (how % 8 == 1) {
            administer(&t, &r);
        } else if (how % 8 < 4) {
            write_row(&t, &r);
        } else {
            const struct command *row = pick(&r, argv, &argc);
            uint8_t where = get_u8(&r);
            check_rows(row, argv, argc);
            if (row->run && !(row->flags & CMD_WRITE))
                read_both(&t, where % 5, 2 + (where >> 7), argv, argc);
            else
                write_one(&t, &r, argv, argc, where % 5, 2 + (where >> 7));
        }
    }
    twins_deinit(&t);
    return 0;
}
