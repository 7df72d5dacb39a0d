"""Five workers of one group, in Python: election, shared configuration, ownership of keys, silence, a crash.

    python3 demo.py DIRECTORY                 # the whole scenario; its table on stdout, progress on stderr
    python3 demo.py DIRECTORY COMMAND...      # a worker is another process, joined over the listener; no crash
    python3 demo.py crash-writer DIRECTORY    # writes numbered znodes until it is killed

demo.c and demo.cpp do the same and print the same table. The workers are threads, but share nothing
except the library: all they know of each other they read from the tree.
"""

import os
import signal
import subprocess
import sys
import threading
import traceback

import folkmoot
from folkmoot.hashing import Ring

WORKERS = 5
NAMES = [f"worker-{i + 1}" for i in range(WORKERS)]
INCREMENTS = 50
KEYS = [f"key-{i:02}" for i in range(60)]
SILENCE = 1.0  # seconds without a heartbeat that end a session
BEAT = 0.2  # seconds between two heartbeats of a worker that waits
ROUNDS = 5
GUEST = 1  # of the workers, the one that is another process if there is one: it leads when the first is gone


def progress(text):
    print(f"[python] {text}", file=sys.stderr, flush=True)


def check(fact, text):
    if not fact:
        raise AssertionError(text)


def value_of(key):
    return f"value-of-{key}"


# ---------------------------------------------------------------------------------------- waiting


def wait_until(session, looks_right):
    """Wait until `looks_right()`, which reads with watch=True: the watch wakes us when what it read changes.

    Waking up on time as well, to touch the session, is what keeps it alive: its heartbeat is manual.
    """
    while not looks_right():
        session.events().next(BEAT)
        session.touch()


def wait_for_children(session, path, count):
    wait_until(session, lambda: len(session.children(path, watch=True)) == count)


# ---------------------------------------------------------------------------------------- workers


def elect(session, name, term):
    """Vote for the best live candidate; stand up if more than half have voted for us. Return the leader."""
    best = max(session.children("/demo/group"), key=lambda member: int(session.get(f"/demo/group/{member}")[0]))
    votes = f"/demo/votes/term-{term:04}"
    session.ensure_path(votes)
    session.create(f"{votes}/{name}", best.encode())
    if best == name:

        def elected():
            mine = sum(session.get(f"{votes}/{voter}")[0] == name.encode() for voter in session.children(votes, watch=True))
            return mine > WORKERS // 2  # of all workers, dead ones too: two halves can never both have it

        wait_until(session, elected)
        # Ephemeral: the office falls vacant by itself when its holder does.
        session.create("/demo/leader", name.encode(), ephemeral=True)
    wait_until(session, lambda: session.exists("/demo/leader", watch=True))
    return session.get("/demo/leader")[0].decode()


def increment(session):
    """Add one to the configuration. Whoever was faster makes our version stale: read again. Return the retries."""
    retries = 0
    while True:
        data, stat = session.get("/demo/config")
        try:
            session.set("/demo/config", str(int(data) + 1).encode(), version=stat.version)
            return retries
        except folkmoot.BadVersionError:
            retries += 1


def done(session, step, name, workers):
    """Tell that we have done a step, and wait until all have."""
    session.create(f"/demo/done/{step}/{name}")
    wait_for_children(session, f"/demo/done/{step}", workers)


def fall_silent(session):
    """Stop touching. Waiting for events is no heartbeat: the session ends, and says so as its last event."""
    for event in session.events():
        if event.state is folkmoot.SessionState.EXPIRED:
            break
    try:
        session.exists("/demo")
        check(False, "an expired session was answered")
    except folkmoot.SessionExpiredError:
        pass


def take_over(session, name, before, gone):
    """Write as ours the keys of the one that has gone which are ours now."""
    live = session.children("/demo/group")
    after = Ring(live)
    check(after == before.without_node(gone), "the ring of the live is the old ring without the silent one")
    for key in KEYS:
        if before.locate(key) == gone and after.locate(key) == name:
            data, stat = session.get(f"/demo/data/{key}")
            owner, value = data.decode().split()
            check((owner, value) == (gone, value_of(key)), f"{key} is as its old owner left it")
            session.set(f"/demo/data/{key}", f"{name} {value}".encode(), version=stat.version)


def work(member, name, priority):
    session = member.session(timeout=SILENCE, heartbeat="manual")
    session.create(f"/demo/group/{name}", str(priority).encode(), ephemeral=True)
    wait_for_children(session, "/demo/group", WORKERS)
    leader = elect(session, name, 1)
    done(session, "election-1", name, WORKERS)

    retries = sum(increment(session) for _ in range(INCREMENTS))
    progress(f"{name}: {INCREMENTS} increments, {retries} retries")
    done(session, "config", name, WORKERS)

    ring = Ring(session.children("/demo/group"))
    for key in KEYS:
        if ring.locate(key) == name:
            session.create(f"/demo/data/{key}", f"{name} {value_of(key)}".encode())
    done(session, "keys", name, WORKERS)

    wait_until(session, lambda: session.exists("/demo/silence", watch=True))
    if leader == name:
        progress(f"{name} falls silent")
        fall_silent(session)
        return  # an expired session is not there to be closed
    # Not until /demo/leader is gone: the faster may have elected the next one by the time we look.
    wait_until(session, lambda: session.exists(f"/demo/group/{leader}", watch=True) is None)
    elect(session, name, 2)
    take_over(session, name, ring, leader)
    done(session, "takeover", name, WORKERS - 1)
    # The organizer looks at us before we leave.
    wait_until(session, lambda: session.exists("/demo/end", watch=True))
    session.close()


# ---------------------------------------------------------------------------------------- organizer


