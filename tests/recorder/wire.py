#!/usr/bin/env python3
"""Records conversations with a real ZooKeeper, byte for byte, into ``tests/data/wire``.

    wire.py --classpath 'DIR/*' [NAME...]     records all, or those named
    wire.py --classpath 'DIR/*' --check       compares instead of writing, but for times and passwords

What is said stands in this file, a function for each conversation; what is answered stands in the files:

    # a comment
    a > HEX        the client on connection ``a`` sends a whole frame
    a < HEX        it receives one
    a closed       the server has closed the connection, and nothing was left unread

Each conversation has a new server with an empty tree, so that transaction numbers begin with 1. Where
ZooKeeper lays down no order (children, several sessions at once) a conversation must not ask for one.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import struct
import sys
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

import record
from record import FLAGS, OPS, buffer, vector

FOLDER = Path(__file__).resolve().parent.parent / "data" / "wire"
OPEN = [(31, "world", "anyone")]
PING, AUTH, SET_WATCHES, CLOSE = 11, 100, 101, -11
SUPER = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="  # super:test


def texts(values: List[bytes]) -> bytes:
    return struct.pack(">i", len(values)) + b"".join(buffer(value) for value in values)


def many(*operations: Tuple[int, bytes]) -> bytes:
    """The body of a multi."""
    return b"".join(struct.pack(">i?i", op, False, -1) + body for op, body in operations) + struct.pack(">i?i", -1, True, -1)


def make(path: Optional[bytes], mode: str = "persistent", data: Optional[bytes] = b"x", acl=OPEN, ttl: int = 0) -> bytes:
    raw = buffer(path) + buffer(data) + vector(acl) + struct.pack(">i", FLAGS[mode])
    return raw + (struct.pack(">q", ttl) if mode.startswith("ttl") else b"")


def at(path: Optional[bytes], version: int = -1) -> bytes:
    return buffer(path) + struct.pack(">i", version)


def put(path: Optional[bytes], data: Optional[bytes] = b"y", version: int = -1) -> bytes:
    return buffer(path) + buffer(data) + struct.pack(">i", version)


def look(path: Optional[bytes], watch: bool = False) -> bytes:
    return buffer(path) + struct.pack(">?", watch)


class Conversation:
    def __init__(self, address: Tuple[str, int]):
        self.address, self.lines, self.names = address, [], iter("abcdefghijklmnopqrstuvwxyz")

    def note(self, text: str) -> None:
        self.lines += ["", "# " + text]

    def link(self, **hello) -> "Link":
        return Link(self, next(self.names), **hello)


class Link:
    """One connection; says hello unless told not to."""

    def __init__(self, conversation: Conversation, name: str, session: int = 0, password: Optional[bytes] = bytes(16), timeout: int = 30_000,
                 seen: int = 0, read_only: Optional[bool] = False, version: int = 0):  # fmt: skip
        self.conversation, self.name, self.xid = conversation, name, 0
        self.socket = socket.create_connection(conversation.address, 20)
        raw = struct.pack(">iqiq", version, seen, timeout, session) + buffer(password)
        self.send(raw + (b"" if read_only is None else struct.pack(">?", read_only)))
        answer = self.frame()
        self.session, self.password = 0, b""
        if answer is not None:
            _, _, self.session = struct.unpack_from(">iiq", answer)
            self.password = answer[20:36]
            if self.session == 0:
                self.end()

    def send(self, raw: bytes) -> None:
        self.conversation.lines.append("%s > %s" % (self.name, buffer(raw).hex()))
        self.socket.sendall(buffer(raw))

    def exactly(self, size: int) -> bytes:
        out = b""
        while len(out) < size:
            part = self.socket.recv(size - len(out))
            if not part:
                raise EOFError
            out += part
        return out

    def frame(self) -> Optional[bytes]:
        try:
            head = self.exactly(4)
            body = self.exactly(struct.unpack(">i", head)[0])
        except (EOFError, ConnectionError):
            self.conversation.lines.append("%s closed" % self.name)
            return None
        self.conversation.lines.append("%s < %s" % (self.name, (head + body).hex()))
        return body

    def end(self) -> None:
        while self.frame() is not None:
            pass

    def say(self, op: int, raw: bytes = b"", xid: Optional[int] = None) -> int:
        if xid is None:
            self.xid += 1
            xid = self.xid
        self.send(struct.pack(">ii", xid, op) + raw)
        return xid

    def hear(self) -> Optional[bytes]:
        """Up to the next reply, or the end; none if that came."""
        while True:
            frame = self.frame()
            if frame is None or frame[:4] != b"\xff\xff\xff\xff":
                return frame

    def ask(self, op: int, raw: bytes = b"", xid: Optional[int] = None) -> Optional[bytes]:
        self.say(op, raw, xid)
        return self.hear()

    def do(self, verb: str, raw: bytes = b"") -> Optional[bytes]:
        return self.ask(OPS[verb], raw)

    def ping(self) -> None:
        """Everything that was written for us before this is here after it."""
        self.ask(PING, xid=-2)

    def auth(self, scheme: Optional[bytes], credential: Optional[bytes]) -> Optional[bytes]:
        return self.ask(AUTH, struct.pack(">i", 0) + buffer(scheme) + buffer(credential), xid=-4)


# --- what is said -----------------------------------------------------------------------------------


def connect(it: Conversation) -> None:
    """Sessions: new, attached again, refused."""
    it.note("A new session, by a client that knows of read-only servers, and by one that does not.")
    a, b = it.link(), it.link(read_only=None)
    it.link(read_only=True)
    it.note("Attached again; the connection before is closed.")
    a.do("create", make(b"/e", "ephemeral"))
    c = it.link(session=a.session, password=a.password)
    a.end()
    c.do("exists", look(b"/e"))
    # A wrong password closes the connection of whoever has the right one: better none is there.
    c.socket.close()
    it.note("Not its password; none; sessions that are none.")
    it.link(session=a.session, password=bytes(16))
    it.link(session=a.session, password=bytes(16), read_only=None)
    it.link(session=a.session, password=b"")
    it.link(session=a.session, password=None)
    for session in (-1, 1, 1 << 62, -(1 << 63)):
        it.link(session=session, password=b"p" * 16)
    it.note("Timeouts out of bounds.")
    for timeout in (-1, 0, 1, 5000, 1_000_000):
        it.link(timeout=timeout)
    it.note("Whoever has seen what is still to come.")
    it.link(seen=1 << 40)
    it.link(seen=1 << 40, session=b.session, password=b.password)
    it.note("A version of the protocol that there is not.")
    it.link(version=7)
    it.note("The end.")
    d = it.link(session=a.session, password=a.password)
    d.ask(CLOSE)
    d.end()
    it.link(session=a.session, password=a.password)


def operations(it: Conversation) -> None:
    """Every operation, with success."""
    a = it.link()
    a.do("create", make(b"/a"))
    a.do("create2", make(b"/a/b", data=None))
    a.do("create2", make(b"/a/e", "ephemeral", data=b""))
    a.do("create", make(b"/a/s-", "sequential"))
    a.do("create2", make(b"/a/es-", "ephemeral_sequential"))
    a.do("container", make(b"/c", "container"))
    a.do("ttl", make(b"/t", "ttl", ttl=1_000_000))
    a.do("ttl", make(b"/t-", "ttl_sequential", ttl=1_000_000))
    for verb in ("exists", "get", "children_names", "children"):
        a.do(verb, look(b"/a"))
        a.do(verb, look(b"/c"))
        a.do(verb, look(b"/a/b"))
        a.do(verb, look(b"/a/e"))
    a.do("set", put(b"/a", b"\x00\xff" * 20))
    a.do("set", put(b"/a", None, 1))
    a.do("get", look(b"/a"))
    a.do("set", put(b"/a", b""))
    a.do("get", look(b"/a"))
    a.do("getacl", buffer(b"/a"))
    a.do("setacl", buffer(b"/a/b") + vector([(31, "world", "anyone"), (1, "ip", "10.0.0.0/8")]) + struct.pack(">i", 0))
    a.do("getacl", buffer(b"/a/b"))
    a.do("sync", buffer(b"/a"))
    a.do("sync", buffer(b"/not/there"))
    a.do("sync", buffer(None))
    a.do("ephemerals", buffer(b"/a/e"))
    a.do("ephemerals", buffer(b"/none"))
    a.do("ephemerals", buffer(None))
    a.do("count", buffer(b"/a"))
    a.do("count", buffer(b"/a/b"))
    a.do("whoami")
    a.auth(b"digest", b"me:pw")
    a.do("whoami")
    a.ping()
    a.do("delete", at(b"/a/b", 0))
    a.ask(102, buffer(b""))
    a.do("children_names", look(b"/"))
    a.do("children", look(b"/zookeeper"))
    a.do("get", look(b"/zookeeper/config"))
    a.ask(CLOSE)
    a.end()


def failures(it: Conversation) -> None:
    """Every way to fail, and whether it takes a transaction number."""
    a = it.link()
    a.do("create", make(b"/a"))
    a.do("create", make(b"/a/b"))
    a.do("create", make(b"/e", "ephemeral"))
    for verb in ("create", "create2"):
        a.do(verb, make(b"/a"))
        a.do(verb, make(b"/no/parent"))
        a.do(verb, make(b"/e/child"))
        a.do(verb, make(b"no slash"))
        a.do(verb, make(b"/a/"))
        a.do(verb, make(b"/a//b"))
        a.do(verb, make(b"/a/../b"))
        a.do(verb, make(b""))
        a.do(verb, make(b"/x", acl=[]))
        a.do(verb, make(b"/x", acl=None))
        a.do(verb, make(b"/x", acl=[(31, "auth", "")]))
        a.do(verb, make(b"/x", acl=[(31, "nosuch", "")]))
        a.do(verb, make(b"/x", "container"))
        a.do(verb, make(b"/x-ttl", "ttl", ttl=5))
        a.do(verb, make(b"/x", "persistent")[:-4] + struct.pack(">i", 9))
        a.do(verb, make(b"/x", "persistent")[:-4] + struct.pack(">i", -1))
    a.do("ttl", make(b"/t", "ttl", ttl=0))
    a.do("ttl", make(b"/t", "ttl", ttl=-1))
    a.do("ttl", make(b"/t", "ttl", ttl=1 << 40))
    a.do("ttl", make(b"/t", "persistent") + struct.pack(">q", 5))
    a.do("container", make(b"/k", "persistent"))
    a.do("container", make(b"/k2", "ephemeral"))
    for verb in ("exists", "get", "children_names", "children"):
        a.do(verb, look(b"/none", True))
        a.do(verb, look(b"no slash"))
        a.do(verb, look(b""))
    for verb in ("getacl", "count"):
        a.do(verb, buffer(b"/none"))
        a.do(verb, buffer(b""))
    a.do("delete", at(b"/none"))
    a.do("delete", at(b"/a", 5))
    a.do("delete", at(b"/a"))
    a.do("delete", at(b"/"))
    a.do("delete", at(b"/zookeeper"))
    a.do("delete", at(b""))
    a.do("set", put(b"/none"))
    a.do("set", put(b"/a", version=5))
    a.do("set", put(b""))
    a.do("setacl", buffer(b"/none") + vector(OPEN) + struct.pack(">i", -1))
    a.do("setacl", buffer(b"/a") + vector(OPEN) + struct.pack(">i", 5))
    a.do("setacl", buffer(b"/a") + vector([]) + struct.pack(">i", -1))
    a.do("checkwatch", at(b"/a", 2))
    a.do("removewatch", at(b"/a", 3))
    a.ask(16, buffer(b"server.9=127.0.0.1:1:2;3") + buffer(None) + buffer(None) + struct.pack(">q", -1))
    a.do("setacl", buffer(b"/a") + vector([(1, "world", "anyone")]) + struct.pack(">i", -1))
    a.do("set", put(b"/a"))
    a.do("create", make(b"/a/c"))
    a.do("delete", at(b"/a/b"))
    a.do("setacl", buffer(b"/a") + vector(OPEN) + struct.pack(">i", -1))
    a.do("setacl", buffer(b"/a/b") + vector([(2, "world", "anyone")]) + struct.pack(">i", -1))
    for verb in ("exists", "get", "children_names", "children"):
        a.do(verb, look(b"/a/b"))
    a.do("getacl", buffer(b"/a/b"))
    a.do("sync", buffer(b"/"))


def multi(it: Conversation) -> None:
    """Multi and multi-read."""
    a = it.link()
    it.note("All that can be in one.")
    a.do("create", make(b"/old"))
    a.do("multi", many(
        (OPS["create"], make(b"/a")), (OPS["create2"], make(b"/a/b")), (OPS["container"], make(b"/c", "container")),
        (OPS["ttl"], make(b"/t", "ttl", ttl=99_999)), (OPS["ttl"], make(b"/t-", "ttl_sequential", ttl=99_999)),
        (OPS["create"], make(b"/s-", "sequential")), (OPS["create2"], make(b"/e", "ephemeral")), (OPS["set"], put(b"/old")),
        (OPS["check"], at(b"/old", 1)), (OPS["delete"], at(b"/old", 1))))  # fmt: skip
    it.note("Modes that say more than the operation.")
    a.do("multi", many((OPS["create"], make(b"/c1", "container"))))
    a.do("multi", many((OPS["create2"], make(b"/c2", "container"))))
    a.do("multi", many((OPS["container"], make(b"/c3", "persistent"))))
    a.do("multi", many((OPS["ttl"], make(b"/p1", "persistent") + struct.pack(">q", 5))))
    a.do("multi", many((OPS["create"], make(b"/t1", "ttl", ttl=5)[:-8])))
    it.note("None.")
    a.do("multi", many())
    a.do("multiread", many())
    it.note("One that fails, at the beginning, in the middle, at the end.")
    good, bad = (OPS["set"], put(b"/a")), (OPS["check"], at(b"/a", 77))
    a.do("multi", many(bad, good, good))
    a.do("multi", many(good, bad, good))
    a.do("multi", many(good, (OPS["create"], make(b"/never")), (OPS["delete"], at(b"/none"))))
    a.do("exists", look(b"/never"))
    for failing in ((OPS["create"], make(b"/a")), (OPS["create"], make(b"/no/no")), (OPS["create"], make(b"bad")), (OPS["create"], make(b"/x", acl=[])),
                    (OPS["ttl"], make(b"/x", "ttl", ttl=0)), (OPS["delete"], at(b"/a")), (OPS["delete"], at(b"/")), (OPS["set"], put(b"/none")),
                    (OPS["check"], at(b"/none", 0)), (OPS["create"], make(b"/e/child"))):  # fmt: skip
        a.do("multi", many(good, failing, good))
    it.note("What cannot be in one.")
    read = (OPS["get"], look(b"/a"))
    a.do("multi", many(good, read))
    a.do("multi", many(read))
    a.do("multi", many((OPS["exists"], look(b"/a"))))
    a.do("multi", many((OPS["setacl"], buffer(b"/a") + vector(OPEN) + struct.pack(">i", -1))))
    a.do("multi", many(good)[:-9])
    a.do("multi", b"")
    a.do("multi", many((OPS["create"], make(b"/x", "persistent")[:-4] + struct.pack(">i", 9))))
    a.do("multiread", many(good))
    a.do("multiread", many(read, good))
    a.do("multiread", b"")
    it.note("What cannot be in one, and is found out only when its turn comes: behind one that is done, and behind one that has failed.")
    null_id = struct.pack(">ii", 1, 31) + buffer(b"world") + buffer(None)
    for stumbling in ((OPS["create"], make(b"/t1", "ttl", ttl=5)[:-8]), (OPS["create2"], make(b"/t1", "ttl_sequential", ttl=5)[:-8]),
                      (OPS["container"], make(b"/t1", "ttl", ttl=5)[:-8]), (OPS["ttl"], make(b"/x")[:-4] + struct.pack(">iq", 9, 5)),
                      (OPS["create"], buffer(b"/n") + buffer(b"") + null_id + struct.pack(">i", 0)), (OPS["create"], make(None)),
                      (OPS["create2"], make(None, "ephemeral")), (OPS["delete"], at(None)), (OPS["set"], put(None)), (OPS["check"], at(None))):  # fmt: skip
        a.do("multi", many(good, stumbling, good))
        a.do("multi", many(bad, stumbling, good))
        a.do("multi", many(stumbling))
    a.do("set", put(b"/a"))
    it.note("Reads, some of which fail.")
    a.do("multiread", many(read, (OPS["get"], look(b"/none")), (OPS["children_names"], look(b"/a")), (OPS["children_names"], look(b"/none")),
                           (OPS["get"], look(b"/e", True)), (OPS["get"], look(b"bad"))))  # fmt: skip
    a.do("multiread", many((OPS["children"], look(b"/a"))))
    it.note("The watch that a read in a multi-read asked for.")
    a.do("set", put(b"/e"))
    a.ping()


def watches(it: Conversation) -> None:
    """Events, on the connection that caused them and on another."""
    a, b = it.link(), it.link()
    it.note("Watches for once.")
    for link in (a, b):
        link.do("exists", look(b"/a", True))
    a.do("create", make(b"/a"))
    for link in (a, b):
        link.do("get", look(b"/a", True))
        link.do("children", look(b"/a", True))
    a.do("create", make(b"/a/b"))
    a.do("set", put(b"/a"))
    a.do("set", put(b"/a"))
    b.ping()
    for link in (a, b):
        link.do("get", look(b"/a/b", True))
        link.do("children_names", look(b"/a/b", True))
        link.do("children_names", look(b"/a", True))
    a.do("delete", at(b"/a/b"))
    b.ping()
    it.note("Watches that last.")
    a.do("addwatch", at(b"/p", 0))
    b.do("addwatch", at(b"/p", 1))
    a.do("addwatch", at(b"/p", 2))
    a.do("create", make(b"/p"))
    a.do("create", make(b"/p/x"))
    a.do("multi", many((OPS["set"], put(b"/p/x")), (OPS["create"], make(b"/p/y")), (OPS["delete"], at(b"/p/x"))))
    a.do("set", put(b"/p"))
    b.ping()
    for kind in (1, 2, 3, 4, 5, 6, 0):
        a.do("checkwatch", at(b"/p", kind))
    for kind in (1, 2, 4, 4):
        a.do("removewatch", at(b"/p", kind))
    b.do("removewatch", at(b"/p", 5))
    a.do("delete", at(b"/p/y"))
    b.ping()
    it.note("The root.")
    a.do("children_names", look(b"/", True))
    a.do("create", make(b"/r"))
    a.do("addwatch", at(b"/", 1))
    a.do("set", put(b"/r"))
    a.do("set", put(b"/"))
    it.note("Who may not read is not told.")
    b.auth(b"digest", b"b:pw")
    b.do("create", make(b"/hidden", acl=[(31, "auth", "")]))
    b.do("exists", look(b"/hidden", True))
    a.do("exists", look(b"/hidden", True))
    b.do("set", put(b"/hidden"))
    a.ping()
    it.note("A session that ends.")
    c = it.link()
    c.do("create", make(b"/ce", "ephemeral"))
    for link in (b, c):
        link.do("get", look(b"/ce", True))
    c.ask(CLOSE)
    c.end()
    a.ping()
    b.ping()


def set_watches(it: Conversation) -> None:
    """The watches of an earlier connection."""
    a = it.link()
    for path in (b"/same", b"/changed", b"/gone", b"/full"):
        a.do("create", make(path))
    seen = struct.unpack(">q", (a.do("sync", buffer(b"/")) or b"")[4:12])[0]
    a.do("set", put(b"/changed"))
    a.do("delete", at(b"/gone"))
    a.do("create", make(b"/full/child"))
    a.do("create", make(b"/made"))
    it.note("One kind at a time: ZooKeeper lays down no order between them.")
    for paths in (([b"/same"], [], []), ([b"/changed"], [], []), ([b"/gone"], [], []), ([], [b"/made"], []), ([], [b"/missing"], []), ([], [], [b"/same"]),
                  ([], [], [b"/full"]), ([], [], [b"/gone"]), ([], [], [])):  # fmt: skip
        a.ask(SET_WATCHES, struct.pack(">q", seen) + b"".join(texts(part) for part in paths), xid=-8)
    it.note("What they have left behind.")
    for path in (b"/same", b"/changed", b"/full", b"/made"):
        a.do("set", put(path))
        a.do("create", make(path + b"/new"))
    a.do("create", make(b"/missing"))
    a.do("create", make(b"/gone"))
    it.note("And with those that last.")
    a.ask(105, struct.pack(">q", seen) + texts([]) * 3 + texts([b"/p"]) + texts([b"/r"]), xid=-8)
    for path in (b"/p", b"/r"):
        a.do("create", make(path))
        a.do("create", make(path + b"/x"))
        a.do("set", put(path + b"/x"))
    a.ping()
    it.note("Lists that are null, or are not there.")
    a.ask(SET_WATCHES, struct.pack(">q", seen) + struct.pack(">i", -1) * 3, xid=-8)
    a.ask(SET_WATCHES, struct.pack(">q", seen), xid=-8)


def auth(it: Conversation) -> None:
    """Credentials, and what they are good for."""
    a, b = it.link(), it.link()
    a.auth(b"digest", b"me:pw")
    a.do("create", make(b"/mine", acl=[(31, "auth", "")]))
    a.do("getacl", buffer(b"/mine"))
    a.do("create", make(b"/both", acl=[(31, "auth", ""), (1, "world", "anyone"), (1, "world", "anyone")]))
    b.do("getacl", buffer(b"/mine"))
    b.do("getacl", buffer(b"/both"))
    for verb in ("exists", "get", "children_names"):
        b.do(verb, look(b"/mine"))
    b.do("set", put(b"/mine"))
    b.do("count", buffer(b"/mine"))
    b.auth(b"digest", b"me:pw")
    b.do("get", look(b"/mine"))
    b.auth(b"digest", b"no colon")
    b.do("whoami")
    b.auth(b"ip", b"anything")
    b.auth(b"digest", b"super:test")
    b.do("whoami")
    b.do("create", make(b"/locked", acl=[(0, "world", "anyone")]))
    b.do("get", look(b"/locked"))
    a.do("get", look(b"/locked"))
    for scheme in (b"nosuch", b"world", b"super", b"auth", b"", None):
        it.note("Refused, and closed.")
        c = it.link()
        c.auth(scheme, b"x")
        c.end()


def order(it: Conversation) -> None:
    """Many requests before the first answer is read."""
    a = it.link()
    said = [
        a.say(OPS["create"], make(b"/a")), a.say(OPS["get"], look(b"/a", True)), a.say(PING, xid=-2), a.say(OPS["set"], put(b"/a")),
        a.say(OPS["get"], look(b"/a")), a.say(OPS["sync"], buffer(b"/a")), a.say(OPS["exists"], look(b"/b", True)), a.say(OPS["create2"], make(b"/b")),
        a.say(OPS["children"], look(b"/a", True)), a.say(OPS["multi"], many((OPS["create"], make(b"/a/c")), (OPS["set"], put(b"/b")))), a.say(PING, xid=-2),
        a.say(OPS["delete"], at(b"/none")), a.say(OPS["delete"], at(b"/b")), a.say(OPS["get"], look(b"/b")), a.say(CLOSE),
    ]  # fmt: skip
    for _ in said:
        a.hear()
    a.end()


def odd(it: Conversation) -> None:
    """Requests that make no sense."""
    bodies = [
        b"", struct.pack(">i", -1), struct.pack(">i", 0x7FFFFFFF), struct.pack(">i", -2), buffer(b""), buffer(b"no slash"), buffer(b"/\x00"),
        buffer(b"/a") + struct.pack(">i", 0x7FFFFFFF), buffer(b"/") + b"\xff" * 20, buffer(b"\xff\xfe") + b"\x01", b"\xff" * 64, b"\x00" * 64,
    ]  # fmt: skip
    for op in (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15, 16, 17, 18, 19, 21, 22, 101, 103, 104, 105, 106, 107):
        it.note("Operation %d." % op)
        a = it.link()
        for body in bodies:
            if a.ask(op, body) is None:
                a = it.link()
        a.do("sync", buffer(b"/"))
        a.say(CLOSE)
        a.end()
    it.note("A null id in an ACL.")
    a = it.link()
    for scheme in (b"world", b"digest", b"ip", b"auth", b"nosuch"):
        acl = struct.pack(">ii", 1, 31) + buffer(scheme) + buffer(None)
        a.do("create", buffer(b"/n") + buffer(b"") + acl + struct.pack(">i", 0))
        a.do("setacl", buffer(b"/zookeeper") + acl + struct.pack(">i", -1))
    a.do("sync", buffer(b"/"))


def unknown(it: Conversation) -> None:
    """Operations that are none, and frames that are none: answered, and closed."""
    # Without -10: that is ZooKeeper's own, and what comes of it when a client asks for it is nothing to rely on.
    for op in (13, 10, 23, 99, 108, 500, -1, 0x7FFFFFFF):
        it.note("Operation %d." % op)
        a = it.link()
        a.ask(op, at(b"/a"))
        a.end()
    it.note("No header.")
    for raw in (b"\x00" * 4, b"\x00" * 7):
        a = it.link()
        a.send(raw)
        a.end()


CONVERSATIONS: Dict[str, Callable[[Conversation], None]] = {
    function.__name__: function for function in (connect, operations, failures, multi, watches, set_watches, auth, order, odd, unknown)
}


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("names", nargs="*", metavar="NAME")
    ask.add_argument("--classpath", default=os.environ.get("ZOOKEEPER_CLASSPATH"), required="ZOOKEEPER_CLASSPATH" not in os.environ)
    ask.add_argument("--check", action="store_true")
    given = ask.parse_args()
    FOLDER.mkdir(exist_ok=True)
    different = 0
    for name in given.names or CONVERSATIONS:
        server = record.Server(given.classpath, {"super": SUPER})
        try:
            found = re.search(r"version: (\d+\.\d+\.\d+)", record.srvr(server.address))
            it = Conversation(server.address)
            CONVERSATIONS[name](it)
        finally:
            server.stop()
        head = ["# " + (CONVERSATIONS[name].__doc__ or ""), "# recorded: ZooKeeper " + (found.group(1) if found else "of unknown version")]
        text = "\n".join(head + ([] if it.lines[0] == "" else [""]) + it.lines) + "\n"
        file = FOLDER / (name + ".hex")
        if given.check:
            # Times and passwords are new each time: that as much is said, by whom and at what length, is what can be compared.
            shape = lambda text: [(line[:3], len(line)) for line in text.splitlines() if not line.startswith("#")]  # noqa: E731
            same = shape(text) == shape(file.read_text())
            different += not same
            print("%s: %s" % (file, "as written" if same else "different"))
        else:
            file.write_text(text)
            print("%s: recorded" % file)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
