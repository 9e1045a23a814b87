"""A fixed script of 200 operations, a model that knows every reply and state, and the judgement of a server that has been
restarted somewhere within it."""

import random

from servers import RespError, encode

OPERATIONS = 200
STOPS, KILLS, SAVES = (80,), (140,), (50, 110, 170)
SETTING = ("session-timeout", "90000")


class Op:
    """`session` counts it, or is None: a restart, a SAVE, a wait until a key is gone."""

    def __init__(self, kind, words=(), session=None):
        self.kind, self.words, self.session = kind, list(words), session
        self.reply = None  # what the model expects

    def bytes(self):
        if self.kind == "exec":
            return b"".join(encode(*w) for w in [["MULTI"], *self.words, ["EXEC"]])
        return encode(*self.words)

    def replies(self):
        return len(self.words) + 2 if self.kind == "exec" else 1


def _write(i, session, rng):
    key, log = "%s:k:%d" % (session, i % 17), "%s:log:%d" % (session, i % 5)
    value = "%d-" % i + "v" * (150000 if i % 60 == 19 else rng.randrange(300))
    return rng.choice([["APPEND", log, "%d." % i], ["APPEND", log, "%d." % i], ["SET", key, value], ["SET", key, value],
                       ["INCRBY", "%s:n:%d" % (session, i % 3), i], ["GETSET", key, value], ["GETDEL", key],
                       ["DEL", key, "%s:k:%d" % (session, (i + 1) % 17)]])


def operations():
    """Each session has keys of its own, so that one may be brought to its end before the other."""
    rng, ops = random.Random(1), []
    for i in range(1, OPERATIONS + 1):
        session = "b" if i > 25 and i % 4 == 1 else "a"
        if i in STOPS or i in KILLS:
            op = Op("stop" if i in STOPS else "kill")
        elif i in SAVES:
            op = Op("save", ["SAVE"])
        elif i == 120:
            op = Op("setting", ["CONFIG", "SET", *SETTING])
        elif i % 15 == 6:
            op = Op("write", ["SET", "t:%d" % i, i, "PX", 15], session)
        elif i % 15 == 7:
            op = Op("gone", ["GET", "t:%d" % (i - 1)])
        elif i % 15 == 8:
            op = Op("write", ["SET", "ttl:%d" % i, i, "EX", 5000], session)
        elif i % 10 == 3:
            op = Op("exec", [["INCR", session + ":tx"], ["APPEND", session + ":log:tx", "%d." % i],
                             ["SET", "%s:tx:%d" % (session, i % 7), i]], session)
        else:
            op = Op("write", _write(i, session, rng), session)
        ops.append(op)
    _run_model(ops)
    return ops


# ---- the model ------------------------------------------------------------------------------------------------

def _apply(state, words):
    """What the few commands of the script do, and reply."""
    name, key = words[0], words[1]
    text = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    old = state.get(key)
    if name in ("SET", "GETSET"):
        state[key] = text[2]
        return b"OK" if name == "SET" else old
    if name == "APPEND":
        state[key] = (old or b"") + text[2]
        return len(state[key])
    if name in ("INCRBY", "INCR"):
        state[key] = b"%d" % (int(old or 0) + (words[2] if name == "INCRBY" else 1))
        return int(state[key])
    if name == "GETDEL":
        state.pop(key, None)
        return old
    if name == "DEL":
        return sum(state.pop(k, None) is not None for k in words[1:])
    raise ValueError(name)


def _run_model(ops):
    """Sets each op's number, reply and the state after it; keys that expire within the script are kept apart."""
    state, numbers = {}, {"a": 0, "b": 0}
    for op in ops:
        if op.kind == "exec":
            op.reply = [_apply(state, words) for words in op.words]
        elif op.kind == "write":
            op.reply = _apply(state, op.words)
        for key in [k for k in state if k.startswith("t:")]:
            del state[key]
        if op.session:
            numbers[op.session] += 1
        op.state, op.numbers = dict(state), dict(numbers)


def all_keys(ops):
    return sorted({key for op in ops for key in op.state})


