# Two commands to begin with: `make demo` and `make test`. Everything builds .venv by itself.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
DATA ?=
ONCE ?=
ALL ?=
ORDERS ?= 1000
SEED ?= 1
MINUTES ?= 10
ROUNDS ?= 1000
RUNS ?= 1000
WITHIN ?=
FAULTS ?= all
NIGHTLY_MINUTES ?= 60
WORKERS ?= 4

.DEFAULT_GOAL := help
.PHONY: help venv lock lint check format test nightly simulate chaos races misbehave bench demo clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

venv: .venv/.built ## the virtual environment, from the lock file
.venv/.built: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11, 3) or sys.exit("Tillroll needs Python 3.11.3 or newer, and $(PYTHON) is " + sys.version.split()[0] + ": name another one, as in make PYTHON=python3.12")'
	@echo "building .venv: some minutes the first time"
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --allow-existing --python $(PYTHON) .venv && \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . ; \
	else \
	  $(PYTHON) -m venv .venv && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . ; \
	fi
	@touch $@

lock: ## pin all dependencies with hashes (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --all-extras --no-emit-package tillroll pyproject.toml -o requirements.lock

format: venv ## rewrite the code in the common format
	$(BIN)/ruff format . && $(BIN)/ruff check --fix-only --quiet .

lint: venv ## format, lint, types, import contracts
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint ## `lint`, then unit and property tests: two minutes
	$(BIN)/pytest -q tests/unit tests/property

test: venv ## every test but the nightly ones, WORKERS=4 files at a time; on real data where TILLROLL_OLIST_DIR is set
	$(BIN)/pytest -q -m "not nightly" --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder \
	  tests/simulation tests/integration tests/contract tests/property tests/unit

nightly: venv ## more made-up requests, 10,000 histories, 4,000 races, 10,000 misbehaved orders, an hour of chaos
	TILLROLL_FUZZ_EXAMPLES=30 $(BIN)/pytest -q tests/integration/test_schemathesis.py
	TILLROLL_MODEL_EXAMPLES=300 $(BIN)/pytest -q -k as_it_should_be tests/property/test_memory_log_machine.py tests/integration/test_log_machine.py
	$(BIN)/pytest -q -m nightly tests
	$(BIN)/pytest -q tests/simulation/test_mutants.py tests/integration/test_log_machine.py
	TILLROLL_OLIST_CHECKOUTS=5000 $(BIN)/pytest -q -m olist tests/integration/test_why_numbers.py
	TILLROLL_OLIST_CHECKOUTS=1000 $(BIN)/pytest -q -m olist tests/integration/test_as_of.py
	$(MAKE) simulate SEED=$$(date +%Y%m%d)0000 RUNS=10000
	$(MAKE) races
	$(MAKE) misbehave SEED=$$(date +%Y%m%d) ORDERS=10000
	$(MAKE) chaos SEED=$$(date +%Y%m%d) MINUTES=$(NIGHTLY_MINUTES)

simulate: venv ## the whole system on simulated time, a history a seed: RUNS=1000 SEED=1 FAULTS=all (80 orders each); WITHIN=20 minutes at most
	$(BIN)/tillroll simulate --seed $(SEED) --runs $(RUNS) --faults $(FAULTS) $(if $(WITHIN),--minutes $(WITHIN))

chaos: venv ## real faults on real processes while trade is played: SEED=1 MINUTES=10 ORDERS=1000 (a round)
	$(BIN)/python -m tests.chaos --seed $(SEED) --minutes $(MINUTES) --orders $(ORDERS)

races: venv ## 32 shoppers and one last unit, over and over: orders, carts, split over warehouses, held until it expires: ROUNDS=1000
	$(BIN)/python -m tests.races --rounds $(ROUNDS)

misbehave: venv ## live orders while provider and carrier misbehave in every way at a tenth of all calls: ORDERS=1000 SEED=1
	$(BIN)/python -m tests.misbehave --orders $(ORDERS) --seed $(SEED)

bench: venv ## the benchmarks, side by side in one run: tables, and build/bench.json; GROWTH=10000000 for the largest log
	$(BIN)/python -m tests.benchmarks

demo: venv ## everything up, trade played through it: DATA=DIR for Olist, ONCE=1 to stop after the table, ALL=1 for all of it
	$(BIN)/tillroll demo $(if $(DATA),--data $(DATA)) $(if $(ONCE),--once) $(if $(ALL),--all) --orders $(ORDERS) --seed $(SEED)

clean: ## remove what was built (data directories stay)
	rm -rf .venv build *.egg-info
