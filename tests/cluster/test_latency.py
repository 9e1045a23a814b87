#!/usr/bin/python3
"""The time of a write is told by its parts, so that a slow disk or link has a name: LATENCY HISTOGRAM, INFO latencystats and
INFO raft, as redis-cli and redis-py read them.
time limit: 120 s"""

import os
import subprocess
import sys

import redis

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fault"))
import badfs  # noqa: E402
from servers import HOST, SLOWED, Checks, Cluster, Conn, RespError, ask, scratch, wait  # noqa: E402

SLOW_MS = 100  # of the disk; a delayed link takes as long on average
SMALL_US = 50000 * SLOWED
WRITES = 20
PARTS = ["queue", "journal", "replication", "apply", "reply"]


def write(port, count=WRITES):
    with Conn(port) as conn:
        for i in range(count):
            conn.call("SET", "key%d" % i, "value")


def rows(port, *names):
    """{row: (calls, {usec: how many up to that})}"""
    flat = ask(port, "LATENCY", "HISTOGRAM", *names)
    out = {}
    for name, row in zip(flat[::2], flat[1::2]):
        fields = dict(zip(row[::2], row[1::2]))
        steps = fields[b"histogram_usec"]
        out[name.decode()] = fields[b"calls"], dict(zip(steps[::2], steps[1::2]))
    return out


def medians(port):
    """{part of a write: p50 in us}, from INFO latencystats as redis-py reads it."""
    stats = redis.Redis(HOST, port).info("latencystats")
    head = "latency_percentiles_usec_write|"
    return {name[len(head):]: value["p50"] for name, value in stats.items() if name.startswith(head)}


def measured(cluster, fault, heal):
    """The medians of some writes on the leader while something is slow."""
    leader = cluster.wait_leader()
    fault(leader)
    try:
        write(leader.port, 3)  # what was under way before is not of interest
        ask(leader.port, "CONFIG", "RESETSTAT")
        write(leader.port)
        # The slowest disk's come after the replies.
        late = ["write|journal"] + ["write|replication|" + peer for peer in peers_of(cluster, leader)]
        wait("all acks", lambda: all(rows(leader.port, row).get(row, (0,))[0] >= WRITES for row in late), 20)
        return medians(leader.port)
    finally:
        heal(leader)


def name_of(cluster, node):
    return "n%d" % (cluster.nodes.index(node) + 1)


def peers_of(cluster, leader):
    return [name_of(cluster, node) for node in cluster.nodes if node is not leader]


def slow_parts(figures):
    return sorted(part for part, us in figures.items() if us > SMALL_US)


def check_parts(checks, cluster):
    leader = cluster.wait_leader()
    figures = measured(cluster, lambda _: None, lambda _: None)
    expected = PARTS + ["replication|" + peer for peer in peers_of(cluster, leader)]
    checks.equal("every part and every peer has a row", sorted(figures), sorted(expected))
    checks.equal("nothing is slow by itself", slow_parts(figures), [])
    counted = rows(leader.port, "write")
    checks.equal("LATENCY HISTOGRAM write names the same", sorted(counted), sorted("write|" + part for part in expected))
    checks.ok("each counts every write", all(calls >= WRITES for calls, _ in counted.values()), counted)
    checks.ok("counts are cumulative and end with all", all(
        list(steps.values()) == sorted(set(steps.values())) and max(steps.values()) == calls and list(steps) == sorted(steps)
        for calls, steps in counted.values()), counted)
    shown = redis.Redis(HOST, leader.port).info("raft")
    checks.ok("INFO raft shows them", all("write_%s_usec" % part.replace("|", "_") in shown for part in expected), sorted(shown))
    followers = [rows(node.port, "write") for node in cluster.nodes if node is not leader]
    checks.equal("a follower counts none", followers, [{}, {}])


