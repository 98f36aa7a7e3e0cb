# Two commands do everything: `make run` and `make test`.
SHELL := /bin/bash
EXHIBIT := target/debug/exhibit
TOOLS := .config/tools.sh

.PHONY: run demo test check check-api bench fix contract audit

run: ## Install what is missing, build, start the server, print a key and the next command
	@$(TOOLS) run
	cargo build --release --package api
	target/release/exhibit serve

demo: ## Play a recorded agent session, seal, verify, tamper
	@$(TOOLS) run
	cargo build --release --package api
	target/release/exhibit demo

test: ## All tests, against real servers that the harness starts and stops
	@$(TOOLS) test
	cargo build --workspace --bins --tests
	target/debug/with-postgres cargo nextest run --workspace --no-fail-fast

check: ## Formatting, lints, the committed contract, dependency arrows
	@$(TOOLS) test
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo build --workspace --bins --tests
	target/debug/with-postgres cargo nextest run --package tests -E 'test(contract) + test(architecture)'

check-api: ## schemathesis against a running server; other people's stream clients, cut off
	@$(TOOLS) check-api
	cargo build --workspace --bins --tests
	target/debug/with-postgres tests/schemathesis.sh
	tests/clients/run.sh

bench: ## The numbers of the README, in one run
	@$(TOOLS) bench
	cargo build --release --package api
	cargo bench --package tests --bench ingest
	cargo bench --package tests --bench stream
	cargo bench --package tests --bench policies --features bench-peers
	cargo bench --package tests --bench exports

fix: ## Format and apply what clippy can mend
	cargo fmt
	cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

contract: ## Write openapi/openapi.json and the README's table of settings anew
	cargo build --package api
	$(EXHIBIT) openapi > openapi/openapi.json
	docs/settings.py $(EXHIBIT)

audit: ## Licences, bans and sources of all dependencies
	@$(TOOLS) audit
	cargo deny check licenses bans sources
