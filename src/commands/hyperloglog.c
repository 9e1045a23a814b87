/* PFADD, PFCOUNT, PFMERGE: counting different elements in 12 KB. */
#include "base/alloc.h"
#include "commands/commands_int.h"
#include "commands/hll.h"

/* false: another type, or no HyperLogLog, and the error was appended. An absent key is fine. */
static bool find_hll(struct command_context *c, size_t i, struct store_key **k, struct slice *text,
                     char *scratch)
{
    *k = store_find(&c->view, c->argv[i]);
    if (!check_string(c, *k))
        return false;
    if (!*k)
        return true;
    *text = store_string(*k, scratch);
    if (hll_is_valid(*text))
        return true;
    resp_error(c->out, "WRONGTYPE Key is not a valid HyperLogLog string value.");
    return false;
}

static void reply_damaged(struct command_context *c)
{
    resp_error(c->out, "INVALIDOBJ Corrupted HLL object detected");
}

/* ---- PFADD ---- */

/* A dense one is changed where it lies: a byte or two a register. */
static bool add_dense(struct command_context *c, struct store_key *k)
{
    bool changed = false;
    for (size_t i = 2; i < c->argc; i++) {
        char bytes[2], scratch[24];
        size_t from;
        struct slice text = store_string(k, scratch);
        struct hll_place place = hll_place_of(c->argv[i]);
        if (hll_dense_get(text, place.at) >= place.value)
            continue;
        size_t count = hll_dense_set(text, place, &from, bytes);
        k = store_string_write(&c->view, k, from, slice_of(bytes, count));
        k = store_string_write(&c->view, k, HLL_VALID_AT, slice_of("\x80", 1));
        changed = true;
    }
    return changed;
}

/* What the elements would raise is looked up run by run; only when there is something the text is made anew. */
static bool sparse_has_all(struct command_context *c, struct slice text, bool *damaged)
{
    for (size_t i = 2; i < c->argc; i++) {
        struct hll_place place = hll_place_of(c->argv[i]);
        int value = hll_sparse_get(text, place.at);
        *damaged = *damaged || value < 0;
        if (value < place.value)
            return false;
    }
    return true;
}

static bool add_sparse(struct command_context *c, struct slice text, bool *damaged)
{
    *damaged = false;
    if (sparse_has_all(c, text, damaged) || *damaged)
        return false;
    uint8_t *registers = mem_calloc(1, HLL_REGISTERS);
    *damaged = !hll_merge(text, registers);
    for (size_t i = 2; i < c->argc && !*damaged; i++) {
        struct hll_place place = hll_place_of(c->argv[i]);
        if (registers[place.at] < place.value)
            registers[place.at] = place.value;
    }
    if (!*damaged) {
        struct buf fresh = BUF_EMPTY;
        hll_encode(registers, false, c->view.limits->hll_sparse_max_bytes, &fresh);
        store_put_raw(&c->view, c->argv[1], buf_slice(&fresh), true);
        buf_deinit(&fresh);
    }
    mem_free(registers);
    return !*damaged;
}

void pfadd_command(struct command_context *c)
{
    char scratch[24];
    struct store_key *k;
    struct slice text;
    struct buf empty = BUF_EMPTY;
    bool changed = false, damaged = false;
    if (!find_hll(c, 1, &k, &text, scratch))
        return;
    if (k && hll_is_dense(text)) {
        changed = add_dense(c, k);
    } else {
        if (!k) {
            hll_init(&empty);
            text = buf_slice(&empty);
        }
        changed = add_sparse(c, text, &damaged);
        if (!k && !changed)
            store_put_raw(&c->view, c->argv[1], text, true);
        changed |= !k;
    }
    buf_deinit(&empty);
    if (damaged) {
        reply_damaged(c);
        return;
    }
    if (changed)
        notify(c, EVENT_STRING, "pfadd", c->argv[1]);
    resp_integer(c->out, changed);
}

/* ---- PFCOUNT, PFMERGE ---- */

/* The union of the keys argv[1] on into `registers`; *dense: one of them is. false: the error was appended. */
static bool unite(struct command_context *c, uint8_t *registers, bool *dense)
{
    for (size_t i = 1; i < c->argc; i++) {
        char scratch[24];
        struct store_key *k;
        struct slice text;
        if (!find_hll(c, i, &k, &text, scratch))
            return false;
        if (!k)
            continue;
        *dense |= hll_is_dense(text);
        if (!hll_merge(text, registers)) {
            reply_damaged(c);
            return false;
        }
    }
    return true;
}

void pfcount_command(struct command_context *c)
{
    bool dense = false;
    uint8_t *registers = mem_calloc(1, HLL_REGISTERS);
    if (unite(c, registers, &dense))
        resp_integer(c->out, (int64_t)hll_count(registers));
    mem_free(registers);
}

