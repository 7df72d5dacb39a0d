"""Writes the golden files next to it, from the spec and PyPI's xxhash: no code is shared with Folkmoot.

    pip install xxhash && python3 golden.py

fm1.txt      key in hexadecimal, tab, XXH3-64 (seed 0) in hexadecimal
ring-*.txt   "# ring SIZE POINTS_PER_WEIGHT", "# node NAME WEIGHT", then key, tab, owner; UTF-8
lots-*.txt   "# map SLOTS REPLICAS CAP_PERCENT" (- is none), "# node NAME WEIGHT DOMAIN" (- is none), then of each slot its nodes

Not from here: slots.txt, histories of slot maps with what they come to, made by Folkmoot and kept since; ketama.txt, which
tests/recorder/ketama.c records from libmemcached.
"""
import math
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


def cost(slot, name, weight):
    """As the spec says, with libm's logarithm: no two costs here are close enough for its last bit to matter."""
    product = (fm1(struct.pack("<Q", slot)) | 1) * (fm1(name.encode()) | 1)
    missing = 2**64 - 1 - (product >> 64 ^ product & 2**64 - 1)
    return -math.log1p(-missing / 2**64) / weight


def lots(name, slots, replicas, cap, nodes):
    def group(node, level):
        labels = nodes[node][1].split("/") if nodes[node][1] != "-" else []
        return tuple(labels[:level]) if level and len(labels) >= level else node
    deepest = max(len(domain.split("/")) if domain != "-" else 0 for _, domain in nodes.values())
    level = next(level for level in [*range(1, deepest + 1), 0] if level == 0 or len({group(node, level) for node in nodes}) >= replicas)
    order = [sorted(nodes, key=lambda node: cost(slot, node, nodes[node][0])) for slot in range(slots)]
    rows = []
    for ranked in order:
        row, met = [], set()
        for node in ranked:
            if group(node, level if replicas > 1 else 0) not in met and len(row) < replicas:
                met.add(group(node, level if replicas > 1 else 0))
                row.append(node)
        rows.append(row)
    if cap is not None:
        total = sum(weight for weight, _ in nodes.values())
        room = {node: -(-slots * weight * (100 + cap) // (100 * total)) for node, (weight, _) in nodes.items()}
        # Every pair by cost, cheapest first: a slot takes the first node that has room. The one stable answer.
        rows = [None] * slots
        for _, slot, node in sorted((cost(slot, node, nodes[node][0]), slot, node) for slot in range(slots) for node in nodes):
            if rows[slot] is None and room[node]:
                rows[slot], room[node] = [node], room[node] - 1
    head = [f"# map {slots} {replicas} {'-' if cap is None else cap}"] + [f"# node {node} {weight} {domain}" for node, (weight, domain) in nodes.items()]
    write(name, head + [" ".join(row) for row in rows])


lots("lots-equal.txt", 512, 1, None, {f"10.0.0.{i}:4000": (1, "-") for i in range(12)})
lots("lots-weighted.txt", 512, 1, None, {f"10.0.0.{i}:4000": (1 + i * i, "-") for i in range(12)})
lots("lots-capped.txt", 512, 1, 10, {f"10.0.0.{i}:4000": (1 + i % 3, "-") for i in range(12)})
lots("lots-apart.txt", 512, 3, None, {f"10.0.0.{i}:4000": (1 + i % 4, f"zone-{i % 4}/rack-{i % 3}") for i in range(12)} | {"alone": (2, "-")})
lots("lots-racks.txt", 256, 3, None, {f"n{i}": (1, f"zone-{i % 2}/rack-{i % 3}") for i in range(9)})
