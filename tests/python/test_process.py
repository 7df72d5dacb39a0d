"""Beside the interpreter: threads, Ctrl-C, fork, exit."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import signal
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


def test_importing_starts_nothing() -> None:
    done = python("import threading, folkmoot; print(threading.active_count(), len(__import__('os').listdir('/proc/self/task')))")
    assert done.stdout.split() == ["1", "1"] or not os.path.exists("/proc")
