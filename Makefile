# A thin index; `make help` lists it. CI calls the same targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.SILENT:
# One at a time: each target already uses every core.
.NOTPARALLEL:

.PHONY: help
help: ## List the targets
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Build, start Kafka, ClickHouse and Flywheel, play the demonstration and show its ranking; Ctrl-C stops it all
	deploy/dev/check-prerequisites
	echo "building Flywheel (minutes the first time)"
	cargo build --release --locked --package flywheel --package devstack
	exec target/release/devstack run

.PHONY: stack
stack: ## Start only Kafka and ClickHouse and print how to reach them
	deploy/dev/check-prerequisites
	cargo build --release --locked --package devstack
	exec target/release/devstack up

.PHONY: fetch
fetch: ## Download Kafka and ClickHouse, and start nothing
	deploy/dev/check-prerequisites --own-stack
	cargo build --release --locked --package devstack
	exec target/release/devstack fetch

.PHONY: test
test: test-prerequisites test-pure test-stack test-contract ## Run every test: the pure ones, then those against a Kafka and a ClickHouse of their own

# First, so that nobody waits for minutes to learn what is missing.
.PHONY: test-prerequisites
test-prerequisites:
	deploy/dev/check-prerequisites --contract

.PHONY: test-pure
test-pure: ## Run the tests that need nothing but this code
	cargo test --locked --workspace --exclude devstack --exclude e2e --exclude chaos --exclude contract

.PHONY: test-stack
test-stack: ## Run the tests against a Kafka and a ClickHouse of their own
	deploy/dev/check-prerequisites --own-stack
	cargo test --locked --package devstack --package e2e
	cargo test --locked --package chaos

.PHONY: test-contract
test-contract: ## Run other people's tools against the API, to see whether it is what its OpenAPI document says
	deploy/dev/check-prerequisites --contract
	cargo test --locked --package contract

.PHONY: simulate
simulate: ## Simulate ingest with crashes, delays and lies for SECONDS (60), from SEED if given
	cargo build --locked --package protocol --features simulator --bin simulate
	exec target/debug/simulate $(or $(SECONDS),60) $(SEED)

.PHONY: fuzz
fuzz: ## Fuzz the reader of events for SECONDS (60); what breaks it is left in target/fuzz/finds
	exec fuzz/run $(or $(SECONDS),60)

.PHONY: chaos
chaos: ## Kill, freeze and cut off the real parts under load for ROUNDS (40), from SEED if given, and compare every row
	deploy/dev/check-prerequisites --own-stack
	cargo build --locked --package chaos --package flywheel
	exec target/debug/chaos --rounds $(or $(ROUNDS),40) $(if $(SEED),--seed $(SEED))

.PHONY: calibrate
calibrate: ## Check on worlds with a known truth that rank intervals hold the true rank, with SAMPLES (2500) of each family
	cargo build --release --locked --package calibrate
	exec target/release/calibrate --picture docs/calibration.svg $(if $(SAMPLES),--samples $(SAMPLES)) $(if $(SEED),--seed $(SEED))

.PHONY: bench-ingest
bench-ingest: ## Measure ingest against this machine and against ClickHouse's Kafka engine, with EVENTS (20000000) in ROUNDS (3)
	deploy/dev/check-prerequisites --own-stack
	cargo build --release --locked --package flywheel --package bench
	cargo build --release --locked --package flywheel --features unprotected --target-dir target/unprotected
	exec target/release/bench-ingest run $(if $(EVENTS),--events $(EVENTS)) $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: bench-freshness
bench-freshness: ## Measure how long an event takes to show in the API's answer, with 20,000 events a second over TEAMS (5,50)
	cargo build --release --locked --package flywheel --package freshness
	exec target/release/bench-freshness $(if $(TEAMS),--teams $(TEAMS))

.PHONY: bench-rank
bench-rank: ## Measure rankings of TEAMS (50) with 1,000, 10,000 and 100,000 accounts each, in ROUNDS (3)
	deploy/dev/check-prerequisites --own-stack
	cargo build --release --locked --package devstack --package rank-bench
	exec target/release/bench-rank $(if $(TEAMS),--teams $(TEAMS)) $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: bench-api
bench-api: ## Measure the query API against a bare handler and its own SQL, with STREAMS (5000), in ROUNDS (3) of SECONDS (8)
	deploy/dev/check-prerequisites --own-stack
	command -v wrk > /dev/null || { echo "wrk is missing: install it (Debian, Ubuntu: apt-get install wrk)" >&2; exit 1; }
	cargo build --release --locked --package flywheel --package bench-api
	exec target/release/bench-api run $(if $(STREAMS),--streams $(STREAMS)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: check
check: ## Check formatting, lints, documentation and dependencies
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
	if cargo deny --version > /dev/null 2>&1; then \
		cargo deny --locked check bans licenses sources; \
	else \
		echo "cargo-deny is not installed: dependencies are not checked (cargo install cargo-deny)"; \
	fi

.PHONY: clean-data
clean-data: ## Delete what the local stack keeps between runs, not what it downloaded
	rm -rf "$${FLYWHEEL_DEVSTACK_DIR:-.devstack}/runs"
