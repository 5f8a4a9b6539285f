#!/bin/sh
# Runs every fuzz target for FUZZ_SECONDS (60) on a copy of its corpus; a crash is kept in build/fuzz/<target>/.
set -eu
cd "$(dirname "$0")/.."
[ -f build/fuzz/meson/build.ninja ] ||
    CC=clang CXX=clang++ meson setup build/fuzz/meson -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false \
        -Ddeps_dir="$PWD/build/deps" >build/fuzz.log 2>&1 || { cat build/fuzz.log >&2; exit 1; }
ninja -C build/fuzz/meson --quiet
status=0
for target in build/fuzz/meson/test/fuzz/*_fuzz; do
    name=$(basename "$target" _fuzz)
    mkdir -p "build/fuzz/$name/corpus"
    corpus=test/fuzz/corpus/$name
    [ -d "$corpus" ] || corpus=
    echo "== $name"
    # shellcheck disable=SC2086  # may be empty
    "$target" -max_total_time="${FUZZ_SECONDS:-60}" -artifact_prefix="build/fuzz/$name/" \
        "build/fuzz/$name/corpus" $corpus 2>&1 | tail -n 3 || status=1
done
exit $status
