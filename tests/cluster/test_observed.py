#!/usr/bin/python3
"""What a server tells of the commands it runs (SLOWLOG, MONITOR, LATENCY), and what CLIENT REPLY and CLIENT PAUSE do to them, on a
node alone and through the proxy port of one that follows."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import PORTS, Checks, Cluster, Conn, RespError, encode, info, scratch, wait  # noqa: E402

checks = Checks()


def pipelined(conn, *commands):
    conn.send(b"".join(encode(*command) for command in commands))


def replies_off(conn, where):
    """Reads, writes and what the server answers itself; what follows ON is answered in its order."""
    pipelined(conn, ["SET", "quiet", "1"], ["CLIENT", "REPLY", "OFF"], ["SET", "quiet", "2"], ["GET", "quiet"], ["PING"], ["NONSENSE"],
              ["MULTI"], ["INCR", "quiet"], ["EXEC"], ["CLIENT", "REPLY", "ON"], ["GET", "quiet"])
    checks.equal("CLIENT REPLY OFF %s" % where, [conn.reply() for _ in range(3)], [b"OK", b"OK", b"3"])
    pipelined(conn, ["CLIENT", "REPLY", "SKIP"], ["GET", "quiet"], ["GET", "quiet"], ["CLIENT", "REPLY", "SKIP"], ["PING"], ["PING"])
    checks.equal("CLIENT REPLY SKIP %s" % where, [conn.reply(), conn.reply()], [b"3", b"PONG"])


def pushes_go_on(port, conn, where):
    """What SUBSCRIBE answers are pushes, as messages are: they come while replies are off."""
    with Conn(port) as subscriber:
        pipelined(subscriber, ["CLIENT", "REPLY", "OFF"], ["GET", "quiet"], ["SUBSCRIBE", "news"], ["PING"], ["PUBLISH", "other", "x"])
        checks.equal("SUBSCRIBE answers while replies are off %s" % where, subscriber.reply(), [b"subscribe", b"news", 1])
        conn.call("PUBLISH", "news", "come")
        checks.equal("so do messages %s" % where, subscriber.reply(), [b"message", b"news", b"come"])
        pipelined(subscriber, ["UNSUBSCRIBE", "news"], ["RESET"], ["GET", "quiet"])
        checks.equal("RESET ends that %s" % where, [subscriber.reply() for _ in range(3)], [[b"unsubscribe", b"news", 0], b"RESET", b"3"])


def pause(port, conn, where):
    with Conn(port) as other:
        conn.call("CLIENT", "PAUSE", 60000, "WRITE")
        other.send(encode("SET", "paused", "1") + encode("GET", "paused"))
        wait("a client that waits", lambda: info(port, "clients")["blocked_clients"] == "1")
        checks.equal("reads go on while writes are paused %s" % where, conn.call("GET", "paused"), None)
        conn.call("CLIENT", "UNPAUSE")
        checks.equal("writes go on when the pause is over %s" % where, [other.reply(), other.reply()], [b"OK", b"1"])
        began = time.monotonic()
        conn.call("CLIENT", "PAUSE", 300)
        conn.call("GET", "paused")
        checks.ok("CLIENT PAUSE ends by itself %s" % where, 0.25 < time.monotonic() - began < 5)
        conn.call("DEL", "paused")


def monitored(port, conn, where):
    with Conn(port) as watcher:
        watcher.call("MONITOR")
        for command in (["SET", "k", "a\n\x01\""], ["GET", "k"], ["MULTI"], ["PING"], ["EXEC"], ["AUTH", "me", "secret"], ["NONSENSE"], ["ECHO", "end"]):
            conn.send(encode(*command))
            conn.reply()
        shown = [watcher.reply().split(b"] ")[1] for _ in range(7)]
        checks.equal("MONITOR %s" % where, shown, [b'"SET" "k" "a\\n\\x01\\""', b'"GET" "k"', b'"MULTI"', b'"PING"', b'"EXEC"',
                                                   b'"AUTH" "(redacted)" "(redacted)"', b'"ECHO" "end"'])


def without_lines(conn, count):
    """As many replies, without what MONITOR shows between them."""
    got = []
    while len(got) < count:
        reply = conn.reply()
        if not (isinstance(reply, bytes) and b" [" in reply):
            got.append(reply)
    return got


def watcher_that_asks(port, conn, where):
    """What it is shown is no reply: nothing of its own is mixed up, it is held to its limit, and it hears nothing behind QUIT."""
    with Conn(port) as watcher, Conn(port) as copies:
        watcher.call("MONITOR")
        pipelined(watcher, ["CLIENT", "TRACKING", "ON", "REDIRECT", copies.call("CLIENT", "ID")], ["MULTI"], ["SET", "k", "1"], ["GET", "k"], ["EXEC"], ["WATCH", "k"])
        conn.call("ECHO", "between")
        checks.equal("EXEC of one who watches %s" % where, without_lines(watcher, 6), [b"OK", b"OK", b"QUEUED", b"QUEUED", [b"OK", b"1"], b"OK"])
        pipelined(watcher, ["ECHO", "on"], ["QUIT"])
        checks.equal("it goes on behind WATCH %s" % where, without_lines(watcher, 2), [b"on", b"OK"])
        conn.call("ECHO", "after")
        checks.equal("nothing comes behind QUIT %s" % where, watcher.file.read(), b"")
    conn.call("CONFIG", "SET", "client-output-buffer-limit", "normal 1048576 0 0")
    with Conn(port) as watcher:
        pipelined(watcher, ["MONITOR"], ["BLPOP", "nothing", "0"])
        wait("a client that waits", lambda: info(port, "clients")["blocked_clients"] == "1")
        for _ in range(1000):
            conn.call("ECHO", "x" * 10000)
        checks.equal("one who waits is held to its limit %s" % where, info(port, "clients")["blocked_clients"], "0")
    conn.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")


def scripts(port, conn):
    """What they call is counted and shown, behind what has called it: as an entry, as a read, inside a transaction. Not what a trial runs."""
    conn.call("CONFIG", "RESETSTAT")
    write, read = "redis.call('EXISTS', KEYS[1]) for i=1,2 do redis.call('SET', KEYS[1], i) end redis.pcall('INCR', KEYS[1], 'x', 'y')", "return redis.call('GET', KEYS[1])"
    with Conn(port) as watcher:
        watcher.call("MONITOR")
        conn.call("EVAL", write, 1, "s")
        [conn.call(name, read, 1, "s") for name in ("EVAL_RO", "EVAL_RO", "EVAL")]  # the first time it is an entry
        pipelined(conn, ["MULTI"], ["EVAL", "redis.pcall('HGET', 's', 'f')", 0], ["EXEC"])
        [conn.reply() for _ in range(3)]
        conn.call("ECHO", "end")
        lines = []
        while not lines or b'"ECHO"' not in lines[-1]:
            lines.append(watcher.reply())
    shown = [line.split(b'"')[1] + (b" lua" if b" lua] " in line else b"") for line in lines]
    order = [b"EVAL", b"EXISTS lua", b"SET lua", b"SET lua", b"EVAL_RO", b"GET lua", b"EVAL_RO", b"GET lua", b"EVAL", b"GET lua"]
    checks.equal("MONITOR shows scripts", sorted(shown), sorted(order + [b"MULTI", b"EVAL", b"EXEC", b"HGET lua", b"ECHO"]))
    checks.equal("in their order", shown[:10], order)
    calls = {name: conn.call("INFO", "commandstats").decode().partition("cmdstat_%s:" % name)[2].split("\r\n")[0] for name in ("eval", "set", "get", "hget")}
    checks.equal("what scripts call is counted", [line.split(",")[0] + line[-2:] for line in calls.values()],
                 ["calls=3=0", "calls=2=0", "calls=3=0", "calls=1=1"])


def refusal(conn, *args):
    """Its error's first word, or None."""
    try:
        conn.call(*args)
    except RespError as e:
        return str(e).split(" ")[0]
    return None


