#!/usr/bin/python3
"""A rolling upgrade under load, with one node already down, from one apply version to the next. What is new counts once every
node can do it; a node of the old build that meets it stops and says why, and never skips it."""
# time limit: 180 s

import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
from clients import Load, settled  # noqa: E402
from recorded import Recorded  # noqa: E402
from servers import BUILD, HOST, KVORUM, Checks, Cluster, RespError, ask, info, scratch, wait  # noqa: E402

NEWER = os.path.join(BUILD, "tests", "fault", "other", "kvorum-server")
ARGS = ("--enable-debug-command", "yes", "--election-timeout", "500")


def role(node):
    return info(node.port, "raft").get("role")


def log_of(node):
    with open(os.path.join(node.folder, "log"), errors="replace") as f:
        return f.read()


def upgrade(node):
    node.stop()
    node.binary = NEWER
    node.start()
    wait("it to take part", lambda: role(node) in ("leader", "follower"))


def saved(node):
    try:
        return ask(node.port, "SAVE", timeout=20) == b"OK"
    except (OSError, RespError):
        return False


def stops(checks, what, node, word):
    """The old build, on what it cannot apply."""
    try:
        wait("its end", lambda: not node.alive(), 15)
        checks.ok("%s: it stops" % what, node.process.returncode > 0, node.process.returncode)
    except TimeoutError as error:
        checks.ok("%s: it stops" % what, False, "%s; %s" % (error, log_of(node)[-300:]))
        node.kill()
    said = log_of(node)[-2000:]
    checks.ok("%s: and says why" % what, word in said, said[-300:])


def downgrade(checks, node, what, word):
    """The old build on a directory that the new one has written to; then the new one again."""
    node.stop()
    node.binary = KVORUM
    node.start(0)
    stops(checks, what, node, word)
    node.binary = NEWER
    node.start()
    wait("it to take part", lambda: info(node.port, "raft").get("leader_id"))


def join_old_build(checks, cluster, number, what, word):
    node = cluster.node(number, *ARGS)
    leader = cluster.wait_leader()
    node.args += ["--join", "%s:%d@%d" % (HOST, leader.port, leader.port + 20)]
    node.start(0)
    stops(checks, what, node, word)
    if node_id(leader, number):
        ask(leader.port, "CLUSTER", "FORGET", node_id(leader, number))


def node_id(leader, number):
    for line in ask(leader.port, "CLUSTER", "NODES").decode().splitlines():
        if ":%d@" % (leader.port - leader.port % 10 + number) in line:
            return line.split()[0]
    return None


def main():
    checks = Checks()
    folder = scratch("fault/upgrade")
    cluster = Cluster(folder, args=ARGS).start()
    n1, n2, n3 = cluster.nodes
    load = Load([n.port for n in cluster.nodes], count=2, keys=2, prefix="upgrade").start()
    recorded = Recorded(os.path.join(folder, "history"), [n.proxy_port for n in cluster.nodes]).start()
    wait("load", lambda: load.acknowledged > 100 and recorded.answered > 200)

    n3.kill()
    upgrade(n2)
    upgrade(n1)
    checks.run("writes go on between two nodes of the new build", wait, "writes",
               lambda now=load.acknowledged: load.acknowledged > now + 100)
    time.sleep(1.2)  # two election timeouts, for what should not happen
    n3.start()
    checks.run("a node of the old build follows, which the new ones waited for", wait, "n3",
               lambda: role(n3) in ("leader", "follower"))
    checks.equal("all are equal", len(settled_under(load, recorded, cluster)), 1)

    upgrade(n3)
    checks.run("writes go on in the new version", wait, "writes",
               lambda now=load.acknowledged: load.acknowledged > now + 100)
    time.sleep(1.2)
    follower = cluster.followers()[0]
    downgrade(checks, follower, "the old build on a journal of the new version", "does not know")
    checks.run("a snapshot of the new version", wait, "SAVE", lambda: saved(follower))
    downgrade(checks, follower, "the old build on a snapshot of the new version", "cannot be loaded")
    join_old_build(checks, cluster, 4, "an old build that joins", "does not know")
    checks.run("writes go on", wait, "writes", lambda now=load.acknowledged: load.acknowledged > now + 100)
    load.stop()
    recorded.stop()
    checks.ok("no write failed", not load.error(), load.error())
    checks.run("nothing is lost, nothing twice", load.judge, cluster.wait_leader().port)
    try:
        print("# %s" % recorded.judge())
        checks.ok("the history is linearizable", True)
    except Exception as error:
        checks.ok("the history is linearizable", False, error)
    checks.equal("all are equal in the end", len(settled(cluster.nodes)), 1)
    cluster.stop()
    checks.finish()


def settled_under(load, recorded, cluster):
    """The digests while nothing is written."""
    recorded.pause(True)
    for appender in load.appenders:
        appender.pause_s = 5.0
    digests = settled(cluster.nodes)
    for appender in load.appenders:
        appender.pause_s = 0.001
    recorded.pause(False)
    return digests


if __name__ == "__main__":
    main()
