#!/bin/sh
# Makes build/venv, the Python environment with the pinned SDK, when it is missing or its pins have changed.
#
#   scripts/venv.sh sdk|kit     only the SDK, or also what the acceptance kit needs
set -eu
cd "$(dirname "$0")/.."
pins=test/sdk/$1.txt
stamp=build/venv/pins-$1
cmp -s "$pins" "$stamp" && exit 0
# The kit's pins hold those of the SDK.
[ "$1" = sdk ] && cmp -s test/sdk/kit.txt build/venv/pins-kit && exit 0
echo "Installing the flyte SDK into build/venv"
mkdir -p build
[ -x build/venv/bin/python ] || python3 -m venv build/venv
build/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$pins"
cp "$pins" "$stamp"
