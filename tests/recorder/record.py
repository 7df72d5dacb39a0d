#!/usr/bin/env python3
"""Runs scripts on a real ZooKeeper and writes what it answered as their expected results.

    record.py --classpath 'DIR/*' FILE...     a new server with an empty tree for each file
    record.py --server HOST:PORT FILE...      a server that is there; everything outside
                                              /zookeeper is DELETED from it before each file
    --check                                   compares with what is written instead of writing

The classpath needs ZooKeeper and what it depends on; ``pom.xml`` here fetches 3.9.5:
``mvn -f pom.xml dependency:copy-dependencies -DoutputDirectory=DIR``. $ZOOKEEPER_CLASSPATH does
as well. A script's ``# option`` lines set the server up, so with --server they are up to you.

Ends with 0; 1 when --check found a difference; 2 when a script or server is broken.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

import script as language
from script import Acl, Refused, Stat

ERRORS = {
    -1: "SystemError", -2: "RuntimeInconsistency", -3: "DataInconsistency", -5: "MarshallingError", -6: "Unimplemented",
    -8: "BadArguments", -101: "NoNode", -102: "NoAuth", -103: "BadVersion", -108: "NoChildrenForEphemerals",
    -110: "NodeExists", -111: "NotEmpty", -112: "SessionExpired", -114: "InvalidAcl", -115: "AuthFailed",
    -118: "SessionMoved", -121: "NoWatcher", -125: "QuotaExceeded",
}  # fmt: skip
EVENTS = {1: "Created", 2: "Deleted", 3: "DataChanged", 4: "ChildrenChanged"}
OPS = {
    "create": 1, "delete": 2, "exists": 3, "get": 4, "set": 5, "getacl": 6, "setacl": 7, "sync": 9, "children": 12,
    "check": 13, "multi": 14, "create2": 15, "checkwatch": 17, "removewatch": 18, "container": 19, "ttl": 21,
    "multiread": 22, "auth": 100, "ephemerals": 103, "count": 104, "addwatch": 106, "whoami": 107, "close": -11,
    "children_names": 8,
}  # fmt: skip
FLAGS = {mode: flag for flag, mode in enumerate(("persistent", "ephemeral", "sequential", "ephemeral_sequential", "container", "ttl", "ttl_sequential"))}
WATCHERS = {"children": 1, "data": 2, "any": 3, "persistent": 4, "recursive": 5}
SESSION_TIMEOUT_MS = 40_000  # none of a script's sessions may expire while it runs
REPLY_TIMEOUT_S = 20
SUPER = b"super:test"  # used for clearing a server that was there, should it know this super user


# --- jute: big-endian numbers, lengths before bytes, -1 for null ------------------------------------


def buffer(raw: Optional[bytes]) -> bytes:
    return struct.pack(">i", -1) if raw is None else struct.pack(">i", len(raw)) + raw


def vector(acl: Optional[List[Acl]]) -> bytes:
    if acl is None:
        return struct.pack(">i", -1)
    return struct.pack(">i", len(acl)) + b"".join(
        struct.pack(">i", perms) + buffer(scheme.encode()) + buffer(name.encode()) for perms, scheme, name in acl
    )


class Reader:
    """Takes a reply apart."""

    def __init__(self, raw: bytes):
        self.raw, self.at = raw, 0

    def take(self, layout: str) -> Any:
        (value,) = struct.unpack_from(">" + layout, self.raw, self.at)
        self.at += struct.calcsize(">" + layout)
        return value

    def buffer(self) -> Optional[bytes]:
        size = self.take("i")
        if size < 0:
            return None
        self.at += size
        return self.raw[self.at - size : self.at]

    def text(self) -> str:
        return (self.buffer() or b"").decode()

    def stat(self) -> Stat:
        czxid, mzxid, _, _, version, cversion, aversion, owner, length, children, pzxid = struct.unpack_from(">qqqqiiiqiiq", self.raw, self.at)
        self.at += 68
        return Stat(czxid, mzxid, version, cversion, aversion, owner, length, children, pzxid)

    def names(self) -> List[bytes]:
        return [self.buffer() or b"" for _ in range(self.take("i"))]

    def acl(self) -> List[Acl]:
        return [(self.take("i"), self.text(), self.text()) for _ in range(self.take("i"))]


def body(verb: str, args: tuple) -> Tuple[int, bytes]:
    """Opcode and body of a request that may also stand in a multi."""
    if verb in ("create", "create2"):
        path, data, acl, mode, ttl = args
        raw = buffer(path) + buffer(data) + vector(acl) + struct.pack(">i", FLAGS[mode])
        if mode in ("ttl", "ttl_sequential"):
            return OPS["ttl"], raw + struct.pack(">q", ttl)
        return OPS["container" if mode == "container" else verb], raw
    if verb in ("delete", "check"):
        return OPS[verb], buffer(args[0]) + struct.pack(">i", args[1])
    if verb == "set":
        return OPS[verb], buffer(args[0]) + buffer(args[1]) + struct.pack(">i", args[2])
    if verb in ("get", "exists", "children"):
        return OPS[verb], buffer(args[0]) + struct.pack(">?", args[1])
    raise ValueError("%s cannot stand in a multi" % verb)


# --- a session --------------------------------------------------------------------------------------


class Gone(Exception):
    """The server closed the connection."""


class Session:
    """One session on one connection. See `script.Session` for what the methods mean."""

    def __init__(self, address: Tuple[str, int], id: int = 0, password: bytes = bytes(16)):
        self.address, self.xid, self.waiting = address, 0, []  # type: ignore
        self.socket = socket.create_connection(address, REPLY_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send(struct.pack(">iqiq", 0, 0, SESSION_TIMEOUT_MS, id) + buffer(password) + b"\0")
        reply = Reader(self.receive())
        reply.take("i"), reply.take("i")
        self.id, self.password = reply.take("q"), reply.buffer() or b""
        if self.id == 0:
            raise Gone("the session is not known any more")

    def send(self, raw: bytes) -> None:
        self.socket.sendall(buffer(raw))

    def exactly(self, size: int) -> bytes:
        out = b""
        while len(out) < size:
            part = self.socket.recv(size - len(out))
            if not part:
                raise Gone("the server closed the connection")
            out += part
        return out

    def receive(self) -> bytes:
        return self.exactly(struct.unpack(">i", self.exactly(4))[0])

    def call(self, opcode: int, raw: bytes, xid: Optional[int] = None) -> Reader:
        """Sends, keeps the events that arrive meanwhile, returns the reply."""
        if xid is None:
            self.xid += 1
            xid = self.xid
        self.send(struct.pack(">ii", xid, opcode) + raw)
        while True:
            reply = Reader(self.receive())
            answered, zxid, err = reply.take("i"), reply.take("q"), reply.take("i")
            if answered == -1:
                kind, _, path = reply.take("i"), reply.take("i"), reply.buffer() or b""
                self.waiting.append((EVENTS[kind], path, zxid))
                continue
            assert answered == xid, "asked %d, answered %d" % (xid, answered)
            if err:
                raise Refused(ERRORS.get(err, "Error%d" % err))
            return reply

    def create(self, *args: Any) -> tuple:
        return (self.call(*body("create", args)).buffer(),)

    def create2(self, *args: Any) -> tuple:
        reply = self.call(*body("create2", args))
        return reply.buffer(), reply.stat()

    def delete(self, *args: Any) -> tuple:
        self.call(*body("delete", args))
        return ()

    def set(self, *args: Any) -> tuple:
        return (self.call(*body("set", args)).stat(),)

    def get(self, *args: Any) -> tuple:
        reply = self.call(*body("get", args))
        return reply.buffer(), reply.stat()

    def exists(self, *args: Any) -> tuple:
        return (self.call(*body("exists", args)).stat(),)

    def children(self, *args: Any) -> tuple:
        reply = self.call(*body("children", args))
        return reply.names(), reply.stat()

    def getacl(self, path: bytes) -> tuple:
        reply = self.call(OPS["getacl"], buffer(path))
        return reply.acl(), reply.stat()

    def setacl(self, path: bytes, acl: Optional[List[Acl]], version: int) -> tuple:
        return (self.call(OPS["setacl"], buffer(path) + vector(acl) + struct.pack(">i", version)).stat(),)

    def sync(self, path: bytes) -> tuple:
        self.call(OPS["sync"], buffer(path))
        return ()

    def ephemerals(self, prefix: bytes) -> List[bytes]:
        return self.call(OPS["ephemerals"], buffer(prefix)).names()

    def count(self, path: bytes) -> int:
        return self.call(OPS["count"], buffer(path)).take("i")

    def auth(self, scheme: bytes, credential: bytes) -> tuple:
        self.call(OPS["auth"], struct.pack(">i", 0) + buffer(scheme) + buffer(credential), xid=-4)
        return ()

    def whoami(self) -> List[Tuple[str, str]]:
        reply = self.call(OPS["whoami"], b"")
        return [(reply.text(), reply.text()) for _ in range(reply.take("i"))]

    def addwatch(self, path: bytes, kind: str) -> tuple:
        self.call(OPS["addwatch"], buffer(path) + struct.pack(">i", ("persistent", "recursive").index(kind)))
        return ()

    def removewatch(self, path: bytes, kind: str) -> tuple:
        self.call(OPS["removewatch"], buffer(path) + struct.pack(">i", WATCHERS[kind]))
        return ()

    def checkwatch(self, path: bytes, kind: str) -> tuple:
        self.call(OPS["checkwatch"], buffer(path) + struct.pack(">i", WATCHERS[kind]))
        return ()

    def many(self, opcode: int, ops: List[Tuple[str, tuple]]) -> List[Union[tuple, Refused]]:
        raw = b""
        for verb, args in ops:
            kind, part = body(verb, args)
            if kind == OPS["children"]:
                kind = OPS["children_names"]  # the one without Stat is the one that multi knows
            raw += struct.pack(">i?i", kind, False, -1) + part
        reply = self.call(opcode, raw + struct.pack(">i?i", -1, True, -1))
        out: List[Union[tuple, Refused]] = []
        while True:
            kind, done, _ = reply.take("i"), reply.take("?"), reply.take("i")
            if done:
                return out
            if kind == -1:
                err = reply.take("i")
                out.append(Refused(ERRORS.get(err, "Error%d" % err)) if err else ())
            elif kind in (OPS["create2"], OPS["container"], OPS["ttl"]):
                out.append((reply.buffer(), reply.stat()))
            elif kind == OPS["create"]:
                out.append((reply.buffer(),))
            elif kind == OPS["set"]:
                out.append((reply.stat(),))
            elif kind == OPS["get"]:
                out.append((reply.buffer(), reply.stat()))
            elif kind == OPS["children_names"]:
                out.append((reply.names(),))
            else:
                out.append(())

    def multi(self, ops: List[Tuple[str, tuple]]) -> List[Union[tuple, Refused]]:
        return self.many(OPS["multi"], ops)

    def multiread(self, ops: List[Tuple[str, tuple]]) -> List[Union[tuple, Refused]]:
        return self.many(OPS["multiread"], ops)

    def events(self) -> List[Tuple[str, bytes, int]]:
        """What has arrived. The round trip before is the barrier: an event leaves before any later reply."""
        self.exists(b"/", False)
        out, self.waiting = self.waiting, []
        return out

    def close(self) -> None:
        try:
            self.call(OPS["close"], b"")
        except (Gone, OSError):  # refused an identity, for one: the session is there still
            self.socket.close()
            again = Session(self.address, self.id, self.password)
            again.call(OPS["close"], b"")
            again.socket.close()
        self.socket.close()


# --- servers ----------------------------------------------------------------------------------------


def srvr(address: Tuple[str, int]) -> str:
    """What the server says of itself, or nothing when it does not serve."""
    try:
        with socket.create_connection(address, 2) as link:
            link.sendall(b"srvr")
            link.settimeout(2)
            out = b""
            while True:
                part = link.recv(4096)
                if not part:
                    return out.decode(errors="replace")
                out += part
    except OSError:
        return ""


class Server:
    """A ZooKeeper of our own: one process, an empty tree, gone with `stop`."""

    def __init__(self, classpath: str, options: Dict[str, str]):
        self.folder = Path(tempfile.mkdtemp(prefix="zookeeper-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = probe.getsockname()
        lines = [
            "tickTime=2000", "dataDir=%s" % (self.folder / "data"), "clientPort=%d" % self.address[1],
            "clientPortAddress=127.0.0.1", "admin.enableServer=false", "4lw.commands.whitelist=srvr",
            "maxClientCnxns=0", "extendedTypesEnabled=true",
        ]  # fmt: skip
        properties = ["-Dzookeeper.extendedTypesEnabled=true", "-Dzookeeper.preAllocSize=64", "-Dzookeeper.skipACL=no"]
        for name, value in options.items():
            if name == "super":
                properties.append("-Dzookeeper.DigestAuthenticationProvider.superDigest=" + value)
            elif name == "enforceQuota":
                lines.append("enforceQuota=true")
            else:
                raise language.ScriptError("no such option: " + name)
        (self.folder / "zoo.cfg").write_text("\n".join(lines) + "\n")
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8", *properties, "-cp", classpath,
             "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(self.folder / "zoo.cfg")],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )  # fmt: skip
        end = time.monotonic() + 40
        while "Mode:" not in srvr(self.address):
            if self.process.poll() is not None or time.monotonic() > end:
                words = (self.folder / "log").read_text(errors="replace")[-2000:]
                self.stop()
                raise Gone("the server does not serve:\n" + words)
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def clear(address: Tuple[str, int]) -> None:
    """Deletes everything but what the server keeps under /zookeeper, quotas included."""
    session = Session(address)
    session.auth(b"digest", SUPER)

    def drop(path: bytes, itself: bool) -> None:
        for name in session.children(path, False)[0]:
            if path != b"/" or name != b"zookeeper":
                drop(path.rstrip(b"/") + b"/" + name, True)
        if itself:
            session.delete(path, -1)

    drop(b"/zookeeper/quota", False)
    drop(b"/", False)
    session.close()


class Door:
    def __init__(self, address: Tuple[str, int]):
        self.address = address

    def open(self) -> Session:
        return Session(self.address)


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("files", nargs="+", type=Path, metavar="FILE")
    ask.add_argument("--server", metavar="HOST:PORT")
    ask.add_argument("--classpath", default=os.environ.get("ZOOKEEPER_CLASSPATH"))
    ask.add_argument("--check", action="store_true")
    given = ask.parse_args()
    if not given.server and not given.classpath:
        ask.error("give --server or --classpath")
    different = 0
    for file in given.files:
        was = file.read_text(encoding="utf-8")
        server = None
        try:
            script = language.parse(was, str(file))
            if given.server:
                host, _, port = given.server.rpartition(":")
                address = (host, int(port))
                clear(address)
            else:
                server = Server(given.classpath, script.options)
                address = server.address
            found = re.search(r"version: (\d+\.\d+\.\d+)", srvr(address))
            results = language.run(script, Door(address))
        except (language.ScriptError, Gone, OSError) as why:
            print("%s: %s" % (file, why), file=sys.stderr)
            return 2
        finally:
            if server:
                server.stop()
        for block, lines in zip(script.blocks, results):
            block.results = lines
        if given.check:
            now = script.text()
            if now != was:
                different += 1
                sys.stdout.writelines(difflib.unified_diff(was.splitlines(True), now.splitlines(True), str(file), "answered"))
        else:
            file.write_text(script.text("ZooKeeper " + (found.group(1) if found else "of unknown version")), encoding="utf-8")
        print("%s: %s" % (file, "as written" if script.text() == was else "different" if given.check else "recorded"))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
