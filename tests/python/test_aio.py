"""The asyncio twin."""

from __future__ import annotations

import asyncio
import inspect
import pathlib
import queue
import threading
from typing import Any, Coroutine

import pytest

import folkmoot
from folkmoot import EventKind, Request, aio


@pytest.fixture(params=["memory", "file"])
def target(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> str:
    """In memory all is answered at once; with a disk, answers come by another thread."""
    return "memory:" if request.param == "memory" else f"file:{tmp_path}/data"


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 30))


def test_the_twin_has_the_same_names_and_arguments() -> None:
    for twin, original in ((aio.Session, folkmoot.Session), (aio.Member, folkmoot.Member), (aio.Transaction, folkmoot.Transaction)):
        names = {name for name in dir(original) if not name.startswith("_")}
        assert names - set(dir(twin)) - {"operations", "target"} == set()
        for name in names:
            if inspect.isfunction(vars(twin).get(name)):
                mine = list(inspect.signature(getattr(twin, name)).parameters.values())
                theirs = list(inspect.signature(getattr(original, name)).parameters.values())
                assert [(p.name, p.default) for p in mine if p.name != "target"] == [(p.name, p.default) for p in theirs if p.name != "target"], name


def test_all_operations(target: str) -> None:
    async def body() -> None:
        async with aio.open(target) as session:
            assert await session.create("/a", b"x") == "/a"
            assert (await session.create("/b", None, include_stat=True))[1].version == 0
            data, stat = await session.get("/a")
            assert data == b"x" and await session.exists("/a") == stat
            assert await session.exists("/none") is None
            assert (await session.set("/a", b"y", version=0)).version == 1
            with pytest.raises(folkmoot.BadVersionError) as caught:
                await session.set("/a", b"z", version=0)
            assert caught.value.path == "/a"
            with pytest.raises(folkmoot.NoNodeError):
                await session.get("/none")
            await session.ensure_path("/p/q/r")
            assert await session.children("/p") == ["q"]
            assert await session.count_descendants("/p") == 2
            assert (await session.get_acl("/p"))[0] == folkmoot.acl.OPEN
            await session.set_acl("/p", folkmoot.acl.READ)
            async with session.transaction() as t:
                t.create("/t")
                t.check("/a", 1)
            assert t.results == ["/t", None]
            failing = session.transaction()
            failing.check("/a", 9)
            with pytest.raises(folkmoot.BadVersionError):
                await failing.commit()
            got = await session.multi_read([Request.get("/a")])
            assert got[0][0] == b"y"
            await session.sync()
            await session.create("/e", ephemeral=True)
            assert await session.ephemerals() == ["/e"]
            await session.add_auth("digest", "ann:secret")
            assert any(who.scheme == "digest" for who in await session.who_am_i())
            await session.delete("/b")
            assert session.state is folkmoot.SessionState.CONNECTED and session.id and session.timeout and session.zxid

    run(body())


def test_members_and_virtual_time() -> None:
    async def body() -> None:
        async with aio.Member.open("memory:?time=virtual") as member:
            one = await member.session(timeout=5, heartbeat="manual")
            async with member.session() as two:
                await one.create("/e", ephemeral=True)
                await member.advance(60_000)
                assert await two.exists("/e") is None
                with pytest.raises(folkmoot.SessionExpiredError):
                    await one.create("/x")

    run(body())


def test_many_at_once_and_in_order(target: str) -> None:
    async def body() -> None:
        async with aio.open(target) as session:
            await session.create("/q")
            paths = await asyncio.gather(*(session.create("/q/n-", sequential=True) for _ in range(300)))
            assert paths == sorted(paths) and len(set(paths)) == 300

    run(body())


def test_events_are_awaited(target: str) -> None:
    async def body() -> None:
        async with aio.open(target) as session:
            async with session.watch("/a") as watch:

                async def take(count: int) -> list:
                    return [(await watch.__anext__()).kind for _ in range(count)]

                taker = asyncio.ensure_future(take(2))
                await session.create("/a")
                await session.set("/a", b"x")
                assert await taker == [EventKind.CREATED, EventKind.DATA_CHANGED]
                assert await watch.next_async(timeout=0.01) is None

                async def all_of_them() -> list:
                    return [event async for event in watch]

                taker = asyncio.ensure_future(all_of_them())
                await asyncio.sleep(0)
            assert await taker == []
            await session.get("/a", watch=True)
            await session.set("/a", b"y")
            event = await session.events().next_async(timeout=10)
            assert event is not None and event.path == "/a"

    run(body())


