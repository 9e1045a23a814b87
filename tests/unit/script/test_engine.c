/* Runs of scripts: each begins anew, ends within its budget, and sees the same in every process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/resp.h"
#include "script/script.h"

struct fixture {
    struct script_engine *engine;
    struct script_run run;
    struct buf reply, called;
    bool abandon;
};

/* Answers with what it was called with, joined. */
static bool call(void *host, const struct slice *argv, size_t argc, int resp, struct buf *reply, bool *error)
{
    struct fixture *f = host;
    (void)resp, (void)error;
    buf_truncate(&f->called, 0);
    for (size_t i = 0; i < argc; i++) {
        buf_append_cstr(&f->called, i ? " " : "");
        buf_append_slice(&f->called, argv[i]);
    }
    if (f->abandon)
        return false;
    if (slice_equal(argv[0], SLICE_LITERAL("raw")))
        buf_append_slice(reply, argv[1]);
    else
        resp_bulk(reply, buf_slice(&f->called));
    return true;
}

static int permits(void *host, const struct slice *argv, size_t argc)
{
    (void)host, (void)argc;
    return argv[0].data[0] == 'y' ? 1 : argv[0].data[0] == 'n' ? 0 : -1;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->engine = script_engine_new();
    f->run = (struct script_run){.name = "sha",
                                 .resp = 2,
                                 .limits = {.max_steps = 10000000, .max_memory = 64 << 20},
                                 .host = f,
                                 .call = call,
                                 .permits = permits};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    script_engine_free(f->engine);
    buf_deinit(&f->reply);
    buf_deinit(&f->called);
    free(f);
    return 0;
}

static const char *run(struct fixture *f, const char *code)
{
    buf_truncate(&f->reply, 0);
    f->run.code = slice_cstr(code);
    bool done = script_run(f->engine, &f->run, &f->reply) != SCRIPT_ABANDONED;
    assert_int_equal(done, resp_reply_len(buf_slice(&f->reply)) == f->reply.len && f->reply.len > 0);
    put_u8(&f->reply, 0);
    return f->reply.data;
}

