#!/usr/bin/python3
"""Nothing that costs time costs the office: no election under load that saturates the machine, while snapshots of 200 MB
are written, sent and installed, and when a value of 100 MB is deleted. KVORUM_STABLE_SECONDS=180 gives the
saturating load the three minutes of the issue; `make test` gives it a few seconds."""
# time limit: 400 s

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from clients import Load, settled  # noqa: E402
from servers import HOST, Checks, Cluster, Conn, ask, info, scratch, wait  # noqa: E402

LOAD_S = float(os.environ.get("KVORUM_STABLE_SECONDS", "12"))
VALUE = 1 << 20
VALUES = 200
ARGS = ("--enable-debug-command", "yes", "--checkpoint-bytes", "1gb")


def reign(cluster):
    """Who leads, since which term, and how often anybody stood."""
    leader = cluster.wait_leader()
    return leader.port, info(leader.port, "raft")["term"], sum(int(info(n.port, "raft")["elections_started"]) for n in cluster.nodes if n.alive())


def undisturbed(checks, cluster, name, function, *args):
    before, begun = reign(cluster), time.monotonic()
    try:
        function(*args)
    except Exception as error:
        checks.ok(name, False, "%s: %s" % (type(error).__name__, error))
        return
    took = time.monotonic() - begun
    checks.equal("no election: %s" % name, reign(cluster), before)
    print("# %s: %.1f s" % (name, took))


def saturate(cluster):
    """As many clients as it takes, at the leader and through a follower, writing and reading."""
    leader, follower = cluster.wait_leader(), cluster.followers()[0]
    common = ["-h", HOST, "-q", "-n", "100000000", "-r", "100000", "-d", "64", "-c", "50", "-P", "16"]
    commands = [["-p", str(leader.port), "-t", "set"], ["-p", str(leader.port), "-t", "get"], ["-p", str(follower.proxy_port), "-t", "incr"]]
    loads = [subprocess.Popen(["redis-benchmark", *common, *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for more in commands]
    before = int(info(leader.port, "stats")["total_commands_processed"])
    try:
        end = time.monotonic() + LOAD_S
        while time.monotonic() < end:
            time.sleep(0.5)
            if any(load.poll() is not None for load in loads):
                raise AssertionError("redis-benchmark gave up")
        rate = (int(info(leader.port, "stats")["total_commands_processed"]) - before) / LOAD_S
        print("# saturated at %.0f commands a second" % rate)
        if rate < 1000:
            raise AssertionError("that is no load: %.0f commands a second" % rate)
    finally:
        for load in loads:
            load.kill()
            load.wait()


def fill(port):
    with Conn(port, 60) as conn:
        for i in range(VALUES):
            conn.call("SET", "big:%d" % i, os.urandom(1024) * (VALUE // 1024))


def save(node):
    before = ask(node.port, "LASTSAVE")
    time.sleep(1.1)  # LASTSAVE counts seconds
    with Conn(node.port, 120) as conn:
        if conn.call("SAVE") != b"OK":
            raise AssertionError("SAVE")
    if ask(node.port, "LASTSAVE") <= before:
        raise AssertionError("LASTSAVE stands still")


def background_save(node):
    if b"Background saving started" not in ask(node.port, "BGSAVE"):
        raise AssertionError("BGSAVE")
    wait("the snapshot", lambda: info(node.port, "raft")["snapshot_in_progress"] == "0" and info(node.port, "raft")["snapshot_index"] != "0", 60)


def install(node, leader):
    """A node that has nothing of the 200 MB, and whose part of the journal is gone."""
    node.start(0)
    wait("port", node.accepts)
    wait("it to have caught up", lambda: int(info(node.port, "raft").get("applied_index", 0)) >= int(info(leader.port, "raft")["commit_index"]) - 100, 90)
    if info(node.port, "raft")["snapshots_installed"] == "0":
        raise AssertionError("no snapshot was installed")


def huge_value(port):
    piece = b"x" * (10 << 20)
    with Conn(port, 60) as conn:
        for _ in range(10):
            conn.call("APPEND", "huge", piece)
        if conn.call("STRLEN", "huge") != 100 << 20:
            raise AssertionError("STRLEN")
        if conn.call("DEL", "huge") != 1:
            raise AssertionError("DEL")


def snapshot_file(node):
    files = [name for name in os.listdir(node.folder) if name.startswith("snapshot-") and name.endswith(".rdb")]
    if len(files) != 1:
        raise AssertionError(files)
    return os.path.join(node.folder, files[0])


def main():
    checks = Checks()
    cluster = Cluster(scratch("cluster/stability"), args=ARGS).start()
    undisturbed(checks, cluster, "saturating load", saturate, cluster)
    ask(cluster.wait_leader().port, "FLUSHALL")

    leader, away = cluster.wait_leader(), cluster.followers()[0]
    other = next(n for n in cluster.nodes if n is not leader and n is not away)
    away.kill()
    load = Load([leader.port, other.proxy_port], count=3, depth=2, prefix="quiet", pause_s=0.005).start()
    undisturbed(checks, cluster, "200 MB written", fill, leader.port)
    undisturbed(checks, cluster, "a snapshot of 200 MB at the leader", save, leader)
    undisturbed(checks, cluster, "and in the background at a follower", background_save, other)
    before, begun = load.acknowledged, time.monotonic()
    undisturbed(checks, cluster, "it is sent and installed", install, away, leader)
    rate = (load.acknowledged - before) / (time.monotonic() - begun)
    checks.ok("clients are served meanwhile", rate > 20, rate)
    undisturbed(checks, cluster, "a value of 100 MB", huge_value, leader.port)
    load.stop()
    checks.ok("the load never failed", not load.error(), load.error())
    checks.equal("all agree", len(settled(cluster.nodes, 60)), 1)

    done = subprocess.run(["redis-check-rdb", snapshot_file(away)], capture_output=True, text=True, errors="replace", timeout=60)
    checks.ok("redis-check-rdb is content with an installed snapshot", done.returncode == 0 and "looks OK" in done.stdout, done.stdout[-500:])
    away.kill()
    away.start(0)
    wait("port", away.accepts)
    checks.equal("and it is started from", len(settled(cluster.nodes, 60)), 1)
    checks.run("with all of the load", load.judge, leader.port)
    cluster.kill()
    checks.finish()


if __name__ == "__main__":
    main()
