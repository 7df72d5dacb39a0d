"""The session: what a program holds."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Callable, Iterable, List, Literal, Optional, Sequence, Tuple, Type, TypeVar, Union, overload

from . import _native, _threads
from ._events import Deliver, Events, Waiting, Watch
from ._native import Request, Stat
from .errors import FolkmootError, InvalidStateError, RuntimeInconsistencyError, SessionExpiredError
from .types import ACL, CreateMode, Ensemble, EnsembleMember, Event, Id, MemberRole, Outcome, SessionState, WatchKind, _create_flag, _kind_number, _STATES

_M = TypeVar("_M", bound="Member")
_S = TypeVar("_S", bound="Session")
Acl = Sequence[Tuple[int, Tuple[str, str]]]


class Member(_native.Member):
    """A participant that lives in this process.

    ``target`` says where its state lives: ``memory:``, ``memory:?time=virtual``, ``file:./data`` or a path.
    """

    def __new__(cls: Type[_M], target: str) -> _M:
        _threads.lines.start()  # before: opening may already have something to say
        return super().__new__(cls, target)

    def __init__(self, target: str) -> None:
        self.target = target

    @classmethod
    def open(cls: Type[_M], target: str) -> _M:
        """Open a member without a session.

        Raises:
            BadArgumentsError: the target has an unknown scheme or key.
            InUseError: another process has the directory; the text names it.
            CorruptError: a file contradicts its checksum; the text names file and offset.
        """
        return cls(target)

    def session(
        self,
        timeout: Optional[float] = None,
        heartbeat: Literal["auto", "manual"] = "auto",
        superuser: bool = False,
    ) -> "Session":
        """Open a session that ends after ``timeout`` seconds of silence (clamped to the member's limits)."""
        return Session(self, timeout, heartbeat, superuser)

    def outcome(self, session: int, write: int) -> Outcome:
        """What became of a write; `OutcomeUnknownError` names both numbers.

        Can be asked until ten minutes after the session has ended, in another life of the process too.
        """
        return Outcome(*self._outcome(session, write))

    def ensemble(self) -> Ensemble:
        """What this member knows of its ensemble, at most 100 ms old. `transfer` hands leadership over.

        Raises:
            InvalidStateError: this member is one alone.
        """
        (id, leader, term, committed, applied), rows = self._ensemble()
        members = tuple(EnsembleMember(row[0], row[1], MemberRole(row[2]), *row[3:]) for row in rows)
        return Ensemble(id, leader, term, committed, applied, members)

    def __enter__(self: _M) -> _M:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Member {self.target}>"


class Session(_native.Session):
    """A session. Its ephemeral znodes live as long as it does. Any number of threads may use it."""

    def __init__(
        self,
        member: Member,
        timeout: Optional[float] = None,
        heartbeat: Literal["auto", "manual"] = "auto",
        superuser: bool = False,
    ) -> None:
        self._member = member
        self._owns_member = False
        self._delivered: set[Deliver] = set()
        # One for all `events`: each that is asked for takes from the same queue.
        self._own = Waiting(self._events())

    @property
    def member(self) -> Member:
        """The member it lives on."""
        return self._member

    @property
    def state(self) -> SessionState:
        """How it stands."""
        return _STATES[self._state]

    def close(self) -> None:
        """Close the session: its ephemeral znodes go, in one transaction, before this returns.

        The member that `folkmoot.open` made for it is closed with it. Closing it again, or after its
        member, is no error.
        """
        try:
            self._close()
        finally:
            if self._owns_member:
                self._member.close()

    def __enter__(self: _S) -> _S:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(SessionExpiredError):  # it is over: that is all leaving asks for
            self.close()

    def __repr__(self) -> str:
        return f"<Session {self.id:#x} {self.state.value}>"

    @overload
    def create(self, path: str, data: Optional[Union[bytes, bytearray]] = ..., *, mode: Union[str, CreateMode] = ..., acl: Optional[Acl] = ..., ttl: Optional[float] = ..., ephemeral: bool = ..., sequential: bool = ..., include_stat: Literal[False] = ...) -> str: ...
    @overload
    def create(self, path: str, data: Optional[Union[bytes, bytearray]] = ..., *, mode: Union[str, CreateMode] = ..., acl: Optional[Acl] = ..., ttl: Optional[float] = ..., ephemeral: bool = ..., sequential: bool = ..., include_stat: Literal[True]) -> Tuple[str, Stat]: ...
    def create(
        self,
        path: str,
        data: Optional[Union[bytes, bytearray]] = b"",
        *,
        mode: Union[str, CreateMode] = "persistent",
        acl: Optional[Acl] = None,
        ttl: Optional[float] = None,
        ephemeral: bool = False,
        sequential: bool = False,
        include_stat: bool = False,
    ) -> Union[str, Tuple[str, Stat]]:
        """Make a znode; return its path, with the number if it is sequential.

        ``ttl``: seconds, unchanged and childless, after which it goes by itself.

        Raises:
            NodeExistsError: there is one at ``path``.
            NoNodeError: its parent is missing.
            NoChildrenForEphemeralsError: its parent is ephemeral.
        """
        flag, ttl_ms = _create_flag(mode, ephemeral, sequential, ttl)
        created: Tuple[str, Stat] = self.call(Request.create(path, data, _list(acl), flag, ttl_ms))
        return created if include_stat else created[0]

    def ensure_path(self, path: str, acl: Optional[Acl] = None) -> None:
        """Make the znode at ``path`` and all above it, as far as they are missing."""
        ensure = _missing_first(path)
        for prefix in ensure:
            if self.exists(prefix) is None:
                try:
                    self.create(prefix, acl=acl)
                except FolkmootError as error:
                    if error.kind != "NodeExists":
                        raise

    @overload
    def children(self, path: str, watch: bool = ..., include_stat: Literal[False] = ...) -> List[str]: ...
    @overload
    def children(self, path: str, watch: bool = ..., *, include_stat: Literal[True]) -> Tuple[List[str], Stat]: ...
    def children(self, path: str, watch: bool = False, include_stat: bool = False) -> Union[List[str], Tuple[List[str], Stat]]:
        """Return the names of the children of the znode at ``path``, in the order of their creation."""
        listed: Tuple[List[str], Stat] = self.call(Request.children(path, watch))
        return listed if include_stat else listed[0]

    def get_acl(self, path: str) -> Tuple[List[ACL], Stat]:
        """Return ACL and `Stat` of the znode at ``path``."""
        got: Tuple[List[ACL], Stat] = self.call(Request.get_acl(path))
        return got

    def set_acl(self, path: str, acl: Acl, version: int = -1) -> Stat:
        """Replace the ACL of the znode at ``path`` if its ``aversion`` is ``version``, or any (-1)."""
        stat: Stat = self.call(Request.set_acl(path, list(acl), version))
        return stat

    def transaction(self) -> "Transaction":
        """Writes that all happen, or none: ``with session.transaction() as t: t.create(...); t.check(...)``."""
        return Transaction(self)

    def multi(self, writes: Iterable[Request]) -> List[Any]:
        """All of ``writes``, or none. A failed one does not raise: the list has an error for each
        operation that failed or came after, and None for those before, of which nothing was done."""
        results: List[Any] = self.call(Request.multi(list(writes)))
        return results

    def multi_read(self, reads: Iterable[Request]) -> List[Any]:
        """Several ``Request.get`` and ``Request.children``, all at one zxid; an error stands where one failed."""
        results: List[Any] = self.call(Request.multi_read(list(reads)))
        return results

    def sync(self, path: str = "/") -> None:
        """Wait until everything acknowledged before, to anyone, is visible here."""
        self.call(Request.sync(path))

    def ephemerals(self, prefix: str = "/") -> List[str]:
        """Return the paths of this session's ephemeral znodes that start with ``prefix``, sorted."""
        paths: List[str] = self.call(Request.ephemerals(prefix))
        return paths

    def count_descendants(self, path: str) -> int:
        """Return how many descendants the znode at ``path`` has."""
        count: int = self.call(Request.count_descendants(path))
        return count

    def add_watch(self, path: str, recursive: bool = False) -> None:
        """Watch the znode at ``path`` (and all below it) until removed; told on `events`."""
        self.call(Request.add_watch(path, recursive))

    def remove_watches(self, path: str, kind: Union[str, WatchKind] = WatchKind.ANY) -> None:
        """Take this session's watches at ``path`` away.

        Raises:
            NoWatcherError: there is none of that kind.
        """
        self.call(Request.remove_watches(path, _kind_number(kind)))

    def check_watches(self, path: str, kind: Union[str, WatchKind] = WatchKind.ANY) -> None:
        """Return if such a watch is registered.

        Raises:
            NoWatcherError: there is none of that kind.
        """
        self.call(Request.check_watches(path, _kind_number(kind)))

    def add_auth(self, scheme: str, credential: Union[str, bytes]) -> None:
        """Show an identity, such as ``digest`` with ``user:password``."""
        self.call(Request.add_auth(scheme, _bytes(credential)))

    def who_am_i(self) -> List[Id]:
        """Return the identities shown so far."""
        identities: List[Id] = self.call(Request.who_am_i())
        return identities

    def events(self, timeout: Optional[float] = None) -> Events:
        """The events of watches set by reading and by `add_watch`, and news of the session."""
        return Events(self._own, timeout)

    def watch(
        self,
        path: str,
        recursive: bool = False,
        callback: Optional[Callable[[Event], object]] = None,
        timeout: Optional[float] = None,
    ) -> Watch:
        """Watch everything that happens at ``path`` (and below it) from now on.

        Iterate over what it returns, with ``for`` or ``async for``. With ``callback``, that is called
        instead for each event, in order, on the thread ``folkmoot-callbacks``, until the watch is closed.
        """
        mailbox = None if callback is None else _threads.callbacks.mailbox()
        queue = self._watch(path, recursive)
        watch = Watch(queue, path, recursive, timeout)
        if callback is not None and mailbox is not None:
            # The session keeps the queue: with a callback, nobody need keep the watch.
            deliver = Deliver(queue, callback, self._delivered)
            watch._release = deliver.end
            queue.notify(mailbox, deliver)
        return watch


class Transaction:
    """Writes to be made all at once. In a ``with``, committed at its end unless an exception leaves it.

    After the commit, ``results`` has what each operation gave: the path of a create, the Stat of a
    set, None otherwise.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.operations: List[Request] = []
        self.committed = False
        self.results: List[Any] = []

    def create(
        self,
        path: str,
        data: Optional[Union[bytes, bytearray]] = b"",
        *,
        mode: Union[str, CreateMode] = "persistent",
        acl: Optional[Acl] = None,
        ttl: Optional[float] = None,
        ephemeral: bool = False,
        sequential: bool = False,
    ) -> None:
        """Add a `Session.create`."""
        self._add(Request.create(path, data, _list(acl), *_create_flag(mode, ephemeral, sequential, ttl)))

    def delete(self, path: str, version: int = -1) -> None:
        """Add a `Session.delete`."""
        self._add(Request.delete(path, version))

    def set(self, path: str, data: Optional[Union[bytes, bytearray]], version: int = -1) -> None:
        """Add a `Session.set`."""
        self._add(Request.set(path, data, version))

    def set_acl(self, path: str, acl: Acl, version: int = -1) -> None:
        """Add a `Session.set_acl`."""
        self._add(Request.set_acl(path, list(acl), version))

    def check(self, path: str, version: int) -> None:
        """Fail the transaction unless the znode at ``path`` is at ``version``."""
        self._add(Request.check(path, version))

    def _add(self, request: Request) -> None:
        if self.committed:
            raise InvalidStateError("the transaction is committed")
        self.operations.append(request)

    def commit(self) -> List[Any]:
        """Make all the writes, or none, and return what each gave.

        Raises:
            the error of the first operation that failed, its ``index`` and all the ``results`` with it.
        """
        return self._conclude(self._session.multi(self._begin()))

    def _begin(self) -> List[Request]:
        if self.committed:
            raise InvalidStateError("the transaction is committed")
        self.committed = True
        return self.operations

    def _conclude(self, results: List[Any]) -> List[Any]:
        self.results = [result[0] if isinstance(result, tuple) else result for result in results]
        failed = [at for at, result in enumerate(results) if isinstance(result, FolkmootError)]
        if failed:
            index = next((at for at in failed if not isinstance(results[at], RuntimeInconsistencyError)), failed[0])
            raise _located(results, index, self.operations[index])
        return self.results

    def __enter__(self) -> "Transaction":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        if kind is None and not self.committed:
            self.commit()


def _located(results: List[Any], index: int, operation: Request) -> FolkmootError:
    error: FolkmootError = results[index]
    error.path = operation.path
    error.context = error.context or f"operation {index} of the transaction, at {operation.path}; nothing was changed"
    error.index = index  # type: ignore[attr-defined]
    error.results = results  # type: ignore[attr-defined]
    return error


def _list(acl: Optional[Acl]) -> Optional[List[Tuple[int, Tuple[str, str]]]]:
    return None if acl is None else list(acl)


def _bytes(credential: Union[str, bytes]) -> bytes:
    return credential.encode() if isinstance(credential, str) else credential


def _missing_first(path: str) -> List[str]:
    names = path.strip("/").split("/") if path.strip("/") else []
    return ["/" + "/".join(names[: at + 1]) for at in range(len(names))]


def open(target: str) -> Session:
    """Open a session on the ground that ``target`` names: ``memory:``, ``memory:?time=virtual``,
    ``file:./data`` or a path. Its member closes with it.

    Raises:
        BadArgumentsError: the target has an unknown scheme or key.
        InUseError: another process has the directory; the text names it.
    """
    member = Member(target)
    try:
        session = member.session()
        session._owns_member = True
    except BaseException:
        member.close()
        raise
    return session
