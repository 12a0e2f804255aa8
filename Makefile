# Everything a person does with this checkout. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help env demo serve check test chaos lint bench lock proto messages screenshots

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
LOCKS := requirements-uv.lock requirements-dev.lock

help: ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

env: $(VENV)/.installed ## the virtual environment with the development tools

$(VENV)/.installed: $(LOCKS) pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install -q --require-hashes -r requirements-dev.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install -q --no-deps --no-build-isolation --editable .
	@touch $@

demo: env ## the whole product with demo data, one address, Ctrl-C ends it (SAVEPOINT_DEMO_EXIT=1: check and stop)
	@exec $(BIN)/python manage.py demo

serve: export SAVEPOINT_HOME := $(or $(SAVEPOINT_HOME),.serve)
serve: env ## for developers: web server, worker and demo sidecars, reloading on change, logs on the screen; data in .serve/
	@exec $(BIN)/python manage.py demo --reload

check: lint ## lint and the fast half of the suite, under three minutes: before each commit
	@$(BIN)/python -m tests.run check

test: env ## the whole suite, on SQLite and on PostgreSQL
	@$(BIN)/python -m tests.run

chaos: env ## seeded runs with faults in them: make chaos [SEED=1] [RUNS=500], a failing SEED plays again
	@$(BIN)/python -m tests.chaos $(or $(SEED),random) $(or $(RUNS),1)

lint: export DJANGO_SETTINGS_MODULE = tests.settings
lint: env ## ruff, format, types, import contracts, file budget, migrations, generated code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.lint
	@$(BIN)/python -m wire.generate --check
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/mypy .

bench: env ## measure, also against the peers that are installed: make bench [NAME=archive|browsing|product|repository|restore|scale|schedules] [RUNS=1: the short form, minutes] [MEDIA=tmpfs|disk] [PEERS="restic borg"]
	@$(BIN)/python -m benchmarks $(NAME) $(if $(RUNS),--runs $(RUNS)) $(if $(MEDIA),--media $(MEDIA)) $(if $(PEERS),--peers $(PEERS))

messages: export DJANGO_SETTINGS_MODULE = tests.settings
messages: env ## collect every text for the translators and compile the catalogs (needs gettext)
	@$(BIN)/python manage.py makemessages --all --no-location --no-obsolete --no-wrap --ignore=tests --ignore='.venv*' --ignore=build -v 0
	@$(BIN)/python manage.py compilemessages --ignore='.venv*' -v 0

screenshots: env ## the pictures in docs/screenshots, of a portal with made-up data
	@$(BIN)/python -m tests.browser.screenshots

proto: env ## generate the wire's code from the .proto
	@$(BIN)/python -m wire.generate

lock: env ## pin every dependency anew, with hashes
	@echo 'uv' | $(UV) pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 - -o requirements-uv.lock
	@$(UV) pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra portal --extra sidecar pyproject.toml -o requirements.lock
	@$(UV) pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra portal --extra channels --extra sidecar pyproject.toml -o requirements-channels.lock
	@$(UV) pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra dev pyproject.toml -o requirements-dev.lock