def check_faults(checks, cluster, controls):
    leader = cluster.wait_leader()
    follower = next(node for node in cluster.nodes if node is not leader)
    its_row = "replication|" + name_of(cluster, follower)
    both = ["replication|" + peer for peer in peers_of(cluster, leader)]
    its_id = ask(follower.port, "CLUSTER", "MYID")

    def disk(node):
        return (lambda _: controls[node].rule(0, badfs.HANG, badfs.SYNC, "/journal-", ms=SLOW_MS), lambda _: controls[node].lift(0))

    def link(peer):
        return (lambda node: ask(node.port, "DEBUG", "KVORUM-LINK", peer, "heal", "delay", 2 * SLOW_MS),
                lambda node: ask(node.port, "DEBUG", "KVORUM-LINK", peer, "heal"))

    for what, (fault, heal), expected in [
            ("the leader's disk is slow", disk(leader), ["journal"]),
            ("a follower's disk is slow", disk(follower), [its_row]),
            ("the link to a follower is slow", link(its_id), [its_row]),
            ("the links to both are slow", link("*"), sorted(["replication"] + both))]:
        figures = measured(cluster, fault, heal)
        checks.ok("%s: %s" % (what, ", ".join(expected)), slow_parts(figures) == expected, figures)
    checks.ok("nobody else was elected meanwhile", cluster.wait_leader() is leader)


def check_commands(checks, cluster):
    port = cluster.wait_leader().port
    ask(port, "CONFIG", "RESETSTAT")
    checks.equal("CONFIG RESETSTAT leaves only itself", sorted(rows(port)), ["config|resetstat"])
    write(port, 5)
    ask(port, "GET", "key1")
    ask(port, "CONFIG", "GET", "port")
    checks.equal("the first runs are counted one by one", {name: rows(port, name)[name][0] for name in ("set", "get")},
                 {"set": 5, "get": 1})
    checks.equal("a command stands for its subcommands", sorted(rows(port, "CONFIG")), ["config|get", "config|resetstat"])
    checks.equal("a subcommand alone", sorted(rows(port, "Config|Get")), ["config|get"])
    checks.equal("unknown names are passed over", sorted(rows(port, "nonsense", "config|nonsense", "write|nonsense", "wri", "", "get")),
                 ["get"])
    write(port, 2000)
    calls = rows(port, "set")["set"][0]
    checks.ok("later ones by samples, as many in all", abs(calls - 2005) <= 16 * 15, calls)
    with Conn(port) as conn:
        conn.call("HELLO", 3)
        reply = conn.call("LATENCY", "HISTOGRAM", "set")
        checks.ok("RESP3: maps", reply[b"set"][b"calls"] == calls and isinstance(reply[b"set"][b"histogram_usec"], dict), reply)
    shown = subprocess.run(["redis-cli", "-p", str(port), "LATENCY", "HISTOGRAM", "get"], capture_output=True, text=True).stdout.split()
    checks.equal("redis-cli shows it", shown[:4], ["get", "calls", "1", "histogram_usec"])


def check_directives(checks, cluster):
    port = cluster.wait_leader().port
    client = redis.Redis(HOST, port, decode_responses=True)
    client.config_set("latency-tracking-info-percentiles", "0 50 99.99 100")
    checks.equal("the percentiles are those asked for", list(client.info("latencystats")["latency_percentiles_usec_set"]),
                 ["p0", "p50", "p99.99", "p100"])
    for bad in ("50 x", "101", "-1"):
        try:
            client.config_set("latency-tracking-info-percentiles", bad)
            checks.ok("percentiles %r are refused" % bad, False)
        except redis.ResponseError:
            checks.equal("percentiles %r are refused" % bad, client.config_get("latency-tracking-info-percentiles"),
                         {"latency-tracking-info-percentiles": "0 50 99.99 100"})
    client.config_set("latency-tracking-info-percentiles", "50 99 99.9")
    before = rows(port, "set")
    client.config_set("latency-tracking", "no")
    write(port, 100)
    checks.equal("latency-tracking no: not counted, not shown", (rows(port, "set"), client.info("latencystats")), (before, {}))
    client.config_set("latency-tracking", "yes")


def main():
    checks = Checks()
    folder = scratch("latency")
    cluster = Cluster(folder, args=["--enable-debug-command", "yes"])
    controls = {}
    for node in cluster.nodes:
        controls[node] = badfs.Control(os.path.join(folder, os.path.basename(node.folder) + ".control"), node.folder)
        node.env = controls[node].env()
    cluster.start()
    check_parts(checks, cluster)
    check_faults(checks, cluster, controls)
    check_commands(checks, cluster)
    check_directives(checks, cluster)
    try:
        ask(cluster.nodes[0].port, "LATENCY", "NONSENSE")
        checks.ok("an unknown subcommand is an error", False)
    except RespError as error:
        checks.ok("an unknown subcommand is an error", "unknown subcommand" in str(error), error)
    cluster.stop()
    checks.finish()


if __name__ == "__main__":
    main()
