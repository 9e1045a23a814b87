"""Which tests count: those that pass on stock redis-server 7.0.15.

counted/external and counted/own hold their names, a line each below the name of their unit, which ends in a colon: "+ NAME" counts
with the default and with the reduced flags, "- NAME" only with the default ones. A name that stands there twice counts twice."""

import collections
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
NAME = re.compile(r'\btest\s+(?:\{((?:[^{}]|\{[^{}]*\})*)\}|"((?:[^"\\]|\\.)*)"|(\$\S+))')
SUBSTITUTED = re.compile(r"\$\{\w+\}|\$\w+|\[[^\]]*\]")


def counted(kind, reduced=False):
    """{unit: Counter of names}."""
    out = {}
    with open(os.path.join(HERE, "counted", kind), encoding="utf-8") as file:
        for line in file.read().split("\n"):
            if line.startswith("+ ") or (line.startswith("- ") and not reduced):
                out[unit][line[2:]] += 1
            elif line.endswith(":"):
                unit = line[:-1]
                out[unit] = collections.Counter()
    return {unit: names for unit, names in out.items() if names}


def gone(tree, unit, names):
    """Those of the names that the unit's file does not define: a newer package has other tests. What a name takes from variables may be anything."""
    try:
        with open(os.path.join(tree, "tests", unit + ".tcl"), encoding="utf-8", errors="replace") as file:
            text = file.read()
    except FileNotFoundError:
        return set(names)
    defined = []
    for braced, quoted, computed in NAME.findall(text):
        if braced:
            defined.append(re.escape(braced))
        else:
            name = re.sub(r"\\(.)", r"\1", SUBSTITUTED.sub("\0", quoted or computed))
            defined.append(re.escape(name).replace("\0", ".*"))
    known = re.compile("|".join(defined) or "(?!)", re.S)
    return {name for name in names if not known.fullmatch(name)}


def record(kind, passed):
    """Writes {unit: Counter} as what counts; with the default flags only."""
    with open(os.path.join(HERE, "counted", kind), "w", encoding="utf-8") as file:
        for unit, names in passed.items():
            file.write("".join([unit, ":\n"] + ["- %s\n" % name for name in names.elements()]))
