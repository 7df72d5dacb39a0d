"""Slot maps and what finds keys where other programs put them: the same as in Rust and as the golden files say."""

from __future__ import annotations

import array
import pathlib

import pytest

import folkmoot
from folkmoot.hashing import Ketama, Maglev, Plan, SlotMap, SlotMove, Standing, fm1, jump, key_of, plot, redis_slot

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "data" / "hashing"


def owners(slots: SlotMap) -> str:
    digest = 0xCBF29CE484222325
    for owner in slots.locate_batch([f"key:{key}" for key in range(10_000)]):
        for byte in (owner & 0xFF, owner >> 8):
            digest = (digest ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{digest:016x}"


def test_histories_are_frozen() -> None:
    slots, checks = SlotMap(), 0
    for line in (GOLDEN / "slots.txt").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[0] == "map":
            _, filler, count, replicas, spread, cap, secret = words
            slots = SlotMap(
                slots=None if count == "-" else int(count),
                replicas=int(replicas),
                filler=filler,  # type: ignore[arg-type]
                spread=spread,  # type: ignore[arg-type]
                cap_percent=None if cap == "-" else int(cap),
                secret=None if secret == "-" else secret.encode(),
            )
        elif words[0] == "with":
            slots = slots.with_node(words[1], int(words[2]), None if words[3] == "-" else words[3])
        elif words[0] == "without":
            slots = slots.without_node(words[1])
        elif words[0] == "is":
            assert [str(slots.epoch), slots.digest.hex(), owners(slots)] == words[1:], line
            assert SlotMap.from_bytes(slots.to_bytes()) == slots
            checks += 1
    assert checks >= 140


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("lots-*.txt")), ids=lambda path: path.stem)
def test_lots_fall_as_specified(path: pathlib.Path) -> None:
    nodes, rows = {}, []
    for line in path.read_text().splitlines():
        words = line.split()
        if line.startswith("# map"):
            count, replicas, cap = int(words[2]), int(words[3]), None if words[4] == "-" else int(words[4])
        elif line.startswith("# node"):
            nodes[words[2]] = (int(words[3]), "" if words[4] == "-" else words[4])
        else:
            rows.append(words)
    slots = SlotMap(nodes, slots=count, replicas=replicas, filler="rendezvous", cap_percent=cap)
    assert [slots.row(slot) for slot in range(count)] == rows and slots.nodes == nodes


def test_a_map_is_a_value() -> None:
    slots = SlotMap(["a", "b", "c"])
    assert len(slots) == 3 and "a" in slots and b"a" in slots and "d" not in slots and slots.names == ["a", "b", "c"]
    bigger = slots.with_node("d", weight=3, domain="zone-1")
    assert bigger.epoch == 2 and bigger.nodes["d"] == (3, "zone-1") and bigger != slots and hash(bigger) != hash(slots)
    assert bigger.loads() == {"a": 2731, "b": 2731, "c": 2730, "d": 8192} or sum(bigger.loads().values()) == 16384
    plan = slots.plan(bigger)
    assert isinstance(plan, Plan) and plan.moved_slots == plan.least_slots == 8192 and plan.moved == plan.lower_bound == 0.5
    assert all(isinstance(move, SlotMove) and move.target == "d" and move.source in ("a", "b", "c") for move in plan.moves)
    for key in range(100):
        slot = bigger.slot_of(key)
        moved = [move for move in plan.moves if move.slot_lo <= slot <= move.slot_hi and move.hash_lo <= fm1(key) <= move.hash_hi]
        assert len(moved) == (slots.locate(key) != bigger.locate(key))
    again = slots.next({"a": 1, "b": (1, ""), "c": 1})
    assert again == slots and again.epoch == 1
    assert SlotMap().locate("key") is None and SlotMap().locate_n("key", 3) == []
    odd = SlotMap([b"\xff\xfe"])
    name = odd.locate("key")
    assert name is not None and name in odd and name.encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_replicas_are_apart() -> None:
    nodes = {f"n{i}": (1, f"zone-{i % 3}/rack-{i % 5}") for i in range(15)}
    slots = SlotMap(nodes, replicas=3)
    assert slots.standing == Standing(replicas=3, level=1, capped=0)
    for key in range(200):
        line = slots.replicas(key)
        assert len({nodes[name][1].split("/")[0] for name in line}) == 3
        assert line == slots.locate_n(key, 3) == slots.candidates(key)[:3] and line[0] == slots.locate(key)
        assert sorted(slots.candidates(key)) == sorted(nodes)
    assert set(slots.owned().values()) <= {1092, 1093}


