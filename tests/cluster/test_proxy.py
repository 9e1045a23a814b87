#!/usr/bin/python3
"""Order through a proxy port: what one connection pipelines runs in that order and once, with large values among small
ones, over links that lose frames, and across changes of leader. No session is needed for it."""
# time limit: 60 s

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import SLOWED, Checks, Cluster, Conn, ask, encode, scratch, wait  # noqa: E402

ARGS = ("--enable-debug-command", "yes", "--election-timeout", str(int(SLOWED * 400)))
BIG = b"x" * (8 << 20)


def large_and_small(checks, cluster):
    """The two travel on different connections between the nodes; the small one must not overtake."""
    port = cluster.followers()[0].proxy_port
    wrong = 0
    for i in range(5):
        with Conn(port, 30) as conn:
            conn.send(encode("SET", "mixed", BIG) + encode("SET", "mixed", "small-%d" % i) + encode("GET", "mixed"))
            replies = [conn.reply() for _ in range(3)]
            wrong += replies != [b"OK", b"OK", b"small-%d" % i]
    checks.equal("a small write does not overtake a large one", wrong, 0)


def pipelined(checks, cluster, name, port, disturb, seconds=5 * SLOWED):
    """Appends of 20 at a time while disturb() goes on."""
    ending = threading.Event()
    trouble = threading.Thread(target=disturb, args=(ending,), daemon=True)
    trouble.start()
    sent, answers, end = 0, [], time.monotonic() + seconds
    with Conn(port, 30) as conn:
        while time.monotonic() < end:
            conn.send(b"".join(encode("APPEND", name, "<%d>" % (sent + i)) for i in range(20)))
            answers += [conn.reply() for _ in range(20)]
            sent += 20
    ending.set()
    trouble.join()
    for node in cluster.nodes:
        ask(node.port, "DEBUG", "KVORUM-LINK", "*", "heal")
    wait("a leader", cluster.leader)
    value = ask(cluster.wait_leader().port, "GET", name).decode()
    tokens = [int(token) for token in value.replace("<", "").split(">")[:-1]]
    maybe = [i for i, answer in enumerate(answers) if not isinstance(answer, int)]
    checks.ok("%s: in order, each once" % name, tokens == sorted(set(tokens)), [t for t, u in zip(tokens, tokens[1:]) if t >= u][:5])
    checks.ok("%s: every acknowledged one is there" % name, set(tokens) >= set(range(sent)) - set(maybe), len(tokens))
    checks.ok("%s: hardly one is in doubt" % name, len(maybe) * 100 <= sent, [answers[i] for i in maybe[:3]])
    print("# %s: %d sent, %d in doubt" % (name, sent, len(maybe)))


def main():
    checks = Checks()
    cluster = Cluster(scratch("cluster/proxy"), args=ARGS).start()
    follower = cluster.followers()[0]

    def lossy(ending):
        while not ending.is_set():
            ask(follower.port, "DEBUG", "KVORUM-LINK", "*", "drop", 300)
            time.sleep(0.05)
            ask(follower.port, "DEBUG", "KVORUM-LINK", "*", "heal")
            time.sleep(0.1)

    def overthrow(ending):
        while not ending.is_set():
            leader = cluster.leader()
            if leader:
                target = next(n for n in cluster.nodes if n is not leader)
                ask(target.port, "CLUSTER", "FAILOVER")
            time.sleep(0.3)

    large_and_small(checks, cluster)
    pipelined(checks, cluster, "lost-frames", follower.proxy_port, lossy)
    pipelined(checks, cluster, "changes-of-leader", follower.proxy_port, overthrow)
    cluster.kill()
    checks.finish()


if __name__ == "__main__":
    main()
