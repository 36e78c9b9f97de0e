# Everything runs from .venv, which `make install` makes: no environment has to be activated.
# python3 and its venv module are all that running and testing need; `make lint` needs Node.js too, for buf.

PYTHON ?= python3
# The protos may not break what this commit serves. Default: origin/main, or main where there is no remote.
BASE ?= $(shell git rev-parse -q --verify origin/main 2>/dev/null || git rev-parse -q --verify main 2>/dev/null)
# More for the program behind a target: make test ARGS="tests/unit -k pages"
ARGS ?=
# Processes that test: they wait more than they compute.
WORKERS ?= $(shell expr 2 '*' `getconf _NPROCESSORS_ONLN`)

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
INSTALLED := $(VENV)/.installed
BENCH_INSTALLED := $(VENV)/.bench-installed
BUF := node_modules/.bin/buf
GEN := libs/common/gen
SCRATCH := build

PROTOS = $(shell find protos/llmchat protos/buf -name '*.proto' | LC_ALL=C sort)
SERVICE_PROTOS = $(filter %_service.proto,$(PROTOS))

.DEFAULT_GOAL := help
.PHONY: help install run test matrix test-containers bench format lint lint-python lint-protos proto proto-drift clean npm-if-there
.SILENT: help clean proto proto-drift $(INSTALLED) $(BENCH_INSTALLED)

help: ## Show these targets
	awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv and install the project with its development tools

run: $(INSTALLED) ## Start the system and hold a conversation (scripted where there is no terminal)
	$(BIN)/llmchat demo $(ARGS)

test: $(INSTALLED) npm-if-there ## Run all tests
	$(PY) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-containers: $(INSTALLED) ## Run the tests that need a Docker engine: the image, the composition, engines in containers
	$(PY) -m pytest tests/containers $(ARGS)
	$(PY) -m pytest tests/conformance/test_store_commits.py -k "postgres or mysql" $(ARGS)

matrix: $(INSTALLED) ## Run the conformance suite against every engine and write docs/conformance.md
	$(PY) -m tests.conformance.matrix $(ARGS)

bench: $(BENCH_INSTALLED) ## Measure against the baselines and print the ratios
	$(PY) -m benchmarks $(ARGS)

format: $(INSTALLED) $(BUF) ## Format code and protos, and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BUF) format -w protos --path protos/llmchat

lint: lint-python lint-protos proto-drift ## Check format, lint, types, imports, protos and generated code

lint-python: $(INSTALLED) ## Check the Python: format, lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

lint-protos: $(BUF) ## Check the protos: format, lint, nothing broken since BASE
	$(BUF) format -d --exit-code protos --path protos/llmchat
	$(BUF) lint protos
	@rm -rf $(SCRATCH)/base && mkdir -p $(SCRATCH)/base
	@if [ -n "$(BASE)" ] && git cat-file -e "$(BASE):protos/llmchat" 2>/dev/null; then \
	  echo "$(BUF) breaking protos, against $(BASE)"; \
	  git archive "$(BASE)" protos | tar -x -C $(SCRATCH)/base && $(BUF) breaking protos --against $(SCRATCH)/base/protos; \
	else echo "buf breaking: no main branch with protos here to compare with"; fi

proto: $(INSTALLED) ## Regenerate libs/common/gen from protos
	$(call generate,$(SCRATCH)/gen)
	rm -rf $(GEN) && mv $(SCRATCH)/gen $(GEN)

proto-drift: $(INSTALLED) ## Check that libs/common/gen is what the protos generate
	$(call generate,$(SCRATCH)/gen)
	diff -r -x __pycache__ $(GEN) $(SCRATCH)/gen \
	  || { echo "$(GEN) is not what protos/ generates: run 'make proto' and commit the result."; exit 1; }
	echo "$(GEN) is what protos/ generates"

clean: ## Remove everything that a target made, .venv and node_modules included
	rm -rf $(VENV) node_modules $(SCRATCH) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "llmchat needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments: its venv module is missing."; \
	  echo "Install it (on Debian and Ubuntu: apt-get install python3-venv) or name another Python: make PYTHON=..."; exit 1; }
	$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	echo "Installing llmchat and its development tools into $(VENV) ..."
	$(PY) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --editable '.[dev]'
	touch $@

# What cannot be installed here is not measured, and its row says so.
$(BENCH_INSTALLED): $(INSTALLED)
	echo "Installing what the benchmarks compare with into $(VENV) ..."
	$(PY) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --editable '.[dev,bench]' || true
	touch $@

$(BUF): package-lock.json
	@command -v npm >/dev/null || { echo "buf checks the protos and comes through npm: install Node.js first."; exit 1; }
	npm ci --ignore-scripts --no-update-notifier --no-audit --no-fund --loglevel=error
	@touch $@

# A stand-in that tests use comes through npm too; without it they say what did not run.
npm-if-there:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(BUF) || true; fi

# Messages from everything, stubs from the services alone; a file whose proto is gone does not stay behind.
define generate
	rm -rf $(1) && mkdir -p $(1)
	$(PY) -m grpc_tools.protoc -Iprotos --python_out=$(1) --pyi_out=$(1) $(PROTOS)
	$(PY) -m grpc_tools.protoc -Iprotos --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
	  --grpc_python_out=$(1) --mypy_grpc_out=quiet:$(1) $(SERVICE_PROTOS)
endef
