#!/bin/sh
# Fills a directory with the third-party sources pinned here. See README.md.
#
#   deps/fetch.sh [DIR]      default: build/deps
#
# Everything is made in a scratch directory and moved into place at the end, with the stamp last: what an interrupted
# fetch leaves behind is redone, never used. Two fetches at once wait for each other.
set -eu

pins=$(cd "$(dirname "$0")" && pwd)
dir=${1:-$pins/../build/deps}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

wanted=$(cd "$pins" && cat fetch.sh wheels.txt sdists.txt tools.txt npm.txt node.txt | sha256sum | cut -d ' ' -f 1)
full() {
    [ "$(cat "$dir/stamp" 2>/dev/null)" = "$wanted" ]
}
full && exit 0

exec 9>"$dir/lock"
flock 9
full && exit 0

work=$dir/new
rm -rf "$work" "$dir/stamp"
mkdir -p "$work/idl" "$work/licences" "$work/npm" "$work/src"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

fail() {
    echo "fetch.sh: $*" >&2
    exit 1
}

python3 -m venv "$work/venv" || fail "python3 -m venv does not work; install python3-venv"
pip() {
    "$work/venv/bin/pip" --quiet --disable-pip-version-check --no-input "$@" || fail "pip could not do: $*"
}

fetch_wheels() {
    pip download --require-hashes --no-deps --only-binary :all: --platform any --implementation py \
        --python-version 3.11 -r "$pins/wheels.txt" -d "$work/wheels"
    for wheel in "$work"/wheels/*.whl; do
        python3 -m zipfile -e "$wheel" "$work/idl"
    done
}

fetch_sdists() {
    pip install --require-hashes --no-deps -r "$pins/tools.txt"
    pip download --require-hashes --no-deps --no-binary :all: --no-build-isolation -r "$pins/sdists.txt" -d "$work/sdists"
    for archive in "$work"/sdists/*.tar.gz; do
        tar -C "$work/src" -xzf "$archive" --no-same-owner
    done
    mv "$work"/src/uvloop-*/vendor/libuv "$work/libuv"
    mv "$work"/src/httptools-*/vendor/llhttp "$work/llhttp"
    cp "$work/libuv/LICENSE" "$work/licences/libuv"
    cp "$work/llhttp/LICENSE-MIT" "$work/licences/llhttp"
}

fetch_npm() {
    if ! command -v npm >/dev/null; then
        pip install --require-hashes --no-deps -r "$pins/node.txt"
        PATH="$work/venv/bin:$PATH"
    fi
    sed -e 's/#.*//' "$pins/npm.txt" | while read -r name version hash; do
        [ -n "$name" ] || continue
        (cd "$work/npm" && npm pack --silent "$name@$version" >/dev/null) || fail "npm could not fetch $name@$version"
        archive=$work/npm/$name-$version.tgz
        echo "$hash  $archive" | sha256sum --check --status || fail "$name@$version has another SHA-256 than npm.txt says"
        mkdir "$work/npm/$name"
        tar -C "$work/npm/$name" -xzf "$archive" --no-same-owner
    done
    mv "$work/npm/better-sqlite3/package/deps/sqlite3" "$work/sqlite"
    echo "SQLite is in the public domain: https://www.sqlite.org/copyright.html" >"$work/licences/sqlite"
}

echo "Fetching third-party sources into $dir"
fetch_wheels
fetch_sdists
fetch_npm
for part in idl libuv llhttp sqlite licences; do
    rm -rf "${dir:?}/$part"
    mv "$work/$part" "$dir/$part"
done
echo "$wanted" >"$dir/stamp.new"
mv "$dir/stamp.new" "$dir/stamp"
