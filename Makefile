# make demo    try everything on this machine, no account, no token (PORT=9000 FEED=https://… to choose)
# make test    all tests
# make lint    style and types
# make bench   what a delivery and a fan-out cost here, and how well the limits are used; minutes
PORT ?= 8080
FEED ?=
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt

.PHONY: demo test lint bench

demo: .venv/sebar
	@$(BIN)/sebar demo --port $(PORT) $(if $(FEED),--feed '$(FEED)')

test: .venv/dev
	@$(BIN)/python -m pytest -n auto --dist loadfile

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/bench
	@$(BIN)/python tests/benchmarks/deliver.py
	@$(BIN)/python tests/benchmarks/fan_out.py
	@$(BIN)/python tests/benchmarks/feeds.py
	@$(BIN)/python tests/benchmarks/pace.py
	@$(BIN)/python tests/benchmarks/clicks.py
	@$(BIN)/python tests/benchmarks/inline.py

$(BIN)/python:
	@$(PYTHON) -m venv .venv

.venv/sebar: pyproject.toml .ci/constraints.txt | $(BIN)/python
	$(PIP) --editable .
	@touch $@

.venv/bench: pyproject.toml .ci/constraints.txt | $(BIN)/python
	$(PIP) --editable '.[bench]'
	@touch $@ .venv/sebar

.venv/dev: pyproject.toml .ci/constraints.txt | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch $@ .venv/sebar
