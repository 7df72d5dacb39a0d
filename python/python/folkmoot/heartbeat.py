"""When to beat, and who has fallen silent. Told the time in milliseconds, from any origin; reads no clock.

    detector = FixedTimeout(suspect_after_ms=300, expire_after_ms=1000)
    detector.beat(peer=1, seq=0, now_ms=0)
    detector.poll(now_ms=400)            # [Silence(peer=1, kind='suspect', at_ms=300)]
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from ._native import FixedTimeout, Schedule

__all__ = ["Due", "FixedTimeout", "Schedule", "Silence"]


class Due(NamedTuple):
    """A beat that is due."""

    seq: int
    scheduled_ms: int
    missed: int


class Silence(NamedTuple):
    """A peer fell silent: ``suspect`` may be a mistake, ``expire`` is final."""

    peer: int
    kind: Literal["suspect", "expire"]
    at_ms: int
