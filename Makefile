# Two commands matter: `make demo` shows the thing, `make test` proves it. Both make .venv when needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MIN := $(shell sed -n 's/^min_python *= *//p' settings.ini)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --progress-bar off
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.PHONY: help demo test lab docs export outputs readme hooks clean
.SUFFIXES:

help:  ## this list
	@echo "usage: make TARGET [PYTHON=python3.11]"
	@sed -n 's/^\([a-z]*\):.*## /  \1|/p' Makefile | awk -F'|' '{printf "%-10s %s\n", $$1, $$2}'

demo: $(STAMP)  ## render videos, train, verify, write a page to look at (ARGS="..." are handed on)
	@$(BIN)/cpa demo $(ARGS)

test: $(STAMP)  ## every check and every test (CHECKS="export outputs" for some of them)
	@$(BIN)/python .ci/check.py $(CHECKS)

lab: $(STAMP)  ## open the book in JupyterLab
	@$(BIN)/jupyter lab nbs

docs: $(STAMP)  ## the book as a site: _docs/index.html, readable without a network
	@$(BIN)/python docs/stage.py _proc/site
	@$(BIN)/python -m sphinx -qWE --keep-going -d _proc/doctrees _proc/site _proc/html
	@rm -rf _docs && mv _proc/html _docs
	@echo "open _docs/index.html"

export: $(STAMP)  ## notebooks to modules, then clean the notebooks
	@$(BIN)/nbdev_export && $(BIN)/nbdev_clean

outputs: $(STAMP)  ## run the chapters again and keep their outputs (NBS="nbs/02_step_mining.ipynb" for one)
	@$(BIN)/python .ci/outputs.py $(NBS)

readme: $(STAMP)  ## chapter table of the index, then README.md from it
	@$(BIN)/python .ci/readme.py

hooks: $(STAMP)  ## git hooks: notebook merges, and a quick check before each commit
	@$(BIN)/nbdev_install_hooks
	@install -m 755 .ci/pre-commit "$$(git rev-parse --git-path hooks)/pre-commit" && echo "pre-commit check installed"

clean:  ## remove .venv and everything that was built
	rm -rf $(VENV) build dist _docs _proc *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(STAMP): settings.ini setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < tuple(map(int, "$(MIN)".split("."))))' 2>/dev/null || \
	  { echo "make: need Python $(MIN) or later; got $$($(PYTHON) --version 2>&1 | head -1); name one, as in: make $(MAKECMDGOALS) PYTHON=python$(MIN)" >&2; exit 1; }
	@test -x $(BIN)/pip || { echo "making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; }
	@echo "installing pinned requirements into $(VENV) (PyTorch is large: 5 to 7 GB of disk, a few minutes)"
	@$(PIP) -c constraints.txt pip setuptools wheel
	@$(PIP) -c constraints.txt --no-build-isolation -e ".[dev,docs]"
	@touch $@
	@echo "$(VENV) is ready"
