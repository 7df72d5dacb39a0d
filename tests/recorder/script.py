"""The script language: what a script says, and how an answer is written.

A script is a file of blocks. A block is one or more commands, a line of four dashes, the results,
and a blank line. Lines that start with ``#`` are comments; ``# option NAME[=VALUE]`` among the
head's asks for a server option. The whole language is in ``README.md`` beside this file.

Here: parsing, writing back, and `Runner`, which carries the commands to a *door* and renders what
comes back. A door is whatever can open sessions (see `Session`): ``record.py`` has one that speaks
to a ZooKeeper server over TCP, a test of a client library brings its own.

Not here: sockets, processes, what the right answer is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Protocol, Sequence, Tuple, Union

RULE = "----"
MODES = ("persistent", "ephemeral", "sequential", "ephemeral_sequential", "container", "ttl", "ttl_sequential")
WATCH_KINDS = ("children", "data", "any", "persistent", "recursive")
PERMS = (("c", 4), ("d", 8), ("r", 1), ("w", 2), ("a", 16))
CONTAINER_OWNER = -(1 << 63)
TTL_OWNER_MARK = 0xFF << 56
TTL_MASK = (1 << 40) - 1


class ScriptError(Exception):
    """The script cannot be read: the text names file, line and why."""


class Refused(Exception):
    """The door's answer was an error; ``kind`` is its name, such as ``NoNode``."""

    def __init__(self, kind: str):
        super().__init__(kind)
        self.kind = kind


# --- tokens -------------------------------------------------------------------------------------


def unescape(token: str) -> bytes:
    """The bytes of a token: ``%XX`` is one byte, ``""`` alone is no bytes at all."""
    if token == '""':
        return b""
    out = bytearray()
    i = 0
    while i < len(token):
        if token[i] == "%":
            out.append(int(token[i + 1 : i + 3], 16))
            i += 3
        else:
            out += token[i].encode()
            i += 1
    return bytes(out)


def escape(raw: bytes, also: bytes = b"") -> str:
    """The token of these bytes. What is not printable ASCII, and ``%``, ``"``, space, is ``%XX``."""
    if not raw:
        return '""'
    if raw == b"null":
        return "%6Eull"
    hidden = b'%" ' + also
    return "".join(chr(b) if 0x20 < b < 0x7F and b not in hidden else "%%%02X" % b for b in raw)


def data_of(token: str) -> Optional[bytes]:
    return None if token == "null" else unescape(token)


def data_text(data: Optional[bytes]) -> str:
    return "null" if data is None else escape(data)


Acl = Tuple[int, str, str]  # perms, scheme, id


def acl_of(token: str) -> Optional[List[Acl]]:
    """``scheme:id:perms``, comma between entries. The id may hold colons; a comma in it is %2C."""
    if token == "null":
        return None
    out = []
    for entry in token.split(",") if token and token != '""' else []:
        scheme, rest = entry.split(":", 1)
        name, letters = rest.rsplit(":", 1)
        bits = dict(PERMS)
        out.append((sum(bits[c] for c in letters), unescape(scheme).decode(), unescape(name).decode()))
    return out


def acl_text(acl: Sequence[Acl]) -> str:
    def entry(perms: int, scheme: str, name: str) -> str:
        who = escape(name.encode(), b",") if name else ""
        return "%s:%s:%s" % (escape(scheme.encode(), b",:"), who, "".join(c for c, bit in PERMS if perms & bit))

    return ",".join(entry(*a) for a in acl) or '""'


# --- the file -----------------------------------------------------------------------------------


@dataclass
class Command:
    """One command: who says it, the verb, its words and ``name=value`` pairs, and what is inside."""

    session: str
    verb: str
    words: List[str]
    named: Dict[str, str]
    inner: List["Command"]
    line: int


@dataclass
class Block:
    """Commands and their results, with the lines that stood before them."""

    before: List[str]
    source: List[str]
    commands: List[Command]
    results: List[str]


@dataclass
class Script:
    name: str
    blocks: List[Block]
    after: List[str] = field(default_factory=list)

    @property
    def head(self) -> List[str]:
        return [line for line in (self.blocks[0].before if self.blocks else self.after) if line.startswith("#")]

    @property
    def options(self) -> Dict[str, str]:
        """Server options the script asks for; one without a value has ``""``."""
        out = {}
        for line in self.head:
            if line.startswith("# option "):
                name, _, value = line[len("# option ") :].strip().partition("=")
                out[name] = value
        return out

    def text(self, recorded: Optional[str] = None) -> str:
        """The file again; with ``recorded``, its head says what the results were recorded with."""
        lines: List[str] = []
        for i, block in enumerate(self.blocks):
            before = list(block.before)
            if i == 0 and recorded:
                before = [line for line in before if not line.startswith("# recorded:")]
                at = 0
                while at < len(before) and before[at].startswith("#"):
                    at += 1
                before.insert(at, "# recorded: " + recorded)
                if at + 1 == len(before):
                    before.append("")
            lines += before + block.source + [RULE] + block.results + [""]
        return "\n".join(lines + self.after).rstrip("\n") + "\n"


