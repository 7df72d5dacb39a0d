"""`folkmoot serve` beside a real ZooKeeper, on one disk, in one run: one table, each row beside its target.

    python3 core/benches/servers.py FOLKMOOT [--whole] [--only WORD] [--dir DIR] [--zookeeper CLASSPATH]

FOLKMOOT is the program with `serve` and `bench`. CLASSPATH is what `java -cp` takes; if it is not said, Debian's
package `zookeeper` is used where it is installed. Without ZooKeeper the rows are ours alone.

Both servers are given the same zoo.cfg, on fresh directories of one disk, and the same load from `folkmoot bench`,
in turn, round by round; a figure is the best of its rounds, for either. What is compared is the server's CPU time
for an operation where others may use the machine too; `busy` is how many other processors' worth of work there
was (the servers and the load not counted). The short mode takes seconds a row and judges nothing; the whole mode
makes 1,000,000 znodes and exits with 1 if a target is missed.
"""

import argparse
import glob
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

DEBIAN = "/usr/share/java/zookeeper.jar"
ZNODES = 10_000  # that are read and written
BUSY = 0.3  # processors that others use, from which on a clock judges nothing
READY = 120.0  # seconds for a server to come up


def fail(text):
    sys.exit(f"servers: {text}")


def say(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """One server process on its own directory; the same directory again after `stop()`."""

    def __init__(self, name, directory, command):
        self.name, self.directory, self.port, self.process = name, directory, free_port(), None
        self.data = os.path.join(directory, "data")
        os.makedirs(self.data)
        config = os.path.join(directory, "zoo.cfg")
        with open(config, "w") as out:
            out.write(
                f"tickTime=2000\ndataDir={self.data}\nclientPort={self.port}\nclientPortAddress=127.0.0.1\n"
                "maxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=srvr\n"
            )
        self.command = [word.replace("CONFIG", config) for word in command]

    def start(self):
        self.log = open(os.path.join(self.directory, "log"), "a")
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True
        )
        until = time.monotonic() + READY
        while "Mode:" not in self.word():
            if self.process.poll() is not None or time.monotonic() > until:
                fail(f"{self.name} did not come up: see {self.log.name}")
            time.sleep(0.05)

    def word(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.sendall(b"srvr")
                return b"".join(iter(lambda: connection.recv(4096), b"")).decode()
        except OSError:
            return ""

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
            self.log.close()

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024

    def snapshots(self):
        return {path for path in glob.glob(f"{self.data}/**/*snap*", recursive=True) if os.path.isfile(path) and not path.endswith((".new", ".old"))}


class Bench:
    def __init__(self, program, options):
        self.program, self.options = program, options

    def run(self, server, operation, *arguments, command=()):
        words = [self.program, "bench", operation, "--json", "--servers", f"127.0.0.1:{server.port}", *map(str, arguments)]
        if server.process:
            words += ["--pids", str(server.process.pid)]
        if command:
            words += ["--", *command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=1800)
        if done.returncode:
            fail(f"{' '.join(words)}: {done.stderr.strip()}")
        return json.loads(done.stdout)


class Table:
    def __init__(self, whole):
        self.whole, self.missed = whole, []
        print(f"{'':24} {'':10} {'folkmoot':>12} {'zookeeper':>12} {'ratio':>7}  {'target':18} {'':6} busy", flush=True)

    def line(self, what, unit, ours, theirs, target=None, ratio=None, limit=None, times=None, busy=None, clock=False):
        """`ratio` is the most that ours may be of theirs, `limit` the most that ours may be, `times` the least of theirs.

        A row of the `clock` is not missed while others keep the processors busy: it shows whom the scheduler prefers.
        """
        share = ours / theirs if theirs else None
        judged = None
        if limit is not None:
            judged = ours <= limit
        elif ratio is not None and share is not None:
            judged = share <= ratio
        elif times is not None and share is not None:
            judged = share >= times
        late = judged is False and clock and busy is not None and busy > BUSY
        if judged is False and not late:
            self.missed.append(f"{what} ({unit})")
        number = lambda value: "-" if value is None else f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
        verdict = "" if judged is None else "met" if judged else "busy" if late else "MISSED"
        print(
            f"{what:24} {unit:10} {number(ours):>12} {number(theirs):>12} {'-' if share is None else f'{share:.3f}':>7}"
            f"  {target or '':18} {verdict:6} {'' if busy is None else f'{busy:.1f}'}",
            flush=True,
        )


def best(rows, name, most=False):
    values = [row[name] for row in rows if name in row]
    return (max if most else min)(values) if values else None


LOADS = [  # what, operation, connections, in flight, the most CPU of ZooKeeper's, in words
    ("get 16x16", "get", 16, 16, 1 / 10, "1/10"),
    ("get 1x64", "get", 1, 64, 1 / 20, "1/20"),
    ("set 16x16", "set", 16, 16, 1 / 5, "1/5"),
    ("create 16x16", "create", 16, 16, 1 / 6, "1/6"),
    ("mixed 16x16", "mixed", 16, 16, None, None),
]


def in_turn(servers, rounds, measure):
    """The rows of each server, ours first."""
    rows = [[] for _ in servers]
    for _ in range(rounds):
        for found, server in zip(rows, servers):
            found.append(measure(server))
    return rows if len(rows) == 2 else [*rows, []]


def busy(*rows):
    return max((row["other_cpu_percent"] / 100 for found in rows for row in found), default=None)


def loads(table, bench, servers, options):
    time_of = ("--seconds", options.seconds, "--warmup", options.seconds / 2)
    # A JVM compiles while it runs; what is measured is to be compiled code.
    for operation in ("get", "set", "create", "mixed"):
        in_turn(servers, 1, lambda server: bench.run(server, operation, "--conns", 16, "--inflight", 16, "--warmup", 0, "--seconds", options.seconds))
    for what, operation, connections, in_flight, ratio, words in LOADS:
        if options.only not in what:
            continue
        znodes = () if operation == "create" else ("--znodes", ZNODES // connections)
        arguments = ("--conns", connections, "--inflight", in_flight, *znodes, *time_of)
        ours, theirs = in_turn(servers, options.rounds, lambda server: bench.run(server, operation, *arguments))
        both = lambda name, most=False: (best(ours, name, most), best(theirs, name, most))
        target = words and f"at most {words}"
        table.line(what, "CPU us/op", *both("server_cpu_us_per_op"), target, ratio, busy=busy(ours, theirs))
        table.line("", "ops/s", *both("ops_per_s", most=True))
        table.line("", "p50 us", *both("p50_us"))
        table.line("", "p99 us", *both("p99_us"))
    if options.only in "set 1x1 lone durable":
        arguments = ("--conns", 1, "--inflight", 1, *time_of)
        ours, theirs = in_turn(servers, options.rounds, lambda server: bench.run(server, "set", *arguments))
        table.line("set 1x1 lone durable", "p50 us", best(ours, "p50_us"), best(theirs, "p50_us"), "at most 0.7", 0.7, busy=busy(ours, theirs), clock=True)
    if options.only in "connect storm":
        arguments = ("--conns", 64, *time_of)
        ours, theirs = in_turn(servers, options.rounds, lambda server: bench.run(server, "connect-storm", *arguments))
        both = lambda name, most=False: (best(ours, name, most), best(theirs, name, most))
        table.line("connect storm", "CPU us/op", *both("server_cpu_us_per_op"), "at most 1/4", 1 / 4, busy=busy(ours, theirs))
        table.line("rate of the storm", "sessions/s", *both("ops_per_s", most=True), "at least 4", times=4, busy=busy(ours, theirs), clock=True)
        slowest = lambda rows: max((row["max_us"] / 1000 for row in rows), default=None)
        table.line("slowest of the storm", "ms", slowest(ours), slowest(theirs), "under 1000", limit=1000, busy=busy(ours, theirs), clock=True)
    if options.only in "1000 watchers":
        arguments = ("--conns", 1000, *time_of)
        ours, theirs = in_turn(servers, options.rounds, lambda server: bench.run(server, "watch-fanout", *arguments))
        both = lambda name: (best(ours, name), best(theirs, name))
        table.line("1,000 watchers, last told", "p50 us", *both("told_p50_us"), "at most 1/3", 1 / 3, busy=busy(ours, theirs), clock=True)
        table.line("", "CPU us/op", *both("server_cpu_us_per_op"))


def idle(table, bench, servers, options):
    """On fresh directories: what older loads have left behind is not the sessions'."""
    count = 10_000 if options.whole else 2_000
    for server in servers:
        server.start()
    arguments = ("--conns", count, "--seconds", options.seconds, "--warmup", 0)
    ours, theirs = in_turn(servers, 1, lambda server: bench.run(server, "idle", *arguments))
    # The whole process, not only what it grew by.
    mib = lambda name, times: [rows[0][name] * times / 1024 if rows else None for rows in (ours, theirs)]
    table.line(f"{count:,} idle sessions", "MiB", *mib("server_rss_kib", 1), *(("at most 25",) if options.whole else ()), limit=25 if options.whole else None, busy=busy(ours, theirs))
    table.line("", "MiB more", *mib("server_rss_kib_per_conn", count))
    for server in servers:
        server.stop()


def first_reads(table, bench, servers, what, options, **target):
    """Servers are stopped; they start again and again, on what they have."""
    rounds = lambda server: bench.run(server, "first-read", "--seconds", options.seconds, command=server.command)
    ours, theirs = in_turn(servers, 1, rounds)
    milliseconds = lambda rows: rows[0]["p50_us"] / 1000 if rows else None
    table.line(what, "ms", milliseconds(ours), milliseconds(theirs), busy=busy(ours, theirs), clock=True, **target)


def big_tree(table, bench, servers, options):
    count = 1_000_000 if options.whole else 50_000
    judged = options.whole
    for server in servers:
        server.start()
    ours, theirs = in_turn(servers, 1, lambda server: bench.run(server, "fill", "--count", count, "--conns", 4, "--inflight", 64))
    table.line(f"filling {count:,}", "CPU us/op", best(ours, "server_cpu_us_per_op"), best(theirs, "server_cpu_us_per_op"), busy=busy(ours, theirs))
    sizes = [server.resident_mib() for server in servers] + [None]
    limit = {"target": "at most 330", "limit": 330} if judged else {}
    table.line("after the filling", "MiB", *sizes[:2], **limit)

    # Sets, and the snapshots that they bring about.
    seen = {}
    arguments = ("--conns", 16, "--inflight", 16, "--seconds", 20 if options.whole else 3, "--warmup", 1)

    def watched(server):
        found, over = set(), threading.Event()
        before = server.snapshots()

        def look():
            while not over.wait(0.1):
                found.update(server.snapshots() - before)

        looker = threading.Thread(target=look)
        looker.start()
        try:
            return bench.run(server, "set", *arguments)
        finally:
            over.set()
            looker.join()
            seen[server.name] = len(found)

    ours, theirs = in_turn(servers, 1, watched)
    limit = {"target": "at most 50", "limit": 50} if judged else {}
    milliseconds = lambda rows: rows[0]["p999_us"] / 1000 if rows else None
    table.line("set 16x16, p99.9", "ms", milliseconds(ours), milliseconds(theirs), busy=busy(ours, theirs), clock=True, **limit)
    table.line("  snapshots meanwhile", "", *(float(seen[server.name]) if server else None for server in (*servers, None)[:2]))
    if judged and not seen[servers[0].name]:
        table.missed.append("no snapshot was taken while sets were measured")
    sizes = []
    for server in servers:
        server.stop()
        server.start()
        sizes.append(server.resident_mib())
        server.stop()
    limit = {"target": "at most 330", "limit": 330} if judged else {}
    table.line("started again", "MiB", *[*sizes, None][:2], **limit)
    first_reads(table, bench, servers, f"first read of {count:,}", options, **({"target": "at most 1/3", "ratio": 1 / 3} if judged else {}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folkmoot")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--only", default="", help="rows that have this word")
    parser.add_argument("--dir", default=None, help="on which disk")
    parser.add_argument("--zookeeper", default=os.environ.get("ZOOKEEPER_CLASSPATH", ""), metavar="CLASSPATH")
    parser.add_argument("--java", default="-Xmx4g", help="what the JVM is told")
    options = parser.parse_args()
    options.seconds, options.rounds = (4, 3) if options.whole else (1, 2)

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 65536, hard))

    path = options.zookeeper
    if not path and os.path.exists(DEBIAN):
        path = ":".join(filter(os.path.exists, (DEBIAN, "/usr/share/java/slf4j-simple.jar")))
    if path and not shutil.which("java"):
        path = ""
        say("servers: there is no java")
    if not path:
        say("servers: ZooKeeper is skipped (apt-get install zookeeper, or ZOOKEEPER_CLASSPATH=...); ours alone")

    directory = tempfile.mkdtemp(prefix="servers-", dir=options.dir)
    servers = []

    def fresh(name):
        made = [Server("folkmoot", os.path.join(directory, name, "folkmoot"), [options.folkmoot, "serve", "--config", "CONFIG"])]
        if path:
            java = ["java", *options.java.split(), "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", path]
            made.append(Server("zookeeper", os.path.join(directory, name, "zookeeper"), [*java, "org.apache.zookeeper.server.quorum.QuorumPeerMain", "CONFIG"]))
        servers.extend(made)
        return made

    bench = Bench(options.folkmoot, options)
    try:
        table = Table(options.whole)
        if options.only in "first read of none":
            first_reads(table, bench, fresh("none"), "first read of none", options, target="at most 20", limit=20 if options.whole else None)
        if options.only in "idle sessions":
            idle(table, bench, fresh("idle"), options)
        pair = fresh("loads")
        for server in pair:
            server.start()
        loads(table, bench, pair, options)
        for server in pair:
            server.stop()
        if options.only in "znodes":
            big_tree(table, bench, fresh("znodes"), options)
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)
    if table.missed:
        print("missed:", "; ".join(table.missed))
        sys.exit(bool(options.whole))


main()
