#!/usr/bin/python3
"""What README.md tells an operator to do, done: replacing a node that lost its disk, backup and restore, and founding
anew from one survivor."""
# time limit: 180 s

import glob
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import HOST, PORTS, ROOT, Checks, Cluster, Conn, RespError, ask, info, kvorum, kvorum_alone, redis, scratch, wait  # noqa: E402

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


def restore(file, folder, port):
    """A node started on what kvorum-inspect made of the file."""
    address = "r1=%s:%d@%d" % (HOST, port, port + 5)
    done = subprocess.run([INSPECT, folder, "--restore", file, address], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    node = kvorum_alone(port, folder, "--node-name", "r1").start()
    wait("it to serve", lambda: role(node) == "leader")
    return node


def inspect_finds_no_fault(folder):
    return subprocess.run([INSPECT, folder], capture_output=True, timeout=60).returncode == 0


def back_up_and_restore(checks, cluster):
    node = cluster.followers()[0]
    checks.equal("SAVE", ask(node.port, "SAVE", timeout=30), b"OK")
    newest = max(glob.glob(os.path.join(node.folder, "snapshot-*.rdb")), key=os.path.getmtime)
    backup = scratch("readme/backup")
    file = shutil.copy(newest, os.path.join(backup, "dump.rdb"))

    stock = redis(PORTS + 41, backup).start()
    checks.ok("redis-server loads a backup", whole(stock.port))
    ask(stock.port, "SET", "from", "redis", "PX", 100000000)
    with Conn(stock.port) as conn:
        conn.call("SELECT", 5)
        conn.call("SET", "in", "five")
    ask(stock.port, "SAVE")
    stock.stop()

    fresh = restore(file, scratch("readme/restored"), PORTS + 42)
    checks.ok("a backup is restored", whole(fresh.port))
    fresh.stop()
    checks.ok("what was restored has no fault", inspect_finds_no_fault(fresh.folder))

    fresh = restore(os.path.join(backup, "dump.rdb"), scratch("readme/from_redis"), PORTS + 42)
    checks.ok("a dump of Redis is restored", whole(fresh.port) and ask(fresh.port, "GET", "from") == b"redis")
    checks.ok("its expiry times too", 99000000 < ask(fresh.port, "PTTL", "from") <= 100000000)
    with Conn(fresh.port) as conn:
        conn.call("SELECT", 5)
        checks.equal("and its databases", conn.call("GET", "in"), b"five")
        conn.call("SET", "in", "six")
    fresh.stop()
    fresh.start()
    wait("it to serve", lambda: role(fresh) == "leader")
    checks.ok("it keeps all that over a restart", whole(fresh.port))
    more = kvorum(PORTS + 43, scratch("readme/joined"), "--cluster-port", str(PORTS + 48), "--node-name", "r2", "--join",
                  "%s:%d@%d" % (HOST, fresh.port, fresh.port + 5)).start()
    checks.run("a node joins it", wait, "r2 to vote", lambda: role(more) == "follower" and voters(fresh) == 2)
    fresh.stop()
    more.stop()
    checks.ok("nothing is wrong with either's directory", inspect_finds_no_fault(fresh.folder) and inspect_finds_no_fault(more.folder))

    again = subprocess.run([INSPECT, fresh.folder, "--restore", file, "r1=%s:1" % HOST], capture_output=True, text=True)
    checks.ok("nothing is restored over data", again.returncode == 1 and "has data already" in again.stderr, again.stderr)
    with open(file, "r+b") as damaged:
        damaged.seek(200)
        damaged.write(b"?")
    again = subprocess.run([INSPECT, scratch("readme/damaged"), "--restore", file, "r1=%s:1" % HOST], capture_output=True, text=True)
    checks.ok("a damaged file is not restored", again.returncode == 1 and "cannot be loaded" in again.stderr, again.stderr)


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
