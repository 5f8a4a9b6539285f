#!/bin/sh
# Builds the programs the tests need, from pinned Go modules, into build/kubernetes/: cluster (etcd, kube-apiserver and
# kube-controller-manager in one) and helm (prints what Helm makes of a chart). It takes two processors about five minutes
# the first time, 3 GB below Go's caches, and nothing after that. With a number of seconds as argument: gives up after so
# many with exit code 124, and goes on from there the next time.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$here/../.." && pwd)/build/kubernetes
go=$("$here/../../scripts/go.sh")

build() {
    program=$1
    flags=$2
    stamp=$(cat "$here/$program"/go.mod "$here/$program"/go.sum "$here/$program"/*.go | sha256sum)
    if [ -x "$out/$program" ] && [ "$(cat "$out/$program.stamp" 2>/dev/null)" = "$stamp" ]; then
        return
    fi
    cd "$here/$program"
    ${limit:+timeout "$limit"} "$go" build -mod=readonly -trimpath -ldflags "-s -w $flags" -o "$out/$program.new" .
    mv "$out/$program.new" "$out/$program"
    echo "$stamp" > "$out/$program.stamp"
}

limit=${1:-}
mkdir -p "$out"
build helm ""
build cluster "-X k8s.io/component-base/version.gitVersion=$(sed -n 's/^\tk8s.io\/kubernetes //p' "$here/cluster/go.mod")"
