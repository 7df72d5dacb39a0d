"""Instructions of one lookup, counted by callgrind: they do not depend on what else the machine does.

    cargo bench --bench hashing --no-run && python3 core/benches/instructions.py PATH_OF_THE_BENCH

The bench runs twice, with some and with more lookups; the difference, less that of an empty loop, is told. Fails when a
lookup takes more than it may.
"""
import re
import subprocess
import sys
import tempfile

# What was reached, and two more. The hash of 20 bytes is about 34 of them.
MOST = {"locate": 66, "number": 50, "replicas": 57}


def instructions(program: str, what: str, nodes: int, times: int) -> int:
    with tempfile.NamedTemporaryFile() as out:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", program, "--count", what, str(nodes), str(times)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return int(re.search(r"Collected : (\d+)", text).group(1))


def each(program: str, what: str, nodes: int) -> float:
    few, many = 5 * 4096, 15 * 4096
    return (instructions(program, what, nodes, many) - instructions(program, what, nodes, few)) / (many - few)


def main() -> int:
    program, failed = sys.argv[1], False
    nothing = each(program, "nothing", 1)
    for what in ["locate", "number", "replicas", "ring"]:
        for nodes in [10, 100, 1000] + ([10_000] if what in ("locate", "number") else []):
            took = each(program, what, nodes) - nothing
            most = MOST.get(what)
            bad = most is not None and took > most
            failed |= bad
            print(f"{what:10} {nodes:6} nodes {took:6.1f} instructions" + (f"  (at most {most})" if most else "") + ("  TOO MANY" if bad else ""))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
