"""What a cluster does beside its work: snapshots under load, a follower that catches up, the journal's room on the disk."""

import os
import statistics
import threading
import time

from load import rate
from report import row
from systems import KEYS, VALUE_BYTES, RespError, ask, caught_up, fill, info, start_three, wait

DATA_KEY, DATA_BYTES = "data:%012d", 1024  # what is there; the load is on other keys, small ones
SETS = ("-s", 100, "-c", 50, "-d", VALUE_BYTES, "-r", KEYS)


def held(pid):
    """Bytes of memory of a process and its children, each page once: a page that two of them share counts half in either."""
    with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
        pids = [pid, *map(int, children.read().split())]
    total = 0
    for each in pids:
        try:
            with open("/proc/%d/smaps_rollup" % each) as rollup:
                total += sum(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))
        except (OSError, ValueError):  # the child has ended
            pass
    return total


class Sampler:
    """The largest of what `look` gave, every `pause_s` while the block runs."""

    def __init__(self, look, pause_s):
        self.look, self.pause_s, self.most, self.end = look, pause_s, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.end.wait(self.pause_s):
            self.most = max(self.most, self.look())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()


class Later:
    """Runs `what` beside the block, `after_s` from its start; its end is waited for. `took`: seconds."""

    def __init__(self, what, after_s):
        self.what, self.after_s, self.took, self.error = what, after_s, None, None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        time.sleep(self.after_s)
        began = time.monotonic()
        try:
            self.what()
        except Exception as error:
            self.error = error
        self.took = time.monotonic() - began

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join()
        if self.error:
            raise self.error


def written_bytes():
    """What all disks together have written and discarded."""
    sectors = 0
    with open("/proc/diskstats") as disks:
        for fields in map(str.split, disks):
            sectors += sum(int(fields[at]) for at in (9, 16) if at < len(fields))
    return 512 * sectors


def rest():
    """Until the disks had a second of next to nothing, within a minute, and three more for what a virtual machine's host has left to write."""
    for _ in range(60):
        before = written_bytes()
        time.sleep(1)
        if written_bytes() - before < 1 << 20:
            break
    time.sleep(3)


def settle(system):
    wait("all to be in step", lambda: caught_up(system.servers), 120)
    system.find_leader()
    rest()


def ms(values):
    return "%.1f ms" % (statistics.median(values) / 1000)


def ratio_row(name, pairs, goal, floor):
    return row(name, [a / b for a, b in pairs], goal, floor, "less", "", ms(a for a, _ in pairs), "without: " + ms(b for _, b in pairs))


def snapshots(system, keys, rounds, seconds, per_second):
    """p99.9 of SETs at a fixed rate, without and with a snapshot of the leader; then its memory in a run of its own."""
    pairs, memory = [], []

    def save():
        ask(system.port, "SAVE", timeout=120)

    for number in range(rounds):
        settle(system)
        without = rate([system.port], "-R", per_second, "-t", seconds, "-S", 3 * number + 1, *SETS)
        with Later(save, 0.5) as snapshot:
            during = rate([system.port], "-R", per_second, "-t", seconds, "-S", 3 * number + 2, *SETS)
        before = held(system.leader.pid)
        with Sampler(lambda: held(system.leader.pid), 0.3) as most, Later(save, 0.5):
            rate([system.port], "-R", per_second, "-t", seconds, "-S", 3 * number + 3, *SETS)
        pairs.append((during["set_p999"], without["set_p999"]))
        memory.append(most.most / before)
        print("  snapshot in %.1f s of %g: p99.9 %.1f ms beside %.1f ms (late %.1f, %.1f), memory x %.2f of %.0f MB" % (
            snapshot.took, seconds, *(p / 1000 for p in (*pairs[-1], during["lag_p99"], without["lag_p99"])), memory[-1], before / 1e6), flush=True)
    size = "%.2g GiB" % (keys * DATA_BYTES / 2 ** 30)
    return [ratio_row("snapshot of %s at %d SET/s: p99.9 beside the same without" % (size, per_second), pairs, 2, 4),
            row("snapshot of %s at %d SET/s: memory of leader and child beside before" % (size, per_second), memory, 1.2, 2, "less")]


