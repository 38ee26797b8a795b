# Everything a contributor types. Each target makes .venv first, once; `make clean` forgets it.
SHELL := /bin/bash
VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
# The first Python on this machine that is new enough; override with `make PYTHON=/path/to/python test`.
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3.14 python3,\
            $(shell $(p) -c 'import sys; print("$(p)" if sys.version_info >= (3, 11) else "")' 2>/dev/null)))

.PHONY: help demo demo-fleet claude test soak lint check bench clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   two agents talk through a log, in a scratch folder; start here"
	@echo "make demo-fleet   a master and three real Claude Code workers, offline, with a scripted model"
	@echo "make test   the tests; those with the real Claude Code take a few minutes"
	@echo "make soak   the tests with the real Claude Code, all rounds, 10^5 hostile messages, 10^5 power cuts: hours"
	@echo "make claude installs the pinned Claude Code that the fleet's tests drive (npm)"
	@echo "make check  ruff, mypy, the tests: what a change must pass"
	@echo "make bench  the benchmarks, with their budgets"
	@echo "make clean  removes .venv and caches"

demo: $(STAMP)
	@$(BIN)/intercom demo

demo-fleet: $(STAMP) claude
	@$(BIN)/python -m tests.claude.demo_fleet

claude: $(STAMP)
	@$(BIN)/python -m tests.claude.lab install

soak: $(STAMP) claude
	@INTERCOM_SOAK=1 $(BIN)/python -m pytest -q tests/claude tests/test_many_bodies.py tests/test_powercut.py

test: $(STAMP) claude
	@$(BIN)/python -m pytest -q

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

bench: $(STAMP)
	@$(BIN)/python -m tests.bench

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
	  echo "make: no Python 3.11 or newer on this machine; nothing was set up." >&2; \
	  echo "      Debian, Ubuntu: sudo apt-get install python3 python3-venv" >&2; \
	  echo "      Fedora: sudo dnf install python3   macOS: brew install python" >&2; \
	  exit 1; fi
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "make: $(PYTHON) cannot make a virtual environment; nothing was set up." >&2; \
	  echo "      Debian, Ubuntu: sudo apt-get install python3-venv" >&2; \
	  exit 1; fi
	@echo "Setting up $(VENV) with $(PYTHON) (once) ..."
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' || { \
	  echo "make: pip could not install what pyproject.toml lists (see above); is the network there?" >&2; exit 1; }
	@touch $@
