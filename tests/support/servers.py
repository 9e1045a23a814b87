"""What the scripts under tests/ and redis-compat/ share: starting and ending servers, and talking RESP to them.

Standard library only. A script ends every process it started (atexit), by its pid, and leaves its data under build/tmp
for a look after a failure; the next run of the same script clears it. Each running script has a hundred ports of its
own; KVORUM_PORTS sets the first of them.
"""

import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
KVORUM = os.environ.get("KVORUM_SERVER", os.path.join(BUILD, "kvorum-server"))
REDIS = os.path.join(ROOT, "tests", "support", "redis-server")  # why not the one in PATH: see there
HOST = "127.0.0.1"
LIBC = ctypes.CDLL(None)
TICKS = os.sysconf("SC_CLK_TCK")
# How many times slower than as shipped the servers are: a sanitizer's runner says so. It widens bounds that are about speed, no others.
SLOWED = float(os.environ.get("SLOWED", 1))


# A test runner ends what takes too long by SIGTERM: leave no servers behind then either.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def take_ports():
    """The first port of a block of a hundred that no other script has; the last one, listened on, says that it is taken."""
    if "KVORUM_PORTS" in os.environ:
        return int(os.environ["KVORUM_PORTS"]), None
    for first in range(27000, 30000, 100):
        mark = socket.socket()
        try:
            mark.bind((HOST, first + 99))
            mark.listen()
            return first, mark
        except OSError:
            mark.close()
    sys.exit("no block of ports is free")


PORTS, ports_mark = take_ports()


class RespError(Exception):
    """An error reply."""


