#!/usr/bin/python3
"""The divergence alarm on real servers: a bit of a value flips in the memory of one of three. Once that shows it serves no more
and says so, the others go on, and the wrong bytes get neither to a client nor to a disk."""
# time limit: 60 s

import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
from alone import room  # noqa: E402
from servers import Checks, Cluster, Conn, RespError, ask, info, wait  # noqa: E402

ARGS = ("--enable-debug-command", "yes", "--election-timeout", "400", "--checkpoint-bytes", "1gb")


def flip_in_memory(pid, value):
    """One bit in the middle of each place where `value` lies in the memory of that process; how many there were."""
    found = 0
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "r+b", buffering=0) as memory:
        for row in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw-p \S+ \S+ 0 +(\[heap\])?$", row)
            if not m:
                continue
            first, last = int(m[1], 16), int(m[2], 16)
            if last - first > 1 << 30:  # a sanitizer's
                continue
            memory.seek(first)
            try:
                data = memory.read(last - first)
            except OSError:
                continue
            at = data.find(value)
            while at >= 0:
                memory.seek(first + at + len(value) // 2)
                memory.write(bytes([value[len(value) // 2] ^ 4]))
                found += 1
                at = data.find(value, at + 1)
    return found


def put(leader, key):
    """A value that lies in one piece in the keyspace and nowhere else: it came in two."""
    with Conn(leader.port) as conn:
        conn.call("SET", key, b"%s:" % key.encode() + os.urandom(30).hex().encode())
        conn.call("APPEND", key, os.urandom(30).hex())
        return conn.call("GET", key)


def tells(node, word):
    with open(os.path.join(node.folder, "log"), errors="replace") as log:
        return word in log.read()


def applied(node, leader):
    return wait("it to follow", lambda: info(node.port, "raft").get("applied_index") == info(leader.port, "raft").get("applied_index"))


def read_here(node, key):
    """What a client that reads at this node alone gets; None: an error."""
    try:
        with Conn(node.port) as conn:
            conn.call("READONLY")
            return conn.call("GET", key)
    except (RespError, OSError):
        return None


def flags(node, of):
    """CLUSTER NODES as `node` has it: the flags of the one at that port."""
    for row in ask(node.port, "CLUSTER", "NODES").decode().splitlines():
        if ":%d@" % of.port in row:
            return row.split()[2].split(",")
    return []


def outvoted(checks, cluster, wrong):
    """It shows when the key is changed."""
    leader = cluster.wait_leader()
    role, others = "leader" if wrong is leader else "follower", [n for n in cluster.nodes if n is not wrong]
    key = "of-a-" + role
    value = put(leader, key)
    applied(wrong, leader)
    checks.ok("%s: the value was found in memory, and a bit flipped" % role, flip_in_memory(wrong.pid, value) >= 1)
    ask(leader.port, "APPEND", key, "+")
    right = value + b"+"
    checks.run("%s: it says so in INFO" % role, wait, "diverged:1", lambda: info(wrong.port, "raft").get("diverged") == "1", 5)
    checks.ok("%s: and in its log" % role, tells(wrong, "DIVERGED: this node's state at"))
    checks.run("%s: the others lead" % role, wait, "another leader", lambda: cluster.leader() in others, 5)
    for node in others:
        checks.run("%s: CLUSTER NODES of %d says fail" % (role, node.port), wait, "fail", lambda n=node: "fail" in flags(n, wrong), 5)
    checks.equal("%s: clients read the right bytes" % role, ask(cluster.leader().port, "GET", key), right)
    checks.equal("%s: and write" % role, ask(cluster.leader().port, "SET", key + "-later", "x"), b"OK")
    checks.ok("%s: nobody reads here any more" % role, not any(read_here(wrong, k) for k in (key, key + "-later") * 10))
    wrong.kill()
    wrong.start()
    wait("it to be ready", lambda: "loading:0" in ask(wrong.port, "INFO", "persistence").decode())
    checks.equal("%s: a restart does not make it forget" % role, (info(wrong.port, "raft").get("diverged"), read_here(wrong, key)), ("1", None))


def kept_from_the_disk(checks, cluster):
    """Nobody changes the key: it shows when a snapshot is to be made."""
    node = cluster.followers()[0]
    leader = cluster.wait_leader()
    value = put(leader, "untouched")
    applied(node, leader)
    ask(node.port, "SAVE")
    before = sorted(f for f in os.listdir(node.folder) if f.endswith(".rdb"))
    checks.ok("untouched: the value was found in memory, and a bit flipped", flip_in_memory(node.pid, value) >= 1)
    ask(leader.port, "SET", "another", "entry")
    try:
        ask(node.port, "SAVE")
    except (RespError, OSError):
        pass
    checks.run("untouched: it ends", wait, "its end", lambda: not node.alive(), 5)
    checks.ok("untouched: and says why", tells(node, "the state in memory is not what was put there"))
    checks.equal("untouched: the snapshot is the one before", sorted(f for f in os.listdir(node.folder) if f.endswith(".rdb")), before)
    node.start()
    checks.run("untouched: after a start it has the right bytes", wait, "them", lambda: read_here(node, "untouched") == value, 5)


def main():
    checks, folder = Checks(), room("alarm")
    for leads in (False, True):
        cluster = Cluster(os.path.join(folder, "leader" if leads else "follower"), args=ARGS).start()
        leader = cluster.wait_leader()
        if not leads:
            kept_from_the_disk(checks, cluster)
        outvoted(checks, cluster, leader if leads else cluster.followers()[0])
        cluster.kill()
    if not checks.failed:
        shutil.rmtree(folder)
    checks.finish()


if __name__ == "__main__":
    main()
