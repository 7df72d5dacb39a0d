#!/bin/sh
# Fuzzes every target for some seconds: run.sh SECONDS [TARGET...]. Fails on a crash, a hang or too much memory; the
# input is then kept in target/artifacts/TARGET, and the command that shows it again is told.
#
# Stable Rust will do: the coverage that libFuzzer follows is asked for with flags. What was found stays in
# target/corpus/TARGET, so each run goes on where the last one ended. Not here: the targets; their list is in Cargo.toml.
set -eu
seconds=${1:?usage: run.sh SECONDS [TARGET...]}
shift
here=$(cd "$(dirname "$0")" && pwd)
golden=$here/../data/golden
target=${FOLKMOOT_FUZZ_TARGET:-$here/target}
CARGO=${CARGO:-cargo}

need() { command -v "$1" >/dev/null 2>&1 || { echo "fuzz: missing: $1 - $2" >&2; exit 1; }; }
need "$CARGO" "Rust 1.88 or later: https://rustup.rs, or your distribution's cargo and rustc"
need rustc "Rust 1.88 or later: https://rustup.rs, or your distribution's cargo and rustc"
need c++ "a C++ compiler, for libFuzzer: apt-get install build-essential"

# Named, so that the flags are not for build scripts too.
host=$(rustc -vV | sed -n 's/^host: //p')
flags="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
done
CARGO_TARGET_DIR=$target RUSTFLAGS=$flags "$CARGO" build -q --release --bins --target "$host" --manifest-path "$here/Cargo.toml" || {
    echo "fuzz: the targets cannot be built. Needed: rustc with LLVM as its backend, a C++ compiler with its standard" >&2
    echo "fuzz: library, and the crate libfuzzer-sys with what it needs (from the registry, or from cargo's cache)." >&2
    exit 1
}

# Real encodings to begin with; a target without any begins with nothing.
seed() {
    case $1 in
    path)
        number=0
        for path in / /a /zookeeper/quota/a/zookeeper_limits /locks/lock-0000000001 /... /a//b /a/../b a/ '/ ' /ä/日本; do
            printf '%s' "$path" >"$2/$number"
            number=$((number + 1))
        done
        ;;
    log)
        cat "$golden"/log/format-1/log-00000001 >"$2/log"
        { cat "$golden"/log/format-1/log-00000001; printf -- '--8<----8<--'; cat "$golden"/log/format-1/snapshot-*; } >"$2/both"
        ;;
    snapshot) cp "$golden"/machine/format-1/records "$2" ;;
    entries) cp "$golden"/machine/format-1/entries "$2" ;;
    link)
        # A hello of member 2 to member 1 with two frames after it, and a snapshot with its end.
        hello='FOLKLINK\001\001ensemble-ensembl\002\001\011\000\000\000\000\000\000\000'
        printf "$hello\\000\\003\\000\\000\\000abc\\000\\000\\000\\000" >"$2/messages"
        printf "$hello\\001\\005\\000\\000\\000about\\377\\377\\377\\377\\001\\000\\000\\000\\000\\000\\000\\000\\001\\002\\003\\004" >"$2/snapshot"
        ;;
    frame | records)
        # The requests of recorded conversations: frames as they are, and for `records` operation and body alone.
        python3 - "$1" "$2" "$golden"/../wire/*.hex <<'END' || echo "fuzz: $1 begins with no seeds: python3 is missing" >&2
import sys
name, folder, *files = sys.argv[1:]
lines = {line.split(" > ")[1].strip() for file in files for line in open(file) if " > " in line}
for number, line in enumerate(sorted(lines)):
    try:
        frame = bytes.fromhex(line)
    except ValueError:
        continue
    with open(f"{folder}/{number}", "wb") as seed:
        seed.write(frame if name == "frame" else frame[8:])
END
        ;;
    # A new target's seeds: files copied or written into "$2".
    esac
}

[ $# -gt 0 ] || set -- $(sed -n '/^\[\[bin\]\]/,/^path/s/^name = "\(.*\)"/\1/p' "$here/Cargo.toml")
for name; do
    mkdir -p "$target/seeds/$name" "$target/corpus/$name" "$target/artifacts/$name"
    seed "$name" "$target/seeds/$name"
    set +e
    "$target/$host/release/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -verbosity=1 -print_final_stats=1 \
        -artifact_prefix="$target/artifacts/$name/" "$target/corpus/$name" "$target/seeds/$name" >"$target/$name.txt" 2>&1
    status=$?
    set -e
    if [ $status -ne 0 ]; then
        tail -n 60 "$target/$name.txt" >&2
        echo "fuzz: $name failed; to see it again: $target/$host/release/$name $target/artifacts/$name/<file>" >&2
        exit 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$target/$name.txt")
    echo "fuzz: $name: ${runs:-no} runs, nothing found"
done
