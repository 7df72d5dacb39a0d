"""The values that operations take and give."""

from __future__ import annotations

import enum
from typing import NamedTuple, Optional, Tuple, Union

from .errors import BadArgumentsError, FolkmootError


class CreateMode(str, enum.Enum):
    """The kind of a new znode."""

    PERSISTENT = "persistent"
    EPHEMERAL = "ephemeral"
    PERSISTENT_SEQUENTIAL = "persistent_sequential"
    EPHEMERAL_SEQUENTIAL = "ephemeral_sequential"
    CONTAINER = "container"
    TTL = "ttl"
    TTL_SEQUENTIAL = "ttl_sequential"

    @property
    def flag(self) -> int:
        """ZooKeeper's number."""
        return _MODES.index(self)


_MODES = list(CreateMode)


class EventKind(str, enum.Enum):
    """What happened to a watched znode."""

    SESSION = "session"
    CREATED = "created"
    DELETED = "deleted"
    DATA_CHANGED = "data_changed"
    CHILDREN_CHANGED = "children_changed"
    OVERFLOW = "overflow"


class SessionState(str, enum.Enum):
    """How a session stands."""

    DISCONNECTED = "disconnected"
    CONNECTED = "connected"
    EXPIRED = "expired"
    CLOSED = "closed"


class WatchKind(str, enum.Enum):
    """Which watches `remove_watches` takes away."""

    CHILDREN = "children"
    DATA = "data"
    ANY = "any"
    PERSISTENT = "persistent"
    RECURSIVE = "recursive"

    @property
    def number(self) -> int:
        """ZooKeeper's number."""
        return list(WatchKind).index(self) + 1


class MemberRole(str, enum.Enum):
    """What a member of an ensemble is."""

    LEADER = "leader"
    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    LEARNER = "learner"
    UNKNOWN = "unknown"


class EnsembleMember(NamedTuple):
    """One member, as the one that was asked sees it.

    ``silent_ms`` is for how long it has not been heard (0 for itself, None if never), ``suspected`` whether that is too long;
    ``matched`` is the last entry of the log that it is known to have: of all members where the asked one leads.
    """

    id: int
    priority: int
    role: MemberRole
    is_self: bool
    silent_ms: Optional[int]
    suspected: bool
    linked: bool
    matched: Optional[int]


class Ensemble(NamedTuple):
    """An ensemble, as its member ``id`` sees it: who leads (None for nobody), in which term, and all ``members``."""

    id: int
    leader: Optional[int]
    term: int
    committed: int
    applied: int
    members: Tuple[EnsembleMember, ...]


class Outcome(NamedTuple):
    """What became of a write whose answer did not arrive.

    ``kind`` is ``"done"``: it was carried out, or refused as ``error`` says; ``"never"``: it was not and never will be, its session
    is over; ``"pending"``: not yet, as far as this member knows; ``"forgotten"``: it was answered at the time, or its session
    ended more than ten minutes ago, or there was none.
    """

    kind: str
    error: Optional[FolkmootError] = None


class Event(NamedTuple):
    """One notification. ``path`` is empty for news of the session."""

    kind: EventKind
    path: str
    state: SessionState
    zxid: int


class Id(NamedTuple):
    """A scheme and an id in it."""

    scheme: str
    id: str


class ACL(NamedTuple):
    """One entry of an ACL: bits of `folkmoot.acl.Permissions`, and to whom."""

    perms: int
    id: Id


_EVENT_KINDS = {
    -1: EventKind.SESSION,
    1: EventKind.CREATED,
    2: EventKind.DELETED,
    3: EventKind.DATA_CHANGED,
    4: EventKind.CHILDREN_CHANGED,
    100: EventKind.OVERFLOW,
}
_STATES = {
    0: SessionState.DISCONNECTED,
    3: SessionState.CONNECTED,
    -112: SessionState.EXPIRED,
    7: SessionState.CLOSED,
}


def _event(kind: int, path: str, state: int, zxid: int) -> Event:
    return Event(_EVENT_KINDS[kind], path, _STATES[state], zxid)


def _acl(perms: int, scheme: str, id: str) -> ACL:
    return ACL(perms, Id(scheme, id))


def _create_flag(
    mode: Union[str, CreateMode], ephemeral: bool, sequential: bool, ttl: Optional[float]
) -> Tuple[int, int]:
    """ZooKeeper's flag and the TTL in milliseconds for what a caller of `create` said."""
    try:
        chosen = CreateMode(mode)
    except ValueError:
        known = ", ".join(m.value for m in CreateMode)
        raise BadArgumentsError(f"mode is {mode}; it is one of {known}") from None
    words = set() if chosen is CreateMode.PERSISTENT else set(chosen.value.split("_"))
    words.discard("persistent")
    words |= {word for word, said in (("ephemeral", ephemeral), ("sequential", sequential), ("ttl", ttl is not None)) if said}
    if len(words - {"sequential"}) > 1 or words == {"container", "sequential"}:
        raise BadArgumentsError(f"a znode cannot be {' and '.join(sorted(words))} at once")
    if "ttl" in words and ttl is None:
        raise BadArgumentsError("mode ttl needs ttl, a number of seconds")
    kind = next(iter(words - {"sequential"}), "persistent")
    if "sequential" in words:
        kind += "_sequential"
    return CreateMode(kind).flag, 0 if ttl is None else round(ttl * 1000)


def _kind_number(kind: Union[str, WatchKind]) -> int:
    try:
        return WatchKind(kind).number
    except ValueError:
        known = ", ".join(k.value for k in WatchKind)
        raise BadArgumentsError(f"kind is {kind}; it is one of {known}") from None
