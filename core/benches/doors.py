"""The Python door's share of `make bench`: get and set in memory. Prints "get NS" and "set NS" for
figures.rs, which says how they are measured and prints the table."""

import statistics
import time

import folkmoot

CHILDREN, BATCH, BATCHES, ROUNDS = 1000, 500, 51, 9
DATA = bytes(100)


def path(number):
    return f"/p{number // 100:011}/c{number % 100:011}"


def paths():
    chance = 1
    for _ in range(BATCH * BATCHES):
        chance = (chance * 6364136223846793005 + 1442695040888963407) % 2**64
        yield path((chance >> 33) % CHILDREN)


def get(session, batch):
    get = session.get
    for path in batch:
        get(path)


def set(session, batch):
    set = session.set
    for path in batch:
        set(path, DATA)


def measured(session, work, batches):
    """The least of the rounds' medians over batches, in nanoseconds a call."""
    medians = []
    for _ in range(ROUNDS):
        each = []
        for batch in batches:
            start = time.perf_counter_ns()
            work(session, batch)
            each.append((time.perf_counter_ns() - start) / BATCH)
        medians.append(statistics.median(each))
    return min(medians)


with folkmoot.open("memory:") as session:
    for number in range(CHILDREN):
        if number % 100 == 0:
            session.create(path(number)[:13], DATA)
        session.create(path(number), DATA)
    every = list(paths())
    batches = [every[at : at + BATCH] for at in range(0, len(every), BATCH)]
    print(f"get {measured(session, get, batches):.0f}")
    print(f"set {measured(session, set, batches):.0f}")
