"""What a member knows of its ensemble, from Python and from the program."""

from __future__ import annotations

import asyncio
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Callable, Dict, Iterator, List

import pytest

import folkmoot
from folkmoot import MemberRole, aio

PATIENCE = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def until(holds: Callable[[], bool], describe: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"never: {describe}"
        threading.Event().wait(0.02)


@pytest.fixture
def three(tmp_path: pathlib.Path) -> Iterator[List[folkmoot.Member]]:
    """Members 1 to 3 in this process, the higher ones with more priority; 3 leads and all have been heard."""
    peers = "".join(f"&peer={id}=127.0.0.1:{free_port()}" for id in (1, 2, 3))
    members = [folkmoot.Member.open(f"ensemble:{tmp_path}/{id}?id={id}&priority={10 * id}{peers}") for id in (1, 2, 3)]

    def settled(member: folkmoot.Member) -> bool:
        seen = member.ensemble()
        return seen.leader == 3 and all(one.silent_ms is not None and not one.suspected for one in seen.members)

    for member in members:
        until(lambda: settled(member), "all hear each other and 3 leads")
    yield members
    for member in members:
        member.close()


def test_every_member_sees_all(three: List[folkmoot.Member]) -> None:
    for member, id in zip(three, (1, 2, 3)):
        seen = member.ensemble()
        assert (seen.id, seen.leader) == (id, 3) and seen.term > 0 and seen.applied <= seen.committed
        assert [(one.id, one.priority, one.is_self) for one in seen.members] == [(1, 10, id == 1), (2, 20, id == 2), (3, 30, id == 3)]
        assert [one.role for one in seen.members] == [MemberRole.FOLLOWER, MemberRole.FOLLOWER, MemberRole.LEADER]
        assert [one.matched is not None for one in seen.members] == [id in (one, 3) for one in (1, 2, 3)]
        with pytest.raises(AttributeError):
            seen.term = 7  # type: ignore[misc]


def test_leadership_is_handed_over(three: List[folkmoot.Member]) -> None:
    with pytest.raises(folkmoot.InvalidStateError):
        three[0].transfer(2)
    with pytest.raises(folkmoot.BadArgumentsError):
        three[2].transfer(9)
    three[2].transfer(1)
    assert three[2].ensemble().members[2].role is not MemberRole.LEADER
    until(lambda: three[2].ensemble().leader == 1, "1 leads")


def test_who_is_gone_is_suspected(three: List[folkmoot.Member]) -> None:
    three[2].close()
    for member in three[:2]:
        until(lambda: member.ensemble().members[2].suspected, "3 is suspected")
        seen = member.ensemble()
        assert not seen.members[2].linked and seen.members[2].silent_ms >= 1000
        assert not seen.members[0].suspected and not seen.members[1].suspected
    until(lambda: three[0].ensemble().leader == 2, "the next by priority leads")


def test_one_alone_has_none() -> None:
    with folkmoot.Member.open("memory:") as member:
        with pytest.raises(folkmoot.InvalidStateError, match="alone"):
            member.ensemble()
        with pytest.raises(folkmoot.InvalidStateError, match="alone"):
            member.transfer()


def test_the_asyncio_twin(tmp_path: pathlib.Path) -> None:
    async def body() -> None:
        async with aio.Member.open(f"ensemble:{tmp_path}/1?id=1&peer=1=127.0.0.1:{free_port()}") as member:
            async with member.session():  # which needs a leader
                seen = await member.ensemble()
                assert [one.id for one in seen.members] == [1]
                with pytest.raises(folkmoot.InvalidStateError, match="no other voter"):
                    await member.transfer()

    asyncio.run(asyncio.wait_for(body(), PATIENCE))


PROGRAM = [sys.executable, "-c", "import sys; from folkmoot._cli import main; sys.exit(main())"]


def ask(port: int, word: bytes) -> str:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(word)
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


def status(port: int) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*PROGRAM, "status", f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=PATIENCE)


