"""What the core has to say reaches ``logging``."""

from __future__ import annotations

import logging
import os
import pathlib
import queue
import subprocess
import sys
import textwrap
from typing import Callable, Iterator

import pytest

import folkmoot

POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class Records(logging.Handler):
    """Keeps what it is told; does something of the caller's while told."""

    def __init__(self, also: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.queue: "queue.Queue[logging.LogRecord]" = queue.Queue()
        self.also = also

    def emit(self, record: logging.LogRecord) -> None:
        self.also()
        self.queue.put(record)


@pytest.fixture
def handle() -> Iterator[Callable[[logging.Handler], None]]:
    logger, added = logging.getLogger("folkmoot"), []

    def add(handler: logging.Handler) -> None:
        added.append(handler)
        logger.addHandler(handler)

    yield add
    for handler in added:
        logger.removeHandler(handler)


def torn(directory: pathlib.Path) -> str:
    """A directory as a crash leaves it that lost one sector of the last write."""
    source = f"""
        import folkmoot, os
        session = folkmoot.open({str(directory)!r})
        session.create("/a", b"before")
        session.set("/a", b"z" * 4000)
        os._exit(0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(source)], check=True, timeout=60)
    for file in directory.glob("log-*"):
        data = file.read_bytes()
        at = data.rfind(b"zz")
        if at >= 0:
            at -= at % 512
            file.write_bytes(data[:at] + bytes(512) + data[at + 512 :])
            return file.name
    raise AssertionError("the write is in no log")


def test_a_cut_log_is_told(tmp_path: pathlib.Path, handle: Callable[[logging.Handler], None]) -> None:
    name = torn(tmp_path / "data")
    # A handler may use the library, and whatever waits for the GIL.
    records = Records(also=lambda: folkmoot.open("memory:").close())
    handle(records)
    with folkmoot.open(str(tmp_path / "data")) as session:
        record = records.queue.get(timeout=20)
        assert record.levelno == logging.WARNING and record.name.startswith("folkmoot.")
        assert name in record.getMessage() and record.threadName == "folkmoot-logging"
        assert session.get("/a")[0] == b"before"


def test_a_failing_handler_does_not_silence_the_next_line(tmp_path: pathlib.Path, handle: Callable[[logging.Handler], None]) -> None:
    def fail() -> None:
        raise SystemExit("from a handler")

    for name in ("first", "second"):
        torn(tmp_path / name)
    failing = Records(also=fail)
    handle(failing)
    folkmoot.open(str(tmp_path / "first")).close()
    records = Records()
    logging.getLogger("folkmoot").removeHandler(failing)
    handle(records)
    with folkmoot.open(str(tmp_path / "second")):
        assert "cut" in records.queue.get(timeout=20).getMessage()


@POSIX
def test_a_forked_child_hears_its_own(session: folkmoot.Session, tmp_path: pathlib.Path) -> None:
    torn(tmp_path / "data")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            records = Records()
            logging.getLogger("folkmoot").addHandler(records)
            folkmoot.open(str(tmp_path / "data"))
            status = 0 if "cut" in records.queue.get(timeout=20).getMessage() else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@POSIX
def test_a_child_forked_by_a_handler_ends_with_it(tmp_path: pathlib.Path) -> None:
    """Its only thread is the one that tells lines, and those are its parent's."""
    torn(tmp_path / "data")
    source = f"""
        import folkmoot, logging, os, queue, signal
        children = queue.Queue()
        class Forking(logging.Handler):
            def emit(self, record):
                child = os.fork()
                if child == 0:
                    signal.alarm(20)
                else:
                    children.put(child)
        logging.getLogger("folkmoot").addHandler(Forking())
        session = folkmoot.open({str(tmp_path / "data")!r})
        print(os.waitstatus_to_exitcode(os.waitpid(children.get(timeout=20), 0)[1]))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(source)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_what_was_said_is_told_before_the_end(tmp_path: pathlib.Path) -> None:
    name = torn(tmp_path / "data")
    source = f"""
        import folkmoot, logging, sys
        logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
        folkmoot.open({str(tmp_path / "data")!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(source)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("WARNING folkmoot.") and name in done.stdout
