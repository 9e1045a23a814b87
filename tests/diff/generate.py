"""Random commands for test_random.py: a dict of generators by command name, and draw(), which mixes them.

A generator takes a Draw and returns a list of steps (mode, words); a name stands for the command that it is there for.
Modes: how the two replies to the step are to be compared.

    =       byte for byte
    ?       elements in any order
    ~       figures that depend on the moment: large ones within a few seconds, the rest byte for byte
    #       the same shape: random elements
    -       not compared
    cross   words are (key, other key, db): see test_random.py
"""

import random

FAR_S = 2000000000  # absolute times from here on: nothing expires while the test runs
KEYS = ["a", "b", "c", "d", "e{t}", "f", "g", "h"]
# Behind a NUL Redis's SORT ALPHA looks at nothing, kvorum's does: no other name begins with a q.
NAMES = ["x", "y", "z", "1", "2", "-7", "30000", "field", "v" * 70, "", "q\x00\xff", "10", "007", "1.5", "n1", "n2"]
ODD = ["nan", "abc", "", "1e400", "99999999999999999999", " 1", "-", "+", "9223372036854775807", "-9223372036854775808"]


class Draw:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.chance = lambda p: self.random.random() < p
        self.one = self.random.choice
        self.stream_ms = 1
        self.changes_forms = seed % 2  # with commands that in Redis change forms alone: see test_random.py

    def key(self):
        return self.one(KEYS)

    def keys(self, most=3):
        return [self.key() for _ in range(self.random.randint(1, most))]

    def lex_key(self):
        """Of one whose members all have score 0: the order by bytes is not defined for others, and follows the encoding in Redis."""
        return self.one(["l1", "l2"])

    def log(self):
        """A key for HyperLogLogs alone: what comes of one whose bytes others changed is not defined."""
        return self.one(["p1", "p2", "p3"])

    def place_key(self):
        """Of one whose members GEOADD alone placed: of members that are equally far, COUNT keeps whichever come first to the server."""
        return self.one(["s1", "s2"])

    def name(self):
        if self.chance(0.6):
            return self.one(NAMES)
        return self.one(["m%d", "%d", "-%d", "user:%d"]) % self.random.randint(0, 20)

    def names(self, most=4):
        return [self.name() for _ in range(self.random.randint(1, most))]

    def value(self):
        if self.chance(0.05):
            return self.one(["ab", "z", "0123"]) * self.random.randint(1, 5000)
        return self.name()

    def int(self, low=-10, high=20):
        if self.chance(0.03):
            return self.one(ODD)
        return self.random.randint(low, high)

    def score(self):
        if self.chance(0.05):
            # A listpack keeps no -0, a skiplist does.
            return self.one(["inf", "-inf", "+inf", "nan", "abc", "1e300", "0.1", "0" if self.changes_forms else "-0", "1e-10", "12345678901234567"])
        return self.random.randint(-40, 40) / self.one([1, 1, 2, 4])

    def bound(self):
        return self.one(["", "(", ""]) + str(self.one([self.score(), "-inf", "+inf", "inf"]))

    def lex(self):
        return self.one(["-", "+", "[" + self.name(), "(" + self.name(), "[m", "(m5"] if self.chance(0.97) else ["x", ""])

    def some(self, *options):
        """Each option (a list of words) is there or not."""
        return [word for option in options if self.chance(0.3) for word in option]

    def many(self, low, high):
        """A count that crosses the thresholds of encodings now and then."""
        return self.random.randint(low, high) if self.chance(0.1) else self.random.randint(1, 5)

    def id(self):
        if self.chance(0.04):
            return self.one(["abc", "1-", "-1", "0-0", "18446744073709551615-18446744073709551615"])
        return "%d-%d" % (self.random.randint(1, self.stream_ms + 1), self.random.randint(0, 3))

    def next_id(self):
        if self.chance(0.1):
            return self.id()
        self.stream_ms += self.random.randint(0, 2)
        return self.one(["%d-%d" % (self.stream_ms, self.random.randint(0, 9)), "%d-*" % self.stream_ms])

    def group(self):
        return self.one(["g1", "g1", "g2", "none"])

    def far(self, scale=1):
        return self.one([FAR_S, FAR_S, FAR_S + self.random.randint(0, 1000)]) * scale

    def span(self, scale=1):
        return self.random.randint(10**6, 10**8) * scale


