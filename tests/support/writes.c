/* A row for each way to change a key. */
#include "writes.h"

#include "base/checksum.h"
#include "rsm/rsm.h"
#include "store/rdb.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* %k: one of a few keys; %m: one of some elements, many of them numbers, a few too long for a listpack; %n: a number; %b: a
 * number of bits or bytes; %p: a value as DUMP gives it, %f: libraries as FUNCTION DUMP does. @3: in that database. 'a word with
 * spaces'. ?: seldom, for it undoes much. */
static const char *const rows[] = {
    "SET v%k %m",
    "SET v%k %n PX %b",
    "SET v%k %m XX GET KEEPTTL",
    "SETNX v%k %n",
    "SETEX v%k 100 %m",
    "PSETEX v%k 1%b %n",
    "MSET v%k %m v%k %n",
    "MSETNX v%k %m w%k %n",
    "GETSET v%k %m",
    "GETDEL v%k",
    "GETEX v%k PX 1%b",
    "GETEX v%k PERSIST",
    "APPEND v%k %m",
    "SETRANGE v%k %b %m",
    "INCR v%k",
    "INCRBY v%k %n",
    "INCRBYFLOAT v%k %n.5",
    "DECR v%k",
    "DECRBY v%k %n",
    "SETBIT b%k %b 1",
    "SETBIT b%k %b%b 0",
    "BITOP XOR b%k b%k b%k",
    "BITOP NOT b%k v%k",
    "BITOP AND b%k b%k v%k",
    "BITFIELD b%k SET u7 #%b %n INCRBY i16 %b %n",
    "BITFIELD b%k OVERFLOW SAT INCRBY u4 %b %n OVERFLOW FAIL SET i9 %b %n",
    "PFADD p%k %m %m %m",
    "PFMERGE p%k p%k p%k",
    "PFDEBUG TODENSE p%k",
    "LPUSH l%k %m %m",
    "RPUSH l%k %m %n %m",
    "RPUSH l%k %m %m %m %m %m %m",
    "LPUSHX l%k %m",
    "RPUSHX l%k %m %m",
    "LINSERT l%k BEFORE %m %m",
    "LINSERT l%k AFTER %m %m",
    "LSET l%k %k %m",
    "LSET l%k -1 %n",
    "LREM l%k 1 %m",
    "LREM l%k -2 %m",
    "LTRIM l%k 1 -2",
    "LMOVE l%k l%k LEFT RIGHT",
    "LMOVE l%k l%k RIGHT RIGHT",
    "RPOPLPUSH l%k l%k",
    "LMPOP 2 l%k l%k LEFT COUNT 2",
    "LPOP l%k",
    "RPOP l%k 2",
    "BLPOP l%k l%k 0",
    "BRPOP l%k 1",
    "BLMOVE l%k l%k RIGHT LEFT 0",
    "BRPOPLPUSH l%k l%k 0.1",
    "BLMPOP 0 2 l%k l%k RIGHT COUNT 2",
    "HSET h%k %m %m",
    "HSET h%k %m %n %m %m",
    "HMSET h%k %m %m",
    "HSETNX h%k %m %m",
    "HDEL h%k %m %m",
    "HINCRBY h%k n%k %n",
    "HINCRBYFLOAT h%k f%k %n.25",
    "HRANDFIELD h%k 2 WITHVALUES",
    "SADD s%k %m %m %m",
    "SADD s%k %n",
    "SREM s%k %m %m",
    "SPOP s%k",
    "SPOP s%k 2",
    "SMOVE s%k s%k %m",
    "SINTERSTORE s%k s%k s%k",
    "SUNIONSTORE s%k s%k s%k",
    "SDIFFSTORE s%k s%k s%k",
    "SRANDMEMBER s%k 3",
    "ZADD z%k %n %m %n %m",
    "ZADD z%k GT CH %n.5 %m",
    "ZINCRBY z%k %n.1 %m",
    "ZREM z%k %m %m",
    "ZREMRANGEBYRANK z%k 0 1",
    "ZREMRANGEBYSCORE z%k %n 0",
    "ZREMRANGEBYLEX z%k [%m [m9",
    "ZPOPMIN z%k 2",
    "ZPOPMAX z%k",
    "ZMPOP 2 z%k z%k MAX COUNT 2",
    "BZPOPMIN z%k z%k 0",
    "BZPOPMAX z%k 0.5",
    "BZMPOP 0 2 z%k z%k MIN COUNT 2",
    "ZRANGESTORE z%k z%k 1 -2",
    "ZRANGESTORE z%k z%k [m + BYLEX",
    "ZUNIONSTORE z%k 2 z%k s%k WEIGHTS 2 0.1",
    "ZINTERSTORE z%k 2 z%k z%k AGGREGATE MAX",
    "ZDIFFSTORE z%k 2 z%k s%k",
    "ZRANDMEMBER z%k 3",
    "GEOADD g%k 13.%k%k 38.%k%k %m",
    "GEOSEARCHSTORE z%k g%k FROMLONLAT 13.3 38.2 BYRADIUS 30 km STOREDIST",
    "GEORADIUS g%k 13.2 38.3 20 km STOREDIST z%k",
    "GEORADIUSBYMEMBER g%k %m 20 km STORE g%k",
    "XADD x%k * f %m %m %m",
    "XADD x%k MAXLEN ~ 20 * g %m",
    "XADD y%k %b-* f %m",
    "XADD y%k NOMKSTREAM 99-* f %n f %m",
    "XTRIM x%k MAXLEN 3",
    "XTRIM y%k MINID 9%k-1",
    "XDEL y%k 99-%k 9%k-0 99-1",
    "XSETID y%k 99-%k",
    "XGROUP CREATE x%k g 0",
    "XGROUP CREATE y%k g $ MKSTREAM ENTRIESREAD %b",
    "XGROUP SETID x%k g 0",
    "XGROUP CREATECONSUMER x%k g c%k",
    "XGROUP DELCONSUMER x%k g c%k",
    "XGROUP DESTROY y%k g",
    "XREADGROUP GROUP g c%k STREAMS x%k >",
    "XREADGROUP GROUP g c%k COUNT 2 STREAMS x%k >",
    "XREADGROUP GROUP g c%k NOACK COUNT 2 STREAMS y%k >",
    "XREADGROUP GROUP g c%k STREAMS y%k 0",
    "XREADGROUP GROUP g c%k COUNT 3 STREAMS y%k >",
    "XREADGROUP GROUP g c%k BLOCK 1%b STREAMS x%k >",
    "XREAD BLOCK 1%b STREAMS y%k $",
    "XACK y%k g 99-%k 99-0 99-1 9%k-0",
    "XCLAIM y%k g c%k 0 99-%k 99-1 FORCE",
    "XCLAIM y%k g c%k 0 99-%k FORCE JUSTID RETRYCOUNT 3 LASTID 99-1",
    "XAUTOCLAIM x%k g c%k %b 0 COUNT 3",
    "XAUTOCLAIM y%k g c%k 0 99-%k JUSTID",
    "SORT l%k ALPHA DESC LIMIT 1 9 STORE l%k",
    "SORT s%k BY v* GET # GET v* ALPHA STORE l%k",
    "EXPIRE h%k 100 NX",
    "EXPIRE l%k 0",
    "PEXPIRE z%k %b",
    "PEXPIRE x%k 1%b LT",
    "EXPIREAT s%k 9%b00000000",
    "PEXPIREAT p%k 9%b00000000000",
    "PERSIST h%k",
    "PERSIST v%k",
    "RESTORE r%k 0 %p REPLACE",
    "RESTORE r%k 1%b %p",
    "RESTORE-ASKING r%k 0 %p REPLACE",
    "COPY z%k z%k REPLACE",
    "COPY s%k s%k REPLACE",
    "COPY h%k h%k REPLACE",
    "COPY l%k l%k DB 2 REPLACE",
    "COPY x%k y%k",
    "COPY v%k v%k DB 3",
    "RENAME h%k s%k",
    "RENAME x%k x%k",
    "RENAMENX v%k w%k",
    "MOVE l%k 2",
    "MOVE y%k 3",
    "SWAPDB 1 2",
    "DEL h%k s%k",
    "DEL z%k v%k",
    "DEL y%k r%k w%k",
    "UNLINK p%k l%k x%k",
    "@3 FLUSHDB",
    "EVAL 'local n=redis.call(\"incr\",KEYS[1]) redis.call(\"rpush\",KEYS[2],n,tostring({}),math.random(99)) "
    "return {n,redis.call(\"time\")}' 2 n%k l%k",
    "EVALSHA d4eecced350fce3b46530a3601d95fb49868ae21 2 n%k l%k",
    "SCRIPT LOAD 'return %n'",
    "SCRIPT LOAD 'local n=redis.call(\"incr\",KEYS[1]) "
    "redis.call(\"rpush\",KEYS[2],n,tostring({}),math.random(99)) return {n,redis.call(\"time\")}'",
    "EVAL 'local t={} for i,v in ipairs(ARGV) do t[{}]=v end for k,v in pairs(t) do "
    "redis.pcall(\"sadd\",KEYS[1],v,tostring(k)) redis.call(\"set\",KEYS[2],v) end if #ARGV[1]>2 then "
    "error(\"end\") end' 2 s%k v%k %m %n %m",
    "EVAL 'redis.call(\"select\",2) local a=redis.call(\"spop\",KEYS[1]) return "
    "redis.call(\"lpush\",KEYS[2],a or \"none\")' 2 s%k l%k",
    "EVAL_RO 'return redis.call(\"lrange\",KEYS[1],0,-1)' 1 l%k",
    "EVAL 'return %n' 0",
    "SCRIPT LOAD 'local a=redis.call(\"lrange\",KEYS[1],0,-1) return #a'",
    "EVALSHA_RO d837d5bd1a621dd19bdc3be0a0ad252f0123cca2 1 l%k",
    "? SCRIPT FLUSH",
    "FUNCTION LOAD REPLACE '#!lua name=first\nlocal n=%n redis.register_function(\"add\",function(k,a) n=n+1 "
    "redis.call(\"sadd\",k[1],n,a[1]) return {n,math.random(99)} end)'",
    "FUNCTION LOAD '#!lua name=n%k\nredis.register_function{function_name=\"f%k\",callback=function(k) "
    "return redis.call(\"scard\",k[1]) end,flags={\"no-writes\"}}'",
    "FCALL add 1 s%k %m",
    "FCALL f%k 1 s%k",
    "FCALL_RO f%k 1 s%k",
    "FUNCTION DELETE n%k",
    "FUNCTION RESTORE %f REPLACE",
    "FUNCTION RESTORE %f",
    "? FUNCTION RESTORE %f FLUSH",
    "FUNCTION FLUSH SYNC",
};

