"""The servers under test. start(slot, folder) brings a fresh one up; slots run beside each other on ports of their own."""

import threading

from servers import PORTS, REDIS, Cluster, RespError, ask, kvorum_alone, redis, wait

DEBUG = ["--enable-debug-command", "yes", "--enable-protected-configs", "yes"]
DEFAULT_FLAGS = ()
REDUCED_FLAGS = ("--singledb", "--tags", "-needs:debug -needs:repl -needs:save")
MOVE_EVERY_S = 2.0
# Units that start their own servers and are about what a client sees, not about Redis's ways to replicate or to store.
OWN_UNITS = ["unit/acl", "unit/acl-v2", "unit/auth", "unit/client-eviction", "unit/info", "unit/maxmemory", "unit/obuf-limits", "unit/pubsubshard"]


def base(slot):
    return PORTS + 45 * slot


class External:
    """What every server that the suite is pointed at has in common."""

    kind, reduced, env = "external", False, {}

    def flags(self):
        return ["--host", "127.0.0.1", "--port", str(self.port), *(REDUCED_FLAGS if self.reduced else DEFAULT_FLAGS)]

    def remark(self):
        """What happened to a server during the unit, in words; "" when all are well."""
        dead = [node.process.returncode for node in self.servers if not node.alive()]
        return "server ended with status %d" % dead[0] if dead else ""

    def stop(self):
        for node in self.servers:
            node.kill()


class Redis(External):
    """Debian's redis-server, to see what the runner itself loses."""

    def __init__(self, slot, folder):
        self.servers = [redis(base(slot), folder, *DEBUG, "--enable-module-command", "yes").start()]
        self.port = base(slot)


class Alone(External):
    """One kvorum node."""

    def __init__(self, slot, folder):
        self.servers = [kvorum_alone(base(slot), folder, *DEBUG).start()]
        self.port = base(slot)
        wait("a node that serves", self.serves)

    def serves(self):
        try:
            ask(self.port, "GET", "kvorum:ready", timeout=1.0)
            return True
        except (OSError, RespError):
            return False


class Follower(External):
    """Three nodes, seen through the proxy port of one that follows when the unit starts."""

    reduced = True

    def __init__(self, slot, folder):
        self.cluster = Cluster(folder, base=base(slot)).start()
        self.servers = self.cluster.nodes
        self.port = self.cluster.followers()[0].proxy_port


class Moving(Follower):
    """The same, while the leader changes again and again."""

    def __init__(self, slot, folder):
        super().__init__(slot, folder)
        self.over = threading.Event()
        self.mover = threading.Thread(target=self.move, daemon=True)
        self.mover.start()

    def move(self):
        turn = 0
        while not self.over.wait(MOVE_EVERY_S):
            turn += 1
            for node in self.servers[turn % 3:] + self.servers[:turn % 3]:
                try:
                    if ask(node.port, "ROLE", timeout=1.0)[0] == b"slave":
                        ask(node.port, "CLUSTER", "FAILOVER", timeout=1.0)
                        break
                except (OSError, RespError):
                    pass

    def stop(self):
        self.over.set()
        self.mover.join(5.0)
        super().stop()


class Own:
    """The unit starts its servers itself, by suite/redis-server."""

    kind, reduced, env = "own", False, {}

    def __init__(self, slot, folder):
        # Ports of its own for each run on this machine, and as Redis does it, 10,000 above them those between nodes.
        self.first = 11000 + (PORTS - 27000) // 100 * 300 + 150 * slot

    def flags(self):
        return ["--baseport", str(self.first), "--portcount", "150", "--clients", "1"]

    def remark(self):
        return ""

    def stop(self):
        pass


class OwnRedis(Own):
    """The same with Debian's redis-server."""

    env = {"SUITE_SERVER": REDIS}


MODES = {"alone": Alone, "follower": Follower, "moving": Moving, "own": Own, "redis": Redis, "own-redis": OwnRedis}
