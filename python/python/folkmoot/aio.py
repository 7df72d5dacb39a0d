"""`folkmoot` for asyncio: the same names, to be awaited.

    async with folkmoot.aio.open("memory:") as session:
        await session.create("/config", b"v1")

Answers come by ``loop.call_soon_threadsafe``; there is no second event loop. What waits for no disk
(reads, and all that happens in memory) is answered at once, without giving way to other coroutines. Cancelling a coroutine ends its wait, not its request: a write under way
may still happen.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from contextlib import suppress
from functools import partial
from typing import Any, Callable, Generator, Generic, Iterable, List, Literal, Optional, Tuple, TypeVar, Union, overload

from . import _session, _threads
from ._events import Events, Watch, finish
from ._native import Request, Stat
from ._session import Acl, _bytes, _list, _missing_first
from .errors import FolkmootError, NoNodeError, SessionExpiredError
from .types import ACL, CreateMode, Ensemble, Event, Id, Outcome, SessionState, WatchKind, _create_flag, _kind_number

_T = TypeVar("_T", bound="Union[Member, Session]", covariant=True)


async def _in_thread(work: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, partial(work, *args))


class Opening(Generic[_T]):
    """What `open` gives: to be awaited, or for ``async with``."""

    def __init__(self, work: Callable[[], Any], wrap: Callable[[Any], _T]) -> None:
        self._work = work
        self._wrap = wrap
        self._opened: Optional[_T] = None

    def __await__(self) -> Generator[Any, None, _T]:
        return self._open().__await__()

    async def _open(self) -> _T:
        # On a thread of its own: the loop may be closed before it is open, and a program that has given up is
        # not kept from ending.
        opened: "concurrent.futures.Future[Any]" = concurrent.futures.Future()
        threading.Thread(target=_open_into, args=(opened, self._work), name="folkmoot-opening", daemon=True).start()
        try:
            return self._wrap(await asyncio.wrap_future(opened))
        except asyncio.CancelledError:
            # Nobody will have it.
            opened.add_done_callback(_close_unwanted)
            raise

    async def __aenter__(self) -> _T:
        self._opened = await self._open()
        return self._opened

    async def __aexit__(self, *_: object) -> None:
        if self._opened is not None:
            with suppress(SessionExpiredError):
                await self._opened.close()


def _open_into(opened: "concurrent.futures.Future[Any]", work: Callable[[], Any]) -> None:
    if opened.set_running_or_notify_cancel():
        try:
            opened.set_result(work())
        except BaseException as error:  # noqa: B036 - it is whoever waits who has to know
            opened.set_exception(error)


def _close_unwanted(opened: "concurrent.futures.Future[Any]") -> None:
    if not opened.cancelled() and opened.exception() is None:
        threading.Thread(target=_close_quietly, args=(opened.result(),), name="folkmoot-closing").start()


def _close_quietly(opened: Union[_session.Member, _session.Session]) -> None:
    with suppress(FolkmootError):
        opened.close()


class Member:
    """`folkmoot.Member`, for coroutines."""

    def __init__(self, member: _session.Member) -> None:
        self._member = member

    @staticmethod
    def open(target: str) -> "Opening[Member]":
        """Open a member without a session."""
        return Opening(partial(_session.Member, target), Member)

    def session(
        self,
        timeout: Optional[float] = None,
        heartbeat: Literal["auto", "manual"] = "auto",
        superuser: bool = False,
    ) -> "Opening[Session]":
        """Open a session: ``await member.session()``, or ``async with``."""
        return Opening(partial(self._member.session, timeout, heartbeat, superuser), Session)

    async def listen(self, address: str = "127.0.0.1:0", settings: Optional[str] = None) -> int:
        """Listen for clients that speak ZooKeeper's protocol; the port: see `folkmoot.Member.listen`."""
        return self._member.listen(address, settings)

    async def outcome(self, session: int, write: int) -> Outcome:
        """What became of a write: see `folkmoot.Member.outcome`."""
        return self._member.outcome(session, write)

    async def ensemble(self) -> Ensemble:
        """What this member knows of its ensemble: see `folkmoot.Member.ensemble`."""
        return self._member.ensemble()

    async def transfer(self, to: Optional[int] = None) -> None:
        """Hand leadership to the voter ``to``, or to the one that fits best."""
        await _in_thread(partial(self._member.transfer, to))

    async def advance(self, ms: int) -> None:
        """Move virtual time on by ``ms`` milliseconds."""
        self._member.advance(ms)

    def now_ms(self) -> int:
        """The member's time in milliseconds."""
        return self._member.now_ms()

    async def snapshot(self) -> None:
        """Write a snapshot now and wait until it is on disk."""
        await _in_thread(self._member.snapshot)

    @property
    def recovery(self) -> Optional[str]:
        """What opening had to cut from the log's end, in words, or None."""
        return self._member.recovery

    async def close(self) -> None:
        """Close the member: sessions end, threads stop, files are closed."""
        await _in_thread(self._member.close)

    async def __aenter__(self) -> "Member":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Session:
    """`folkmoot.Session`, for coroutines."""

    def __init__(self, session: _session.Session) -> None:
        self._session = session

    @property
    def member(self) -> Member:
        """The member it lives on."""
        return Member(self._session.member)

    @property
    def id(self) -> int:
        """The session's number."""
        return self._session.id

    @property
    def timeout(self) -> float:
        """Silence that ends it, in seconds, as granted."""
        return self._session.timeout

    @property
    def state(self) -> SessionState:
        """How it stands."""
        return self._session.state

    @property
    def zxid(self) -> int:
        """The last transaction this member has applied."""
        return self._session.zxid

    def touch(self) -> None:
        """A heartbeat, for sessions opened with ``heartbeat="manual"``."""
        self._session.touch()

    async def close(self) -> None:
        """Close the session."""
        await _in_thread(self._session.close)

    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(SessionExpiredError):  # it is over: that is all leaving asks for
            await self.close()

    async def call(self, request: Request) -> Any:
        """Any request; waits for its answer."""
        session = self._session
        if session._is_immediate(request):
            return session.call(request)
        loop = asyncio.get_running_loop()
        future: "asyncio.Future[Any]" = loop.create_future()
        session._submit(request, _threads.loops.mailbox(), partial(finish, loop, future))
        return await future

    @overload
    async def create(self, path: str, data: Optional[Union[bytes, bytearray]] = ..., *, mode: Union[str, CreateMode] = ..., acl: Optional[Acl] = ..., ttl: Optional[float] = ..., ephemeral: bool = ..., sequential: bool = ..., include_stat: Literal[False] = ...) -> str: ...
    @overload
    async def create(self, path: str, data: Optional[Union[bytes, bytearray]] = ..., *, mode: Union[str, CreateMode] = ..., acl: Optional[Acl] = ..., ttl: Optional[float] = ..., ephemeral: bool = ..., sequential: bool = ..., include_stat: Literal[True]) -> Tuple[str, Stat]: ...
    async def create(
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
        """Make a znode; return its path, with the number if it is sequential."""
        flag, ttl_ms = _create_flag(mode, ephemeral, sequential, ttl)
        created: Tuple[str, Stat] = await self.call(Request.create(path, data, _list(acl), flag, ttl_ms))
        return created if include_stat else created[0]

    async def ensure_path(self, path: str, acl: Optional[Acl] = None) -> None:
        """Make the znode at ``path`` and all above it, as far as they are missing."""
        for prefix in _missing_first(path):
            if await self.exists(prefix) is None:
                try:
                    await self.create(prefix, acl=acl)
                except FolkmootError as error:
                    if error.kind != "NodeExists":
                        raise

    async def delete(self, path: str, version: int = -1) -> None:
        """Remove the childless znode at ``path`` if it is at ``version``, or at any (-1)."""
        await self.call(Request.delete(path, version))

    async def exists(self, path: str, watch: bool = False) -> Optional[Stat]:
        """Return the `Stat` of the znode at ``path``, or None if there is none."""
        try:
            stat: Optional[Stat] = await self.call(Request.exists(path, watch))
        except NoNodeError:
            return None
        return stat

    async def get(self, path: str, watch: bool = False) -> Tuple[Optional[bytes], Stat]:
        """Return data and `Stat` of the znode at ``path``."""
        got: Tuple[Optional[bytes], Stat] = await self.call(Request.get(path, watch))
        return got

    async def set(self, path: str, data: Optional[Union[bytes, bytearray]], version: int = -1) -> Stat:
        """Replace the data of the znode at ``path`` if it is at ``version``, or at any (-1)."""
        stat: Stat = await self.call(Request.set(path, data, version))
        return stat

    @overload
    async def children(self, path: str, watch: bool = ..., include_stat: Literal[False] = ...) -> List[str]: ...
    @overload
    async def children(self, path: str, watch: bool = ..., *, include_stat: Literal[True]) -> Tuple[List[str], Stat]: ...
    async def children(self, path: str, watch: bool = False, include_stat: bool = False) -> Union[List[str], Tuple[List[str], Stat]]:
        """Return the names of the children of the znode at ``path``."""
        listed: Tuple[List[str], Stat] = await self.call(Request.children(path, watch))
        return listed if include_stat else listed[0]

    async def get_acl(self, path: str) -> Tuple[List[ACL], Stat]:
        """Return ACL and `Stat` of the znode at ``path``."""
        got: Tuple[List[ACL], Stat] = await self.call(Request.get_acl(path))
        return got

    async def set_acl(self, path: str, acl: Acl, version: int = -1) -> Stat:
        """Replace the ACL of the znode at ``path`` if its ``aversion`` is ``version``, or any (-1)."""
        stat: Stat = await self.call(Request.set_acl(path, list(acl), version))
        return stat

    def transaction(self) -> "Transaction":
        """Writes that all happen, or none: ``async with session.transaction() as t: t.create(...)``."""
        return Transaction(self)

    async def multi(self, writes: Iterable[Request]) -> List[Any]:
        """All of ``writes``, or none; errors stand in the list."""
        results: List[Any] = await self.call(Request.multi(list(writes)))
        return results

    async def multi_read(self, reads: Iterable[Request]) -> List[Any]:
        """Several ``Request.get`` and ``Request.children``, all at one zxid."""
        results: List[Any] = await self.call(Request.multi_read(list(reads)))
        return results

    async def sync(self, path: str = "/") -> None:
        """Wait until everything acknowledged before, to anyone, is visible here."""
        await self.call(Request.sync(path))

    async def ephemerals(self, prefix: str = "/") -> List[str]:
        """Return the paths of this session's ephemeral znodes that start with ``prefix``, sorted."""
        paths: List[str] = await self.call(Request.ephemerals(prefix))
        return paths

    async def count_descendants(self, path: str) -> int:
        """Return how many descendants the znode at ``path`` has."""
        count: int = await self.call(Request.count_descendants(path))
        return count

    async def add_watch(self, path: str, recursive: bool = False) -> None:
        """Watch the znode at ``path`` (and all below it) until removed; told on `events`."""
        await self.call(Request.add_watch(path, recursive))

    async def remove_watches(self, path: str, kind: Union[str, WatchKind] = WatchKind.ANY) -> None:
        """Take this session's watches at ``path`` away."""
        await self.call(Request.remove_watches(path, _kind_number(kind)))

    async def check_watches(self, path: str, kind: Union[str, WatchKind] = WatchKind.ANY) -> None:
        """Return if such a watch is registered."""
        await self.call(Request.check_watches(path, _kind_number(kind)))

    async def add_auth(self, scheme: str, credential: Union[str, bytes]) -> None:
        """Show an identity, such as ``digest`` with ``user:password``."""
        await self.call(Request.add_auth(scheme, _bytes(credential)))

    async def who_am_i(self) -> List[Id]:
        """Return the identities shown so far."""
        identities: List[Id] = await self.call(Request.who_am_i())
        return identities

    def events(self, timeout: Optional[float] = None) -> Events:
        """The session's own events: ``async for event in session.events()``."""
        return self._session.events(timeout)

    def watch(
        self,
        path: str,
        recursive: bool = False,
        callback: Optional[Callable[[Event], object]] = None,
        timeout: Optional[float] = None,
    ) -> Watch:
        """Watch everything at ``path``: ``async for event in session.watch(path)``."""
        return self._session.watch(path, recursive, callback, timeout)


class Transaction(_session.Transaction):
    """`folkmoot.Transaction`, for coroutines: ``commit`` is awaited."""

    def __init__(self, session: Session) -> None:
        super().__init__(session._session)
        self._aio = session

    async def commit(self) -> List[Any]:  # type: ignore[override]
        """Make all the writes, or none, and return what each gave."""
        return self._conclude(await self._aio.multi(self._begin()))

    def __enter__(self) -> "Transaction":
        raise TypeError("use async with")

    async def __aenter__(self) -> "Transaction":
        return self

    async def __aexit__(self, kind: Any, *_: object) -> None:
        if kind is None and not self.committed:
            await self.commit()


def open(target: str) -> "Opening[Session]":
    """Open a session: ``session = await open(target)``, or ``async with open(target) as session``."""
    return Opening(partial(_session.open, target), Session)
