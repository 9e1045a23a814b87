/* A row for each way to change a collection. */
#include "collections.h"

#include <stdio.h>
#include <string.h>

/* %k: one of a few keys; %m: one of some elements, many of them numbers, a few too long for a listpack; %n: a number. */
static const char *const rows[] = {
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
    "ZRANGESTORE z%k z%k 1 -2",
    "ZRANGESTORE z%k z%k [m + BYLEX",
    "ZUNIONSTORE z%k 2 z%k s%k WEIGHTS 2 0.1",
    "ZINTERSTORE z%k 2 z%k z%k AGGREGATE MAX",
    "ZDIFFSTORE z%k 2 z%k s%k",
    "ZRANDMEMBER z%k 3",
    "GEOADD g%k 13.%k%k 38.%k%k %m",
    "GEOSEARCHSTORE z%k g%k FROMLONLAT 13.3 38.2 BYRADIUS 30 km STOREDIST",
    "GEORADIUSBYMEMBER g%k %m 20 km STORE g%k",
    "COPY z%k z%k REPLACE",
    "RENAME h%k s%k",
    "COPY s%k s%k REPLACE",
    "COPY h%k h%k REPLACE",
    "DEL h%k s%k",
    "DEL z%k",
};

static int element(struct prng *chance, char *out, size_t size)
{
    unsigned n = (unsigned)prng_below(chance, 48);
    if (n == 47)
        return snprintf(out, size, "%070u", n);
    return snprintf(out, size, n % 2 ? "%u" : "m%u", n * n * 7);
}

void collection_command(struct prng *chance, char *out)
{
    const char *at = rows[prng_below(chance, sizeof rows / sizeof *rows)];
    char *end = out + COLLECTION_TEXT;
    for (; *at; at++) {
        size_t room = (size_t)(end - out);
        if (*at != '%')
            *out++ = *at;
        else if (*++at == 'k')
            out += snprintf(out, room, "%u", (unsigned)prng_below(chance, 6));
        else if (*at == 'm')
            out += element(chance, out, room);
        else
            out += snprintf(out, room, "%d", (int)prng_below(chance, 2000) - 1000);
    }
    *out = 0;
}
