#!/usr/bin/python3
"""The documents keep up with the tree: src/README.md names every file of src/ and no other, and relative links lead somewhere."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import ROOT, Checks  # noqa: E402


def tracked(*patterns):
    out = subprocess.run(["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
                         capture_output=True, text=True, check=True)
    return [path for path in out.stdout.split("\n") if path and os.path.exists(os.path.join(ROOT, path))]


def read(path):
    with open(os.path.join(ROOT, path)) as file:
        return file.read()


def tour():
    """{room: the names in the first column of its table}, from src/README.md."""
    rooms, room = {}, None
    for line in read("src/README.md").split("\n"):
        heading = re.match(r"## (\w+): ", line)
        if heading:
            room = heading.group(1)
            rooms[room] = set()
        elif line.startswith("## "):
            room = None
        elif room and line.startswith("| ") and not line.startswith(("| file |", "| --- |")):
            rooms[room] |= {name.strip() for name in line.split("|")[1].split(",")}
    return rooms


def check_tour(checks):
    rooms = tour()
    files = {}
    for path in tracked("src/*.c", "src/*.h"):
        room, _, name = path[len("src/"):].partition("/")
        files.setdefault(room, set()).add(name)
    checks.equal("src/README.md has every room", sorted(set(rooms)), sorted(files))
    for room in sorted(set(rooms) & set(files)):
        named = rooms[room]
        # "log" stands for log.c and log.h; a room's door is named in its text.
        covered = {name for name in files[room] if name in named or name.rpartition(".")[0] in named or name == room + ".h"}
        known = {name.rpartition(".")[0] for name in files[room]} | files[room]
        checks.equal("src/README.md: files of %s not named" % room, sorted(files[room] - covered), [])
        checks.equal("src/README.md: names in %s without a file" % room, sorted(named - known), [])


def check_links(checks):
    for path in tracked("*.md"):
        here = os.path.dirname(path)
        targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(path))
        dead = [target for target in targets if not os.path.exists(os.path.join(ROOT, here, target))]
        checks.equal("links of %s" % path, dead, [])


def main():
    checks = Checks()
    check_tour(checks)
    check_links(checks)
    checks.finish()


if __name__ == "__main__":
    main()
