#!/usr/bin/python3
"""kill -9 in a loop under load: of one node, of the majority, of all. Whatever was acknowledged is there afterwards, each
token once and in order, also after all nodes have been started anew, and all nodes hold the same."""
# time limit: 120 s

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from clients import Load, settled  # noqa: E402
from servers import Checks, Cluster, scratch, wait  # noqa: E402

ROUND_S = float(os.environ.get("KVORUM_KILL_SECONDS", "5"))
ARGS = ("--enable-debug-command", "yes", "--checkpoint-bytes", "256kb")


def progress(load, what):
    """Everybody gets on: not a few lucky writers."""
    before = [a.acknowledged for a in load.appenders]
    wait("each client to be answered again " + what, lambda: load.error() or all(
        a.acknowledged > n for a, n in zip(load.appenders, before)), 30)
    if load.error():
        raise AssertionError(load.error())


def kill_in_a_loop(cluster, load, victims_of):
    """Kills, waits a little, starts again; for ROUND_S. The number of rounds."""
    rounds, end = 0, time.monotonic() + ROUND_S
    while time.monotonic() < end:
        victims = victims_of(cluster)
        for node in victims:
            node.kill()
        time.sleep(random.choice((0, 0.05, 0.3)))
        random.shuffle(victims)
        for node in victims:
            node.start(0)
        for node in victims:
            wait("port %d" % node.port, node.accepts)
        progress(load, "after a kill")
        rounds += 1
    return rounds


def one(cluster):
    return [random.choice(cluster.nodes)]


def the_leader(cluster):
    return [cluster.wait_leader()]


def the_majority(cluster):
    return random.sample(cluster.nodes, 2)


def everybody(cluster):
    return list(cluster.nodes)


def survives(checks, cluster, name, victims_of):
    ports = [node.port for node in cluster.nodes] + [node.proxy_port for node in cluster.nodes]
    load = Load(ports, count=6, keys=2, depth=4, prefix=name.replace(" ", "-")).start()
    try:
        progress(load, "at first")
        rounds = kill_in_a_loop(cluster, load, victims_of)
        load.stop()
        load.judge(cluster.wait_leader().port)
        checks.ok("kill -9 of %s" % name, not load.error() and rounds > 0, load.error())
        print("# %d rounds, %d writes acknowledged, %d sent again" % (
            rounds, load.acknowledged, sum(a.session.retries for a in load.appenders)))
    except Exception as error:
        load.stop()
        checks.ok("kill -9 of %s" % name, False, "%s: %s (%s)" % (type(error).__name__, error, load.error()))
    return load


def main():
    random.seed(int(os.environ.get("KVORUM_SEED", "0")) or None)
    checks = Checks()
    cluster = Cluster(scratch("cluster/kill"), args=ARGS).start()
    loads = [
        survives(checks, cluster, "any node", one),
        survives(checks, cluster, "the leader", the_leader),
        survives(checks, cluster, "the majority", the_majority),
        survives(checks, cluster, "all", everybody),
    ]
    checks.run("all nodes hold the same", lambda: settled(cluster.nodes))
    checks.equal("by their digests", len(settled(cluster.nodes)), 1)
    cluster.kill()
    cluster.start()
    for load in loads:
        checks.run("%s: still so after a cold start" % load.keys[0], load.judge, cluster.wait_leader().port)
    checks.equal("the digests agree after a cold start", len(settled(cluster.nodes)), 1)
    cluster.kill()
    checks.finish()


if __name__ == "__main__":
    main()
