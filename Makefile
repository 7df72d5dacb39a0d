# Folkmoot. `make demo` shows it at work, `make test` checks it; both bring what they need into this
# checkout (cargo's target folder, a virtual environment in .venv) and name what is missing.

CARGO   ?= cargo
PYTHON3 ?= python3
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
DESTDIR ?=
FUZZ_SECONDS ?= 5

TARGET  := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
CLIB    := $(TARGET)/c
VENV    := $(CURDIR)/.venv
VPY     := $(VENV)/bin/python
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
say      = @printf '\n== %s\n' "$(1)"

SEEDS   ?= 1000

.PHONY: demo test sim msrv verify fix bench bench-doors bench-servers header wheel install clib python tools cargo-test outside-test c-test python-test readme-test fuzz-test clean

demo: tools clib python
	$(call say,demo: the same scenario in C$(,) C++ and Python$(,) and kazoo among their workers)
	FOLKMOOT_LIB=$(CLIB) FOLKMOOT_INCLUDE=$(CURDIR)/include PYTHON=$(VPY) KAZOO=$(VPY) sh demo/run.sh

test: tools cargo-test outside-test c-test python-test readme-test fuzz-test
	$(call say,all tests passed)

cargo-test: tools
	$(call say,Rust: unit tests$(,) scripts$(,) properties$(,) crashes)
	$(CARGO) test -q -p folkmoot --all-features
	$(CARGO) test -q -p folkmoot --no-default-features --lib
	$(CARGO) test -q -p folkmoot-sys -p folkmoot-ffi -p fxhash -p protobuf -p raft-proto

outside-test: tools
	$(call say,a Rust program outside this workspace$(,) with and without our stand-ins)
	CARGO='$(CARGO)' sh tests/outside.sh

# The whole ensemble in one thread, one seed after another; `make sim SEEDS=n`, FOLKMOOT_SEED=<n> replays one.
sim: tools
	$(call say,simulation: $(SEEDS) seeds)
	FOLKMOOT_SEEDS=$(SEEDS) $(CARGO) test -q -p folkmoot --features simulation --test sim -- --nocapture

c-test: tools
	$(call say,C and C++: every standard$(,) symbols$(,) fork$(,) leaks)
	sh tests/c/run.sh $(CLIB) release
	sh tests/install.sh

# Every parser for a few seconds; FUZZ_SECONDS for longer.
fuzz-test: tools
	$(call say,fuzzing: every parser of stored bytes)
	CARGO='$(CARGO)' FOLKMOOT_FUZZ_TARGET='$(TARGET)/fuzz' sh tests/fuzz/run.sh $(FUZZ_SECONDS)

python-test: python
	$(call say,Python: pytest and stubtest)
	$(VPY) -m pytest -q tests/python

readme-test: clib python
	$(call say,README: its programs compile and run)
	sh tests/readme.sh $(CLIB) $(VPY)

# The shared object, the static archive.
clib: tools
	$(call say,libfolkmoot: shared object and static archive)
	sh ffi/link.sh $(CLIB)

$(VPY):
	$(PYTHON3) -m venv $(VENV)
	$(VPY) -m pip install -q --disable-pip-version-check 'maturin>=1.9,<2' pytest mypy kazoo pure-sasl

python: tools $(VPY)
	$(call say,the Python module$(,) into .venv)
	VIRTUAL_ENV=$(VENV) $(VENV)/bin/maturin develop -q --release -m python/Cargo.toml

wheel: tools $(VPY)
	$(VENV)/bin/maturin build --release -m python/Cargo.toml -o $(TARGET)/wheels

# The oldest Rust that Cargo.toml promises, if rustup has it here (rustup toolchain install --profile minimal N).
MSRV := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -1)
msrv:
	@if rustup run $(MSRV) rustc --version >/dev/null 2>&1; \
	then CARGO_TARGET_DIR=$(TARGET)/msrv rustup run $(MSRV) cargo check -q --locked --workspace && echo "compiles with Rust $(MSRV)"; \
	else echo "skipped: rustup has no Rust $(MSRV) here"; fi

