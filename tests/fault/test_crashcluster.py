#!/usr/bin/python3
"""The script of test_crashpoints.py on three nodes, one of them replaced on the way by a fresh one that gets a snapshot; all
lose power at a point, each with a fate of its own for what it had not synced, or one alone does. Two of three are started
again: they have everything that was answered, nothing twice, and bring the script to its end.

--prove: 600 points. --point N: that one alone."""
# time limit: 240 s

import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import badfs  # noqa: E402
import crash_script as script  # noqa: E402
from alone import LANES, in_lanes, room  # noqa: E402
from servers import HOST, KVORUM, LIBC, PORTS, Checks, Conn, RespError, ask, die_with_us, info, wait  # noqa: E402

POLICIES = ("drop", "drop", "mixed", "torn", "keep", "subset", "prefix", "zeroes")
NAMES = ("n1", "n2", "n3", "n4")
TRACE_BYTES = 256 << 20
CLONE_NEWNET = 0x40000000


class Nodes:
    """Up to four servers on fixed ports, each on a folder of `folder`; their logs lie beside it."""

    def __init__(self, folder, control=None):
        self.folder, self.env = folder, control.env() if control else None
        self.running = {}

    def port(self, name):
        return PORTS + int(name[1])

    def start(self, name):
        founders = ",".join("%s=%s:%d@%d" % (n, HOST, self.port(n), self.port(n) + 10) for n in NAMES[:3])
        role = ["--join", "%s:%d@%d" % (HOST, PORTS + 1, PORTS + 11)] if name == "n4" else ["--initial-cluster", founders]
        command = [KVORUM, "--bind", HOST, "--port", str(self.port(name)), "--cluster-port", str(self.port(name) + 10), "--dir",
                   os.path.join(self.folder, name), "--node-name", name, "--election-timeout", "300", *role]
        with open("%s-%s.log" % (self.folder, name), "ab") as log:
            self.running[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                                                  preexec_fn=die_with_us)

    def end(self, name, number=signal.SIGKILL):
        process = self.running.pop(name)
        if process.poll() is None:
            process.send_signal(number)
            process.wait(20)

    def end_all(self):
        for name in list(self.running):
            self.end(name)

    def connect(self):
        """To the leader."""
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            for name, process in self.running.items():
                if process.poll() is not None:
                    raise script.Wrong("%s ended with status %d: %s" % (name, process.returncode, self.last_line(name)))
                try:
                    conn = Conn(self.port(name))
                    conn.call("GET", "anything")
                    return conn
                except (OSError, RespError):
                    pass
            time.sleep(0.005)
        raise script.Wrong("nobody leads: %s" % "; ".join(self.last_line(name) for name in self.running))

    def log(self, name):
        with open("%s-%s.log" % (self.folder, name), errors="replace") as f:
            return f.read()

    def last_line(self, name):
        return self.log(name).strip().rpartition("\n")[2]


Record = collections.namedtuple("Record", "events marks phases ino folders")


def voters(port):
    return ask(port, "INFO", "raft").count(b",voter=1,")


def replace_n3(nodes, phases, control):
    """n4 comes and n3 goes, one after the other."""
    phases.append((control.events(), set(nodes.running) | {"n4"}, False))
    nodes.start("n4")
    with nodes.connect() as conn:
        port = conn.sock.getpeername()[1]
        n3 = next(line.split()[0] for line in conn.call("CLUSTER", "NODES").decode().splitlines()
                  if ":%d@" % nodes.port("n3") in line)
    wait("n4 to vote", lambda: voters(port) == 4)
    if int(info(nodes.port("n4"), "raft")["snapshots_installed"]) < 1:
        raise RuntimeError("n4 came without a snapshot")
    ask(port, "CLUSTER", "FORGET", n3)
    wait("n3 to be gone", lambda: voters(port) == 3)
    phases.append((control.events(), set(nodes.running) - {"n3"}, True))
    nodes.end("n3")


def live(nodes, ops, control, marks, phases):
    for name in NAMES[:3]:
        nodes.start(name)
    nodes.connect().close()
    phases.append((control.events(), set(NAMES[:3]), True))
    driver = script.Driver(ops, nodes.connect)
    for op in ops:
        if op.kind == "kill":  # the place of the other script's kill
            driver.close()
            replace_n3(nodes, phases, control)
        elif op.kind != "stop":
            driver.run(op)
        marks.append(control.events())
    driver.close()
    for name in list(nodes.running):
        nodes.end(name, signal.SIGTERM)


