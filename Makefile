# make setup | run | test | matrix | lint | bench | docs
# The second run of any of them starts its real work at once: .venv/.ready and .venv/.built tell what is done.
PYTHON ?= python3
BIN    := .venv/bin
CONFIG ?= softswitch.toml
EXT    := $(wildcard ext/*.pyx ext/*.pxd ext/*.h ext/*.c)

.PHONY: setup run test matrix lint bench docs clean

setup: .venv/.ready .venv/.built

.venv/.ready: pyproject.toml setup.py
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { \
	  echo "could not make a virtual environment with $(PYTHON); on Debian: apt install python3-venv python3-dev" >&2; exit 1; }
	@echo "installing dependencies into .venv and building the media core (some minutes the first time)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch .venv/.built $@

.venv/.built: $(EXT) | .venv/.ready
	@echo "building the media core"
	@$(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@

run: setup
	@$(BIN)/softswitch run $(CONFIG)

test: setup
	@$(BIN)/pytest

matrix: setup
	@SOFTSWITCH_MATRIX=full $(BIN)/pytest --timeout 300 tests/stories/test_tone_matrix.py

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=. $(BIN)/lint-imports

bench: setup
	@$(BIN)/python -m benchmarks

docs: setup
	@$(BIN)/python -c 'import furo, myst_parser' 2>/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check sphinx furo myst-parser
	@$(BIN)/sphinx-build -q -W -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

clean:
	rm -rf .venv build docs/_build softswitch/media/*.so
