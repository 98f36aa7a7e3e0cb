#!/usr/bin/env bash
# Installs what a make target needs and this machine lacks. Says what it does; does nothing twice.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

apt_install() { # package, and a command or path that shows it is there
    if command -v "$2" >/dev/null 2>&1 || [ -e "$2" ]; then return; fi
    echo "installing $1"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null 2>&1 ||
        { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null; }
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

tests() { nextest; apt_install openssl openssl; apt_install python3 python3; }

rust
postgres
case "${1:-run}" in
    run) ;;
    test) tests ;;
    bench) tests; nchan ;;
    check-api) python_tools ;;
    audit) deny ;;
esac
