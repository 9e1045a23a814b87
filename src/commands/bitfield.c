/* BITFIELD: integers of 1 to 64 bits at any bit of a string. All operations are read before the first one runs. */
#include "base/alloc.h"
#include "commands/commands_int.h"

enum field_op { FIELD_GET, FIELD_SET, FIELD_INCRBY };
enum overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL };

struct field {
    enum field_op op;
    enum overflow overflow;
    bool is_signed;
    unsigned bits;
    uint64_t offset; /* of its first bit */
    int64_t argument;
};

/* "i16", "u8": 1 to 64 bits signed, 1 to 63 unsigned. */
static bool arg_field_type(struct command_context *c, size_t i, struct field *f)
{
    struct slice text = c->argv[i];
    int64_t bits = 0;
    f->is_signed = text.len && text.data[0] == 'i';
    if (text.len && (f->is_signed || text.data[0] == 'u') && parse_i64(slice_drop(text, 1), &bits) &&
        bits >= 1 && bits <= (f->is_signed ? 64 : 63)) {
        f->bits = (unsigned)bits;
        return true;
    }
    resp_error(
        c->out,
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.");
    return false;
}

static bool arg_overflow(struct command_context *c, size_t i, enum overflow *out)
{
    static const char *const names[] = {"wrap", "sat", "fail"};
    for (int kind = OVERFLOW_WRAP; kind <= OVERFLOW_FAIL; kind++) {
        if (arg_is(c, i, names[kind])) {
            *out = (enum overflow)kind;
            return true;
        }
    }
    resp_error(c->out, "ERR Invalid OVERFLOW type specified");
    return false;
}

static int op_named(const struct command_context *c, size_t i)
{
    static const char *const names[] = {"get", "set", "incrby"};
    for (int op = FIELD_GET; op <= FIELD_INCRBY; op++)
        if (arg_is(c, i, names[op]) && c->argc - i - 1 >= (op == FIELD_GET ? 2 : 3))
            return op;
    return -1;
}

/* The operations, `count` of them; NULL: an argument is wrong, and the error was appended. */
static struct field *parse_fields(struct command_context *c, size_t *count)
{
    struct field *fields = mem_calloc(c->argc, sizeof *fields);
    enum overflow overflow = OVERFLOW_WRAP;
    *count = 0;
    for (size_t i = 2; i < c->argc;) {
        struct field *f = &fields[*count];
        int op = op_named(c, i);
        if (op < 0 && arg_is(c, i, "overflow") && i + 1 < c->argc) {
            if (!arg_overflow(c, i + 1, &overflow))
                goto wrong;
            i += 2;
            continue;
        }
        if (op < 0) {
            reply_syntax_error(c);
            goto wrong;
        }
        f->op = (enum field_op)op;
        f->overflow = overflow;
        if (!arg_field_type(c, i + 1, f) || !arg_bit_offset(c, i + 2, f->bits, &f->offset) ||
            (op != FIELD_GET && !arg_i64(c, i + 3, &f->argument)))
            goto wrong;
        i += op == FIELD_GET ? 3 : 4;
        ++*count;
    }
    return fields;
wrong:
    mem_free(fields);
    return NULL;
}

/* A field's bits lie in at most nine bytes. */
static void load_bytes(struct slice text, uint64_t first, uint8_t bytes[9])
{
    memset(bytes, 0, 9);
    if (first < text.len)
        memcpy(bytes, text.data + first, text.len - first < 9 ? text.len - first : 9);
}

static uint64_t read_bits(const uint8_t bytes[9], unsigned shift, unsigned bits)
{
    uint64_t v = 0;
    for (unsigned i = shift; i < shift + bits; i++)
        v = v << 1 | (bytes[i / 8] >> (7 - i % 8) & 1);
    return v;
}

static void write_bits(uint8_t bytes[9], unsigned shift, unsigned bits, uint64_t v)
{
    for (unsigned i = shift + bits; i-- > shift; v >>= 1) {
        uint8_t mask = (uint8_t)(0x80u >> i % 8);
        bytes[i / 8] = (uint8_t)(v & 1 ? bytes[i / 8] | mask : bytes[i / 8] & ~mask);
    }
}

static int64_t extend_sign(uint64_t v, unsigned bits)
{
    return bits < 64 && v >> (bits - 1) & 1 ? (int64_t)(v | UINT64_MAX << bits) : (int64_t)v;
}

/* The field's new value as a number that 128 bits hold, brought into its range; false: OVERFLOW FAIL. */
static bool bring_into_range(const struct field *f, __int128 wanted, uint64_t *out)
{
    __int128 one = 1, least = f->is_signed ? -(one << (f->bits - 1)) : 0;
    __int128 most = f->is_signed ? (one << (f->bits - 1)) - 1 : (one << f->bits) - 1;
    if (wanted >= least && wanted <= most) {
        *out = (uint64_t)wanted;
    } else if (f->overflow == OVERFLOW_FAIL) {
        return false;
    } else if (f->overflow == OVERFLOW_SAT) {
        *out = (uint64_t)(wanted < least ? least : most);
    } else {
        *out = (uint64_t)wanted;
    }
    if (f->bits < 64)
        *out &= (UINT64_C(1) << f->bits) - 1;
    return true;
}

static __int128 as_number(const struct field *f, uint64_t raw)
{
    return f->is_signed ? (__int128)extend_sign(raw, f->bits) : (__int128)raw;
}

/* An unsigned field takes what SET is given as unsigned, as Redis does. */
static __int128 wanted_value(const struct field *f, uint64_t raw)
{
    if (f->op == FIELD_INCRBY)
        return as_number(f, raw) + f->argument;
    return f->is_signed ? (__int128)f->argument : (__int128)(uint64_t)f->argument;
}

static void run_field(struct command_context *c, const struct field *f, struct store_key **k, bool *changed)
{
    char scratch[24];
    uint8_t bytes[9];
    uint64_t first = f->offset / 8, fresh;
    unsigned shift = (unsigned)(f->offset % 8);
    load_bytes(*k ? store_string(*k, scratch) : slice_of("", 0), first, bytes);
    uint64_t raw = read_bits(bytes, shift, f->bits);
    if (f->op == FIELD_GET) {
        resp_integer(c->out, (int64_t)as_number(f, raw));
        return;
    }
    if (!bring_into_range(f, wanted_value(f, raw), &fresh)) {
        reply_null(c);
        return;
    }
    resp_integer(c->out, (int64_t)as_number(f, f->op == FIELD_SET ? raw : fresh));
    if (fresh == raw)
        return;
    write_bits(bytes, shift, f->bits, fresh);
    *k = store_string_write(&c->view, *k, first, slice_of(bytes, (shift + f->bits + 7) / 8));
    *changed = true;
}

/* The string grows to hold every field that is written, also where that write changes nothing. */
static struct store_key *make_room(struct command_context *c, struct store_key *k, const struct field *fields,
                                   size_t count, bool *changed)
{
    uint64_t need = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t end = (fields[i].offset + fields[i].bits + 7) / 8;
        if (fields[i].op != FIELD_GET && end > need)
            need = end;
    }
    size_t len = k ? store_string_len(k) : 0;
    if (len >= need)
        return k;
    *changed = true;
    k = k ? k : store_put_string(&c->view, c->argv[1], slice_of(NULL, 0), false);
    return store_string_write(&c->view, k, need - 1, slice_of("", 1));
}

