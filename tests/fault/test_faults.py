#!/usr/bin/python3
"""Three minutes of real faults out of those that `make fault` has; the histories judged. SEED=n draws the same choices."""
# time limit: 480 s

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import nets  # noqa: E402

nets.enter()
from run import run_all  # noqa: E402

SECONDS = {
    "leader_cut_off": 9, "one_way": 9, "bridge": 9, "flapping": 8, "link_resets": 6, "kill_leader": 16, "kill_all": 10, "stop_leader": 16,
    "clock_jumps": 10, "replace_member": 8, "new_address": 6, "memory_with_a_stopped_follower": 6, "stock_clients": 8,
}

if __name__ == "__main__":
    sys.exit(run_all(SECONDS, int(os.environ.get("SEED") or time.time_ns() // 1000 % 1000000)))
