PYTHON ?= python3
BIN := .venv/bin
EDITORS := .venv/src/stavad# the package as one folder of links, for type checkers and editors

.PHONY: demo lint check test test-install

demo: .venv/installed
	$(BIN)/pipeline demo --work demo

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint
	$(BIN)/pytest -n 2 --dist loadgroup -m "not slow and not install"

test: lint
	$(BIN)/pytest -n 2 --dist loadgroup -m "not install"

test-install: .venv/installed
	$(BIN)/pytest -m install

.venv/installed: pyproject.toml Makefile
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[dev]"
	mkdir -p $(EDITORS)
	for name in data extract train evaluate pipeline stavad/__init__.py stavad/__main__.py stavad/py.typed; do \
		ln -sfn "$(CURDIR)/$$name" $(EDITORS)/; done
	touch $@
