"""Processes that end, stand still, and are started again."""

import signal
import time

from servers import wait
from scenarios import scenario


def killed(field, victims, *, serves):
    """Round after round: these die, the others go on if they can, the dead come back."""
    for _ in field.rounds():
        nodes = victims(field)
        field.kill(*nodes)
        field.pause(0, 0.3)
        if serves:
            field.serves("while %d of %d are dead" % (len(nodes), len(field.nodes)), 30)
        field.start(*nodes)
        field.serves("after a kill", 30)


@scenario("kills", seconds=20)
def kill_leader(field):
    killed(field, lambda f: [f.leader()], serves=True)


@scenario("kills", seconds=20)
def kill_follower(field):
    killed(field, lambda f: [f.follower()], serves=True)


@scenario("kills", seconds=20, nodes=5)
def kill_random(field):
    killed(field, lambda f: [f.random.choice(f.nodes)], serves=True)


@scenario("kills", seconds=20, nodes=5)
def kill_two_of_five(field):
    killed(field, lambda f: f.random.sample(f.nodes, 2), serves=True)


@scenario("kills", seconds=20)
def kill_two_of_three(field):
    killed(field, lambda f: f.random.sample(f.nodes, 2), serves=False)


@scenario("kills", seconds=20)
def kill_all(field):
    killed(field, lambda f: list(f.nodes), serves=False)


def how_long(field):
    """From a tenth of a second to as much as the scenario's time allows, half a minute at most; short ones more often."""
    longest = min(30.0, field.seconds / 2)
    return 0.1 * (longest / 0.1) ** field.random.random()


@scenario("stops", seconds=40)
def stop_leader(field):
    for _ in field.rounds():
        leader, seconds = field.leader(), how_long(field)
        field.freeze(leader)
        since = time.monotonic()
        if seconds > 5:
            field.serves("while the leader stands still", 30)
        time.sleep(max(0, since + seconds - time.monotonic()))
        field.resume(leader)
        field.serves("after the leader stood still", 30)


@scenario("stops", seconds=40)
def stop_follower(field):
    for _ in field.rounds():
        node, seconds = field.follower(), how_long(field)
        term = field.terms()
        field.freeze(node)
        time.sleep(seconds)
        field.serves("while a follower stands still", 30)
        field.resume(node)
        field.serves("after a follower stood still", 30)
        wait("it to catch up", lambda: field.info(node).get("role") == "follower")
        if field.terms() != term:
            raise AssertionError("a follower that stood still cost the leader its office")


@scenario("restarts", seconds=20)
def rolling_restart(field):
    """SIGTERM and start, one after the other, under load; nobody waits for more than the handing over."""
    for _ in field.rounds():
        for node in field.nodes:
            node.signal(signal.SIGTERM)
            if node.process.wait(30) != 0:
                raise AssertionError("%s: SIGTERM, exit status %d" % (node.folder, node.process.returncode))
            field.counts["restarts"] += 1
            field.start(node)
            wait("it to follow", lambda n=node: field.info(n).get("role") in ("follower", "leader"))
            field.serves("in a rolling restart", 30)
