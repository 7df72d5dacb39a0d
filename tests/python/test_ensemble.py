"""Three members in three processes, unmodified kazoo clients, and SIGKILL."""

import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Dict, List, Optional

import pytest

kazoo_client = pytest.importorskip("kazoo.client")
from kazoo.exceptions import KazooException  # noqa: E402

PATIENCE = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def until(what, describe: str):
    """Wait until ``what()`` is something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        threading.Event().wait(0.02)
    raise AssertionError(f"never: {describe}")


class Ensemble:
    """Members 1 to 3, the higher ones with more priority."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.peers = {id: free_port() for id in (1, 2, 3)}
        self.clients = {id: free_port() for id in (1, 2, 3)}
        self.processes: Dict[int, subprocess.Popen] = {}

    def start(self, id: int) -> None:
        arguments = ["serve", "--data", str(self.directory / str(id)), "--id", str(id), "--priority", str(10 * id)]
        arguments += ["--listen", f"127.0.0.1:{self.clients[id]}"]
        for other, port in self.peers.items():
            arguments += ["--peer", f"{other}=127.0.0.1:{port}"]
        program = [sys.executable, "-c", "import sys; from folkmoot._cli import main; sys.exit(main())"]
        process = subprocess.Popen(program + arguments, stdout=subprocess.PIPE, text=True)
        self.processes[id] = process
        assert process.stdout.readline().startswith("ready ")

    def mode(self, id: int) -> Optional[str]:
        try:
            with socket.create_connection(("127.0.0.1", self.clients[id]), 5) as connection:
                connection.sendall(b"srvr")
                text = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
        except OSError:
            return None
        found = re.search(r"Mode: (\w+)", text)
        return found.group(1) if found else None

    def leader(self) -> Optional[int]:
        return next((id for id in self.processes if self.mode(id) == "leader"), None)

    def kill(self, id: int) -> None:
        process = self.processes.pop(id)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()

    @property
    def hosts(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.clients.values())

    def close(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait()
            process.stdout.close()


@pytest.fixture
def ensemble(tmp_path):
    ensemble = Ensemble(tmp_path)
    for id in (1, 2, 3):
        ensemble.start(id)
    yield ensemble
    ensemble.close()


def client(ensemble: Ensemble):
    kazoo = kazoo_client.KazooClient(hosts=ensemble.hosts, timeout=10, randomize_hosts=True)
    kazoo.start(timeout=PATIENCE)
    return kazoo


def test_the_leader_is_killed_again_and_again_and_nothing_acknowledged_is_lost(ensemble):
    until(lambda: ensemble.leader() == 3, "the one with the highest priority leads")
    writer, holder = client(ensemble), client(ensemble)
    writer.create("/log")
    lock = holder.Lock("/lock", "holder")
    assert lock.acquire(timeout=PATIENCE)
    session = holder.client_id
    acknowledged: List[str] = []
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                acknowledged.append(writer.create(f"/log/{number:06}", b"x"))
            except KazooException:
                # It may have been done, or not: it counts for neither.
                writer.handler.sleep_func(0)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(3):
            before = until(ensemble.leader, "somebody leads")
            seen = len(acknowledged)
            until(lambda: len(acknowledged) > seen + 20, "it writes")
            ensemble.kill(before)
            seen = len(acknowledged)
            until(lambda: len(acknowledged) > seen + 20, "it writes again without the killed one")
            ensemble.start(before)
    finally:
        stop.set()
        thread.join()
    reader = client(ensemble)
    reader.sync("/log")
    there = {f"/log/{name}" for name in reader.get_children("/log")}
    assert set(acknowledged) <= there
    assert holder.client_id == session, "its session has outlived every leader"
    assert reader.Lock("/lock").contenders() == ["holder"], "and so has its lock"
    assert not reader.Lock("/lock", "other").acquire(blocking=False)
    lock.release()
    for kazoo in (writer, holder, reader):
        kazoo.stop()
        kazoo.close()


def test_a_majority_has_to_be_there(ensemble):
    kazoo = client(ensemble)
    kazoo.create("/a", b"1")
    leader = until(ensemble.leader, "somebody leads")
    others = [id for id in (1, 2, 3) if id != leader]
    for id in others:
        ensemble.kill(id)
    until(lambda: ensemble.mode(leader) != "leader", "it does not lead alone")
    ensemble.start(others[0])
    until(ensemble.leader, "two are enough")

    def value() -> Optional[bytes]:
        try:
            kazoo.sync("/a")
            return kazoo.get("/a")[0]
        except KazooException:
            return None

    assert until(value, "it is served again") == b"1"
    kazoo.stop()
    kazoo.close()
