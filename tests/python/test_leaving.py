"""Leaving a `with` block asks for nothing but that the session is over."""

from __future__ import annotations

import asyncio

import folkmoot
import pytest
from folkmoot import aio


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
