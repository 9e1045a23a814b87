#!/usr/bin/python3
"""The members of a cluster change under load: MEET in both directions, FORGET, growth from one node to three and to five and
back, FAILOVER, RESET, redis-cli's add-node and del-node, and a leader that leaves in good order. Nothing is lost, and a
client with a session sees nothing but its retries."""
# time limit: 150 s

import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from clients import Load, settled  # noqa: E402
from servers import HOST, Checks, Cluster, Conn, RespError, ask, info, scratch, wait  # noqa: E402

ARGS = ("--enable-debug-command", "yes", "--checkpoint-bytes", "256kb")


def role(node):
    return info(node.port, "raft").get("role")


def votes(node):
    """The voters as this node has them."""
    return ask(node.port, "INFO", "raft").count(b",voter=1,")


def myid(node):
    return ask(node.port, "CLUSTER", "MYID").decode()


def say(port, *words):
    try:
        return ask(port, *words)
    except RespError as error:
        return str(error)


def meet(at, other):
    return say(at.port, "CLUSTER", "MEET", HOST, other.port, other.port + 20)


def blank(cluster, i, *args):
    """A node that founds a cluster of its own, as redis-cli wants a new one."""
    node = cluster.node(i, "--cluster-enabled", "yes", *ARGS, *args).start()
    wait("it to lead itself", lambda: role(node) == "leader")
    return node


def grown_to(nodes, count):
    wait("%d voters" % count, lambda: all(votes(node) == count for node in nodes))


def growth(checks, cluster):
    """1 -> 3 -> 5 -> 3 -> 1 under load, each step with another command."""
    nodes = cluster.nodes
    # A node that has not joined yet, or was reset, is another cluster: clients must not know of it.
    ports = [nodes[0].port]
    load = Load(ports, count=4, depth=2, prefix="growth", pause_s=0.003).start()

    def step(name, function, *args):
        checks.run(name, function, *args)
        if load.error():
            checks.ok("%s: the load goes on" % name, False, load.error())

    for i, who in ((2, "the new node is told of the old"), (3, "the old node is told of the new"), (4, "a node that follows is told"), (5, "--join")):
        if i == 5:
            node = cluster.node(i, "--join", "%s:%d@%d" % (HOST, nodes[1].port, nodes[1].port + 20), *ARGS).start()
        else:
            node = blank(cluster, i)
            at, other = ((node, nodes[0]), (nodes[0], node), (next((n for n in nodes if role(n) == "follower"), None), node))[i - 2]
            checks.equal("MEET: %s" % who, meet(at, other), b"OK")
            checks.equal("MEET again: %s" % who, meet(at, other), b"OK")
        nodes.append(node)
        ports += [node.port, node.proxy_port] if i == 5 else []
        step("%d members: %s" % (i, who), grown_to, nodes, i)
        ports += [] if i == 5 else [node.port, node.proxy_port]
    settled_under_load(checks, load, nodes)

    # Back again; the leader last.
    while len(nodes) > 1:
        leader = cluster.wait_leader()
        gone = next(n for n in nodes if n is not leader)
        asked = next((n for n in nodes if n is not leader and n is not gone), leader)
        gone_id = myid(gone)
        ports.remove(gone.port)
        if gone.proxy_port in ports:
            ports.remove(gone.proxy_port)
        checks.equal("FORGET, %d are left" % (len(nodes) - 1), say(asked.port, "CLUSTER", "FORGET", gone_id), b"OK")
        nodes.remove(gone)
        step("%d members" % len(nodes), grown_to, nodes, len(nodes))
        checks.run("the removed node knows", wait, "it", lambda node=gone: info(node.port, "raft").get("removed") == "1")
        checks.ok("and takes no writes", say(gone.port, "SET", "stray", 1) != b"OK")
        if len(nodes) == 2:
            checks.equal("CLUSTER RESET of a removed node", say(gone.port, "CLUSTER", "RESET"), b"OK")
            checks.run("it is a blank cluster of one", wait, "it", lambda node=gone: role(node) == "leader" and ask(node.port, "DBSIZE") == 0)
            checks.ok("under another id", myid(gone) != gone_id)
        gone.kill()
    load.stop()
    checks.ok("the load never failed", not load.error(), load.error())
    checks.run("nothing was lost on the way", load.judge, nodes[0].port)
    checks.equal("the last one cannot be forgotten by itself", say(nodes[0].port, "CLUSTER", "FORGET", myid(nodes[0]))[:3], "ERR")


def settled_under_load(checks, load, nodes):
    before = load.acknowledged
    wait("progress", lambda: load.error() or load.acknowledged > before + 50)
    for node in nodes[-2:]:
        checks.ok("a new node follows closely", int(info(nodes[0].port, "raft")["last_index"]) - int(info(node.port, "raft")["applied_index"]) < 2000)


