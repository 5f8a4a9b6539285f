#!/bin/sh
# Measures the release build against a server of its own, next to limits of this machine taken in the same run.
#
#   bench/run.sh [scenario ...]      default: all; environment: SECONDS_EACH (5), ROUNDS (3), BENCH_DIR (build/bench),
#                                                  STORE (a PostgreSQL database, as the key "store"; the file else)
#
# Prints a table; bench/RESULTS.md keeps earlier ones with the machine and the commit.
set -eu
cd "$(dirname "$0")/.."
ninja -C build/release --quiet bench/mayfly-bench bench/mayfly-watches bench/mayfly-herd
bench=$PWD/build/release/bench/mayfly-bench
watches=$PWD/build/release/bench/mayfly-watches
herd=$PWD/build/release/bench/mayfly-herd
folder=${BENCH_DIR:-build/bench}
seconds=${SECONDS_EACH:-5}
rounds=${ROUNDS:-3}
rm -rf "$folder"
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
touch "$folder/gate"

python3 scripts/measure_start.py build/mayfly "$folder/start"
build/mayfly serve --listen 127.0.0.1:0 --data-dir "$folder/data" ${STORE:+--store "$STORE"} >"$folder/ready" 2>"$folder/server.log" &
server=$!
stop() {
    trap - INT TERM EXIT
    rm -f "$folder/gate"
    kill "$server" 2>/dev/null || true
    wait "$server" || true
}
trap 'stop; exit 1' INT TERM
trap stop EXIT
until grep -q '^ready ' "$folder/ready"; do
    kill -0 "$server" 2>/dev/null || { cat "$folder/server.log" >&2; exit 1; }
    sleep 0.05
done
port=$(sed -n 's/^ready [a-z]*:\/\/[^:]*:\([0-9]*\).*/\1/p' "$folder/ready")
cpu() {
    awk -v hz="$(getconf CLK_TCK)" '{ printf "%.1f", ($14 + $15) / hz }' "/proc/$server/stat"
}

cd "$folder"
for scenario in ${*:-fsync echo create-1 create deploy herd events details list watch fan-out snapshot}; do
    case $scenario in
    fan-out | snapshot) # several rounds each; what open watches cost
        "$watches" "$scenario" --port "$port" --pid "$server" --gate "$folder/gate"
        continue
        ;;
    herd) # triggers that are due in the same second
        for triggers in 1000 10000; do
            "$herd" --port "$port" --triggers "$triggers" --gate "$folder/gate"
        done
        continue
        ;;
    esac
    round=0
    while [ "$round" -lt "$rounds" ]; do
        before=$(cpu)
        "$bench" "$scenario" --port "$port" --seconds "$seconds" --gate "$folder/gate"
        after=$(cpu)
        echo "$before $after" | awk '{ printf "           server CPU %.1f s\n", $2 - $1 }'
        round=$((round + 1))
    done
done
awk '/VmRSS|VmHWM/ { printf "%s %s kB   ", $1, $2 }  END { print "after the load" }' "/proc/$server/status"
