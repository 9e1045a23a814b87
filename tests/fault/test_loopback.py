#!/usr/bin/python3
"""Where network namespaces cannot be had, the same scenarios run on the loopback, with links cut by the nodes themselves."""
# time limit: 120 s

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import nets  # noqa: E402

os.environ[nets.INSIDE] = "none were asked for"
from run import run_all  # noqa: E402

SECONDS = {"leader_cut_off": 5, "chain": 5, "kill_leader": 3}

if __name__ == "__main__":
    sys.exit(run_all(SECONDS, int(os.environ.get("SEED") or time.time_ns() // 1000 % 1000000)))