/* Rules as entries hold them: acl_prepare. */
enum { LOUD_CHANGES = 9 };
static const char *const changes[] = {
    "session-window %b",
    "session-timeout 3%b",
    "session-max 1%b session-window 1%b",
    "proto-max-bulk-len 1%b%b%b%b",
    "maxmemory 1gb maxmemory-policy allkeys-lru",
    "maxmemory-policy volatile-lfu",
    "maxmemory 0",
    "read-mode log",
    "read-mode quorum",
    "list-max-listpack-size %k",
    "list-max-listpack-size -3",
    "hash-max-listpack-entries %k hash-max-listpack-value %b",
    "set-max-intset-entries %k",
    "zset-max-listpack-entries %k zset-max-listpack-value %b",
    "stream-node-max-bytes %b%b stream-node-max-entries %b",
    "hll-sparse-max-bytes %b",
    "notify-keyspace-events KA",
    "notify-keyspace-events ''",
    "acl-pubsub-default allchannels",
    "acl-pubsub-default resetchannels",
    "script-max-steps %b%b%b",
    "script-max-steps 100000000 script-max-memory %b%b%b%b",
    "*setuser u%k on nopass ~v%k* %R~l* &c%k +@all -@dangerous",
    "*setuser u%k '(~b%k* +get +@bitmap)' -@write +select|0",
    "*setuser u%k clearselectors resetkeys off",
    "*setuser u%k",
    "*setuser u%k reset",
    "*deluser u%k",
    "*deluser u%k u%k",
    "*load 'default on nopass ~* &* +@all' 'u%k on nopass ~s%k* +@set' 'w%k off'",
};

