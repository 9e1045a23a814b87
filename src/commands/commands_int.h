/* Inside commands/: what the files of this room share.
 *
 * A command validates its arguments, in Redis's order since the order decides which error a client sees,
 * before it changes anything, and appends exactly one reply. It never reads a clock: the view's time is the
 * time. */
#ifndef COMMANDS_COMMANDS_INT_H
#define COMMANDS_COMMANDS_INT_H

#include "base/number.h"
#include "base/resp.h"
#include "commands/commands.h"
#include "store/collection.h"

/* Tables, one for each family of commands; each ends with a name of NULL. */
#define FAMILY(name) extern const struct command commands_##name[];
#include "commands/families.h"
#undef FAMILY

/* string.c, string_number.c */
command_fn append_command, get_command, getdel_command, getex_command, getrange_command, getset_command,
    mget_command, mset_command, msetnx_command, psetex_command, set_command, setex_command, setnx_command,
    setrange_command, strlen_command, substr_command;
const char *set_key_flags(const struct slice *argv, size_t argc);
/* bits.c, bitfield.c */
command_fn bitcount_command, bitop_command, bitpos_command, getbit_command, setbit_command;
/* hyperloglog.c */
command_fn pfadd_command, pfcount_command, pfdebug_command, pfmerge_command, pfselftest_command;
/* sort.c */
command_fn sort_command, sort_ro_command;
int migrate_find_keys(const struct slice *argv, size_t argc, int *out, int max);
int sort_find_keys(const struct slice *argv, size_t argc, int *out, int max);
int sort_ro_find_keys(const struct slice *argv, size_t argc, int *out, int max);
/* debug.c: as part of an entry, or of a script */
command_fn debug_in_entry;
/* dump.c, lcs.c */
command_fn dump_command, restore_command, lcs_command;
command_fn bitfield_command, bitfield_ro_command;
const char *bitfield_key_flags(const struct slice *argv, size_t argc);
/* A bit's number; with `bits` "#n" counts in fields of that width. false: no such bit, and the error was appended. */
bool arg_bit_offset(struct command_context *c, size_t i, unsigned bits, uint64_t *out);
command_fn decr_command, decrby_command, incr_command, incrby_command, incrbyfloat_command;
/* keys.c, scan.c, expire.c, object.c */
command_fn copy_command, dbsize_command, del_command, exists_command, flushall_command, flushdb_command,
    swapdb_command, move_command, randomkey_command, rename_command, renamenx_command, touch_command,
    type_command, unlink_command;
command_fn keys_command, scan_command;
command_fn expire_command, expireat_command, expiretime_command, persist_command, pexpire_command,
    pexpireat_command, pexpiretime_command, pttl_command, ttl_command;
command_fn memory_usage_command, object_encoding_command, object_freq_command, object_help_command,
    object_idletime_command, object_refcount_command;

/* zset.c, zset_range.c, zset_pop.c, zset_combine.c: sorted sets */
command_fn zadd_command, zcard_command, zincrby_command, zmscore_command, zrank_command, zrem_command,
    zrevrank_command, zscan_command, zscore_command;
command_fn zcount_command, zlexcount_command, zrange_command, zrangebylex_command, zrangebyscore_command,
    zrangestore_command, zremrangebylex_command, zremrangebyrank_command, zremrangebyscore_command,
    zrevrange_command, zrevrangebylex_command, zrevrangebyscore_command;
command_fn zmpop_command, zpopmax_command, zpopmin_command, zrandmember_command;
command_fn zdiff_command, zdiffstore_command, zinter_command, zintercard_command, zinterstore_command,
    zunion_command, zunionstore_command;
/* geo.c, geo_search.c: places in sorted sets */
command_fn geoadd_command, geodist_command, geohash_command, geopos_command, georadius_command,
    georadius_ro_command, georadiusbymember_command, georadiusbymember_ro_command, geosearch_command,
    geosearchstore_command;
