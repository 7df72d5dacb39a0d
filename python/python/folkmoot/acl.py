"""Access control lists, ready made."""

from __future__ import annotations

import base64
import hashlib
from typing import List

from .types import ACL, Id


class Permissions:
    """Bits that may be joined with ``|``."""

    READ = 1
    WRITE = 2
    CREATE = 4
    DELETE = 8
    ADMIN = 16
    ALL = 31


OPEN: List[ACL] = [ACL(Permissions.ALL, Id("world", "anyone"))]
"""Everyone may do everything."""
READ: List[ACL] = [ACL(Permissions.READ, Id("world", "anyone"))]
"""Everyone may read."""
CREATOR: List[ACL] = [ACL(Permissions.ALL, Id("auth", ""))]
"""Whoever the creator has authenticated as may do everything."""


def digest_id(user: str, password: str) -> Id:
    """The digest identity of someone who knows ``password``: what `Session.add_auth` proves."""
    digest = base64.b64encode(hashlib.sha1(f"{user}:{password}".encode()).digest()).decode()
    return Id("digest", f"{user}:{digest}")


def digest(user: str, password: str, perms: int = Permissions.ALL) -> ACL:
    """An entry for someone who knows ``password``."""
    return ACL(perms, digest_id(user, password))