def standing(session, term):
    """One line on an election: who leads, by how many votes."""
    leader = session.get("/demo/leader")[0]
    votes = f"/demo/votes/term-{term:04}"
    voters = session.children(votes)
    count = sum(session.get(f"{votes}/{voter}")[0] == leader for voter in voters)
    check(count > WORKERS // 2, "the leader has a majority")
    print(f"term {term}: {leader.decode()} leads by {count} of {WORKERS} votes")
    return leader.decode()


def owners(session, ring):
    """Who has written each key, checked against the ring."""
    found = {}
    for key in KEYS:
        owner, value = session.get(f"/demo/data/{key}")[0].decode().split()
        check(owner == ring.locate(key), f"{key} has the owner that the ring computes")
        check(value == value_of(key), f"{key} has its value")
        found[key] = owner
    return found


def organize(session):
    """Follow what the workers do, check it and print it."""
    wait_for_children(session, "/demo/done/election-1", WORKERS)
    print("members:", " ".join(sorted(session.children("/demo/group"))))
    leader = standing(session, 1)

    wait_for_children(session, "/demo/done/config", WORKERS)
    data, stat = session.get("/demo/config")
    check(int(data) == stat.version == WORKERS * INCREMENTS, "no increment was lost")
    print(f"config: {WORKERS} x {INCREMENTS} increments, value {int(data)}, version {stat.version}")

    wait_for_children(session, "/demo/done/keys", WORKERS)
    ring = Ring(session.children("/demo/group"))
    before = owners(session, ring)
    print("BEFORE\nkey     owner")
    for key in KEYS:
        print(key, " ", before[key])

    session.create("/demo/silence")
    wait_for_children(session, "/demo/done/takeover", WORKERS - 1)
    members = session.children("/demo/group")
    check(sorted(members) == [name for name in NAMES if name != leader], "only the silent one has gone")
    print("members:", " ".join(sorted(members)))
    standing(session, 2)
    after = owners(session, ring.without_node(leader))
    print("AFTER\nkey     before    after     value")
    for key in KEYS:
        moved = before[key] != after[key]
        check(moved == (before[key] == leader), f"{key} moves if it was the silent one's, and only then")
        check(session.exists(f"/demo/data/{key}").version == moved, f"{key} is written again only if it moves")
        print(key, " ", before[key], "", after[key], "", value_of(key), "moved" if moved else "stays")
    print(f"moved: {sum(before[key] != after[key] for key in KEYS)} of {len(KEYS)} keys")

    session.create("/demo/end")


def guarded(part, *arguments):
    """Run a part of the scenario. If it fails, the others would wait for ever: the program ends."""
    try:
        part(*arguments)
    except BaseException:
        progress(traceback.format_exc())
        os._exit(1)


def invite(member, command, name, priority):
    """Let a process that knows nothing but our address be a worker: `COMMAND HOST:PORT NAME PRIORITY`."""
    address = f"127.0.0.1:{member.listen('127.0.0.1:0')}"
    subprocess.run([*command, address, name, str(priority)], check=True, stdin=subprocess.DEVNULL)


def scenario(directory, guest=()):
    with folkmoot.Member.open(f"file:{directory}") as member, member.session() as session:
        for path in ("group", "votes", "data", "done/election-1", "done/config", "done/keys", "done/takeover"):
            session.ensure_path(f"/demo/{path}")
        session.create("/demo/config", b"0")

        threads = []
        for i, name in enumerate(NAMES):
            part = (invite, member, guest) if guest and i == GUEST else (work, member)
            threads.append(threading.Thread(target=guarded, args=(*part, name, WORKERS - i)))
        for thread in threads:
            thread.start()
        guarded(organize, session)
        for thread in threads:
            thread.join()


# ---------------------------------------------------------------------------------------- crash


def crash_writer(directory):
    """Write numbered znodes, and say each number once its write is acknowledged, until killed."""
    with folkmoot.open(f"file:{directory}") as session:
        session.ensure_path("/demo/crash")
        number = len(session.children("/demo/crash"))
        while True:
            session.create(f"/demo/crash/n-{number:08}", str(number).encode())
            print(number, flush=True)
            number += 1


def crash(directory):
    """Kill a writer in the middle of its work, several times, and look for all it was promised."""
    acknowledged = []
    for round in range(1, ROUNDS + 1):
        writer = subprocess.Popen([sys.executable, __file__, "crash-writer", directory], stdout=subprocess.PIPE, text=True)
        for _ in range(20 + 30 * round):
            acknowledged.append(int(writer.stdout.readline()))
        writer.send_signal(signal.SIGKILL)
        # What it still said before it died counts too; a line that has no end was not said.
        acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]
        check(writer.wait() == -signal.SIGKILL, "the writer was killed, and did not fail by itself")

        with folkmoot.open(f"file:{directory}") as session:
            there = session.children("/demo/crash")
            for number in acknowledged:
                data = session.get(f"/demo/crash/n-{number:08}")[0]
                check(int(data) == number, f"n-{number:08} has its number")
        # One write may have been made and not said, in each round.
        check(len(acknowledged) <= len(there) <= len(acknowledged) + round, "nothing is there that nobody wrote")
        progress(f"crash {round}: {len(acknowledged)} acknowledged, {len(there)} there")
    print(f"crash: {ROUNDS} rounds, nothing acknowledged was missing")


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "crash-writer":
        crash_writer(sys.argv[2])
    elif len(sys.argv) == 2:
        for part in (scenario, crash):
            part(os.path.join(sys.argv[1], part.__name__))
    elif len(sys.argv) > 2:
        scenario(os.path.join(sys.argv[1], "scenario"), sys.argv[2:])
    else:
        sys.exit(__doc__)


main()
