#!/usr/bin/python3
"""Nodes that lose their disk: they do not vote, do not found a second cluster, say what is wrong, and are replaced by
CLUSTER FORGET and --join; which is refused while the old id holds the name or the address. Nodes that return with their
disk find their data."""
# time limit: 120 s

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from clients import settled  # noqa: E402
from servers import HOST, KVORUM, Checks, Cluster, Conn, RespError, ask, info, scratch, wait  # noqa: E402

ARGS = ("--enable-debug-command", "yes", "--election-timeout", "400")
KEYS = 500


def role(node):
    return info(node.port, "raft").get("role")


def voters(node):
    return ask(node.port, "INFO", "raft").count(b",voter=1,")


def log(node, lines=400):
    with open(os.path.join(node.folder, "log"), "rb") as f:
        return "".join(f.read().decode("utf-8", "replace").splitlines(True)[-lines:])


def fill(cluster, mark):
    with Conn(cluster.wait_leader().port) as conn:
        for i in range(KEYS):
            conn.call("SET", "%s:%d" % (mark, i), i)


def whole(cluster, mark):
    with Conn(cluster.wait_leader().port) as conn:
        return conn.call("MGET", *["%s:%d" % (mark, i) for i in range(KEYS)]) == [b"%d" % i for i in range(KEYS)]


def set_aside(node):
    """The disk is lost; kept() brings it back."""
    node.kill()
    os.rename(node.folder, node.folder + ".kept")
    os.makedirs(node.folder)


def bring_back(node):
    node.kill()
    os.rename(node.folder, node.folder + ".blank%d" % time.monotonic_ns())
    os.rename(node.folder + ".kept", node.folder)
    node.start(0)
    wait("port %d" % node.port, node.accepts)