def command_of(text: str, line: int) -> Command:
    words = text.split()
    session = "a"
    if words[0].startswith("@"):
        session = words.pop(0)[1:]
    verb = words.pop(0)
    named, plain = {}, []
    for word in words:
        name, eq, value = word.partition("=")
        if eq and name in ("mode", "ttl", "acl", "version"):
            named[name] = value
        else:
            plain.append(word)
    return Command(session, verb, plain, named, [], line)


def parse(text: str, name: str = "script") -> Script:
    """Reads a script. A block without ``----`` is allowed: its results are not recorded yet."""
    script = Script(name, [])
    before: List[str] = []
    block: Optional[Block] = None
    in_results = False
    for number, line in enumerate(text.splitlines(), 1):
        if block is None:
            if not line.strip() or line.startswith("#"):
                before.append(line)
                continue
            block, before, in_results = Block(before, [], [], []), [], False
        if not line.strip():
            script.blocks.append(block)
            block = None
        elif in_results:
            block.results.append(line)
        elif line == RULE:
            in_results = True
        else:
            block.source.append(line)
            if line.startswith("#"):
                continue
            try:
                command = command_of(line, number)
            except IndexError:
                raise ScriptError("%s:%d: no command in %r" % (name, number, line)) from None
            if line.startswith("  "):
                if not block.commands or block.commands[-1].verb not in ("multi", "multiread"):
                    raise ScriptError("%s:%d: an indented line belongs under multi or multiread" % (name, number))
                block.commands[-1].inner.append(command)
            else:
                block.commands.append(command)
    if block is not None:
        script.blocks.append(block)
    script.after = before
    return script


# --- running ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stat:
    czxid: int
    mzxid: int
    version: int
    cversion: int
    aversion: int
    owner: int
    length: int
    children: int
    pzxid: int


class Session(Protocol):
    """What a door's sessions can do. Paths are bytes, since scripts hold wrong ones too. Each call
    returns the answer or raises `Refused`. In ``multi``, ``ops`` are the method names and arguments;
    an item answers with ``()``, ``(path,)``, ``(path, stat)``, ``(stat,)``, ``(data, stat)``,
    ``(names,)`` or a `Refused`.
    """

    id: int

    def create(self, path: bytes, data: Optional[bytes], acl: Optional[List[Acl]], mode: str, ttl: int) -> Tuple[bytes]: ...
    def create2(self, path: bytes, data: Optional[bytes], acl: Optional[List[Acl]], mode: str, ttl: int) -> Tuple[bytes, Stat]: ...
    def delete(self, path: bytes, version: int) -> Tuple[()]: ...
    def set(self, path: bytes, data: Optional[bytes], version: int) -> Tuple[Stat]: ...
    def get(self, path: bytes, watch: bool) -> Tuple[Optional[bytes], Stat]: ...
    def exists(self, path: bytes, watch: bool) -> Tuple[Stat]: ...
    def children(self, path: bytes, watch: bool) -> Tuple[List[bytes], Stat]: ...
    def getacl(self, path: bytes) -> Tuple[List[Acl], Stat]: ...
    def setacl(self, path: bytes, acl: Optional[List[Acl]], version: int) -> Tuple[Stat]: ...
    def sync(self, path: bytes) -> Tuple[()]: ...
    def ephemerals(self, prefix: bytes) -> List[bytes]: ...
    def count(self, path: bytes) -> int: ...
    def auth(self, scheme: bytes, credential: bytes) -> Tuple[()]: ...
    def whoami(self) -> List[Tuple[str, str]]: ...
    def addwatch(self, path: bytes, kind: str) -> Tuple[()]: ...
    def removewatch(self, path: bytes, kind: str) -> Tuple[()]: ...
    def checkwatch(self, path: bytes, kind: str) -> Tuple[()]: ...
    def multi(self, ops: List[Tuple[str, tuple]]) -> List[Union[tuple, Refused]]: ...
    def multiread(self, ops: List[Tuple[str, tuple]]) -> List[Union[tuple, Refused]]: ...
    def events(self) -> List[Tuple[str, bytes, int]]: ...
    def close(self) -> None: ...


class Door(Protocol):
    def open(self) -> Session: ...