def plain(*words, mode="="):
    return [(mode, list(words))]


GENERATORS = {}


def command(*names, mode="="):
    """The decorated function makes the words after the command's name."""
    def add(function):
        for name in names:
            GENERATORS[name] = lambda d, name=name: [(mode, [*name.split("|"), *function(d)])]
        return function
    return add


def steps(name):
    def add(function):
        GENERATORS[name] = function
        return function
    return add


def set_options(d):
    return d.some([d.one(["NX", "XX"])], ["GET"], [d.one(["KEEPTTL", "EXAT %d" % d.far(), "PXAT %d" % d.far(1000), "EX %d" % d.span()])])


def split(words):
    return [part for word in words for part in (word.split(" ") if word[:2] in ("EX", "PX") else [word])]


# Strings
command("get", "getdel", "strlen", "incr", "decr", "type", "exists", "persist", "ttl", "pttl", "expiretime", "pexpiretime",
        "llen", "scard", "hlen", "zcard", "xlen", "lpop", "rpop", "zpopmin", "zpopmax", "hkeys", mode="~")(lambda d: [d.key()])
command("set")(lambda d: [d.key(), d.value(), *split(set_options(d))])
command("getset", "setnx", "append")(lambda d: [d.key(), d.value()])
command("incrby", "decrby")(lambda d: [d.key(), d.int()])
command("incrbyfloat")(lambda d: [d.key(), d.score()])
command("setex")(lambda d: [d.key(), d.span(), d.value()])
command("psetex")(lambda d: [d.key(), d.span(1000), d.value()])
command("getex")(lambda d: [d.key(), *d.one([[], ["PERSIST"], ["EXAT", d.far()], ["PXAT", d.far(1000)], ["EX", d.span()]])])
command("setrange")(lambda d: [d.key(), d.int(-1, 60), d.value()])
command("getrange", "substr")(lambda d: [d.key(), d.int(), d.int()])
command("mget")(lambda d: d.keys())
command("mset", "msetnx")(lambda d: [word for key in d.keys() for word in (key, d.value())])
command("lcs")(lambda d: [d.key(), d.key(), *d.some(["IDX"], ["LEN"], ["MINMATCHLEN", d.int()], ["WITHMATCHLEN"])])
# Bits
command("setbit")(lambda d: [d.key() if d.changes_forms else "bits", d.int(0, 300), d.int(0, 1)])
command("getbit")(lambda d: [d.one([d.key(), "bits"]), d.int(0, 300)])
command("bitcount")(lambda d: [d.key(), *d.one([[], [d.int(), d.int()], [d.int(), d.int(), d.one(["BIT", "BYTE"])]])])
command("bitpos")(lambda d: [d.key(), d.int(0, 1), *d.one([[], [d.int()], [d.int(), d.int(), d.one(["BIT", "BYTE"])]])])
command("bitop")(lambda d: [d.one(["AND", "OR", "XOR", "NOT"]), d.key(), d.one([d.key(), "bits"]), *d.some([d.key()])])


def field(d):
    kind = d.one("iu") + str(d.one([1, 4, 8, 16, 33, 63, 64]))
    offset = d.one(["", "#"]) + str(d.random.randint(-1, 40))  # no larger ones: "#" times the width overflows in Redis
    return d.one([["GET", kind, offset], ["SET", kind, offset, d.int()], ["INCRBY", kind, offset, d.int(-100, 200)],
                  ["OVERFLOW", d.one(["WRAP", "SAT", "FAIL"])]])


command("bitfield")(lambda d: [d.key() if d.changes_forms else "bits", *[word for _ in range(d.random.randint(0, 3)) for word in field(d)]])
command("bitfield_ro")(lambda d: [d.key(), "GET", d.one(["u8", "i5", "u63", "i64"]), d.int(0, 80)])
# HyperLogLog
command("pfadd")(lambda d: [d.log(), *["p%d" % d.random.randint(0, 10**6) for _ in range(d.many(100, 2000))]])
command("pfmerge")(lambda d: [d.log(), d.log(), *d.some([d.log()], [d.key()])])


