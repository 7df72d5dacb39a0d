"""The fixture ``folkmoot_server``: a fresh server for each test that asks for it."""

from typing import Iterator

import pytest

from .testing import Server


@pytest.fixture
def folkmoot_server() -> Iterator[Server]:
    """A `folkmoot.testing.Server`, running; its ``hosts`` is what clients connect to."""
    with Server() as server:
        yield server
