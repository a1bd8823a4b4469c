# Needs git, make and Python 3.11 or later with venv. `make` alone lists the targets.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header \
	--python-version 3.11 --no-emit-index-url
TEST_WORKERS ?= 2
export PORT

.DEFAULT_GOAL := help
.PHONY: help install dev run demo test lint types check format bench lock audit screenshots clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A stamp newer than the lock means that there is nothing to install.
$(VENV)/run.stamp: requirements/run.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is too old: Token Portal needs Python 3.11 or later (make PYTHON=...)"; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing $<"
	@$(PIP) -r $<
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@echo "Installing $<"
	@$(PIP) -r $<
	@touch $@

install: $(VENV)/run.stamp ## Make .venv and install what the portal runs on
dev: $(VENV)/dev.stamp ## Install what the tests and linters need too

run: install ## Serve on 127.0.0.1:$PORT, setting up whatever is missing first
	@$(BIN)/python manage.py quickstart
	@exec $(BIN)/gunicorn --config python:portal.gunicorn portal.wsgi

demo: install ## Fill the database of `make run` with a few weeks of invented logins
	@$(BIN)/python manage.py quickstart --quiet
	@$(BIN)/python manage.py seed_demo

test: lint types check ## Lint, type check, then every test that this machine can run
	@echo "== tests on SQLite"
	@env -u DATABASE_URL $(BIN)/pytest -n $(TEST_WORKERS)
	@if [ -n "$$PG_TEST_URL" ]; then \
		echo "== tests on PostgreSQL"; \
		DATABASE_URL="$$PG_TEST_URL" $(BIN)/pytest -n $(TEST_WORKERS); \
	fi

lint: dev ## ruff and djlint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/djlint templates --check
	@$(BIN)/djlint templates --lint --quiet

types: dev ## strict mypy with django-stubs
	@$(BIN)/mypy

check: dev ## Django's own checks; models and migrations agree
	@DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -W error::RuntimeWarning manage.py check
	@DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python manage.py makemigrations --check --dry-run

format: dev ## Rewrite code and templates the way lint wants them
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .
	@$(BIN)/djlint templates --reformat --quiet || true

bench: dev ## Measure the portal against stock simplejwt
	@$(BIN)/python -m bench

lock: dev ## Resolve requirements/*.in again (hashes, no index named)
	@$(UV_COMPILE) requirements/run.in --output-file requirements/run.txt
	@$(UV_COMPILE) requirements/dev.in --output-file requirements/dev.txt

audit: dev ## Ask the advisory databases about the locked versions (needs the network)
	@set -e; for lock in run dev; do \
		$(BIN)/uv tool run pip-audit --require-hashes --disable-pip \
			--requirement requirements/$$lock.txt; \
	done

screenshots: dev ## Take the README's pictures; with PICTURES=folder, one of every page
	@$(BIN)/python -m tests.support.screenshots docs/images $(PICTURES)

clean: ## Remove what can be made again; .env and the database stay
	rm -rf $(VENV) staticfiles .mypy_cache .ruff_cache .pytest_cache
