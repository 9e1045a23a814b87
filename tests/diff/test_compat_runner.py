#!/usr/bin/python3
"""The runner of Redis's own test suite (redis-compat/run): what it hears, what it counts, and that it outlives a suite that hangs or
dies. The suite itself is not needed: a client process of a few lines stands in for its own."""

import collections
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "redis-compat", "suite"), os.path.join(HERE, "..", "support")]
import client  # noqa: E402
import counted  # noqa: E402
from report import Result  # noqa: E402
from servers import Checks, scratch  # noqa: E402

# In tclsh's place: says what the suite's client process says, packet by packet, then does what its last word tells.
STAND_IN = """
import os, socket, sys, time
sock = socket.create_connection(("127.0.0.1", int(sys.argv[-1])))
def say(*words):
    text = " ".join(words)
    sock.sendall(b"%d\\r\\n" % len(text) + text.replace("\\n", "\\r\\n").encode())
say("ready", "1", "0")
assert sock.recv(100).endswith(b"{run} {unit/x}"), "not told what to run"
for name in ("first", "{second one}", "{second one}"):
    say("testing", name, "0")
    say("ok", name, "5")
say("testing", "third", "0")
say("err", "{third in tests/unit/x.tcl\\nExpected '1' to be equal to '2'\\n  a trace}", "0")
say("testing", "fourth", "0")
{END}
"""
NAMES = collections.Counter({"first": 1, "second one": 3, "third": 1, "fourth": 1, "fifth": 1})


def run(folder, end):
    """The outcome of a suite that ends in this way."""
    path = os.path.join(folder, "tclsh")
    with open(path, "w") as file:
        file.write("#!/usr/bin/python3\n" + STAND_IN.replace("{END}", end))
    os.chmod(path, 0o755)
    env = {"PATH": folder + ":" + os.environ["PATH"]}
    return client.run_unit(folder, "unit/x", [], env, os.path.join(folder, "log"), 2, 1)


def main():
    checks = Checks()
    checks.equal("a Tcl list", client.tcl_list("err {a {b c} \\{ d} e\\ f \"g h\" {} i\\nj"), ["err", "a {b c} \\{ d", "e f", "g h", "", "i\nj"])
    checks.equal("an error's first ten letters are put back", client.reason("n command 'x'\nERR unknown command 'x'\n    trace"),
                 "ERR unknown command 'x'\n    trace")

    folder = scratch("compat-runner")
    outcome = run(folder, 'say("ok", "fourth", "1"); say("done", "unit/x", "0"); time.sleep(60)')
    result = Result("unit/x", NAMES, outcome, "")
    checks.equal("tests are counted by name, as often as they are listed", (result.passed, result.counted, outcome.ended), (4, 7, ""))
    checks.equal("each that did not pass is told why", [line.split("\n")[:2] for line in result.why()],
                 [["not passed: second one", "    never reached"],
                  ["not passed: third", "    Expected '1' to be equal to '2'"], ["not passed: fifth", "    never reached"]])

    began = time.monotonic()
    outcome = run(folder, "time.sleep(60)")
    checks.equal("a unit that hangs keeps what it has shown", (outcome.ended, len(outcome.passed)), ("time limit of 2 s", 3))
    checks.ok("and ends in its time", time.monotonic() - began < 10)
    outcome = run(folder, "os.kill(os.getpid(), 9)")
    checks.equal("so does one that dies", (outcome.ended, len(outcome.passed)), ("the suite's process ended", 3))

    os.makedirs(os.path.join(folder, "tests", "unit"))
    with open(os.path.join(folder, "tests", "unit", "x.tcl"), "w") as file:
        file.write('test {first} {}\ntest "Of $type with [foo] \\"quoted\\"" {\n}\n')
    checks.equal("names that a package no longer has", counted.gone(folder, "unit/x", ["first", 'Of list with 3 "quoted"', "fifth"]), {"fifth"})
    sums = [sum(sum(names.values()) for names in counted.counted(*kind).values()) for kind in (("external",), ("external", True), ("own",))]
    checks.equal("what counts", sums, [2029, 1821, 220])
    checks.finish()


if __name__ == "__main__":
    main()
