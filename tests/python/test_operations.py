"""Every operation, blocking."""

from __future__ import annotations

import pathlib
import pickle

import pytest

import folkmoot
from folkmoot import CreateMode, Request, Stat, acl


def test_create_get_set_delete(session: folkmoot.Session) -> None:
    assert session.create("/a", b"one") == "/a"
    data, stat = session.get("/a")
    assert data == b"one"
    assert stat.version == 0
    changed = session.set("/a", b"two", version=stat.version)
    assert changed.version == 1
    assert session.get("/a") == (b"two", changed)
    session.delete("/a", version=1)
    assert session.exists("/a") is None


def test_null_and_empty_are_kept_apart(session: folkmoot.Session) -> None:
    session.create("/null", None)
    session.create("/empty")
    assert session.get("/null")[0] is None
    assert session.get("/empty")[0] == b""
    session.set("/empty", None)
    session.set("/null", bytearray(b"x"))
    assert session.get("/empty")[0] is None
    assert session.get("/null")[0] == b"x"


def test_stat_is_kazoos(session: folkmoot.Session) -> None:
    path, made = session.create("/a", b"12345", include_stat=True)
    session.create("/a/b")
    stat = session.exists("/a")
    assert path == "/a" and stat is not None
    assert stat._fields == ("czxid", "mzxid", "ctime", "mtime", "version", "cversion", "aversion", "ephemeralOwner", "dataLength", "numChildren", "pzxid")  # fmt: skip
    assert [getattr(stat, name) for name in stat._fields] == list(stat)
    assert (stat.dataLength, stat.data_length, stat.numChildren, stat.num_children) == (5, 5, 1, 1)
    assert stat.czxid == made.czxid < stat.pzxid
    assert stat[0] == stat.czxid and stat[-1] == stat.pzxid and len(stat) == 11
    with pytest.raises(IndexError):
        stat[11]
    assert stat == Stat._make(list(stat)) == tuple(stat) and stat != made and stat != "x"
    assert hash(stat) == hash(Stat._make(list(stat)))
    assert pickle.loads(pickle.dumps(stat)) == stat
    assert stat._asdict()["cversion"] == 1
    assert "version=0" in repr(stat)
    assert abs(stat.ctime / 1000 - session.member.now_ms() / 1000) < 60


def test_modes(session: folkmoot.Session) -> None:
    session.create("/q")
    assert session.create("/q/n-", sequential=True) == "/q/n-0000000000"
    assert session.create("/q/n-", mode="persistent_sequential") == "/q/n-0000000001"
    assert session.create("/q/e-", ephemeral=True, sequential=True) == "/q/e-0000000002"
    assert session.create("/q/e", mode=CreateMode.EPHEMERAL) == "/q/e"
    assert session.ephemerals() == ["/q/e", "/q/e-0000000002"]
    assert session.ephemerals("/q/e-") == ["/q/e-0000000002"]
    assert session.exists("/q/e").ephemeralOwner == session.id  # type: ignore[union-attr]
    with pytest.raises(folkmoot.NoChildrenForEphemeralsError):
        session.create("/q/e/child")
    session.create("/box", mode="container")
    session.create("/t", ttl=1.5)
    # As ZooKeeper's: such znodes show no owner.
    assert session.exists("/box").ephemeralOwner == session.exists("/t").ephemeralOwner == 0  # type: ignore[union-attr]


def test_children(session: folkmoot.Session) -> None:
    for name in ("b", "a", "c"):
        session.create(f"/{name}")
    names = session.children("/")
    assert sorted(name for name in names if name != "zookeeper") == ["a", "b", "c"]
    listed, stat = session.children("/a", include_stat=True)
    assert listed == [] and stat.numChildren == 0
    session.ensure_path("/a/x/y")
    session.ensure_path("/a/x/y")
    assert session.children("/a/x") == ["y"]
    assert session.count_descendants("/a") == 2


def test_acl(session: folkmoot.Session) -> None:
    session.add_auth("digest", "ann:secret")
    assert acl.digest_id("ann", "secret") in session.who_am_i()
    session.create("/mine", b"x", acl=acl.CREATOR)
    got, stat = session.get_acl("/mine")
    assert got == [acl.digest("ann", "secret")]
    assert got[0].id.scheme == "digest" and got[0].perms == acl.Permissions.ALL
    with session.member.session() as other:
        with pytest.raises(folkmoot.NoAuthError):
            other.get("/mine")
        changed = session.set_acl("/mine", acl.OPEN, version=stat.aversion)
        assert changed.aversion == 1
        assert other.get("/mine")[0] == b"x"
    with pytest.raises(folkmoot.InvalidACLError):
        session.create("/none", acl=[])
    with session.member.session(superuser=True) as root:
        session.set_acl("/mine", acl.CREATOR)
        assert root.get("/mine")[0] == b"x"