class Conn:
    """One connection. call() returns bytes, int, None, list or dict, and raises RespError for an error reply."""

    def __init__(self, port, timeout=10.0, host=HOST):
        self.sock = socket.create_connection((host, port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.sock.close()

    def call(self, *words):
        self.send(encode(*words))
        reply = self.reply()
        if isinstance(reply, RespError):
            raise reply
        return reply

    def send(self, data):
        self.sock.sendall(data)

    def reply(self):
        """The next reply; an error reply is returned, not raised."""
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed by the server")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RespError(rest.decode("utf-8", "replace"))
        if kind in (b":", b"("):
            return int(rest)
        if kind in (b"$", b"="):
            if rest == b"-1":
                return None
            data = self.file.read(int(rest) + 2)
            return data[:-2]
        if kind in (b"*", b"~", b">"):
            return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        if kind == b"%":
            return {self.reply(): self.reply() for _ in range(int(rest))}
        if kind == b"_":
            return None
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return float(rest)
        raise ConnectionError("not RESP: %r" % line)


def encode(*words):
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        if not isinstance(word, bytes):
            word = str(word).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(out)


def ask(port, *words, timeout=5.0, host=HOST):
    with Conn(port, timeout, host) as conn:
        return conn.call(*words)


def info(port, section="everything", host=HOST):
    """INFO as a dict; {} while the server cannot be asked."""
    try:
        text = ask(port, "INFO", section, timeout=2.0, host=host).decode()
    except (OSError, RespError):
        return {}
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line and not line.startswith("#"))


def wait(what, condition, seconds=30.0, step=0.02):
    """Until condition() is true; what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError("waited %g s in vain: %s" % (seconds, what))
        time.sleep(step)


def scratch(name):
    """An empty directory build/tmp/NAME."""
    path = os.path.join(ROOT, "build", "tmp", name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def die_with_us():
    """For a child between fork and exec: it does not outlive this process, however that ends."""
    LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Server:
    """One process of kvorum-server or redis-server. `host`, `prefix` (a command that ends by executing the server) and
    `env` may be set before it is started."""

    host, prefix = HOST, ()

    def __init__(self, binary, port, folder, *args):
        self.binary, self.port, self.folder, self.args = binary, port, folder, list(args)
        self.process = self.env = None  # env: None is this script's own
        os.makedirs(folder, exist_ok=True)
        atexit.register(self.kill)

    @property
    def pid(self):
        return self.process.pid

    def start(self, wait_s=30.0):
        """Until it accepts connections (wait_s 0: not waited for)."""
        with open(os.path.join(self.folder, "log"), "ab") as log:
            command = [*self.prefix, self.binary, "--bind", self.host, "--port", str(self.port), "--dir", self.folder, *self.args]
            # The kernel watches the thread that forked: what another thread than the first starts is left to atexit.
            first = threading.current_thread() is threading.main_thread()
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                                            preexec_fn=die_with_us if first else None)
        if wait_s:
            wait("port %d" % self.port, self.accepts, wait_s)
        return self

    def accepts(self):
        if self.process.poll() is not None:
            raise RuntimeError("%s ended with status %d: see %s/log" % (self.binary, self.process.returncode, self.folder))
        try:
            return ask(self.port, "PING", timeout=2.0, host=self.host) == b"PONG"
        except OSError:
            return False
        except RespError:
            return True

    def signal(self, number):
        os.kill(self.process.pid, number)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds=30.0):
        """SIGTERM, then its end; the exit status."""
        if self.alive():
            self.process.terminate()
            self.process.wait(seconds)
        return self.process.returncode if self.process else None

    def kill(self):
        if self.alive():
            self.process.kill()
            self.process.wait()

    def cpu_s(self):
        """Processor time used so far, that of children it has waited for included (proc(5): utime stime cutime cstime)."""
        with open("/proc/%d/stat" % self.pid) as stat:
            fields = stat.read().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / TICKS

    def resident_bytes(self):
        with open("/proc/%d/status" % self.pid) as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise RuntimeError("no VmRSS")


def redis(port, folder, *args):
    return Server(REDIS, port, folder, "--save", "", *args)


def kvorum(port, folder, *args):
    return Server(KVORUM, port, folder, *args)


def kvorum_alone(port, folder, *args):
    """A cluster of one; its peer port stays in our block."""
    return kvorum(port, folder, "--cluster-port", str(port + 5), *args)


class Cluster:
    """Nodes n1.. on ports base+1.., each with a proxy port (base+11..) and a peer port (base+21..). seat(i) gives the host
    and the prefix of node i."""

    def __init__(self, folder, size=3, base=PORTS, args=(), seat=lambda i: (HOST, ())):
        self.folder, self.base, self.size, self.seat = folder, base, size, seat
        row = "n%d=%s:%d@%d"
        self.founders = ",".join(row % (i, seat(i)[0], base + i, base + 20 + i) for i in range(1, size + 1))
        self.nodes = [self.node(i, "--initial-cluster", self.founders, *args) for i in range(1, size + 1)]

    def node(self, i, *args):
        """A further node, not started. --join and the like are for the caller to add."""
        server = kvorum(self.base + i, os.path.join(self.folder, "n%d" % i), "--node-name", "n%d" % i, *args)
        server.host, server.prefix = self.seat(i)
        server.proxy_port = self.base + 10 + i
        server.args += ["--cluster-port", str(self.base + 20 + i), "--extra-port", str(server.proxy_port), "proxy"]
        return server

    def start(self):
        for node in self.nodes:
            node.start(0)
        for node in self.nodes:
            wait("port %d" % node.port, node.accepts)
        self.wait_leader()
        return self

    def leader(self):
        """The node that serves now, or None. A read is answered only by a leader that a quorum has just confirmed."""
        for node in self.nodes:
            if not node.alive():
                continue
            try:
                ask(node.port, "GET", "kvorum:who-leads", timeout=1.0, host=node.host)
                return node
            except (OSError, RespError):
                pass
        return None

    def wait_leader(self, seconds=30.0):
        return wait("a leader of %s" % self.folder, self.leader, seconds)

    def followers(self):
        leader = self.wait_leader()
        return [node for node in self.nodes if node is not leader and node.alive()]

    def stop(self):
        for node in self.nodes:
            if node.alive():
                node.signal(signal.SIGTERM)
        for node in self.nodes:
            node.stop()

    def kill(self):
        for node in self.nodes:
            node.kill()


class Checks:
    """Prints "ok name" or "not ok name: why" for every check; finish() ends the script with the verdict."""

    def __init__(self):
        self.failed = self.passed = 0

    def ok(self, name, passed, why=""):
        if passed:
            self.passed += 1
            print("ok %s" % name, flush=True)
        else:
            self.failed += 1
            print("not ok %s%s" % (name, ": %s" % why if why != "" else ""), flush=True)
        return passed

    def equal(self, name, got, expected):
        return self.ok(name, got == expected, "got %.300r, expected %.300r" % (got, expected))

    def run(self, name, function, *args):
        """A check that passes when it raises nothing."""
        try:
            function(*args)
            self.ok(name, True)
        except Exception as error:  # the next check is worth running
            self.ok(name, False, "%s: %s" % (type(error).__name__, error))

    def finish(self):
        sys.exit(1 if self.failed or not self.passed else 0)