def busy(port, leader, where):
    """A script that never ends is held up where it has come in, where others hear of it and can end it."""
    with Conn(port) as runner, Conn(port) as other:
        other.call("CONFIG", "SET", "busy-reply-threshold", 20)
        runner.send(encode("EVAL", "while true do end", 0))
        checks.run("others hear BUSY %s" % where, wait, "it", lambda: refusal(other, "PING") == "BUSY")
        if leader:
            checks.equal("the leader goes on", leader.call("SET", "meanwhile", "1"), b"OK")
        checks.equal("SCRIPT KILL %s" % where, other.call("SCRIPT", "KILL"), b"OK")
        checks.ok("it is ended %s" % where, "killed by user" in str(runner.reply()))
        checks.equal("and others are heard again %s" % where, refusal(other, "PING"), None)
        other.call("CONFIG", "SET", "busy-reply-threshold", 5000)


def copies(port, where):
    """CLIENT TRACKING: no push between these replies, for nothing that is kept has changed since."""
    with Conn(port) as conn:
        conn.call("HELLO", 3)
        asked = [("FLUSHALL", b"OK"), ("CLIENT TRACKING ON NOLOOP", b"OK"), ("SET a 1", b"OK"), ("GET a", b"1")]
        checks.equal("a flush from before %s" % where, [conn.call(*words.split(" ")) for words, _ in asked], [reply for _, reply in asked])
        script = "return redis.call('SET', KEYS[1], '2')"
        checks.equal("a script that reads nothing %s" % where, [conn.call("EVAL", script, 1, "a"), conn.call("GET", "a")], [b"OK", b"2"])
        with Conn(port) as other:
            other.call("SET", "a", "3")
        checks.equal("another's write is told %s" % where, conn.reply(), [b"invalidate", [b"a"]])


