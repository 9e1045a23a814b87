#!/usr/bin/python3
"""The retry recipe of README.md, as tests/example_retry.c has it, while leaders are killed: each INCR runs exactly once."""
# time limit: 180 s

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import ROOT, Checks, Cluster, ask, scratch  # noqa: E402

PROGRAM = os.path.join(ROOT, "build", "tests", "example_retry")
STRIKES = 4


def progress(cluster):
    return int(ask(cluster.wait_leader().port, "GET", "counter") or 0)


def main():
    checks = Checks()
    count = 20000
    cluster = Cluster(scratch("readme/example_retry")).start()
    ports = [str(node.port) for node in cluster.nodes]
    started = time.monotonic()
    program = subprocess.Popen([PROGRAM, "example", str(count), *ports], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    struck = 0
    while struck < STRIKES and program.poll() is None:
        time.sleep(0.4)
        leader = cluster.wait_leader()
        if program.poll() is None:
            leader.kill()
            struck += 1
            cluster.wait_leader()
            leader.start()
    checks.ok("the leader was killed %d times on the way" % struck, struck >= 2, "the program took %.1f s" % (time.monotonic() - started))
    try:
        out, err = program.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        program.kill()
        out, err = program.communicate()
    checks.equal("example_retry succeeds", (program.returncode, err), (0, ""))
    checks.equal("its last reply counts every INCR once", out.strip(), str(count))
    checks.equal("so does the counter", progress(cluster), count)

    done = subprocess.run([PROGRAM, "example", "1", *ports], capture_output=True, text=True, timeout=60)
    checks.ok("number 1 again, long after: STALE, not run", done.returncode == 1 and "STALE" in done.stderr, done.stderr)
    checks.equal("the counter stays", progress(cluster), count)
    cluster.stop()
    checks.finish()


if __name__ == "__main__":
    main()