@steps("pfcount")
def pfcount(d):
    key = d.log()  # Redis keeps the figure in the value, kvorum does not (README); it keeps none of several keys
    return plain("pfcount", key, d.one([d.log(), d.log(), d.key()])) if d.chance(0.7) else plain("pfcount", key) + plain("del", key)


# Keys
command("del", "unlink", "touch")(lambda d: d.keys(2))
command("rename", "renamenx")(lambda d: [d.key(), d.key()])
command("copy")(lambda d: [d.key(), d.key(), *d.some(["DB", d.int(0, 1)], ["REPLACE"])])
command("move")(lambda d: [d.key(), d.int(0, 1)])
command("swapdb")(lambda d: [d.int(0, 1), d.int(0, 1)])
command("select")(lambda d: [d.int(0, 1)])
command("dbsize")(lambda d: [])
command("flushdb", "flushall")(lambda d: d.some([d.one(["ASYNC", "SYNC"])]))
command("keys", mode="?")(lambda d: [d.one(["*", "[a-c]", "?", "e*", "[^a]"])])
command("randomkey", mode="#")(lambda d: [])
command("expire")(lambda d: [d.key(), d.span(), *d.some([d.one(["NX", "XX", "GT", "LT"])])])
command("pexpire")(lambda d: [d.key(), d.span(1000), *d.some([d.one(["NX", "XX", "GT", "LT"])])])
command("expireat")(lambda d: [d.key(), d.far() if d.chance(0.95) else 1, *d.some([d.one(["NX", "XX", "GT", "LT"])])])
command("pexpireat")(lambda d: [d.key(), d.far(1000) if d.chance(0.95) else -1, *d.some([d.one(["NX", "XX", "GT", "LT"])])])
command("object|encoding")(lambda d: [d.key()])
command("object|refcount")(lambda d: ["none"])
command("scan", mode="?")(lambda d: [0, "COUNT", 100000, *d.some(["MATCH", "[a-d]"], ["TYPE", d.one(["string", "list", "stream"])])])
command("hscan", "sscan", "zscan", mode="?")(lambda d: [d.key(), 0, "COUNT", 100000, *d.some(["MATCH", "*1*"])])


@steps("restore")
def restore(d):
    return [("cross", [d.key(), d.key()])]


@steps("dump")
def dump(d):
    return plain("dump", d.key(), mode="-")


@steps("sort")
def sort(d):
    if not d.changes_forms:
        return []
    # ALPHA: for numbers Redis looks at an errno that earlier commands may have left.
    shape = d.some(["LIMIT", d.int(0, 3), d.int(-1, 5)], [d.one(["ASC", "DESC"])])
    store = ["STORE", d.key()] if d.chance(0.4) else []
    return plain("sort", d.key(), *shape, "ALPHA", *d.some(["GET", "#"], ["GET", d.one("abc")]), *store)


command("sort_ro", mode="?")(lambda d: [d.key() if d.changes_forms else "none", "ALPHA", *d.some(["BY", "nosort"], ["GET", "#"])])
# Lists
command("lpush", "rpush")(lambda d: [d.key(), *[d.value() for _ in range(d.many(100, 800))]])
command("lpushx", "rpushx")(lambda d: [d.key(), *d.names()])
command("linsert")(lambda d: [d.key(), d.one(["BEFORE", "AFTER"]), d.name(), d.value()])
command("lindex")(lambda d: [d.key(), d.int()])
command("lset")(lambda d: [d.key(), d.int(-6, 8), d.value()])
command("lrange")(lambda d: [d.key(), d.int(), d.int()])
command("ltrim")(lambda d: [d.key(), d.int(-30, 4), d.int(-3, 30)])
command("lrem")(lambda d: [d.key(), d.int(-2, 2), d.name()])
command("lpos")(lambda d: [d.key(), d.name(), *d.some(["RANK", d.int(-3, 3)], ["COUNT", d.int(0, 3)], ["MAXLEN", d.int(0, 9)])])
command("lmove")(lambda d: [d.key(), d.key(), d.one(["LEFT", "RIGHT"]), d.one(["LEFT", "RIGHT"])])
command("rpoplpush")(lambda d: [d.key(), d.key()])


