#!/bin/sh
# Makes a Python environment with a pinned SDK, when it is missing or its pins have changed.
#
#   scripts/venv.sh PINS [FOLDER]     test/sdk/PINS.txt into build/FOLDER (default: venv)
#
# PINS: sdk (the newest SDK), kit (and what the acceptance kit needs besides), rust (and the controller in Rust), sdk-2.6 and
# sdk-2.3 (older SDKs with the kit's needs).
set -eu
cd "$(dirname "$0")/.."
pins=test/sdk/$1.txt
venv=build/${2:-venv}
stamp=$venv/pins-$1
cmp -s "$pins" "$stamp" && exit 0
# The kit's pins hold those of the SDK.
[ "$1" = sdk ] && cmp -s test/sdk/kit.txt "$venv/pins-kit" && exit 0
echo "Installing the flyte SDK into $venv"
mkdir -p build
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$pins"
cp "$pins" "$stamp"
