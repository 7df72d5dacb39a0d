#!/bin/sh
# Builds the C libraries and tries them: every program under every standard, shared and static, the
# header alone, the exported names, fork, the behaviour scripts, Valgrind.
#   tests/c/run.sh [OUTDIR] [PROFILE]        defaults: build/c, dev
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${1:-$root/build/c}
profile=${2:-dev}
mkdir -p "$out"
out=$(cd "$out" && pwd)
"$root/ffi/link.sh" "$out" "$profile"
warnings="-Wall -Wextra -Werror -pedantic -g -I$root/include -I$here"
shared="-L$out -lfolkmoot -Wl,-rpath,$out"
system="-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc"
fault() { echo "FAILED: $*" >&2; exit 1; }
try() { timeout 120 "$@" || fault "$*"; }
# A program, with an empty directory to work in.
run() { rm -rf "$out/work" && mkdir "$out/work" && try "$1" "$out/work"; }

HASHING_DATA=$root/tests/data/hashing
export HASHING_DATA

# The header alone, and each program.
printf '#include "folkmoot.h"\nint main(void) { return 0; }\n' >"$out/alone.c"
cp "$out/alone.c" "$out/alone.cpp"
for standard in c89 c99 c11 c17; do
    # shellcheck disable=SC2086
    cc -std=$standard $warnings -fsyntax-only "$out/alone.c" || fault "the header as $standard"
done
for standard in c++98 c++11 c++17 c++20; do
    # shellcheck disable=SC2086
    c++ -std=$standard $warnings -fsyntax-only "$out/alone.cpp" || fault "the header as $standard"
done
for program in basic events async fork algorithms hashing logging listen ensemble; do
    for standard in c89 c11 c17; do
        # shellcheck disable=SC2086
        cc -std=$standard $warnings "$here/$program.c" -o "$out/$program-$standard" $shared
        run "$out/$program-$standard"
    done
    for standard in c++98 c++11 c++17; do
        # shellcheck disable=SC2086
        c++ -x c++ -std=$standard $warnings "$here/$program.c" -o "$out/$program-$standard" $shared
        run "$out/$program-$standard"
    done
    # shellcheck disable=SC2086
    cc -std=c11 $warnings "$here/$program.c" -o "$out/$program-static" "$out/libfolkmoot.a" $system
    run "$out/$program-static"
done
for standard in c++11 c++17 c++20; do
    # shellcheck disable=SC2086
    c++ -std=$standard $warnings "$here/raii.cpp" -o "$out/raii-$standard" $shared
    run "$out/raii-$standard"
    # shellcheck disable=SC2086
    c++ -std=$standard $warnings "$here/ensemble_view.cpp" -o "$out/ensemble_view-$standard" $shared -pthread
    run "$out/ensemble_view-$standard"
    # shellcheck disable=SC2086
    c++ -std=$standard -fno-exceptions $warnings "$here/no_exceptions.cpp" -o "$out/no_exceptions-$standard" $shared
    run "$out/no_exceptions-$standard"
done
echo "programs: all pass"

# Nothing on stdout or stderr from the library, and a directory's lock is not kept by a child.
try "$out/fork-c11" # in memory too
for program in basic logging listen; do
    [ -z "$(run "$out/$program-c11" 2>&1)" ] || fault "the library writes to stdout or stderr"
done

# Exported: what the header declares, under one version node, and nothing else.
sed -n 's/^[a-zA-Z].*[ *]\(folkmoot_[a-z0-9_]*\)(.*/\1/p' "$root/include/folkmoot.h" | sort -u >"$out/declared"
nm -D --defined-only "$out/libfolkmoot.so" | awk '$2 != "A" { print $3 }' | sort -u >"$out/exported"
sed 's/$/@@FOLKMOOT_0/' "$out/declared" | diff - "$out/exported" || fault "the exported names"
nm -g --defined-only "$out/libfolkmoot.a" | awk 'NF == 3 { print $3 }' | grep -v '^DW.ref.rust_eh_personality$' | sort -u | diff "$out/declared" - ||
    fault "the archive's global names"
objdump -p "$out/libfolkmoot.so" | grep -q 'SONAME *libfolkmoot.so.0' || fault "the soname"
readelf -d "$out/libfolkmoot.so" | grep -q NODELETE || fault "nodelete"
echo "names: $(wc -l <"$out/declared") functions, nothing else"

# The behaviour scripts. acl_ip: a session in this process has no address.
# shellcheck disable=SC2086
cc -std=c11 $warnings "$here/script.c" -o "$out/script" $shared
count=0
for script in "$root"/tests/data/tree/*.txt; do
    [ -e "$script" ] || continue
    case $script in */acl_ip.txt) continue ;; esac
    timeout 120 "$out/script" "$script" >"$out/script.out" || fault "$script"
    diff -u "$script" "$out/script.out" || fault "$script"
    count=$((count + 1))
done
echo "scripts: $count as recorded"

if command -v valgrind >/dev/null; then
    for program in basic-c11 events-c11 async-c11 fork-c11 algorithms-c11 hashing-c11 logging-c11 listen-c11 raii-c++11; do
        # What is "possibly" lost is std's handle of the main thread, which it keeps until exit.
        # A child of fork leaks its parent's handles by design.
        leaks=full
        [ $program != fork-c11 ] || leaks=no
        rm -rf "$out/work" && mkdir "$out/work"
        timeout 300 valgrind -q --child-silent-after-fork=yes --leak-check=$leaks --show-leak-kinds=definite,indirect \
            --errors-for-leak-kinds=definite,indirect --error-exitcode=9 "$out/$program" "$out/work" || fault "valgrind $program"
    done
    echo "valgrind: no errors, no leaks"
fi
