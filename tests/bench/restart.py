"""How long a node needs from the disk to its first answer: the journal run again; a snapshot loaded, beside redis-server's RDB load."""

import os
import shutil
import statistics
import subprocess
import time

from report import row
from systems import SYNCED, RespError, ask, info, kvorum_alone, PORTS, redis, scratch, swapped, wait

KEPT = ["--checkpoint-bytes", "1000gb"]  # no snapshot but the ones asked for


def serves(port):
    try:
        ask(port, "GET", "key:000000000000")
        return True
    except (OSError, RespError):
        return False


def restart(server):
    """Seconds from exec to the first read that is answered."""
    began = time.monotonic()
    server.start(0)
    wait("the first answer", lambda: serves(server.port), 120, 0.002)
    return time.monotonic() - began


def write(port, count, keys):
    subprocess.run(["redis-benchmark", "-p", str(port), "-q", "-t", "set", "-n", str(count), "-r", str(keys), "-d", "64", "-P", "64"],
                   check=True, stdout=subprocess.DEVNULL)


def replay(rounds, quick):
    """Kills a node (-9) whose journal holds `count` SETs and no snapshot."""
    count, rates = 50000 if quick else 3000000, []
    node = kvorum_alone(PORTS + 52, scratch("bench/replay"), *SYNCED, *KEPT).start()
    wait("a leader of one", lambda: serves(node.port))
    write(node.port, count, 100000)
    entries = int(info(node.port, "raft")["applied_index"])
    for _ in range(rounds):
        node.kill()
        rates.append(entries / restart(node))
        print("  replay: %.0f entries/s" % rates[-1], flush=True)
    node.stop()
    return row("restart: {:,} entries of the journal run again".format(count), [r / 1e6 for r in rates], 1.0, 0.5, "more", " million/s",
               "%.0f/s" % statistics.median(rates))


def snapshot_of(node):
    folder = node.folder
    return os.path.join(folder, next(name for name in os.listdir(folder) if name.endswith(".rdb")))


def load(rounds, quick):
    """Both load the same file, byte for byte: the one that kvorum wrote."""
    count, pairs = 50000 if quick else 3000000, []
    node = kvorum_alone(PORTS + 52, scratch("bench/load"), *SYNCED, *KEPT).start()
    wait("a leader of one", lambda: serves(node.port))
    write(node.port, 2 * count, count)
    ask(node.port, "SAVE", timeout=120)
    keys = ask(node.port, "DBSIZE")
    node.stop()
    peer = redis(PORTS + 50, scratch("bench/load-redis"), "--appendonly", "no")
    shutil.copy(snapshot_of(node), os.path.join(peer.folder, "dump.rdb"))
    for turn in range(rounds):
        took = {}
        for server in swapped(turn, (peer, node)):
            took[server] = restart(server)
            if ask(server.port, "DBSIZE") != keys:
                raise RuntimeError("not all was loaded")
            server.kill()
        pairs.append((keys / took[node], keys / took[peer]))
        print("  load: %.0f beside %.0f keys/s" % pairs[-1], flush=True)
    return row("restart: snapshot of {:,} keys loaded (redis-server: the same file)".format(keys), [a / b for a, b in pairs], 1.0, 0.5, "more", "",
               *("%.0f keys/s" % statistics.median(side) for side in zip(*pairs)))


def restarts(rounds, quick):
    return [replay(rounds, quick), load(rounds, quick)]
