#!/bin/sh
# The same scenario in C, C++ and Python: each on a directory of its own, their tables equal byte for byte.
#   demo/run.sh [WORKDIR]
#
# FOLKMOOT_INCLUDE  where folkmoot.h and folkmoot.hpp are   (include/ of this repository if not said)
# FOLKMOOT_LIB      where libfolkmoot.so is                 (build/ of this repository if not said)
# PYTHON            a Python that can import folkmoot       (python3)
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
first=
for demo in $demos; do
    dir=$work/$demo
    rm -rf "$dir"
    mkdir -p "$dir"
    # shellcheck disable=SC2086
    case $demo in
    c)
        ${CC:-cc} -std=c11 -O1 -Wall -Wextra -pedantic -Werror "$here/demo.c" -o "$dir/demo" $link
        set -- "$dir/demo"
        ;;
    cpp)
        ${CXX:-c++} -std=c++11 -O1 -Wall -Wextra -pedantic -Werror "$here/demo.cpp" -o "$dir/demo" $link
        set -- "$dir/demo"
        ;;
    python) set -- "${PYTHON:-python3}" "$here/demo.py" ;;
    *)
        echo "DEMOS says $demo; c, cpp and python are known" >&2
        exit 2
        ;;
    esac
    # Nothing here waits for ever: a program that hangs has failed.
    timeout -k 5 100 "$@" "$dir/ground" >"$dir/table" || {
        echo "demo: $demo failed" >&2
        exit 1
    }
    first=${first:-$dir/table}
    cmp "$first" "$dir/table" >&2 || {
        echo "demo: the tables of $demo and another language differ" >&2
        exit 1
    }
done
cat "$first"
echo "the same table, byte for byte: $demos"
