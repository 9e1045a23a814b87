"""A server alone on a directory of its own, started and ended many times: for tests of what a disk may do to it."""

import os
import shutil
import signal
import subprocess
import time

import crash_script as script
from servers import HOST, KVORUM, ROOT, Conn, RespError, die_with_us

LANES = 2


def room(name):
    """A fast place: tmpfs where there is one. The disk's own speed is of no interest here."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else os.path.join(ROOT, "build", "tmp")
    path = os.path.join(base, "kvorum-%s-%d" % (name, os.getpid()))
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


class One:
    """A server alone, on a directory of its own; its log lies beside it."""

    def __init__(self, folder, port, control=None):
        self.folder, self.port, self.control = folder, port, control
        self.process = None

    def start(self):
        command = [KVORUM, "--bind", HOST, "--port", str(self.port), "--cluster-port", str(self.port + 1), "--dir",
                   self.folder, "--enable-debug-command", "yes"]
        with open(self.folder + ".log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_us, env=self.control.env() if self.control else None)

    def connect(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise script.Wrong("the server ended with status %d: %s" % (self.process.returncode, self.last_line()))
            try:
                conn = Conn(self.port)
                conn.call("GET", "anything")
                return conn
            except (OSError, RespError):
                time.sleep(0.002)
        raise script.Wrong("no answer: %s" % self.last_line())

    def end(self, number=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(20)
        return self.process.returncode

    def log(self):
        with open(self.folder + ".log", errors="replace") as f:
            return f.read()

    def last_line(self):
        return self.log().strip().rpartition("\n")[2]


def live(server, ops, answered):
    """The script from its beginning; answered(op) after each reply. Ends early, with False, when the server dies."""
    driver = script.Driver(ops, server.connect)
    server.start()
    try:
        for op in ops:
            if op.kind in ("stop", "kill"):
                driver.close()
                server.end(signal.SIGTERM if op.kind == "stop" else signal.SIGKILL)
                server.start()
                server.connect().close()
            else:
                driver.run(op)
            answered(op)
        return True
    except (OSError, script.Wrong) as error:
        if isinstance(error, OSError) or server.process.poll() is not None:
            server.process.wait(20)
            return False
        raise
    finally:
        driver.close()


def in_lanes(run):
    """run(lane) in a process for each lane; its numbers, summed. A lane that ends by itself has failed: None."""
    children, sums = [], []
    for number in range(LANES):
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(w, b" ".join(b"%d" % n for n in run(number)))
            finally:
                os._exit(0)
        os.close(w)
        children.append((pid, r))
    for pid, r in children:
        sums.append([int(n) for n in os.read(r, 200).split()])
        os.close(r)
        os.waitpid(pid, 0)
    if not all(sums):
        raise RuntimeError("a lane broke off")
    return [sum(column) for column in zip(*sums)]
