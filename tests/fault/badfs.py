"""The test's side of badfs.so (preload/badfs.h has the layout): rules for a failing disk, and the disk as a power cut would
have left it, made from a trace.

What is durable: a file's bytes by an fsync of the file, names by an fsync of their directory, and nothing else. Stricter
than ext4 is, which often keeps more; what the policies below keep of the rest covers the mild cases too."""

import collections
import mmap
import os
import shutil
import struct

from servers import BUILD

LIBRARY = os.path.join(BUILD, "tests", "fault", "badfs.so")

WRITE, SYNC, RENAME, UNLINK, CREATE, TRUNCATE = 1, 2, 4, 8, 16, 32
NOTHING, EIO, ENOSPC, SHORT, HANG, KILL = range(6)

HEAD = struct.Struct("<IIQQ")
RULE = struct.Struct("<IIQQQQQ96s")
RULES = 8
MAGIC = 0x31646162


class Control:
    """The control file, and with `trace_bytes` a trace beside it. One for all servers that share a directory tree."""

    def __init__(self, path, watched, trace_bytes=0):
        self.path, self.watched, self.trace_path = path, os.path.realpath(watched), None
        with open(path, "wb") as f:
            f.write(HEAD.pack(MAGIC, 0, 0, 0) + bytes(RULE.size * RULES))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)
        if trace_bytes:
            self.trace_path = path + ".trace"
            with open(self.trace_path, "wb") as f:
                f.truncate(trace_bytes)

    def env(self):
        os.stat(LIBRARY)  # ld.so would only complain
        env = dict(os.environ, LD_PRELOAD=LIBRARY, BADFS_CONTROL=self.path, BADFS_DIR=self.watched)
        if self.trace_path:
            env["BADFS_TRACE"] = self.trace_path
        return env

    def events(self):
        return HEAD.unpack_from(self.map, 0)[3]

    def rule(self, number, action, calls, path="", first=1, times=0, ms=0):
        """The counts begin anew. The action is written last: it makes the rule count."""
        at = HEAD.size + RULE.size * number
        self.map[at : at + 4] = struct.pack("<I", NOTHING)
        whole = RULE.pack(action, calls, first, times, ms, 0, 0, path.encode())
        self.map[at + 4 : at + RULE.size] = whole[4:]
        self.map[at : at + 4] = struct.pack("<I", action)

    def lift(self, number):
        """No more of it; a call that hangs goes on. Returns how often it has struck."""
        at = HEAD.size + RULE.size * number
        self.map[at : at + 4] = struct.pack("<I", NOTHING)
        return self.fired(number)

    def fired(self, number):
        return RULE.unpack_from(self.map, HEAD.size + RULE.size * number)[6]

    def trace(self):
        length = HEAD.unpack_from(self.map, 0)[2]
        with open(self.trace_path, "rb") as f:
            return parse(f.read(length))


# ---- the trace ------------------------------------------------------------------------------------------------

EV_CREATE, EV_MKDIR, EV_WRITE, EV_TRUNCATE, EV_SYNC, EV_RENAME, EV_UNLINK, EV_RMDIR, EV_LINK = range(1, 10)
NAMES = ["", "create", "mkdir", "write", "truncate", "sync", "rename", "unlink", "rmdir", "link"]
RECORD = struct.Struct("<IIQQQQIIII")
Event = collections.namedtuple("Event", "kind dir dir2 ino offset name name2 data")


def parse(data):
    events, at = [], 0
    while at < len(data):
        size, kind, folder, folder2, ino, offset, n1, n2, n3, _ = RECORD.unpack_from(data, at)
        p = at + RECORD.size
        events.append(Event(kind, folder, folder2, ino, offset, data[p : p + n1].decode(),
                            data[p + n1 : p + n1 + n2].decode(), data[p + n1 + n2 : p + n1 + n2 + n3]))
        at += size
    return events


