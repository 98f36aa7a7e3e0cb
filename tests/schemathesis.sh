#!/usr/bin/env bash
# Property-tests a running server against its own OpenAPI document: no 5xx, no undocumented status,
# media type or body. Runs under with-postgres (see `make check-api`); SEED repeats another run.
set -euo pipefail
cd "$(dirname "$0")/.."
EXHIBIT=${CARGO_TARGET_DIR:-target}/debug/exhibit
VENV=$PWD/target/venv/bin
CHECKS=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
: "${EXHIBIT_TEST_POSTGRES:?run it by make check-api}"

EXHIBIT=$(realpath "$EXHIBIT")
work=$(mktemp -d)
server=
finish() {
    code=$?
    if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" || true; fi
    if [ "$code" != 0 ]; then grep -v '"level":"INFO"' "$work/log" 2>/dev/null | tail -20 >&2 || true; fi
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT

# A database of its own.
psql=$(command -v psql || ls -d /usr/lib/postgresql/*/bin/psql | tail -1)
database=schemathesis_$$
"$psql" --quiet --no-psqlrc "${EXHIBIT_TEST_POSTGRES/DATABASE/postgres}" \
    --command "create database $database template exhibit_template"
export EXHIBIT_DATABASE_URL=${EXHIBIT_TEST_POSTGRES/DATABASE/$database} EXHIBIT_DATA=$work/data

"$EXHIBIT" serve --listen 127.0.0.1:0 >"$work/out" 2>"$work/log" &
server=$!
for _ in $(seq 300); do
    grep -q '^listening on ' "$work/out" && break
    kill -0 "$server" # It has ended: so does this script.
    sleep 0.1
done
url=$(sed -n 's/^listening on //p' "$work/out")
key=$(sed -n 's/.*(shown this once): //p' "$work/out")
admin=$("$EXHIBIT" key add --tenant demo --scopes admin)
# What is revoked or suspended may be what the run itself lives on: this tenant and key are for that.
last=$("$EXHIBIT" key add --tenant "$("$EXHIBIT" tenant add last)" --scopes admin)

opens() { # key, path: a run whose key has ended in between would have tested nothing
    "$VENV/python" - "$url$2" "$1" <<'PY'
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"authorization": f"Bearer {sys.argv[2]}"})
urllib.request.urlopen(request)
PY
}

# One worker: Python 3.11 parses source in threads only with luck.
check() { # name, key, examples of an operation, phases, filters…
    echo "== $1"
    (cd "$work" && "$VENV/schemathesis" --config-file "$work/schemathesis.toml" run "$url/openapi.json" \
        --header "Authorization: Bearer $2" --checks "$CHECKS" --max-examples "$3" --phases "$4" \
        --seed "${SEED:-1}" --generation-database none --suppress-health-check all \
        --continue-on-failure --no-color --warnings off --workers 1 "${@:5}")
}
: >"$work/schemathesis.toml"

failed=0
# Streams do not end: tests/clients reads those.
check "/v1 and what is open" "$key" 150 examples,coverage,fuzzing,stateful \
    --exclude-path-regex '^/admin|/stream$' || failed=1
opens "$key" /v1/sessions
check "/admin" "$admin" 100 examples,coverage,fuzzing,stateful --include-path-regex '^/admin' \
    --exclude-operation-id revokeKey --exclude-operation-id suspendTenant || failed=1
opens "$admin" /admin/tenants
check "what ends keys" "$last" 100 examples,coverage,fuzzing \
    --include-operation-id revokeKey --include-operation-id suspendTenant || failed=1
kill -0 "$server"
exit "$failed"