def test_batches_agree_with_single_keys() -> None:
    slots = SlotMap([f"n{i}" for i in range(50)])
    for keys in (["a", b"b", 3, ("d", 4)], [f"key {i}" for i in range(1000)]):
        batch = slots.locate_batch(keys)
        assert batch.format == "H" and len(batch) == len(keys)
        assert [slots.names[number] for number in batch] == [slots.locate(key) for key in keys]  # type: ignore[arg-type]
    numbers = array.array("Q", [0, 1, 2**64 - 1, *range(1000)])
    assert slots.locate_batch(numbers) == slots.locate_batch(list(numbers)) == slots.locate_batch(iter(numbers))
    assert list(slots.locate_batch(array.array("q", [-1]))) == list(slots.locate_batch([-1]))
    assert len(slots.locate_batch([])) == 0
    for wrong in ("key", b"key", array.array("d", [1.0]), array.array("I", [1]), bytearray(8), 7, [1.5]):
        with pytest.raises(TypeError):
            slots.locate_batch(wrong)


def test_keys() -> None:
    assert key_of("größer") == "größer".encode() and key_of(-1) == b"\xff" * 8
    assert key_of(("a", 1)) == b"\1" + bytes(7) + b"a" + b"\10" + bytes(7) + b"\1" + bytes(7)
    keyed = SlotMap(["a", "b", "c"], secret=b"0123456789abcdef")
    plain = SlotMap(["a", "b", "c"])
    assert [keyed.locate(i) for i in range(100)] != [plain.locate(i) for i in range(100)]
    with pytest.raises(TypeError):
        plain.locate(1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        plain.locate(((1, 2), 3))  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        plain.locate(1 << 70)


def test_bounded_loads() -> None:
    slots = SlotMap([f"n{i}" for i in range(10)])
    loads: dict[str, int] = {}
    for _ in range(1000):
        name = slots.bounded("hot", loads)
        assert name is not None
        loads[name] = loads.get(name, 0) + 1
    assert max(loads.values()) <= 126
    with pytest.raises(folkmoot.BadArgumentsError):
        slots.bounded("hot", loads, c=0.9)


def test_what_is_out_of_bounds_is_refused() -> None:
    for wrong in ({"slots": 1000}, {"replicas": 0}, {"filler": "x"}, {"spread": "x"}, {"cap_percent": 5}, {"secret": b"short"}):
        with pytest.raises(folkmoot.BadArgumentsError):
            SlotMap(["a"], **wrong)  # type: ignore[arg-type]
    for wrong_nodes in ({"a": 0}, {"a": 1001}):
        with pytest.raises(folkmoot.BadArgumentsError):
            SlotMap(wrong_nodes)
    slots = SlotMap(["a"])
    with pytest.raises(folkmoot.BadArgumentsError):
        slots.without_node("b")
    with pytest.raises(folkmoot.BadArgumentsError):
        slots.plan(SlotMap(["a"], replicas=2))
    data = bytearray(slots.to_bytes())
    data[40] ^= 1
    for bad in (b"", b"nonsense", bytes(data), bytes(data[:-1])):
        with pytest.raises(folkmoot.FolkmootError):
            SlotMap.from_bytes(bad)


def test_where_others_put_keys() -> None:
    assert redis_slot("foo") == redis_slot("{foo}bar") == 12182
    assert jump(7, 0) is None and jump(7, 1) == 0
    envoy = Maglev([f"127.0.0.1:{port}" for port in range(90, 96)], size=7)
    assert [envoy.locate_hash(i) for i in range(7)] == [f"127.0.0.1:{port}" for port in (92, 94, 90, 91, 95, 90, 93)]
    assert envoy.locate("key") is not None
    lines = [line.split() for line in (GOLDEN / "ketama.txt").read_text().splitlines() if not line.startswith("#")]
    for dialect, count, keys, expected in lines:
        if int(count) not in (2, 10, 100):
            continue
        servers = {f"10.1.{i // 250}.{i % 250}:{11311 if i % 3 else 11211}": 1 + i % 5 if dialect == "weighted-5" else 1 for i in range(int(count))}
        numbers = {name: number for number, name in enumerate(servers)}
        ketama = Ketama("weighted" if dialect == "weighted-5" else dialect, servers)  # type: ignore[arg-type]
        digest = 0xCBF29CE484222325
        for key in range(int(keys)):
            name = ketama.locate(f"key:{key}" + ("" if key % 16 else "é"))
            assert name is not None
            for byte in (numbers[name] & 0xFF, numbers[name] >> 8):
                digest = (digest ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
        assert f"{digest:016x}" == expected, (dialect, count)
    with pytest.raises(folkmoot.BadArgumentsError):
        Ketama("other", ["a"])  # type: ignore[arg-type]


def test_pictures() -> None:
    slots = SlotMap(["a", "b"])
    bigger = slots.with_node("c")
    assert slots.text().count("\n") == 3 and "+5461 -0" in slots.text(bigger)
    assert plot(slots).startswith("<svg") and plot(slots, bigger) == slots.svg(bigger)
    with pytest.raises(folkmoot.BadArgumentsError):
        plot(slots, SlotMap(["a"], replicas=2))
