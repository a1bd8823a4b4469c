# Needs git, make and Python 3.11 or later with venv. `make` without a target lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header \
	--python-version 3.11 --no-emit-index-url
# One more than the cores of a small machine: many tests wait for a server or a browser.
TEST_WORKERS ?= 3
# The order of the tests. `TEST_SEED=default` tries another one each time.
TEST_SEED ?= 1
PYTEST = $(BIN)/pytest -n $(TEST_WORKERS) --dist worksteal --randomly-seed=$(TEST_SEED)

.DEFAULT_GOAL := help
.PHONY: help install dev run demo test lint types check format bench dist lock audit
.PHONY: messages screenshots hooks clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Checked each time: PYTHON chooses the Python of a new environment only.
VERSION = -c 'import sys; print("%s.%s" % sys.version_info[:2])'
$(VENV)/version:
	@[ "$(origin PYTHON)" = file ] || [ ! -x $(BIN)/python ] || \
		[ "$$($(PYTHON) $(VERSION))" = "$$($(BIN)/python $(VERSION))" ] || \
		{ echo "$(VENV) has Python $$($(BIN)/python $(VERSION)), and PYTHON=$(PYTHON) is" \
			"another version. Run 'make clean' first, or leave PYTHON out."; exit 1; }

# If the stamp is newer than the lock file, everything is installed.
$(VENV)/run.stamp: requirements/run.txt | $(VENV)/version
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is too old. Use Python 3.11 or later: make PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || { echo "Creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing $<"
	@$(PIP) -r $<
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@echo "Installing $<"
	@$(PIP) -r $<
	@touch $@

install: $(VENV)/run.stamp ## Create .venv and install the portal's dependencies
dev: $(VENV)/dev.stamp ## Also install the test and lint tools

run: install ## Set up what is missing, then serve on 127.0.0.1:$PORT
	@$(BIN)/python manage.py quickstart
	@exec $(BIN)/gunicorn --config python:portal.gunicorn portal.wsgi

demo: install ## Fill the database with invented users and two weeks of their sessions
	@$(BIN)/python manage.py quickstart --demo

# Two at a time, each with its output in one piece: mypy runs on one core.
test: dev ## Lint, check types, then run every test that this machine can run
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target types lint check
	@echo "== tests on SQLite"
	@env -u DATABASE_URL $(PYTEST)
	@if [ -n "$$PG_TEST_URL" ]; then \
		echo "== tests on PostgreSQL"; \
		DATABASE_URL="$$PG_TEST_URL" $(PYTEST) --after-sqlite; \
	fi

lint: dev ## Check code, templates, imports and wording
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/djlint templates --check
	@$(BIN)/djlint templates --lint --quiet
	@$(BIN)/python -m tests.support.words

types: dev ## Check types with strict mypy and django-stubs
	@$(BIN)/mypy

check: dev ## Run Django's system checks; compare models with migrations
	@DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -W error::RuntimeWarning manage.py check
	@DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python manage.py makemigrations --check --dry-run

format: dev ## Format code and templates
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .
	@$(BIN)/djlint templates --reformat --quiet || true

messages: dev ## Compile the German catalogue (needs msgfmt of GNU gettext)
	@DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -m django compilemessages \
		--locale de --ignore $(VENV)

bench: dev ## Measure the portal against stock simplejwt
	@$(BIN)/python -m bench

dist: dev ## Build the wheels and the sdists of the app and of the verifier in dist/
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation
	@$(BIN)/python -m build --no-isolation --outdir dist verifier

lock: dev ## Resolve requirements/*.in again, with hashes
	@$(UV_COMPILE) requirements/run.in --output-file requirements/run.txt
	@$(UV_COMPILE) requirements/dev.in --output-file requirements/dev.txt

audit: dev ## Look up the locked versions in the advisory databases (needs a network)
	@set -e; for lock in run dev; do \
		$(BIN)/uv tool run pip-audit --require-hashes --disable-pip \
			--requirement requirements/$$lock.txt; \
	done

hooks: dev ## Run the quick linters before each git commit
	@$(BIN)/pre-commit install

screenshots: dev ## Take the README's screenshots; with PICTURES=folder, one of every page
	@$(BIN)/python -m tests.support.browser.screenshots docs/images $(PICTURES)

clean: ## Remove generated files; keep .env and the database
	rm -rf $(VENV) dist staticfiles .mypy_cache .ruff_cache .pytest_cache
