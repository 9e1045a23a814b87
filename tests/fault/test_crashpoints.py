#!/usr/bin/python3
"""A fixed script of 200 operations on one server, killed at every write, fsync, rename and unlink in turn.

The script runs once, with every change of its directory recorded (badfs.so). Out of the record comes the directory as a
power cut at each point would have left it: what was not synced is dropped, or kept, or kept in part. A server starts
there, and has to have everything that had been answered by then, nothing twice, and the remembered replies; the rest of
the script is then run, all of it re-sent where its fate is unknown, and has to end in the one right state. Some of the
starts are recorded and cut short as well. To see that the record is the truth, some real kills are made too.

--prove: all points, more than one fate of the unsynced bytes each. --point N.POLICY: that one alone."""
# time limit: 240 s

import argparse
import collections
import os
import random
import shutil
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import badfs  # noqa: E402
import crash_script as script  # noqa: E402
from alone import LANES, One, in_lanes, live, room  # noqa: E402
from servers import PORTS, Checks  # noqa: E402

POLICIES = ("drop", "mixed", "torn", "keep", "subset", "prefix", "zeroes")
TRACE_BYTES = 64 << 20


Record = collections.namedtuple("Record", "events marks ino")


def recorded_life(folder, ops):
    """The record, and for each operation how long it was when the reply had come."""
    data = os.path.join(folder, "live")
    os.makedirs(data)
    control = badfs.Control(os.path.join(folder, "control"), data, TRACE_BYTES)
    ino = os.stat(data).st_ino
    server = One(data, PORTS, control)
    marks = []
    live(server, ops, lambda op: marks.append(control.events()))
    server.end(signal.SIGTERM)
    events = control.trace()
    disk, replayed = badfs.Disk(data, ino), os.path.join(folder, "replayed")
    for event in events:
        disk.step(event)
    disk.power_cut(replayed, "keep", None)
    return Record(events, marks, ino), badfs.files_of(replayed) == badfs.files_of(data)


def is_point(event):
    """RocksDB's lines for people are no state: a cut before or after one makes no difference."""
    return event.kind != badfs.EV_CREATE and not (event.kind == badfs.EV_WRITE and event.data[:2] == b"20")


class Lane:
    """Goes through the record, and tries its share of the points."""

    def __init__(self, folder, number, record, ops):
        self.folder = os.path.join(folder, "lane%d" % number)
        os.makedirs(self.folder)
        self.port = PORTS + 10 + 10 * number
        self.record, self.ops = record, ops

    def acked(self, point):
        return sum(mark <= point for mark in self.record.marks)

    def judge(self, server, acked):
        driver = script.Driver(self.ops, server.connect)
        try:
            script.judge(self.ops, acked, driver)
            for word in ("is damaged", "short log", "may be lost", "was promised", "cannot be opened"):
                if word in server.log():
                    raise script.Wrong("a power cut is taken for damage: %s" % word)
        finally:
            driver.close()

    def attempt(self, disk, point, policy):
        """One point. Every eighth start is recorded and cut short in its turn, at a place drawn from the seed."""
        rng = random.Random("%d.%s" % (point, policy))
        data = os.path.join(self.folder, "data")
        if os.path.exists(data + ".log"):
            os.unlink(data + ".log")
        disk.power_cut(data, policy, rng)
        twice = rng.randrange(8) == 0
        control = badfs.Control(os.path.join(self.folder, "control"), data, 4 << 20) if twice else None
        again = badfs.Disk(data) if twice else None
        server = One(data, self.port, control)
        server.start()
        try:
            if twice:
                server.connect().close()
                server.end()
                record = control.trace()
                for event in record[: rng.randrange(len(record))]:
                    again.step(event)
                again.power_cut(data, policy, rng)
                server.control = None
                server.start()
            self.judge(server, self.acked(point))
            if rng.randrange(8) == 0:  # what the rest of the script wrote is to be there as well
                server.end(signal.SIGTERM)
                server.start()
                self.judge(server, len(self.ops))
        finally:
            server.end()

    def run(self, wanted):
        """`wanted`: (point, policy) in order. Returns how many were tried, and how many failed."""
        disk, at, failed = badfs.Disk(self.folder, self.record.ino), 0, 0
        for point, policy in wanted:
            while at < point:
                disk.step(self.record.events[at])
                at += 1
            try:
                self.attempt(disk, point, policy)
            except Exception as error:  # the others are worth a look
                print("# point %d.%s: %s: %s" % (point, policy, type(error).__name__, error), flush=True)
                failed += 1
        return len(wanted), failed


def real_kill(folder, number, calls, nth, ops):
    """The process dies at its nth call of the kind; what it wrote is there, as it is after SIGKILL."""
    data = os.path.join(folder, "killed%d" % number)
    os.makedirs(data)
    control = badfs.Control(os.path.join(folder, "control%d" % number), data)
    control.rule(0, badfs.KILL, calls, first=nth, times=1)
    server = One(data, PORTS, control)
    acked = []
    finished = live(server, ops, acked.append)
    if finished or not control.fired(0):
        server.end()
        raise script.Wrong("it was not killed")
    server.control = None
    server.start()
    try:
        driver = script.Driver(ops, server.connect)
        script.judge(ops, len(acked), driver)
        driver.close()
    finally:
        server.end()


def choose(events, options):
    points = [i for i in range(1, len(events) + 1) if is_point(events[i - 1])]
    if options.point:
        number, _, policy = options.point.partition(".")
        return [(int(number), policy)]
    if options.prove:
        return [(p, policy) for p in points for policy in ("drop", "mixed", POLICIES[2 + p % 5])]
    step = len(points) / options.sample
    return [(points[int(i * step)], POLICIES[i % len(POLICIES)] if i % 2 else "drop") for i in range(options.sample)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--prove", action="store_true")
    parser.add_argument("--sample", type=int, default=150)
    parser.add_argument("--point")
    options = parser.parse_args()
    checks, ops = Checks(), script.operations()
    folder = room("crashpoints")
    record, same = recorded_life(folder, ops)
    events = record.events
    checks.ok("the record of %d changes makes the very directory that is there" % len(events), same)
    kinds = {badfs.NAMES[e.kind] for e in events}
    checks.ok("writes, syncs, renames and unlinks are among them", {"write", "sync", "rename", "unlink"} <= kinds, kinds)
    wanted = choose(events, options)
    tried, failed = in_lanes(lambda number: Lane(folder, number, record, ops).run(wanted[number::LANES]))
    checks.ok("%d crash points: nothing lost, nothing twice" % tried, failed == 0 and tried > 0, "%d failed" % failed)
    kills = 0
    for number, (calls, nth) in enumerate([(badfs.WRITE, 40), (badfs.WRITE, 411), (badfs.SYNC, 2), (badfs.SYNC, 150),
                                           (badfs.RENAME, 3), (badfs.UNLINK, 2)] if not options.point else []):
        try:
            real_kill(folder, number, calls, nth, ops)
            kills += 1
        except Exception as error:
            checks.ok("killed at call %d of %d" % (nth, calls), False, error)
    if not options.point:
        checks.ok("%d real kills: the same" % kills, kills >= 6)
    if not checks.failed:
        shutil.rmtree(folder)
    print("crashpoints: points=%d failed=%d" % (tried, failed))
    checks.finish()


if __name__ == "__main__":
    main()
