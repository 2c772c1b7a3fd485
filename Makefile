# `make demo` and `make test` need Python 3.11+, make and a package registry, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup demo test test-fast lint type check bench docs dist-check clean

help: ## what there is to make
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## a virtual environment in .venv with everything pinned

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("hybridfer needs Python 3.11 or newer; say make PYTHON=python3.11 …") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@# Where libGL is missing, as on a server without a screen, the build of OpenCV that does not want it takes its place.
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { \
	  $(BIN)/pip uninstall --quiet --yes opencv-contrib-python; \
	  $(BIN)/pip install --quiet --constraint constraints.txt opencv-contrib-python-headless; }
	@touch $@

demo: $(READY) ## the main job on drawn faces and a photograph; leaves demo/index.html
	$(BIN)/hybridfer demo -o demo --overwrite

test: $(READY) ## every test
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-fast: $(READY) ## the tests that take no time
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

lint: $(READY) ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(READY) ## mypy, strict
	$(BIN)/mypy

check: lint type test docs dist-check ## everything that must hold before a commit lands

bench: $(READY) ## the benchmarks, one after the other; results in benchmarks/results/
	$(BIN)/python -m benchmarks.run

docs: $(READY) ## makes the pages of commands and of the catalogue; tests every page, the docstrings and the README
	$(BIN)/python docs/make.py
	$(BIN)/python -m pytest -q --doctest-modules hybridfer tests/test_readme.py tests/docs

dist-check: $(READY) ## builds the wheel and installs it into an empty virtual environment
	rm -rf build dist
	$(BIN)/python -m build --quiet --outdir dist
	$(PYTHON) -m venv --clear build/clean
	build/clean/bin/pip install --quiet --constraint constraints.txt torch
	build/clean/bin/pip install --quiet --constraint constraints.txt dist/*.whl
	build/clean/bin/hybridfer --version
	build/clean/bin/hybridfer doctor --quiet
	build/clean/bin/hybridfer demo -o build/clean-demo --overwrite --quiet

clean: ## throws away what can be made again
	rm -rf $(VENV) build dist demo *.egg-info .pytest_cache .mypy_cache .ruff_cache
