"""How long writes stop when the leader goes. failover.c is the meter."""

import os
import signal
import subprocess
import time

from report import row
from systems import BUILD, caught_up, fill, start_three, wait

FAILOVER = os.path.join(BUILD, "tests", "bench", "failover")
ELECTION_TIMEOUT_MS = 1000


def interrupt(system, number):
    """Sends the leader a signal under load; the microseconds until another node acknowledges a write."""
    leader = system.find_leader()
    ports = [leader.port] + [node.port for node in system.servers if node is not leader]
    out = subprocess.run([FAILOVER, str(int(number)), str(leader.pid), *map(str, ports)], capture_output=True, text=True, timeout=200)
    if out.returncode:
        raise RuntimeError(out.stderr.strip())
    if number == signal.SIGKILL:
        leader.process.wait()
        leader.start()
    else:
        leader.signal(signal.SIGCONT)
    wait("the old leader to catch up", lambda: caught_up(system.servers), 60)
    time.sleep(1)
    return int(out.stdout)


def failover(rounds, quick):
    system = start_three()
    fill(system.port, 10240, "data:%06d", b"x" * 1024)
    time.sleep(1)
    kills = [interrupt(system, signal.SIGKILL) / 1000 for _ in range(3 if quick else 50)]
    print("  killed: %s ms" % " ".join("%.1f" % ms for ms in kills), flush=True)
    stops = [interrupt(system, signal.SIGSTOP) / 1000 / ELECTION_TIMEOUT_MS for _ in range(2 if quick else 10)]
    print("  stopped: %s election timeouts" % " ".join("%.2f" % s for s in stops), flush=True)
    system.stop()
    return [row("leader killed (-9) to first write, 10 MB of data", kills, 10, 50, "less", " ms"),
            row("leader stopped (SIGSTOP) to first write, election timeouts", stops, 1.2, 1.5, "less")]
