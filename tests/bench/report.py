"""Rows of figures: judged beside goal and floor, kept in results/latest.tsv, shown as a table and a chart, put into README.md."""

import csv
import datetime
import os
import platform
import re
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from servers import REDIS, ROOT  # noqa: E402

RESULTS = os.path.join(HERE, "results")
COLUMNS = ["group", "name", "kvorum", "peer", "unit", "value", "least", "most", "rounds", "cpu", "better", "goal", "floor", "commit", "date"]


def row(name, values, goal, floor, better, unit="", kvorum="", peer="", cpu=""):
    """One line of the table. `values`: a ratio or figure a round; the row's own is their median. `better`: "more" or "less".
    kvorum, peer: what the two sides did, as text."""
    assert better in ("more", "less")
    return {"name": name, "kvorum": kvorum, "peer": peer, "unit": unit, "value": statistics.median(values), "least": min(values),
            "most": max(values), "rounds": len(values), "cpu": cpu, "better": better, "goal": goal, "floor": floor}


def reaches(row, bound):
    return row["value"] >= bound if row["better"] == "more" else row["value"] <= bound


def verdict(row):
    sign = ">=" if row["better"] == "more" else "<="
    if reaches(row, row["goal"]):
        return "goal (%s %g)" % (sign, row["goal"])
    if reaches(row, row["floor"]):
        return "floor (%s %g; goal %g)" % (sign, row["floor"], row["goal"])
    return "**missed** (%s %g)" % (sign, row["floor"])


def table(rows):
    lines = ["| work | kvorum | redis-server | ratio or figure: median (least to most) | rounds | CPU a request, kvorum / redis | reached |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for r in rows:
        figure = "%.3g%s (%.3g to %.3g)" % (r["value"], r["unit"], r["least"], r["most"])
        lines.append("| %s | %s | %s | %s | %d | %s | %s |" % (r["name"], r["kvorum"], r["peer"], figure, r["rounds"], r["cpu"], verdict(r)))
    return "\n".join(lines)


def stamp(group, rows):
    """Says in each row where it comes from."""
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")
    return [{"group": group, **r, "commit": commit or "?", "date": date} for r in rows]


def read(path):
    if not os.path.exists(path):
        return []
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for r in rows:
        r.update({key: float(r[key]) for key in ("value", "least", "most", "goal", "floor")}, rounds=int(r["rounds"]))
    return rows


def save(path, rows):
    with open(path, "w", newline="") as file:
        out = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


def machine():
    with open("/proc/cpuinfo") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    version = subprocess.run([REDIS, "--version"], capture_output=True, text=True).stdout
    return "redis-server %s, Linux %s, %d CPUs (%s), clients on the same machine" % (
        re.search(r"v=(\S+)", version).group(1), platform.release(), os.cpu_count(), model.group(1) if model else "?")


def origin(rows):
    """When and of what the rows were taken."""
    commits = ", ".join(sorted({r["commit"] for r in rows}))
    dates = sorted(r["date"] for r in rows)
    return "%s to %s UTC. kvorum %s, %s." % (dates[0], dates[-1], commits, machine())


def chart(rows, path):
    """Each row's value beside its floor and goal, all as a share of the goal: to the right of 1 it is reached."""
    lines = []
    for r in reversed(rows):
        goal = r["goal"] or 1
        share = [r[k] / goal if r["better"] == "more" else goal / max(r[k], 1e-9) for k in ("value", "floor")]
        lines.append('"%s"\t%g\t%g' % (r["name"], min(share[0], 8), share[1]))
    data = path + ".data"
    with open(data, "w") as file:
        file.write("\n".join(lines) + "\n")
    script = """
set terminal svg size 1000,%d font "sans,11" background "white"
set output "%s"
set datafile separator "\\t"
set title "kvorum: what was reached, in units of the goal (log scale; right of 1: goal reached)"
set logscale x 2
set xrange [0.25:8]
set yrange [-0.7:%g]
set grid x
set key outside bottom center horizontal
set lmargin 52
set arrow from 1,graph 0 to 1,graph 1 nohead lc rgb "#2a7f2a" lw 2
plot "%s" using 2:0:ytic(1) with points pt 7 ps 0.9 lc rgb "#1f4e9c" title "measured", "" using 3:0 with points pt 2 ps 0.8 lc rgb "#c03020" title "floor"
""" % (120 + 22 * len(rows), path, len(rows) - 0.3, data)
    subprocess.run(["gnuplot", "-"], input=script, text=True, check=True)
    os.unlink(data)


def put_into_readme(text):
    """README.md shows what was measured last, and nothing else, between two marks."""
    path = os.path.join(ROOT, "README.md")
    with open(path) as file:
        head, rest = file.read().split("<!-- measured -->\n", 1)
    tail = rest.split("<!-- end -->", 1)[1]
    with open(path, "w") as file:
        file.write("%s<!-- measured -->\n%s\n<!-- end -->%s" % (head, text, tail))


def write(groups, measured, quick):
    """Takes the place of the rows that were measured before; those of other groups stay. A quick run is to see that the bench
    works: its figures stay out of the repository."""
    folder = os.path.join(ROOT, "build", "bench") if quick else RESULTS
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "latest.tsv")
    rows = [r for r in read(path) if r["group"] not in {m["group"] for m in measured}] + measured
    rows.sort(key=lambda r: groups.index(r["group"]))
    save(path, rows)
    chart(rows, os.path.join(folder, "latest.svg"))
    text = "%s\n\n%s" % (origin(rows), table(rows))
    with open(os.path.join(folder, "latest.md"), "w") as file:
        file.write("# Measured\n\n%s\n\n![what was reached, in units of the goal](latest.svg)\n" % text)
    if not quick:
        put_into_readme("%s\n\n![what was reached, in units of the goal](tests/bench/results/latest.svg)" % text)
    return os.path.relpath(folder, ROOT)
