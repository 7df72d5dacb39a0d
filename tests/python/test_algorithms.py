"""hashing, election, heartbeat: the same values as in Rust and as the golden files say."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import textwrap

import pytest

import folkmoot
from folkmoot.election import (
    Ballot,
    Electorate,
    LastVote,
    Outcome,
    Tally,
    queue_order,
    sequence_name,
    sequence_of,
    sequence_precedes,
    waits_for,
)
from folkmoot.hashing import RING_SIZE, Move, Ring, fm1
from folkmoot.heartbeat import Due, FixedTimeout, Schedule, Silence

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "data" / "hashing"


def test_fm1_is_frozen() -> None:
    lines = [line for line in (GOLDEN / "fm1.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(lines) > 10
    for line in lines:
        key, value = line.split("\t")
        assert fm1(bytes.fromhex(key)) == int(value, 16)
    assert fm1("größer") == fm1("größer".encode())
    assert fm1(7) == fm1((7).to_bytes(8, "little"))
    assert fm1(-1) == fm1(b"\xff" * 8)
    with pytest.raises(TypeError):
        fm1(1.5)  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        fm1(1 << 70)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("ring-*.txt")), ids=lambda path: path.stem)
def test_rings_are_frozen(path: pathlib.Path) -> None:
    size = points = 0
    nodes = {}
    owners = []
    for line in path.read_text().splitlines():
        words = line.split()
        if line.startswith("# ring "):
            size, points = int(words[2]), int(words[3])
        elif line.startswith("# node "):
            nodes[words[2]] = int(words[3])
        elif not line.startswith("#"):
            owners.append(line.split("\t"))
    ring = Ring(nodes, size=size, points_per_weight=points)
    assert ring.nodes == nodes and ring.size == size and ring.points_per_weight == points
    assert [(key, ring.locate(key)) for key, _ in owners] == [(key, owner) for key, owner in owners]


def test_a_ring_is_a_value() -> None:
    ring = Ring(["a", "b", "c"])
    assert len(ring) == 3 and "a" in ring and b"a" in ring and "d" not in ring
    assert ring == Ring(["c", "b", "a"]) and hash(ring) == hash(Ring(["c", "b", "a"])) and ring != Ring(["a"])
    bigger = ring.with_node("d", weight=2)
    assert ring.weight("d") is None and bigger.weight("d") == 2
    assert bigger.without_node("d") == ring
    moves = ring.diff(bigger)
    assert moves and all(isinstance(move, Move) and move.target == "d" and move.source in "abc" for move in moves)
    assert 0.2 < ring.moved(bigger) < 0.6
    assert sum(bigger.shares().values()) == pytest.approx(1.0)
    replicas = ring.locate_n("key", 5)
    assert sorted(replicas) == ["a", "b", "c"] and replicas[0] == ring.locate("key") == ring.owner_at(ring.position("key"))
    assert ring.size == RING_SIZE
    assert Ring().locate("key") is None
    odd = Ring([b"\xff\xfe"])
    name = odd.locate("key")
    assert name is not None and name in odd and name.encode("utf-8", "surrogateescape") == b"\xff\xfe"
    with pytest.raises(folkmoot.BadArgumentsError):
        ring.without_node("d")
    with pytest.raises(folkmoot.BadArgumentsError):
        ring.with_node("d", weight=0)


def test_votes_elect() -> None:
    electorate = Electorate({1: 10, 2: 5, 3: 0})
    assert (len(electorate), electorate.majority, electorate.priorities) == (3, 2, {1: 10, 2: 5, 3: 0})
    assert electorate.choose([2, 3]) == 2 and electorate.choose([3]) is None
    tally = Tally(electorate, 1)
    assert tally.outcome == Outcome("undecided")
    voter = LastVote(3)
    assert voter.ballot is None
    assert tally.cast(voter.vote(1, 1)) == Outcome("undecided")
    assert tally.cast(Ballot(term=1, voter=1, candidate=1)) == Outcome("elected", 1)
    assert voter.ballot == Ballot(1, 3, 1)
    assert (tally.term, tally.vote_of(3), tally.votes_for(1)) == (1, 1, 2)
    with pytest.raises(folkmoot.InvalidStateError):
        voter.vote(1, 2)
    with pytest.raises(folkmoot.BadArgumentsError):
        tally.cast((1, 9, 1))
    tally.advance(2)
    assert tally.outcome.winner is None
    with pytest.raises(folkmoot.BadArgumentsError):
        Electorate({})


def test_queueing() -> None:
    assert waits_for([(3, False), (1, False), (2, True)]) == [2, None, 1]
    assert sequence_of("lock-0000000007", "lock-") == 7 and sequence_of("other", "lock-") is None
    assert sequence_name("lock-", 7) == "lock-0000000007" and sequence_name("lock-", -(2**31)) == "lock--2147483648"
    # After the greatest number comes the least.
    assert sequence_precedes(2**31 - 1, -(2**31)) and not sequence_precedes(7, 7)
    assert queue_order([-(2**31), 2**31 - 1, 2**31 - 2]) == [2, 1, 0] and queue_order([]) == []


def test_sequential_names_are_the_trees(session: folkmoot.Session) -> None:
    session.create("/q")
    for number in range(3):
        session.create("/q/n-", sequential=True)
        assert session.exists("/q/" + sequence_name("n-", number)) is not None


def test_beats() -> None:
    schedule = Schedule(100, first_ms=50)
    assert schedule.period_ms == 100 and schedule.next_wakeup == 50
    assert schedule.poll(49) is None
    assert schedule.poll(260) == Due(seq=2, scheduled_ms=250, missed=2)
    detector = FixedTimeout(300, 1000)
    assert detector.beat(1, 0, 0) == "new" and detector.watch(2, 0) and not detector.watch(2, 0)
    assert detector.poll(299) == [] and detector.is_trusted(1)
    assert detector.poll(300) == [Silence(1, "suspect", 300), Silence(2, "suspect", 300)]
    assert detector.beat(1, 1, 310) == "restored" and detector.beat(1, 1, 311) == "stale" and detector.told(2) == "suspect"
    detector.paused(10)
    assert detector.poll(1010)[-1] == Silence(2, "expire", 1010)
    assert detector.beat(2, 5, 1020) == "expired" and detector.forget(2) and len(detector) == 1
    assert detector.next_wakeup is not None
    with pytest.raises(folkmoot.BadArgumentsError):
        FixedTimeout(0, 1)


def test_an_error_is_made_with_nothing_locked() -> None:
    """Other threads run while it is, and may ask the same object."""
    source = """
        import folkmoot
        last, made = folkmoot.election.LastVote(1), folkmoot.FolkmootError.__init__
        last.vote(1, 2)

        def asks(self, *args):
            made(self, *args)
            print(last.ballot.candidate)

        folkmoot.FolkmootError.__init__ = asks
        try:
            last.vote(1, 3)
        except folkmoot.InvalidStateError:
            print("refused")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(source)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\nrefused\n", "")
