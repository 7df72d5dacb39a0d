"""Leaving a `with` block asks for nothing but that the session is over."""

from __future__ import annotations

import asyncio
import gc
import itertools
import pathlib
from typing import Any, Sequence

import folkmoot
import pytest
from folkmoot import aio


def test_closing_what_is_closed_is_no_error() -> None:
    member = folkmoot.Member.open("memory:")
    session = member.session()
    twin = aio.Session(member.session())
    owner = folkmoot.open("memory:")
    for _ in range(2):
        member.close()
        session.close()
        asyncio.run(twin.close())
        owner.member.close()
        owner.close()
    with pytest.raises(folkmoot.ClosedError):
        session.sync()


@pytest.mark.parametrize("order", list(itertools.permutations(["member", "session", "watch"])))
@pytest.mark.parametrize("in_a_circle", [False, True])
def test_what_is_collected_in_any_order_keeps_nothing(order: Sequence[str], in_a_circle: bool, tmp_path: pathlib.Path) -> None:
    target = f"file:{tmp_path}/data"
    member = folkmoot.Member.open(target)
    session = member.session()
    watch = session.watch("/a")
    things: Any = {"member": member, "session": session, "watch": watch}
    del member, session, watch
    if in_a_circle:
        for name, other in zip(order, [*order[1:], order[0]]):
            things[name].kept = things[other]
    for name in order:
        del things[name]
        gc.collect()
    # A directory that a member still has is refused.
    folkmoot.open(target).close()


def test_leaving_an_expired_session_is_silent() -> None:
    with folkmoot.Member.open("memory:?time=virtual") as member:
        with member.session(timeout=5, heartbeat="manual") as session:
            member.advance(60_000)
            with pytest.raises(folkmoot.SessionExpiredError):
                session.touch()


def test_leaving_an_expired_session_is_silent_in_asyncio() -> None:
    async def leave() -> None:
        member = await aio.Member.open("memory:?time=virtual")
        async with await member.session(timeout=5, heartbeat="manual"):
            await member.advance(60_000)
        await member.close()

    asyncio.run(leave())
