# The two commands: `make run` and `make test`. Both make .venv and install the locked dependencies first.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
INSYNC := .venv-ib-insync/bin

.PHONY: run test test-ib-insync lint bench lock clean

run: $(STAMP)
	$(BIN)/openbell run

# Files go out by name: xdist would keep those with few tests for the end, which are the longest ones.
test: $(STAMP) lint test-ib-insync
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

# The older client library of Interactive Brokers shares files with the newer one: it has an environment of its own.
test-ib-insync: .venv-ib-insync/.installed
	OPENBELL_IB_LIBRARY=ib_insync $(INSYNC)/python -m pytest -n 3 --dist loadfile tests/adapters/ib tests/ib_gateway

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Hashes are checked; what is not in the lock is not installed.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Openbell needs Python 3.11 to 3.13, this is " + sys.version + "; name another one with PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $(STAMP)

.venv-ib-insync/.installed: requirements-ib-insync.lock pyproject.toml $(STAMP)
	test -x $(INSYNC)/python || $(PYTHON) -m venv .venv-ib-insync
	$(BIN)/uv pip install --quiet --python $(INSYNC)/python --require-hashes -r requirements-ib-insync.lock
	$(BIN)/uv pip install --quiet --python $(INSYNC)/python --no-deps --no-build-isolation --editable .
	touch .venv-ib-insync/.installed

lock:
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet \
	  --extra ib --extra postgres --extra alpaca --extra options --extra lake --extra dev pyproject.toml \
	  --output-file requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet \
	  --constraint requirements.lock --extra ib-insync --extra dev pyproject.toml \
	  --output-file requirements-ib-insync.lock

clean:
	rm -rf .venv .venv-ib-insync