def memory(conn, where):
    """A read like any other; inside a transaction it is this node's own figure, and no part of the entry."""
    conn.call("SET", "big", "x" * 5000)
    checks.ok("MEMORY USAGE %s" % where, 5000 < conn.call("MEMORY", "USAGE", "big", "SAMPLES", 0) < 7000)
    checks.equal("MEMORY USAGE of nothing %s" % where, conn.call("MEMORY", "USAGE", "nothing"), None)
    pipelined(conn, ["MULTI"], ["SET", "other", "1"], ["MEMORY", "USAGE", "nothing"], ["EXEC"])
    checks.equal("MEMORY USAGE in a transaction %s" % where, [conn.reply() for _ in range(4)][3], [b"OK", None])


MEMORY_FIGURES = """peak.allocated total.allocated startup.allocated replication.backlog clients.slaves clients.normal cluster.links aof.buffer
lua.caches functions.caches db.0 overhead.total keys.count keys.bytes-per-key dataset.bytes dataset.percentage peak.percentage
allocator.allocated allocator.active allocator.resident allocator-fragmentation.ratio allocator-fragmentation.bytes allocator-rss.ratio
allocator-rss.bytes rss-overhead.ratio rss-overhead.bytes fragmentation fragmentation.bytes""".split()


def memory_stats(conn):
    """What Redis tells, under its names and in its order; and that the figures hang together."""
    def stats():
        flat = conn.call("MEMORY", "STATS")
        return [name.decode() for name in flat[::2]], dict(zip([name.decode() for name in flat[::2]], flat[1::2]))

    conn.call("FLUSHALL")
    conn.call("SCRIPT", "FLUSH")
    conn.call("SET", "k", "v")
    names, before = stats()
    checks.equal("MEMORY STATS has Redis's figures", names, MEMORY_FIGURES)
    checks.equal("of each database, too", before["db.0"][::2], [b"overhead.hashtable.main", b"overhead.hashtable.expires", b"overhead.hashtable.slot-to-keys"])
    conn.call("SET", "big", "x" * 3000000, "EX", 100)
    conn.call("DEBUG", "POPULATE", 20000)
    conn.call("FUNCTION", "LOAD", "REPLACE", "#!lua name=seen\nredis.register_function('seen', function() return 1 end)")
    for i in range(1001):
        conn.send(encode("SCRIPT", "LOAD", "return %d" % i))
    [conn.reply() for _ in range(1001)]
    after = stats()[1]
    checks.ok("they grow", all(after[name] > before[name] for name in ("total.allocated", "dataset.bytes", "lua.caches", "functions.caches")), "%s %s" % (before, after))
    parts = ["startup.allocated", "replication.backlog", "clients.slaves", "clients.normal", "cluster.links", "lua.caches", "functions.caches"]
    checks.equal("what is no data adds up", after["overhead.total"], sum(after[name] for name in parts) + sum(after["db.0"][1::2]))
    checks.ok("by what was put in", 3000000 < after["dataset.bytes"] - before["dataset.bytes"] < 6000000)
    checks.equal("keys are counted", after["keys.count"], 20002)
    checks.ok("so are the buckets that lead to them", after["db.0"][1] > 20000 * 8 and after["db.0"][3] > 0)
    checks.ok("and what was there at the start", 0 < after["startup.allocated"] < after["total.allocated"] <= after["peak.allocated"])
    checks.ok("INFO says the same", int(info(conn.sock.getpeername()[1], "memory")["used_memory_scripts_eval"]) == after["lua.caches"])
    doctor = conn.call("MEMORY", "DOCTOR").decode()
    checks.ok("MEMORY DOCTOR finds many scripts", " * Many scripts" in doctor and doctor.endswith("I want to help you.\n"), doctor)
    conn.call("SCRIPT", "FLUSH")
    checks.ok("and nothing where there are none", "Many scripts" not in conn.call("MEMORY", "DOCTOR").decode())
    report = conn.call("MEMORY", "MALLOC-STATS").decode()
    checks.ok("MEMORY MALLOC-STATS is the allocator's", "jemalloc" in report or "not supported" in report, report[:200])
    checks.equal("MEMORY PURGE", conn.call("MEMORY", "PURGE"), b"OK")
    conn.call("FLUSHALL")


