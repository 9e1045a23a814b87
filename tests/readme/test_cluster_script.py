#!/usr/bin/python3
"""conf/cluster, which `make cluster`, `make cluster-status` and `make cluster-stop` run: on a copy of conf/three-nodes with
other ports and directories."""
# time limit: 180 s

import glob
import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import HOST, PORTS, ROOT, Checks, RespError, ask, scratch  # noqa: E402

HOME = scratch("readme/cluster")
BASE = PORTS + 70


def copy_of_the_sample():
    for path in glob.glob(os.path.join(ROOT, "conf", "three-nodes", "*.conf")):
        with open(path) as file:
            text = file.read()
        text = re.sub(r"\b1700(\d)\b", lambda m: str(BASE + 20 + int(m.group(1))), text)
        text = re.sub(r"\b701(\d)\b", lambda m: str(BASE + 10 + int(m.group(1))), text)
        text = re.sub(r"\b700(\d)\b", lambda m: str(BASE + int(m.group(1))), text)
        text = text.replace("dir run/", "dir %s/run/" % HOME)
        with open(os.path.join(HOME, os.path.basename(path)), "w") as file:
            file.write(text)


def cluster(word, **env):
    done = subprocess.run([os.path.join(ROOT, "conf", "cluster"), word, HOME], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env={**os.environ, **env}, cwd="/")
    return done.stdout + done.stderr, done.returncode


def rows(text):
    return [line.split() for line in text.split("\n") if re.match(r"n\d\s+\w+\s+[\d-]", line)]


def pids():
    out = {}
    for name in ("n1", "n2", "n3"):
        path = os.path.join(HOME, "run", name, "pid")
        if os.path.exists(path):
            with open(path) as file:
                out[name] = int(file.read())
    return out


def runs(pid):
    """A process that has ended may wait to be collected; not every container has somebody who does."""
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def write_anywhere(key, value):
    for i in (1, 2, 3):
        try:
            return ask(BASE + i, "SET", key, value)
        except RespError:
            pass
    return None


def main():
    checks = Checks()
    copy_of_the_sample()
    try:
        session(checks)
    finally:
        cluster("stop")
    checks.finish()


def session(checks):
    out, status = cluster("start", KVORUM_SERVER="/nonexistent")
    checks.ok("start without a server says so", status == 1 and "make build" in out, out)

    out, status = cluster("start")
    table = rows(out)
    checks.ok("start succeeds", status == 0, out)
    checks.equal("one leads, two follow", sorted(row[1] for row in table), ["follower", "follower", "leader"])
    checks.equal("the term is one", len({row[2] for row in table}), 1)
    checks.ok("commit indexes are numbers", all(int(row[3]) > 0 for row in table), table)
    checks.equal("addresses", [row[4] for row in table], ["%s:%d" % (HOST, BASE + i) for i in (1, 2, 3)])
    checks.ok("it says what to try", "redis-cli -c -p %d" % (BASE + 1) in out, out)
    checks.equal("a write is taken", write_anywhere("k", "v"), b"OK")
    checks.equal("and is read through a proxy port", ask(BASE + 12, "GET", "k"), b"v")

    before = pids()
    out, status = cluster("start")
    checks.ok("a second start does no harm", status == 0 and out.count("runs already") == 3 and pids() == before, out)
    out, status = cluster("status")
    checks.equal("status shows the same pids", {row[0]: int(row[5]) for row in rows(out)}, before)

    out, status = cluster("stop")
    checks.ok("stop ends the three", status == 0 and out.count("stopped") == 3, out)
    checks.ok("no process is left", not any(runs(pid) for pid in before.values()))
    out, status = cluster("stop")
    checks.ok("a second stop does no harm", status == 0, out)
    out, status = cluster("status")
    checks.equal("status shows them stopped", [row[1] for row in rows(out)], ["stopped"] * 3)

    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((HOST, BASE + 2))
        taken.listen()
        out, status = cluster("start")
        checks.ok("a port in use: start says which node ended and why", status == 1 and "n2 has ended" in out and str(BASE + 2) in out, out)
    out, status = cluster("start")
    checks.ok("after that start succeeds", status == 0, out)
    checks.equal("what was written is still there", ask(BASE + 12, "GET", "k"), b"v")


if __name__ == "__main__":
    main()
