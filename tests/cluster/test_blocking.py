#!/usr/bin/python3
"""Commands that wait for a key, over three nodes: who is served and in which order, and what becomes of those who wait when
the leader is killed, deposed, when a proxying node or a client goes, over lost frames and through a storm of elections."""
# time limit: 60 s

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import SLOWED, Checks, Cluster, Conn, RespError, ask, encode, info, scratch, wait  # noqa: E402

ARGS = ("--enable-debug-command", "yes", "--election-timeout", str(int(SLOWED * 400)))


def block(port, *words):
    """A connection whose command waits, or is about to."""
    conn = Conn(port, 30)
    conn.send(encode(*words))
    return conn


def blocked(node):
    return int(info(node.port, "clients").get("blocked_clients", -1))


def wait_blocked(counts):
    for node, count in counts:
        wait("%d blocked clients on %d" % (count, node.port), lambda: blocked(node) == count)


def push(port, *words):
    """Where nobody leads, again."""
    for _ in range(200):
        try:
            return ask(port, *words)
        except (OSError, RespError):
            time.sleep(0.05)
    raise TimeoutError("no push is taken")


def in_turn(checks, cluster):
    leader, (one, two) = cluster.wait_leader(), cluster.followers()
    first = block(one.proxy_port, "BLPOP", "turn", 0)
    wait_blocked([(one, 1)])
    second = block(leader.port, "BRPOP", "other", "turn", 0)
    wait_blocked([(leader, 1)])
    third = block(two.proxy_port, "BLMOVE", "turn", "chained", "LEFT", "LEFT", 0)
    wait_blocked([(two, 1)])
    fourth = block(leader.proxy_port, "BLMPOP", 0, 1, "chained", "RIGHT")
    wait_blocked([(leader, 2)])
    push(leader.port, "RPUSH", "turn", "a", "b", "c", "d")
    checks.equal("served in turn, on three nodes", [c.reply() for c in (first, second, third, fourth)],
                 [[b"turn", b"a"], [b"turn", b"d"], b"b", [b"chained", [b"b"]]])
    checks.equal("the rest is there", ask(leader.port, "LRANGE", "turn", 0, -1), [b"c"])
    ask(leader.port, "DEL", "turn")
    start = time.monotonic()
    with block(one.proxy_port, "BLPOP", "none", 0.3) as conn:
        checks.equal("in vain through a proxy", conn.reply(), None)
    took = time.monotonic() - start
    checks.ok("its time was kept", 0.29 <= took < 0.3 + 0.4 * SLOWED, took)


def pipelined(checks, cluster):
    """What comes behind in one write waits too, although an EXEC before it is still to be answered then."""
    port, served = cluster.wait_leader().port, 0
    with Conn(port) as conn:
        for _ in range(20):
            conn.send(encode("DEL", "lone") + encode("MULTI") + encode("SET", "x", 1) + encode("EXEC") + encode("BLPOP", "lone", 0.02) +
                      encode("RPUSH", "lone", 1))
            replies = [conn.reply() for _ in range(6)]
            served += replies[4] is not None
    checks.equal("a client does not serve itself", served, 0)
    ask(port, "DEL", "lone")


def goes(checks, cluster):
    """Clients and nodes that go take nothing with them."""
    leader, (one, two) = cluster.wait_leader(), cluster.followers()
    gone, killed = block(one.proxy_port, "BLPOP", "goes", 0), Conn(two.proxy_port)
    number = killed.call("CLIENT", "ID")
    killed.send(encode("BLPOP", "goes", 0))
    here = block(leader.port, "BLPOP", "goes", 0)
    wait_blocked([(one, 1), (two, 1), (leader, 1)])
    checks.equal("CLIENT UNBLOCK on a proxying node", ask(two.port, "CLIENT", "UNBLOCK", number), 1)
    checks.equal("its client is told", killed.reply(), None)
    gone.close()
    here.close()
    wait_blocked([(one, 0), (two, 0), (leader, 0)])
    last = block(one.proxy_port, "BLPOP", "goes", 0)
    wait_blocked([(one, 1)])
    one.kill()
    stays = block(two.proxy_port, "BLPOP", "goes", 0)
    wait_blocked([(two, 1)])
    time.sleep(0.5 * SLOWED)  # for the leader to hear of it
    push(leader.port, "RPUSH", "goes", "x")
    checks.equal("a killed proxy's client takes nothing", stays.reply(), [b"goes", b"x"])
    last.close()
    one.start()


def leader_killed(checks, cluster):
    """Who waits on a proxy port waits on; who waited at the leader is rid of it."""
    leader, (one, two) = cluster.wait_leader(), cluster.followers()
    here, there = block(leader.port, "BLPOP", "kill", 0), block(one.proxy_port, "BLPOP", "kill", 0)
    timed, start = block(two.proxy_port, "BLPOP", "kill:none", 3 * SLOWED), time.monotonic()
    wait_blocked([(leader, 1), (one, 1), (two, 1)])
    leader.kill()
    try:
        here.reply()
        checks.ok("the leader's own client is cut off", False)
    except OSError:
        checks.ok("the leader's own client is cut off", True)
    push(cluster.wait_leader().port, "RPUSH", "kill", "x", "y")
    checks.equal("a client on a proxy port is served by the next leader", there.reply(), [b"kill", b"x"])
    checks.equal("what nobody waited for is there", ask(cluster.wait_leader().port, "LRANGE", "kill", 0, -1), [b"y"])
    checks.equal("another's time ends", timed.reply(), None)
    took = time.monotonic() - start
    checks.ok("when it would have", 3 * SLOWED - 0.01 <= took < 3.5 * SLOWED, took)
    leader.start()


