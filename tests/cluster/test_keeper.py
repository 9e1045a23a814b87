#!/usr/bin/python3
"""A process that was killed closes its sockets before it frees its memory, however much that is: the keeper holds it meanwhile.
Here the keeper is stopped, so that the memory stays for as long as the test looks."""
# time limit: 60 s

import os
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import HOST, PORTS, Checks, ask, kvorum_alone, scratch, wait  # noqa: E402


def stat(pid):
    """(name, state, parent) of a process, None when there is none."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
    except OSError:
        return None
    return name, rest.split()[0], int(rest.split()[1])


def keepers(parent):
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if (stat(pid) or ("", "", 0))[::2] == ("kvorum-keeper", parent)]


def rss_kb(pid):
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def ended(pid):
    return (stat(pid) or ("", "Z", 0))[1] == "Z"


def refuses(port):
    with socket.socket() as sock:
        return sock.connect_ex((HOST, port)) != 0


def main():
    checks = Checks()
    server = kvorum_alone(PORTS + 1, scratch("cluster/keeper")).start()
    found = keepers(server.pid)
    if checks.ok("a server has one keeper", len(found) == 1, found):
        keeper = found[0]
        checks.ok("it holds one descriptor", len(os.listdir("/proc/%d/fd" % keeper)) == 1, os.listdir("/proc/%d/fd" % keeper))
        ask(server.port, "SET", "key", b"x" * (64 << 20), timeout=30.0)
        checks.ok("it holds all of the server's memory", rss_kb(keeper) > 64 << 10, rss_kb(keeper))
        os.kill(keeper, signal.SIGTERM)
        os.kill(keeper, signal.SIGSTOP)
        try:
            server.signal(signal.SIGKILL)
            server.process.wait(10)
            checks.ok("killed: its port is closed while the memory is still held", refuses(server.port) and not ended(keeper))
        finally:
            os.kill(keeper, signal.SIGCONT)
        wait("the keeper to end after its server", lambda: ended(keeper), 10)
        checks.ok("the keeper ends after its server", True)
    server.start()
    keeper = keepers(server.pid)[0]
    server.signal(signal.SIGTERM)
    server.process.wait(20)
    checks.ok("left in good order: the keeper has gone before", stat(keeper) is None, stat(keeper))
    checks.finish()


main()
