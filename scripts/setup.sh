#!/bin/sh
# Makes sure that the tools and libraries of deps/ are there: Debian packages are installed when missing, everything else
# is fetched, checked against its SHA-256, and unpacked below build/deps.
set -eu
cd "$(dirname "$0")/.."

missing() {
    sed -e 's/#.*//' deps/apt.txt | while read -r package rest; do
        [ -n "$package" ] || continue
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
    done
}

install_packages() {
    if ! command -v apt-get >/dev/null; then
        echo "This is no Debian-like system; the names in deps/apt.txt tell what is needed. Going on without." >&2
        return
    fi
    packages=$(missing)
    [ -n "$packages" ] || return 0
    echo "Installing:" $packages
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null; then
        as_root=sudo
    else
        echo "These packages are missing, and there is no sudo to install them with. As root, run:" >&2
        echo "  apt-get install --no-install-recommends" $packages >&2
        exit 1
    fi
    install="$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends"
    mkdir -p build
    # shellcheck disable=SC2086  # lists of words
    $install $packages >build/apt.log 2>&1 || {
        $as_root apt-get update -qq >>build/apt.log 2>&1
        $install $packages >>build/apt.log 2>&1
    } || {
        tail -n 20 build/apt.log >&2
        echo "The packages could not be installed; the whole log is in build/apt.log." >&2
        exit 1
    }
}

install_packages
deps/fetch.sh build/deps
