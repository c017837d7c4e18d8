# `make run` and `make test` do all their own set-up: a virtual environment with the locked packages, and for the
# tests a browser. Nothing is installed outside this folder, except Chromium by the system's package manager when the
# machine has none.

PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

export UV_PYTHON := $(BIN)/python
# Trust what this machine trusts, such as a company's own authority; uv's built-in list where it has no such file.
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/ca-certificates.crt),true,false)

.DEFAULT_GOAL := help
.PHONY: help run test check format lint types bench screenshots lock clean browser

help:
	@echo "make run          start the server on http://localhost:8000"
	@echo "make test         run the whole test suite"
	@echo "make check        formatting, lint, types and tests"
	@echo "make bench        print the figures"
	@echo "make screenshots  take the pictures of docs/pages.md"

run: $(READY)
	@exec $(BIN)/flask --app app serve

test: $(READY) browser
	$(BIN)/python -W error -m pytest -n auto

check: lint types test

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/python -m benchmarks

screenshots: $(READY) browser
	$(BIN)/python -m scripts.screenshots

# Resolves the packages anew. The lock holds versions and hashes but names no registry; the host's own settings do.
lock: $(READY)
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --upgrade --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --no-emit-package cadence --no-emit-package cadence-sdk \
		--group dev -o requirements.lock pyproject.toml cadence_sdk/pyproject.toml

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A bare Debian has Python without its venv module; where we may, we add it.
$(BIN)/python:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || scripts/system-package python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(READY): requirements.lock pyproject.toml cadence_sdk/pyproject.toml | $(BIN)/python
	$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e . -e ./cadence_sdk
	@touch $@

# The browser tests drive the system's Chromium.
browser:
	@command -v chromium >/dev/null || scripts/system-package chromium
