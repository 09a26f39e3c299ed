# Everything a developer runs. `make demo` and `make test` need Python 3.11+ and nothing else:
# the first one called makes a virtual environment in .venv from the hashed lock.
PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.ready

ENGINES := .tools/engines

.PHONY: demo test check bench chaos engines lock docs format clean

$(SETUP): requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit("Batchway needs Python 3.11 or newer; set PYTHON=python3.x") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(SETUP)

demo: $(SETUP)  ## run 1,319 real questions end to end
	$(BIN)/batchway demo

test: $(SETUP)  ## every test, on two cores
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow"

check: $(SETUP)  ## style, types, dependency rules, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright
	$(BIN)/python docs/generate.py --check

bench: $(SETUP)  ## the figures the README quotes
	$(BIN)/python -m bench

chaos: $(SETUP)  ## 300 random kill -9s, of managed and native batches
	$(BIN)/python -m pytest -m slow tests/chaos

engines: $(SETUP) $(ENGINES)/.ready  ## batches on a real engine, llama.cpp's server
	BATCHWAY_ENGINE_PYTHON=$(CURDIR)/$(ENGINES)/bin/python $(BIN)/python -m pytest -m slow tests/engines

$(ENGINES)/.ready: requirements/engines.txt
	$(PYTHON) -m venv --clear $(ENGINES)
	$(ENGINES)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

docs: $(SETUP)  ## regenerate the reference pages from the code
	$(BIN)/python docs/generate.py

format: $(SETUP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(SETUP)  ## recompile the hashed lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --upgrade \
		pyproject.toml --group dev -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --upgrade \
		requirements/engines.in -o requirements/engines.txt

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis bench/.build