static void element(struct prng *chance, struct buf *out)
{
    unsigned n = (unsigned)prng_below(chance, 48);
    buf_printf(out, n == 47 ? "%070u" : n % 2 ? "%u" : "m%u", n == 47 ? n : n * n * 7);
}

/* One element or more, as a string, or the types of Redis's oldest files, which have no form of their own. */
static void dumped(struct prng *chance, struct buf *out)
{
    static const uint8_t types[] = {RDB_TYPE_STRING, RDB_TYPE_LIST, RDB_TYPE_SET, RDB_TYPE_HASH};
    uint8_t type = types[prng_below(chance, sizeof types)];
    uint64_t count = 1 + prng_below(chance, 5), strings = type == RDB_TYPE_STRING ? 1 : count;
    struct buf text = BUF_EMPTY;
    size_t from = out->len;
    put_u8(out, type);
    if (type != RDB_TYPE_STRING)
        rdb_put_length(out, count);
    for (uint64_t i = 0; i < strings * (type == RDB_TYPE_HASH ? 2 : 1); i++) {
        buf_truncate(&text, 0);
        buf_printf(&text, "%u.", (unsigned)i); /* a set's must differ */
        element(chance, &text);
        rdb_put_string(out, buf_slice(&text));
    }
    put_u16(out, RDB_VERSION);
    put_u64(out, crc64(0, out->data + from, out->len - from));
    buf_deinit(&text);
}

