#!/bin/sh
# Starts a server, runs examples/fanout.py on it through the flyte CLI, shows what came of it, and serves until Ctrl-C.
# Environment: LISTEN, DATA_DIR.
set -eu
cd "$(dirname "$0")/.."
listen=${LISTEN:-127.0.0.1:8090}
data=${DATA_DIR:-./mayfly-data}

scripts/venv.sh sdk
mkdir -p "$data"
ready=$(mktemp)
build/mayfly serve --listen "$listen" --data-dir "$data" --python build/venv/bin/python >"$ready" 2>"$data/server.log" &
server=$!
stop() {
    trap - INT TERM EXIT
    kill "$server" 2>/dev/null || true
    wait "$server" || true
    rm -f "$ready"
}
trap 'stop; exit 0' INT TERM
trap stop EXIT

until grep -q '^ready ' "$ready"; do
    if ! kill -0 "$server" 2>/dev/null; then
        cat "$data/server.log" >&2
        exit 1
    fi
    sleep 0.05
done
url=$(sed -n 's/^ready \([^ ]*\).*/\1/p' "$ready")
echo "Mayfly is at $url, its data in $data, its log in $data/server.log."

# The CLI remembers for a day which code it has uploaded, in its home. With a home below the data directory the two are
# thrown away together.
case $data in /*) cli_home=$data/cli ;; *) cli_home=$PWD/$data/cli ;; esac
cli() {
    HOME=$cli_home NO_COLOR=1 COLUMNS=160 build/venv/bin/flyte -c "$data/flyte.yaml" --no-progress "$@"
}
mkdir -p "$cli_home"
name=fanout-$(date +%m%d-%H%M%S)
echo
echo "\$ flyte -c $data/flyte.yaml run --name $name --follow examples/fanout.py main --n 10"
cli run --name "$name" --follow examples/fanout.py main --n 10 || true
echo
HOME=$cli_home build/venv/bin/python scripts/show_run.py "$data/flyte.yaml" "$name" || {
    echo "The run did not succeed. Its log: build/venv/bin/flyte -c $data/flyte.yaml get logs $name" >&2
    exit 1
}
cat <<TEXT

Type next, in another terminal:
  build/venv/bin/flyte -c $data/flyte.yaml get action $name
  build/venv/bin/flyte -c $data/flyte.yaml get logs $name
  build/venv/bin/flyte -c $data/flyte.yaml run examples/fanout.py main --n 20

Serving at $url until Ctrl-C.
TEXT
wait "$server"
