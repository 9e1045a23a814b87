"""Runs scenarios one after the other and counts."""

import collections
import sys
import time
import traceback

import clocks  # noqa: F401: they enlist themselves
import links  # noqa: F401
import members  # noqa: F401
import nets
import partitions  # noqa: F401
import processes  # noqa: F401
from field import Field
import weights  # noqa: F401
from scenarios import ALL

FIGURES = ("kills stops restarts partitions lossy_links link_resets slow_links unreliable clock_jumps replaced wiped former_lives moved saturated_s "
           "ops unknown not_run retries").split()


def select(names):
    """Those named, in the list's order; all, without names or with `list`."""
    wrong = [name for name in names if name not in ALL and name != "list"]
    if wrong:
        sys.exit("no such scenario: %s; there are %s" % (" ".join(wrong), " ".join(ALL)))
    return [name for name in ALL if not names or name in names or names == ["list"]]


def run_one(scenario, net, seed, seconds):
    """(verdict, remarks, counts)"""
    field = None
    try:
        field = Field(scenario.name, net, seed, seconds, **scenario.options)
        field.begin()
        scenario.function(field)
        if not field.counts[scenario.counts]:
            raise AssertionError("the fault never fired: no %s" % scenario.counts)
        words = field.finish()
        return "ok", words.strip().splitlines()[-1:], field.counts
    except nets.NotPossible as reason:
        return "skip", [str(reason)], collections.Counter()
    except Exception as error:
        traceback.print_exc(file=sys.stdout)
        return "not ok", ["%s: %s" % (type(error).__name__, error)], field.counts if field else collections.Counter()
    finally:
        if field:
            field.end()


def run_all(seconds, seed, floor=None):
    """`seconds` of each scenario by name, `floor` of the figures; 1 when anything is wrong."""
    net = nets.made()
    total, bad = collections.Counter(), 0
    print("# seed %d, network: %s" % (seed, net.name + (": " + net.why if net.name == "loopback" else "")))
    print("1..%d" % (len(seconds) + len(floor or {})), flush=True)
    for name in seconds:
        began = time.monotonic()
        verdict, remark, counts = run_one(ALL[name], net, seed, seconds[name])
        total.update(counts)
        bad += verdict == "not ok"
        figures = " ".join("%s=%d" % (key, counts[key]) for key in FIGURES if counts[key])
        if verdict == "skip":
            print("ok %s # SKIP not run: %s" % (name, remark[0]))
        else:
            print("%s %s%s" % (verdict, name, ": %s (SEED=%d)" % (remark[0], seed) if verdict == "not ok" else ""))
            print("# %s: %.0f s, %s" % (name, time.monotonic() - began, figures))
            for line in remark if verdict == "ok" else []:
                print("# %s" % line)
        sys.stdout.flush()
    for key, least in (floor or {}).items():
        bad += total[key] < least
        print("%s %s: %d, at least %d" % ("ok" if total[key] >= least else "not ok", key, total[key], least))
    print("fault: seed=%d %s failed=%d" % (seed, " ".join("%s=%d" % (key, total[key]) for key in FIGURES), bad), flush=True)
    return 1 if bad else 0
