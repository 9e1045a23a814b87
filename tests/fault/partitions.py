"""Partitions of every shape. Nodes that reach a majority both ways must serve; the others must not, and whoever leads
afterwards, the histories say whether anything was lost or read stale."""

import itertools

from scenarios import scenario


def numbers(nodes):
    return [node.number for node in nodes]


def silent(a_side, b_side):
    """Nothing passes between the two, either way."""
    return [pair for a in numbers(a_side) for b in numbers(b_side) for pair in ((a, b), (b, a))]


def rest(field, *but):
    return [node for node in field.nodes if node not in but]


def cut(field, pairs, what, *, serves=True, low=1.0, high=4.0):
    field.links("partitions", cut=pairs)
    if serves:
        field.serves("while " + what, 30)
    field.pause(low, high)
    field.heal_links()
    field.serves("after " + what, 50)


@scenario("partitions", seconds=25)
def leader_cut_off(field):
    for _ in field.rounds():
        leader = field.leader()
        cut(field, silent([leader], rest(field, leader)), "the leader was cut off")


@scenario("partitions", seconds=25)
def leader_cut_off_with_its_clients(field):
    """They get no answer: not even a wrong one. Only its own network namespace is left to the leader."""
    for _ in field.rounds():
        leader = field.leader()
        pairs = silent([leader], rest(field, leader)) + [(0, leader.number)]
        cut(field, pairs, "the leader was cut off with its clients")


@scenario("partitions", seconds=25, nodes=5)
def minority_and_majority(field):
    for round_number in field.rounds():
        leader = field.leader()
        others = rest(field, leader)
        field.random.shuffle(others)
        minority = [leader, others[0]] if round_number % 2 == 0 else others[:2]
        cut(field, silent(minority, rest(field, *minority)), "two of five were cut off")


@scenario("partitions", seconds=25, nodes=5)
def no_majority_anywhere(field):
    for _ in field.rounds():
        nodes = list(field.nodes)
        field.random.shuffle(nodes)
        groups = nodes[:2], nodes[2:4], nodes[4:]
        pairs = [pair for a, b in itertools.combinations(groups, 2) for pair in silent(a, b)]
        cut(field, pairs, "there was no majority", serves=False)


@scenario("partitions", seconds=30)
def one_way(field):
    """One direction alone: the leader is not heard, or hears nothing; a follower likewise."""
    for round_number in field.rounds():
        node = field.leader() if round_number % 2 == 0 else field.follower()
        hears, one_only = field.random.random() < 0.5, field.random.random() < 0.3
        others = numbers(rest(field, node))[: 1 if one_only else None]
        pairs = [(node.number, other) if hears else (other, node.number) for other in others]
        cut(field, pairs, "the way %s %d was cut" % ("from" if hears else "to", node.number))


@scenario("partitions", seconds=30, nodes=5)
def bridge(field):
    """Two pairs that do not hear each other, and a fifth node that hears all: it makes a majority with either."""
    for round_number in field.rounds():
        leader = field.leader()
        others = rest(field, leader)
        field.random.shuffle(others)
        middle, left = (leader, others[:2]) if round_number % 2 == 0 else (others[0], [leader, others[1]])
        cut(field, silent(left, rest(field, middle, *left)), "one node of five was the bridge")


@scenario("partitions", seconds=30)
def chain(field):
    """a - b - c: each end hears the middle alone."""
    for round_number in field.rounds():
        leader = field.leader()
        others = rest(field, leader)
        ends = others if round_number % 3 == 0 else [leader, others[round_number % 2]]
        cut(field, silent(ends[:1], ends[1:]), "three were a chain")


@scenario("partitions", seconds=30, nodes=5)
def star_around_a_follower(field):
    """Every node hears one alone, a follower: it, and nobody else, is in a majority of nodes that hear each other."""
    for _ in field.rounds():
        middle = field.follower()
        pairs = [pair for a, b in itertools.combinations(rest(field, middle), 2) for pair in silent([a], [b])]
        cut(field, pairs, "four of five heard but the fifth")


@scenario("partitions", seconds=25)
def flapping(field):
    """A link that comes and goes: at most one term for each time."""
    for _ in field.rounds():
        term, flaps = field.terms(), 0
        leader, other = field.leader(), field.follower()
        victims = ([leader], [other]) if field.random.random() < 0.5 else ([leader], rest(field, leader))
        for _ in range(field.random.randint(4, 10)):
            field.links("partitions", cut=silent(*victims))
            field.pause(0.05, 1.2)
            field.heal_links()
            flaps += 1
            field.pause(0.05, 0.6)
        field.serves("after a link flapped", 50)
        if field.terms() > term + flaps + 1:
            raise AssertionError("%d flaps cost %d terms" % (flaps, field.terms() - term))
