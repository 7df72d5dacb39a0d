"""Which node owns a key: consistent hashing.

    slots = SlotMap(["a", "b", "c"], replicas=2)
    slots.locate("some key")             # 'b'
    slots.replicas("some key")           # ['b', 'c']
    bigger = slots.with_node("d", weight=2, domain="zone-2/rack-7")
    slots.plan(bigger).moves             # who takes over which slots from whom, and nothing else moves
    SlotMap.from_bytes(bigger.to_bytes())

    ring = Ring(["a", "b", "c"])
    ring.locate("some key")              # 'b', in every process that knows the same nodes
    bigger = ring.with_node("d")
    ring.diff(bigger)                    # which ranges of positions changed hands

Keys are str, bytes or int, and for slot maps tuples of these; names are str or bytes, and come back as str.

`SlotMap` is the one to take. "coordinated", the default, works from the map before: whoever the group elects makes the next map and
stores its bytes. "rendezvous" needs the set of nodes only. `Ketama`, `Maglev`, `jump` and `redis_slot` find keys where other
programs put them.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from ._native import RING_SIZE, Ketama, Maglev, Ring, SlotMap, fm1, jump, key_of, redis_slot

__all__ = [
    "RING_SIZE",
    "Ketama",
    "Maglev",
    "Move",
    "Plan",
    "Ring",
    "SlotMap",
    "SlotMove",
    "Standing",
    "fm1",
    "jump",
    "key_of",
    "plot",
    "redis_slot",
]


class Move(NamedTuple):
    """Positions ``lo`` to ``hi``, both included, that change hands. None: there was, or is, no node at all."""

    lo: int
    hi: int
    source: Optional[str]
    target: Optional[str]


class SlotMove(NamedTuple):
    """Slots ``slot_lo`` to ``slot_hi``, both included, that ``target`` takes over from ``source`` in column ``replica``.

    The keys whose hash is ``hash_lo`` to ``hash_hi`` are in them. None: the place was, or stays, vacant.
    """

    slot_lo: int
    slot_hi: int
    hash_lo: int
    hash_hi: int
    replica: int
    source: Optional[str]
    target: Optional[str]


class Plan(NamedTuple):
    """All that moves from one slot map to another, in ascending order of slots.

    ``moved_slots`` replicas of slots have to be taken over; ``least_slots`` is the least that any change between two maps of these
    loads would move; in ``promoted_slots`` slots the owner is one that held a replica before; all are of ``whole_slots``.
    """

    moves: list[SlotMove]
    moved_slots: int
    least_slots: int
    promoted_slots: int
    whole_slots: int

    @property
    def moved(self) -> float:
        """The fraction that moves, 0.0 to 1.0."""
        return self.moved_slots / self.whole_slots

    @property
    def lower_bound(self) -> float:
        """The least fraction that could have moved."""
        return self.least_slots / self.whole_slots


class Standing(NamedTuple):
    """What a slot map could do of what was asked.

    Each slot has ``replicas`` replicas; they differ in the first ``level`` labels of their domains, 0: they are different nodes.
    ``capped`` domains (at level 0 nodes) have a weight that asks for more than every slot once.
    """

    replicas: int
    level: int
    capped: int


def plot(slots: SlotMap, after: Optional[SlotMap] = None) -> str:
    """Return the loads of a slot map as an SVG document; with ``after``, what moves from ``slots`` to it.

    `SlotMap.text` is the same for terminals.
    """
    return slots.svg(after)
