/* What a command is for the replicas of Redis. Most are themselves; the others stand in a table, with what Redis 7.0 writes in their place.
 * Two rules make them few: a time is written as it stands in the state, and what was picked or popped as it stands in the reply. */
#include "commands/propagate.h"

#include "base/alloc.h"

/* ---- tools ---- */

/* A head: the number in it; -1 of a null. */
static int64_t next_head(struct writing *w, char *letter)
{
    const char *cr = memchr(w->reply.data, '\r', w->reply.len);
    int64_t n = -1;
    *letter = *w->reply.data;
    parse_i64(slice_of(w->reply.data + 1, (size_t)(cr - w->reply.data) - 1), &n);
    w->reply = slice_drop(w->reply, (size_t)(cr - w->reply.data) + 2);
    return n;
}

size_t reply_next_count(struct writing *w)
{
    char letter;
    int64_t n = w->reply.len ? next_head(w, &letter) : -1;
    if (n < 0 || !strchr("*~%>", letter))
        return 0;
    return (size_t)n * (letter == '%' ? 2 : 1);
}

struct slice reply_next_text(struct writing *w)
{
    char letter;
    int64_t n = w->reply.len ? next_head(w, &letter) : -1;
    if (n < 0 || letter != '$')
        return slice_of(NULL, 0);
    struct slice text = slice_of(w->reply.data, (size_t)n);
    w->reply = slice_drop(w->reply, (size_t)n + 2);
    return text;
}

void reply_skip(struct writing *w)
{
    w->reply = slice_drop(w->reply, resp_reply_len(w->reply));
}

const struct store_key *propagate_peek(const struct writing *w, struct slice key)
{
    return store_peek(w->c->view.store, w->c->view.db, key);
}

void propagate(const struct writing *w, const struct slice *argv, size_t argc)
{
    w->to->write(w->to->arg, false, w->c->view.db, argv, argc);
}

/* ---- times ---- */

static bool write_del(struct writing *w)
{
    PROPAGATE(w, WORD("DEL"), w->c->argv[1]);
    return true;
}

/* EXPIRE and its kin, GETEX: the time that the key has now. */
static bool write_expiry(struct writing *w)
{
    const struct store_key *k = propagate_peek(w, w->c->argv[1]);
    char text[24];
    if (!k)
        return write_del(w);
    uint64_t at_ms = store_key_expiry_ms(k);
    if (at_ms == STORE_NEVER)
        PROPAGATE(w, WORD("PERSIST"), w->c->argv[1]);
    else
        PROPAGATE(w, WORD("PEXPIREAT"), w->c->argv[1], slice_of(text, format_i64(text, (int64_t)at_ms)));
    return true;
}

static bool put_with_time(struct writing *w, struct slice value)
{
    const struct store_key *k = propagate_peek(w, w->c->argv[1]);
    char text[24];
    if (!k)
        return write_del(w);
    size_t len = format_i64(text, (int64_t)store_key_expiry_ms(k));
    PROPAGATE(w, WORD("SET"), w->c->argv[1], value, WORD("PXAT"), slice_of(text, len));
    return true;
}

static bool write_setex(struct writing *w)
{
    return put_with_time(w, w->c->argv[3]);
}

/* It has been set, so what it hung on is of no interest any more; nor is what was there before. */
static bool write_set(struct writing *w)
{
    const struct command_context *c = w->c;
    bool gets = false, keeps = false;
    for (size_t i = 3; i < c->argc; i++) {
        if (arg_is(c, i, "ex") || arg_is(c, i, "px") || arg_is(c, i, "exat") || arg_is(c, i, "pxat"))
            return put_with_time(w, c->argv[2]);
        gets |= arg_is(c, i, "get");
        keeps |= arg_is(c, i, "keepttl");
    }
    if (!gets)
        propagate(w, c->argv, c->argc);
    else if (keeps)
        PROPAGATE(w, WORD("SET"), c->argv[1], c->argv[2], WORD("KEEPTTL"));
    else
        PROPAGATE(w, WORD("SET"), c->argv[1], c->argv[2]);
    return true;
}

static bool write_restore(struct writing *w)
{
    const struct command_context *c = w->c;
    const struct store_key *k = propagate_peek(w, c->argv[1]);
    bool absolute = false;
    char text[24];
    if (!k)
        return write_del(w);
    for (size_t i = 4; i < c->argc; i++)
        absolute |= arg_is(c, i, "absttl");
    struct slice *argv = mem_alloc((c->argc + 1) * sizeof *argv);
    memcpy(argv, c->argv, c->argc * sizeof *argv);
    argv[0] = WORD("RESTORE");
    argv[2] = slice_of(text, format_i64(text, (int64_t)store_key_expiry_ms(k)));
    argv[c->argc] = WORD("ABSTTL");
    propagate(w, argv, c->argc + !absolute);
    mem_free(argv);
    return true;
}

/* ---- values ---- */

static bool write_getset(struct writing *w)
{
    PROPAGATE(w, WORD("SET"), w->c->argv[1], w->c->argv[2]);
    return true;
}

