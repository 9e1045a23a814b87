"""The load generator (rate/) run once: what it printed, as numbers by name."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import BUILD  # noqa: E402

RATE = os.path.join(BUILD, "tests", "bench", "rate")


def rate(ports, *options, timeout=180):
    """options: words of rate/main.c. "codes" stays text; a key is missing where there was nothing to count."""
    command = [RATE, *map(str, options), *map(str, ports)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if out.returncode:
        raise RuntimeError("%s: %s" % (" ".join(command), out.stderr.strip()))
    words = dict(word.split("=", 1) for word in out.stdout.split())
    return {name: value if name == "codes" else float(value) for name, value in words.items()}
