#!/bin/sh
# The same scenario in C, C++ and Python: each on a directory of its own, their tables equal byte for byte.
#   demo/run.sh [WORKDIR]
#
# FOLKMOOT_INCLUDE  where folkmoot.h and folkmoot.hpp are   (include/ of this repository if not said)
# FOLKMOOT_LIB      where libfolkmoot.so is                 (build/ of this repository if not said)
# PYTHON            a Python that can import folkmoot       (python3)
# KAZOO             a Python that can import kazoo too: then each program listens and has, as a worker among its
#                   own, a process that joins with kazoo; and in one group are C, C++ and kazoo; then one
#                   process each in C, C++ and Python are an ensemble whose leader is killed   (none)
# CC, CXX           compilers                               (cc, c++)
# DEMOS             which of "c cpp python" to run          (all)
#
# Tables go to stdout once all are found equal, progress to stderr. Exit status 0: everything was checked.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
include=${FOLKMOOT_INCLUDE:-$here/../include}
lib=$(cd "${FOLKMOOT_LIB:-$here/../build}" && pwd)
demos=${DEMOS:-c cpp python}
if [ $# -gt 0 ]; then
    mkdir -p "$1"
    work=$(cd "$1" && pwd)
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi

link="-I$include -L$lib -Wl,-rpath,$lib -lfolkmoot -pthread"
c_flags="-std=c11 -O1 -Wall -Wextra -pedantic -Werror"
cpp_flags="-std=c++11 -O1 -Wall -Wextra -pedantic -Werror"

# Nothing here waits for ever: a program that hangs has failed.
run() { # NAME OUTPUT COMMAND...
    name=$1 output=$2
    shift 2
    timeout -k 5 100 "$@" >"$output" || {
        echo "demo: $name failed" >&2
        exit 1
    }
}

same() { # NAME ONE OTHER
    cmp "$2" "$3" >&2 || {
        echo "demo: the table of $1 differs" >&2
        exit 1
    }
}

# Without its last line, on crashes: a group with a guest has none.
scenario_of() { grep -v '^crash:' "$1"; }

first=
joined=
for demo in $demos; do
    dir=$work/$demo
    rm -rf "$dir"
    mkdir -p "$dir"
    # shellcheck disable=SC2086
    case $demo in
    c)
        ${CC:-cc} $c_flags "$here/demo.c" -o "$dir/demo" $link
        set -- "$dir/demo"
        ;;
    cpp)
        ${CXX:-c++} $cpp_flags "$here/demo.cpp" -o "$dir/demo" $link
        set -- "$dir/demo"
        ;;
    python) set -- "${PYTHON:-python3}" "$here/demo.py" ;;
    *)
        echo "DEMOS says $demo; c, cpp and python are known" >&2
        exit 2
        ;;
    esac
    echo "== $demo: five workers" >&2
    run "$demo" "$dir/table" "$@" "$dir/ground"
    first=${first:-$dir/table}
    same "$demo" "$first" "$dir/table"

    [ -n "${KAZOO:-}" ] || continue
    # shellcheck disable=SC2086
    case $demo in
    cpp)
        group="C, C++ and kazoo"
        ${CC:-cc} $c_flags -Dmain=demo_c_main -c "$here/demo.c" -o "$dir/c_workers.o" -I"$include" -pthread
        ${CXX:-c++} $cpp_flags -DWITH_C_WORKERS "$here/demo.cpp" "$dir/c_workers.o" -o "$dir/demo_both" $link
        set -- "$dir/demo_both"
        ;;
    c) group="C and kazoo" ;;
    python) group="Python and kazoo" ;;
    esac
    echo "== one group: $group" >&2
    run "$group" "$dir/joined" "$@" "$dir/joined_ground" "$KAZOO" "$here/guest.py"
    scenario_of "$dir/table" >"$dir/alone"
    same "$group" "$dir/alone" "$dir/joined"
    joined="$joined; $group"
done
# A third way to run: several processes that are one store. Only its checks are the same each time, not its times.
if [ -n "${KAZOO:-}" ] && [ "$demos" = "c cpp python" ]; then
    dir=$work/ensemble
    rm -rf "$dir"
    mkdir -p "$dir"
    # shellcheck disable=SC2086
    ${CC:-cc} $c_flags "$here/member.c" -o "$dir/member_c" $link
    # shellcheck disable=SC2086
    ${CXX:-c++} $cpp_flags "$here/member.cpp" -o "$dir/member_cpp" $link
    echo "== one ensemble of three processes: C, C++ and Python, with kazoo beside them" >&2
    run "the ensemble" "$dir/table" "$KAZOO" "$here/ensemble.py" "$dir" "$dir/member_c" "$dir/member_cpp"
fi

cat "$first"
echo "the same table, byte for byte: $demos"
[ -z "$joined" ] || echo "and when worker-2, leader of term 2, is a kazoo process over the member's listener: ${joined#; }"
if [ -s "$work/ensemble/table" ]; then
    printf '\nTHREE PROCESSES, ONE STORE, THE LEADER KILLED\n'
    cat "$work/ensemble/table"
fi
