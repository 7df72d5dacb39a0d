#!/bin/sh
# Takes the programs out of README.md, compiles and runs them, each in a directory of its own.
#   tests/readme.sh CLIB PYTHON
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
clib=$(cd "$1" && pwd)
python=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fault() { echo "FAILED: README.md, $*" >&2; exit 1; }

# The first block of a language.
block() {
    awk -v language="$1" -v fence='```' '$0 == fence language && !seen { inside = seen = 1; next } $0 == fence { inside = 0 } inside' \
        "$root/README.md" >"$2"
    [ -s "$2" ] || fault "it has no program in $1"
}
mkdir "$work/c" "$work/python" "$work/rust" "$work/rust/src"
block c "$work/c/first.c"
block python "$work/python/first.py"
block rust "$work/rust/src/main.rs"

cd "$work/c"
cc -Wall -Wextra -Werror first.c "-I$root/include" "-L$clib" -lfolkmoot "-Wl,-rpath,$clib" -o first
[ "$(./first)" = "/job-0000000000 at version 0" ] || fault "C"
[ "$(./first)" = "/job-0000000001 at version 0" ] || fault "C: nothing was kept"

cd "$work/python"
[ "$("$python" first.py)" = "j-0000000000 b'resize 7.png' 0" ] || fault "Python"

cd "$work/rust"
ln -s "$root" "$work/folkmoot"
block toml dependencies.toml
{ printf '[package]\nname = "first"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n'; cat dependencies.toml; } >Cargo.toml
# The same versions, and what is built already.
cp "$root/Cargo.lock" .
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target} cargo run -q --offline >out || fault "Rust"
[ "$(cat out)" = "Some([104, 111, 115, 116, 45, 55]) at version 0" ] || fault "Rust: $(cat out)"
echo "README: C, Python and Rust do what they show"
