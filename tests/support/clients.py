"""Clients for the tests that hurt a cluster: a session that has each write run once, whatever happens meanwhile, and load
made of such sessions whose acknowledged writes can be told one by one afterwards."""

import random
import threading
import time

from servers import Conn, RespError, ask, info, wait

# Definite refusals of a write on a session: nothing was run, and another node or a later moment may do.
REFUSALS = ("NOTLEADER", "MOVED", "CLUSTERDOWN", "LOADING", "TRYAGAIN")


class Lost(Exception):
    """No definite answer in time, or one that means the session is gone."""


class Session:
    """One exactly-once session on whatever connection can be had. `ports` is kept, and may be changed at any time."""

    def __init__(self, name, ports, timeout_s=3.0):
        self.name, self.ports, self.timeout_s = name, ports, timeout_s
        self.number = 1
        self.opened = False
        self.conn = None
        self.hint = None
        self.retries = 0
        self.errors = {}

    def close(self):
        if self.conn:
            self.conn.close()
        self.conn = None

    def _note(self, what):
        word = what.split()[0] if what else "?"
        self.errors[word] = self.errors.get(word, 0) + 1

    def _connect(self):
        port = self.hint or random.choice(self.ports)
        self.hint = None
        self.conn = Conn(port, self.timeout_s)
        mark = "retry" if self.opened else "seq"
        self.conn.call("CLIENT", "SETNAME", "%s@%s=%d" % (self.name, mark, self.number))
        self.opened = True

    def _refused(self, error):
        text = str(error)
        self._note(text)
        if text.startswith("NOSESSION"):
            raise Lost("%s: %s" % (self.name, text))
        if text.startswith(("NOTLEADER", "MOVED")):
            port = int(text.rsplit(":", 1)[1])
            self.hint = port if port in self.ports else None
        self.close()

    def _attempt(self, words):
        """(True, reply) when definite."""
        try:
            if not self.conn:
                self._connect()
            self.conn.send(b"".join(words))
            replies = [self.conn.reply() for _ in words]
        except RespError as error:
            self._refused(error)
            return False, None
        except OSError as error:
            self._note(type(error).__name__)
            self.close()
            return False, None
        for reply in replies:
            if isinstance(reply, RespError) and str(reply).startswith(REFUSALS + ("MAYBE", "NOSESSION")):
                self._refused(reply)
                return False, None
        return True, replies

    def call(self, *words, seconds=30.0):
        """A write: runs once. Returns its reply (a RespError when that is what it was)."""
        return self.pipeline([words], seconds)[0]

    def pipeline(self, commands, seconds=30.0):
        """Writes, each numbered; sent again as a whole until all are answered."""
        from servers import encode

        packed = [encode(*command) for command in commands]
        deadline = time.monotonic() + seconds
        while True:
            done, replies = self._attempt(packed)
            if done:
                self.number += len(commands)
                return replies
            self.retries += 1
            if time.monotonic() > deadline:
                raise Lost("%s: no answer in %g s: %s" % (self.name, seconds, self.errors))
            time.sleep(0.01)


class Appender(threading.Thread):
    """Appends numbered tokens to one key until told to stop. `acknowledged` tokens are there for good, each once."""

    def __init__(self, name, key, ports, depth=1, pause_s=0.001):
        super().__init__(daemon=True)
        self.session = Session(name, ports)
        self.name, self.key, self.depth, self.pause_s = name, key, depth, pause_s
        self.acknowledged = 0
        self.counted = 0
        self.ending = False
        self.error = None

    def run(self):
        try:
            while not self.ending:
                tokens = ["<%s:%d>" % (self.name, self.acknowledged + i) for i in range(self.depth)]
                commands = [("APPEND", self.key, token) for token in tokens] + [("INCR", self.key + ":" + self.name)]
                replies = self.session.pipeline(commands)
                for reply in replies:
                    if not isinstance(reply, int):
                        raise Lost("%s: a write got %r" % (self.name, reply))
                self.acknowledged += self.depth
                self.counted += 1
                if replies[-1] != self.counted:
                    raise Lost("%s: INCR says %d, %d were acknowledged" % (self.name, replies[-1], self.counted))
                time.sleep(self.pause_s)
        except Exception as error:
            self.error = "%s: %s" % (type(error).__name__, error)
        self.session.close()


class Load:
    """Several appenders on a few keys."""

    def __init__(self, ports, count=4, keys=2, depth=1, prefix="load", pause_s=0.001):
        self.keys = ["%s:%d" % (prefix, i) for i in range(keys)]
        self.appenders = [
            Appender("%s-%d" % (prefix, i), self.keys[i % keys], ports, depth=depth, pause_s=pause_s) for i in range(count)
        ]

    def start(self):
        for appender in self.appenders:
            appender.start()
        return self

    def stop(self):
        for appender in self.appenders:
            appender.ending = True
        for appender in self.appenders:
            appender.join(60)

    def error(self):
        return next((a.error or "stuck" for a in self.appenders if a.error or (a.ending and a.is_alive())), None)

    @property
    def acknowledged(self):
        return sum(appender.acknowledged for appender in self.appenders)

    def judge(self, port):
        """Raises unless each acknowledged token is there, once, in its writer's order, and nothing else is."""
        with Conn(port) as conn:
            for key in self.keys:
                value = (conn.call("GET", key) or b"").decode()
                wanted = {a.name: 0 for a in self.appenders if a.key == key}
                for token in value.replace("<", "").split(">")[:-1]:
                    name, number = token.split(":")
                    if wanted.get(name) != int(number):
                        raise AssertionError("%s: %s comes where %s was due" % (key, token, wanted.get(name)))
                    wanted[name] += 1
                for a in self.appenders:
                    if a.key != key:
                        continue
                    if wanted[a.name] != a.acknowledged:
                        raise AssertionError("%s: %d acknowledged, %d there" % (a.name, a.acknowledged, wanted[a.name]))
                    count = int(conn.call("GET", key + ":" + a.name) or 0)
                    if count != a.counted:
                        raise AssertionError("%s: counted %d, %d there" % (a.name, a.counted, count))


def settled(nodes, seconds=20.0):
    """Until all have applied the same; their digests must then agree. Returns them."""

    def look():
        states = [info(node.port, "raft", node.host) for node in nodes]
        applied = {state.get("applied_index", state.get("applied")) for state in states}
        if len(applied) != 1 or None in applied:
            return None
        digests = {ask(node.port, "DEBUG", "KVORUM-DIGEST", host=node.host) for node in nodes}
        again = {info(node.port, "raft", node.host).get("applied_index") for node in nodes}
        return digests if again == applied else None

    return wait("all nodes to have applied the same", look, seconds)
