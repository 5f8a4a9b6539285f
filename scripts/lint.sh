#!/bin/sh
# Static analysis of the product's sources with the checks of .clang-tidy. The path-sensitive analyzer sees one file at a
# time and does not know that a code other than MF_OK means "not filled", so its findings are printed to be read; all
# others are errors.
set -eu
cd "$(dirname "$0")/.."
[ -f build/lint/build.ninja ] || CC=clang CXX=clang++ meson setup build/lint -Ddeps_dir="$PWD/build/deps" >build/lint.log 2>&1 ||
    { cat build/lint.log >&2; exit 1; }
ninja -C build/lint --quiet
git ls-files -z -- 'src/*.c' |
    xargs -0 -n 4 -P 2 clang-tidy -p build/lint --quiet --warnings-as-errors='*,-clang-analyzer-*'
