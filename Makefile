SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin

##@ Use it

.PHONY: run
run: setup ## Load glucose and show it: make run [START=2024-10-01 END=2024-10-31]
	@$(BIN)/lakehouse run $(if $(START),--start $(START)) $(if $(END),--end $(END))

.PHONY: shell
shell: setup ## A terminal in which `airflow dags test nightscout_glucose 2024-10-15` and `lakehouse` just work
	@$(BIN)/lakehouse shell

.PHONY: up
up: setup ## Airflow's UI and scheduler on this machine; Ctrl-C stops them
	@$(BIN)/lakehouse up

.PHONY: dbt
dbt: setup ## dbt by hand on a scratch branch: make dbt ARGS="build --select marts"
	@$(BIN)/lakehouse dbt -- $(ARGS)

.PHONY: stack-up
stack-up: setup $(VENV)/.stacked ## Postgres, S3, Nessie and Trino on this machine, for the profile trino (needs Java 24)
	@$(BIN)/lakehouse stack up

.PHONY: stack-down
stack-down: ## Stop them; their data stays
	@if [ -x $(BIN)/lakehouse ]; then $(BIN)/lakehouse stack down; else echo "Nothing was set up here."; fi

.PHONY: env
env: ## The secrets of the containers into .env; what it holds stays (needs only Python)
	@$(PYTHON) -m include.stack.environment_file

.PHONY: clean
clean: ## Stop Postgres and the stack, and remove everything under LAKEHOUSE_HOME
	@if [ -x $(BIN)/lakehouse ]; then $(BIN)/lakehouse clean; else echo "Nothing was set up here."; fi

##@ Prove it

.PHONY: test
test: develop ## Every test that needs only Python
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not stack" tests

.PHONY: test-stack
test-stack: develop $(VENV)/.stacked ## All others: a real Nightscout server (Node, npm), Trino, Nessie and S3 (Java 24), containers' files (Go), a live Airflow
	@command -v npm >/dev/null && command -v node >/dev/null || { \
		echo "make test-stack starts a real Nightscout server: install Node.js 20 or newer with npm, then try again." >&2; exit 1; }
	@command -v go >/dev/null || { \
		echo "make test-stack loads docker-compose.yaml in Compose's own loader: install Go 1.24 or newer, then try again." >&2; exit 1; }
	@$(BIN)/lakehouse stack java
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m stack tests
	MERGE_RULES=600 MERGE_HISTORIES=10 $(BIN)/pytest -n 2 tests/ingestion/test_merge_rules_property.py tests/ingestion/test_merge_property.py

.PHONY: lint
lint: develop ## Style, types and SQL
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict .
	cd include/dbt && ../../$(BIN)/sqlfluff lint models tests

.PHONY: bench
bench: develop $(VENV)/.stacked ## What it costs on this machine, most of it as ratios to a trivial Dag (profile trino needs Java 24)
	$(BIN)/python -m bench

##@ Set-up (the targets above call it)

.PHONY: setup
setup: $(VENV)/.installed ## Install what running needs into .venv

.PHONY: develop
develop: $(VENV)/.developed ## Install what testing needs besides

.PHONY: lock
lock: $(VENV)/.uv ## Compile requirements*.in into requirements*.txt, with hashes, for Python 3.11 to 3.13
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --exclude-newer "7 days" --no-header requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --exclude-newer "7 days" --no-header requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --exclude-newer "7 days" --no-header requirements-stack.in -o requirements-stack.txt

$(VENV)/.uv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(VENV) (once; about 900 MB)"
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing: install it (Debian, Ubuntu: python3-venv)." >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(VENV)/.installed: $(VENV)/.uv requirements.txt pyproject.toml
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.developed: $(VENV)/.installed requirements-dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements-dev.txt
	@touch $@

$(VENV)/.stacked: $(VENV)/.installed requirements-stack.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-stack.txt
	@touch $@

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
