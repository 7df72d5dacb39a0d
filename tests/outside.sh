#!/bin/sh
# Compiles a Rust program that depends on us from outside this workspace, both ways: with the patch lines of README.md,
# which put our stand-ins below the consensus library, and without, where it gets the published crates. Our code has to
# compile with either, and each way has to get what it says.
#   tests/outside.sh
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cargo=${CARGO:-cargo}
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fault() { echo "FAILED: $*" >&2; exit 1; }

ln -s "$root" "$work/folkmoot"
awk -v fence='```' '$0 == fence "toml" && !seen { inside = seen = 1; next } $0 == fence { inside = 0 } inside' \
    "$root/README.md" >"$work/patched.toml"
grep -q '^\[patch.crates-io\]' "$work/patched.toml" || fault "README.md: it shows no patch"
awk '/^#/ || /^\[patch/ { exit } { print }' "$work/patched.toml" >"$work/published.toml"

for way in patched published; do
    mkdir -p "$work/$way/src"
    cd "$work/$way"
    { printf '[package]\nname = "outside-%s"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n' $way; cat "../$way.toml"; } >Cargo.toml
    echo 'fn main() { let _ = folkmoot::open("memory:"); }' >src/main.rs
    cp "$root/Cargo.lock" . # the same versions of everything else
    # What is there already is enough; the registry is asked only if it is not.
    $cargo check -q --offline 2>"$work/first" || $cargo check -q || { cat "$work/first" >&2; fault "$way: it does not compile"; }
    $cargo tree -q --offline -e normal,build -p raft >tree || fault "$way: no raft below it"
    for name in protobuf raft-proto fxhash; do
        case $way in
            patched) grep -q "$name v.*/core/stand-ins/$name)" tree || fault "$way: $name is not ours" ;;
            published) grep "$name v" tree | grep -qv "(/" || fault "$way: $name is not the published one" ;;
        esac
    done
done
grep -q "protobuf-codegen v" tree || fault "published: no protobuf was generated"
grep -q "protobuf-codegen v" ../patched/tree && fault "patched: protobuf was generated"
grep -qE '(prost|protoc)[a-z-]* v' tree && fault "published: it wants protoc"
echo "outside: compiles with the stand-ins and with the published crates"
