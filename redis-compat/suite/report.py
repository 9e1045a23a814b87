"""What a run says: a line a unit as it ends, the table, and why tests did not pass."""

import collections


class Result:
    """A unit's outcome against the names that count."""

    def __init__(self, unit, names, outcome, remark):
        self.unit, self.outcome, self.counted = unit, outcome, sum(names.values())
        passed = collections.Counter(outcome.passed) & names
        self.passed, self.missing = sum(passed.values()), names - passed
        self.remarks = [text for text in (outcome.ended.partition("\n")[0], remark) if text]

    def line(self):
        return "%-34s %5d of %5d  %6.1f s  %s" % (self.unit, self.passed, self.counted, self.outcome.seconds, "; ".join(self.remarks))

    def why(self):
        """Each test that did not pass, with the first lines of its reason."""
        failed = collections.defaultdict(list)
        for name, text in self.outcome.failed:
            failed[name].append(text)
        out = []
        for name, times in self.missing.items():
            for _ in range(times):
                text = failed[name].pop(0) if failed[name] else "never reached"
                out.append("not passed: %s\n%s" % (name, indented(text)))
        for name, texts in failed.items():
            out += ["failed, not counted: %s\n%s" % (name, indented(text)) for text in texts]
        return out


def indented(text):
    """The first lines; the rest is a trace through the suite's own procedures."""
    return "\n".join("    " + line[:240] for line in text.split("\n")[:4])


def total(results):
    return "%d of %d" % (sum(r.passed for r in results), sum(r.counted for r in results))


def table(scores):
    """Markdown of {heading: [Result]}: a row a unit, a column a mode."""
    rows = collections.OrderedDict()
    for heading, results in scores.items():
        for result in results:
            rows.setdefault(result.unit, {})[heading] = "%d of %d" % (result.passed, result.counted)
    out = ["| unit | %s |" % " | ".join(scores), "| --- |" + " --: |" * len(scores)]
    out += ["| %s | %s |" % (unit, " | ".join(cells.get(heading, "") for heading in scores)) for unit, cells in rows.items()]
    out.append("| **in all** | %s |" % " | ".join("**%s**" % total(results) for results in scores.values()))
    return "\n".join(out) + "\n"
