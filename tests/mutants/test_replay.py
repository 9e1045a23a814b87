#!/usr/bin/env python3
# Every mutant is killed by the seed that is known for it. time limit: 900 s
import os
import sys

run = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")
os.execv(sys.executable, [sys.executable, run, "--replay"])