# ---- running it -----------------------------------------------------------------------------------------------

class Wrong(Exception):
    """What a promise did not say."""


class Driver:
    """Sends operations, each over its session's connection. connect() gives a connection to whoever serves."""

    def __init__(self, ops, connect):
        self.ops, self.connect = ops, connect
        self.conns = {}
        self.numbers = {}

    def close(self):
        for conn in self.conns.values():
            conn.close()
        self.conns = {}

    def conn(self, session, number=1, may_open=True):
        """A session's connection, whose next request is `number`."""
        if session not in self.conns:
            conn = self.connect()
            self.conns[session] = conn
            if session:
                try:
                    conn.call("CLIENT", "SETNAME", "%s@retry=%d" % (session, number))
                except RespError as error:
                    if not may_open or not str(error).startswith("NOSESSION"):
                        raise
                    conn.call("CLIENT", "SETNAME", "%s@seq=1" % session)
        return self.conns[session]

    def run(self, op):
        """One operation and its reply, which has to be the model's."""
        number = op.numbers[op.session] if op.session else 0
        conn = self.conn(op.session, number, may_open=number == 1)
        if op.kind == "gone":
            while conn.call(*op.words) is not None:
                pass
            return
        if op.kind == "save":
            conn.call("SAVE")
            return
        conn.send(op.bytes())
        replies = [conn.reply() for _ in range(op.replies())]
        if op.kind == "setting":
            if replies != [b"OK"]:
                raise Wrong("%s: %r" % (op.words, replies))
            return
        expect(op, replies[-1])


def expect(op, reply):
    if isinstance(reply, (RespError, BaseException)) or reply != op.reply:
        raise Wrong("number %d of session %s, %.60r: replied %.60r, not %.60r" % (
            op.numbers[op.session], op.session, op.words, reply, op.reply))


def read_state(conn, ops):
    keys = all_keys(ops)
    values = conn.call("MGET", *keys)
    return {key: value for key, value in zip(keys, values) if value is not None}


def difference(got, wanted):
    keys = [k for k in sorted(set(got) | set(wanted)) if got.get(k) != wanted.get(k)]
    return ", ".join("%s is %.40r, not %.40r" % (k, got.get(k), wanted.get(k)) for k in keys[:4])


def judge(ops, acked, driver):
    """After a restart: the first `acked` operations were answered, the one behind them may have been sent."""
    conn = driver.conn(None)
    got = read_state(conn, ops)
    states = [ops[i - 1].state if i else {} for i in range(acked, min(acked + 1, len(ops)) + 1)]
    if got not in states:
        raise Wrong("after %d acknowledged operations: %s" % (acked, difference(got, states[0])))
    gone = [op.words[1] for op in ops[:acked] if op.kind == "gone"]
    if gone and any(value is not None for value in conn.call("MGET", *gone)):
        raise Wrong("a key that had expired is back")
    lasting = [op.words[1] for op in ops[:acked] if str(op.words[1:2]).startswith("['ttl:")]
    if any(not 0 < conn.call("PTTL", key) <= 5000000 for key in lasting):
        raise Wrong("a time to live is wrong")
    if any(op.kind == "setting" for op in ops[:acked]):
        value = conn.call("CONFIG", "GET", SETTING[0])
        if value[1] != SETTING[1].encode():
            raise Wrong("the setting is %r" % value)
    for session in ("a", "b"):
        resend(driver, session, acked)
    conn.call("CONFIG", "SET", *SETTING)
    final = read_state(conn, ops)
    if final != ops[-1].state:
        raise Wrong("in the end: %s" % difference(final, ops[-1].state))


def resend(driver, session, acked):
    """Some requests that were answered, which are not to run again, then all that were not."""
    answered = sum(op.session == session for op in driver.ops[:acked])
    mine = [op for op in driver.ops if op.session == session][max(answered - 5, 0) :]
    conn = driver.conn(session, mine[0].numbers[session], may_open=not answered)
    conn.send(b"".join(op.bytes() for op in mine))
    for op in mine:
        replies = [conn.reply() for _ in range(op.replies())]
        expect(op, replies[-1])
