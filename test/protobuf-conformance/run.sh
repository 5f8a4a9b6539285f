#!/bin/sh
# Runs the official Protocol Buffers conformance suite, required and recommended cases, binary and JSON, against our
# codec. No case is known to fail. The last line is "N passed, N failed".
#
#   test/protobuf-conformance/run.sh [BUILD_DIR]      default: build/protobuf-conformance
#
# Environment: MESON_ARGS (e.g. -Db_sanitize=none), DEPS_DIR (default: build/deps).
#
# The runner comes from npm and needs a newer C library than Debian 12 has. That of Debian 13 is downloaded with apt into
# BUILD_DIR and unpacked there; nothing is installed. Where Debian 13 cannot be reached the suite is skipped.
set -eu

name=protobuf-conformance
version=33.2.0
sha256=2c779cd03705d637b29afe29e589a8e18ec8700e32b58d910362a3c793ea0898

src=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$src/build/protobuf-conformance}
deps=${DEPS_DIR:-$src/build/deps}
mkdir -p "$build"
build=$(cd "$build" && pwd)
suite=$build/suite-$version
root=$build/debian-13

fail() {
    echo "run.sh: $*" >&2
    exit 1
}

fetch_suite() {
    [ -f "$suite/done" ] && return
    rm -rf "$suite"
    mkdir -p "$suite"
    if ! command -v npm >/dev/null; then
        python3 -m venv "$build/venv"
        "$build/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$src/deps/node.txt"
        PATH=$build/venv/bin:$PATH
    fi
    (cd "$suite" && npm pack --silent "$name@$version" >/dev/null) || fail "npm could not fetch $name@$version"
    echo "$sha256  $suite/$name-$version.tgz" | sha256sum --check --status ||
        fail "$name@$version has another SHA-256 than is pinned here"
    tar -C "$suite" -xzf "$suite/$name-$version.tgz" --no-same-owner
    chmod +x "$suite"/package/bin/*
    touch "$suite/done"
}

runner() {
    if [ -f "$root/done" ]; then
        "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" \
            "$suite/package/bin/conformance_test_runner-linux-x64" "$@"
    else
        "$suite/package/bin/conformance_test_runner-linux-x64" "$@"
    fi
}

runner_works() {
    runner --help >"$build/probe.log" 2>&1 || grep -qi usage "$build/probe.log"
}

apt_here() {
    apt-get -qq -o Dir::State::lists="$root/lists" -o Dir::Cache="$root/cache" -o Dir::State::status=/dev/null \
        -o Dir::Etc::sourcelist="$root/sources.list" -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=root "$@"
}

# From where this system takes its own Debian packages, Debian 13 can be had too.
fetch_debian_13() {
    mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep '/debian/*$' | head -n 1)
    [ -n "$mirror" ] || return 1
    rm -rf "$root"
    mkdir -p "$root/lists/partial" "$root/cache/archives/partial" "$root/packages"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$root/sources.list"
    apt_here update || return 1
    (cd "$root/packages" && apt_here download libc6 libgcc-s1 libstdc++6) || return 1
    for package in "$root"/packages/*.deb; do
        dpkg-deb -x "$package" "$root" || return 1
    done
    touch "$root/done"
}

build_testee() {
    protoc -I "$suite/package/include" -I /usr/include --include_imports -o "$build/messages.binpb.new" \
        conformance/conformance.proto google/protobuf/test_messages_proto3.proto
    cmp -s "$build/messages.binpb.new" "$build/messages.binpb" || cp "$build/messages.binpb.new" "$build/messages.binpb"
    if [ ! -f "$build/meson/build.ninja" ]; then
        # shellcheck disable=SC2086  # MESON_ARGS is a list of words
        CC=clang CXX=clang++ meson setup "$build/meson" "$src" -Ddeps_dir="$deps" -Dprotobuf_conformance_set="$build/messages.binpb" \
            ${MESON_ARGS:--Db_sanitize=address,undefined -Db_lundef=false} >"$build/meson.log" 2>&1 ||
            { cat "$build/meson.log" >&2; exit 1; }
    fi
    ninja -C "$build/meson" --quiet test/protobuf-conformance/protobuf-testee
}

fetch_suite
if ! runner_works; then
    if ! fetch_debian_13 >"$build/debian-13.log" 2>&1; then
        cat "$build/probe.log" "$build/debian-13.log"
        echo "skipped: the runner needs a newer C library, and Debian 13, which has it, cannot be reached"
        echo "0 passed, 0 failed"
        exit 0
    fi
    runner_works || fail "the runner does not start: $(cat "$build/probe.log")"
fi
build_testee
: >"$build/failures.txt"
status=0
runner --enforce_recommended --output_dir "$build" --failure_list "$build/failures.txt" \
    "$build/meson/test/protobuf-conformance/protobuf-testee" >"$build/run.log" 2>&1 || status=$?
grep -v '^$' "$build/run.log" | tail -n 200
# "CONFORMANCE SUITE FAILED: 1380 successes, 9 skipped, 0 expected failures, 81 unexpected failures." once per suite
summary=$(sed -n 's/^CONFORMANCE SUITE [A-Z]*: \([0-9]*\) successes.* \([0-9]*\) unexpected failures.*/\1 \2/p' "$build/run.log" |
    awk '{ passed += $1; failed += $2 } END { print passed + 0, failed + 0 }')
passed=${summary% *}
failed=${summary#* }
[ "$passed" -gt 0 ] || failed=$((failed + 1))
[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
