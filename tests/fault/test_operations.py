#!/usr/bin/python3
"""What operators do, under load from stock clients, the history judged across all of it: an old backup of a directory put
back, a new cluster out of one survivor, a new cluster out of a snapshot."""
# time limit: 240 s

import glob
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
from clients import Load, settled  # noqa: E402
from recorded import Recorded  # noqa: E402
from servers import BUILD, HOST, Checks, Cluster, RespError, ask, info, scratch, wait  # noqa: E402

INSPECT = os.path.join(BUILD, "kvorum-inspect")
ARGS = ("--enable-debug-command", "yes", "--election-timeout", "500")


def role(node):
    return info(node.port, "raft").get("role")


def applied(node):
    return int(info(node.port, "raft").get("applied_index", 0))


def voters(node):
    return sum("voter=1" in row for name, row in info(node.port, "raft").items() if name.startswith("node"))


def log_of(node):
    with open(os.path.join(node.folder, "log"), errors="replace") as f:
        return f.read()


def inspect(*words):
    done = subprocess.run([INSPECT, *words], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise AssertionError("kvorum-inspect: %s" % (done.stdout + done.stderr)[-300:])


class Under:
    """A cluster and both kinds of load: sessions that repeat what is in doubt, and plain clients that are written down."""

    def __init__(self, name):
        self.folder = scratch("fault/" + name)
        self.cluster = Cluster(self.folder, args=ARGS).start()
        nodes = self.cluster.nodes
        self.load = Load([n.port for n in nodes], count=2, keys=2, prefix=name).start()
        self.recorded = Recorded(os.path.join(self.folder, "history"), [n.proxy_port for n in nodes]).start()
        self.goes_on()

    def goes_on(self, more=100):
        done, answered = self.load.acknowledged, self.recorded.answered
        wait("load", lambda: self.load.acknowledged > done + more and self.recorded.answered > answered + more)

    def hold(self):
        """Nothing is written any more, and all nodes have it all."""
        self.recorded.pause(True)
        for appender in self.load.appenders:
            appender.pause_s = 3600
        time.sleep(0.2)
        settled(self.cluster.nodes)

    def resume(self):
        """The sessions' threads sleep: new ones go on where they stopped."""
        self.recorded.pause(False)
        for old in self.load.appenders:
            old.ending = True
        keep = self.load
        self.load = Load([n.port for n in self.cluster.nodes], count=2, keys=2, prefix=keep.keys[0].split(":")[0] + "-again").start()
        self.held = keep

    def rejoin(self, node, to):
        """On an empty directory, where it was."""
        shutil.rmtree(node.folder)
        os.makedirs(node.folder)
        for option in ("--initial-cluster", "--join"):
            if option in node.args:
                at = node.args.index(option)
                del node.args[at : at + 2]
        node.args += ["--join", "%s:%d@%d" % (HOST, to.port, to.port + 20)]
        node.start()
        wait("it to follow", lambda: role(node) == "follower")

    def judge(self, checks, what):
        self.load.stop()
        self.recorded.stop()
        leader = self.cluster.wait_leader()
        checks.ok("%s: no write of a session failed" % what, not self.load.error(), self.load.error())
        checks.run("%s: nothing is lost, nothing twice" % what, self.load.judge, leader.port)
        if hasattr(self, "held"):
            checks.run("%s: nothing of before is lost" % what, self.held.judge, leader.port)
        try:
            print("# %s" % self.recorded.judge())
            checks.ok("%s: the history is linearizable" % what, True)
        except Exception as error:
            checks.ok("%s: the history is linearizable" % what, False, error)
        checks.equal("%s: all are equal" % what, len(settled(self.cluster.nodes)), 1)
        self.cluster.stop()


def old_backup(checks):
    u = Under("backup")
    old = u.cluster.followers()[0]
    leader = u.cluster.wait_leader()
    old.stop()
    backup = old.folder + ".backup"
    shutil.copytree(old.folder, backup)
    old.start()
    wait("it to follow", lambda: info(old.port, "raft").get("leader_id"))
    u.goes_on(300)
    old.kill()
    shutil.rmtree(old.folder)
    os.rename(backup, old.folder)
    old.start()
    checks.run("a node put back from an old backup is refused by the leader, which says so", wait, "it",
               lambda: "came back with less: refused until it is replaced" in log_of(leader), 15)
    u.goes_on()
    checks.ok("and gets nothing", applied(old) + 100 < applied(leader), (applied(old), applied(leader)))
    checks.equal("FORGET", ask(leader.port, "CLUSTER", "FORGET", ask(old.port, "CLUSTER", "MYID").decode()), b"OK")
    old.kill()
    checks.run("replaced, it is one of three again", u.rejoin, old, leader)
    checks.run("and votes", wait, "three voters", lambda: voters(u.cluster.wait_leader()) == 3)
    u.goes_on()
    u.judge(checks, "old backup")


def rescue(checks):
    u = Under("rescue")
    survivor, lost = u.cluster.nodes[0], u.cluster.nodes[1:]
    u.hold()
    for node in u.cluster.nodes:
        node.kill()
    inspect(survivor.folder, "--new-cluster")
    survivor.start()
    checks.run("a survivor leads alone", wait, "it to lead", lambda: role(survivor) == "leader")
    u.resume()
    wait("load", lambda: u.load.acknowledged > 50)
    returned = lost[0]
    returned.start(0)
    time.sleep(1.5)
    checks.ok("a node of the old cluster that returns is not let in", role(returned) != "leader" and voters(survivor) == 1,
              (role(returned), voters(survivor)))
    returned.kill()
    for node in lost:
        checks.run("a fresh node joins the rescued cluster", u.rejoin, node, survivor)
        wait("it to vote", lambda now=node: voters(u.cluster.wait_leader()) == 2 + lost.index(now))
    survivor.kill()
    checks.run("the others have it all", u.cluster.wait_leader)
    survivor.start()
    u.goes_on()
    u.judge(checks, "rescue")


def restore(checks):
    u = Under("restore")
    u.hold()
    source = u.cluster.followers()[0]
    checks.equal("SAVE", ask(source.port, "SAVE", timeout=30), b"OK")
    newest = max(glob.glob(os.path.join(source.folder, "snapshot-*.rdb")), key=os.path.getmtime)
    file = shutil.copy(newest, os.path.join(u.folder, "backup.rdb"))
    for node in u.cluster.nodes:
        node.kill()
        shutil.rmtree(node.folder)
    first, rest = u.cluster.nodes[0], u.cluster.nodes[1:]
    inspect(first.folder, "--restore", file, "n1=%s:%d@%d" % (HOST, first.port, first.port + 20))
    first.start()
    checks.run("a cluster out of a snapshot", wait, "it to lead", lambda: role(first) == "leader")
    u.resume()
    for node in rest:
        os.makedirs(node.folder)
        checks.run("a fresh node joins the restored cluster", u.rejoin, node, first)
        wait("it to vote", lambda now=node: voters(u.cluster.wait_leader()) == 2 + rest.index(now))
    u.goes_on()
    u.judge(checks, "restore")


def main():
    checks, only = Checks(), sys.argv[1:]
    for part in (old_backup, rescue, restore):
        if only and part.__name__ not in only:
            continue
        try:
            part(checks)
        except Exception as error:
            checks.ok(part.__name__, False, "%s: %s" % (type(error).__name__, error))
    checks.finish()


if __name__ == "__main__":
    main()
