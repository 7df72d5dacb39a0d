#!/bin/sh
# Installs into a directory of its own and builds against the copy: by pkg-config, by CMake (each if
# it is there), and beside another Rust library. What is compiled is tests/c/basic.c.
#   tests/install.sh
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fault() { echo "FAILED: $*" >&2; exit 1; }
try() { timeout 120 "$@" || fault "$*"; }
prefix=/opt/folkmoot
make -s -C "$root" install "DESTDIR=$work" "PREFIX=$prefix" >"$work/log" 2>&1 || { cat "$work/log" >&2; fault "make install"; }
lib=$work$prefix/lib
export LD_LIBRARY_PATH="$lib"
cd "$work"

if command -v pkg-config >/dev/null; then
    export PKG_CONFIG_LIBDIR="$lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$work"
    pkg-config --exact-version="$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -1)" folkmoot || fault "pkg-config: the version"
    # shellcheck disable=SC2046
    cc -Wall -Wextra -Werror "$root/tests/c/basic.c" $(pkg-config --cflags --libs folkmoot) -o shared
    try ./shared
    # Every library that the archive needs is named.
    # shellcheck disable=SC2046
    cc "$root/tests/c/basic.c" $(pkg-config --cflags folkmoot) "$lib/libfolkmoot.a" $(pkg-config --static --libs-only-l folkmoot | sed 's/-lfolkmoot//') -o static
    LD_LIBRARY_PATH='' try ./static
    echo "install: pkg-config, shared and static"
else
    echo "install: no pkg-config here"
fi

if command -v cmake >/dev/null; then
    mkdir project
    cat >project/CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.13)
project(uses C)
find_package(folkmoot 0.1 REQUIRED)
find_package(folkmoot 0.0 QUIET)
if(folkmoot_FOUND)
  message(FATAL_ERROR "0.1 is not 0.0")
endif()
add_executable(uses "$root/tests/c/basic.c")
target_link_libraries(uses folkmoot::folkmoot)
add_executable(uses_static "$root/tests/c/basic.c")
target_link_libraries(uses_static folkmoot::static)
END
    (cmake -S project -B project/build "-DCMAKE_PREFIX_PATH=$work$prefix" && cmake --build project/build) >log 2>&1 || { cat log >&2; fault "CMake"; }
    try project/build/uses
    try project/build/uses_static
    echo "install: CMake, shared and static"
else
    echo "install: no CMake here"
fi

# Another Rust library has the same std inside, and asks weakly for names that this libc may not have.
cat >other.rs <<'END'
#[unsafe(no_mangle)]
pub extern "C" fn other_answer() -> i32 {
    let child = std::process::Command::new("true").status().map_or(1, |status| status.code().unwrap_or(1));
    std::thread::spawn(move || 42 + child).join().unwrap_or(0)
}
END
cat >both.c <<'END'
#include <folkmoot.h>
int other_answer(void);
int main(void) {
    folkmoot_session *session;
    if (folkmoot_open("memory:", &session) != FOLKMOOT_OK) return 1;
    folkmoot_session_free(session);
    return other_answer() != 42;
}
END
rustc --edition 2024 -O --crate-type staticlib other.rs -o libother.a
for archives in "libother.a $lib/libfolkmoot.a" "$lib/libfolkmoot.a libother.a"; do
    # shellcheck disable=SC2086
    cc both.c "-I$work$prefix/include" $archives -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc -o both || fault "linked beside another Rust library"
    try ./both
done
echo "install: beside another Rust library"
