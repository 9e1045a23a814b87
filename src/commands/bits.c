/* Strings as arrays of bits; bit 0 is the highest one of byte 0. What lies behind the end reads as zero. */
#include "base/alloc.h"
#include "commands/commands_int.h"

/* A bit's number; with `bits` "#n" counts in fields of that width. A string is at most max_bulk long. */
bool arg_bit_offset(struct command_context *c, size_t i, unsigned bits, uint64_t *out)
{
    struct slice text = c->argv[i];
    bool fields = bits && text.len && text.data[0] == '#';
    int64_t v;
    if (parse_i64(slice_drop(text, fields), &v) && v >= 0 &&
        !__builtin_mul_overflow((uint64_t)v, fields ? (uint64_t)bits : 1, out) && *out >> 3 < c->max_bulk)
        return true;
    resp_error(c->out, "ERR bit offset is not an integer or out of range");
    return false;
}

/* A string key, or none; false: another type, and the error was appended. */
static bool find_string(struct command_context *c, size_t i, struct store_key **k)
{
    *k = store_find(&c->view, c->argv[i]);
    return check_string(c, *k);
}

static struct slice text_of(const struct store_key *k, char *scratch)
{
    return k ? store_string(k, scratch) : slice_of("", 0);
}

static bool bit_at(struct slice text, uint64_t bit)
{
    return bit >> 3 < text.len && (uint8_t)text.data[bit >> 3] >> (7 - bit % 8) & 1;
}

void getbit_command(struct command_context *c)
{
    uint64_t bit;
    struct store_key *k;
    char scratch[24];
    if (arg_bit_offset(c, 2, 0, &bit) && find_string(c, 1, &k))
        resp_integer(c->out, bit_at(text_of(k, scratch), bit));
}

/* The key to be written, made if need be. */
static struct store_key *key_to_write(struct command_context *c, struct store_key *k)
{
    return k ? k : store_put_string(&c->view, c->argv[1], slice_of(NULL, 0), false);
}

void setbit_command(struct command_context *c)
{
    uint64_t bit;
    int64_t on;
    struct store_key *k;
    char scratch[24];
    if (!arg_bit_offset(c, 2, 0, &bit))
        return;
    if (!parse_i64(c->argv[3], &on) || on & ~1) {
        resp_error(c->out, "ERR bit is not an integer or out of range");
        return;
    }
    if (!find_string(c, 1, &k))
        return;
    struct slice text = text_of(k, scratch);
    bool was = bit_at(text, bit);
    if (was != on || bit >> 3 >= text.len) {
        uint8_t byte = bit >> 3 < text.len ? (uint8_t)text.data[bit >> 3] : 0;
        uint8_t mask = (uint8_t)(0x80u >> bit % 8);
        byte = (uint8_t)(on ? byte | mask : byte & ~mask);
        store_string_write(&c->view, key_to_write(c, k), bit >> 3, slice_of(&byte, 1));
        notify(c, EVENT_STRING, "setbit", c->argv[1]);
    }
    resp_integer(c->out, was);
}

/* ---- ranges ---- */

/* Bits `first` to `last`, both included, of a text; first > last: none. */
struct bit_range {
    int64_t first, last;
};

/* Turns argv[i], argv[i + 1] and argv[i + 2] (start, end, BYTE or BIT; what is missing leaves its default) into bits. false:
 * the error was appended. */
static bool arg_bit_range(struct command_context *c, size_t i, size_t len, struct bit_range *r)
{
    int64_t start = 0, end = -1;
    bool bits = false;
    if (c->argc > i && !arg_i64(c, i, &start))
        return false;
    if (c->argc > i + 2) {
        bits = arg_is(c, i + 2, "bit");
        if (!bits && !arg_is(c, i + 2, "byte")) {
            reply_syntax_error(c);
            return false;
        }
    }
    if (c->argc > i + 1 && !arg_i64(c, i + 1, &end))
        return false;
    int64_t total = (int64_t)len * (bits ? 8 : 1);
    start = start < 0 ? start + total : start;
    end = end < 0 ? end + total : end;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end;
    end = end >= total ? total - 1 : end;
    *r = (struct bit_range){1, 0};
    if (start <= end)
        *r = bits ? (struct bit_range){start, end} : (struct bit_range){start * 8, end * 8 + 7};
    return true;
}

static int64_t count_bits(struct slice text, struct bit_range r)
{
    int64_t at = r.first, sum = 0;
    for (; at <= r.last && at % 8; at++)
        sum += bit_at(text, (uint64_t)at);
    for (; at + 63 <= r.last; at += 64)
        sum += __builtin_popcountll(load_u64be(text.data + at / 8));
    for (; at <= r.last; at++)
        sum += bit_at(text, (uint64_t)at);
    return sum;
}

/* Both ends are read before the unit is, as in Redis. Given from the back and in the wrong order they hold nothing, even where both
 * lie before the front, which would make them meet there (BITPOS lets them), and then the unit is not looked at. */