def refusals(checks, cluster, alone):
    """`alone` is the cluster of one that the growth has left, with keys."""
    other = blank(cluster, 6)
    ask(other.port, "SET", "mine", "1")
    checks.ok("a node with keys refuses to be met", "keys" in str(meet(other, alone)), meet(other, alone))
    checks.equal("it keeps them", ask(other.port, "GET", "mine"), b"1")
    meet(alone, other)
    time.sleep(1.5)
    checks.equal("and is not taken by the other side either", (ask(other.port, "GET", "mine"), votes(alone)), (b"1", 1))
    other.kill()


def redis_cli(*words):
    return subprocess.run(["redis-cli", *words], capture_output=True, text=True, timeout=60)


def stock_tools(checks, cluster):
    nodes = cluster.nodes
    new = blank(cluster, 4)
    seed = "%s:%d" % (HOST, nodes[0].port)
    done = redis_cli("--cluster", "add-node", "%s:%d" % (HOST, new.port), seed)
    checks.ok("redis-cli --cluster add-node", done.returncode == 0 and "New node added correctly" in done.stdout, done.stdout + done.stderr)
    checks.run("it is a voter", grown_to, nodes + [new], 4)
    done = redis_cli("--cluster", "check", seed)
    checks.ok("redis-cli --cluster check", done.returncode == 0 and "All 16384 slots covered" in done.stdout, done.stdout + done.stderr)
    done = redis_cli("--cluster", "del-node", seed, myid(new))
    checks.ok("redis-cli --cluster del-node", done.returncode == 0, done.stdout + done.stderr)
    checks.run("it is out", grown_to, nodes, 3)
    done = redis_cli("--cluster", "check", seed)
    checks.ok("check again", done.returncode == 0 and "All nodes agree" in done.stdout, done.stdout + done.stderr)
    new.kill()


def leaving(checks, cluster):
    """The leader gets SIGTERM under load, and each node in turn."""
    ports = [node.port for node in cluster.nodes]
    load = Load(ports, count=4, depth=2, prefix="leaving").start()
    gaps = []
    for _ in range(4):
        leader = cluster.wait_leader()
        before = load.acknowledged
        wait("progress", lambda: load.error() or load.acknowledged > before + 100)
        leader.signal(signal.SIGTERM)
        begun = time.monotonic()
        others = [n for n in cluster.nodes if n is not leader]
        wait("another leader", lambda: any(info(n.port, "raft").get("serving") == "1" for n in others), step=0.005)
        gaps.append(time.monotonic() - begun)
        checks.equal("it ends with status 0", leader.process.wait(20), 0)
        leader.start(0)
        wait("port", leader.accepts)
        wait("it to follow", lambda: role(leader) == "follower")
    load.stop()
    errors = {word for a in load.appenders for word in a.session.errors}
    checks.ok("handed over within an election timeout", max(gaps) < 0.5, gaps)
    # ConnectionRefusedError: the port of a process that has gone.
    checks.ok("clients see nothing worse than NOTLEADER", errors <= {"NOTLEADER", "ConnectionRefusedError"}, errors)
    checks.ok("the load never failed", not load.error(), load.error())
    checks.run("nothing was lost", load.judge, cluster.wait_leader().port)


def failover(checks, cluster):
    for node in list(cluster.nodes) * 2:
        leader = cluster.wait_leader()
        reply = say(node.port, "CLUSTER", "FAILOVER")
        if node is leader:
            checks.ok("FAILOVER at the leader is refused", "replica" in str(reply), reply)
            continue
        checks.equal("CLUSTER FAILOVER", reply, b"OK")
        checks.run("it leads", wait, "it", lambda n=node: info(n.port, "raft").get("serving") == "1", 5)
        with Conn(node.port) as conn:
            checks.equal("ROLE", conn.call("ROLE")[0], b"master")
            checks.equal("WAIT tells of two", conn.call("SET", "waited", 1) and conn.call("WAIT", 2, 3000), 2)


def main():
    checks = Checks()
    cluster = Cluster(scratch("cluster/growth"), size=1, args=ARGS + ("--cluster-enabled", "yes")).start()
    growth(checks, cluster)
    refusals(checks, cluster, cluster.nodes[0])
    cluster.kill()
    cluster = Cluster(scratch("cluster/membership"), args=ARGS).start()
    stock_tools(checks, cluster)
    failover(checks, cluster)
    leaving(checks, cluster)
    checks.equal("all agree", len(settled(cluster.nodes)), 1)
    cluster.kill()
    checks.finish()


if __name__ == "__main__":
    main()
