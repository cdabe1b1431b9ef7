# Two commands do everything on a machine with Python 3.11 or later and make: `make demo` and `make test`.
# PYTHON=/path/to/python3 chooses the interpreter, VENV=folder where its environment goes, WORKERS=n how
# many processes the tests use.

VENV ?= .venv
WORKERS ?= auto
PYTEST = "$(VENV)/bin/python" -m pytest
export VENV PYTHON
# Some containers set it; here it would make each of the many short-lived processes compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check lint format docs bench lock diagrams screenshots clean setup

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: ## set up what it needs and run the demo: an analysis of the standard library's sources
	@scripts/setup base
	@"$(VENV)/bin/ramify" demo $(if $(FOLDER),"$(FOLDER)")

test: setup ## set up what it needs and run every test
	@scripts/services
	$(PYTEST) -n $(WORKERS) -q

check: lint ## format, lint, types, layers and the fast tests, in under a minute
	$(PYTEST) -n $(WORKERS) -q -m "not slow and not e2e and not service"

lint: setup ## format, lint, types and layers
	"$(VENV)/bin/ruff" format --check .
	"$(VENV)/bin/ruff" check .
	"$(VENV)/bin/mypy"
	"$(VENV)/bin/lint-imports" --no-logo --no-cache
	"$(VENV)/bin/lint-imports" --no-logo --no-cache --config scripts/cycles.toml

format: setup ## put the source into its format, and mend what can be mended without thought
	"$(VENV)/bin/ruff" check --fix-only --quiet .
	"$(VENV)/bin/ruff" format .

docs: setup ## build the documentation into docs/_build/html
	"$(VENV)/bin/python" -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: setup ## run the benchmarks and write their table
	"$(VENV)/bin/python" benchmarks/run.py --write

diagrams: setup ## make the pictures and tables in docs/_generated anew
	"$(VENV)/bin/python" scripts/diagram.py
	"$(VENV)/bin/python" scripts/cli_reference.py

screenshots: setup ## take the pictures of a terminal in docs/_static anew
	"$(VENV)/bin/python" scripts/screenshot.py

lock: setup ## choose the newest versions anew and write them to constraints.txt
	scripts/lock

clean: ## remove the environment, the caches and what was built
	rm -rf "$(VENV)" dist docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

setup:
	@scripts/setup dev
