#!/usr/bin/python3
"""Three blank nodes started at once found one cluster, with all three in it, every time.

Once a node told a made-up id until its real one was durable, and was shut out by a founder that came in between: 9 of 40
starts on a busy machine."""
# time limit: 180 s

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import Checks, Cluster, ask, info, scratch, wait  # noqa: E402

ROUNDS = 12


def role(node):
    return info(node.port, "raft").get("role")


def main():
    checks = Checks()
    for number in range(ROUNDS):
        cluster = Cluster(scratch("cluster/founding"))
        for node in cluster.nodes:
            node.start(0)
        checks.run("founding %d: all three are in" % number, wait, "a leader and two followers",
                   lambda: sorted(str(role(node)) for node in cluster.nodes) == ["follower", "follower", "leader"], 15)
        ids = {ask(node.port, "CLUSTER", "MYID") for node in cluster.nodes}
        members = {line.split()[0] for line in ask(cluster.nodes[number % 3].port, "CLUSTER", "NODES").strip().split(b"\n")}
        checks.equal("founding %d: the members are those three" % number, members, ids)
        cluster.kill()
    checks.finish()


if __name__ == "__main__":
    main()
