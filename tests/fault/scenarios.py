"""The list of scenarios. Each is a function of a Field, with what it counts: one that has counted none has failed."""

import collections

Scenario = collections.namedtuple("Scenario", "name function counts seconds options")
ALL = {}


def scenario(counts, seconds, **options):
    """`counts`: the fault that it must have done at least once. `options`: those of Field."""

    def enlist(function):
        ALL[function.__name__] = Scenario(function.__name__, function, counts, seconds, options)
        return function

    return enlist
