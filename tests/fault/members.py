"""Nodes that are replaced, wiped, moved, and that come back after they were removed."""

import os
import re
import time

from scenarios import scenario
from servers import RespError, wait


def voters(field, node):
    return field.ask(node, "INFO", "raft").count(b",voter=1,")


def myid(field, node):
    return field.ask(node, "CLUSTER", "MYID").decode()


def blank(node):
    """Its disk is gone; what was on it is kept for a look. How it is to start anew is for the caller to add."""
    for option in ("--initial-cluster", "--join"):
        if option in node.args:
            at = node.args.index(option)
            del node.args[at:at + 2]
    os.rename(node.folder, "%s.%d" % (node.folder, time.monotonic_ns()))
    os.makedirs(node.folder)


def forget(field, node_id):
    """Refused while a change of members is under way, or there is no leader: then again."""

    def done():
        try:
            return field.ask(field.leader(), "CLUSTER", "FORGET", node_id) == b"OK"
        except (RespError, OSError):
            return False

    wait("CLUSTER FORGET", done, 30)


def join(field, node):
    """On an empty directory, as README says: --join instead of --initial-cluster."""
    leader = field.leader()
    field.start_with(node, "--join", "%s:%d@%d" % (leader.host, leader.port, leader.port + 20))
    wait("it to follow", lambda: field.info(node).get("role") in ("follower", "leader"), 60)
    size = len(field.nodes)
    wait("%d voters" % size, lambda: voters(field, field.leader()) == size, 60)


@scenario("replaced", seconds=25)
def replace_member(field):
    """A node dies with its disk, is forgotten, and another takes its name and address; the leader too."""
    for round_number in field.rounds():
        node = field.follower() if round_number % 3 else field.leader()
        node_id = myid(field, node)
        field.kill(node)
        field.serves("while one is dead", 30)
        forget(field, node_id)
        blank(node)
        join(field, node)
        field.counts["replaced"] += 1
        field.serves("after one was replaced", 30)


@scenario("wiped", seconds=20)
def wiped_disk(field):
    """Started on an empty disk with its old configuration a node waits, and says so; it is no voter."""
    for _ in field.rounds():
        node = field.follower()
        node_id = myid(field, node)
        field.kill(node)
        blank(node)
        field.start_with(node, "--initial-cluster", field.cluster.founders)
        wait("it to say that its disk is lost", lambda: "has lost its data" in field.log(node), 30)
        field.counts["wiped"] += 1
        field.serves("with a wiped node", 30)
        if field.info(node).get("role") in ("leader", "follower"):
            raise AssertionError("a wiped node is a %s" % field.info(node)["role"])
        field.kill(node)
        forget(field, node_id)
        blank(node)
        join(field, node)
        field.serves("after the wiped node was replaced", 30)


@scenario("former_lives", seconds=25, spare=4)
def frames_of_a_former_life(field):
    """A node stands still, is removed and its place is taken. Then it wakes, with a reign or a vote of its former life in its
    buffers and open connections: nobody listens to it."""
    for _ in range(min(len(field.spares), sum(1 for _ in zip(field.spares, field.rounds())))):
        spare = field.spares.pop(0)
        old = field.random.choice(field.nodes)
        old_id = myid(field, old)
        field.freeze(old)
        field.serves("while one stands still", 30)
        forget(field, old_id)
        field.nodes.remove(old)
        field.nodes.append(spare)
        join(field, spare)
        leader, term = field.leader(), field.terms()
        field.resume(old)
        field.counts["former_lives"] += 1
        wait("the removed node to know", lambda: field.info(old).get("removed") == "1", 30)
        field.pause(2, 3)
        if field.leader() is not leader or field.terms() != term:
            raise AssertionError("a removed node disturbed")
        try:
            if field.ask(old, "SET", "stray", "1") == b"OK":
                raise AssertionError("a removed node takes writes")
        except RespError:
            pass
        field.kill(old)
        field.serves("after a removed node came back", 30)


def reaches(field, a, b):
    return re.search(r"name=n%d,addr=%s,.*link=up" % (b.number, re.escape(b.host)), field.ask(a, "INFO", "raft").decode()) is not None


@scenario("moved", seconds=20)
def new_address(field):
    """A node comes back, with its disk, under another address than the cluster knows, and says so (cluster-announce-ip): it is a
    voter as before, and a majority with it serves. Leaders too."""
    for round_number in field.rounds():
        node = field.leader() if round_number % 2 == 0 else field.follower()
        if node is field.nodes[0]:
            node = field.nodes[1]  # one is left for clients to find
        field.kill(node)
        field.serves("while one is away", 30)
        field.move(node)
        field.start_with(node, "--cluster-announce-ip", node.host)
        wait("all to reach it", lambda: all(reaches(field, n, node) for n in field.nodes if n is not node), 30)
        wait("it to follow", lambda: field.info(node).get("role") in ("follower", "leader"), 30)
        field.counts["moved"] += 1
        field.serves("after one has moved", 30)
        other = field.random.choice([n for n in field.nodes[1:] if n is not node])  # see above
        field.kill(other)
        field.serves("with one that has moved in the majority", 30)
        field.start(other)
        field.serves("with all", 30)
