# The project's commands. Needs python 3.11 or newer (with its venv module) and make; everything else comes from requirements.lock.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$name >/dev/null && $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
UV ?= uv
BIN := .venv/bin
READY := .venv/.installed
PIP_QUIETLY := --quiet --disable-pip-version-check --no-input
# Packages published as source alone: built with the locked build tools, hence in a second step.
WITHOUT_WHEEL := nkeys

# A shell that forbids Python to keep bytecode would have each of the hundreds of processes of a test, and each host that is started
# again, compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run setup test check format docs bench soak simulate lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## start WedSync; options in ARGS, as in: make run ARGS="--port 9000"
	@exec $(BIN)/wedsync up $(ARGS)

setup: $(READY) ## create .venv from the lock

# A stamp file: made once, and again when the lock or the packaging changes.
$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "WedSync needs python 3.11 or newer on PATH; install it, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@rm -f $@
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "Python's venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing the locked packages into .venv (once)" >&2
	@$(BIN)/python -m pip install $(PIP_QUIETLY) --no-deps --only-binary :all: --require-hashes \
		-r <(awk '/^[A-Za-z0-9]/ { keep = !/^($(WITHOUT_WHEEL))==/ } keep' requirements.lock) >&2
	@$(BIN)/python -m pip install $(PIP_QUIETLY) --no-deps --no-build-isolation --require-hashes -r requirements.lock >&2
	@$(BIN)/python -m pip install $(PIP_QUIETLY) --no-index --no-deps --no-build-isolation --editable . >&2
	@touch $@

# Most tests wait for servers and processes, so four at a time keep two cores busy; those of one file share its fixtures.
test: $(READY) ## run the tests; options in ARGS, as in: make test ARGS="tests/domain -x"
	@$(BIN)/python -m pytest --numprocesses 4 --dist loadfile $(ARGS)

check: $(READY) ## format, lint, types, spelling, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/python -m pytest -q tests/architecture

format: $(READY) ## put the code into its form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

docs: $(READY) ## write the pages that are made from the code
	@$(BIN)/python -P -m tests.architecture.error_catalogue
	@$(BIN)/python -P -m tests.architecture.shipped_configuration
	@$(BIN)/python -P -m tests.architecture.permission_matrix
	@$(BIN)/python -P -m tests.contract.text_vectors

bench: $(READY) ## measure a running load; options in ARGS
	@$(BIN)/python -P -m bench $(ARGS)

soak: $(READY) ## hurt a loaded WedSync for three minutes and check every promise (docs/soak.md); options in ARGS
	@$(BIN)/python -P -m bench.soak $(ARGS)

simulate: $(READY) ## run simulated histories for a minute, each from its seed; options in ARGS, as in: make simulate ARGS="--seconds 600 --seed 1000"
	@$(BIN)/python -P -m tests.simulation $(ARGS)

lock: ## choose the newest allowed versions again (needs uv)
	$(UV) pip compile --universal --upgrade --generate-hashes --no-emit-index-url --extra dev --custom-compile-command "make lock" \
		--quiet pyproject.toml --output-file requirements.lock

clean: ## remove the environment and caches; data in .wedsync stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
