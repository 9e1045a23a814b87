"""The load of fault runs: tests/fault/load, and the judge of what it has seen; stock loads beside it."""

import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import BUILD, die_with_us, wait  # noqa: E402

LOAD = os.path.join(BUILD, "tests", "fault", "load")
JUDGE = os.path.join(BUILD, "tests", "check", "judge")

# The cluster's time follows its voters' wall clocks as they are heard: by the time that a message takes it may be behind, and
# what is set then dies as much earlier when the clock is heard better. (load/ttls.c has the same figure.)
SLACK_MS = 200

# Every kind of client, by every way in.
MIX = ("registers@leader=3 registers@proxy=2 registers@follower=4 numbered@leader=3 numbered@proxy=2 pipelined@leader=1 "
       "pipelined@proxy=1 tokens@leader=2 tokens@proxy=1 locks@leader=2 locks@proxy=1 ttls@leader=1 ttls@proxy=1 "
       "ttls@follower=1 transfers@leader=2 transfers@proxy=1 watches@leader=2 watches@proxy=1 sets@leader=1")


class Load:
    """One running load program."""

    def __init__(self, folder, addresses, seed, mix=MIX, pause_us=500, history=True):
        self.history = os.path.join(folder, "history") if history else None
        self.out, self.err = os.path.join(folder, "load"), os.path.join(folder, "load.err")
        command = [LOAD, "--nodes", ",".join("%s:%d:%d" % a for a in addresses), "--seed", str(seed), "--pause", str(pause_us)]
        command += (["--history", self.history] if history else []) + mix.split()
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=err, preexec_fn=die_with_us)

    def lines(self):
        """All lines so far, as dicts of numbers."""
        with open(self.out) as out:
            return [{k: int(v) for k, v in (word.split("=") for word in line.split()[1:])} for line in out if line.endswith("\n")]

    def last(self):
        lines = self.lines()
        return lines[-1] if lines else {"ms": 0, "done": 0, "not_run": 0, "unknown": 0, "retries": 0, "wrong": 0}

    def wrong(self):
        with open(self.err) as err:
            return err.read()

    def done(self):
        if self.process.poll() is not None:
            raise AssertionError("the load ended by itself, status %d: %s" % (self.process.returncode, self.wrong()[:500]))
        return self.last()["done"]

    def progress(self, what, more=100, seconds=30.0):
        """Until so many further operations are done."""
        before = self.done()
        wait("%d operations, %s" % (more, what), lambda: self.done() >= before + more, seconds, 0.05)

    def stop(self):
        """Lets the clients finish; the last figures. Raises when one of them saw something wrong."""
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(150)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise AssertionError("clients of the load do not come to an end: %s" % self.wrong()[:500])
        if self.process.returncode != 0:
            raise AssertionError("the load ended with status %d: %s" % (self.process.returncode, self.wrong()[:800]))
        return self.last()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def judge(history):
    """Its words, when all is well."""
    done = subprocess.run([JUDGE, "--slack-ms", str(SLACK_MS), history], capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise AssertionError("the judge of %s: %s" % (history, (done.stdout + done.stderr)[-1500:]))
    return done.stdout


class Benchmark:
    """redis-benchmark, for ever, at one port."""

    def __init__(self, host, port, *args):
        command = ["redis-benchmark", "-h", host, "-p", str(port), "-q", "-n", "100000000", "-r", "100000", *args]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_us)

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        self.process.kill()
        self.process.wait()


class RedisPy(threading.Thread):
    """The stock Python client at a proxy port, one INCR after the other, as an application without any care: an error is
    counted, and the next call made."""

    def __init__(self, host, port, key):
        super().__init__(daemon=True)
        import redis

        self.client = redis.Redis(host=host, port=port, socket_timeout=5, socket_connect_timeout=5)
        self.redis, self.key = redis, key
        self.acknowledged = self.errors = self.last = 0
        self.ending = False
        self.wrong = None

    def run(self):
        while not self.ending and not self.wrong:
            try:
                value = self.client.incr(self.key)
            except (self.redis.RedisError, OSError):
                self.errors += 1
                continue
            self.acknowledged += 1
            if not self.last < value <= self.acknowledged + self.errors:
                self.wrong = "INCR said %d after %d, with %d acknowledged and %d errors" % (value, self.last, self.acknowledged, self.errors)
            self.last = value

    def stop(self):
        self.ending = True
        self.join(30)
        if self.wrong or self.is_alive():
            raise AssertionError(self.wrong or "redis-py hangs")