@pytest.mark.parametrize("ends", ["session", "member"])
def test_every_coroutine_that_waits_is_woken(target: str, ends: str) -> None:
    async def body() -> None:
        async with aio.Member.open(target) as member:
            session = await member.session()
            one, two, watch = session.events(), session.events(), session.watch("/a")
            waiting = [asyncio.ensure_future(events.next_async()) for events in (one, one, two, two)]
            await asyncio.sleep(0)  # all of them wait now
            for _ in waiting:
                await session.exists("/b", watch=True)
                await (session.delete("/b") if await session.exists("/b") else session.create("/b"))
            assert [event is not None and event.path for event in await asyncio.gather(*waiting)] == ["/b"] * 4

            waiting = [asyncio.ensure_future(events.next_async()) for events in (one, one, two, two, watch, watch)]
            await asyncio.sleep(0)
            await (session.close() if ends == "session" else member.close())
            ended = await asyncio.gather(*waiting)
            # One of each queue is told why, the others that it is over.
            assert [event.kind for event in ended if event is not None] == [EventKind.SESSION] * 2

    run(body())


def test_who_waits_for_an_answer_when_the_member_closes_is_answered(target: str) -> None:
    async def body() -> None:
        member = await aio.Member.open(target)
        session = await member.session()
        writing = [asyncio.ensure_future(session.create(f"/n{number}")) for number in range(300)]
        await asyncio.sleep(0)
        await member.close()
        answers = await asyncio.gather(*writing, return_exceptions=True)
        assert {type(answer) for answer in answers} <= {str, folkmoot.ClosedError}
        with pytest.raises(folkmoot.ClosedError):
            await session.create("/late")

    run(body())


def test_a_callback_is_called_beside_a_coroutine_that_waits() -> None:
    told: "queue.Queue[folkmoot.Event]" = queue.Queue()

    async def body() -> None:
        async with aio.open("memory:") as session:
            async with session.watch("/a", callback=told.put) as watch:
                waiting = asyncio.ensure_future(watch.next_async())
                await asyncio.sleep(0)
                waiting.cancel()
                await session.create("/a")
                assert told.get(timeout=20).path == "/a"

    run(body())


def test_what_is_opened_for_nobody_is_closed() -> None:
    """Also when the loop has ended before it is open."""
    opens, closed = threading.Event(), threading.Event()

    class Opened:
        def close(self) -> None:
            closed.set()

    def work() -> Opened:
        assert opens.wait(20)
        return Opened()

    async def cancelled() -> None:
        opening: Any = aio.Opening(work, lambda opened: opened)  # type: ignore[type-var]
        waiting = asyncio.ensure_future(opening)
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    loop = asyncio.new_event_loop()
    loop.run_until_complete(cancelled())
    loop.close()
    opens.set()
    assert closed.wait(20)


def test_cancelling_leaves_the_session_usable(target: str) -> None:
    async def body() -> None:
        async with aio.open(target) as session:
            writing = asyncio.ensure_future(session.create("/a"))
            await asyncio.sleep(0)
            # In memory it has happened by now.
            if writing.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await writing
            await session.sync()
            assert await session.create("/b") == "/b"
            watch = session.watch("/c")
            waiting = asyncio.ensure_future(watch.next_async())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await session.create("/c")
            event = await watch.next_async(timeout=10)
            assert event is not None and event.path == "/c"

    run(body())


def test_a_closed_loop_harms_nobody(target: str) -> None:
    session = folkmoot.open(target)
    twin = aio.Session(session)

    async def abandon() -> None:
        asyncio.ensure_future(twin.create("/a"))
        await asyncio.sleep(0)

    asyncio.run(abandon())
    session.sync()
    assert session.exists("/a") is not None

    async def again() -> None:
        assert await twin.create("/b") == "/b"

    run(again())
    session.close()


def test_loops_of_two_threads_share_a_session(target: str) -> None:
    session = folkmoot.open(target)
    twin = aio.Session(session)
    failures = []

    async def body(name: str) -> None:
        for number in range(50):
            await twin.create(f"/{name}{number}")

    def in_thread(name: str) -> None:
        try:
            run(body(name))
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=in_thread, args=(name,)) for name in "xy"]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert not failures
    assert session.count_descendants("/") >= 100
    session.close()
