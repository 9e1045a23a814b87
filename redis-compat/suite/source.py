"""Redis's test suite, as Debian's source package holds it: fetched once, into a folder that git ignores."""

import glob
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
# REDIS_SOURCE names a tree that is there already.
FOLDER = os.path.join(os.path.dirname(HERE), "upstream")
PROGRAMS = {"redis-cli": "/usr/bin/redis-cli", "redis-benchmark": "/usr/bin/redis-benchmark"}
SOURCES = """deb-src http://deb.debian.org/debian bookworm main
deb-src http://deb.debian.org/debian-security bookworm-security main
"""
FETCH_LIMIT_S = 300


def apt(*words):
    """apt-get with lists and sources of its own: the machine's stay as they are, and need not name sources."""
    state = os.path.join(FOLDER, "apt")
    os.makedirs(os.path.join(state, "lists", "partial"), exist_ok=True)
    with open(os.path.join(state, "sources.list"), "w") as file:
        file.write(SOURCES)
    options = {"Dir::Etc::SourceList": os.path.join(state, "sources.list"), "Dir::Etc::SourceParts": "/dev/null",
               "Dir::State::Lists": os.path.join(state, "lists"), "Dir::Cache": state, "APT::Sandbox::User": ""}
    flags = [word for key, value in options.items() for word in ("-o", "%s=%s" % (key, value))]
    subprocess.run(["apt-get", "-qq", *flags, *words], cwd=FOLDER, check=True, timeout=FETCH_LIMIT_S)


def suite():
    """The source tree's path, with the programs in place that the suite looks for beside itself."""
    tree = os.environ.get("REDIS_SOURCE") or fetched()
    for name, program in {**PROGRAMS, "redis-server": os.path.join(HERE, "redis-server")}.items():
        link = os.path.join(tree, "src", name)
        if not os.path.lexists(link):
            os.symlink(program, link)
    return tree


def fetched():
    trees = glob.glob(os.path.join(FOLDER, "redis-*", "tests", "test_helper.tcl"))
    if not trees:
        print("fetching Debian's source package of redis", flush=True)
        apt("update")
        apt("source", "redis")
        trees = glob.glob(os.path.join(FOLDER, "redis-*", "tests", "test_helper.tcl"))
    return os.path.dirname(os.path.dirname(trees[0]))