static void run_fields(struct command_context *c, bool read_only)
{
    size_t count;
    struct field *fields = parse_fields(c, &count);
    if (!fields)
        return;
    bool writes = false, changed = false;
    for (size_t i = 0; i < count; i++)
        writes |= fields[i].op != FIELD_GET;
    if (writes && read_only) {
        resp_error(c->out, "ERR BITFIELD_RO only supports the GET subcommand");
    } else {
        struct store_key *k = store_find(&c->view, c->argv[1]);
        if (check_string(c, k)) {
            if (writes)
                k = make_room(c, k, fields, count, &changed);
            resp_array(c->out, count);
            for (size_t i = 0; i < count; i++)
                run_field(c, &fields[i], &k, &changed);
            if (changed)
                notify(c, EVENT_STRING, "setbit", c->argv[1]);
        }
    }
    mem_free(fields);
}

void bitfield_command(struct command_context *c)
{
    run_fields(c, false);
}

void bitfield_ro_command(struct command_context *c)
{
    run_fields(c, true);
}

const char *bitfield_key_flags(const struct slice *argv, size_t argc)
{
    for (size_t i = 2; i < argc; i++)
        if (slice_is_word(argv[i], "set") || slice_is_word(argv[i], "incrby"))
            return "RW access update";
    return "RO access";
}
