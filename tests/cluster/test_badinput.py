#!/usr/bin/python3
"""Bad input, on the client port, on the peer port and at the start: each mistake gets its error, costs nobody else anything,
and loses nothing. A well-behaved client with a session writes all the while."""
# time limit: 60 s

import os
import resource
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from clients import Load  # noqa: E402
from servers import HOST, KVORUM, PORTS, Checks, Cluster, Conn, RespError, ask, encode, info, scratch, wait  # noqa: E402

ARGS = ("--enable-debug-command", "yes", "--client-output-buffer-limit", "normal", "4mb", "1mb", "1")


def talk(port, data, seconds=5.0):
    """What the server says to these bytes until it closes or falls silent, and whether it closed."""
    with socket.create_connection((HOST, port), 5) as sock:
        sock.settimeout(seconds)
        said, closed = b"", False
        try:
            sock.sendall(data)
            while True:
                piece = sock.recv(1 << 16)
                if not piece:
                    closed = True
                    break
                said += piece
        except (ConnectionResetError, BrokenPipeError):
            closed = True
        except socket.timeout:
            pass
        return said, closed


def resident_mb(node):
    return node.resident_bytes() / (1 << 20)


def malformed(checks, node):
    for name, data, error in (
        ("a count that is no number", b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        ("a count beyond all bounds", b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        ("a length that is no number", b"*1\r\n$x\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        ("a negative length", b"*1\r\n$-1\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        ("a length beyond proto-max-bulk-len", b"*2\r\n$3\r\nGET\r\n$536870913\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        ("something else than a bulk string", b"*1\r\n:1\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
        ("an inline request without an end", b"A" * 70000, b"-ERR Protocol error: too big inline request\r\n"),
        ("unbalanced quotes", b'SET a "b\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    ):
        checks.equal(name, talk(node.port, data), (error, True))
    said, closed = talk(node.port, encode("PING") + encode("SET", "before", "1") + b"*x\r\n" + encode("SET", "after", "1"))
    checks.equal("what stands before is answered, what stands behind is not run", (said, closed, ask(node.port, "MGET", "before", "after")), (
        b"+PONG\r\n+OK\r\n-ERR Protocol error: invalid multibulk length\r\n", True, [b"1", None]))
    before = resident_mb(node)
    announcing = []
    for _ in range(50):
        sock = socket.create_connection((HOST, node.port), 5)
        sock.sendall(b"*2\r\n$3\r\nSET\r\n$500000000\r\nabc")
        announcing.append(sock)
    time.sleep(0.3)
    checks.ok("announced sizes take no memory", resident_mb(node) - before < 50, resident_mb(node) - before)
    for sock in announcing:
        sock.close()
    for words, error in ((("GET",), "ERR wrong number of arguments for 'get' command"), (("NOSUCH", "x"), "ERR unknown command 'NOSUCH', with args beginning with: 'x' "),
                         (("SET", "k", "v", "PX", "abc"), "ERR value is not an integer or out of range"), (("INCR", "before", "2"), "ERR wrong number of arguments for 'incr' command")):
        try:
            reply = ask(node.port, *words)
        except RespError as e:
            reply = str(e)
        checks.equal("the error of %s" % words[0], reply, error)


def slow_reader(checks, node):
    ask(node.port, "SET", "mb", b"x" * (1 << 20))
    with socket.create_connection((HOST, node.port), 5) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        before = resident_mb(node)
        try:
            sock.sendall(encode("GET", "mb") * 500)
            time.sleep(2.5)
            sock.sendall(encode("PING") * 100)
            time.sleep(0.2)
            sock.sendall(encode("PING"))
            cut = False
        except (ConnectionResetError, BrokenPipeError):
            cut = True
        checks.ok("who does not read is cut at the output limit", cut)
        checks.ok("and took little memory", resident_mb(node) - before < 100, resident_mb(node) - before)


def too_many(checks, node):
    now = ask(node.port, "CONFIG", "GET", "maxclients")[1]
    count = int(info(node.port, "clients")["connected_clients"])
    ask(node.port, "CONFIG", "SET", "maxclients", count + 5)
    held = []
    refusal = None
    for _ in range(20):
        conn = Conn(node.port)
        held.append(conn)
        try:
            conn.call("PING")
        except (RespError, OSError) as error:
            refusal = str(error)
            break
    checks.equal("one connection too many", refusal, "ERR max number of clients reached")
    held[0].call("CONFIG", "SET", "maxclients", now)
    for conn in held:
        conn.close()
    wait("connections again", lambda: ask(node.port, "PING") == b"PONG")


def junk(checks, cluster):
    """On the peer port: closed, counted, and nothing else."""
    node = cluster.wait_leader()
    before = info(node.port, "raft")
    peer_port = node.port + 20
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"*1\r\n$4\r\nPING\r\n", os.urandom(4096), b"\x00" * 200, struct.pack("<IIII", 0xFFFFFFFF, 1, 2, 3) * 10, b""):
        with socket.create_connection((HOST, peer_port), 5) as sock:
            sock.settimeout(10)
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass
            except OSError:
                pass
    silent = [socket.create_connection((HOST, peer_port), 5) for _ in range(30)]
    wait("junk to be counted", lambda: int(info(node.port, "raft")["peer_junk"]) >= int(before["peer_junk"]) + 5, 10)
    after = info(node.port, "raft")
    checks.equal("junk on the peer port disturbs nobody", (after["term"], after["role"]), (before["term"], "leader"))
    for sock in silent:
        sock.close()


def start(*args):
    """What a start that must fail says and returns."""
    done = subprocess.run([KVORUM, *args], capture_output=True, text=True, timeout=10)
    return done.returncode, done.stderr


def start_errors(checks, cluster):
    folder = scratch("cluster/badinput/alone")
    ours = cluster.nodes[0]
    port = str(PORTS + 40)
    config = os.path.join(folder, "bad.conf")
    with open(config, "w") as file:
        file.write("port %s\nno-such-directive yes\n" % port)
    for name, args, words in (
        ("an unknown directive", ["--port", port, "--dir", folder, "--no-such", "1"], ["no-such"]),
        ("one in the file", [config], ["no-such-directive"]),
        ("a file that is not there", [os.path.join(folder, "none.conf")], ["none.conf"]),
        ("a bad value", ["--port", "70000", "--dir", folder], ["port"]),
        ("a bad choice", ["--port", port, "--dir", folder, "--appendfsync", "sometimes"], ["appendfsync"]),
        ("a bad replicated setting", ["--port", port, "--dir", folder, "--session-window", "0"], ["session-window"]),
        ("a bad list of nodes", ["--port", port, "--dir", folder, "--initial-cluster", "n1=1.2.3.4"], ["initial-cluster"]),
        ("a port in use", ["--port", str(ours.port), "--bind", HOST, "--dir", folder], [str(ours.port)]),
        ("a peer port in use", ["--port", port, "--bind", HOST, "--dir", folder, "--cluster-port", str(ours.port + 20), "--cluster-enabled", "yes"], [str(ours.port + 20)]),
        ("a directory in use", ["--port", port, "--bind", HOST, "--dir", ours.folder], [ours.folder, "in use"]),
        ("a directory that cannot be", ["--port", port, "--bind", HOST, "--dir", "/proc/none"], ["/proc/none"]),
    ):
        status, said = start(*args)
        checks.ok("start: %s" % name, status == 1 and said.count("\n") == 1 and all(word in said for word in words), "status %s, %r" % (status, said))


def descriptors(checks, cluster):
    """Clients may use up what descriptors there are: peers and files have theirs."""
    node = cluster.followers()[0]
    node.kill()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    limit = ["prlimit", "--nofile=256:256"]
    node.process = subprocess.Popen(limit + [node.binary, "--bind", HOST, "--port", str(node.port), "--dir", node.folder, *node.args],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait("port", node.accepts)
    held = []
    for _ in range(400):
        try:
            held.append(socket.create_connection((HOST, node.port), 2))
        except OSError:
            break
    time.sleep(0.5)
    leader = cluster.wait_leader()
    before = int(info(leader.port, "raft")["commit_index"])
    ask(leader.port, "SET", "descriptors", 1)

    def line():
        rows = ask(leader.port, "INFO", "raft").decode().split("\r\n")
        return next(row for row in rows if row.startswith("node") and "port=%d," % node.port in row)

    checks.ok("a node whose clients use up the descriptors follows", "link=up" in line(), line())
    wait("its ack", lambda: int(line().split("match=")[1].split(",")[0]) > before, 5)
    for sock in held:
        sock.close()
    checks.run("and takes clients again", wait, "it", node.accepts, 10)


def main():
    checks = Checks()
    cluster = Cluster(scratch("cluster/badinput"), args=ARGS).start()
    leader = cluster.wait_leader()
    load = Load([leader.port], count=2, depth=2, prefix="good", pause_s=0.005).start()
    term = info(leader.port, "raft")["term"]
    for part in (malformed, slow_reader, too_many):
        part(checks, leader)
    junk(checks, cluster)
    start_errors(checks, cluster)
    descriptors(checks, cluster)
    load.stop()
    checks.ok("the well-behaved were never disturbed", not load.error() and not any(a.session.retries for a in load.appenders),
              [load.error()] + [a.session.errors for a in load.appenders])
    checks.run("and lost nothing", load.judge, leader.port)
    checks.equal("the leader stayed", info(leader.port, "raft")["term"], term)
    cluster.kill()
    checks.finish()


if __name__ == "__main__":
    main()