def counted(d, most=3):
    keys = d.keys(most)
    return [len(keys) if d.chance(0.97) else d.int(-1, 4), *keys]


command("lmpop")(lambda d: [*counted(d), d.one(["LEFT", "RIGHT"]), *d.some(["COUNT", d.int(0, 4)])])
command("blpop", "brpop", "bzpopmin", "bzpopmax")(lambda d: [*d.keys(2), "0.005"])
command("blmove")(lambda d: [d.key(), d.key(), d.one(["LEFT", "RIGHT"]), d.one(["LEFT", "RIGHT"]), "0.005"])
command("brpoplpush")(lambda d: [d.key(), d.key(), "0.005"])
command("blmpop")(lambda d: ["0.005", *counted(d), d.one(["LEFT", "RIGHT"]), *d.some(["COUNT", d.int(0, 4)])])
command("bzmpop")(lambda d: ["0.005", *counted(d), d.one(["MIN", "MAX"]), *d.some(["COUNT", d.int(0, 4)])])
# Hashes
command("hset", "hmset")(lambda d: [d.key(), *[w for i in range(d.many(100, 700)) for w in (d.name() if i < 5 else "f%d" % i, d.value())]])
command("hsetnx")(lambda d: [d.key(), d.name(), d.value()])
command("hget", "hexists", "hstrlen")(lambda d: [d.key(), d.name()])
command("hmget", "hdel", "srem", "zrem", "sadd", "smismember", "zmscore")(lambda d: [d.key(), *d.names()])
command("hincrby")(lambda d: [d.key(), d.name(), d.int()])
command("hincrbyfloat")(lambda d: [d.key(), d.name(), d.score()])
command("hgetall", "hvals", "smembers", "hkeys", mode="?")(lambda d: [d.key()])
command("hrandfield", "srandmember", mode="#")(lambda d: [d.key(), *d.some([d.int(0, 2)])])
command("zrandmember", mode="#")(lambda d: [d.key(), *d.some([d.int(0, 2), "WITHSCORES"])])
# Sets
command("sismember", "zscore", "zrank", "zrevrank")(lambda d: [d.key(), d.name()])
command("smove")(lambda d: [d.key(), d.key(), d.name()])
command("sinter", "sunion", "sdiff", mode="?")(lambda d: d.keys())
command("sinterstore", "sunionstore", "sdiffstore")(lambda d: [d.key(), *d.keys()])
command("sintercard", "zintercard")(lambda d: [*counted(d), *d.some(["LIMIT", d.int(0, 3)])])
GENERATORS["sadd"] = lambda d: plain("sadd", d.key(), *(d.names() if d.chance(0.7) else [
    d.random.randint(-70000, 70000) for _ in range(d.many(200, 700))]))


@steps("spop")
def spop(d):
    key = d.key()
    if d.chance(0.3):
        return plain("spop", key, 100000, mode="?")
    return plain("spop", key, *d.some([d.int(0, 3)]), mode="#") + plain("del", key)


# Sorted sets
command("zadd")(lambda d: [d.key(), *d.some([d.one(["NX", "XX"])], [d.one(["GT", "LT"])], ["CH"]), *(
    ["INCR", d.score(), d.name()] if d.chance(0.1) else
    [w for i in range(d.many(50, 200)) for w in (d.score(), d.name() if i < 5 else "m%d" % i)])])
ZADD = GENERATORS["zadd"]
GENERATORS["zadd"] = lambda d: ZADD(d) if d.chance(0.7) else plain("zadd", d.lex_key(), *[
    word for i in range(d.many(100, 150)) for word in (0, d.name() if i < 5 else "m%d" % i)])
