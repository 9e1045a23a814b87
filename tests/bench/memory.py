"""Resident memory, kvorum beside redis-server."""

import statistics
import time

from report import row
from systems import fill, start_one, start_redis


def memory(rounds, quick):
    keys, pairs = 100000 if quick else 1000000, []
    for _ in range(1 if quick else 3):
        used = []
        for starter in (start_one, start_redis):
            system = starter()
            fill(system.port, keys)
            time.sleep(3)
            used.append(system.leader.resident_bytes())
            system.stop()
        pairs.append(used)
        print("  resident: %.1f MB beside %.1f MB" % (used[0] / 1e6, used[1] / 1e6), flush=True)
    return [row("resident memory, {:,} keys of 16 + 64 bytes".format(keys), [a / b for a, b in pairs], 1.1, 1.1, "less", "",
                "%.0f MB" % (statistics.median(p[0] for p in pairs) / 1e6), "%.0f MB" % (statistics.median(p[1] for p in pairs) / 1e6))]
