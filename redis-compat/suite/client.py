"""One unit of the suite, run by the suite's own client process; this is its other side.

The suite splits itself in two: a process that runs the tests, and one that tells it which and hears of each. They exchange
packets over TCP: the length as a line, then a Tcl list {status data elapsed}. Hearing of every test as it ends,
we lose nothing when a unit hangs or dies."""

import atexit
import os
import re
import signal
import socket
import subprocess
import time

DRIVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "driver.tcl")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "b": "\b"}


class Outcome:
    """What came of a unit: the tests in the order of their ends, and how the unit ended."""

    def __init__(self):
        self.passed = []
        self.failed = []  # (name, why)
        self.ended = "the suite's process ended"  # "" when it came to its own end
        self.running = None  # the test under way
        self.seconds = 0.0


def tcl_list(text):
    """The elements of a Tcl list."""
    out, i = [], 0
    while True:
        while i < len(text) and text[i].isspace():
            i += 1
        if i == len(text):
            return out
        if text[i] == "{":
            start, depth = i + 1, 0
            while True:
                depth += {"{": 1, "}": -1}.get(text[i], 0)
                i += 2 if text[i] == "\\" else 1
                if not depth:
                    break
            out.append(text[start:i - 1])
        else:
            word = re.compile(r'"((?:[^"\\]|\\.)*)"|((?:[^\s\\]|\\.)+)', re.S).match(text, i)
            i = word.end()
            out.append(re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), word[1] if word[1] is not None else word[2], flags=re.S))


def packets(sock, deadline):
    """(status, data) of every packet, until the other side closes. TimeoutError at the deadline."""
    data, cut = b"", b""
    while True:
        head, line, rest = data.partition(b"\n")
        if line and len(rest) >= int(head):
            data = rest[int(head):]
            yield tcl_list(rest[:int(head)].decode("latin-1"))[:2]
            continue
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        more = sock.recv(1 << 16)
        if not more:
            return
        # Tcl's sockets write a line's end as CR LF, also inside of a packet, whose length counts it as one.
        more = cut + more
        cut = more[-1:] if more.endswith(b"\r") else b""
        data += more[:len(more) - len(cut)].replace(b"\r\n", b"\n")


def send(sock, *words):
    payload = " ".join("{%s}" % word for word in words).encode()
    sock.sendall(b"%d\n%s" % (len(payload), payload))


def reason(text):
    """Why a test failed. Of an error that is no assertion the suite cuts the first ten letters off, and adds the whole with a trace."""
    lines = text.strip().split("\n")
    return "\n".join(lines[1:] if len(lines) > 1 and lines[0] and lines[1].endswith(lines[0]) else lines)


def hear(sock, unit, deadline, out):
    for status, data in packets(sock, deadline):
        if status == "ready":
            send(sock, "run", unit)
        elif status == "testing":
            out.running = data
        elif status == "ok":
            out.passed.append(data)
            out.running = None
        elif status == "err":
            name, _, why = data.partition(" in tests/%s.tcl" % unit)
            out.failed.append((name, reason(why)) if name == out.running else ("(outside of a test)", reason(data)))
            out.running = None
        elif status == "exception":
            out.ended = "exception: " + data
            return
        elif status == "done":
            out.ended = ""
            return


running = []


def end(process):
    """Ends the suite's process, and what its tests started."""
    running.remove(process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@atexit.register
def end_all():
    while running:
        end(running[0])


def run_unit(tree, unit, flags, env, log, limit_s, reply_limit_s):
    """Runs the unit against what the flags name. Always returns, with all processes of it ended."""
    out, began = Outcome(), time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as listener, open(log, "wb") as said:
        listener.settimeout(20)
        process = subprocess.Popen(["tclsh", DRIVER, str(reply_limit_s), "--durable", *flags, "--client", str(listener.getsockname()[1])],
                                   cwd=tree, env={**os.environ, "LC_ALL": "C.UTF-8", **env}, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
        running.append(process)
        try:
            sock = listener.accept()[0]
            with sock:
                hear(sock, unit, began + limit_s, out)
        except TimeoutError:
            out.ended = "time limit of %d s" % limit_s
        except ConnectionError:
            pass
        finally:
            end(process)
    out.seconds = time.monotonic() - began
    return out
