#!/usr/bin/python3
"""What README.md tells an operator to do, done: replacing a node that lost its disk, backup and restore, and founding
anew from one survivor."""
# time limit: 180 s

import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import HOST, PORTS, ROOT, Checks, Cluster, Conn, RespError, ask, info, kvorum_alone, redis, scratch, wait  # noqa: E402

INSPECT = os.path.join(ROOT, "build", "kvorum-inspect")
KEYS = 2000


def fill(port):
    with Conn(port) as conn:
        for i in range(KEYS):
            conn.call("SET", "k:%d" % i, i)


def whole(port):
    """All that fill() wrote is there."""
    with Conn(port) as conn:
        return [conn.call("GET", "k:%d" % i) for i in range(KEYS)] == [b"%d" % i for i in range(KEYS)]


def joining(node):
    """--join's word for the cluster of `node`. (Its peer port is not where the default would have it.)"""
    return "%s:%d@%d" % (HOST, node.port, node.port + 20)


def role(node):
    return info(node.port, "raft").get("role")


def voters(node):
    return sum("voter=1" in row for name, row in info(node.port, "raft").items() if name.startswith("node"))


def members(port):
    """{node id: line} of CLUSTER NODES."""
    return {line.split()[0]: line for line in ask(port, "CLUSTER", "NODES").decode().strip().split("\n")}


def replace_a_node(checks, cluster):
    """n3's disk is lost: it must neither vote nor found; FORGET its id and let it join anew."""
    leader = cluster.wait_leader()
    lost = cluster.followers()[0]
    old_id = ask(lost.port, "CLUSTER", "MYID").decode()
    lost.kill()
    shutil.rmtree(lost.folder)
    os.makedirs(lost.folder)
    lost.start(0)
    time.sleep(2)
    checks.ok("a node with an empty disk does not take part", role(lost) not in ("leader", "follower"), role(lost))
    lost.stop()

    checks.equal("CLUSTER FORGET", ask(leader.port, "CLUSTER", "FORGET", old_id), b"OK")
    at = lost.args.index("--initial-cluster")
    lost.args[at:at + 2] = ["--join", joining(leader)]
    shutil.rmtree(lost.folder)
    os.makedirs(lost.folder)
    lost.start()
    checks.run("the replacement follows", wait, "it to follow", lambda: role(lost) == "follower")
    checks.ok("it has an id of its own", old_id not in members(leader.port) and len(members(leader.port)) == 3, members(leader.port))
    checks.run("it votes", wait, "a voter", lambda: voters(leader) == 3)
    leader.kill()
    checks.ok("the cluster lives on with it", whole(cluster.wait_leader().port))
    leader.start()
    wait("the old leader to follow", lambda: role(leader) in ("leader", "follower"))


def back_up_and_restore(checks, cluster):
    node = cluster.followers()[0]
    ask(node.port, "SAVE", timeout=30)
    backup = scratch("readme/backup")
    name = ask(node.port, "CONFIG", "GET", "dbfilename")[1].decode()
    shutil.copy(os.path.join(node.folder, name), os.path.join(backup, "dump.rdb"))

    stock = redis(PORTS + 41, backup).start()
    checks.ok("redis-server loads a backup", whole(stock.port))
    stock.stop()

    restored = scratch("readme/restored")
    shutil.copy(os.path.join(backup, "dump.rdb"), restored)
    fresh = kvorum_alone(PORTS + 42, restored).start()
    wait("it to serve", lambda: role(fresh) == "leader")
    checks.ok("a new cluster is founded from a backup", whole(fresh.port))
    fresh.stop()
    fresh.start()
    checks.ok("and keeps it", whole(fresh.port))
    fresh.stop()


def lose_the_majority(checks, cluster):
    survivor = cluster.followers()[0]
    for node in cluster.nodes:
        node.stop() if node is survivor else node.kill()
    done = subprocess.run([INSPECT, survivor.folder, "--new-cluster"], capture_output=True, text=True, timeout=60)
    checks.ok("kvorum-inspect --new-cluster", done.returncode == 0, done.stdout + done.stderr)
    survivor.start()
    checks.run("the survivor leads alone", wait, "it to lead", lambda: role(survivor) == "leader")
    checks.ok("with all it had", whole(survivor.port))
    checks.equal("and takes writes", ask(survivor.port, "SET", "new", "1"), b"OK")

    for i in (4, 5):
        more = cluster.node(i, "--join", joining(survivor)).start()
        cluster.nodes.append(more)
        checks.run("n%d joins it" % i, wait, "it to follow", lambda node=more: role(node) == "follower")
    checks.run("three vote again", wait, "three voters", lambda: voters(survivor) == 3)
    survivor.kill()
    checks.ok("and it may go", whole(cluster.wait_leader().port))

    # A node of the old cluster that comes back belongs to another cluster now: it must not be let in.
    old = next(node for node in cluster.nodes[:3] if node is not survivor)
    old.start(0)
    time.sleep(1.5)
    try:
        ask(old.port, "SET", "stray", "1", timeout=3)
        checks.ok("a node of the old cluster takes no writes", False, "it did")
    except (OSError, RespError):
        checks.ok("a node of the old cluster takes no writes", True)
    old.signal(signal.SIGKILL)


def main():
    checks = Checks()
    cluster = Cluster(scratch("readme/operations")).start()
    fill(cluster.leader().port)
    replace_a_node(checks, cluster)
    back_up_and_restore(checks, cluster)
    lose_the_majority(checks, cluster)
    cluster.kill()
    checks.finish()


if __name__ == "__main__":
    main()
