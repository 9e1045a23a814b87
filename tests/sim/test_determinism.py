#!/usr/bin/env python3
"""The same seed is the same run: twice with one compiler, and with the other one. time limit: 600 s"""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", "build")
OTHER = os.path.join(BUILD, "clang")
SEEDS = ["--seed", "7000", "--count", "10", "--digest"]


def digests(build, *options):
    """By seed, as the jobs finish in any order."""
    swarm = os.path.join(build, "tests", "sim", "swarm")
    out = subprocess.run([swarm, *SEEDS, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines = [line.split() for line in out.stdout.splitlines() if line.startswith("digest ")]
    return {seed: digest for _, seed, digest in lines}


def report(ok, what):
    print(("ok " if ok else "not ok ") + what, flush=True)
    return ok


first = digests(BUILD)
ok = report(len(first) == 10, "10 seeds run")
ok &= report(digests(BUILD, "--jobs", "1") == first, "the same again, one after the other in one process")
subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "CC=clang", f"BUILD={OTHER}", f"{OTHER}/tests/sim/swarm"],
               cwd=ROOT, stdout=sys.stderr, check=True)
ok &= report(digests(OTHER) == first, "the same as built by clang")
sys.exit(not ok)
