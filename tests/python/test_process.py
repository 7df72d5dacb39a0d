"""Beside the interpreter: threads, Ctrl-C, fork, exit."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import pathlib
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from typing import Callable

import pytest

import folkmoot

POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def python(source: str, **more: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", textwrap.dedent(source)], capture_output=True, text=True, timeout=60, **more)  # type: ignore[call-overload,no-any-return]


def test_threads_write_and_read_at_once(session: folkmoot.Session, thread: Callable[..., threading.Thread]) -> None:
    session.create("/n", b"0")

    def count() -> None:
        for _ in range(100):
            while True:
                data, stat = session.get("/n")
                try:
                    session.set("/n", b"%d" % (int(data or b"") + 1), version=stat.version)
                    break
                except folkmoot.BadVersionError:
                    continue

    for one in [thread(count) for _ in range(4)]:
        one.join(30)
    assert session.get("/n")[0] == b"400"


def test_a_wait_lets_other_threads_run(session: folkmoot.Session, thread: Callable[..., threading.Thread]) -> None:
    watch = session.watch("/a")
    thread(lambda: session.create("/a"))
    event = watch.next(20)
    assert event is not None and event.path == "/a"


@POSIX
def test_ctrl_c_ends_a_wait(session: folkmoot.Session, thread: Callable[..., threading.Thread]) -> None:
    watch = session.watch("/a")
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        signal.pthread_kill(main, signal.SIGINT)

    timer = threading.Timer(0.1, interrupt)
    start = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        watch.next()
    assert time.monotonic() - start < 5
    timer.join()
    session.create("/a")
    assert watch.next(10) is not None


@POSIX
def test_ctrl_c_between_and_in_writes(tmp_path: pathlib.Path) -> None:
    main = threading.main_thread().ident
    assert main is not None
    with folkmoot.open(f"file:{tmp_path}/data") as session:
        session.create("/a")
        timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            while True:
                session.set("/a", b"x")
        timer.join()
        session.sync()
        assert session.set("/a", b"y").version == session.get("/a")[1].version > 1


@POSIX
@pytest.mark.parametrize("ground", ["memory", "file"])
def test_a_forked_child_is_told_and_never_hangs(ground: str, tmp_path: pathlib.Path) -> None:
    session = folkmoot.open("memory:" if ground == "memory" else f"file:{tmp_path}/data")
    session.create("/a", b"x")
    watch = session.watch("/a", callback=lambda event: None)
    events = session.events()
    calls = [
        lambda: session.get("/a"),
        lambda: session.exists("/a"),
        lambda: session.create("/b"),
        lambda: session.set("/a", b"y"),
        lambda: session.sync(),
        lambda: session.zxid,
        lambda: session.watch("/a"),
        lambda: session.member.session(),
        lambda: session.close(),
        lambda: session.events().next(),
        lambda: events.next(),
        lambda: events.try_next(),
        lambda: events.finished,
        lambda: len(events),
        lambda: asyncio.run(events.next_async()),
        lambda: watch.next(),
        lambda: watch.close(),
    ]
    for at, call in enumerate(calls):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                call()
            except folkmoot.ForkedError:
                status = 0
            except BaseException:
                status = 2
            finally:
                os._exit(status)
        assert (at, wait_for_exit(child)) == (at, 0)
    assert session.set("/a", b"parent").version == 1
    watch.close()
    session.close()


@POSIX
def test_a_forked_child_can_open_its_own(session: folkmoot.Session) -> None:
    told = threading.Event()
    session.watch("/a", callback=lambda event: told.set())
    session.create("/a")
    assert told.wait(10)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with folkmoot.open("memory:") as own:
                heard = threading.Event()
                own.watch("/b", callback=lambda event: heard.set())
                own.create("/b")
                status = 0 if heard.wait(10) else 3
        finally:
            os._exit(status)
    assert wait_for_exit(child) == 0


@POSIX
def test_a_child_forked_inside_a_callback_is_told_nothing_more() -> None:
    """Its only thread is the one that runs callbacks, which ends when the callback returns."""
    done = python(
        """
        import folkmoot, os, queue, signal, threading
        session, parent, children = folkmoot.open("memory:"), os.getpid(), queue.Queue()
        both_wait = threading.Event()
        def callback(event):
            if os.getpid() != parent:
                os._exit(7)
            if event.path == "/a":
                assert both_wait.wait(20)
                child = os.fork()
                if child == 0:
                    signal.alarm(20)
                else:
                    children.put(child)
        watch = session.watch("/", recursive=True, callback=callback)
        session.create("/a")
        session.create("/b")
        both_wait.set()
        print(os.waitstatus_to_exitcode(os.waitpid(children.get(timeout=20), 0)[1]))
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def wait_for_exit(child: int, seconds: float = 20) -> int:
    timer = threading.Timer(seconds, os.kill, (child, signal.SIGKILL))
    timer.start()
    _, status = os.waitpid(child, 0)
    timer.cancel()
    return os.waitstatus_to_exitcode(status)


