#!/bin/sh
# Compares our cron expressions with the Go library that the reference takes them from: random expressions, time zones and
# times of the years 1970 to 2100.
#
#   test/cron-differential/run.sh [BUILD_DIR] [arguments for the program, e.g. -seed 7 -cases 1000000]
#
# BUILD_DIR (default: build/release) is one that meson has set up. Environment: GO (the go program to use).
set -eu

src=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$src/build/release}
[ $# -gt 0 ] && shift
build=$(cd "$build" && pwd)

go=$("$src/scripts/go.sh")
ninja -C "$build" --quiet test/cron-differential/cron-answers >/dev/null
cd "$src/test/cron-differential"
"$go" build -mod=readonly -o "$build/test/cron-differential/compare" ./compare
exec "$build/test/cron-differential/compare" -answers "$build/test/cron-differential/cron-answers" "$@"