def arguments(command: Command) -> Tuple[str, tuple]:
    """The session method a command stands for, and its arguments."""
    words, named, verb = command.words, command.named, command.verb
    version = int(named.get("version", "-1"))
    path = unescape(words[0]) if words else b""
    if verb in ("create", "create2"):
        mode = named.get("mode", "persistent")
        if mode not in MODES:
            raise ValueError("no such mode: " + mode)
        acl = acl_of(named["acl"]) if "acl" in named else [(31, "world", "anyone")]
        return verb, (path, data_of(words[1]), acl, mode, int(named.get("ttl", "-1")))
    if verb in ("delete", "check"):
        return verb, (path, version)
    if verb == "set":
        return verb, (path, data_of(words[1]), version)
    if verb == "setacl":
        return verb, (path, acl_of(words[1]), version)
    if verb in ("get", "exists", "children"):
        if words[1:] not in ([], ["watch"]):
            raise ValueError("only `watch` may follow the path")
        return verb, (path, words[1:] == ["watch"])
    if verb in ("getacl", "sync", "ephemerals", "count"):
        return verb, (path,)
    if verb == "auth":
        return verb, (path, unescape(words[1]))
    if verb in ("addwatch", "removewatch", "checkwatch"):
        if words[1] not in WATCH_KINDS:
            raise ValueError("no such kind of watch: " + words[1])
        return verb, (path, words[1])
    if verb in ("whoami", "events"):
        return verb, ()
    if verb in ("multi", "multiread"):
        return verb, ([arguments(c) for c in command.inner],)
    raise ValueError("no such command: " + verb)


class Runner:
    """Runs one script through one door, on a tree of its own, and renders the results.

    Session ``a`` opens first, then creates and deletes ``/base``: the creation is transaction z0
    and every zxid is written relative to it.
    """

    def __init__(self, door: Door):
        self.door = door
        self.sessions: Dict[str, Session] = {}
        self.names: Dict[int, str] = {}
        self.base = 0
        self._open("a")
        first = self.sessions["a"]
        _, stat = first.create2(b"/base", b"", [(31, "world", "anyone")], "persistent", -1)
        self.base = stat.czxid
        first.delete(b"/base", -1)

    def _open(self, name: str) -> None:
        self.sessions[name] = self.door.open()
        self.names[self.sessions[name].id] = name

    def close(self) -> None:
        """Closes what the script has left open."""
        for session in self.sessions.values():
            session.close()
        self.sessions.clear()

    def zxid(self, zxid: int) -> str:
        return "old" if zxid < self.base or zxid == 0 else "z%d" % (zxid - self.base)

    def owner(self, owner: int) -> str:
        if owner == 0:
            return "-"
        if owner == CONTAINER_OWNER:
            return "container"
        if (owner & (0xFF << 56)) == TTL_OWNER_MARK:
            return "ttl:%d" % (owner & TTL_MASK)
        return self.names.get(owner, "?")

    def stat(self, s: Stat) -> str:
        return "version=%d cversion=%d aversion=%d owner=%s len=%d children=%d czxid=%s mzxid=%s pzxid=%s" % (
            s.version, s.cversion, s.aversion, self.owner(s.owner), s.length, s.children,
            self.zxid(s.czxid), self.zxid(s.mzxid), self.zxid(s.pzxid),
        )  # fmt: skip

    def answer(self, verb: str, answer: Any) -> str:
        """One answer on one line."""
        if isinstance(answer, Refused):
            return answer.kind
        if verb in ("ephemerals", "whoami"):
            names = ["%s:%s" % pair for pair in answer if pair[0] != "ip"] if verb == "whoami" else [escape(p) for p in answer]
            return "ok [%s]" % " ".join(sorted(names))
        if verb == "count":
            return "ok %d" % answer
        parts = ["ok"]
        for i, part in enumerate(answer):
            if isinstance(part, Stat):
                parts.append(self.stat(part))
            elif verb == "children":
                parts.append("[%s]" % " ".join(escape(n) for n in sorted(part)))
            elif verb == "getacl":
                parts.append(acl_text(part))
            else:
                parts.append(data_text(part) if verb == "get" else escape(part))
        return " ".join(parts)

    def run(self, command: Command) -> List[str]:
        """The result lines of one command."""
        verb = command.verb
        try:
            if verb == "open":
                self._open(command.words[0])
                return ["ok"]
            if verb == "close":
                self.sessions.pop(command.words[0]).close()
                return ["ok"]
            method, args = arguments(command)
        except (ValueError, IndexError, KeyError) as why:
            raise ScriptError("line %d: %s: %s" % (command.line, verb, why)) from None
        session = self.sessions.get(command.session)
        if session is None:
            raise ScriptError("line %d: session %s is not open" % (command.line, command.session))
        try:
            answer = getattr(session, method)(*args)
        except Refused as refused:
            return [refused.kind]
        if verb == "events":
            return ["%s %s %s" % (kind, escape(path), self.zxid(zxid)) for kind, path, zxid in answer] or ["none"]
        if verb in ("multi", "multiread"):
            return [self.answer(op[0], item) for op, item in zip(args[0], answer)] or ["none"]
        return [self.answer(verb, answer)]


def run(script: Script, door: Door) -> List[List[str]]:
    """The results of every block, in order."""
    runner = Runner(door)
    try:
        return [[line for command in block.commands for line in runner.run(command)] for block in script.blocks]
    except ScriptError as why:
        raise ScriptError("%s: %s" % (script.name, why)) from None
    finally:
        runner.close()
