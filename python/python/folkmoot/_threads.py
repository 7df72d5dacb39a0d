"""The threads that bring news from the core to Python.

``folkmoot-callbacks`` runs the callbacks of watches, in order. ``folkmoot-asyncio`` only wakes event
loops, so that a slow callback delays no coroutine. ``folkmoot-logging`` hands what the core says to
`logging`. Each starts when first needed (the last with the first member) and stops at exit; coroutines
that wait by then are told that nothing more will come. In a child forked inside a callback the thread
that ran it is the only one, and ends when the callback returns.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from typing import Any, Optional, Protocol

from ._native import Lines, Mailbox
from .errors import InvalidStateError

log = logging.getLogger("folkmoot")

#: The interpreter is ending: no more news comes.
ended = False


class Wakes(Protocol):
    def wake(self) -> None:
        """Wake who waits, to look again."""


class _WokenAtEnd:
    """Whose waiting has to end with the interpreter."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: "weakref.WeakSet[Wakes]" = weakref.WeakSet()

    def add(self, one: Wakes) -> None:
        with self._lock:
            self._all.add(one)

    def wake(self) -> None:
        with self._lock:
            every = list(self._all)
        for one in every:
            one.wake()


def complain(words: str, *args: object) -> None:
    """Log the exception being handled. A handler that fails must not keep anything else from being told."""
    try:
        log.exception(words, *args)
    except BaseException:  # noqa: B036 - as said
        pass


class _Postman:
    """One mailbox and the thread that empties it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._mailbox: Optional[Mailbox] = None
        self._thread: Optional[threading.Thread] = None

    def mailbox(self) -> Mailbox:
        mailbox = self._mailbox
        if mailbox is None:
            with self._lock:
                mailbox = self._mailbox
                if mailbox is None:
                    mailbox = Mailbox()
                    if ended:
                        mailbox.stop()
                        return mailbox
                    self._thread = threading.Thread(target=_deliver, args=(mailbox,), name=self.name, daemon=True)
                    self._thread.start()
                    self._mailbox = mailbox
        return mailbox

    def stop(self) -> None:
        mailbox, thread = self._mailbox, self._thread
        if mailbox is not None and thread is not None:
            mailbox.stop()
            # A callback that hangs must not keep the program from ending.
            thread.join(timeout=5.0)

    def forget(self) -> None:
        # After a fork: the thread is the parent's, and so may be the locks.
        self.__init__(self.name)  # type: ignore[misc]


def _deliver(mailbox: Mailbox) -> None:
    process = os.getpid()
    while True:
        notes = mailbox.take()
        if notes is None:
            return
        for receiver, value, error in notes:
            try:
                receiver(value, error)
            except BaseException:  # noqa: B036 - whatever a callback raises, the next one runs
                complain("a callback failed: %r", receiver)
            if os.getpid() != process:
                return
        # Nothing of the last note is kept while waiting for the next.
        del notes, receiver, value, error


class _Teller:
    """The thread that hands the core's lines to ``logging``: ``folkmoot::log::store`` to the logger ``folkmoot.log.store``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: Optional[Lines] = None
        self._thread: Optional[threading.Thread] = None

    def start(self) -> None:
        if self._lines is not None:
            return
        with self._lock:
            if self._lines is None:
                lines = Lines(logging.DEBUG)
                try:
                    lines.listen()
                except InvalidStateError:
                    lines.close()  # the host's own subscriber is told
                self._thread = threading.Thread(target=_tell, args=(lines,), name="folkmoot-logging", daemon=True)
                self._thread.start()
                self._lines = lines

    def stop(self) -> None:
        lines, thread = self._lines, self._thread
        if lines is not None and thread is not None:
            lines.close()
            # A handler that hangs must not keep the program from ending.
            thread.join(timeout=5.0)

    def forget(self) -> None:
        self.__init__()  # type: ignore[misc]


def _tell(lines: Lines) -> None:
    process = os.getpid()
    while True:
        batch = lines.take()
        if not batch:
            return
        for level, target, text in batch:
            try:
                logging.getLogger(target.replace("::", ".")).log(level, "%s", text)
            except BaseException:  # noqa: B036 - a handler that fails must not silence the next line
                pass
            if os.getpid() != process:
                return


callbacks = _Postman("folkmoot-callbacks")
loops = _Postman("folkmoot-asyncio")
lines = _Teller()
woken_at_end = _WokenAtEnd()


def _stop() -> None:
    global ended
    ended = True
    loops.stop()
    woken_at_end.wake()
    callbacks.stop()
    lines.stop()


def _forget() -> None:
    callbacks.forget()
    loops.forget()
    lines.forget()
    woken_at_end.__init__()  # type: ignore[misc]


atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def ignore(*_: Any) -> None:
    """A receiver for answers nobody waits for."""