def leader_deposed(checks, cluster):
    leader, (one, _) = cluster.wait_leader(), cluster.followers()
    here, proxied = block(leader.port, "BLPOP", "depose", 0), block(leader.proxy_port, "BLPOP", "depose", 0)
    wait_blocked([(leader, 2)])
    ask(one.port, "CLUSTER", "FAILOVER")
    error = here.reply()
    checks.ok("at a deposed leader: where to go", isinstance(error, RespError) and str(error).split()[0] == "MOVED", error)
    checks.equal("and an end", here.file.read(), b"")
    push(cluster.wait_leader().port, "RPUSH", "depose", "x")
    checks.equal("on its proxy port it waits on", proxied.reply(), [b"depose", b"x"])


def session(checks, cluster):
    """A retry takes the place of the one that waits; its reply is remembered."""
    leader, (one, two) = cluster.wait_leader(), cluster.followers()
    first = Conn(one.proxy_port, 30)
    first.call("CLIENT", "SETNAME", "waiter@seq=1")
    first.send(encode("BLPOP", "session", 0))
    wait_blocked([(one, 1)])
    again = Conn(two.proxy_port, 30)
    again.call("CLIENT", "SETNAME", "waiter@retry=1")
    again.send(encode("BLPOP", "session", 0))
    checks.ok("the first is told", "UNBLOCKED" in str(first.reply()))
    push(leader.port, "RPUSH", "session", "x", "y")
    checks.equal("the retry is served", again.reply(), [b"session", b"x"])
    third = Conn(leader.port, 30)
    third.call("CLIENT", "SETNAME", "waiter@retry=1")
    checks.equal("once", third.call("BLPOP", "session", 0), [b"session", b"x"])
    checks.equal("and no more", ask(leader.port, "LRANGE", "session", 0, -1), [b"y"])


def storm(checks, cluster, seconds=5 * SLOWED):
    """Each pushed element reaches one client, or is left; those in doubt are few."""
    ending, got, doubt, pushed = threading.Event(), [], [], []

    def taker(node):
        conn = None
        while not ending.is_set():
            try:
                conn = conn or Conn(node.proxy_port, 30)
                conn.send(encode("BLPOP", "storm", 0.5))
                reply = conn.reply()
                if isinstance(reply, list):
                    got.append(reply[1])
                elif isinstance(reply, RespError):
                    doubt.append(str(reply))
            except OSError as error:
                doubt.append(str(error))
                conn = None

    def pusher():
        conn = Conn(cluster.nodes[0].proxy_port, 30)
        number = 0
        while not ending.is_set():
            number += 1
            reply = conn.call("RPUSH", "storm", number)
            if isinstance(reply, int):
                pushed.append(b"%d" % number)
            time.sleep(0.002)

    threads = [threading.Thread(target=taker, args=(node,), daemon=True) for node in cluster.nodes * 3]
    threads.append(threading.Thread(target=pusher, daemon=True))
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        leader = cluster.leader()
        if leader:
            target = next(n for n in cluster.nodes if n is not leader)
            ask(target.port, "CLUSTER", "FAILOVER")
            ask(target.port, "DEBUG", "KVORUM-LINK", "*", "drop", 200)
        time.sleep(0.2)
        ask(target.port, "DEBUG", "KVORUM-LINK", "*", "heal")
        time.sleep(0.2)
    ending.set()
    for thread in threads:
        thread.join()
    left = ask(cluster.wait_leader().port, "LRANGE", "storm", 0, -1)
    lost = set(pushed) - set(got) - set(left)
    checks.ok("nothing is delivered twice", len(set(got)) == len(got) and not set(got) & set(left), len(got) - len(set(got)))
    checks.ok("nothing is lost but in doubt", len(lost) <= len(doubt), "lost %r, doubt %r" % (sorted(lost)[:5], doubt[:5]))
    checks.ok("hardly one is in doubt", len(doubt) * 20 <= len(got), doubt[:5])
    print("# storm: %d pushed, %d got, %d left, %d in doubt" % (len(pushed), len(got), len(left), len(doubt)))


def digests(checks, cluster):
    def equal():
        seen = [info(node.port, "raft") for node in cluster.nodes]
        return len({i.get("raft_applied_index") for i in seen}) == 1 and seen
    wait("equal indexes", equal)
    checks.ok("no node is outvoted", all(info(n.port, "raft").get("raft_diverged", "0") == "0" for n in cluster.nodes))


def known(cluster):
    """A cluster that is founded agrees on the newest commands a moment later."""
    try:
        ask(cluster.leader().port, "BLPOP", "none", 0.001)
        return True
    except RespError:
        return False


def main():
    checks = Checks()
    cluster = Cluster(scratch("cluster/blocking"), args=ARGS).start()
    wait("BLPOP is known", lambda: known(cluster))
    for part in (in_turn, pipelined, goes, leader_killed, leader_deposed, session, storm, digests):
        checks.run(part.__name__, part, checks, cluster)
    cluster.kill()
    checks.finish()


if __name__ == "__main__":
    main()
