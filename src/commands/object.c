/* OBJECT: how a key is held. */
#include "commands/commands_int.h"

/* The key of OBJECT x key; NULL: absent, and null was appended. */
static struct store_key *subject(struct command_context *c)
{
    struct store_key *k = store_find(&c->view, c->argv[2]);
    if (!k)
        reply_null(c);
    return k;
}

void object_encoding_command(struct command_context *c)
{
    struct store_key *k = subject(c);
    if (k)
        resp_bulk_cstr(c->out, store_key_encoding(k));
}

/* There is no count of references; the answer is Redis's, which shares small integers. */
void object_refcount_command(struct command_context *c)
{
    int64_t v;
    struct store_key *k = subject(c);
    if (!k)
        return;
    bool number =
        store_key_type(k) == STORE_STRING && store_key_encoding(k)[0] == 'i' && store_string_i64(k, &v);
    resp_integer(c->out, number && v >= 0 && v < 10000 ? INT32_MAX : 1);
}

/* Idle time and frequency are what this node saw. In a transaction, where all nodes have to say the same, they are told as those of
 * a key just used. */
static bool tracks(const struct command_context *c, enum store_usage kind)
{
    return !c->view.writing && store_usage_kind(c->view.store) == kind;
}

void object_idletime_command(struct command_context *c)
{
    bool known = tracks(c, STORE_USAGE_TIME);
    uint64_t idle_s = known ? store_idle_s(&c->view, c->argv[2]) : 0;
    if (!subject(c))
        return;
    if (store_usage_kind(c->view.store) == STORE_USAGE_FREQUENCY)
        resp_error(c->out,
                   "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
                   "switching between policies at runtime LRU and LFU data will take some time to adjust.");
    else
        resp_integer(c->out, (int64_t)idle_s);
}

void object_freq_command(struct command_context *c)
{
    bool known = tracks(c, STORE_USAGE_FREQUENCY);
    unsigned frequency = known ? store_frequency(&c->view, c->argv[2]) : 0;
    if (!subject(c))
        return;
    if (store_usage_kind(c->view.store) != STORE_USAGE_FREQUENCY)
        resp_error(c->out,
                   "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
                   "that when switching between policies at runtime LRU and LFU data will take some time to "
                   "adjust.");
    else
        resp_integer(c->out, frequency);
}

/* What it takes on this node; in an entry what it would take in a snapshot, for allocations differ from node to node. */
static size_t usage(const struct command_context *c, const struct store_key *k)
{
    struct buf saved = BUF_EMPTY;
    if (!c->view.writing)
        return store_key_bytes(k);
    store_rdb_dump(k, &saved);
    size_t bytes = c->argv[2].len + saved.len;
    buf_deinit(&saved);
    return bytes;
}

/* All of it is counted, whatever the number of samples. */
void memory_usage_command(struct command_context *c)
{
    int64_t samples = 0;
    bool sampled = c->argc == 5 && arg_is(c, 3, "samples");
    if (sampled && !arg_i64(c, 4, &samples))
        return;
    if ((c->argc != 3 && !sampled) || samples < 0) {
        reply_syntax_error(c);
        return;
    }
    struct store_key *k = subject(c);
    if (k)
        resp_integer(c->out, (int64_t)usage(c, k));
}

void object_help_command(struct command_context *c)
{
    static const char *const lines[] = {
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        NULL,
    };
    reply_help(c, "OBJECT", lines);
}