command("zincrby")(lambda d: [d.key(), d.score(), d.name()])
command("zcount", "zremrangebyscore")(lambda d: [d.key(), d.bound(), d.bound()])
command("zlexcount", "zremrangebylex")(lambda d: [d.lex_key(), d.lex(), d.lex()])
command("zremrangebyrank")(lambda d: [d.key(), d.int(), d.int()])
LIMIT = ["LIMIT", 1, 3]
command("zrangebyscore", "zrevrangebyscore")(lambda d: [d.key(), d.bound(), d.bound(), *d.some(["WITHSCORES"], LIMIT)])
command("zrangebylex", "zrevrangebylex")(lambda d: [d.lex_key(), d.lex(), d.lex(), *d.some(LIMIT)])
command("zrevrange")(lambda d: [d.key(), d.int(), d.int(), *d.some(["WITHSCORES"])])


def zrange(d):
    by = d.one(["", "BYSCORE", "BYLEX"])
    ends = [d.int(), d.int()] if not by else [d.bound(), d.bound()] if by == "BYSCORE" else [d.lex(), d.lex()]
    return [*ends, *([by] if by else []), *d.some(["REV"]), *(d.some(LIMIT) if by or d.chance(0.02) else [])]


def ranged(d):
    words = zrange(d)
    return [d.lex_key() if "BYLEX" in words else d.key(), *words]


command("zrange")(lambda d: [*ranged(d), *d.some(["WITHSCORES"])])
command("zrangestore")(lambda d: [d.key(), *ranged(d)])


def combine(d, weighted=True):
    keys = d.keys()
    options = d.some(["WEIGHTS", *[d.random.randint(-3, 3) for _ in keys]], ["AGGREGATE", d.one(["SUM", "MIN", "MAX"])])
    return [len(keys), *keys, *(options if weighted else [])]


command("zunion", "zinter")(lambda d: [*combine(d), *d.some(["WITHSCORES"])])
command("zunionstore", "zinterstore")(lambda d: [d.key(), *combine(d)])
command("zdiff")(lambda d: [*combine(d, False), *d.some(["WITHSCORES"])])
command("zdiffstore")(lambda d: [d.key(), *combine(d, False)])
command("zmpop")(lambda d: [*counted(d), d.one(["MIN", "MAX"]), *d.some(["COUNT", d.int(0, 4)])])
for ends in ("zpopmin", "zpopmax", "lpop", "rpop"):
    command(ends)(lambda d: [d.key(), *d.some([d.int(-1, 5)])])
# Places
def spot(d):
    return [round(d.random.uniform(-185, 185), 6), round(d.random.uniform(-86, 86), 6)] if d.chance(0.1) else [
        round(d.random.uniform(10, 15), 6), round(d.random.uniform(36, 39), 6)]


def unit(d):
    return d.one(["m", "km", "ft", "mi"] if d.chance(0.98) else ["yd"])


WITH = (["WITHCOORD"], ["WITHDIST"], ["WITHHASH"])
command("geoadd")(lambda d: [d.one([d.key(), d.place_key()]), *d.some([d.one(["NX", "XX"])], ["CH"]), *[
    w for _ in range(d.random.randint(1, 4)) for w in (*spot(d), d.name())]])
command("geodist")(lambda d: [d.key(), d.name(), d.name(), *d.some([unit(d)])])
command("geohash", "geopos")(lambda d: [d.key(), *d.names()])


def search(d):
    return [*d.one([["FROMMEMBER", d.name()], ["FROMLONLAT", *spot(d)]]), *d.one([
        ["BYRADIUS", d.random.randint(1, 900), unit(d)], ["BYBOX", d.random.randint(1, 900), d.random.randint(1, 900), unit(d)]]),
        d.one(["ASC", "DESC"])]


def searched(d):
    """The key, and what is looked for in it."""
    return d.one([[d.key(), *search(d)], [d.place_key(), *search(d), *d.some(["COUNT", d.random.randint(1, 4)])]])


command("geosearch", mode="?")(lambda d: [*searched(d), *d.some(*WITH)])


@steps("geosearchstore")
def geosearchstore(d):
    key = d.key()
    if d.chance(0.8):
        return plain("geosearchstore", key, *searched(d))
    # Stored distances are not kept: kvorum's sine is its own, the same on every machine, and the last digit shows.
    return plain("geosearchstore", key, *searched(d), "STOREDIST") + plain("del", key)