static bool write_incrbyfloat(struct writing *w)
{
    PROPAGATE(w, WORD("SET"), w->c->argv[1], reply_next_text(w), WORD("KEEPTTL"));
    return true;
}

static bool write_hincrbyfloat(struct writing *w)
{
    PROPAGATE(w, WORD("HSET"), w->c->argv[1], w->c->argv[2], reply_next_text(w));
    return true;
}

static bool write_spop(struct writing *w)
{
    const struct command_context *c = w->c;
    if (c->argc == 2) {
        PROPAGATE(w, WORD("SREM"), c->argv[1], reply_next_text(w));
        return true;
    }
    if (!propagate_peek(w, c->argv[1]))
        return write_del(w);
    size_t n = reply_next_count(w);
    struct slice *argv = mem_alloc((2 + n) * sizeof *argv);
    argv[0] = WORD("SREM");
    argv[1] = c->argv[1];
    for (size_t i = 0; i < n; i++)
        argv[2 + i] = reply_next_text(w);
    propagate(w, argv, 2 + n);
    mem_free(argv);
    return true;
}

/* ---- from the first of several keys, which may have been waited for: from that one ---- */

/* LMPOP and ZMPOP: the reply is the key, and what it has given; `end` is the word that says from where. */
static bool write_pops(struct writing *w, const char *end, struct slice at_end, struct slice otherwise)
{
    const struct command_context *c = w->c;
    char text[24];
    reply_next_count(w);
    struct slice key = reply_next_text(w);
    size_t len = format_u64(text, reply_next_count(w));
    size_t keys_at = slice_is_word(c->argv[0], "lmpop") || slice_is_word(c->argv[0], "zmpop") ? 1 : 2;
    int64_t keys = 0;
    parse_i64(c->argv[keys_at], &keys);
    bool is_end = arg_is(c, keys_at + (size_t)keys + 1, end);
    PROPAGATE(w, is_end ? at_end : otherwise, key, slice_of(text, len));
    return true;
}

static bool write_lmpop(struct writing *w)
{
    return write_pops(w, "left", WORD("LPOP"), WORD("RPOP"));
}

static bool write_zmpop(struct writing *w)
{
    return write_pops(w, "min", WORD("ZPOPMIN"), WORD("ZPOPMAX"));
}

/* BLPOP and its kin: without the B, and of that key alone. */
static bool write_pop(struct writing *w)
{
    reply_next_count(w);
    PROPAGATE(w, slice_drop(w->c->argv[0], 1), reply_next_text(w));
    return true;
}

/* Without the B, and the time to wait. */
static bool write_move(struct writing *w)
{
    const struct command_context *c = w->c;
    struct slice *argv = mem_alloc(c->argc * sizeof *argv);
    memcpy(argv, c->argv, c->argc * sizeof *argv);
    argv[0] = slice_drop(c->argv[0], 1);
    propagate(w, argv, c->argc - 1);
    mem_free(argv);
    return true;
}

/* ---- in no words ---- */

/* Sums of several scores, circles on a sphere, orders that a type does not promise: Redis's may differ in the last bit. */
static bool write_keys(struct writing *w)
{
    (void)w;
    return false;
}

static const struct {
    command_fn *run;
    propagate_fn *write;
} others[] = {
    {set_command, write_set},
    {setex_command, write_setex},
    {psetex_command, write_setex},
    {getex_command, write_expiry},
    {getdel_command, write_del},
    {getset_command, write_getset},
    {expire_command, write_expiry},
    {pexpire_command, write_expiry},
    {expireat_command, write_expiry},
    {pexpireat_command, write_expiry},
    {restore_command, write_restore},
    {incrbyfloat_command, write_incrbyfloat},
    {hincrbyfloat_command, write_hincrbyfloat},
    {spop_command, write_spop},
    {lmpop_command, write_lmpop},
    {blmpop_command, write_lmpop},
    {zmpop_command, write_zmpop},
    {bzmpop_command, write_zmpop},
    {blpop_command, write_pop},
    {brpop_command, write_pop},
    {bzpopmin_command, write_pop},
    {bzpopmax_command, write_pop},
    {blmove_command, write_move},
    {brpoplpush_command, write_move},
    {xadd_command, propagate_xadd},
    {xtrim_command, propagate_xtrim},
    {xreadgroup_command, propagate_xreadgroup},
    {xclaim_command, propagate_xclaim},
    {xautoclaim_command, propagate_xautoclaim},
    {sort_command, write_keys},
    {zunionstore_command, write_keys},
    {zinterstore_command, write_keys},
    {georadius_command, write_keys},
    {georadiusbymember_command, write_keys},
    {geosearchstore_command, write_keys},
    {pfdebug_command, write_keys},
    {debug_in_entry, write_keys},
};

bool command_propagate(const struct command *row, const struct command_context *c, struct slice reply,
                       const struct propagation *to)
{
    struct writing w = {c, reply, to};
    if (reply.len && *reply.data == '-')
        return false; /* an error, and yet something has changed: who knows what Redis would do */
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].run == row->run)
            return others[i].write(&w);
    propagate(&w, c->argv, c->argc);
    return true;
}
