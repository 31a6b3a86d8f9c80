# make setup | run | test | matrix | lint | bench | docs
# The second run of any of them starts its real work at once: .venv/.ready and .venv/.built tell what is done.
PYTHON ?= $(firstword $(foreach name,python3 python3.11 python3.12 python3.13 python3.14,$(shell command -v $(name))) python3)
BIN    := .venv/bin
CONFIG ?= softswitch.toml
EXT    := $(wildcard ext/*.pyx ext/*.pxi ext/*.h ext/*.c)

# The programs that tests and benchmarks start by the dozen must not each compile everything anew (empty is "not set").
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup run test matrix lint bench docs clean

setup: .venv/.ready .venv/.built

.venv/.ready: pyproject.toml setup.py
	@lacks=""; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Softswitch needs Python 3.11 or later; $(PYTHON) is not (another one: make PYTHON=...)" >&2; exit 1; }; \
	test -x $(BIN)/pip || $(PYTHON) -c 'import ensurepip' 2>/dev/null || lacks="$$lacks python3-venv"; \
	test -f "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" || lacks="$$lacks python3-dev"; \
	echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1 || lacks="$$lacks gcc libc6-dev"; \
	test -z "$$lacks" || { echo "something is missing to build with $(PYTHON); on Debian: apt install$$lacks" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
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
	@tests/run

matrix: setup
	@SOFTSWITCH_MATRIX=full $(BIN)/pytest --timeout 300 tests/stories/test_tone_matrix.py tests/stories/test_same_bytes.py

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

# All that is made anew, and nothing else: var/ holds recordings and the journal.
clean:
	rm -rf .venv build dist *.egg-info docs/_build docs/reference softswitch/media/*.so
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks .import_linter_cache
	find softswitch tests benchmarks docs ext -name __pycache__ -type d -prune -exec rm -rf {} +