def figures(conn):
    """Figures of INFO that monitoring reads."""
    conn.call("FLUSHALL")
    conn.call("SET", "for ever", 1)
    for i in range(600):
        conn.send(encode("SET", "k%d" % i, "v", "EX", 1000 if i % 2 else 3000))
    [conn.reply() for _ in range(600)]
    told = info(conn.sock.getpeername()[1])
    keys, expires, ttl = (int(field.split("=")[1]) for field in told["db0"].split(","))
    checks.ok("the average time to live", (keys, expires) == (601, 600) and 1900000 < ttl <= 2100000, told["db0"])
    checks.equal("links of the cluster", told["cluster_connections"], "4")
    checks.ok("bytes to and from peers", int(told["total_net_repl_input_bytes"]) > 1000 < int(told["total_net_repl_output_bytes"]))
    conn.call("FLUSHALL")


def links(cluster):
    """A pair with each peer; the other node sees the same pair from its side."""
    ids = {node: Conn(node.port).call("CLUSTER", "MYID") for node in cluster.nodes}
    for node in cluster.nodes:
        told = [dict(zip(link[::2], link[1::2])) for link in Conn(node.port).call("CLUSTER", "LINKS")]
        checks.equal("CLUSTER LINKS of %d" % node.port, sorted((link[b"node"], link[b"direction"]) for link in told),
                     sorted((ids[peer], way) for peer in cluster.nodes if peer is not node for way in (b"from", b"to")))
        checks.ok("since when", all(time.time() * 1000 - 300000 < link[b"create-time"] <= time.time() * 1000 for link in told), told)
        checks.ok("and how much waits", all(link[b"events"] in (b"r", b"rw") and link[b"send-buffer-allocated"] >= link[b"send-buffer-used"] >= 0
                                            for link in told), told)


