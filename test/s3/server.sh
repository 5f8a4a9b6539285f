#!/bin/sh
# Builds the S3 server that the test runs against, below build/s3/, unless it is there already, and prints its path.
set -eu

src=$(cd "$(dirname "$0")/../.." && pwd)
out=$src/build/s3
stamp=$(sha256sum "$src/deps/s3/go.sum" | cut -c1-16)
if [ ! -x "$out/$stamp/versitygw" ]; then
    go=$("$src/scripts/go.sh")
    rm -rf "$out"
    mkdir -p "$out/new"
    (cd "$src/deps/s3" && "$go" build -mod=readonly -trimpath -p "${JOBS:-2}" -ldflags "-s -w" -o "$out/new/" \
        github.com/versity/versitygw/cmd/versitygw) >&2
    mv "$out/new" "$out/$stamp"
fi
echo "$out/$stamp/versitygw"
