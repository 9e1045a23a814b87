"""How long writes stop when the leader goes. failover.c is the meter."""

import os
import signal
import subprocess
import time

from report import row
from systems import ask, caught_up, fill, start_three, wait
from clients import Load  # systems has put their folder on the path
from servers import BUILD

FAILOVER = os.path.join(BUILD, "tests", "bench", "failover")
ELECTION_TIMEOUT_MS = 1000
WORST_MS = 500
ENDS = {"killed": str(int(signal.SIGKILL)), "left": str(int(signal.SIGTERM)), "stopped": str(int(signal.SIGSTOP)), "cut": "cut"}


def back(leader, how):
    if how in ("killed", "left"):
        leader.process.wait()
        leader.start()
    elif how == "stopped":
        leader.signal(signal.SIGCONT)
    else:
        ask(leader.port, "DEBUG", "KVORUM-LINK", "*", "heal")


def interrupt(system, how):
    """Ends the leader's office; the milliseconds until another node acknowledges a write. Then all are well again."""
    leader = system.find_leader()
    ports = [leader.port] + [node.port for node in system.servers if node is not leader]
    out = subprocess.run([FAILOVER, ENDS[how], str(leader.pid), *map(str, ports)], capture_output=True, text=True, timeout=200)
    if out.returncode:
        raise RuntimeError(out.stderr.strip())
    back(leader, how)
    wait("the old leader to catch up", lambda: caught_up(system.servers), 120)
    time.sleep(1)
    return int(out.stdout) / 1000


def several(system, how, count, seconds=3600):
    """`count` times, or as often as fits."""
    end, gaps = time.monotonic() + seconds, []
    while len(gaps) < count and (not gaps or time.monotonic() < end):
        gaps.append(interrupt(system, how))
    print("  %s: %s ms" % (how, " ".join("%.1f" % ms for ms in gaps)), flush=True)
    return gaps


def killed(system, data, count, goal, floor, seconds=3600):
    gaps = several(system, "killed", count, seconds)
    name = "leader killed (-9) to first write, %s of data" % data
    return [row(name, gaps, goal, floor, "less", " ms"), row(name + ": the worst of %d" % len(gaps), [max(gaps)], WORST_MS, WORST_MS, "less", " ms")]


def errors_of(load, but):
    return sum(count for a in load.appenders for what, count in a.session.errors.items() if what not in but)


def leave_under_load(system, number):
    """(gap in ms, errors that sessions on all ports saw beside redirects, errors on the surviving nodes' proxy ports)"""
    leader = system.find_leader()
    # Sessions of their own each time: a name goes on with the numbers it had.
    # To a node that has left nobody can connect: that is its absence, and no answer. To be cut off in the middle of a request is one.
    on_all = Load([node.port for node in system.servers], prefix="session%d" % number)
    on_proxies = Load([node.proxy_port for node in system.servers if node is not leader], prefix="proxy%d" % number)
    for load in (on_all, on_proxies):
        load.start()
    try:
        gap = interrupt(system, "left")
    finally:
        for load in (on_all, on_proxies):
            load.stop()
    for load in (on_all, on_proxies):
        if load.error():
            raise RuntimeError(load.error())
        load.judge(system.find_leader().port)
    return gap, errors_of(on_all, ("NOTLEADER", "MOVED", "ConnectionRefusedError")), errors_of(on_proxies, ())


def left(system, count):
    gaps, on_all, on_proxies = zip(*(leave_under_load(system, number) for number in range(count)))
    print("  left: %s ms" % " ".join("%.1f" % ms for ms in gaps), flush=True)
    return [row("leader told to leave (SIGTERM) under load to first write", gaps, 20, 50, "less", " ms"),
            row("... errors but -NOTLEADER and redirects on sessions, all together", [sum(on_all)], 0, 0, "less"),
            row("... errors on the surviving nodes' proxy ports, all together", [sum(on_proxies)], 0, 0, "less")]


def in_timeouts(system, how, name, count):
    return row(name, [ms / ELECTION_TIMEOUT_MS for ms in several(system, how, count)], 1.2, 1.5, "less")


def failover(rounds, quick):
    system = start_three("--enable-debug-command", "yes")
    fill(system.port, 10240, "data:%06d", b"x" * 1024)
    time.sleep(1)
    rows = killed(system, "10 MB", 3 if quick else 50, 10, 50)
    rows += left(system, 1 if quick else 10)
    rows.append(in_timeouts(system, "stopped", "leader stopped (SIGSTOP) to first write, election timeouts", 1 if quick else 10))
    rows.append(in_timeouts(system, "cut", "leader cut off from the others to first write, election timeouts", 1 if quick else 10))
    system.stop()
    return rows


def failover_large(rounds, quick):
    """With 1 GiB a killed node takes half a minute to be back: as many as fit into five minutes."""
    megabytes = 64 if quick else 1024
    system = start_three()
    fill(system.port, megabytes * 1024, "data:%07d", b"x" * 1024)
    wait("all to hold it", lambda: caught_up(system.servers), 120)
    time.sleep(1)
    rows = killed(system, "%d MiB" % megabytes, 2 if quick else 50, 30, 150, 300)
    system.stop()
    return rows