def slow(conn):
    conn.call("CONFIG", "SET", "slowlog-log-slower-than", 0)
    conn.call("CLIENT", "SETNAME", "tester")
    conn.call("SLOWLOG", "RESET")
    conn.call("SET", "k", "v" * 200)
    conn.call("GET", "k")
    pipelined(conn, ["MULTI"], ["SET", "a", "b"], ["EXEC"])
    [conn.reply() for _ in range(3)]
    conn.call("ACL", "SETUSER", "kept", ">secret")
    conn.call("ACL", "DELUSER", "kept")
    conn.call("CONFIG", "SET", "requirepass", "")
    conn.call("CONFIG", "SET", "slowlog-log-slower-than", -1)
    kept = [entry[3] for entry in conn.call("SLOWLOG", "GET", -1)][::-1]
    checks.equal("SLOWLOG", kept, [[b"SLOWLOG", b"RESET"], [b"SET", b"k", b"v" * 128 + b"... (72 more bytes)"], [b"GET", b"k"], [b"MULTI"],
                                   [b"exec", b"SET", b"a", b"b"], [b"ACL", b"SETUSER", b"(redacted)", b"(redacted)"],
                                   [b"ACL", b"DELUSER", b"kept"], [b"CONFIG", b"SET", b"requirepass", b"(redacted)"]])
    checks.equal("SLOWLOG names the client", conn.call("SLOWLOG", "GET", 1)[0][5], b"tester")


def spikes(conn):
    conn.call("CONFIG", "SET", "latency-monitor-threshold", 20)
    conn.call("CONFIG", "SET", "slowlog-log-slower-than", 20000)
    conn.call("SLOWLOG", "RESET")
    conn.call("DEBUG", "SLEEP", 0.05)
    (name, _, last, longest), = conn.call("LATENCY", "LATEST")
    checks.ok("LATENCY LATEST", name == b"command" and 50 <= last == longest < 5000, "%s %s %s" % (name, last, longest))
    checks.equal("LATENCY HISTORY", [ms for _, ms in conn.call("LATENCY", "HISTORY", "command")], [last])
    checks.equal("one command was slow", [entry[3] for entry in conn.call("SLOWLOG", "GET")], [[b"DEBUG", b"SLEEP", b"0.05"]])
    checks.ok("LATENCY GRAPH", b"high %d ms" % last in conn.call("LATENCY", "GRAPH", "command"))
    checks.equal("LATENCY RESET", [conn.call("LATENCY", "RESET"), conn.call("LATENCY", "LATEST")], [1, []])


def counted(conn):
    """What INFO and CLIENT LIST say of commands, also of those between MULTI and EXEC."""
    conn.call("CONFIG", "RESETSTAT")
    pipelined(conn, ["MULTI"], ["SET", "a", "b"], ["AUTH", "a"], ["EXEC"], ["SET", "a"], ["EXEC"])
    [conn.reply() for _ in range(6)]
    lines = conn.call("INFO", "commandstats").decode().split("\r\n")
    told = {line.partition(":")[0]: line.split(",")[-2:] for line in lines if ":" in line}
    calls = {line.partition(":")[0]: line.partition("calls=")[2].split(",")[0] for line in lines if ":" in line}
    checks.equal("calls inside a transaction are counted", [calls["cmdstat_set"], calls["cmdstat_auth"]], ["1", "1"])
    checks.equal("failed and rejected calls", [told["cmdstat_auth"], told["cmdstat_set"], told["cmdstat_exec"]],
                 [["rejected_calls=0", "failed_calls=1"], ["rejected_calls=1", "failed_calls=0"], ["rejected_calls=0", "failed_calls=1"]])
    listed = conn.call("CLIENT", "LIST").decode()
    checks.ok("CLIENT LIST counts the request, and no list of replies", " qbuf=26 " in listed and " obl=0 oll=0 omem=0 " in listed, listed)