static void test_values(void **state)
{
    static const char *const rows[][2] = {
        {"return 'a'", "$1\r\na\r\n"},
        {"return 3.99", ":3\r\n"},
        {"return true", ":1\r\n"},
        {"return {1,'b',nil,2}", "*2\r\n:1\r\n$1\r\nb\r\n"},
        {"return {ok='fine\\n'}", "+fine \r\n"},
        {"return {err='E x'}", "-E x\r\n"},
        {"return redis.call('raw','*3\\r\\n$-1\\r\\n:5\\r\\n+OK\\r\\n')", "*3\r\n$-1\r\n:5\r\n+OK\r\n"},
        {"return redis.call('raw','_\\r\\n')", "$-1\r\n"},
        {"return redis.call('raw','%1\\r\\n$1\\r\\na\\r\\n,1.5\\r\\n').map.a.double*2", ":3\r\n"},
        {"return tostring(redis.call('raw','~1\\r\\n:4\\r\\n').set[4])", "$4\r\ntrue\r\n"},
        {"return redis.call('raw','=7\\r\\ntxt:abc\\r\\n').verbatim_string.string", "$3\r\nabc\r\n"},
        {"local t={} table.insert(t,'b') table.insert(t,1,'a') table.remove(t) return {#t,table.concat(t)}",
         "*2\r\n:1\r\n$1\r\na\r\n"},
        {"table.insert(redis,1)",
         "-ERR Attempt to modify a readonly table script: sha, on @user_script:1.\r\n"},
        {"table.remove(math)", "-ERR Attempt to modify a readonly table script: sha, on @user_script:1.\r\n"},
        {"local t={3,1,2} table.sort(t,function(a,b) return a>b end) return t", "*3\r\n:3\r\n:2\r\n:1\r\n"},
        {"return ('abc'):sub(2,-1)..string.format('%d',7)", "$3\r\nbc7\r\n"},
        {"return {rawget(_G,'redis')==redis,rawget({a=1},'a'),next({5}),select('#',next({}))}",
         "*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n"},
        {"local s=0 for k,v in pairs({1,2,3}) do s=s+v end for i,v in ipairs({1,2}) do s=s+v end return s",
         ":9\r\n"},
        {"local f=coroutine.wrap(function(a) local b=coroutine.yield(a+1) return b*2 end) return {f(1),f(5)}",
         "*2\r\n:2\r\n:10\r\n"},
        {"return redis.call('raw','-E x\\r\\n')", "-E x script: sha, on @user_script:1.\r\n"},
        {"return redis.pcall('raw','-E x\\r\\n')", "-E x\r\n"},
        {"return redis.call('a',1,1.5,1e20,'x')", "$15\r\na 1 1.5 1e+20 x\r\n"},
        {"return {redis.acl_check_cmd('yes'),redis.acl_check_cmd('no')}", "*2\r\n:1\r\n$-1\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(run(*state, rows[i][0]), rows[i][1]);
}

/* Nothing of what one run does is there in the next. */
static void test_each_begins_anew(void **state)
{
    static const char *const spoil[] = {
        "local _,t=pairs(string) t.upper=nil t.len=function() return 'spoilt' end return 1",
        "local _,t=pairs(_G) t.x=5 t.tostring=nil return 1",
        "local _,t=pairs(redis) t.call=nil return 1",
        "cjson.encode_max_depth(1) cjson.encode_number_precision(3) return 1",
        "math.randomseed(7) return 1",
        "redis.setresp(3) return 1",
        "collectgarbage('stop') local t={} for i=1,100000 do t[i]={} end return 1",
        "local s='x' while true do s=s..s end",
        "while true do end",
    };
    static const char look[] =
        "local t={} for k in pairs(_G) do t[#t+1]=k end for k in pairs(string) do t[#t+1]=k end "
        "for i=1,5 do t[#t+1]=tostring({}) end t[#t+1]=math.random(1000000) "
        "t[#t+1]=cjson.encode({{{{1.23456}}}}) "
        "t[#t+1]=('abc'):upper() t[#t+1]=collectgarbage('count') t[#t+1]=#redis.call('a') t[#t+1]=true "
        "return t";
    struct fixture *f = *state;
    char *first = strdup(run(f, look));
    assert_non_null(strstr(first, "upper"));
    for (size_t i = 0; i < sizeof spoil / sizeof *spoil; i++) {
        run(f, spoil[i]);
        assert_string_equal(run(f, look), first);
    }
    struct script_engine *other = script_engine_new(); /* somewhere else in memory */
    struct script_engine *own = f->engine;
    f->engine = other;
    assert_string_equal(run(f, look), first);
    script_engine_free(other);
    f->engine = own;
    free(first);
}

/* Keys that are tables come in an order that depends on where they are. */
static void test_addresses_do_not_show(void **state)
{
    static const char code[] = "local t,r={},{} for i=1,50 do t[{}]=i t[function() end]=-i end "
                               "for k,v in pairs(t) do r[#r+1]=v r[#r+1]=tostring(k) end return r";
    struct fixture *f = *state;
    char *first = strdup(run(f, code));
    void *room = mem_reserve(1 << 20, 4096); /* so that the next engine is not where this one would be */
    struct script_engine *own = f->engine;
    f->engine = script_engine_new();
    assert_string_equal(run(f, code), first);
    script_engine_free(f->engine);
    f->engine = own;
    mem_unreserve(room, 1 << 20);
    free(first);
}

/* Whatever a script does against it. */
static void test_budget(void **state)
{
    static const char *const endless[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() while true do pcall(f) end end f()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local function f() while true do coroutine.resume(coroutine.create(f)) end end f()",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "while true do load(function() while true do end end) end",
        "local s=('x'):rep(1000000) while true do local t=s..math.random() end",
        "while true do collectgarbage() end",
        "while true do redis.call('a') end",
        "while true do redis.pcall('raw','-E x\\r\\n') end",
        "local t={} t.t=t for i=1,40 do t={t,t} end return t",
        "return ('x'):rep(100000):find(('.-'):rep(20)..'y')",
        "while true do pcall(string.rep,'x',1000000) end",
        "while true do pcall(function() error({}) end) end",
    };
    struct fixture *f = *state;
    f->run.limits.max_steps = 1000000;
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++)
        if (!strstr(run(f, endless[i]), "script-max-steps"))
            fail_msg("%s: %s", endless[i], f->reply.data);
    assert_string_equal(run(f, "return 1"), ":1\r\n");
}

static void test_memory(void **state)
{
    static const char *const greedy[] = {
        "local s='x' while true do s=s..s end",
        "local t={} while true do t[#t+1]={} end",
        "local t={} for i=1,1e9 do t[i]=('x'):rep(1000)..i end",
    };
    struct fixture *f = *state;
    f->run.limits.max_memory = 4 << 20;
    for (size_t i = 0; i < sizeof greedy / sizeof *greedy; i++)
        if (!strstr(run(f, greedy[i]), "not enough memory"))
            fail_msg("%s: %s", greedy[i], f->reply.data);
    assert_string_equal(run(f, "local ok=pcall(string.rep,'x',5e6) return ok"), "$-1\r\n");
}

/* Of a text that takes memory once, much can be made. */
static void test_the_same_text_many_times(void **state)
{
    static const char *const steps[] = {
        "local s,t=('x'):rep(1e6),{} for i=1,400 do t[i]={ok=s} end return t",
        "local s,t=('x'):rep(1e6),{} for i=1,400 do t[i]={err=s} end return t",
        "local s,t=('x'):rep(1e6),{} for i=1,400 do t[i]={big_number=s} end return t",
        "local s,t=('x'):rep(1e6),{} for i=1,400 do t[i]={verbatim_string={string=s}} end return t",
        "local s=('x'):rep(1e6) for i=1,400 do redis.call('raw','+OK\\r\\n',s) end",
        "local s=(' '):rep(1e6)..'1' for i=1,400 do tonumber(s) end",
    };
    struct fixture *f = *state;
    f->run.limits.max_memory = 1 << 30;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (!strstr(run(f, steps[i]), "over its budget of steps"))
            fail_msg("%s: %.100s", steps[i], f->reply.data);
    f->run.limits.max_memory = 8 << 20;
    assert_non_null(strstr(run(f, "local s,t=('x'):rep(1e6),{} for i=1,9 do t[i]=s end return t"),
                           "not enough memory for the reply"));
    run(f, "local s,t=('x'):rep(1e6),{} for i=1,8 do t[i]=s end return t");
    assert_memory_equal(f->reply.data, "*8\r\n$1000000\r\n", 14);
}

/* A host that ends it is not outlasted. */
static void test_abandoned(void **state)
{
    struct fixture *f = *state;
    f->abandon = true;
    assert_string_equal(run(f, "pcall(redis.call,'first') redis.call('second') return 1"), "");
    assert_int_equal(f->called.len, 5);
    f->abandon = false;
    assert_string_equal(run(f, "return 1"), ":1\r\n");
}

static void test_nested_too_deep(void **state)
{
    const char *reply = run(*state, "local t={} t[1]=t return t");
    assert_non_null(strstr(reply, "-ERR reached lua stack limit\r\n"));
}

static void test_shebang(void **state)
{
    static const struct {
        const char *body;
        unsigned flags;
        const char *error;
    } rows[] = {
        {"return 1", 0, NULL},
        {"#!lua\nreturn 1", SCRIPT_DECLARED, NULL},
        {"#!lua flags=no-writes,allow-oom\n", SCRIPT_DECLARED | SCRIPT_NO_WRITES | SCRIPT_ALLOW_OOM, NULL},
        {"#!lua flags= flags=allow-stale,no-cluster,allow-cross-slot-keys\n",
         SCRIPT_DECLARED | SCRIPT_ALLOW_STALE | SCRIPT_NO_CLUSTER | SCRIPT_CROSS_SLOT, NULL},
        {"#!lua", 0, "Invalid script shebang"},
        {"#!js\n", 0, "Unexpected engine in script shebang: #!js"},
        {"#!lua flags=a\n", 0, "Unexpected flag in script shebang: a"},
        {"#!lua flags=no-writes,\n", 0, "Unexpected flag in script shebang: "},
        {"#!lua name=a\n", 0, "Unknown lua shebang option: name=a"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf error = BUF_EMPTY;
        struct slice code;
        unsigned flags;
        bool ok = script_shebang(slice_cstr(rows[i].body), &flags, &code, &error);
        assert_int_equal(ok, !rows[i].error);
        if (ok)
            assert_int_equal(flags, rows[i].flags);
        else
            assert_true(slice_equal(buf_slice(&error), slice_cstr(rows[i].error)));
        buf_deinit(&error);
    }
}

/* What is kept of a script is what compiling it once more would make: addresses, memory and steps are the same. */
static void test_kept(void **state)
{
    static const char code[] =
        "local t = {} for i = 1, 50 do t[i] = {} end "
        "local ok, why = pcall(function() KEYS2 = 1 end) "
        "return {tostring(t), tostring({}), collectgarbage('count') * 1024, tostring(print)}";
    static const char other[] = "return 'other'";
    struct fixture *f = *state;
    char first[512];
    snprintf(first, sizeof first, "%s", run(f, code));
    for (int i = 0; i < 3; i++) {
        f->run.script = code;
        assert_string_equal(run(f, code), first);
        f->run.script = other;
        assert_string_equal(run(f, other), "$5\r\nother\r\n");
    }
    f->run.script = NULL;
    assert_string_equal(run(f, code), first);
    f->run.script = code;
    assert_string_equal(run(f, other), first); /* which shows that it is kept */
    script_forget(f->engine, code);
    assert_string_equal(run(f, other), "$5\r\nother\r\n");
}

/* The fewest steps with which it ends by itself. */
static uint64_t steps_needed(struct fixture *f, const char *code)
{
    uint64_t low = 0, high = 1000000;
    while (low + 1 < high) {
        f->run.limits.max_steps = (low + high) / 2;
        if (*run(f, code) == '-')
            low = f->run.limits.max_steps;
        else
            high = f->run.limits.max_steps;
    }
    f->run.limits.max_steps = 10000000;
    return high;
}

/* A run that may take less than compiling did is not spared it. */
static void test_kept_costs(void **state)
{
    static char code[10000] = "for i = 1, 5000 do end return #'";
    struct fixture *f = *state;
    size_t len = strlen(code);
    memset(code + len, 'x', sizeof code - len - 2);
    code[sizeof code - 2] = '\'';
    uint64_t steps = steps_needed(f, code);
    f->run.script = code;
    assert_string_equal(run(f, code), ":9966\r\n");
    assert_int_equal(steps_needed(f, code), steps);
    assert_string_equal(run(f, "return 1"), ":9966\r\n"); /* it is kept */
    f->run.limits.max_steps = 100;
    assert_int_equal(*run(f, code), '-');
    f->run.limits = (struct script_limits){10000000, 1000};
    assert_non_null(strstr(run(f, code), "not enough memory"));
}

static size_t resident_bytes(void)
{
    unsigned long size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    fclose(file);
    return resident * 4096;
}

/* Without another one having to come. */
static void test_what_it_took_goes_back(void **state)
{
    struct fixture *f = *state;
    f->run.limits.max_steps = 1000000000;
    run(f, "return 1");
    size_t before = resident_bytes();
    assert_string_equal(run(f, "local t={} for i=1,40 do t[i]=string.rep('x',1000000+i) end return #t"),
                        ":40\r\n");
    assert_in_range(resident_bytes(), 0, before + (10 << 20));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(test_addresses_do_not_show, setup, teardown),
        cmocka_unit_test_setup_teardown(test_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_it_took_goes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_same_text_many_times, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abandoned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nested_too_deep, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kept_costs, setup, teardown),
        cmocka_unit_test(test_shebang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