def test_transaction(session: folkmoot.Session) -> None:
    with session.transaction() as t:
        t.create("/a", b"1")
        t.create("/a/n-", sequential=True)
        t.set("/a", b"2")
        t.check("/a", 1)
        t.set_acl("/a", acl.OPEN)
        t.delete("/a/n-0000000000")
    assert t.committed
    assert t.results[:2] == ["/a", "/a/n-0000000000"]
    assert t.results[2].version == 1
    assert t.results[3] is None and t.results[5] is None
    assert session.get("/a")[0] == b"2"
    with pytest.raises(folkmoot.InvalidStateError):
        t.create("/late")
    with pytest.raises(folkmoot.InvalidStateError):
        t.commit()


def test_a_failed_transaction_changes_nothing(session: folkmoot.Session) -> None:
    session.create("/a")
    t = session.transaction()
    t.create("/b")
    t.check("/a", 7)
    t.create("/c")
    with pytest.raises(folkmoot.BadVersionError) as caught:
        t.commit()
    assert caught.value.path == "/a"
    assert caught.value.index == 1  # type: ignore[attr-defined]
    results = caught.value.results  # type: ignore[attr-defined]
    assert results[0] is None and isinstance(results[2], folkmoot.RuntimeInconsistencyError)
    assert session.exists("/b") is None
    with pytest.raises(KeyError):
        with session.transaction() as unsent:
            unsent.create("/d")
            raise KeyError
    assert not unsent.committed and session.exists("/d") is None
    answers = session.multi([Request.create("/b"), Request.delete("/none")])
    assert answers[0] is None and isinstance(answers[1], folkmoot.NoNodeError)


def test_multi_read(session: folkmoot.Session) -> None:
    session.create("/a", b"x")
    got, children, missing = session.multi_read([Request.get("/a"), Request.children("/a"), Request.get("/none")])
    assert got[0] == b"x" and children[0] == [] and isinstance(missing, folkmoot.NoNodeError)


def test_sync_and_zxid(session: folkmoot.Session) -> None:
    before = session.zxid
    session.create("/a")
    session.sync()
    session.sync("/a")
    assert session.zxid == before + 1
    assert session.exists("/a").czxid == session.zxid  # type: ignore[union-attr]


def test_session_properties() -> None:
    with folkmoot.Member.open("memory:") as member:
        with member.session(timeout=5, heartbeat="manual") as session:
            assert session.id != 0
            assert session.timeout == 5.0
            assert session.state is folkmoot.SessionState.CONNECTED
            assert session.member is member
            session.touch()
            other = member.session()
            assert other.id != session.id
            session.create("/e", ephemeral=True)
            assert other.exists("/e") is not None
        assert session.state is folkmoot.SessionState.CLOSED
        assert other.exists("/e") is None
        with pytest.raises(folkmoot.BadArgumentsError):
            member.session(timeout=-1)
        with pytest.raises(folkmoot.BadArgumentsError):
            member.session(heartbeat="never")  # type: ignore[arg-type]
        assert member.recovery is None


def test_virtual_time(virtual: folkmoot.Member) -> None:
    watcher = virtual.session()
    silent = virtual.session(timeout=5, heartbeat="manual")
    silent.create("/e", ephemeral=True)
    watcher.create("/t", ttl=2)
    before = virtual.now_ms()
    virtual.advance(60_000)
    assert virtual.now_ms() == before + 60_000
    assert watcher.exists("/e") is None
    assert watcher.exists("/t") is None
    assert silent.state is folkmoot.SessionState.EXPIRED
    with pytest.raises(folkmoot.SessionExpiredError):
        silent.get("/")


def test_advance_needs_virtual_time(member: folkmoot.Member) -> None:
    with pytest.raises(folkmoot.InvalidStateError):
        member.advance(1)


def test_a_directory_keeps_what_was_written(tmp_path: pathlib.Path) -> None:
    target = f"file:{tmp_path}/data"
    with folkmoot.open(target) as session:
        session.create("/a", b"kept")
        session.create("/e", ephemeral=True)
        session.member.snapshot()
        session.set("/a", b"kept too")
        with pytest.raises(folkmoot.InUseError):
            folkmoot.open(target)
    with folkmoot.open(target) as session:
        assert session.get("/a")[0] == b"kept too"
        assert session.exists("/e") is None


def test_requests_can_be_made_by_hand(session: folkmoot.Session) -> None:
    request = Request.create("/a", b"x")
    assert request.is_write and request.path == "/a" and "Create" in repr(request)
    assert session.call(request)[0] == "/a"
    assert not Request.who_am_i().is_write and Request.who_am_i().path is None
    assert "secret" not in repr(Request.add_auth("digest", b"ann:secret"))
