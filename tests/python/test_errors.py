"""Every kind of error has its class, and each class says what it has to."""

from __future__ import annotations

import pickle

import pytest

import folkmoot
from folkmoot import errors
from folkmoot._native import ERROR_KINDS


def classes() -> dict:
    return {
        cls.code: cls
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, errors.FolkmootError) and cls is not errors.FolkmootError
    }


def test_every_kind_has_its_class() -> None:
    written = classes()
    assert {code: written[code].kind for code in ERROR_KINDS.values()} == {code: name for name, code in ERROR_KINDS.items()}
    assert set(written) == set(ERROR_KINDS.values())


def test_each_class_is_exported_and_made_by_its_code() -> None:
    for code, cls in classes().items():
        assert getattr(folkmoot, cls.__name__) is cls
        error = errors.error_for_code(code, "words", "/a")
        assert type(error) is cls
        assert (error.code, error.context, error.path, str(error)) == (code, "words", "/a", "words")
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.context, again.path) == (cls, "words", "/a")


def test_builtin_bases() -> None:
    assert issubclass(folkmoot.OperationTimeoutError, TimeoutError)
    assert issubclass(folkmoot.NoNodeError, LookupError)
    assert issubclass(folkmoot.BadArgumentsError, ValueError)
    assert issubclass(folkmoot.ConnectionLossError, ConnectionError)
    assert issubclass(folkmoot.NoAuthError, PermissionError)
    assert issubclass(folkmoot.DiskFullError, OSError)


def test_a_code_of_the_future_is_an_error_too() -> None:
    error = errors.error_for_code(-4711, "new")
    assert isinstance(error, folkmoot.FolkmootError)
    assert error.code == -4711


def test_what_is_raised_names_path_and_code(session: folkmoot.Session) -> None:
    with pytest.raises(folkmoot.NoNodeError) as caught:
        session.get("/none")
    assert caught.value.path == "/none"
    assert caught.value.code == -101
    session.create("/a")
    with pytest.raises(folkmoot.BadVersionError) as stale:
        session.set("/a", b"x", version=5)
    assert stale.value.path == "/a"
    with pytest.raises(folkmoot.NodeExistsError):
        session.create("/a")
    session.create("/a/b")
    with pytest.raises(folkmoot.NotEmptyError):
        session.delete("/a")


@pytest.mark.parametrize("target", ["etcd://x", "memory:?tiem=virtual", ""])
def test_targets_that_mean_nothing(target: str) -> None:
    with pytest.raises(folkmoot.BadArgumentsError):
        folkmoot.open(target)


def test_arguments_of_the_wrong_type(session: folkmoot.Session) -> None:
    with pytest.raises(TypeError):
        session.create("/a", "text")  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        session.get(b"/a")  # type: ignore[arg-type]
    with pytest.raises(folkmoot.BadArgumentsError, match="mode"):
        session.create("/a", mode="eternal")
    with pytest.raises(folkmoot.BadArgumentsError, match="ephemeral and ttl"):
        session.create("/a", ephemeral=True, ttl=3)
    with pytest.raises(folkmoot.BadArgumentsError, match="ttl"):
        session.create("/a", mode="ttl")
    with pytest.raises(folkmoot.BadArgumentsError, match="kind"):
        session.remove_watches("/a", "all")
    with pytest.raises(folkmoot.BadArgumentsError):
        session.create("/..")


def test_a_closed_session_says_so() -> None:
    session = folkmoot.open("memory:")
    session.close()
    with pytest.raises(folkmoot.FolkmootError) as caught:
        session.get("/")
    assert caught.value.kind in ("Closed", "SessionExpired", "Closing")
    with pytest.raises(folkmoot.FolkmootError):
        session.create("/a")


def test_what_became_of_a_write() -> None:
    with folkmoot.Member.open("memory:") as member:
        session = member.session()
        session.create("/a")
        with pytest.raises(folkmoot.NodeExistsError):
            session.create("/a")
        done = member.outcome(session.id, 2)
        assert done.kind == "done" and isinstance(done.error, folkmoot.NodeExistsError)
        assert member.outcome(session.id, 3) == ("pending", None)
        session.close()
        assert member.outcome(session.id, 3) == ("never", None)
        assert member.outcome(session.id, 1) == ("forgotten", None), "it was answered, and the next write said so"
        assert member.outcome(77, 1) == ("forgotten", None)
    unknown = folkmoot.OutcomeUnknownError("x")
    assert unknown.session is None and unknown.write is None
