"""What the tests of the Python door share."""

from __future__ import annotations

import pathlib
import threading
from typing import Callable, Iterator

import pytest

import folkmoot

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def session() -> Iterator[folkmoot.Session]:
    with folkmoot.open("memory:") as session:
        yield session


@pytest.fixture
def member() -> Iterator[folkmoot.Member]:
    with folkmoot.Member.open("memory:") as member:
        yield member


@pytest.fixture
def virtual() -> Iterator[folkmoot.Member]:
    with folkmoot.Member.open("memory:?time=virtual") as member:
        yield member


@pytest.fixture
def thread() -> Iterator[Callable[..., threading.Thread]]:
    """Starts threads, and joins them at the end of the test."""
    started = []

    def start(target: Callable[..., object], *args: object) -> threading.Thread:
        new = threading.Thread(target=target, args=args, daemon=True)
        started.append(new)
        new.start()
        return new

    yield start
    for one in started:
        one.join(timeout=20)
        assert not one.is_alive()
