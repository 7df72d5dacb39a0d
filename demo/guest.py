"""One worker of the group in a process of its own: kazoo, as it is published, over a member's listener.

    python3 guest.py HOST:PORT NAME PRIORITY

It does what the workers of demo.c, demo.cpp and demo.py do, on the same znodes; only the session is
kazoo's. The ring is computed here, from the names that are in the tree: nobody tells who owns a key.
"""

import sys
import threading

from folkmoot.hashing import Ring
from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError

WORKERS = 5
INCREMENTS = 50
KEYS = [f"key-{i:02}" for i in range(60)]
PATIENCE = 60.0  # seconds without any change after which something is wrong


def progress(text):
    print(f"[kazoo] {text}", file=sys.stderr, flush=True)


def check(fact, text):
    if not fact:
        raise AssertionError(text)


def wait_until(looks_right):
    """Wait until `looks_right(watch)`, which sets the watch that tells when what it read has changed."""
    while True:
        changed = threading.Event()
        if looks_right(lambda event: changed.set()):
            return
        check(changed.wait(PATIENCE), f"nothing has changed for {PATIENCE} s")


def wait_for_children(client, path, count):
    wait_until(lambda watch: len(client.get_children(path, watch=watch)) == count)


def elect(client, name, term):
    """Vote for the best live candidate; stand up if more than half have voted for us. Return the leader."""
    best = max(client.get_children("/demo/group"), key=lambda member: int(client.get(f"/demo/group/{member}")[0]))
    votes = f"/demo/votes/term-{term:04}"
    client.ensure_path(votes)
    client.create(f"{votes}/{name}", best.encode())
    if best == name:

        def elected(watch):
            mine = sum(client.get(f"{votes}/{voter}")[0] == name.encode() for voter in client.get_children(votes, watch=watch))
            return mine > WORKERS // 2

        wait_until(elected)
        client.create("/demo/leader", name.encode(), ephemeral=True)
        progress(f"{name} leads term {term}")
    wait_until(lambda watch: client.exists("/demo/leader", watch=watch))
    return client.get("/demo/leader")[0].decode()


def increment(client):
    """Add one to the configuration by compare and set. Return the retries."""
    retries = 0
    while True:
        data, stat = client.get("/demo/config")
        try:
            client.set("/demo/config", str(int(data) + 1).encode(), version=stat.version)
            return retries
        except BadVersionError:
            retries += 1


def done(client, step, name, workers):
    client.create(f"/demo/done/{step}/{name}")
    wait_for_children(client, f"/demo/done/{step}", workers)


def work(client, name, priority):
    client.create(f"/demo/group/{name}", priority.encode(), ephemeral=True)
    wait_for_children(client, "/demo/group", WORKERS)
    leader = elect(client, name, 1)
    check(leader != name, "a guest has no part in falling silent")
    done(client, "election-1", name, WORKERS)

    retries = sum(increment(client) for _ in range(INCREMENTS))
    progress(f"{name}: {INCREMENTS} increments, {retries} retries")
    done(client, "config", name, WORKERS)

    before = Ring(client.get_children("/demo/group"))
    for key in KEYS:
        if before.locate(key) == name:
            client.create(f"/demo/data/{key}", f"{name} value-of-{key}".encode())
    done(client, "keys", name, WORKERS)
    for key in KEYS:
        owner = client.get(f"/demo/data/{key}")[0].decode().split()[0]
        check(owner == before.locate(key), f"{key} was written by whom this ring says: {owner}")

    wait_until(lambda watch: client.exists(f"/demo/group/{leader}", watch=watch) is None)
    elect(client, name, 2)
    after = Ring(client.get_children("/demo/group"))
    check(after == before.without_node(leader), "the ring of the live is the old ring without the silent one")
    for key in KEYS:
        if before.locate(key) == leader and after.locate(key) == name:
            data, stat = client.get(f"/demo/data/{key}")
            check(data.decode() == f"{leader} value-of-{key}", f"{key} is as its old owner left it")
            client.set(f"/demo/data/{key}", f"{name} value-of-{key}".encode(), version=stat.version)
    done(client, "takeover", name, WORKERS - 1)
    wait_until(lambda watch: client.exists("/demo/end", watch=watch))


def main():
    address, name, priority = sys.argv[1:]
    client = KazooClient(hosts=address, timeout=10)
    client.start()
    progress(f"{name} has joined at {address}")
    try:
        work(client, name, priority)
    finally:
        client.stop()
        client.close()


main()
