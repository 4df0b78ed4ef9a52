#!/usr/bin/env bash
# Writes tools/locks anew: every package that `make setup`, `make test` and CI install, with its version and hashes.
#   usage: lock.sh BIN          BIN: a folder with python, pip's uv and npm, such as .venv/bin
set -euo pipefail
BIN=$(realpath "${1:?usage: lock.sh BIN}")
cd "$(dirname "$0")/.."
LOCKS=tools/locks
BUILD=$(printf '%s\n' hatchling editables pip) # what installs l3mote itself

lock() { # FILE EXTRA ARGUMENT...
    local file=$1 extra=$2
    shift 2
    echo "$BUILD" | "$BIN/uv" pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url "$@" --extra "$extra" pyproject.toml - -o "$file"
}

lock $LOCKS/dev.txt dev --extra train
lock $LOCKS/run.txt emulate -c $LOCKS/dev.txt
# Adafruit's MQTT library, for the tests: without Blinka, whose modules pass for a board's (`micropython`, `board`)
printf 'adafruit-circuitpython-%s\n' minimqtt connectionmanager ticks typing | "$BIN/uv" pip compile -q --no-deps \
    --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url - -o $LOCKS/circuitpython.txt
echo uv | "$BIN/uv" pip compile -q --universal --generate-hashes --no-header --no-annotate --no-emit-index-url - -o $LOCKS/uv.txt # this tool itself
PATH="$BIN:$PATH" npm install --prefix $LOCKS/node --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --silent
