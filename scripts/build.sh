#!/bin/sh
# Builds build/mayfly: optimised, with link-time optimisation, stripped. What it needs is fetched first.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh
[ -f build/release/build.ninja ] ||
    meson setup build/release --buildtype=release -Db_lto=true -Ddeps_dir="$PWD/build/deps" ${MESON_ARGS:-} \
        >build/meson.log 2>&1 || { cat build/meson.log >&2; exit 1; }
ninja -C build/release --quiet src/mayfly
if [ ! build/mayfly -nt build/release/src/mayfly ]; then
    strip -o build/mayfly.new build/release/src/mayfly
    mv build/mayfly.new build/mayfly
fi