for name, start in (("georadius", spot), ("georadiusbymember", lambda d: [d.name()])):
    command(name, mode="?")(lambda d, start=start: [d.key(), *start(d), d.random.randint(1, 900), unit(d), d.one(["ASC", "DESC"]), *d.one(
        [d.some(*WITH), ["STORE", d.key()]])])
    command(name + "_ro", mode="?")(lambda d, start=start: [d.key(), *start(d), d.random.randint(1, 900), unit(d), "ASC", *d.some(*WITH)])
# Streams
def trim(d):
    return [d.one(["MAXLEN", "MINID"]), *d.one([[], ["="], ["~"]]), d.int(0, 30), *([] if d.chance(0.9) else ["LIMIT", d.int(0, 9)])]


@steps("xadd")
def xadd(d):
    key = d.key()
    fields = d.names(1) + d.names(1)
    return [step for _ in range(d.many(50, 250)) for step in plain("xadd", key, *d.some(["NOMKSTREAM"]), *(
        trim(d) if d.chance(0.05) else []), d.next_id(), *fields, *(d.names(2) if d.chance(0.2) else []))]


command("xtrim")(lambda d: [d.key(), *trim(d)])
command("xdel")(lambda d: [d.key(), d.id(), *d.some([d.id()], [d.id()])])
command("xsetid")(lambda d: [d.key(), d.next_id(), *d.some(["ENTRIESADDED", d.int(0, 300), "MAXDELETEDID", d.id()])])
command("xrange")(lambda d: [d.key(), d.one(["-", d.id(), "(" + d.id()]), d.one(["+", d.id()]), *d.some(["COUNT", d.int(-1, 5)])])
command("xrevrange")(lambda d: [d.key(), d.one(["+", d.id()]), d.one(["-", d.id()]), *d.some(["COUNT", d.int(-1, 5)])])
command("xread")(lambda d: [*d.some(["COUNT", d.int(0, 5)], ["BLOCK", 2]), "STREAMS", d.key(), d.one([d.id(), "$"])])
command("xgroup|create")(lambda d: [d.key(), d.group(), d.one(["$", "0", d.id()]), *d.some(["MKSTREAM"], ["ENTRIESREAD", d.int(-1, 30)])])
command("xgroup|setid")(lambda d: [d.key(), d.group(), d.one(["$", "0", d.id()]), *d.some(["ENTRIESREAD", d.int(-1, 30)])])
command("xgroup|destroy")(lambda d: [d.key(), "g2"])
command("xgroup|createconsumer", "xgroup|delconsumer")(lambda d: [d.key(), d.group(), d.one(["c1", "c2", "c3"])])
command("xreadgroup")(lambda d: ["GROUP", d.group(), d.one(["c1", "c2"]), *d.some(["COUNT", d.int(0, 9)], ["NOACK"]), "STREAMS", d.key(),
                                 d.one([">", ">", "0", d.id()])])
command("xack")(lambda d: [d.key(), d.group(), d.id(), *d.some([d.id()], [d.id()])])
command("xpending")(lambda d: [d.key(), d.group()])
command("xclaim")(lambda d: [d.key(), d.group(), d.one(["c1", "c2"]), 0, d.id(), d.id(), *d.some(
    ["TIME", d.far(1000) - 10**12], ["RETRYCOUNT", d.int(0, 9)], ["FORCE"], ["JUSTID"], ["LASTID", d.id()])])
command("xautoclaim")(lambda d: [d.key(), d.group(), d.one(["c1", "c2"]), 0, d.one(["-", "0", d.id()]), *d.some(["COUNT", d.int(0, 9)], ["JUSTID"])])
command("xinfo|stream", "xinfo|groups")(lambda d: [d.key()])
command("xinfo|consumers", mode="-")(lambda d: [d.key(), d.group()])

