"""Writes the golden files next to it, from the spec and PyPI's xxhash: no code is shared with Folkmoot.

    pip install xxhash && python3 golden.py

fm1.txt      key in hexadecimal, tab, XXH3-64 (seed 0) in hexadecimal
ring-*.txt   "# ring SIZE POINTS_PER_WEIGHT", "# node NAME WEIGHT", then key, tab, owner; UTF-8
"""
import pathlib
import struct

import xxhash

HERE = pathlib.Path(__file__).parent
KEYS = [f"user:{i}" for i in range(200)] + [f"/sessions/{i * 7919:x}/état" for i in range(80)] + ["a" * n for n in range(0, 40)]


def fm1(data):
    return xxhash.xxh3_64_intdigest(data, seed=0)


def write(name, lines):
    (HERE / name).write_bytes("".join(line + "\n" for line in lines).encode())


def ring(name, size, points, nodes):
    """By the definition, without any index: sort all points, take the first clockwise."""
    circle = sorted(
        (fm1(node.encode() + struct.pack("<I", i)) % size + 1, node.encode())
        for node, weight in nodes.items() for i in range(weight * points)
    )
    def owner(key):
        position = fm1(key.encode()) % size + 1
        return next((node for at, node in circle if at >= position), circle[0][1]).decode()
    head = [f"# ring {size} {points}"] + [f"# node {node} {weight}" for node, weight in nodes.items()]
    write(name, head + [f"{key}\t{owner(key)}" for key in KEYS])


# Every length class of XXH3 (0, 1-3, 4-8, 9-16, 17-128, 129-240, longer), bytes of every value.
long = bytes((i * 131 + 17) % 256 for i in range(2048))
write("fm1.txt", ["# key in hexadecimal, tab, fm1"] + [
    f"{key.hex()}\t{fm1(key):016x}" for key in [long[:n] for n in range(260)] + [long[:512], long[:1024], long[:1025], long]
])
ring("ring-usual.txt", 2**61 - 1, 160, {f"10.0.0.{i}:4000": 1 for i in range(10, 0, -1)})
ring("ring-weighted.txt", 2**61 - 1, 40, {"small": 1, "größer": 3, "largest": 10, "s": 2})
ring("ring-small.txt", 1009, 160, {"node-a": 1, "node-b": 2, "node-c": 1, "node-A": 1})