def test_status_prints_who_leads_and_who_is_silent(tmp_path: pathlib.Path) -> None:
    settings = tmp_path / "zoo.cfg"
    settings.write_text("4lw.commands.whitelist=mntr\nclientPort=0\nclientPortAddress=127.0.0.1\n")
    peers = [argument for id in (1, 2, 3) for argument in ("--peer", f"{id}=127.0.0.1:{free_port()}")]
    processes: Dict[int, subprocess.Popen[str]] = {}
    ports: Dict[int, int] = {}
    admin = free_port()
    try:
        for id in (1, 2, 3):
            arguments = ["serve", "--config", str(settings), "--data", str(tmp_path / str(id)), "--id", str(id), "--priority", str(10 * id), *peers]
            arguments += ["--admin", f"127.0.0.1:{admin}"] if id == 3 else []
            processes[id] = subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            out = processes[id].stdout
            assert out is not None
            ports[id] = int(out.readline().split(":")[-1])

        def rows(asked: int) -> Dict[int, List[str]]:
            lines = ask(ports[asked], b"fmst").splitlines()
            return {int(line.split()[0]): line.split() for line in lines[2:]}

        def settled(asked: int) -> bool:
            table = rows(asked)
            return table[3][1] == "leader" and all("suspected" not in row and "never" not in row for row in table.values())

        for id in (1, 2, 3):
            until(lambda: settled(id), f"{id} hears all and 3 leads")
        printed = status(ports[1])
        assert printed.returncode == 0 and printed.stderr == ""
        head, titles, *table = printed.stdout.splitlines()
        assert head.startswith("member 3 leads in term ") and "asked: member 1, zxid 0x" in head
        assert titles.split() == ["MEMBER", "ROLE", "PRIORITY", "LAST", "HEARD", "SUSPECTED", "LAG"]
        assert [row.split()[:3] for row in table] == [["1", "follower", "10"], ["2", "follower", "20"], ["3", "leader", "30"]]

        def monitored(id: int) -> Dict[str, str]:
            return dict(line.split("\t", 1) for line in ask(ports[id], b"mntr").splitlines())  # type: ignore[misc]

        until(lambda: monitored(3).get("zk_synced_followers") == "2", "both followers are in step")
        leader, follower = monitored(3), monitored(1)
        assert (leader["zk_server_state"], follower["zk_server_state"]) == ("leader", "follower")
        assert (leader["zk_followers"], leader["zk_learners"], leader["zk_quorum_size"]) == ("2", "2", "3")
        assert "zk_followers" not in follower and follower["zk_quorum_size"] == "3"
        assert "Mode: leader" in ask(ports[3], b"srvr") and "Mode: follower" in ask(ports[1], b"srvr")

        def page() -> List[str]:
            with socket.create_connection(("127.0.0.1", admin), PATIENCE) as connection:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return b"".join(iter(lambda: connection.recv(4096), b"")).decode().splitlines()

        assert {'folkmoot_peer_suspected{peer="1"} 0', 'folkmoot_ensemble_role{member="3",role="leader"} 1', "folkmoot_ensemble_leader 3"} <= set(page())

        # A process that is stopped keeps its links: only its silence shows. Followers see each other's, too.
        processes[1].send_signal(signal.SIGSTOP)
        for id in (2, 3):
            until(lambda: "suspected" in rows(id)[1], f"{id} suspects 1")
            assert "suspected" not in rows(id)[5 - id]
        until(lambda: 'folkmoot_peer_suspected{peer="1"} 1' in page(), "the metrics say so")
        until(lambda: monitored(3)["zk_followers"] == "1", "it counts no longer")
        processes[1].send_signal(signal.SIGCONT)
        for id in (2, 3):
            until(lambda: "suspected" not in rows(id)[1], f"{id} hears 1 again")

        for id in (1, 2):
            processes[id].kill()
            processes[id].wait()
        until(lambda: ask(ports[3], b"fmst").startswith("nobody leads"), "one of three does not lead, and still answers")
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
    gone = status(ports[3])
    assert gone.returncode == 1 and gone.stdout == "" and f"127.0.0.1:{ports[3]}: nobody answers" in gone.stderr


def test_status_of_one_alone() -> None:
    with folkmoot.Member.open("memory:") as member:
        printed = status(member.listen())
        assert printed.returncode == 0 and printed.stdout.startswith("one member alone, zxid 0x")