struct zset_pop {
    bool max;
    uint64_t count;
    bool with_key; /* the reply begins with the key */
    bool nested;   /* each member with its score in an array of their own */
};
/* Pops from the first of these keys that is there, and appends the reply, or the error; false: none is there. */
bool zset_pop(struct command_context *c, size_t first, size_t keys, const struct zset_pop *p);
/* numkeys at argv[at], the keys, MIN or MAX, COUNT. */
bool arg_zmpop(struct command_context *c, size_t at, size_t *keys, struct zset_pop *p);
/* hash.c, hash_random.c */
command_fn hdel_command, hexists_command, hget_command, hgetall_command, hincrby_command,
    hincrbyfloat_command, hkeys_command, hlen_command, hmget_command, hmset_command, hscan_command,
    hset_command, hsetnx_command, hstrlen_command, hvals_command;
command_fn hrandfield_command;
/* set.c, set_random.c, set_algebra.c */
command_fn sadd_command, scard_command, sismember_command, smembers_command, smismember_command,
    smove_command, srem_command, sscan_command;
command_fn spop_command, srandmember_command;
command_fn sdiff_command, sdiffstore_command, sinter_command, sintercard_command, sinterstore_command,
    sunion_command, sunionstore_command;
/* All members, as a set. */
void reply_set(struct command_context *c, const struct collection *s);

/* list.c, list_move.c */
command_fn lindex_command, linsert_command, llen_command, lpop_command, lpos_command, lpush_command,
    lpushx_command, lrange_command, lrem_command, lset_command, ltrim_command, rpop_command, rpush_command,
    rpushx_command;
command_fn lmove_command, lmpop_command, rpoplpush_command;
int lmpop_keys(const struct slice *argv, size_t argc, int *out, int max);

/* scripts.c */
command_fn script_command, script_help_command, function_help_command;

/* stream.c */
command_fn xadd_command, xdel_command, xlen_command, xrange_command, xrevrange_command, xsetid_command,
    xtrim_command;
/* stream_read.c, stream_group.c, stream_claim.c, stream_pending.c, stream_info.c */
command_fn xread_command, xreadgroup_command;
bool xread_waits(const struct slice *argv, size_t argc);
/* Where it stands in a request of XREAD or XREADGROUP, the last of several; 0: nowhere. */
size_t xread_find_option(const struct slice *argv, size_t argc, const char *option);
command_fn xack_command, xgroup_create_command, xgroup_createconsumer_command, xgroup_delconsumer_command,
    xgroup_destroy_command, xgroup_help_command, xgroup_setid_command;
command_fn xautoclaim_command, xclaim_command, xpending_command;
command_fn xinfo_consumers_command, xinfo_groups_command, xinfo_help_command, xinfo_stream_command;

/* args.c: arguments and replies that many commands share. The ones that return false have appended the error.
 */
bool arg_i64(struct command_context *c, size_t i, int64_t *out);
/* Of these; `error` says what is wrong with it otherwise, NULL: Redis's words for any number. */
bool arg_i64_in(struct command_context *c, size_t i, int64_t min, int64_t max, const char *error,
                int64_t *out);
bool arg_int(struct command_context *c, size_t i, int *out);
/* A database number as COPY and MOVE take it. */
bool arg_db(struct command_context *c, size_t i, uint32_t *db);
static inline bool arg_is(const struct command_context *c, size_t i, const char *word)
{
    return slice_is_word(c->argv[i], word);
}
/* A time to wait, in seconds with a fraction: 0 is for ever. */
bool arg_timeout(struct command_context *c, size_t i, uint64_t *timeout_ms);
bool check_string(struct command_context *c, const struct store_key *k); /* k NULL is fine */
bool check_type(struct command_context *c, const struct store_key *k, enum store_type type); /* likewise */
/* For replies as long as a client asks for, whatever is there: once what was appended from `start` on is longer than a bulk
 * string may be, it is an error instead, and true. In a transaction a number that somebody mistyped would otherwise fill the
 * memory of every node, again after each start. */
