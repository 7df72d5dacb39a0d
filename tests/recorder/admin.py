#!/usr/bin/env python3
"""Asks a real ZooKeeper all four-letter words and all HTTP commands, and writes the shape of its answers.

    admin.py --classpath 'DIR/*' ../data/admin     writes one file for each word and command
    admin.py --raw --classpath 'DIR/*' DIR         the answers as they came, for reading

The classpath is that of ``record.py`` and, for the HTTP commands, Jetty and Jackson beside it
(``admin-pom.xml``). What is written is the answer with whatever depends on the moment and the
machine taken out by `normalise`; the Rust tests put our own answers through the same rules.

The server that is asked has two sessions: `a` with the ephemerals /a and /b and a data watch on each;
`b` with a data watch on /a. Nobody else is connected but who asks.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import record
from record import srvr

WORDS = "conf cons crst dirs dump envi gtmk hash isro mntr ruok srst srvr stat stmk wchc wchp wchs".split()
COMMANDS = (
    "configuration connections connection_stat_reset dirs dump environment get_trace_mask hash initial_configuration is_read_only "
    "last_snapshot leader monitor observer_connection_stat_reset observers ruok server_stats set_trace_mask set_trace_mask?traceMask=x "
    "set_trace_mask?traceMask=306 snapshot stats stat_reset voting_view watches watches_by_path watch_summary zabstate "
    "nonsense"
).split()

# (what, by what): in turn, on the whole text. No rule uses what Rust's `regex` does not know.
RULES = [
    (r"\b[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d [A-Z]+ \d{4}", "DATE"),
    (r"(?m)((?:version: |version=|version\t|version\" : \"))\d[^\"\n]*", "${1}VERSION"),
    (r"(?m)^((?:host|java|os|user)\.[a-z.]+)=.*$", "${1}=VALUE"),
    (r"\"((?:host|java|os|user)\.[a-z.]+|initial_configuration|data_dir|data_log_dir)\" : \".*\"", '"${1}" : "VALUE"'),
    (r"(?m)^(dataDir|dataLogDir)=.*$", "${1}=VALUE"),
    (r"0x[0-9a-f]+", "0xN"),
    (r"-?\b[0-9]+(\.[0-9]+)?(E-?[0-9]+)?\b", "N"),
]


def normalise(text: str) -> str:
    for rule, by in RULES:
        text = re.sub(rule, by.replace("${1}", r"\1"), text)
    return text


def settle(name: str, text: str) -> str:
    """Puts in order what comes in whatever order a hash table has; lets go of empty expiry buckets."""
    if name in ("word-dump", "command-dump"):
        return re.sub(r"(?m)^N expire at DATE:\n(?!\t)|^ *\"N\" : \[ \],?\n", "", text)
    if name == "command-watches":
        rows = re.findall(r"(?m)^ *\"N\" : .*\]", text)
        return re.sub(r"(?m)^ *\"N\" : .*\]", lambda _, left=sorted(rows): left.pop(0), text)
    if name in ("word-mntr", "command-monitor"):
        return "".join(sorted(text.splitlines(keepends=True)))
    if name in ("word-cons", "word-stat"):
        lines = text.splitlines(keepends=True)
        rows = [at for at, line in enumerate(lines) if line.startswith(" /")]
        if rows:
            lines[rows[0] : rows[-1] + 1] = sorted(lines[rows[0] : rows[-1] + 1])
        return "".join(lines)
    if name in ("word-wchc", "word-wchp"):
        return "".join(sorted(re.findall(r"(?m)^\S.*\n(?:\t.*\n)*", text))) + "\n"
    return text


def word(address, text: bytes) -> str:
    with socket.create_connection(address, 5) as link:
        link.sendall(text)
        out = b""
        while True:
            part = link.recv(65536)
            if not part:
                return out.decode()
            out += part


def http(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, path), timeout=5) as reply:
            return "%d %s\n%s" % (reply.status, reply.headers["Content-Type"], reply.read().decode())
    except urllib.error.HTTPError as refused:
        return "%d %s\n%s" % (refused.code, refused.headers["Content-Type"], refused.read().decode())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("into", type=Path)
    ask.add_argument("--classpath", default=os.environ.get("ZOOKEEPER_CLASSPATH"), required="ZOOKEEPER_CLASSPATH" not in os.environ)
    ask.add_argument("--raw", action="store_true")
    given = ask.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="zookeeper-"))
    port, admin = free_port(), free_port()
    (folder / "zoo.cfg").write_text(
        "tickTime=2000\ndataDir=%s/data\nclientPort=%d\nclientPortAddress=127.0.0.1\nadmin.serverPort=%d\n"
        "admin.serverAddress=127.0.0.1\n4lw.commands.whitelist=*\nmaxClientCnxns=0\n" % (folder, port, admin)
    )
    log = open(folder / "log", "wb")
    server = subprocess.Popen(
        ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dzookeeper.preAllocSize=64", "-cp", given.classpath,
         "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(folder / "zoo.cfg")],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log,
    )  # fmt: skip
    address = ("127.0.0.1", port)
    try:
        end = time.monotonic() + 40
        while "Mode:" not in srvr(address):
            if server.poll() is not None or time.monotonic() > end:
                print((folder / "log").read_text(errors="replace")[-3000:], file=sys.stderr)
                return 2
            time.sleep(0.05)
        anyone = [(31, "world", "anyone")]
        record.SESSION_TIMEOUT_MS = 20_000  # three timeouts (10 s for who opens no session), three buckets
        a = record.Session(address)
        record.SESSION_TIMEOUT_MS = 40_000
        b = record.Session(address)
        for path in (b"/a", b"/b"):
            a.create(path, b"x", anyone, "ephemeral", 0)
            a.get(path, True)
        a.children(b"/", True)
        for at in range(130):  # a digest is kept each 128 transactions
            b.create(b"/c", b"x", anyone, "persistent", 0)
            b.delete(b"/c", -1)
        for session, watch in ((a, False), (b, True)):  # the same last operation in both
            session.get(b"/a", watch)
        written = {}
        for name in COMMANDS:
            written["command-" + name.replace("?", "-").replace("=", "-")] = http(admin, "/commands/" + name)
        written["commands"] = http(admin, "/commands")
        for session in (a, b):
            session.get(b"/a", False)
        for name in WORDS:
            written["word-" + name] = word(address, name.encode() + (struct.pack(">q", 306) if name == "stmk" else b""))
        given.into.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (given.into / (name + ".txt")).write_text(text if given.raw else settle(name, normalise(text)))
        a.close()
        b.close()
    finally:
        server.kill()
        server.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