SHARED: "folkmoot.Session"


def _in_pool(_: int) -> str:
    try:
        SHARED.get("/")
    except folkmoot.ForkedError:
        return "forked"
    return "answered"


@POSIX
def test_multiprocessing_by_fork(session: folkmoot.Session) -> None:
    global SHARED
    SHARED = session
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(_in_pool, range(4)).get(timeout=30) == ["forked"] * 4


def _spawned(_: int) -> bytes:
    with folkmoot.open("memory:") as own:
        own.create("/a", b"mine")
        return own.get("/a")[0] or b""


def test_multiprocessing_by_spawn() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map_async(_spawned, range(2)).get(timeout=60) == [b"mine"] * 2


def test_a_program_ends_whatever_it_left_open() -> None:
    done = python(
        """
        import folkmoot, threading, asyncio
        session = folkmoot.open("memory:")
        told = threading.Event()
        session.watch("/a", callback=lambda event: told.set())
        session.create("/a")
        assert told.wait(10)
        threading.Thread(target=lambda: list(session.watch("/b")), daemon=True).start()
        async def use():
            twin = folkmoot.aio.Session(session)
            await twin.create("/c")
        asyncio.run(use())
        print("end")
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


def test_what_is_asked_when_the_interpreter_has_ended_is_answered(tmp_path: pathlib.Path) -> None:
    done = python(
        f"""
        import asyncio, atexit
        async def use():
            try:
                await asyncio.wait_for(twin.create("/late"), 20)
            except folkmoot.ClosedError as error:
                print("closed")
            print(await asyncio.wait_for(twin.events().next_async(), 20))
        atexit.register(lambda: asyncio.run(use()))  # the first to be registered is the last to be called
        import folkmoot
        session = folkmoot.open("file:{tmp_path}/data")
        twin = folkmoot.aio.Session(session)
        asyncio.run(twin.create("/in-time"))
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed\nNone\n", "")


def test_who_waits_when_the_interpreter_ends_is_answered(tmp_path: pathlib.Path) -> None:
    """An answer that does not come, for one member of three cannot write; an event that does not come."""
    with contextlib.ExitStack() as found:
        servers = [found.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        peers = "&".join(f"peer={at + 1}=127.0.0.1:{server.getsockname()[1]}" for at, server in enumerate(servers))
    done = python(
        f"""
        import asyncio, atexit, os, threading
        def at_the_very_end():
            thread.join(20)
            print(sorted(told), flush=True)
            os._exit(0)  # the member that is left alone would take its time
        atexit.register(at_the_very_end)
        import folkmoot
        members = [folkmoot.Member("ensemble:{tmp_path}/%d?id=%d&{peers}" % (number, number)) for number in (1, 2, 3)]
        twin = folkmoot.aio.Session(members[0].session(timeout=40))
        members[1].close()
        members[2].close()
        told, waiting = [], threading.Event()
        async def answer():
            try:
                await twin.create("/a")
            except folkmoot.ClosedError:
                told.append("closed")
        async def event():
            while await twin.events().next_async() is not None:
                pass
            told.append("ended")
        async def both():
            tasks = [asyncio.ensure_future(answer()), asyncio.ensure_future(event())]
            await asyncio.sleep(0)
            waiting.set()
            await asyncio.gather(*tasks)
        thread = threading.Thread(target=lambda: asyncio.run(both()), daemon=True)
        thread.start()
        assert waiting.wait(20)
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "['closed', 'ended']\n", "")


def test_importing_starts_nothing() -> None:
    done = python("import threading, folkmoot; print(threading.active_count(), len(__import__('os').listdir('/proc/self/task')))")
    assert done.stdout.split() == ["1", "1"] or not os.path.exists("/proc")
