"""Coordination in your process: a versioned tree, sessions, watches.

    import folkmoot

    with folkmoot.open("memory:") as session:
        session.create("/config", b"v1")
        data, stat = session.get("/config")
        session.set("/config", b"v2", version=stat.version)

`folkmoot.aio` has the same for asyncio; `folkmoot.hashing`, `folkmoot.election` and `folkmoot.heartbeat`
need no session. Errors are in `folkmoot.errors`, ready-made ACLs in `folkmoot.acl`.

What the library has to say of itself (the end of a log that a crash cut off, a snapshot that cannot be
written) goes to `logging`, to loggers below ``folkmoot``, from a thread of its own.
"""

from . import acl, aio, election, errors, hashing, heartbeat
from ._events import Events, Watch
from ._native import Request, Stat, __version__
from ._session import Member, Session, Transaction, open
from .errors import *  # noqa: F403
from .errors import __all__ as _errors
from .types import ACL, CreateMode, Ensemble, EnsembleMember, Event, EventKind, Id, MemberRole, Outcome, SessionState, WatchKind

__all__ = [
    "ACL",
    "CreateMode",
    "Ensemble",
    "EnsembleMember",
    "Event",
    "EventKind",
    "Events",
    "Id",
    "Member",
    "MemberRole",
    "Outcome",
    "Request",
    "Session",
    "SessionState",
    "Stat",
    "Transaction",
    "Watch",
    "WatchKind",
    "__version__",
    "acl",
    "aio",
    "election",
    "errors",
    "hashing",
    "heartbeat",
    "open",
]
__all__ += _errors
