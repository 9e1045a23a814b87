"""Writes histories for build/tests/check/judge. Their form is told in history.h."""

import time


def quote(data):
    """A key, an argument or a result; None is nil."""
    if data is None:
        return "-"
    if isinstance(data, int):
        data = str(data)
    if isinstance(data, str):
        data = data.encode()
    if data in (b"", b"-"):
        return "%" if data == b"" else "%2D"
    return "".join(chr(c) if 32 < c < 127 and c not in b"%," else "%%%02X" % c for c in data)


def now_us():
    return time.monotonic_ns() // 1000


class Writer:
    """One writer a thread; a line is whole or not there, so several may append to one file."""

    def __init__(self, path):
        self.file = open(path, "ab", buffering=0)

    def write(self, client, key, operation, args, result, outcome, invoked_us, returned_us=None):
        """`args`: None, or a tuple. `outcome`: ok, unknown, notrun, error."""
        arguments = ",".join(quote(a) for a in args) if args else "-"
        if outcome != "ok":
            result = None
        returned = "-" if outcome == "unknown" else str(returned_us)
        line = f"{client} {quote(key)} {operation} {arguments} {quote(result)} {outcome} {invoked_us} {returned}\n"
        self.file.write(line.encode())

    def close(self):
        self.file.close()
