"""Links that are slow, lose packets, or are reset."""

from nets import NotPossible
from partitions import rest
from scenarios import scenario


def around(node, others):
    return [pair for other in others for pair in ((node.number, other.number), (other.number, node.number))]


@scenario("lossy_links", seconds=25)
def lossy_links(field):
    """One packet in ten is lost, between one node and the others, or between all of them: TCP's pauses of 0.2 s and more."""
    for round_number in field.rounds():
        nodes = [field.random.choice(field.nodes)] if round_number % 2 == 0 else field.nodes
        field.links("lossy_links", lossy=[pair for node in nodes for pair in around(node, rest(field, node))])
        field.serves("while packets are lost", 30)
        field.pause(2, 5)
        field.heal_links()
        field.serves("after packets were lost", 50)


@scenario("link_resets", seconds=25)
def link_resets(field):
    """Whatever comes from a node is answered by a reset, for a moment: a reset link alone starts no election."""
    for round_number in field.rounds():
        node = field.leader() if round_number % 2 == 0 else field.follower()
        pairs = around(node, rest(field, node))
        for _ in range(field.random.randint(1, 5)):
            field.links("link_resets", reset=field.random.sample(pairs, field.random.randint(1, len(pairs))))
            field.pause(0.02, 0.4)
            field.heal_links()
            field.pause(0.05, 0.5)
        field.serves("after links were reset", 50)


@scenario("link_resets", seconds=20)
def client_resets(field):
    """Clients' connections are reset under them."""
    for _ in field.rounds():
        for node in field.nodes:
            field.links("link_resets", reset=[(0, node.number)])
            field.pause(0.05, 0.3)
            field.heal_links()
        field.serves("after connections were reset", 50)


@scenario("slow_links", seconds=25)
def slow_links(field):
    """What a node sends goes at modem speed, through a queue of half a second."""
    for round_number in field.rounds():
        node = field.leader() if round_number % 2 == 0 else field.follower()
        field.slow(node, "tbf", "rate", field.random.choice(["64kbit", "256kbit", "1mbit"]), "burst", "16k", "latency", "500ms")
        field.pause(2, 5)
        field.unslow(node)
        field.serves("after a slow link", 50)


@scenario("slow_links", seconds=20)
def delayed_packets(field):
    for _ in field.rounds():
        node = field.random.choice(field.nodes)
        field.slow(node, "netem", "delay", "80ms", "60ms", "25%")
        field.serves("while packets are late", 30)
        field.pause(1, 3)
        field.unslow(node)


@scenario("unreliable", seconds=25)
def frames_lost_and_late(field):
    """By the nodes themselves, frame by frame (src/transport/inject.c): what TCP would never do."""
    for _ in field.rounds():
        drop, delay = field.random.choice([(20, 0), (0, 60), (20, 40), (50, 100)])
        for node in field.nodes:
            if field.ask(node, "DEBUG", "KVORUM-LINK", "*", "drop", drop, "delay", delay) != b"OK":
                raise NotPossible("DEBUG KVORUM-LINK")
        field.counts["unreliable"] += 1
        field.serves("while frames are lost", 20)
        field.pause(1, 4)
        for node in field.nodes:
            field.ask(node, "DEBUG", "KVORUM-LINK", "*", "drop", 0, "delay", 0)
        field.serves("after frames were lost", 50)
