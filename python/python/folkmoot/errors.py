"""What goes wrong, one class for each kind; `FolkmootError` catches them all.

The names are kazoo's where kazoo has one. ``code`` is ZooKeeper's number, or one of ours (-1000 and
below). ``path`` is the znode the request was about, ``context`` the text without the path's kind.
"""

from __future__ import annotations

from typing import Any, ClassVar, Dict, Optional, Tuple, Type

from ._native import ERROR_KINDS


class FolkmootError(Exception):
    """Base of all errors of this package."""

    code: ClassVar[int] = 0
    kind: ClassVar[str] = "Error"

    context: str
    path: Optional[str]

    def __init__(self, context: str = "", path: Optional[str] = None) -> None:
        super().__init__(context)
        self.context = context
        self.path = path

    def __str__(self) -> str:
        return self.context or (f"{self.kind}: {self.path}" if self.path else self.kind)

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.context, self.path), self.__dict__


class SystemFaultError(FolkmootError):
    """Something that should not happen did."""

    code = -1
    kind = "SystemError"


class RuntimeInconsistencyError(FolkmootError):
    """In a failed multi: an operation after the one that failed."""

    code = -2
    kind = "RuntimeInconsistency"


class DataInconsistencyError(FolkmootError):
    """Stored data contradicts itself."""

    code = -3
    kind = "DataInconsistency"


class ConnectionLossError(FolkmootError, ConnectionError):
    """The reply was lost: the write may be committed, or may never be. Read before writing again."""

    code = -4
    kind = "ConnectionLoss"


class MarshallingError(FolkmootError):
    """The request could not be read."""

    code = -5
    kind = "MarshallingError"


class UnimplementedError(FolkmootError, NotImplementedError):
    """This member does not do that."""

    code = -6
    kind = "Unimplemented"


class OperationTimeoutError(FolkmootError, TimeoutError):
    """No answer within the time given."""

    code = -7
    kind = "OperationTimeout"


class BadArgumentsError(FolkmootError, ValueError):
    """An argument is not valid: the text names it."""

    code = -8
    kind = "BadArguments"


class InvalidStateError(FolkmootError, RuntimeError):
    """The handle is not in a state to do that."""

    code = -9
    kind = "InvalidState"


class UnknownSessionError(FolkmootError):
    """No such session."""

    code = -12
    kind = "UnknownSession"


class NoNodeError(FolkmootError, LookupError):
    """Nothing at that path."""

    code = -101
    kind = "NoNode"


class NoAuthError(FolkmootError, PermissionError):
    """The requester's identities do not allow it."""

    code = -102
    kind = "NoAuth"


class BadVersionError(FolkmootError):
    """The znode has moved past the version the caller named. Nothing was changed."""

    code = -103
    kind = "BadVersion"


class NoChildrenForEphemeralsError(FolkmootError):
    """An ephemeral znode cannot have children."""

    code = -108
    kind = "NoChildrenForEphemerals"


class NodeExistsError(FolkmootError, FileExistsError):
    """There is a znode at that path already."""

    code = -110
    kind = "NodeExists"


class NotEmptyError(FolkmootError):
    """The znode has children."""

    code = -111
    kind = "NotEmpty"


class SessionExpiredError(FolkmootError):
    """The session is over; its ephemerals are gone."""

    code = -112
    kind = "SessionExpired"


class InvalidACLError(FolkmootError, ValueError):
    """The ACL is empty, or has an entry that means nothing."""

    code = -114
    kind = "InvalidAcl"


class AuthFailedError(FolkmootError, PermissionError):
    """The scheme is unknown, or it refused the credential."""

    code = -115
    kind = "AuthFailed"


class ClosingError(FolkmootError):
    """The handle is being closed."""

    code = -116
    kind = "Closing"


class SessionMovedError(FolkmootError):
    """The session has been attached elsewhere since."""

    code = -118
    kind = "SessionMoved"


class NotReadOnlyError(FolkmootError):
    """A write was sent to a read-only member."""

    code = -119
    kind = "NotReadOnly"


class NoWatcherError(FolkmootError):
    """No such watch is registered."""

    code = -121
    kind = "NoWatcher"


class ReconfigDisabledError(FolkmootError):
    """Changing the members by request is off."""

    code = -123
    kind = "ReconfigDisabled"


class AuthRequiredError(FolkmootError, PermissionError):
    """The session must authenticate first, and was closed."""

    code = -124
    kind = "AuthRequired"


class QuotaExceededError(FolkmootError):
    """The write would exceed a hard quota."""

    code = -125
    kind = "QuotaExceeded"


class ThrottledError(FolkmootError):
    """The member has as much waiting as it takes: try again later."""

    code = -127
    kind = "Throttled"


class PanicError(FolkmootError):
    """A bug of ours was caught; the member it happened in answers no more."""

    code = -1000
    kind = "Panic"


