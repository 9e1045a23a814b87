#!/usr/bin/python3
"""Users are the cluster's: what is set on any node holds on all, for connections that are there already too, and survives restarts
by journal and by snapshot. The first leader's file begins, a node's own file counts for nothing afterwards."""
# time limit: 60 s

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import SLOWED, Checks, Cluster, Conn, RespError, ask, encode, scratch, wait  # noqa: E402

ARGS = ("--election-timeout", str(int(SLOWED * 400)), "--user", "ops", "on", ">ops", "~*", "&*", "+@all", "--user", "default", "on",
        "nopass", "~*", "&*", "+@all")


def tried(conn, *words):
    try:
        return conn.call(*words)
    except RespError as error:
        return str(error).split()[0]


def as_user(port, name, password):
    conn = Conn(port)
    conn.call("AUTH", name, password)
    return conn


def on_all(cluster, *words):
    return [ask(node.port, *words) for node in cluster.nodes]


def same_everywhere(checks, cluster, name, *words):
    """All nodes come to say the same, and what it is."""
    def agreed():
        replies = on_all(cluster, *words)
        return replies[0] == replies[1] == replies[2] and replies
    checks.ok(name, wait(name, agreed))
    return on_all(cluster, *words)[0]


def is_closed(conn):
    try:
        while True:
            conn.call("PING")
    except RespError:
        return False
    except (ConnectionError, OSError):
        return True


def set_anywhere(checks, cluster):
    leader, (first, second) = cluster.wait_leader(), cluster.followers()
    checks.equal("a change through a follower's port", ask(first.port, "ACL", "SETUSER", "bob", "on", ">pw", "~bob:*", "&bob",
                                                          "+@all"), b"OK")
    checks.equal("another through the leader's", ask(leader.port, "ACL", "SETUSER", "bob", "-@dangerous"), b"OK")
    wait("the second follower knows bob", lambda: ask(second.port, "ACL", "GETUSER", "bob"))
    listed = same_everywhere(checks, cluster, "all nodes list the same users", "ACL", "LIST")
    checks.equal("the file's users are among them", [line.split()[1] for line in listed], [b"bob", b"default", b"ops"])
    try:
        ask(first.port, "ACL", "SETUSER", "bob", "<nosuch")
    except RespError as error:
        checks.equal("an error tells of the rule as it was sent", str(error), "ERR Error in ACL SETUSER modifier '<nosuch': The "
                     "password you are trying to remove from the user does not exist")


def enforced(checks, cluster):
    for node in cluster.nodes:
        with as_user(node.proxy_port, "bob", "pw") as conn:
            checks.equal("node %d: bob's keys, others, other commands" % node.port,
                         [tried(conn, *words.split()) for words in ("SET bob:1 x", "GET bob:1", "SET x 1", "GET x", "KEYS *",
                                                                    "ACL SETUSER bob +@all", "CONFIG SET maxmemory 1gb")],
                         [b"OK", b"x"] + ["NOPERM"] * 5)
            checks.equal("node %d: ACL LOG is its own" % node.port, len(ask(node.port, "ACL", "LOG")), 4)


def revoked(checks, cluster):
    """Connections that are there already, on another node than the change."""
    leader, (first, second) = cluster.wait_leader(), cluster.followers()
    writer, listener, deleted = (as_user(second.proxy_port, "bob", "pw") for _ in range(3))
    listener.send(encode("SUBSCRIBE", "bob"))
    listener.reply()
    deleted.call("MULTI")
    deleted.call("SET", "bob:1", "y")
    ask(first.port, "ACL", "SETUSER", "bob", "-set", "resetchannels")
    checks.equal("what was answered binds writes through any node at once", tried(writer, "SET", "bob:1", "z"), "NOPERM")
    reply = tried(deleted, "EXEC")
    checks.ok("so it does a transaction", reply == "NOPERM" or isinstance(reply[0], RespError), repr(reply))
    checks.equal("nothing of it ran", ask(leader.port, "GET", "bob:1"), b"x")
    checks.ok("who listens to a channel that was taken away is closed", is_closed(listener))
    ask(leader.port, "ACL", "DELUSER", "bob")
    checks.ok("with the user go its connections", is_closed(deleted) and is_closed(writer))
    with Conn(second.port) as conn:
        wait("bob is gone everywhere", lambda: conn.call("ACL", "GETUSER", "bob") is None)
        checks.equal("and nobody comes in by that name", tried(conn, "AUTH", "bob", "pw"), "WRONGPASS")


def restarted(checks, cluster):
    """By the journal, then by a snapshot; node 1's file says something else by now."""
    ask(cluster.nodes[0].port, "ACL", "SETUSER", "eve", "on", "#" + "0" * 64, "(+get ~eve)")
    before = same_everywhere(checks, cluster, "eve is known", "ACL", "LIST")
    for how in ("journal", "snapshot"):
        if how == "snapshot":
            for node in cluster.nodes:
                ask(node.port, "SAVE", timeout=20)
        cluster.kill()
        for node in cluster.nodes:
            node.args = [word if word != ">ops" else ">other" for word in node.args]
        cluster.start()
        wait("users are there", lambda: ask(cluster.nodes[0].port, "ACL", "LIST") == before)
        checks.equal("the users survive a restart by the %s" % how,
                     same_everywhere(checks, cluster, "... on all nodes", "ACL", "LIST"), before)
    with Conn(cluster.nodes[2].port) as conn:
        checks.equal("a file that says something else counts for nothing",
                     [tried(conn, "AUTH", "ops", word) for word in ("other", "ops")], ["WRONGPASS", b"OK"])


