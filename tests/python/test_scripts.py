"""The scripts of the tree, through the Python door: the same answers that ZooKeeper gave."""

from __future__ import annotations

import pathlib
import sys
from typing import Any, List, Optional, Tuple

import pytest

import folkmoot
from folkmoot import Request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "recorder"))

import script as language  # noqa: E402

MODES = {
    "persistent": 0,
    "ephemeral": 1,
    "sequential": 2,
    "ephemeral_sequential": 3,
    "container": 4,
    "ttl": 5,
    "ttl_sequential": 6,
}
KINDS = {"created": "Created", "deleted": "Deleted", "data_changed": "DataChanged", "children_changed": "ChildrenChanged"}


def text(path: bytes) -> str:
    try:
        return path.decode()
    except UnicodeDecodeError:
        # Such a path cannot even be said in Python.
        raise language.Refused("BadArguments") from None


def stat(s: folkmoot.Stat) -> language.Stat:
    return language.Stat(s.czxid, s.mzxid, s.version, s.cversion, s.aversion, s.ephemeralOwner, s.dataLength, s.numChildren, s.pzxid)


def acl(entries: Optional[List[language.Acl]]) -> List[Tuple[int, Tuple[str, str]]]:
    return [(perms, (scheme, name)) for perms, scheme, name in entries or []]


def request(verb: str, args: tuple) -> Request:
    path = text(args[0]) if args and isinstance(args[0], bytes) else ""
    if verb in ("create", "create2"):
        _, data, entries, mode, ttl = args
        return Request.create(path, data, acl(entries), MODES[mode], ttl)
    if verb == "setacl":
        return Request.set_acl(path, acl(args[1]), args[2])
    if verb in ("multi", "multiread"):
        return getattr(Request, {"multi": "multi", "multiread": "multi_read"}[verb])([request(*op) for op in args[0]])
    names = {"getacl": "get_acl", "count": "count_descendants", "auth": "add_auth", "whoami": "who_am_i"}
    return getattr(Request, names.get(verb, verb))(*([path] if args else []), *args[1:])


def shaped(verb: str, reply: Any) -> Any:
    if isinstance(reply, folkmoot.FolkmootError):
        return language.Refused(reply.kind)
    if reply is None:
        return ()
    if verb == "create":
        return (reply[0].encode(),)
    if verb == "create2":
        return (reply[0].encode(), stat(reply[1]))
    if verb in ("set", "setacl", "exists"):
        return (stat(reply),)
    if verb == "get":
        return (reply[0], stat(reply[1]))
    if verb == "children":
        return ([name.encode() for name in reply[0]], stat(reply[1]))
    if verb == "getacl":
        return ([(entry.perms, entry.id.scheme, entry.id.id) for entry in reply[0]], stat(reply[1]))
    return reply


class Session:
    def __init__(self, session: folkmoot.Session) -> None:
        self.session = session
        self.id = session.id

    def call(self, verb: str, *args: Any) -> Any:
        try:
            reply = self.session.call(request(verb, args))
        except folkmoot.FolkmootError as error:
            raise language.Refused(error.kind) from None
        if verb == "exists" and reply is None:
            raise language.Refused("NoNode")
        return shaped(verb, reply)

    def __getattr__(self, verb: str) -> Any:
        return lambda *args: self.call(verb, *args)

    def multi(self, ops: List[Tuple[str, tuple]]) -> List[Any]:
        # In a multi, the wire answers a create of these modes as it answers a create2.
        verbs = ["create2" if verb == "create" and args[3] in ("container", "ttl", "ttl_sequential") else verb for verb, args in ops]
        return [shaped(verb, item) for verb, item in zip(verbs, self._list("multi", ops))]

    def multiread(self, ops: List[Tuple[str, tuple]]) -> List[Any]:
        items = [shaped(op[0], item) for op, item in zip(ops, self._list("multiread", ops))]
        # The wire's answer to a list of children has no Stat.
        return [item[:1] if op[0] == "children" and isinstance(item, tuple) else item for op, item in zip(ops, items)]

    def _list(self, verb: str, ops: List[Tuple[str, tuple]]) -> List[Any]:
        try:
            replies: List[Any] = self.session.call(request(verb, (ops,)))
        except folkmoot.FolkmootError as error:
            raise language.Refused(error.kind) from None
        return replies

    def ephemerals(self, prefix: bytes) -> List[bytes]:
        return [path.encode() for path in self.call("ephemerals", prefix)]

    def whoami(self) -> List[Tuple[str, str]]:
        # The wire shows the user of a digest, not the digest.
        return [(who.scheme, who.id.split(":")[0]) for who in self.call("whoami")]

    def auth(self, scheme: bytes, credential: bytes) -> Any:
        return self.call("auth", scheme, credential)

    def addwatch(self, path: bytes, kind: str) -> Any:
        return self.call("add_watch", path, kind == "recursive")

    def removewatch(self, path: bytes, kind: str) -> Any:
        return self.call("remove_watches", path, folkmoot.WatchKind(kind).number)

    def checkwatch(self, path: bytes, kind: str) -> Any:
        return self.call("check_watches", path, folkmoot.WatchKind(kind).number)

    def events(self) -> List[Tuple[str, bytes, int]]:
        found = []
        queue = self.session.events()
        while (event := queue.try_next()) is not None:
            if event.kind.value in KINDS:
                found.append((KINDS[event.kind.value], event.path.encode(), event.zxid))
        return found

    def close(self) -> None:
        self.session.close()


class Door:
    def __init__(self, member: folkmoot.Member) -> None:
        self.member = member

    def open(self) -> Session:
        return Session(self.member.session())


def target_of(script: language.Script) -> str:
    options = script.options
    pairs = ["quota=enforced"] if "enforceQuota" in options else []
    if "super" in options:
        pairs.append("super=" + options["super"])
    return "memory:?" + "&".join(pairs)


# As in core/tests/scripts.rs: what differs on purpose.
DECLARED = {
    "acl_ip": "a session in this process has no address",
    "auth_failed": "a refused credential is an error, and nothing else: there is no connection to close",
}
SCRIPTS = sorted((ROOT / "tests" / "data" / "tree").glob("*.txt"))


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) > 20


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: pathlib.Path) -> None:
    if path.stem in DECLARED:
        pytest.skip(DECLARED[path.stem])
    script = language.parse(path.read_text(), path.name)
    with folkmoot.Member.open(target_of(script)) as member:
        answers = language.run(script, Door(member))
    for block, got in zip(script.blocks, answers):
        assert got == block.results, "\n".join(block.source)