static void dumped_libraries(struct prng *chance, struct buf *out)
{
    struct buf code = BUF_EMPTY;
    size_t from = out->len;
    unsigned first = (unsigned)prng_below(chance, 5);
    for (unsigned i = 0; i <= prng_below(chance, 2); i++) {
        buf_truncate(&code, 0);
        buf_printf(&code,
                   "#!lua name=n%u\nredis.register_function('f%u',function(k) return "
                   "redis.call('incr',k[1])+%u end)",
                   first + i, first + i, (unsigned)prng_below(chance, 9));
        put_u8(out, 0xf5); /* FUNCTION2 */
        rdb_put_string(out, buf_slice(&code));
    }
    rdb_put_footer(out, from);
    buf_deinit(&code);
}

static void placeholder(char what, struct prng *chance, struct buf *out)
{
    switch (what) {
    case 'k':
        buf_printf(out, "%u", (unsigned)prng_below(chance, 6));
        break;
    case 'm':
        element(chance, out);
        break;
    case 'n':
        buf_printf(out, "%d", (int)prng_below(chance, 2000) - 1000);
        break;
    case 'b':
        buf_printf(out, "%u", 10 + (unsigned)prng_below(chance, 90));
        break;
    case 'p':
        dumped(chance, out);
        break;
    case 'f':
        dumped_libraries(chance, out);
        break;
    case 'R':
        buf_append_cstr(out, "%R");
        break;
    default:
        assert(!"no such placeholder");
    }
}

/* To the end of the word, which is returned. */
static const char *word(const char *at, struct prng *chance, struct buf *out)
{
    char end = *at == '\'' ? *at++ : ' ';
    for (; *at && *at != end; at++)
        if (*at == '%')
            placeholder(*++at, chance, out);
        else
            put_u8(out, (uint8_t)*at);
    return *at == '\'' ? at + 1 : at;
}

/* The words of a row, behind those that w->argv has already. */
static void words(const char *at, struct prng *chance, struct write *w)
{
    size_t ends[WRITE_WORDS] = {0}, first = w->argc;
    buf_truncate(&w->text, 0);
    for (; *at; at += *at == ' ') {
        assert(w->argc < WRITE_WORDS);
        at = word(at, chance, &w->text);
        ends[w->argc++] = w->text.len;
    }
    for (size_t n = first, from = 0; n < w->argc; from = ends[n++])
        w->argv[n] = slice_of(w->text.data + from, ends[n] - from);
}

bool write_of_row(size_t i, struct prng *chance, struct write *w)
{
    if (i >= sizeof rows / sizeof *rows)
        return false;
    const char *at = rows[i];
    w->db = prng_below(chance, 8) ? 1 : 2;
    if (*at == '@') {
        w->db = (uint32_t)(at[1] - '0');
        at += 3;
    }
    w->argc = 0;
    words(*at == '?' ? at + 2 : at, chance, w);
    return true;
}

void random_write(struct prng *chance, struct write *w)
{
    size_t i;
    do
        i = prng_below(chance, sizeof rows / sizeof *rows);
    while (*rows[i] == '?' && prng_below(chance, 8));
    write_of_row(i, chance, w);
}

bool change_of_row(size_t i, struct prng *chance, struct write *w, bool *quiet)
{
    if (i >= sizeof changes / sizeof *changes)
        return false;
    const char *at = changes[i];
    w->db = 0;
    w->argc = 1;
    w->argv[0] = *at == '*' ? RSM_USERS : RSM_CONFIG;
    words(*at == '*' ? at + 1 : at, chance, w);
    *quiet = i >= LOUD_CHANGES;
    return true;
}

void random_change(struct prng *chance, struct write *w, bool quiet)
{
    size_t loud = quiet ? LOUD_CHANGES : 0;
    bool is_quiet;
    change_of_row(loud + prng_below(chance, sizeof changes / sizeof *changes - loud), chance, w, &is_quiet);
}
