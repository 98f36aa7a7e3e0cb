#!/usr/bin/env bash
# Runs other people's SSE clients against a real server (see `make check-api`, which installs them).
set -euo pipefail
cd "$(dirname "$0")/../.."
EXHIBIT_BIN=${EXHIBIT_BIN:-${CARGO_TARGET_DIR:-target}/debug/exhibit}
# Node finds packages beside the program that wants them.
cp tests/clients/*.mjs target/clients/
exec target/venv/bin/python tests/clients/run.py "$EXHIBIT_BIN" target/clients
