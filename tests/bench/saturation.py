"""Elections while a cluster has more to do than it can: there should be none."""

import subprocess

from report import row
from systems import KEYS, VALUE_BYTES, info, start_three


def term(system):
    return max(int(info(server.port, "raft").get("term", 0)) for server in system.servers)


def saturation(rounds, quick):
    system = start_three()
    seconds, before = 5 if quick else 600, term(system)
    load = subprocess.Popen(["redis-benchmark", "-p", str(system.port), "-t", "set", "-c", "50", "-P", "64", "-d", str(VALUE_BYTES), "-r", str(KEYS),
                             "-n", "1000000", "-l", "-q"], stdout=subprocess.DEVNULL)
    try:
        load.wait(seconds)
        raise RuntimeError("the load ended by itself")
    except subprocess.TimeoutExpired:
        pass
    finally:
        load.kill()
        load.wait()
    elections = term(system) - before
    system.stop()
    return [row("elections in %d s of saturation (SET, P=64)" % seconds, [elections], 0, 0, "less")]
