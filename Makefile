# The front door. "make help" tells what there is; the build proper is in meson.build.
#
# Variables: CC (gcc), PREFIX (/usr/local), DESTDIR, LISTEN and DATA_DIR (make run), STEPS (make test, e.g. STEPS="fmt unit"),
# SEED, SEEDS and YEARS (make sim).

PREFIX ?= /usr/local
LISTEN ?= 127.0.0.1:8090
DATA_DIR ?= ./mayfly-data
SEED ?= 1
SEEDS ?= 1
YEARS ?= 10

.DEFAULT_GOAL := build
.PHONY: help build run test sim test-kubernetes bench fuzz fmt lint docs install clean

help:
	@echo "make build     build/mayfly, with everything it needs fetched first"
	@echo "make run       build, start a server, run a workflow on it with the flyte CLI, and keep serving"
	@echo "make test      all checks; STEPS=\"name ...\" for some of them (scripts/test.py --list)"
	@echo "make test-kubernetes  the executor on Kubernetes against a real API server, which is built once"
	@echo "make sim       simulate the scheduler in a world of faults; SEED=n, SEEDS=n for more, YEARS=n (test/sim/)"
	@echo "make bench     measure (bench/)"
	@echo "make fuzz      fuzz for a minute per target (test/fuzz/); FUZZ_SECONDS=n"
	@echo "make fmt       format the sources"
	@echo "make lint      static analysis"
	@echo "make docs      write the pages under docs/ that are made from tables"
	@echo "make install   install into PREFIX ($(PREFIX))"
	@echo "make clean     remove build/"

build:
	@scripts/build.sh

run: build
	@LISTEN="$(LISTEN)" DATA_DIR="$(DATA_DIR)" scripts/run.sh

test:
	@scripts/setup.sh
	@scripts/test.py $(STEPS)

test-kubernetes: build
	@test/kubernetes/run.py build/mayfly

sim: build
	@ninja -C build/release --quiet test/sim/schedule-sim
	@build/release/test/sim/schedule-sim --seed $(SEED) --seeds $(SEEDS) --years $(YEARS)

bench: build
	@bench/run.sh

fuzz:
	@scripts/setup.sh
	@scripts/fuzz.sh

fmt:
	@scripts/format.sh

lint:
	@scripts/setup.sh
	@scripts/lint.sh

docs: build
	@for page in configuration metrics policies cli; do build/mayfly config docs $$page > docs/$$page.md; done

install: build
	install -D -m 755 build/mayfly "$(DESTDIR)$(PREFIX)/bin/mayfly"

clean:
	rm -rf build