# Scripts: another command from inside of one, and what the libraries make of texts
CALL = "return redis.%s(unpack(ARGV))"
LIBRARY = "#!lua name=lib\nredis.register_function{function_name='%s', callback=function(k, a) return redis.call(unpack(a)) end, flags={%s}}"
CALLED = ("get", "set", "incr", "incrbyfloat", "append", "mget", "lpush", "lrange", "lset", "hset", "hget", "hincrby", "sismember", "zadd", "zscore",
          "zincrby", "zrange", "xadd", "xrange", "xlen", "type", "exists", "del", "rename", "setrange", "getrange", "bitcount", "lpop", "zcount")


def called(d):
    """The words of one command, and how its reply is compared."""
    made = GENERATORS[d.one(CALLED)](d)
    mode, words = made[0]
    return (mode, words) if mode in "=~" and len(words) < 100 else ("=", ["get", "a"])


def script(name):
    @steps(name)
    def run(d):
        mode, words = called(d)
        return plain(name, CALL % d.one(["call", "pcall"]), 0, *words, mode=mode)


script("eval")
script("eval_ro")


@steps("fcall")
def fcall(d):
    mode, words = called(d)
    return plain("function", "load", "replace", LIBRARY % ("run", d.one(["", "'no-writes'", "'allow-oom'"]))) + plain(
        d.one(["fcall", "fcall", "fcall_ro"]), d.one(["run", "RUN"]), 0, *words, mode=mode)


def json(d, depth=4):
    """No object has two members: their order is that of a table of Lua."""
    kind = d.random.randint(0, 9 if depth else 6)
    if kind == 9:
        return '{%s: %s}' % (json_text(d), json(d, depth - 1))
    if kind > 6:
        return "[%s]" % ",".join(json(d, depth - 1) for _ in range(d.random.randint(0, 4)))
    return d.one([json_text(d), str(d.random.randint(-10**6, 10**6)), repr(d.random.uniform(-1e6, 1e6)), "1e%d" % d.random.randint(-30, 30),
                  "true", "null", d.one(["nan", "-0", "[", "0x1f", "01", "1.", "tru", '"', "Infinity", "{}", '{1:2}', "[1,]", ""])])


def json_text(d):
    return '"%s"' % "".join(d.one(["a", "\\n", "\\u00e9", "\\ud83d\\ude00", "\\/", "é", " ", "/", "\\ud800", "\\x", "\x7f", "\t"] if d.chance(0.5) else ["b"])
                            for _ in range(d.random.randint(0, 5)))


def packed(d):
    """Bytes of MessagePack, most of them whole."""
    return d.one([chr(d.random.randint(0, 127)), "\xcc" + chr(d.random.randint(0, 255)), "\xd1\xff" + chr(d.random.randint(0, 255)), "\xa3abc", "\xc0", "\xc3",
                  "\x92\x01\x02", "\x81\x01\xa1x", "\xcb\x40\x09\x21\xfb\x54\x44\x2d\x18", "\xca\x3f\x80\x00\x00", "\xd9\x02ab", "\xdc\x00\x01\x05",
                  "\xce\xff\xff\xff\xff", "\xd0\x80", "\x93\x01", "\xc1", "\xd3\xff\xff\xff\xff\xff\xff\xff\xfe"])


def text(d):
    return d.one([d.value(), json(d), "".join(packed(d) for _ in range(d.random.randint(0, 4)))])


def format_of(d):
    return "".join(d.one([">", "<", "!4", "b", "B", "h", "H", "i4", "I2", "l", "L", "f", "d", "s", "c3", "c0", "x", " ", "=", "z"])
                   for _ in range(d.random.randint(0, 4)))