def errors(conn):
    """Which errors are counted, and at which command: those in a transaction, those that scripts catch, once each."""
    for script in ("return redis.call('incr',KEYS[1])", "redis.pcall('incr',KEYS[1]) return 1", "return redis.pcall('incr')",
                   "return redis.error_reply('MINE own')"):
        conn.call("CONFIG", "RESETSTAT")
        conn.call("SET", "word", "x")
        conn.send(encode("EVAL", script, 1, "word"))
        conn.reply()
        yield script, counts(conn, "incr", "eval")
    pipelined(conn, ["CONFIG", "RESETSTAT"], ["MULTI"], ["INCR", "word"], ["GET", "word"], ["LPUSH", "word", "1"], ["INCR", "word"], ["TIME"],
              ["EVAL", "return redis.call('incr',KEYS[1])", "1", "word"], ["PUBLISH", "a", "b"], ["EXEC"])
    [conn.reply() for _ in range(10)]
    yield "exec", counts(conn, "incr", "lpush", "get")


def counts(conn, *names):
    lines = dict(line.split(":", 1) for line in conn.call("INFO", "everything").decode().split("\r\n") if ":" in line)
    out = [",".join(lines.get("cmdstat_" + name, "none,0").split(",")[::3] + lines.get("cmdstat_" + name, ",").split(",")[-1:]) for name in names]
    errors_told = " ".join(sorted(key[10:] + "=" + value[6:] for key, value in lines.items() if key.startswith("errorstat_")))
    return out + [errors_told, lines["total_error_replies"]]


def errors_counted(leader, follower):
    def told(calls, rejected=0, failed=0):
        return "calls=%d,rejected_calls=%d,failed_calls=%d" % (calls, rejected, failed)

    wanted = [[told(1, 0, 1), told(1, 0, 1), "ERR=1", "1"], [told(1, 0, 1), told(1), "ERR=1", "1"], [told(0, 1), told(1, 0, 1), "ERR=1", "1"],
              ["none,", told(1, 0, 1), "MINE=1", "1"], [told(3, 0, 3), told(1, 0, 1), told(1), "ERR=3 WRONGTYPE=1", "4"]]
    for (what, found), as_redis in zip(errors(leader), wanted):
        checks.equal("errors of %s on the leader" % what, found, as_redis)
    # What scripts call runs elsewhere.
    found = [found for what, found in errors(follower) if what == "exec"]
    checks.equal("errors in a transaction through a follower", found, [[told(2, 0, 2)] + wanted[-1][1:]])


def cleared(conn):
    """What CONFIG RESETSTAT sets to nothing; what is freed later than it is removed."""
    conn.call("SET", "there", "1")
    conn.call("GET", "there")
    conn.call("GET", "not there")
    conn.call("RPUSH", "long", *["x" * 100] * 5000)
    conn.call("UNLINK", "long")
    wait("nothing to be freed", lambda: conn.call("PING") and info(conn.sock.getpeername()[1], "memory")["lazyfree_pending_objects"] == "0")
    found = info(conn.sock.getpeername()[1])
    checks.equal("what is freed in the background is counted", found["lazyfreed_objects"], "1")
    checks.ok("hits and misses", int(found["keyspace_hits"]) and int(found["keyspace_misses"]))
    conn.call("CONFIG", "RESETSTAT")
    found = info(conn.sock.getpeername()[1])
    checks.equal("RESETSTAT", [found[name] for name in ("keyspace_hits", "keyspace_misses", "lazyfreed_objects", "expired_keys")], ["0"] * 4)