def in_transactions(checks, cluster):
    """Users, passwords and the cluster's settings change in the place where they stand between MULTI and EXEC, or not at all."""
    def transaction(conn, *commands):
        conn.send(b"".join(encode(*command) for command in (("MULTI",), *commands, ("EXEC",))))
        replies = [conn.reply() for _ in range(len(commands) + 2)]
        out = replies[-1]
        return [str(reply) if isinstance(reply, RespError) else reply for reply in out] if isinstance(out, list) else out

    leader, (first, _) = cluster.wait_leader(), cluster.followers()
    for port, name, where in ((leader.port, "tx", "on the leader"), (first.proxy_port, "ty", "through a follower")):
        with Conn(port) as conn:
            found = transaction(conn, ("SET", "k", name), ("ACL", "SETUSER", name, "on", ">pw", "~*", "+get"), ("CONFIG", "SET", "set-max-intset-entries", "7"),
                                ("ACL", "SETUSER", name, "nonsense"), ("CONFIG", "SET", "maxmemory", "bla"), ("CONFIG", "SET", "maxmemory", "0", "timeout", "0"),
                                ("ACL", "DELUSER", "nobody"), ("PING",), ("GET", "k"))
            checks.equal("in a transaction %s" % where, found,
                         [b"OK", b"OK", b"OK", "ERR Error in ACL SETUSER modifier 'nonsense': Syntax error",
                          "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value",
                          "ERR CONFIG SET of the cluster's settings and this node's together is not possible inside a transaction", 0, b"PONG",
                          name.encode()])
            with as_user(leader.port, name, "pw") as user:
                checks.equal("they hold %s" % where, [tried(user, "GET", "k"), tried(user, "SET", "k", "v")], [name.encode(), "NOPERM"])
                checks.equal("a user is removed %s" % where, transaction(conn, ("INCR", "n"), ("ACL", "DELUSER", name))[1], 1)
                checks.ok("and its connections with it %s" % where, is_closed(user))
            same_everywhere(checks, cluster, "all nodes have the setting %s" % where, "CONFIG", "GET", "set-max-intset-entries")
            conn.call("WATCH", "w")
            ask(leader.port, "SET", "w", "1")
            checks.equal("where a key has changed nothing does %s" % where, transaction(conn, ("ACL", "SETUSER", "late", "on")), None)
            checks.equal("no such user %s" % where, conn.call("ACL", "GETUSER", "late"), None)
            conn.call("CONFIG", "SET", "set-max-intset-entries", "512")
    with as_user(leader.port, "ops", "ops") as conn:
        checks.equal("who removes himself hears so", transaction(conn, ("PING",), ("ACL", "DELUSER", "ops")), [b"PONG", 1])
        checks.ok("and is sent away", is_closed(conn))


def denied_in_scripts(checks, cluster):
    """What a script's user may not do is in the ACL LOG of the node that has the script run, of reads and of entries."""
    leader = cluster.wait_leader()
    ask(leader.port, "ACL", "SETUSER", "scripter", "on", ">pw", "~mine", "+@all", "-incr")
    ask(leader.port, "ACL", "LOG", "RESET")
    with as_user(leader.port, "scripter", "pw") as conn:
        for script in ("redis.call('set','mine',1) return redis.call('incr','mine')", "return redis.pcall('llen','others')", "#!lua flags=no-writes\nreturn redis.pcall('get','theirs')"):
            for _ in range(2):
                tried(conn, "EVAL", script, 0)
    log = [dict(zip(entry[::2], entry[1::2])) for entry in ask(leader.port, "ACL", "LOG")]
    checks.equal("denials in scripts", [(entry[b"context"], entry[b"reason"], entry[b"object"], entry[b"username"], entry[b"count"]) for entry in log],
                 [(b"lua", b"key", b"theirs", b"scripter", 2), (b"lua", b"key", b"others", b"scripter", 2), (b"lua", b"command", b"incr", b"scripter", 2)])
    ask(leader.port, "ACL", "DELUSER", "scripter")


def password(checks, cluster):
    """requirepass is the default user's password, on all nodes."""
    early = [Conn(node.proxy_port) for node in cluster.nodes]
    for conn in early:
        conn.call("PING")
    with Conn(cluster.followers()[0].proxy_port) as conn:
        checks.equal("CONFIG SET requirepass on one node", tried(conn, "CONFIG", "SET", "requirepass", "new"), b"OK")

    def needs(node):
        with Conn(node.proxy_port) as conn:
            return tried(conn, "GET", "x") == "NOAUTH" and tried(conn, "AUTH", "new") == b"OK"
    checks.ok("every node asks for it", all(wait("a password is asked for", lambda n=n: needs(n)) for n in cluster.nodes))
    checks.equal("who was there already stays", [tried(conn, "PING") for conn in early], [b"PONG"] * 3)
    journals = b"".join(open(os.path.join(path, name), "rb").read() for folder in cluster.nodes
                        for path, _, names in os.walk(folder.folder) for name in names)
    checks.ok("no password is on any disk", b"geheimes" not in journals and b"a-user-with-a-password" in journals)


def main():
    checks = Checks()
    cluster = Cluster(scratch("users"), args=ARGS)
    try:
        cluster.start()
        wait("the file's users are the cluster's",
             lambda: all(ask(node.port, "ACL", "GETUSER", "ops") for node in cluster.nodes))
        ask(cluster.nodes[0].port, "ACL", "SETUSER", "a-user-with-a-password", ">geheimes")
        ask(cluster.nodes[0].port, "ACL", "DELUSER", "a-user-with-a-password")
        for test in (set_anywhere, enforced, revoked, restarted, denied_in_scripts, in_transactions, password):
            checks.run(test.__name__.replace("_", " "), test, checks, cluster)
    finally:
        cluster.kill()
    checks.finish()


if __name__ == "__main__":
    main()
