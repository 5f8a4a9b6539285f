#!/bin/sh
# Formats the C sources; with --check, only says which are not formatted.
set -eu
cd "$(dirname "$0")/.."
formatter=$(command -v clang-format-14 || command -v clang-format)
if [ "${1:-}" = --check ]; then
    mode="--dry-run -Werror"
else
    mode=-i
fi
# shellcheck disable=SC2086  # a list of words
git ls-files -z -- '*.c' '*.h' | xargs -0 "$formatter" $mode
