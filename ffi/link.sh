#!/bin/sh
# Makes libfolkmoot.a and libfolkmoot.so from the crate's archive.
#   ffi/link.sh OUTDIR [cargo profile, release if not said]
#
# rustc's own archive exports a thousand symbols of its std and of compiler-rt and cannot be linked
# beside another Rust library; its own shared object has neither soname nor symbol versions. So the
# archive is linked into one relocatable object, all but folkmoot_* made local in it, and both
# libraries are made from that.
set -eu
out=${1:?usage: link.sh OUTDIR [PROFILE]}
profile=${2:-release}
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml" | head -1)
major=${version%%.*}
system="-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc"
mkdir -p "$out"
out=$(cd "$out" && pwd)

cd "$here/.."
cargo build -q -p folkmoot-ffi --lib --profile "$profile"
target=${CARGO_TARGET_DIR:-$here/../target}
case $profile in dev) dir=debug ;; *) dir=$profile ;; esac
archive=$target/$dir/libfolkmoot_ffi.a

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Each function of the header is a root; what none of them needs goes.
roots=$(sed -n 's/^[a-zA-Z].*[ *]\(folkmoot_[a-z0-9_]*\)(.*/-u \1/p' include/folkmoot.h | sort -u)
# shellcheck disable=SC2086
ld -r --gc-sections $roots --whole-archive "$archive" -o "$work/one.o"
# Weak names of the system's that only dropped code asked for are left behind as local ones that nothing
# needs; objcopy would make strong ones of them, which another Rust library's weak ones could not be linked beside.
readelf -sW "$work/one.o" | awk '$5 == "LOCAL" && $7 == "UND" && $8 != "" { print $8 }' >"$work/unneeded"
# Bitcode makes Debian's ar stop; the personality's reference has to stay global to be merged with other libraries'.
objcopy -R .llvmbc -R .llvmcmd --strip-symbols="$work/unneeded" --wildcard --keep-global-symbol='folkmoot_*' \
    --keep-global-symbol='DW.ref.rust_eh_personality' "$work/one.o" "$work/folkmoot.o"
[ -n "${KEEP_DEBUG:-}" ] || strip -g "$work/folkmoot.o"
rm -f "$out/libfolkmoot.a"
ar rcs "$out/libfolkmoot.a" "$work/folkmoot.o"

printf 'FOLKMOOT_%s { global: folkmoot_*; local: *; };\n' "$major" >"$work/version"
# shellcheck disable=SC2086
cc -shared -o "$out/libfolkmoot.so.$version" "$work/folkmoot.o" -Wl,-soname,"libfolkmoot.so.$major" \
    -Wl,--version-script,"$work/version" -Wl,-z,relro,-z,now,-z,nodelete,--no-undefined -Wl,--gc-sections $system
ln -sf "libfolkmoot.so.$version" "$out/libfolkmoot.so.$major"
ln -sf "libfolkmoot.so.$major" "$out/libfolkmoot.so"
