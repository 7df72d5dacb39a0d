"""Three processes, in C, C++ and Python, are one store, with kazoo beside them; the one that leads is killed.

    python3 ensemble.py WORKDIR C_MEMBER CPP_MEMBER

Each process is a member, writes as fast as a majority takes it, and says what has been acknowledged. A
table on stdout tells what the kill cost. Exit status 0: nothing acknowledged was lost, and all else was checked.
"""

import os
import socket
import subprocess
import sys
import threading
import time

from folkmoot.hashing import Ring
from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError
from kazoo.retry import KazooRetry

PATIENCE = 40.0  # seconds after which what should come is missed
WRITES = 200  # of each member before the kill, and of each that is left after it
KEYS = [f"key-{i:02}" for i in range(24)]


def progress(text):
    print(f"[ensemble] {text}", file=sys.stderr, flush=True)


def check(fact, text):
    if not fact:
        raise AssertionError(text)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


class Process:
    """A member in a process of its own, and what it has said so far."""

    told = threading.Condition()

    def __init__(self, id, name, priority, command, target):
        self.id, self.name, self.priority = id, name, priority
        self.acknowledged = []  # names of znodes
        self.times = []  # when each was read
        self.leader = None  # as this member sees it
        self.done = False  # it writes no more
        self.child = subprocess.Popen([*command, name, target], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.child.stdout:
            if not line.endswith("\n"):
                break  # it died in the middle of a line: that was not said
            kind, *what = line.split()
            with self.told:
                if kind == "wrote":
                    self.acknowledged += what
                    self.times.append(time.monotonic())
                elif kind == "leads":
                    self.leader = int(what[0])
                else:
                    self.done = True
                self.told.notify_all()

    def longest_wait(self, since):
        """The longest time between two acknowledged writes, the second of them after `since`."""
        return max(after - before for before, after in zip(self.times, self.times[1:]) if after > since)


def wait_for(what, processes, holds):
    with Process.told:
        check(Process.told.wait_for(lambda: all(holds(process) for process in processes), PATIENCE), f"{what}: not in {PATIENCE:.0f} s")


def start(work, commands):
    """Members 1 to 3; the first has the highest priority."""
    ids = range(1, len(commands) + 1)
    peers = "".join(f"&peer={id}=127.0.0.1:{free_port()}" for id in ids)
    doors = [f"127.0.0.1:{free_port()}" for _ in ids]
    processes = []
    for id, door, (name, command) in zip(ids, doors, commands.items()):
        priority = 40 - 10 * id
        target = f"ensemble:{os.path.join(work, name)}?id={id}&priority={priority}&listen={door}{peers}"
        processes.append(Process(id, name, priority, command, target))
    return processes, ",".join(doors)


def write(client, path):
    """A write by kazoo that is tried until it is done."""
    try:
        client.retry(client.create, path, b"")
    except NodeExistsError:
        pass  # it was done the first time, and only the answer was lost


def gone(client, name):
    """Wait until a member is no longer among the live: its session is over."""
    while True:
        changed = threading.Event()
        if client.retry(client.exists, f"/demo/live/{name}", watch=lambda event: changed.set()) is None:
            return
        check(changed.wait(PATIENCE), f"{name} is still there after {PATIENCE:.0f} s")


def scenario(processes, hosts):
    first = max(processes, key=lambda process: process.priority)
    wait_for(f"{first.name} leads and all write", processes, lambda one: one.leader == first.id and len(one.acknowledged) >= WRITES)
    progress(f"{first.name} leads; all three write")
    client = KazooClient(hosts=hosts, timeout=10, connection_retry=KazooRetry(-1, delay=0.05, backoff=1), command_retry=KazooRetry(-1, delay=0.02, backoff=1))
    client.start(timeout=PATIENCE)
    session = client.client_id
    write(client, "/demo/log/kazoo-before")
    before = Ring(client.get_children("/demo/live"))
    check(len(before) == 3, "three are live")

    progress(f"SIGKILL for {first.name}")
    killed = time.monotonic()
    first.child.kill()
    write(client, "/demo/log/kazoo-after")
    by_kazoo = time.monotonic() - killed
    first.child.wait()
    first.reader.join()
    live = [process for process in processes if process is not first]
    second = max(live, key=lambda process: process.priority)
    seen = {process: len(process.acknowledged) for process in live}
    wait_for(f"{second.name} leads and both write", live, lambda one: one.leader == second.id and len(one.acknowledged) >= seen[one] + WRITES)
    progress(f"{second.name} leads; both write")
    gone(client, first.name)
    after = Ring(client.get_children("/demo/live"))
    check(after == before.without_node(first.name), "the ring of the live is the old one without the killed")

    write(client, "/demo/end")
    wait_for("no more writes", live, lambda one: one.done)
    acknowledged = [name for process in processes for name in process.acknowledged] + ["kazoo-before", "kazoo-after"]
    client.retry(client.sync, "/demo/log")
    there = set(client.retry(client.get_children, "/demo/log"))
    check(there.issuperset(acknowledged), f"lost: {sorted(set(acknowledged) - there)}")
    check(client.client_id == session, "kazoo's session has outlived the leader")
    client.stop()
    client.close()
    for process in live:
        process.child.stdin.close()  # it may go
        check(process.child.wait(PATIENCE) == 0, f"{process.name} has ended well")
    report(first, second, live, killed, by_kazoo, before, after, len(acknowledged))


def report(first, second, live, killed, by_kazoo, before, after, acknowledged):
    print(f"killed     {first.name}, member {first.id}, which led with priority {first.priority}")
    print(f"leads now  {second.name}, member {second.id}: the highest priority left, {second.priority}")
    print("WRITER   THE NEXT ACKNOWLEDGED WRITE CAME AFTER")
    for process in live:
        print(f"{process.name:<8} {process.longest_wait(killed):.3f} s, the longest from one to the next")
    print(f"{'kazoo':<8} {by_kazoo:.3f} s, from the kill")
    moved = [key for key in KEYS if before.locate(key) != after.locate(key)]
    check(all(before.locate(key) == first.name for key in moved), "only keys of the killed one move")
    check(len(moved) == sum(before.locate(key) == first.name for key in KEYS), "and all of them do")
    print("KEY      BEFORE   AFTER")
    for key in moved:
        print(f"{key:<8} {before.locate(key):<8} {after.locate(key)}")
    print(f"moved: {len(moved)} of {len(KEYS)} keys, all of them {first.name}'s")
    print(f"acknowledged: {acknowledged} writes, none lost")


def main(work, c_member, cpp_member):
    commands = {"c": [c_member], "cpp": [cpp_member], "python": [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "member.py")]}
    processes, hosts = start(work, commands)
    try:
        scenario(processes, hosts)
    finally:
        for process in processes:
            process.child.kill()
            process.child.wait()


main(*sys.argv[1:])
