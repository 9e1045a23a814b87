"""Load from stock clients whose every operation is written down, for build/tests/check/judge: what was asked, what was told,
and when. redis-py where it is installed, on proxy ports, one connection a client; it repeats nothing by itself."""

import os
import random
import subprocess
import sys
import threading
import time

from servers import BUILD, HOST, ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "check"))
import history  # noqa: E402
import redis  # noqa: E402

JUDGE = os.path.join(BUILD, "tests", "check", "judge")
NOT_RUN = ("MOVED", "NOTLEADER", "CLUSTERDOWN", "LOADING", "READONLY", "ERR the disk")


class Client(threading.Thread):
    def __init__(self, number, ports, keys, writer):
        super().__init__(daemon=True)
        self.number, self.ports, self.keys, self.writer = number, ports, keys, writer
        self.random, self.ending, self.paused, self.answered, self.tokens, self.error = random.Random(number), False, False, 0, 0, None

    def words(self, key):
        """(operation, its arguments for the history, its words)."""
        kind = self.random.choice(("get", "get", "set", "append", "append", "incr", "getset"))
        if kind == "incr":
            return kind, (1,), ("INCRBY", "n" + key, 1)
        if kind == "get":
            key = self.random.choice(("", "n", "t")) + key
            return kind, None, ("GET", key)
        self.tokens += 1
        token = "<%d.%d>" % (self.number, self.tokens)
        if kind == "append":
            return kind, (token,), ("APPEND", "t" + key, token)
        return kind, (token,), (kind.upper(), key, token)

    def attempt(self, conn):
        """One operation; False when the connection is of no use any more."""
        operation, args, words = self.words(self.random.choice(self.keys))
        invoked, result, outcome = history.now_us(), None, "ok"
        try:
            result = conn.execute_command(*words)
            self.answered += 1
        except redis.exceptions.ResponseError as error:
            text = str(error)
            outcome = "notrun" if text.startswith(NOT_RUN) else "unknown" if text.startswith("MAYBE") else "error"
            if outcome == "error":
                self.error = "%s: %s" % (words[:2], text)
        except redis.exceptions.RedisError:
            outcome = "unknown"
        if operation == "set":
            result = None
        self.writer.write(self.number, words[1], operation, args, result, outcome, invoked, history.now_us())
        return outcome == "ok"

    def run(self):
        while not self.ending:
            conn = redis.Redis(HOST, self.random.choice(self.ports), single_connection_client=False, socket_timeout=3,
                               socket_connect_timeout=1, retry=None)
            pool = conn.connection_pool
            try:
                held = pool.get_connection("PING")
                pool.release(held)
            except redis.exceptions.RedisError:
                time.sleep(0.02)
                continue
            while not self.ending and self.attempt(conn):
                time.sleep(0.001)
                while self.paused and not self.ending:
                    time.sleep(0.01)
            pool.disconnect()
            time.sleep(0.01)


class Recorded:
    """`ports` may be changed at any time. Keys are of this load alone."""

    def __init__(self, path, ports, count=6, keys=4, prefix="h"):
        self.path, self.ports = path, list(ports)
        if os.path.exists(path):
            os.unlink(path)
        self.writer = history.Writer(path)
        names = ["%s%d" % (prefix, i) for i in range(keys)]
        self.clients = [Client(i + 1, self.ports, names, self.writer) for i in range(count)]

    def start(self):
        for client in self.clients:
            client.start()
        return self

    @property
    def answered(self):
        return sum(client.answered for client in self.clients)

    def pause(self, paused):
        for client in self.clients:
            client.paused = paused

    def stop(self):
        for client in self.clients:
            client.ending = True
        for client in self.clients:
            client.join(30)
        self.writer.close()

    def judge(self):
        """Raises unless the history is linearizable; what the judge says otherwise."""
        for client in self.clients:
            if client.error:
                raise AssertionError(client.error)
        done = subprocess.run([JUDGE, self.path], capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise AssertionError(done.stdout[-600:] + done.stderr[-300:])
        return done.stdout.strip()