def recorded_life(folder, ops):
    data = os.path.join(folder, "live")
    for name in NAMES:
        os.makedirs(os.path.join(data, name))
    folders = {name: os.stat(os.path.join(data, name)).st_ino for name in NAMES}
    control = badfs.Control(os.path.join(folder, "control"), data, TRACE_BYTES)
    nodes, marks, phases = Nodes(data, control), [], [(0, set(NAMES[:3]), False)]  # founding needs all
    try:
        live(nodes, ops, control, marks, phases)
    finally:
        nodes.end_all()
    ino = os.stat(data).st_ino
    disk = badfs.Disk(data, ino, folders)
    events = control.trace()
    for event in events:
        disk.step(event)
    disk.power_cut(os.path.join(folder, "replayed"), "keep", None)
    same = badfs.files_of(os.path.join(folder, "replayed")) == badfs.files_of(data)
    return Record(events, marks, phases, ino, folders), same


class Lane:
    def __init__(self, folder, number, record, ops):
        self.folder = os.path.join(folder, "lane%d" % number)
        os.makedirs(self.folder)
        self.record, self.ops = record, ops

    def attempt(self, disk, point):
        rng = random.Random(point)
        data = os.path.join(self.folder, "data")
        for name in NAMES:
            if os.path.exists("%s-%s.log" % (data, name)):
                os.unlink("%s-%s.log" % (data, name))
        _, running, may_miss_one = [phase for phase in self.record.phases if phase[0] <= point][-1]
        fates = {name: rng.choice(POLICIES) for name in NAMES}
        if rng.randrange(3) == 0:  # one alone loses power; the others are killed, and what they wrote is there
            victim = rng.choice(sorted(running))
            fates = {name: fates[name] if name == victim else "keep" for name in NAMES}
        disk.power_cut(data, fates, rng)
        absent = rng.choice(sorted(running)) if may_miss_one else None
        nodes = Nodes(data)
        try:
            for name in sorted(running - {absent}):
                nodes.start(name)
            driver = script.Driver(self.ops, nodes.connect)
            script.judge(self.ops, sum(mark <= point for mark in self.record.marks), driver)
            driver.close()
            for name in nodes.running:
                for word in ("is damaged", "shorter than", "was promised", "cannot be opened"):
                    if word in nodes.log(name):
                        raise script.Wrong("a power cut is taken for damage by %s: %s" % (name, word))
        except (script.Wrong, RespError) as error:
            raise script.Wrong("%s [%s without %s]" % (error, fates, absent)) from error
        finally:
            nodes.end_all()

    def run(self, wanted):
        disk, at, failed = badfs.Disk(self.folder, self.record.ino, self.record.folders), 0, 0
        for point in wanted:
            while at < point:
                disk.step(self.record.events[at])
                at += 1
            try:
                steady(lambda at=point: self.attempt(disk, at))
            except Exception as error:
                print("# point %d: %s: %s" % (point, type(error).__name__, error), flush=True)
                failed += 1
        return len(wanted), failed


def steady(run):
    """On a busy machine the office may change hands meanwhile, and what a request was refused for cannot be judged: again."""
    for tries in range(5):
        try:
            return run()
        except (RespError, ConnectionError, script.Wrong) as error:
            moved = isinstance(error, ConnectionError) or any(w in str(error) for w in ("MOVED", "CLUSTERDOWN", "MAYBE"))
            if tries == 4 or not moved:
                raise


def apart():
    """A network of its own, where the same ports are free; false: not allowed."""
    return LIBC.unshare(CLONE_NEWNET) == 0 and subprocess.run(["ip", "link", "set", "lo", "up"]).returncode == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--prove", action="store_true")
    parser.add_argument("--sample", type=int, default=24)
    parser.add_argument("--point", type=int)
    options = parser.parse_args()
    checks, ops = Checks(), script.operations()
    folder = room("crashcluster")
    record, same = steady(lambda: recorded_life(os.path.join(folder, str(time.monotonic_ns())), ops))
    checks.ok("the record of %d changes on four nodes makes the very directories that are there" % len(record.events), same)
    count = 600 if options.prove else options.sample
    founding = record.phases[1][0]  # a fifth of the points is in there
    points = [1 + i * 5 * founding // count for i in range(count // 5)]
    points += [founding + i * (len(record.events) - founding) // (count - count // 5) for i in range(count - count // 5)]
    wanted = [options.point] if options.point else points
    many = subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0

    def lane(number):
        if many:
            if not apart():
                raise RuntimeError("no network of its own")
            return Lane(folder, number, record, ops).run(wanted[number::LANES])
        return Lane(folder, number, record, ops).run(wanted if number == 0 else [])

    tried, failed = in_lanes(lane)
    checks.ok("%d crash points of a cluster: nothing lost, nothing twice" % tried, failed == 0 and tried > 0, "%d failed" % failed)
    if not checks.failed:
        shutil.rmtree(folder)
    print("crashcluster: points=%d failed=%d" % (tried, failed))
    checks.finish()


if __name__ == "__main__":
    main()
