#!/bin/sh
# Builds build/kubernetes/cluster: etcd, kube-apiserver and kube-controller-manager in one program (cluster/main.go),
# from pinned Go modules. It takes two processors about four minutes the first time, 3 GB below Go's caches, and nothing
# after that. With a number of seconds as argument: gives up after so many, and goes on from there the next time.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$here/../.." && pwd)/build/kubernetes
go=$("$here/../../scripts/go.sh")
version=$(cd "$here/cluster" && sed -n 's/^\tk8s.io\/kubernetes //p' go.mod)

mkdir -p "$out"
stamp=$(cat "$here"/cluster/go.mod "$here"/cluster/go.sum "$here"/cluster/*.go | sha256sum)
if [ -x "$out/cluster" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit
fi
cd "$here/cluster"
${1:+timeout "$1"} "$go" build -mod=readonly -trimpath \
    -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" -o "$out/cluster.new" .
mv "$out/cluster.new" "$out/cluster"
echo "$stamp" > "$out/stamp"