def takes_no_writes(nodes, seconds):
    """Nobody leads, for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for node in nodes:
            try:
                if ask(node.port, "SET", "must-not", "be", timeout=1.0) == b"OK":
                    return False
            except (OSError, RespError):
                pass
            if info(node.port, "raft").get("role") == "leader":
                return False
    return True


def wiped_first(checks, cluster):
    """n1, who founded, comes back blank. Two healthy nodes go on; one healthy node and the blank one do not."""
    n1, n2, n3 = cluster.nodes
    id_before = info(n2.port, "raft")["cluster_id"]
    set_aside(n1)
    n1.start(0)
    wait("port", n1.accepts)
    fill(cluster, "without-n1")
    wait("it to say so", lambda: "has lost its data" in log(n1), 10)
    checks.ok("a wiped node says what is wrong", True)
    checks.ok("it is neither leader nor follower", role(n1) not in ("leader", "follower"), role(n1))
    checks.equal("it holds no data", info(n1.port, "raft").get("applied_index"), "0")
    n2.kill()
    checks.ok("a wiped node does not vote", takes_no_writes([n1, n3], 2.5))
    n2.start(0)
    wait("port", n2.accepts)
    checks.ok("two healthy nodes are a majority again", whole(cluster, "without-n1"))
    checks.equal("it is the same cluster", info(n3.port, "raft")["cluster_id"], id_before)
    bring_back(n1)
    wait("it to follow", lambda: role(n1) in ("leader", "follower"))
    checks.equal("a node that returns finds its data", len(settled(cluster.nodes)), 1)


def wiped_majority(checks, cluster):
    """n1 and n2 blank: alone, and then with n3 there."""
    n1, n2, n3 = cluster.nodes
    for node in cluster.nodes:
        node.kill()
    set_aside(n1)
    set_aside(n2)
    n1.start(0)
    n2.start(0)
    checks.ok("two blank nodes do not found without the third", takes_no_writes([n1, n2], 2.5))
    n3.start(0)
    wait("port", n3.accepts)
    checks.ok("nor with a third that is not blank", takes_no_writes([n1, n2, n3], 2.5))
    checks.ok("they say so", "has lost its data" in log(n1) and "has lost its data" in log(n2))
    bring_back(n2)
    checks.ok("one disk found again is a majority with its data", whole(cluster, "without-n1"))
    bring_back(n1)
    wait("it to follow", lambda: role(n1) in ("leader", "follower"))
    checks.equal("and the other catches up", len(settled(cluster.nodes)), 1)


def at(node):
    return "%s:%d@%d" % (HOST, node.port, node.port + 20)


def start_join(node, *args):
    """With an empty directory and --join instead of --initial-cluster."""
    if "--initial-cluster" in node.args:
        at = node.args.index("--initial-cluster")
        del node.args[at:at + 2]
    node.args += args
    node.start(0)
    wait("port", node.accepts)


def replaced(checks, cluster):
    """n2's disk is gone for good."""
    n1, n2, n3 = cluster.nodes
    old_id = ask(n2.port, "CLUSTER", "MYID").decode()
    set_aside(n2)
    start_join(n2, "--join", at(n3))
    time.sleep(2)
    checks.ok("--join under the name and address of another id is refused", role(n2) not in ("leader", "follower"), role(n2))
    leader = cluster.wait_leader()
    checks.run("the one refused says what may be the reason", wait, "it", lambda: "Not let in" in log(n2), 10)
    checks.ok("the leader says so", "refused" in log(leader) and "FORGET" in log(leader))

    stranger = cluster.node(4, *ARGS)
    stranger.args[stranger.args.index("--node-name") + 1] = "n2"
    start_join(stranger, "--join", at(n1))
    time.sleep(1.5)
    checks.ok("--join under another's name is refused, whatever the address", role(stranger) not in ("leader", "follower"), role(stranger))
    stranger.kill()

    checks.equal("CLUSTER FORGET", ask(n1.port, "CLUSTER", "FORGET", old_id), b"OK")
    checks.equal("CLUSTER FORGET is idempotent", ask(n1.port, "CLUSTER", "FORGET", old_id), b"OK")
    checks.run("then it is let in", wait, "it to follow", lambda: role(n2) == "follower")
    checks.run("and votes", wait, "three voters", lambda: voters(leader) == 3)
    checks.ok("with an id of its own", ask(n2.port, "CLUSTER", "MYID").decode() != old_id)
    checks.equal("and holds what the others hold", len(settled(cluster.nodes)), 1)
    victim = n1 if leader is not n1 else n3
    victim.kill()
    checks.ok("a majority with it has the data", whole(cluster, "without-n1"))
    victim.start(0)
    wait("port", victim.accepts)

    # The disk turns up again: that identity was forgotten.
    n2.kill()
    os.rename(n2.folder, n2.folder + ".new")
    os.rename(n2.folder + ".kept", n2.folder)
    n2.start(0)
    wait("port", n2.accepts)
    others = [n1, n3]
    leader = cluster.wait_leader()
    term = info(leader.port, "raft")["term"]
    time.sleep(2)
    checks.ok("a forgotten node that returns does not take part", takes_no_writes([n2], 0.5))
    checks.equal("and does not disturb", info(leader.port, "raft")["term"], term)
    n2.kill()
    os.rename(n2.folder, n2.folder + ".kept")
    os.rename(n2.folder + ".new", n2.folder)
    n2.start(0)
    wait("port", n2.accepts)
    checks.run("the replacement comes back", wait, "it to follow", lambda: role(n2) in ("leader", "follower"))
    return others


def vote_lost(checks, cluster):
    node = cluster.followers()[0]
    node.kill()
    os.unlink(os.path.join(node.folder, "vote"))
    done = subprocess.run([KVORUM, "--bind", HOST, "--port", str(node.port), "--dir", node.folder, *node.args],
                          capture_output=True, text=True, timeout=10)
    checks.ok("a journal without a vote file does not start", done.returncode == 1, done.returncode)
    checks.ok("and says why in one line", done.stderr.count("\n") == 1 and "FORGET" in done.stderr, done.stderr)


def main():
    checks = Checks()
    cluster = Cluster(scratch("cluster/wiped"), args=ARGS).start()
    fill(cluster, "at-first")
    wiped_first(checks, cluster)
    wiped_majority(checks, cluster)
    replaced(checks, cluster)
    for node in cluster.nodes:
        node.kill()
    cluster.start()
    checks.ok("all is there after a cold start", whole(cluster, "at-first") and whole(cluster, "without-n1"))
    vote_lost(checks, cluster)
    cluster.kill()
    checks.finish()


if __name__ == "__main__":
    main()
