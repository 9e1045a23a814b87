"""Wall clocks that jump, monotonic clocks left alone (preload/badclock.c). Keys with a time to live, and locks that depend on
one, neither die early nor live again: time is the cluster's."""

import re

from scenarios import scenario
from servers import ask, wait


def offsets(node):
    """How far the wall clocks of all, as this node has heard them, are from the cluster's time, in seconds."""
    text = ask(node.port, "INFO", "raft", host=node.host).decode()
    return [int(ms) / 1000 for ms in re.findall(r"clock_offset_ms=(-?\d+)", text)]


def jump(field, node, seconds):
    """Until the leader has heard of it, or, when it is the leader's own, outvotes it."""
    field.set_clock(node, seconds)
    try:
        wait("the leader to hear of it", lambda: any(abs(offset - seconds) < 60 for offset in offsets(field.leader())))
    except TimeoutError:
        raise AssertionError("n%d was made %d s wrong, and the nodes see %s" % (
            node.number, seconds, [offsets(n) for n in field.nodes])) from None
    field.counts["clock_jumps"] += 1


def set_right(field, *nodes):
    """Until nobody remembers that they were wrong: a node that follows has heard of the others' clocks in the votes alone, and
    lets go of that after an election timeout. Another clock that is wrong before would be a second one."""
    for node in nodes:
        field.set_clock(node, 0)
    wait("clocks to be right", lambda: all(abs(offset) < 60 for offset in offsets(field.leader())))
    field.pause(1.3, 1.5)


@scenario("clock_jumps", seconds=30, clocks=True)
def clock_jumps(field):
    """An hour to and fro on one node of three, the leader's too, and changes of leader meanwhile."""
    for round_number in field.rounds():
        node = field.leader() if round_number % 2 == 0 else field.follower()
        jump(field, node, field.random.choice([3600, -3600, 86400, -600]))
        field.serves("after a clock jumped", 30)
        field.pause(0.5, 2)
        if round_number % 3 == 1:
            leader = field.leader()
            field.kill(leader)
            field.serves("with a new leader while a clock is wrong", 30)
            field.start(leader)
        set_right(field, node)
        field.serves("after a clock was set right", 30)


@scenario("clock_jumps", seconds=25, nodes=5, clocks=True)
def clocks_of_two_of_five(field):
    """One an hour ahead, one an hour behind."""
    for _ in field.rounds():
        ahead, behind = field.random.sample(field.nodes, 2)
        jump(field, ahead, 3600)
        jump(field, behind, -3600)
        leader = field.leader()
        field.kill(leader)
        field.serves("with a new leader while two clocks are wrong", 30)
        field.start(leader)
        field.pause(0.5, 2)
        set_right(field, ahead, behind)
        field.serves("after clocks were set right", 30)
