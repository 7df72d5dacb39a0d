"""Watches: in a loop, by callback, and those that reads set."""

from __future__ import annotations

import gc
import logging
import queue
import threading
import weakref
from typing import Any, Callable, List

import pytest

import folkmoot
from folkmoot import Event, EventKind


def test_a_watch_is_iterated_over(session: folkmoot.Session) -> None:
    with session.watch("/a") as watch:
        session.create("/a")
        session.set("/a", b"x")
        session.create("/a/b")
        session.delete("/a/b")
        session.delete("/a")
        kinds = [next(watch).kind for _ in range(5)]
    assert kinds == [EventKind.CREATED, EventKind.DATA_CHANGED, EventKind.CHILDREN_CHANGED, EventKind.CHILDREN_CHANGED, EventKind.DELETED]
    assert list(watch) == []


def test_a_recursive_watch_tells_of_all_below(session: folkmoot.Session) -> None:
    with session.watch("/", recursive=True) as watch:
        session.create("/a")
        session.create("/a/b", b"x")
        session.set("/a/b", b"y")
        events = [next(watch) for _ in range(3)]
    assert [(event.kind.value, event.path) for event in events] == [("created", "/a"), ("created", "/a/b"), ("data_changed", "/a/b")]
    assert [event.zxid for event in events] == sorted({event.zxid for event in events})
    assert events[0].state is folkmoot.SessionState.CONNECTED


def test_each_watch_has_its_own_queue(session: folkmoot.Session) -> None:
    with session.watch("/a") as one, session.watch("/a") as two:
        session.create("/a")
        assert one.next(10) == two.next(10)
        assert one.try_next() is None and len(two) == 0


def test_a_timeout_ends_the_iteration(session: folkmoot.Session) -> None:
    watch = session.watch("/a", timeout=0.01)
    assert list(watch) == []
    session.create("/a")
    assert [event.kind for event in watch] == [EventKind.CREATED]
    assert watch.next(timeout=0) is None
    assert not watch.finished


def test_closing_wakes_who_waits(session: folkmoot.Session, thread: Callable[..., threading.Thread]) -> None:
    watch = session.watch("/a")
    seen: List[Event] = []
    ready = threading.Event()

    def wait() -> None:
        ready.set()
        seen.extend(watch)

    waiter = thread(wait)
    assert ready.wait(10)
    watch.close()
    waiter.join(10)
    assert not waiter.is_alive() and seen == []
    watch.close()


def test_the_end_of_the_session_ends_the_iteration(member: folkmoot.Member, thread: Callable[..., threading.Thread]) -> None:
    session = member.session()
    watch = session.watch("/a")
    waiter = thread(lambda: list(watch))
    session.close()
    waiter.join(10)
    assert not waiter.is_alive()


def test_reads_set_watches_that_fire_once(session: folkmoot.Session) -> None:
    session.create("/a")
    session.get("/a", watch=True)
    session.exists("/b", watch=True)
    session.children("/", watch=True)
    session.set("/a", b"1")
    session.set("/a", b"2")
    session.create("/b")
    got = [(event.kind.value, event.path) for event in session.events(timeout=0.05) if event.kind is not EventKind.SESSION]
    assert got == [("data_changed", "/a"), ("created", "/b"), ("children_changed", "/")]


def test_add_and_remove_watches(session: folkmoot.Session) -> None:
    session.add_watch("/a", recursive=True)
    session.check_watches("/a", "recursive")
    session.create("/a")
    event = session.events().next(10)
    assert event is not None and event.path == "/a"
    session.remove_watches("/a", folkmoot.WatchKind.RECURSIVE)
    with pytest.raises(folkmoot.NoWatcherError):
        session.remove_watches("/a")
    with pytest.raises(folkmoot.NoWatcherError):
        session.check_watches("/a")


def test_callbacks_come_in_order_on_one_named_thread(session: folkmoot.Session) -> None:
    told: "queue.Queue[Any]" = queue.Queue()
    session.watch("/", recursive=True, callback=lambda event: told.put((event.path, threading.current_thread().name)))
    for number in range(200):
        session.create(f"/n{number}")
    got = [told.get(timeout=10) for _ in range(200)]
    assert got == [(f"/n{number}", "folkmoot-callbacks") for number in range(200)]


def test_a_callback_may_use_the_session_and_may_fail(session: folkmoot.Session, caplog: pytest.LogCaptureFixture) -> None:
    told: "queue.Queue[Any]" = queue.Queue()

    def callback(event: Event) -> None:
        if event.kind is EventKind.CREATED:
            session.set("/a", b"by the callback")
            raise RuntimeError("on purpose")
        told.put(session.get("/a")[0])

    watch = session.watch("/a", callback=callback)
    session.create("/a")
    assert told.get(timeout=10) == b"by the callback"
    assert "on purpose" in caplog.text
    watch.close()
    session.set("/a", b"unheard")
    with session.watch("/b", callback=told.put):
        session.create("/b")
        assert told.get(timeout=10).path == "/b"
    assert told.empty()


def test_a_log_handler_that_fails_does_not_end_the_callbacks(session: folkmoot.Session) -> None:
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("from a handler")

    told: "queue.Queue[str]" = queue.Queue()

    def callback(event: Event) -> None:
        told.put(event.path)
        raise RuntimeError("on purpose")

    handler = Failing()
    logging.getLogger("folkmoot").addHandler(handler)
    try:
        with session.watch("/", recursive=True, callback=callback):
            for path in ("/a", "/b", "/c"):
                session.create(path)
                assert told.get(timeout=20) == path
    finally:
        logging.getLogger("folkmoot").removeHandler(handler)


def test_nothing_is_kept_once_it_is_over(member: folkmoot.Member) -> None:
    gone: "queue.Queue[str]" = queue.Queue()

    class Callback:
        def __call__(self, event: Event) -> None:
            if event.kind is EventKind.SESSION:
                gone.put("told")

    callback = Callback()
    kept = weakref.ref(callback, lambda _: gone.put("gone"))
    session = member.session()
    session.watch("/a", callback=callback)
    del callback
    gc.collect()
    assert kept() is not None
    # No `close`: the last reference closes the session, and that ends the watch.
    del session
    gc.collect()
    assert gone.get(timeout=10) == "told"
    assert gone.get(timeout=10) == "gone"
