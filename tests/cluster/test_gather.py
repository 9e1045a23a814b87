#!/usr/bin/python3
"""client-gather: many clients that wait for each reply are let gather; a few, however fast they come, are not kept waiting."""
# time limit: 60 s

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import HOST, PORTS, SLOWED, Checks, ask, info, kvorum_alone, scratch, wait  # noqa: E402

LONG_US = 10000  # long enough to show in any rate


def rate(port, clients, requests):
    out = subprocess.run(["redis-benchmark", "-h", HOST, "-p", str(port), "-t", "get", "-c", str(clients), "-n", str(requests), "--csv"],
                         capture_output=True, text=True, timeout=50).stdout
    return float(re.search(r'^"GET","([0-9.]+)"', out, re.M).group(1))


def main():
    checks = Checks()
    server = kvorum_alone(PORTS, scratch("cluster/gather")).start()
    wait("a leader of one", lambda: info(server.port, "raft").get("role") == "leader")
    plain, gathering = {}, {}
    for rates, us in ((plain, 0), (gathering, LONG_US)):
        ask(server.port, "CONFIG", "SET", "client-gather", us)
        for clients, requests in ((1, 10000), (4, 20000), (50, 20000)):
            rates[clients] = rate(server.port, clients, requests)
    print("# requests a second without: %s; with %d us: %s" % (plain, LONG_US, gathering))
    # Fifty in 10 ms would be 5,000 a second; it is more, since they come all together then, and every other pass finds many.
    checks.ok("a crowd is let gather", gathering[50] * 1.5 < plain[50] * SLOWED, [plain[50], gathering[50]])
    for few in (1, 4):
        checks.ok("%d are not" % few, gathering[few] > plain[few] / 4, [plain[few], gathering[few]])
    server.kill()
    checks.finish()


if __name__ == "__main__":
    main()
