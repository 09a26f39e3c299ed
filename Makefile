# Everything a developer runs. `make demo` and `make test` need Python 3.11+ and nothing else: the
# first one called makes a virtual environment in .venv from a hashed lock. `make demo` installs
# what running needs; everything else adds what developing needs, five times as much.
PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.ready
DEMO := .venv/.demo
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

ENGINES := .tools/engines
WHEEL := build/wheel

.PHONY: demo test check wheel bench chaos engines lock docs format clean

define fresh
@$(PYTHON) -c 'import sys; sys.exit("Batchway needs Python 3.11 or newer; set PYTHON=python3.x") if sys.version_info < (3, 11) else None'
$(PYTHON) -m venv --clear .venv
$(PIP) install --require-hashes -r $(1)
$(PIP) install --no-deps --no-build-isolation --editable .
endef

$(SETUP): requirements/dev.txt
	$(call fresh,$<)
	@touch $(SETUP)

$(DEMO): requirements/demo.txt
	$(call fresh,$<)
	@touch $(DEMO)

demo: $(if $(wildcard $(SETUP)),$(SETUP),$(DEMO))  ## run 1,319 real questions end to end
	$(BIN)/batchway demo

test: $(SETUP)  ## every test, on two cores: more workers than cores use what the others wait
	$(BIN)/python -m pytest -n 4 --dist loadgroup -m "not slow"

check: $(SETUP)  ## style, types, dependency rules, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright
	$(BIN)/python docs/generate.py --check

wheel: $(SETUP)  ## what is released: built, put into an empty environment, and run from there
	rm -rf $(WHEEL)
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir $(WHEEL) .
	$(PYTHON) -m venv --without-pip $(WHEEL)/env
	$(PIP) --python $(WHEEL)/env/bin/python install --require-hashes -r requirements/demo.txt
	$(PIP) --python $(WHEEL)/env/bin/python install --no-deps --no-index $(WHEEL)/*.whl
	cd / && env -u PYTHONPATH $(CURDIR)/$(WHEEL)/env/bin/batchway demo --lines 100

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

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header

lock: $(SETUP)  ## recompile the hashed locks
	$(COMPILE) --upgrade pyproject.toml --group dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml --group demo -c requirements/dev.txt -o requirements/demo.txt
	$(COMPILE) --upgrade requirements/engines.in -o requirements/engines.txt

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build bench/.build