def miss(system, keys, by_snapshot):
    """A follower that was gone while every key was written once. What that leaves to be written and deleted is over on return."""
    behind = next(node for node in system.servers if node is not system.find_leader())
    ask(behind.port, "SAVE", timeout=120)  # or it would read again at its start what all rounds before wrote
    behind.kill()
    fill(system.port, keys, DATA_KEY, b"y" * DATA_BYTES)
    if by_snapshot:
        ask(system.port, "SAVE", timeout=120)
    rest()
    return behind


def is_in_step(system, behind):
    """Within a second's writes of the leader; no node stands still for it."""
    try:
        has, wanted = (int(info(node.port, "raft").get("applied_index", 0)) for node in (behind, system.leader))
        return has and wanted and wanted - has < 5000
    except (OSError, RespError, ValueError):
        return False


def catching_up(system, keys, rounds, seconds, by_snapshot):
    """p99 of SETs at half of what the cluster takes at most, in step, and while one follower gets what it missed."""
    pairs = []
    settle(system)
    half = int(rate([system.port], "-t", 3, *SETS)["rate"] / 2)
    for number in range(rounds):
        settle(system)
        without = rate([system.port], "-R", half, "-t", seconds, "-S", 2 * number + 1, *SETS)
        behind = miss(system, keys, by_snapshot)

        def back():
            behind.start()
            wait("the follower to catch up", lambda: is_in_step(system, behind), 150, 0.1)

        with Later(back, 0.2) as catch_up:
            during = rate([system.port], "-R", half, "-t", seconds, "-S", 2 * number + 2, *SETS)
        pairs.append((during["set_p99"], without["set_p99"]))
        print("  %d SET/s, caught up in %.1f s of %g: p99 %.1f ms beside %.1f ms (late %.1f, %.1f)" % (
            half, catch_up.took, seconds, *(p / 1000 for p in (*pairs[-1], during["lag_p99"], without["lag_p99"]))), flush=True)
    return ratio_row("a follower that missed %.2g GiB catches up by %s, half-load: the leader's p99 beside the same without" % (
        keys * DATA_BYTES / 2 ** 30, "the snapshot" if by_snapshot else "the journal"), pairs, 2, 4)


def upkeep(rounds, quick):
    rounds = 1 if quick else rounds
    keys, seconds, per_second = (20000, 2, 2000) if quick else (1 << 20, 8, 20000)
    system = start_three("--checkpoint-bytes", "1000gb")
    fill(system.port, keys, DATA_KEY, b"x" * DATA_BYTES)
    fill(system.port, KEYS)
    rows = snapshots(system, keys, rounds, seconds, per_second)
    rows += [catching_up(system, keys, rounds, seconds * 3 // 2, by_snapshot) for by_snapshot in (False, True)]
    system.stop()
    return rows


def room(folder):
    """Bytes that a directory takes."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(base, name)).st_blocks * 512
            except OSError:  # removed meanwhile
                pass
    return total


def disk(rounds, quick):
    """Journal and snapshots of each node, at most, in thresholds beside two snapshots, while SETs come as fast as they are taken."""
    threshold, seconds = (16 if quick else 64) << 20, 3 if quick else 60
    system = start_three("--checkpoint-bytes", str(threshold))
    folders = [node.folder for node in system.servers]
    with Sampler(lambda: max(room(folder) for folder in folders), 0.05) as most:
        rate([system.port], "-t", seconds, "-P", 64, *SETS)
    snapshot = max(entry.stat().st_size for folder in folders for entry in os.scandir(folder) if entry.name.endswith(".rdb"))
    written = int(info(system.port)["journal_written_bytes"])
    saved = sum(open(os.path.join(folder, "log")).read().count(" written, journal kept from") for folder in folders)
    system.stop()
    print("  %.0f MB of journal, %d snapshots of %.1f MB: at most %.1f MB" % (written / 1e6, saved, snapshot / 1e6, most.most / 1e6), flush=True)
    return [row("the most on a node's disk over %d snapshots, less two snapshots, in checkpoint thresholds" % saved,
                [(most.most - 2 * snapshot) / threshold], 2, 4, "less", "", "%.1f MB" % (most.most / 1e6))]
