# Everything a contributor types. Each target makes .venv first, once; `make clean` forgets it.
SHELL := /bin/bash
VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
# The first Python on this machine that is new enough; override with `make PYTHON=/path/to/python test`.
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3.14 python3,\
            $(shell $(p) -c 'import sys; print("$(p)" if sys.version_info >= (3, 11) else "")' 2>/dev/null)))

# What the tests need and only the system can bring, as Debian's packages; nothing where it is all there.
MISSING = $(shell PYTHON='$(PYTHON)' sh tests/needs.sh)
# Two at a time; the tests of one folder below tests/ share programs and run one after the other.
PYTEST  = $(BIN)/python -m pytest -q --numprocesses auto --maxprocesses 4 --dist loadgroup
SUDO    = $(if $(filter 0,$(shell id -u)),,sudo )
APT     = $(SUDO)apt-get update && $(SUDO)apt-get install -y --no-install-recommends

.PHONY: help demo demo-fleet demo-mixed needs claude claude-newest clients prettier aimfp windows test quick soak lint check pictures bench bench-profile clean
.DEFAULT_GOAL := help
.NOTPARALLEL: # `needs` comes first, and stops the rest

help:
	@echo "make demo   two agents talk through a log, in a scratch folder; start here"
	@echo "make demo-fleet   a master and three real Claude Code workers, offline, with a scripted model"
	@echo "make demo-mixed   a Claude Code master with workers of Codex, opencode and Gemini CLI, the same way"
	@echo "make quick  the tests for between two edits: no network, no npm, under two minutes"
	@echo "make test   all tests; those with the real Claude Code take a few minutes"
	@echo "make needs  says which programs the tests lack on this machine, and how to get them"
	@echo "make windows  the message layer under a real Windows Python, in Wine: half an hour, with INTERCOM_SOAK=1 all of it,"
	@echo "            two hours; make test has a part of it where that is there"
	@echo "make soak   the tests with the real Claude Code, all rounds, 10^5 hostile messages, 10^5 power cuts, every fault, chaos: hours"
	@echo "make claude, make prettier, make aimfp   installs the pinned one that tests drive; make test does it too"
	@echo "make clients   installs all other clients that tests drive (npm, about a gigabyte); make test does so with two"
	@echo "make claude-newest  installs the newest Claude Code (npm), drives it, and prints what of our knowledge holds"
	@echo "make check  ruff, mypy, the tests: what a change must pass"
	@echo "make bench  the benchmarks, with their budgets"
	@echo "make bench-profile ROW=calls   where the time of a row goes"
	@echo "make pictures   the README's pictures, made anew from a played day"
	@echo "make clean  removes .venv and caches"

demo: $(STAMP)
	@$(BIN)/intercom demo

demo-fleet: needs $(STAMP) claude
	@$(BIN)/python -m tests.claude.demo_fleet

demo-mixed: needs $(STAMP) claude
	@$(BIN)/python -m tests.clients.versions codex opencode gemini
	@$(BIN)/python -m tests.clients.demo_mixed

needs:
	$(if $(MISSING),$(error First run `$(APT) $(MISSING)` (Debian, Ubuntu): the tests need it; nothing was run))
	@:

claude: $(STAMP)
	@$(BIN)/python -m tests.claude.lab install

claude-newest: needs $(STAMP)
	@$(BIN)/python -m tests.claude.newest

prettier: $(STAMP)
	@$(BIN)/python -m tests.prettier install

aimfp: $(STAMP)
	@$(BIN)/python -m tests.aimfp.lab

clients: $(STAMP)
	@$(BIN)/python -m tests.clients.versions

soak: needs $(STAMP) claude clients aimfp
	@INTERCOM_SOAK=1 $(BIN)/python -m pytest -q tests/claude tests/clients tests/aimfp tests/test_many_bodies.py tests/test_faults.py \
	  tests/test_two_machines.py
	@$(BIN)/python -m tests.test_powercut 3300
	@$(BIN)/python -m tests.test_heal_machine 30
	@$(BIN)/python -m tests.load
	@$(BIN)/python -m tests.fuzz

windows: $(STAMP)
	@$(BIN)/python -m tests.windows.lab install
	@$(BIN)/python -m tests.windows.lab test
	@$(BIN)/python -m pytest -q tests/windows

test: needs $(STAMP) claude prettier aimfp
	@$(BIN)/python -m tests.clients.versions driven
	@$(BIN)/python -m tests.windows.lab offered
	@$(PYTEST)

quick: $(STAMP)
	@HYPOTHESIS_PROFILE=quick $(PYTEST) -m "not slow" --ignore=tests/claude --ignore=tests/clients --ignore=tests/aimfp

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 intercom

check: needs lint test

pictures: $(STAMP)
	@$(BIN)/python -m tests.pictures

bench: $(STAMP)
	@$(BIN)/python -m tests.bench

bench-profile: $(STAMP)
	@$(BIN)/python -m tests.bench --quick --profile $(if $(ROW),--only $(ROW))

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
