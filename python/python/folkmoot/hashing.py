"""Which node owns a key: consistent hashing.

    ring = Ring(["a", "b", "c"])
    ring.locate("some key")              # 'b', in every process that knows the same nodes
    bigger = ring.with_node("d")
    ring.diff(bigger)                    # which ranges of positions changed hands

Keys are str, bytes or int; names are str or bytes, and come back as str.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from ._native import RING_SIZE, Ring, fm1

__all__ = ["RING_SIZE", "Move", "Ring", "fm1"]


class Move(NamedTuple):
    """Positions ``lo`` to ``hi``, both included, that change hands. None: there was, or is, no node at all."""

    lo: int
    hi: int
    source: Optional[str]
    target: Optional[str]

