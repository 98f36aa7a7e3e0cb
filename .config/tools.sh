#!/usr/bin/env bash
# Installs what a make target needs and this machine lacks. Says what it does; does nothing twice.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

apt_install() { # package, a command or path that shows it is there, further options of apt-get
    if command -v "$2" >/dev/null 2>&1 || [ -e "$2" ]; then return; fi
    echo "installing $1"
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${@:3}" "$1")
    as_root "${install[@]}" >/dev/null 2>&1 ||
        { as_root apt-get update -qq && as_root "${install[@]}" >/dev/null; }
}

postgres() {
    if ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null 2>&1; then return; fi
    if [ -n "${EXHIBIT_POSTGRES_BIN:-}" ]; then return; fi
    echo "installing postgresql"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null
}

rust() {
    if ! command -v cargo >/dev/null 2>&1; then
        echo "Rust is missing: install it with rustup (https://rustup.rs), then run make again" >&2
        exit 1
    fi
    apt_install gcc cc
}

nextest() {
    cargo nextest --version >/dev/null 2>&1 || { echo "installing cargo-nextest"; cargo install --locked --quiet cargo-nextest; }
}

deny() {
    cargo deny --version >/dev/null 2>&1 || { echo "installing cargo-deny"; cargo install --locked --quiet cargo-deny; }
}

python_tools() {
    [ -x target/venv/bin/schemathesis ] && return
    echo "installing schemathesis"
    apt_install python3-venv /usr/share/doc/python3-venv
    python3 -m venv target/venv
    target/venv/bin/pip install --quiet 'schemathesis==4.*'
}

# apt starts the services that it installs, unless a policy of the machine says no: ours, for the moment.
without_starting() (
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    "$@"
)

stream_clients() {
    apt_install nodejs node
    apt_install npm npm
    apt_install chromium chromium --no-install-recommends
    without_starting apt_install nginx /usr/sbin/nginx --no-install-recommends
    if ! cmp -s tests/clients/package-lock.json target/clients/installed; then
        echo "installing the stream clients of npm"
        mkdir -p target/clients
        cp tests/clients/package.json tests/clients/package-lock.json target/clients/
        (cd target/clients && npm ci --ignore-scripts --silent)
        cp tests/clients/package-lock.json target/clients/installed
    fi
    target/venv/bin/pip install --quiet --requirement tests/clients/requirements.txt
}

# Unpacked, not installed: Debian's package would start a web server on port 80.
nchan() {
    local place=$PWD/target/nchan
    [ -x "$place/usr/sbin/nginx" ] && return
    echo "fetching nginx and nchan"
    mkdir -p "$place"
    (
        cd "$place"
        apt-get download -qq nginx libnginx-mod-nchan 2>/dev/null ||
            { as_root apt-get update -qq && apt-get download -qq nginx libnginx-mod-nchan; }
        for package in ./*.deb; do dpkg -x "$package" .; done
    )
}

tests() { nextest; apt_install openssl openssl; apt_install python3 python3; apt_install poppler-utils pdfdetach; }

rust
postgres
case "${1:-run}" in
    run) ;;
    test) tests ;;
    bench) tests; nchan ;;
    check-api) python_tools; stream_clients ;;
    audit) deny ;;
esac
