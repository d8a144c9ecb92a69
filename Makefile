# The commands people type. What they do stands in scripts/, one small script each.

PORT ?= 8080
POLL_INTERVAL ?= 5s
ARCH ?=
FUZZ_SECONDS ?= 60
ONLY ?=
KILLS ?= 1000
SEED ?=
MINUTES ?= 30

# Where rustup puts cargo, for shells that were open before it was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.PHONY: help run docs test test-dashboard test-sdks lint fuzz crash build package bench soak simulate sam-local test-sam-local clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8

run: ## the Scheduler on this machine; PORT=8080 POLL_INTERVAL=5s, data in .scheduler/
	@scripts/install-build-needs
	@scripts/build-dashboard
	cargo build --release --locked --package scheduler --bin scheduler
	@exec "$${CARGO_TARGET_DIR:-target}/release/scheduler" dev --port $(PORT) --poll-interval $(POLL_INTERVAL)

test: lint package ## lint, package, then every test, on the embedded store and on DynamoDB Local; installs what is missing
	@scripts/install-test-needs
	scripts/test

test-dashboard: ## the page alone, in a real browser against a real scheduler
	@scripts/install-build-needs
	@scripts/install-dashboard-needs
	@scripts/build-dashboard
	cargo build --workspace --locked --bins --tests
	scripts/test-dashboard

test-sdks: ## the clients in sdks/ alone, against the conformance suite and a real scheduler
	@scripts/install-build-needs
	cargo build --workspace --locked --bins --tests
	scripts/test-sdks

lint: ## formatting, clippy, dependencies, scripts
	@scripts/install-build-needs
	@scripts/install-lint-needs
	@scripts/lint

docs: ## the API's reference, from its OpenAPI document, in docs/api.md
	@scripts/install-build-needs
	cargo build --release --locked --package scheduler --bin scheduler
	@scripts/docs

fuzz: ## throw bytes at the guard and the request parser, FUZZ_SECONDS=60 each
	@scripts/install-build-needs
	@scripts/install-fuzz-needs
	scripts/fuzz $(FUZZ_SECONDS)

crash: ## kill the programs KILLS=1000 times in a storm of faults, then check everything; SEED= to repeat a plan
	@scripts/install-build-needs
	@scripts/crash $(KILLS) $(SEED)

build: ## the binaries in release mode, in target/release/
	@scripts/install-build-needs
	@scripts/build-dashboard
	cargo build --release --locked --workspace --bins

package: ## what `sam deploy` uploads, checked and built in .aws-sam/build; ARCH=arm64 or x86_64, else the machine's own
	@scripts/install-build-needs
	@scripts/build-dashboard
	@scripts/package $(ARCH)

# Beside the scheduler, so that Cargo finds what `make run` has built with the same features.
bench: package ## measures speed, memory, size and cost beside bare loops and other schedulers; writes BENCHMARKS.md; under 20 minutes
	@scripts/install-test-needs
	@scripts/install-bench-needs
	cargo build --release --locked --package benches --package scheduler --bin benches
	@"$${CARGO_TARGET_DIR:-target}/release/benches" $(if $(ONLY),--keep $(addprefix --only ,$(ONLY)))

soak: ## a steady load for MINUTES=30, and whether anything but the history grows; writes docs/soak.md; SEED= for other jobs
	@scripts/install-build-needs
	@scripts/build-dashboard
	cargo build --release --locked --package benches --package scheduler --bin benches
	@"$${CARGO_TARGET_DIR:-target}/release/benches" soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# A build of its own: the clock that jumps is in no program that is measured, run or deployed.
simulate: ## the poller against a model of DynamoDB and Lambda at up to 100 million jobs an hour; writes docs/scaling.md; some ten minutes
	@scripts/install-build-needs
	cargo build --release --locked --package benches --features simulation --bin benches
	@"$${CARGO_TARGET_DIR:-target}/release/benches" simulate

sam-local: ## the packaged stack in Docker: API Gateway's emulation on PORT, DynamoDB Local, the poller each minute
	@scripts/sam-local --check
	@scripts/install-test-needs
	@$(MAKE) --no-print-directory package
	cargo build --release --locked --package scheduler --bin scheduler
	@exec env PORT=$(PORT) scripts/sam-local

# The command is built as `make test` builds it: after that, nothing is left to compile.
test-sam-local: package ## tests sam-local, in a Docker engine that it starts where none runs
	@scripts/install-test-needs
	cargo build --workspace --locked --bins --tests
	@scripts/test-sam-local

clean: ## removes what was built and fetched; keeps .scheduler/
	cargo clean
	rm -rf .tools .aws-sam dashboard/node_modules dashboard/dist dashboard/.build dashboard/screenshots
	cd sdks/typescript && rm -rf node_modules dist .build src/generated
