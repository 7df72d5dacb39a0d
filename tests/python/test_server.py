"""Members that clients of ZooKeeper's protocol can reach."""

import asyncio
import contextlib
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import urllib.request

import pytest

import folkmoot
import folkmoot.aio
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


def test_a_member_listens_for_coroutines_too():
    async def main():
        async with folkmoot.aio.Member.open("memory:") as member:
            return word(await member.listen("127.0.0.1:0", "4lw.commands.whitelist=ruok"), b"ruok")

    assert asyncio.run(main()) == "imok"


def test_a_target_has_its_own_listeners_and_admin_door(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    member = folkmoot.Member(f"memory:?listen=127.0.0.1:0&admin=127.0.0.1:{port}")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/commands/ruok", timeout=20) as answer:
        assert json.load(answer)["command"] == "ruok"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        assert b"znode_count" in answer.read()
    member.close()
    with pytest.raises(folkmoot.BadArgumentsError, match="token"):
        folkmoot.Member("memory:?admin=0.0.0.0:0")


@pytest.mark.parametrize("password, welcome", [("right", True), ("wrong", False)])
def test_sasl_users_of_a_jaas_file_are_known(tmp_path, password, welcome):
    pytest.importorskip("puresasl")
    kazoo = pytest.importorskip("kazoo.client")
    exceptions = pytest.importorskip("kazoo.exceptions")
    jaas = tmp_path / "jaas.conf"
    jaas.write_text('Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_ann="right"; };')
    with served("--memory", "--jaas", str(jaas)) as port:
        client = kazoo.KazooClient(f"127.0.0.1:{port}", sasl_options={"mechanism": "DIGEST-MD5", "username": "ann", "password": password})
        try:
            if not welcome:
                # It counts as started, and then nothing can be asked.
                with pytest.raises(exceptions.AuthFailedError):
                    client.start(timeout=20)
                    client.get("/")
                return
            client.start(timeout=20)
            client.create("/mine", b"", acl=[kazoo_acl("sasl", "ann")])
            assert client.get("/mine")[0] == b""
            other = kazoo.KazooClient(f"127.0.0.1:{port}")
            other.start(timeout=20)
            with pytest.raises(exceptions.NoAuthError):
                other.get("/mine")
            other.stop()
            other.close()
        finally:
            client.stop()
            client.close()


def kazoo_acl(scheme, who):
    from kazoo.security import make_acl

    return make_acl(scheme, who, all=True)


@contextlib.contextmanager
def script(*arguments):
    """The console script at work."""
    # Whoever runs the tests may ignore Ctrl-C, as shells do for what runs in the background.
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from folkmoot._cli import main; sys.exit(main())"
    program = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield program
    finally:
        program.kill()
        program.wait()
        program.stdout.close()
        program.stderr.close()


@contextlib.contextmanager
def served(*arguments, ended_by=signal.SIGTERM):
    """The console script as a server, on a port."""
    with script("serve", "--listen", "127.0.0.1:0", *arguments) as program:
        name, address = program.stdout.readline().decode().split()
        assert name == "ready"
        yield int(address.rsplit(":", 1)[1])
        program.send_signal(ended_by)
        assert (program.wait(20), program.stderr.read()) == (0, b"")


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGINT])
def test_the_console_script_serves_until_it_is_told_to_stop(tmp_path, ended_by):
    with served("--data", str(tmp_path), ended_by=ended_by) as port:
        assert connect(port) != 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_ctrl_c_ends_the_other_programs_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        with script("bench", "get", "--servers", f"127.0.0.1:{server.getsockname()[1]}", "--seconds", "3600") as program:
            # A server that never answers.
            connection, _ = server.accept()
            with connection:
                program.send_signal(signal.SIGINT)
                assert program.wait(20) == -signal.SIGINT


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_signals_are_the_hosts_own(tmp_path):
    """On no thread of a member's is one delivered, whatever the member does."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    program = f"""
import os, pathlib, signal, folkmoot
alone = folkmoot.Member({str(tmp_path / "alone")!r})
among = folkmoot.Member({"ensemble:" + str(tmp_path / "among") + f"?id=1&peer=1=127.0.0.1:{port}"!r})
for member in (alone, among):
    member.listen()
    with member.session() as session:
        session.create("/a")
    member.snapshot()
names = set()
for task in pathlib.Path("/proc/self/task").iterdir():
    name = (task / "comm").read_text().strip()
    if name.startswith("fm-"):
        blocked = int(next(line for line in (task / "status").read_text().splitlines() if line.startswith("SigBlk")).split()[1], 16)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD, signal.SIGALRM):
            assert blocked >> (number - 1) & 1, (name, number)
        names.add(name)
print(" ".join(sorted(names)), flush=True)
"""
    names = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    assert {"fm-member", "fm-segment", "fm-wire", "fm-ensemble", "fm-log", "fm-peers"} <= set(names)