class File:
    def __init__(self):
        self.data, self.durable, self.pending = bytearray(), b"", []

    def apply(self, data, change):
        offset, piece = change
        if piece is None:  # truncate, or longer with zeroes
            del data[offset:]
            data.extend(bytes(offset - len(data)))
            return
        if len(data) < offset:
            data.extend(bytes(offset - len(data)))
        data[offset : offset + len(piece)] = piece

    def change(self, offset, piece):
        self.apply(self.data, (offset, piece))
        self.pending.append((offset, piece))

    def sync(self):
        self.durable, self.pending = bytes(self.data), []

    def after_cut(self, policy, rng):
        if policy == "keep" or not self.pending:
            return bytes(self.data)
        if policy == "drop":
            return self.durable
        left, pending = bytearray(self.durable), self.pending
        if policy in ("prefix", "torn"):
            pending = pending[: rng.randrange(len(pending) + 1)]
            if policy == "torn" and pending and pending[-1][1]:
                offset, piece = pending[-1]
                pending = pending[:-1] + [(offset, piece[: len(piece) // 2])]
        elif policy == "subset":
            pending = [change for change in pending if rng.random() < 0.5]
        elif policy == "zeroes":  # the length reached the disk, the bytes did not
            pending = [(offset, piece and bytes(len(piece))) if offset >= len(self.durable) or piece is None
                       else (offset, piece) for offset, piece in pending]
        for change in pending:
            self.apply(left, change)
        return bytes(left)


class Folder:
    """Each change of names is a dict of name -> file, folder or None: a rename is one change."""

    def __init__(self):
        self.names, self.durable, self.pending = {}, {}, []

    def apply(self, names, change):
        for name, what in change.items():
            names.pop(name, None)
            if what is not None:
                names[name] = what

    def change(self, change):
        self.apply(self.names, change)
        self.pending.append(change)

    def sync(self):
        self.durable, self.pending = dict(self.names), []

    def after_cut(self, policy, rng):
        if policy in ("keep", "zeroes"):
            return self.names
        left = dict(self.durable)
        if policy != "drop":  # a journal of names keeps their order
            for change in self.pending[: rng.randrange(len(self.pending) + 1)]:
                self.apply(left, change)
        return left


class Disk:
    """A directory tree, followed through a trace."""

    def __init__(self, folder, ino=None, folders=None):
        """With an inode: that of the folder of a trace, which held nothing but the empty `folders` when it began."""
        self.inodes = {}
        self.root = Folder() if ino else self._load(folder)
        if ino:
            self.inodes[ino] = self.root
        for name, inner in (folders or {}).items():
            self.root.names[name] = self.inodes[inner] = Folder()
        self.root.sync()

    def _load(self, path):
        """What is there at first is durable."""
        if os.path.isdir(path):
            made = Folder()
            made.names = {name: self._load(os.path.join(path, name)) for name in os.listdir(path)}
        else:
            made = File()
            with open(path, "rb") as f:
                made.data = bytearray(f.read())
        made.sync()
        self.inodes[os.stat(path).st_ino] = made
        return made

    def step(self, e):
        inodes = self.inodes
        if e.kind in (EV_CREATE, EV_MKDIR):
            inodes[e.ino] = File() if e.kind == EV_CREATE else Folder()
            inodes[e.dir].change({e.name: inodes[e.ino]})
        elif e.kind in (EV_WRITE, EV_TRUNCATE):
            if e.ino in inodes:  # else it was there before and is none of the node's: its log
                inodes[e.ino].change(e.offset, e.data if e.kind == EV_WRITE else None)
        elif e.kind == EV_SYNC:
            inodes[e.ino].sync()
        elif e.kind == EV_RENAME:
            moved = inodes[e.dir].names[e.name]
            if e.dir == e.dir2:
                inodes[e.dir].change({e.name: None, e.name2: moved})
            else:
                inodes[e.dir2].change({e.name2: moved})
                inodes[e.dir].change({e.name: None})
        elif e.kind in (EV_UNLINK, EV_RMDIR):
            inodes[e.dir].change({e.name: None})
        elif e.kind == EV_LINK:
            inodes[e.dir].change({e.name: inodes[e.ino]})

    def power_cut(self, path, policy, rng):
        """Makes `path` what the next start finds. `policy`: one for all, or one for each folder of the root."""
        shutil.rmtree(path, ignore_errors=True)
        if isinstance(policy, str):
            self._make(self.root, path, policy, rng)
            return
        for name, child in self.root.names.items():
            os.makedirs(path, exist_ok=True)
            self._make(child, os.path.join(path, name), policy[name], rng)

    def _make(self, what, path, policy, rng):
        if policy == "mixed":
            mine = rng.choice(("keep", "drop", "prefix", "torn", "subset", "zeroes"))
        else:
            mine = policy
        left = what.after_cut(mine, rng)
        if isinstance(what, File):
            with open(path, "wb") as f:
                f.write(left)
            return
        os.makedirs(path)
        for name, child in left.items():
            self._make(child, os.path.join(path, name), policy, rng)


def files_of(path):
    """name -> bytes of a tree, to compare two."""
    found = {}
    for folder, _, names in os.walk(path):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                found[os.path.relpath(os.path.join(folder, name), path)] = f.read()
    return found
