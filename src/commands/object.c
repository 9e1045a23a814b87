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

/* When a key was last read is known to no two nodes alike, so it is not kept: every key counts as just used.
 */
void object_idletime_command(struct command_context *c)
{
    if (subject(c))
        resp_integer(c->out, 0);
}

void object_freq_command(struct command_context *c)
{
    if (subject(c))
        resp_error(c->out,
                   "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
                   "that when switching between policies at runtime LRU and LFU data will take some time to "
                   "adjust.");
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
