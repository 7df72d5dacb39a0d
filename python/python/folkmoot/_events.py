"""Queues of notifications: for loops, for ``async for`` and for callbacks."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, AsyncIterator, Callable, Iterator, List, Optional, Set, Tuple

from . import _threads
from ._native import EventQueue
from .errors import ForkedError
from .types import Event

_Waiter = Tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


def _set_if_not_done(future: "asyncio.Future[Any]", value: Any, error: Optional[BaseException]) -> None:
    if not future.done():
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


def finish(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]", value: Any, error: Optional[BaseException]) -> None:
    """End ``future`` from another thread; not an error if its loop is closed by now."""
    try:
        loop.call_soon_threadsafe(_set_if_not_done, future, value, error)
    except RuntimeError:
        pass


class _Wake:
    """Wakes the coroutines that wait for a queue, without keeping the queue alive."""

    __slots__ = ("_waiting",)

    def __init__(self, waiting: "Waiting") -> None:
        self._waiting = weakref.ref(waiting)

    def __call__(self, value: None, error: None) -> None:
        waiting = self._waiting()
        if waiting is not None:
            waiting.wake()


class Waiting:
    """A queue and the coroutines that wait for it, of whichever `Events`: all are woken, and look for themselves."""

    def __init__(self, queue: EventQueue) -> None:
        self.queue = queue
        self._line: List[_Waiter] = []
        self._is_told = False

    def stand(self, loop: asyncio.AbstractEventLoop) -> _Waiter:
        if not self._is_told:
            _threads.woken_at_end.add(self)
            self.queue.notify(_threads.loops.mailbox(), _Wake(self))
            self._is_told = True
        waiter = (loop, loop.create_future())
        self._line.append(waiter)
        return waiter

    def leave(self, waiter: _Waiter) -> None:
        self._line.remove(waiter)

    def wake(self) -> None:
        for loop, future in list(self._line):
            finish(loop, future, None, None)


class Events:
    """A queue of events. Iterate over it, with ``for`` or ``async for``, or ask for the `next` one.

    Each event goes to one taker. The iteration ends with the session (or the watch), and, if there
    is a ``timeout``, when that many seconds have passed without an event.
    """

    def __init__(self, waiting: Waiting, timeout: Optional[float] = None) -> None:
        self._waiting = waiting
        self._queue = waiting.queue
        self._timeout = timeout

    def next(self, timeout: Optional[float] = None) -> Optional[Event]:
        """Wait for the next event; None once ``timeout`` seconds have passed or no more will come."""
        return self._queue.next(timeout)

    def try_next(self) -> Optional[Event]:
        """The next event, if one waits."""
        return self._queue.try_next()

    async def next_async(self, timeout: Optional[float] = None) -> Optional[Event]:
        """`next`, for coroutines."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while True:
            # First stand in line, then look: an event between the two wakes us.
            waiter = self._waiting.stand(loop)
            try:
                event = self._queue.try_next()
                if event is not None or self._queue.finished or _threads.ended:
                    return event
                if deadline is None:
                    await waiter[1]
                else:
                    await asyncio.wait_for(waiter[1], max(0.0, deadline - loop.time()))
            except asyncio.TimeoutError:
                return self._queue.try_next()
            finally:
                self._waiting.leave(waiter)

    @property
    def finished(self) -> bool:
        """Whether no more will come."""
        return self._queue.finished

    def __len__(self) -> int:
        return len(self._queue)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event = self.next(self._timeout)
        if event is None:
            raise StopIteration
        return event

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        event = await self.next_async(self._timeout)
        if event is None:
            raise StopAsyncIteration
        return event


class Watch(Events):
    """A watch with a queue of its own, until `close` or the end of its ``with``."""

    def __init__(self, queue: EventQueue, path: str, recursive: bool, timeout: Optional[float] = None) -> None:
        super().__init__(Waiting(queue), timeout)
        self.path = path
        self.recursive = recursive
        self._release: Optional[Callable[[], None]] = None

    def close(self) -> None:
        """Take the watch away. Who iterates over it comes to an end."""
        self._queue.close()
        self._waiting.wake()
        release, self._release = self._release, None
        if release is not None:
            release()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> "Watch":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Watch {self.path}{' and below' if self.recursive else ''}>"


class Deliver:
    """Runs a callback for each event of a queue, on the thread ``folkmoot-callbacks``."""

    __slots__ = ("_queue", "_callback", "_kept_in")

    def __init__(self, queue: EventQueue, callback: Callable[[Event], object], kept_in: "Set[Deliver]") -> None:
        self._queue = queue
        self._callback = callback
        self._kept_in = kept_in
        kept_in.add(self)

    def end(self) -> None:
        self._kept_in.discard(self)

    def __call__(self, value: None, error: None) -> None:
        while True:
            try:
                event = self._queue.try_next()
            except ForkedError:
                return  # the callback has forked, and this is the child: the other events are its parent's
            if event is None:
                break
            try:
                self._callback(event)
            except BaseException:  # noqa: B036 - the next event is delivered whatever this one did
                _threads.complain("the callback %r failed on %r", self._callback, event)
        if self._queue.finished:
            self._queue.close()
            self.end()
