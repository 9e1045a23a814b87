/* Scripts: made of a grammar (lua.h), bytes as they are, and small ones that hand such bytes to the libraries. Two machines agree
 * on every reply and on the state, also where one has the script compiled and the other has not; a run stays within its budgets;
 * what is only tried changes nothing. */
#include "lua.h"
#include "rsm/rsm_int.h"
#include "script/engine_int.h"
#include "twins.h"

enum { LONGEST = 1 << 20, TEXTS = 4 };

/* Of scripts whose arguments are what matters. */
static const char *const readers[] = {
    "return cjson.encode(cjson.decode(ARGV[1]))",
    "return cmsgpack.unpack(ARGV[1])",
    "local t={cmsgpack.unpack(ARGV[1]..ARGV[2])} return cmsgpack.pack(unpack(t))",
    "return {cmsgpack.unpack_limit(ARGV[1],#ARGV[2],#ARGV[3])}",
    "return {struct.unpack(ARGV[1],ARGV[2])}",
    "return struct.unpack(ARGV[1],struct.pack(ARGV[1],ARGV[2],#ARGV[3],3,4))",
    "return struct.size(ARGV[1])",
    "return {string.find(ARGV[1],ARGV[2])}",
    "return {string.gsub(ARGV[1],ARGV[2],ARGV[3])}",
    "local n=0 for w in string.gmatch(ARGV[1],ARGV[2]) do n=n+1 end return n",
    "return string.format(ARGV[1],ARGV[2],#ARGV[3],ARGV[4])",
    "return {tonumber(ARGV[1]) or 'no',tonumber(ARGV[2],#ARGV[3]) or 'no'}",
    "return {ok=ARGV[1]}",
    "return {err=ARGV[1]}",
    "return redis.error_reply(ARGV[1])",
    ("redis.setresp(3) return "
     "{map={[ARGV[1]]={verbatim_string={format=ARGV[2],string=ARGV[3]}},x={big_number=ARGV[4]}}}"),
    "return redis.pcall(unpack(ARGV))",
    "redis.call('set',KEYS[1],ARGV[1]) return redis.call('restore',KEYS[2],0,ARGV[2],'replace')",
    "local f,e=loadstring(ARGV[1]) return f and f(ARGV[2]) or e",
    "error(ARGV[1])",
    "return bit.tohex(bit.bxor(tonumber(ARGV[1]) or 1,tonumber(ARGV[2]) or 2),tonumber(ARGV[3]) or 3)",
};

struct request {
    struct slice argv[5 + TEXTS];
    size_t argc;
    struct buf body, texts[TEXTS];
    char name[SHA1_HEX + 1];
};

static void put_body(struct reader *r, struct buf *body)
{
    uint8_t how = get_u8(r);
    if (how % 8 == 0) {
        size_t len = get_u8(r) * 4u;
        buf_append_slice(body, get_raw(r, len < reader_left(r) ? len : reader_left(r)));
    } else if (how % 8 < 4) {
        buf_append_cstr(body, readers[get_u8(r) % (sizeof readers / sizeof *readers)]);
    } else {
        if (how & 64)
            buf_append_cstr(body, how & 128 ? "#!lua flags=no-writes,allow-oom\n" : "#!lua\n");
        lua_put_chunk(r, false, body);
    }
}

static void make(struct reader *r, struct request *q)
{
    put_body(r, &q->body);
    q->argv[0] = SLICE_LITERAL("eval");
    q->argv[1] = buf_slice(&q->body);
    q->argv[2] = SLICE_LITERAL("2");
    q->argv[3] = SLICE_LITERAL("k");
    q->argv[4] = SLICE_LITERAL("l");
    for (q->argc = 5; q->argc < 5 + TEXTS; q->argc++) {
        struct buf *text = &q->texts[q->argc - 5];
        lua_put_text(r, text);
        q->argv[q->argc] = buf_slice(text);
    }
    sha1_hex(buf_slice(&q->body), q->name);
    lua_show(buf_slice(&q->body));
}

static void check_reply(const struct buf *reply, bool empty)
{
    fuzz_check(reply->len <= LONGEST && (empty || resp_reply_len(buf_slice(reply)) == reply->len));
}

/* Of memory. That the steps come to an end the time limit of an input sees. */
static void check_budget(const struct rsm *r)
{
    const struct script_engine *e = r->scripts.engine;
    if (e->L)
        fuzz_check(e->arena.used <= e->clean.used + r->settings.value[SETTING_SCRIPT_MEMORY]);
}

static void ask(struct twins *t, const struct request *q, uint8_t how)
{
    struct slice named[5 + TEXTS];
    struct rsm_request e = {.kind = RSM_COMMAND,
                            .db = how % 5,
                            .resp = how & 128 ? 3 : 2,
                            .user = SLICE_LITERAL("u"),
                            .oom = how % 16 == 7,
                            .argv = q->argv,
                            .argc = q->argc};
    if (how & 64) {
        memcpy(named, q->argv, sizeof named);
        named[0] = SLICE_LITERAL("evalsha");
        named[1] = slice_cstr(q->name);
        e.argv = named;
    }
    twins_request(t, &e);
    fuzz_check(t->result.outcome == RSM_RAN);
    check_reply(&t->reply, false);
    check_budget(t->a);
    check_budget(t->b);
}

/* As a leader does with one that may be a read. */
static void try(struct twins *t, const struct request *q, uint8_t how)
{
    struct prng chance;
    struct command_trial trial = {.told = how & 1};
    uint64_t digest = rsm_digest(t->a);
    prng_seed(&chance, how);
    buf_truncate(&t->reply, 0);
    rsm_try_script(t->a, t->stamp_ms, how % 5, how & 128 ? 3 : 2, SLICE_LITERAL("u"), q->argv, q->argc,
                   &chance, &t->reply, &trial);
    fuzz_check(rsm_digest(t->a) == digest && trial.writes == (t->reply.len == 0));
    check_reply(&t->reply, trial.writes);
    check_budget(t->a);
}

static void restore(struct twins *t)
{
    twins_request(t, &(struct rsm_request){.kind = RSM_CHECKPOINT, .node = 1});
}

static void deinit(struct request *q)
{
    buf_deinit(&q->body);
    for (size_t i = 0; i < TEXTS; i++)
        buf_deinit(&q->texts[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = fuzz_reader(data, len);
    struct twins t;
    twins_init(&t);
    for (int i = 0; i < 20 && fuzz_more(&r); i++) {
        struct request q = {.argc = 0};
        uint8_t how = get_u8(&r), again = get_u8(&r);
        make(&r, &q);
        t.stamp_ms += how % 32 == 3 ? 1000 : 1;
        ask(&t, &q, how & 0xbf);
        if (again & 1)
            try(&t, &q, how);
        if (again & 2)
            restore(&t);
        if (again & 4)
            ask(&t, &q, how);
        deinit(&q);
    }
    twins_deinit(&t);
    return 0;
}