def debugged(cluster, conn, where):
    """DEBUG POPULATE makes the same keys on all nodes, and leaves alone what is there; RELOAD takes Redis's options."""
    def fails(*words):
        conn.send(encode("DEBUG", *words))
        return str(conn.reply())

    conn.call("FLUSHALL")
    wait("it has reached this node", lambda: not info(conn.sock.getpeername()[1], "keyspace"))
    checks.equal("DEBUG RELOAD NOFLUSH of nothing %s" % where, conn.call("DEBUG", "RELOAD", "NOFLUSH"), b"OK")
    conn.call("SET", "pop:1", "mine")
    checks.equal("DEBUG POPULATE %s" % where, [conn.call("DEBUG", "POPULATE", 3), conn.call("DEBUG", "POPULATE", 3, "pop", 10),
                                               conn.call("DEBUG", "POPULATE", 2, "cut", 4)], [b"OK"] * 3)
    checks.equal("what it makes %s" % where, [conn.call("DBSIZE")] + conn.call("MGET", "key:0", "key:2", "pop:0", "pop:1", "cut:1"),
                 [8, b"value:0", b"value:2", b"value:0\0\0\0", b"mine", b"valu"])
    checks.equal("what it refuses %s" % where, [fails("POPULATE", "x"), fails("POPULATE", "-1"), fails("POPULATE", "1", "p", "1", "1")],
                 ["ERR value is not an integer or out of range", "ERR value is out of range, must be positive",
                  "ERR unknown subcommand or wrong number of arguments for 'POPULATE'. Try DEBUG HELP."])
    checks.ok("nor too much at once %s" % where, "proto-max-bulk-len" in fails("POPULATE", "1000000000", "p", "1000"))
    checks.equal("DEBUG RELOAD %s" % where, [fails("RELOAD", "NOFLUSH"), fails("RELOAD", "X"), conn.call("DEBUG", "RELOAD", "NOFLUSH", "MERGE")],
                 ["ERR Error trying to load the RDB dump", "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.", b"OK"])
    wait("the same on all nodes", lambda: len({Conn(node.port).call("DEBUG", "DIGEST") for node in cluster.nodes}) == 1)


def configured(conn):
    checks.equal("an immutable directive may be set to what it is", conn.call("CONFIG", "SET", "cluster-enabled", "no", "node-name",
                                                                             conn.call("CONFIG", "GET", "node-name")[1]), b"OK")
    conn.call("CONFIG", "SET", "maxmemory-clients", "5%")
    checks.equal("maxmemory-clients in percent", conn.call("CONFIG", "GET", "maxmemory-clients")[1], b"5%")
    conn.call("CONFIG", "SET", "maxmemory-clients", "4gb")
    checks.equal("what is hidden is shown by its name only", [len(conn.call("CONFIG", "GET", name)) for name in ("key-load-*", "key-load-delay")], [0, 2])


def main():
    cluster = Cluster(scratch("observed"), base=PORTS, args=("--enable-debug-command", "yes")).start()
    leader, follower = cluster.wait_leader(), cluster.followers()[0]
    for port, where in ((leader.port, "on the leader"), (follower.proxy_port, "through a follower")):
        with Conn(port) as conn:
            checks.run("replies %s" % where, replies_off, conn, where)
            checks.run("pushes %s" % where, pushes_go_on, port, conn, where)
            checks.run("a pause %s" % where, pause, port, conn, where)
            checks.run("monitors %s" % where, monitored, port, conn, where)
            checks.run("one who watches and asks %s" % where, watcher_that_asks, port, conn, where)
            checks.run("memory %s" % where, memory, conn, where)
            checks.run("a busy script %s" % where, busy, port, None if port == leader.port else Conn(leader.port), where)
            checks.run("copies %s" % where, copies, port, where)
            checks.run("DEBUG %s" % where, debugged, cluster, conn, where)
    with Conn(leader.port) as conn:
        checks.run("slow commands", slow, conn)
        checks.run("spikes", spikes, conn)
        checks.run("counting", counted, conn)
        checks.run("clearing", cleared, conn)
        checks.run("MEMORY STATS", memory_stats, conn)
        checks.run("CLUSTER LINKS", links, cluster)
        checks.run("INFO", figures, conn)
        with Conn(follower.proxy_port) as other:
            checks.run("errors", errors_counted, conn, other)
        checks.run("scripts", scripts, leader.port, conn)
        checks.run("directives", configured, conn)
    cluster.stop()
    checks.finish()


if __name__ == "__main__":
    main()