void bitcount_command(struct command_context *c)
{
    char scratch[24];
    struct bit_range r;
    struct store_key *k;
    int64_t start = 0, end = 0;
    if (!find_string(c, 1, &k))
        return;
    if (!k) {
        resp_integer(c->out, 0);
        return;
    }
    struct slice text = store_string(k, scratch);
    if (c->argc == 3 || c->argc > 5)
        reply_syntax_error(c);
    else if (c->argc > 3 && (!arg_i64(c, 2, &start) || !arg_i64(c, 3, &end)))
        return;
    else if (start < 0 && end < 0 && start > end)
        resp_integer(c->out, 0);
    else if (arg_bit_range(c, 2, text.len, &r))
        resp_integer(c->out, count_bits(text, r));
}

/* The first bit of that value in the range, -1: none. */
static int64_t find_bit(struct slice text, struct bit_range r, bool value)
{
    int64_t at = r.first;
    for (; at <= r.last && at % 8; at++)
        if (bit_at(text, (uint64_t)at) == value)
            return at;
    for (; at + 63 <= r.last; at += 64) {
        uint64_t word = load_u64be(text.data + at / 8);
        word = value ? word : ~word;
        if (word)
            return at + __builtin_clzll(word);
    }
    for (; at <= r.last; at++)
        if (bit_at(text, (uint64_t)at) == value)
            return at;
    return -1;
}

/* A zero that is looked for without an end is found behind the text, which goes on with zeroes for ever. */
void bitpos_command(struct command_context *c)
{
    int64_t bit;
    char scratch[24];
    struct bit_range r;
    struct store_key *k;
    if (!arg_i64(c, 2, &bit))
        return;
    if (bit != 0 && bit != 1) {
        resp_error(c->out, "ERR The bit argument must be 1 or 0.");
        return;
    }
    if (!find_string(c, 1, &k))
        return;
    if (!k) {
        resp_integer(c->out, bit ? -1 : 0);
        return;
    }
    struct slice text = store_string(k, scratch);
    if (c->argc > 6) {
        reply_syntax_error(c);
        return;
    }
    if (!arg_bit_range(c, 3, text.len, &r))
        return;
    int64_t found = find_bit(text, r, bit);
    if (found < 0 && !bit && c->argc < 5 && r.first <= r.last)
        found = r.last + 1;
    resp_integer(c->out, found);
}

/* ---- BITOP ---- */

enum bitop { BITOP_AND, BITOP_OR, BITOP_XOR, BITOP_NOT, BITOP_NONE };

static enum bitop bitop_named(struct slice word)
{
    static const char *const names[] = {"and", "or", "xor", "not"};
    int op = BITOP_AND;
    while (op < BITOP_NONE && !slice_is_word(word, names[op]))
        op++;
    return (enum bitop)op;
}

static void combine(enum bitop op, char *out, size_t out_len, struct slice with)
{
    for (size_t i = 0; i < with.len; i++) {
        if (op == BITOP_AND)
            out[i] &= with.data[i];
        else if (op == BITOP_OR)
            out[i] |= with.data[i];
        else
            out[i] ^= with.data[i];
    }
    if (op == BITOP_AND)
        memset(out + with.len, 0, out_len - with.len);
}

/* The longest of the sources; false: one is no string, and the error was appended. */
static bool longest_source(struct command_context *c, size_t *len)
{
    *len = 0;
    for (size_t i = 3; i < c->argc; i++) {
        struct store_key *k;
        if (!find_string(c, i, &k))
            return false;
        size_t own = k ? store_string_len(k) : 0;
        *len = own > *len ? own : *len;
    }
    return true;
}

void bitop_command(struct command_context *c)
{
    enum bitop op = bitop_named(c->argv[1]);
    char scratch[24];
    size_t len;
    if (op == BITOP_NONE) {
        reply_syntax_error(c);
        return;
    }
    if (op == BITOP_NOT && c->argc != 4) {
        resp_error(c->out, "ERR BITOP NOT must be called with a single source key.");
        return;
    }
    if (!longest_source(c, &len))
        return;
    if (len == 0) {
        if (store_delete(&c->view, c->argv[2]))
            notify(c, EVENT_GENERIC, "del", c->argv[2]);
        resp_integer(c->out, 0);
        return;
    }
    char *result = mem_calloc(1, len);
    for (size_t i = 3; i < c->argc; i++) {
        struct slice text = text_of(store_find(&c->view, c->argv[i]), scratch);
        combine(i == 3 ? BITOP_OR : op, result, len, text);
    }
    for (size_t i = 0; op == BITOP_NOT && i < len; i++)
        result[i] = (char)~result[i];
    store_put_raw(&c->view, c->argv[2], slice_of(result, len), false);
    mem_free(result);
    notify(c, EVENT_STRING, "set", c->argv[2]);
    resp_integer(c->out, (int64_t)len);
}