class ForkedError(FolkmootError, RuntimeError):
    """The process was forked: this handle belongs to the parent."""

    code = -1001
    kind = "Forked"


class BufferTooSmallError(FolkmootError):
    """The buffer is too small: the length needed is told."""

    code = -1002
    kind = "BufferTooSmall"


class DiskFullError(FolkmootError, OSError):
    """The disk is full: this write changed nothing, and later ones may pass once there is room."""

    code = -1003
    kind = "DiskFull"


class CorruptError(FolkmootError):
    """A file contradicts its checksum: the text names file and offset."""

    code = -1004
    kind = "Corrupt"


class FencedError(FolkmootError):
    """The token is stale: someone else has been granted the lock or office since."""

    code = -1005
    kind = "Fenced"


class OutcomeUnknownError(FolkmootError):
    """It is not known whether the write was committed: ask for its outcome, or read.

    ``session`` and ``write`` say which one it is, for `Member.outcome`, in another life of the process too.
    """

    code = -1006
    kind = "OutcomeUnknown"

    session: Optional[int] = None
    write: Optional[int] = None


class InUseError(FolkmootError):
    """The directory is in use by another process: the text names its pid."""

    code = -1007
    kind = "InUse"


class DiskFailedError(FolkmootError, OSError):
    """Reading or writing a file failed for good: this member writes no more."""

    code = -1008
    kind = "DiskFailed"


class UnknownFormatError(FolkmootError):
    """A file is of a format this version does not know."""

    code = -1009
    kind = "UnknownFormat"


class LimitExceededError(FolkmootError):
    """A bound of `limits` was met: the text names it."""

    code = -1010
    kind = "LimitExceeded"


class ClosedError(FolkmootError):
    """The handle is closed."""

    code = -1011
    kind = "Closed"


class WaitInterruptedError(FolkmootError, InterruptedError):
    """A wait was interrupted by the caller."""

    code = -1012
    kind = "Interrupted"


class WouldDeadlockError(FolkmootError, RuntimeError):
    """The call would wait for its own thread."""

    code = -1013
    kind = "WouldDeadlock"


_BY_CODE: Dict[int, Type[FolkmootError]] = {
    cls.code: cls
    for cls in (
        SystemFaultError,
        RuntimeInconsistencyError,
        DataInconsistencyError,
        ConnectionLossError,
        MarshallingError,
        UnimplementedError,
        OperationTimeoutError,
        BadArgumentsError,
        InvalidStateError,
        UnknownSessionError,
        NoNodeError,
        NoAuthError,
        BadVersionError,
        NoChildrenForEphemeralsError,
        NodeExistsError,
        NotEmptyError,
        SessionExpiredError,
        InvalidACLError,
        AuthFailedError,
        ClosingError,
        SessionMovedError,
        NotReadOnlyError,
        NoWatcherError,
        ReconfigDisabledError,
        AuthRequiredError,
        QuotaExceededError,
        ThrottledError,
        PanicError,
        ForkedError,
        BufferTooSmallError,
        DiskFullError,
        CorruptError,
        FencedError,
        OutcomeUnknownError,
        InUseError,
        DiskFailedError,
        UnknownFormatError,
        LimitExceededError,
        ClosedError,
        WaitInterruptedError,
        WouldDeadlockError,
    )
}


def error_for_code(code: int, context: str = "", path: Optional[str] = None) -> FolkmootError:
    """The error with this code; a plain `FolkmootError` with that ``code`` if this version has no class for it."""
    cls = _BY_CODE.get(code)
    if cls is None:
        name = next((name for name, known in ERROR_KINDS.items() if known == code), "Error")
        cls = type(f"{name}Error", (FolkmootError,), {"code": code, "kind": name})
        _BY_CODE[code] = cls
    return cls(context, path)


__all__ = [
    "FolkmootError",
    "SystemFaultError",
    "RuntimeInconsistencyError",
    "DataInconsistencyError",
    "ConnectionLossError",
    "MarshallingError",
    "UnimplementedError",
    "OperationTimeoutError",
    "BadArgumentsError",
    "InvalidStateError",
    "UnknownSessionError",
    "NoNodeError",
    "NoAuthError",
    "BadVersionError",
    "NoChildrenForEphemeralsError",
    "NodeExistsError",
    "NotEmptyError",
    "SessionExpiredError",
    "InvalidACLError",
    "AuthFailedError",
    "ClosingError",
    "SessionMovedError",
    "NotReadOnlyError",
    "NoWatcherError",
    "ReconfigDisabledError",
    "AuthRequiredError",
    "QuotaExceededError",
    "ThrottledError",
    "PanicError",
    "ForkedError",
    "BufferTooSmallError",
    "DiskFullError",
    "CorruptError",
    "FencedError",
    "OutcomeUnknownError",
    "InUseError",
    "DiskFailedError",
    "UnknownFormatError",
    "LimitExceededError",
    "ClosedError",
    "WaitInterruptedError",
    "WouldDeadlockError",
    "error_for_code",
]