@steps("evalsha")
def libraries(d):
    body, arguments = d.one([
        ("return cjson.encode(cjson.decode(ARGV[1]))", [json(d)]),
        ("return cmsgpack.unpack(ARGV[1])", ["".join(packed(d) for _ in range(d.random.randint(0, 4)))]),
        ("local t = {cmsgpack.unpack(ARGV[1])} return cmsgpack.pack(unpack(t))", ["".join(packed(d) for _ in range(d.random.randint(0, 3)))]),
        ("return cmsgpack.pack(cjson.decode(ARGV[1]))", [json(d)]),
        ("return struct.pack(ARGV[1], ARGV[2], ARGV[3], ARGV[2])", [format_of(d), d.int(), d.int()]),
        ("return {struct.unpack(ARGV[1], ARGV[2])}", [format_of(d), text(d)]),
        ("return bit.tohex(bit.bxor(ARGV[1], bit.rol(ARGV[2], ARGV[3])))", [d.int(), d.int(), d.int()]),
        ("return {string.find(ARGV[1], ARGV[2])}", [text(d), d.one(["%d+", "(a*(.)%w(%s*))", "[^%d]", "^.-x", "%b[]", "()"])]),
        ("return string.format(ARGV[1], ARGV[2], ARGV[3])", [d.one(["%s|%q", "%d", "%5.2f %s", "%x", "%10s%-5s", "%c", "%g %s", "%i%%"]), d.int(), text(d)]),
        ("return {tonumber(ARGV[1]), tostring(tonumber(ARGV[1]))}", [d.one([str(d.score()), text(d), "0x1p4", "1e400", " 12 ", "1_0"])]),
        ("return redis.sha1hex(ARGV[1])", [text(d)]),
        ("return {ok=ARGV[1]}", [text(d)]), ("return redis.error_reply(ARGV[1])", [d.one(["x", "ERR y", "-Z w", "a\r\nb", ""])]),
        ("return tonumber(ARGV[1])", [str(d.score())])])
    return plain("eval", body, 0, *arguments)


WEIGHTS = {"flushall": 0.02, "flushdb": 0.02, "select": 0.1, "swapdb": 0.1, "move": 0.3, "xadd": 5, "xgroup|create": 3, "xreadgroup": 3,
           "xclaim": 2, "hset": 3, "sadd": 3, "zadd": 3, "geoadd": 3, "rpush": 2, "lpush": 2, "del": 0.5, "unlink": 0.5, "restore": 2,
           "blpop": 0.2, "brpop": 0.2, "bzpopmin": 0.2, "bzpopmax": 0.2, "blmove": 0.2, "brpoplpush": 0.2, "blmpop": 0.2, "bzmpop": 0.2,
           "rename": 0.7, "set": 2, "pfadd": 2, "spop": 0.5, "object|encoding": 3}


def spoilt(d, words):
    """A word too many or too few, or one that is not what it should be."""
    kind = d.random.randint(0, 2)
    if kind == 0:
        return [*words, d.name()]
    if kind == 1 and len(words) > 1:
        return words[:-1]
    place = d.random.randrange(1, len(words) + 1)
    return words[:place] + [d.one(ODD)] + words[place + 1:]


UNSPOILT = {"spop", "flushall", "flushdb", "select", "pfcount", "blpop", "brpop", "bzpopmin", "bzpopmax", "blmove", "brpoplpush", "blmpop", "bzmpop",
            "xread", "xadd", "randomkey", "hrandfield", "srandmember", "zrandmember", "object|refcount", "swapdb", "scan", "hscan", "sscan", "zscan",
            "xgroup|create", "expire", "pexpire", "setex", "psetex", "getex", "set", "dump", "restore", "xpending", "sort", "xclaim", "xautoclaim"}


def one_command(d):
    names = list(GENERATORS)
    name = d.random.choices(names, [WEIGHTS.get(name, 1) for name in names])[0]
    made = GENERATORS[name](d)
    if name not in UNSPOILT and d.chance(0.02) and made[:1] and made[0][1][1:2] not in (["l1"], ["l2"]):
        made = [(mode, spoilt(d, words)) for mode, words in made]
    return made


def draw(seed, count):
    """About `count` steps, for one connection on which nothing was said yet."""
    d = Draw(seed)
    out = []
    while len(out) < count:
        kind = d.random.random()
        if kind < 0.005:
            out += plain("hello", d.one([2, 3]), mode="-")
        elif kind < 0.02:
            inner = [step for _ in range(d.random.randint(1, 5)) for step in one_command(d) if step[0] != "cross"]
            out += d.one([[], plain("watch", d.key())]) + plain("multi") + inner + plain(d.one(["exec", "exec", "exec", "discard"]))
        else:
            out += one_command(d)
    return out
