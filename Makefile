# Two commands for a bare machine: `make run` and `make test`. Everything else is plain Snakemake.
# The first that runs and is 3.11 or newer.
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: run test check docs clean

run: $(BIN)/installed  ## The embedded study, from nothing to its report
	snakemake --cores 2
	@modeldiff summary results/digits/summary.json

test: $(BIN)/installed-test check  ## Style, types, lint and all tests; those on Slurm mostly wait, the others fill the time
	pytest -n 3 --dist loadfile --no-loadscope-reorder

check: $(BIN)/installed-check  ## Style, types and lint: Python packages are all they need
	ruff format --check .
	ruff check .
	mypy
	snakefmt --check Snakefile rules
	snakemake --lint

docs: $(BIN)/installed-docs  ## The documents as a site, in site/; a broken link ends it
	mkdocs build --strict

# torch first and by its exact version: a range would fetch another build.
$(BIN)/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	$(PIP) -e .
	touch $@

$(BIN)/installed-check: $(BIN)/installed
	$(PIP) -e '.[check]'
	touch $@

# FFCV is compiled against system libraries; without them its tests say that they are skipped.
$(BIN)/installed-test: $(BIN)/installed
	$(PIP) -e '.[test,images,slurm,trak]'
	.ci/system-packages && $(PIP) -e '.[ffcv]' || echo "FFCV was not installed: its tests are skipped"
	touch $@

$(BIN)/installed-docs: $(BIN)/installed
	$(PIP) -e '.[docs]'
	touch $@

clean:
	rm -rf .venv results .snakemake site