void pfmerge_command(struct command_context *c)
{
    bool dense = false;
    uint8_t *registers = mem_calloc(1, HLL_REGISTERS);
    if (unite(c, registers, &dense)) {
        struct buf merged = BUF_EMPTY;
        hll_encode(registers, dense, c->view.limits->hll_sparse_max_bytes, &merged);
        store_put_raw(&c->view, c->argv[1], buf_slice(&merged), true);
        buf_deinit(&merged);
        notify(c, EVENT_STRING, "pfadd", c->argv[1]);
        reply_ok(c);
    }
    mem_free(registers);
}

/* ---- PFDEBUG, PFSELFTEST ---- */

static void reply_runs(struct command_context *c, struct slice text)
{
    struct buf line = BUF_EMPTY;
    const uint8_t *at = (const uint8_t *)text.data + HLL_HEADER, *end = (const uint8_t *)text.data + text.len;
    for (; at < end; at++) {
        if (*at & 0x80)
            buf_printf(&line, "v:%d,%d ", (*at >> 2 & 31) + 1, (*at & 3) + 1);
        else if (*at & 0x40 && at + 1 < end)
            buf_printf(&line, "Z:%d ", ((*at & 63) << 8 | at[1]) + 1), at++;
        else
            buf_printf(&line, "z:%d ", *at + 1);
    }
    resp_bulk(c->out, slice_of(line.data, line.len - (line.len > 0)));
    buf_deinit(&line);
}

static bool make_dense(struct command_context *c, struct slice text, uint8_t *registers)
{
    struct buf dense = BUF_EMPTY;
    if (hll_is_dense(text))
        return false;
    hll_encode(registers, true, 0, &dense);
    store_put_raw(&c->view, c->argv[2], buf_slice(&dense), true);
    buf_deinit(&dense);
    return true;
}

static void debug(struct command_context *c, struct slice text, uint8_t *registers)
{
    if (arg_is(c, 1, "getreg")) {
        make_dense(c, text, registers);
        resp_array(c->out, HLL_REGISTERS);
        for (uint32_t i = 0; i < HLL_REGISTERS; i++)
            resp_integer(c->out, registers[i]);
    } else if (arg_is(c, 1, "decode")) {
        if (hll_is_dense(text))
            resp_error(c->out, "ERR HLL encoding is not sparse");
        else
            reply_runs(c, text);
    } else if (arg_is(c, 1, "encoding")) {
        resp_simple(c->out, hll_is_dense(text) ? "dense" : "sparse");
    } else if (arg_is(c, 1, "todense")) {
        resp_integer(c->out, make_dense(c, text, registers));
    } else {
        resp_errorf(c->out, "ERR Unknown PFDEBUG subcommand '%.*s'", (int)c->argv[1].len, c->argv[1].data);
    }
}

void pfdebug_command(struct command_context *c)
{
    char scratch[24];
    struct store_key *k;
    struct slice text;
    if (!find_hll(c, 2, &k, &text, scratch))
        return;
    if (!k) {
        resp_error(c->out, "ERR The specified key does not exist");
        return;
    }
    uint8_t *registers = mem_calloc(1, HLL_REGISTERS);
    if (hll_merge(text, registers))
        debug(c, text, registers);
    else
        reply_damaged(c);
    mem_free(registers);
}

/* What is written is read back, in both encodings; and a count is within five standard errors of the truth. */
static bool test_round(struct prng *chance, uint8_t *registers, uint8_t *back)
{
    uint64_t count = prng_next(chance) % 4000;
    struct buf text = BUF_EMPTY;
    memset(registers, 0, HLL_REGISTERS);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t element = prng_next(chance);
        struct hll_place place = hll_place_of(slice_of(&element, sizeof element));
        registers[place.at] = registers[place.at] < place.value ? place.value : registers[place.at];
    }
    bool good = true;
    for (int dense = 0; dense < 2 && good; dense++) {
        hll_encode(registers, dense, UINT64_MAX, &text);
        memset(back, 0, HLL_REGISTERS);
        good = hll_is_valid(buf_slice(&text)) && hll_merge(buf_slice(&text), back) &&
               memcmp(registers, back, HLL_REGISTERS) == 0;
    }
    buf_deinit(&text);
    double error = (double)hll_count(registers) - (double)count;
    return good && error * error <= (double)count * (double)count * 25 * (1.04 * 1.04 / HLL_REGISTERS) + 1;
}

void pfselftest_command(struct command_context *c)
{
    uint8_t *registers = mem_alloc(2 * (size_t)HLL_REGISTERS);
    bool good = true;
    for (int round = 0; round < 2 && good; round++)
        good = test_round(c->chance, registers, registers + HLL_REGISTERS);
    mem_free(registers);
    if (good)
        reply_ok(c);
    else
        resp_error(c->out, "ERR TESTFAILED what was written is not read back, or counted wrong");
}
