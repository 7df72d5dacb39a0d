"""Who holds an office: by votes or by queueing. Pure functions of what was received.

    electorate = Electorate({1: 10, 2: 5, 3: 5})        # voter: priority
    tally = Tally(electorate, term=1)
    tally.cast(LastVote(2).vote(term=1, candidate=electorate.choose([1, 2])))
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Optional

from ._native import Electorate, LastVote, Tally, queue_order, sequence_name, sequence_of, sequence_precedes, waits_for

__all__ = [
    "Ballot",
    "Electorate",
    "LastVote",
    "Outcome",
    "Tally",
    "queue_order",
    "sequence_name",
    "sequence_of",
    "sequence_precedes",
    "waits_for",
]


class Ballot(NamedTuple):
    """One vote, as it travels."""

    term: int
    voter: int
    candidate: int


class Outcome(NamedTuple):
    """How an election stands."""

    state: Literal["elected", "undecided", "split"]
    winner: Optional[int] = None
