#!/bin/sh
# Runs the Connect project's conformance suite against our net and rpc layers: every case that mayfly.yaml
# claims, over HTTP/1.1 and HTTP/2, plain and TLS, none of them known to fail.
#
#   test/conformance/run.sh [BUILD_DIR] [arguments for the runner, e.g. --run 'Basic/**' -v]
#
# BUILD_DIR (default: build/conformance) receives everything. Environment: GO (the go program to use), JOBS (2),
# MESON_ARGS (e.g. -Db_sanitize=address,undefined), DEPS_DIR (default: build/deps).
set -eu

src=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$src/build/conformance}
[ $# -gt 0 ] && shift
deps=${DEPS_DIR:-$src/build/deps}
jobs=${JOBS:-2}
mkdir -p "$build"
build=$(cd "$build" && pwd)

build_runner() {
    (cd "$src/deps/go" && "$go" build -mod=readonly -p "$jobs" -o "$build/tools/" \
        connectrpc.com/conformance/cmd/connectconformance)
    protos=$(cd "$src/deps/go" && "$go" list -mod=readonly -m -f '{{.Dir}}' connectrpc.com/conformance)/proto
    protoc -I "$protos" --include_imports -o "$build/conformance.binpb.new" \
        connectrpc/conformance/v1/service.proto connectrpc/conformance/v1/server_compat.proto
    cmp -s "$build/conformance.binpb.new" "$build/conformance.binpb" ||
        mv "$build/conformance.binpb.new" "$build/conformance.binpb"
}

build_server() {
    if [ ! -f "$build/meson/build.ninja" ]; then
        # shellcheck disable=SC2086  # MESON_ARGS is a list of words
        meson setup "$build/meson" "$src" -Ddeps_dir="$deps" -Dconformance_set="$build/conformance.binpb" \
            ${MESON_ARGS:-} >"$build/meson.log" 2>&1 || { cat "$build/meson.log" >&2; exit 1; }
    fi
    ninja -C "$build/meson" -j "$jobs" --quiet test/conformance/conformance-server
}

go=$("$src/scripts/go.sh")
build_runner
build_server
"$build/tools/connectconformance" --conf "$src/test/conformance/mayfly.yaml" --mode server \
    --known-failing "@$src/test/conformance/known-failing.txt" "$@" \
    -- "$build/meson/test/conformance/conformance-server"