bool reply_is_too_long(struct command_context *c, size_t start);
/* For replies that tell one value as often as it is named: likewise, but of a read alone it is the client's output that has a bound. */
static inline bool entry_reply_is_too_long(struct command_context *c, size_t start)
{
    return c->view.writing && reply_is_too_long(c, start);
}
void reply_ok(struct command_context *c);
void reply_null(struct command_context *c);
void reply_syntax_error(struct command_context *c);
void reply_arity_error(struct command_context *c, const char *name);
/* `value` + `by` as text, in `room`; false: that is no number, and the error was appended. The 80-bit sums of x86 are the same on
 * every node: a handshake refuses other architectures. */
bool sum_as_text(struct command_context *c, long double value, long double by, char room[NUMBER_TEXT_MAX],
                 struct slice *text);
/* The value of a string key, which must be one. */
void reply_string(struct command_context *c, const struct store_key *k);
/* The name of the row being run, for error texts. */
const char *command_name(const struct command_context *c);
/* A HELP reply: lines ends with NULL; the usual first and last lines are added. */
void reply_help(struct command_context *c, const char *name, const char *const *lines);

/* Keys whose number stands at argv[at], behind it; as find_keys of a row. */
int counted_keys(const struct slice *argv, size_t argc, size_t at, int *out, int max);
/* Of the keys argv[*first], ... of a command that waits those to be looked at: all *n, or the one that has become ready. */
void keys_to_try(const struct command_context *c, size_t *first, size_t *n);
/* Nothing is there: has it wait until one of its keys is of that type. false: it must not, and has to reply. */
bool wait_for_keys(struct command_context *c, enum store_type type, size_t first_key, size_t key_count,
                   uint64_t timeout_ms);

/* What a command has done to a key, in Redis's word for it: after it is done, once for each key, and only if something was
 * done. `key`: an argument, or bytes that the change leaves alone. */
static inline void notify(const struct command_context *c, enum store_event_class class, const char *event,
                          struct slice key)
{
    store_tell(&c->view, class, event, c->view.db, key);
}

/* scan.c: HSCAN, SSCAN and ZSCAN share all but the walk. */
struct element_scan {
    struct command_context *c;
    struct collection value;
    uint64_t cursor, count;
    struct slice pattern;
    bool all; /* the pattern is "*" */
    size_t found;
    struct buf texts;
};
/* false: the reply was given. */
bool element_scan_begin(struct element_scan *s, struct command_context *c, enum store_type type);
bool element_scan_wants(const struct element_scan *s, struct slice element);
void element_scan_found(struct element_scan *s, struct slice text);
void element_scan_end(struct element_scan *s, uint64_t cursor);

/* pick.c: `count` different numbers below `from`, in their order; count <= from. */
void pick_distinct(struct prng *chance, uint64_t from, uint64_t count, uint64_t *out);

/* list_blocking.c, zset_blocking.c */
command_fn bzmpop_command, bzpopmax_command, bzpopmin_command;
command_fn blmove_command, blmpop_command, blpop_command, brpop_command, brpoplpush_command;
int blmpop_keys(const struct slice *argv, size_t argc, int *out, int max);

/* expire.c: relative or absolute times given to a command. */
enum expiry_unit { UNIT_SECONDS, UNIT_MILLISECONDS };
/* As SET and GETEX take a time: positive, at most what int64 milliseconds hold. */
bool arg_expiry(struct command_context *c, size_t i, enum expiry_unit unit, bool relative, uint64_t *at_ms);

/* Readers of a whole database wait for a clock entry when any key is due. */
void note_any_due(struct command_context *c);

/* key_specs.c */
size_t key_specs_count(const char *specs);
/* The keys that the specs name, as command_keys gives them. */
int key_specs_find(const char *specs, const struct slice *argv, size_t argc, int *out, int max);
/* A name and what COMMAND DOCS says of it. */
void reply_docs(struct buf *out, int resp, const struct command *row);
void reply_key_specs(struct buf *out, int resp, const char *specs);
/* What the command does with the key argv[position], as a set. */
void reply_key_flags(struct buf *out, int resp, const struct command *c, const struct slice *argv,
                     size_t argc, int position);

#endif