# Reads only.
verify: tools
	$(CARGO) fmt --check
	$(CARGO) clippy -q --workspace --all-targets --all-features -- -D warnings
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is missing: cargo install --locked cargo-deny"; exit 1; }
	$(CARGO) deny --log-level error check bans licenses sources

fix: tools
	$(CARGO) fmt
	$(CARGO) clippy -q --workspace --all-targets --all-features --fix --allow-dirty

header: tools
	UPDATE_HEADER=1 $(CARGO) test -q -p folkmoot-ffi header

# Rust, C and Python in one table; then the server, beside a real ZooKeeper if one is installed (ZOOKEEPER_CLASSPATH=
# says which). SERVERS=--whole for 1,000,000 znodes and a judgement, which takes about half an hour.
bench: bench-doors bench-servers

bench-servers: tools
	$(call say,the server$(,) beside ZooKeeper)
	$(CARGO) build -q --release -p folkmoot --features cli
	$(PYTHON3) core/benches/servers.py $(TARGET)/release/folkmoot --dir $(TARGET) $(if $(ZOOKEEPER_CLASSPATH),--zookeeper '$(ZOOKEEPER_CLASSPATH)') $(SERVERS)

bench-doors: tools clib python
	cc -O2 -Wall -Wextra -Iinclude core/benches/doors.c -o $(CLIB)/doors -L$(CLIB) -lfolkmoot -Wl,-rpath,$(CLIB)
	FIGURES_C=$(CLIB)/doors FIGURES_PYTHON=$(VPY) $(CARGO) bench -q -p folkmoot --bench figures $(if $(ONLY),-- $(ONLY))

install: clib
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(LIBDIR)/cmake/folkmoot $(DESTDIR)$(PREFIX)/include
	install -m 755 $(CLIB)/libfolkmoot.so.$(VERSION) $(DESTDIR)$(LIBDIR)/
	ln -sf libfolkmoot.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libfolkmoot.so.0
	ln -sf libfolkmoot.so.0 $(DESTDIR)$(LIBDIR)/libfolkmoot.so
	install -m 644 $(CLIB)/libfolkmoot.a $(DESTDIR)$(LIBDIR)/
	install -m 644 ffi/cmake/folkmootConfig.cmake $(DESTDIR)$(LIBDIR)/cmake/folkmoot/
	sed 's/@VERSION@/$(VERSION)/' ffi/cmake/folkmootConfigVersion.cmake > $(DESTDIR)$(LIBDIR)/cmake/folkmoot/folkmootConfigVersion.cmake
	install -m 644 include/folkmoot.h include/folkmoot.hpp $(DESTDIR)$(PREFIX)/include/
	printf 'prefix=%s\nlibdir=%s\nincludedir=$${prefix}/include\n\nName: folkmoot\nDescription: Coordination that lives in your process\nVersion: %s\nLibs: -L$${libdir} -lfolkmoot\nLibs.private: -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc\nCflags: -I$${includedir}\n' '$(PREFIX)' '$(LIBDIR)' '$(VERSION)' > $(DESTDIR)$(LIBDIR)/pkgconfig/folkmoot.pc

clean:
	$(CARGO) clean
	rm -rf $(VENV)

, := ,
# Each missing prerequisite in one line, with how to get it.
tools:
	@missing=0; need() { command -v "$$1" >/dev/null 2>&1 || { echo "missing: $$1 - $$2"; missing=1; }; }; \
	need $(CARGO) "Rust 1.88 or later: https://rustup.rs, or your distribution's cargo and rustc"; \
	need cc "a C compiler: apt-get install build-essential"; \
	need c++ "a C++ compiler: apt-get install build-essential"; \
	need $(PYTHON3) "Python 3.9 or later: apt-get install python3 python3-venv"; \
	command -v $(PYTHON3) >/dev/null 2>&1 && { $(PYTHON3) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null \
		|| { echo "missing: Python 3.9 or later with venv - apt-get install python3 python3-venv"; missing=1; }; }; \
	exit $$missing
