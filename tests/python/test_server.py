"""Members that clients of ZooKeeper's protocol can reach."""

import socket
import struct
import subprocess
import sys
import threading

import pytest

import folkmoot
from folkmoot import testing


def word(port, text):
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(text)
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


def connect(port):
    """Open a session by hand: its number."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        body = struct.pack(">iqiqi16s?", 0, 0, 10_000, 0, 16, bytes(16), False)
        connection.sendall(struct.pack(">i", len(body)) + body)
        answer = b""
        while len(answer) < 41:
            answer += connection.recv(4096)
        return struct.unpack(">iiiqi16s?", answer)[3]


def test_a_member_listens_where_it_says():
    member = folkmoot.Member("memory:")
    port = member.listen("127.0.0.1:0", "4lw.commands.whitelist=ruok")
    assert word(port, b"ruok") == "imok"
    assert connect(port) != 0
    with pytest.raises(folkmoot.SystemFaultError):
        member.listen(f"127.0.0.1:{port}")
    with pytest.raises(folkmoot.BadArgumentsError, match="tickTime"):
        member.listen("127.0.0.1:0", "tickTime=soon")
    member.close()
    with pytest.raises(ConnectionError):
        connect(port)


def test_the_fixture_is_a_server(folkmoot_server):
    assert isinstance(folkmoot_server, testing.Server)
    assert word(folkmoot_server.port, b"ruok") == "imok"


def test_a_server_comes_back_on_its_port_with_its_state(tmp_path):
    with testing.Server(str(tmp_path)) as server:
        with server.member.session() as session:
            session.create("/kept", b"x")
        port = server.port
        server.stop()
        assert server.start().port == port
        with server.member.session() as session:
            assert session.get("/kept")[0] == b"x"


def test_kazoo_works_unchanged(folkmoot_server):
    client_of = pytest.importorskip("kazoo.client").KazooClient
    client, other = client_of(folkmoot_server.hosts), client_of(folkmoot_server.hosts)
    client.start(timeout=20)
    other.start(timeout=20)
    try:
        changed = threading.Event()
        client.create("/config", b"1")
        assert client.get("/config", watch=lambda event: changed.set())[0] == b"1"
        with folkmoot_server.member.session() as session:
            session.set("/config", b"2")
        assert changed.wait(20)
        with client.Lock("/lock", "one"):
            assert not other.Lock("/lock", "two").acquire(blocking=False)
        with client.transaction() as transaction:
            transaction.check("/config", 1)
            transaction.create("/made", b"", ephemeral=True)
        assert other.exists("/made").ephemeralOwner == client.client_id[0]
        assert client.command(b"ruok") == "imok"
        assert client.server_version()[:2] == (3, 9)
    finally:
        for one in (client, other):
            one.stop()
            one.close()


def test_the_console_script_serves_until_it_is_told_to_stop(tmp_path):
    program = subprocess.Popen(
        [sys.executable, "-c", "import sys; from folkmoot._cli import main; sys.exit(main())", "serve", "--data", str(tmp_path), "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
    )
    try:
        name, address = program.stdout.readline().decode().split()
        assert name == "ready"
        assert connect(int(address.rsplit(":", 1)[1])) != 0
        program.terminate()
        assert program.wait(20) == 0
    finally:
        program.kill()
        program.wait()
