# From a fresh clone, `make land` and `make test` each need nothing but Python 3.11 or newer.
#
#   make land    install, train on configs/resilience.toml, evaluate, write report.html
#   make test    install, then all tests but the slow ones
#   make slow    the slow tests
#   make check   lint, formatting, types; changes nothing
#   make format  put the code into shape
#   make bench   speed beside other environments
#   make gpu-check  everything that only a machine with a GPU can tell, in eight minutes; writes docs/gpu.json
#   make clients short runs of other libraries, each in an environment of its own
#   make clean   remove caches and builds; runs/, .venv/ and .clients/ stay
#
# Options:
#   PYTHON=python3.12    another interpreter for .venv
#   ARGS="--set seed=2"  more arguments for land and bench, or for pytest; for clients, the names of some
#   TORCH_INDEX=ADDRESS  where to get torch. On Linux the default torch brings several gigabytes of CUDA.
#                        Without a GPU, give the address that PyTorch's "Get started" page shows for Linux, pip, CPU.

PYTHON ?= python3
ARGS ?=
TORCH_INDEX ?=

BIN := .venv/bin
INSTALLED := .venv/.installed
INSTALLED_BENCH := .venv/.installed-bench
CLIENTS := $(patsubst tests/clients/requirements/%.txt,.clients/%/.installed,$(sort $(wildcard tests/clients/requirements/*.txt)))

.DEFAULT_GOAL := help
.PHONY: help land test slow check format bench gpu-check clients clean

help:
	@sed -n 's/^#   make /make /p' Makefile

land: $(INSTALLED)
	$(BIN)/python -m agents.train configs/resilience.toml $(ARGS)

test: $(INSTALLED)
# Each worker takes half of the files in a row, so that what the tests of a file share is made once.
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow $(ARGS)

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED_BENCH)
	$(BIN)/python -m lunar_env.bench $(ARGS)

gpu-check: $(INSTALLED)
	$(BIN)/python -m agents.gpu --out docs/gpu.json --page docs/speed.md --check $(ARGS)

clients: $(INSTALLED) $(CLIENTS)
	PYTHONPATH=.:tests $(BIN)/python -m clients.run $(ARGS)

clean:
	rm -rf build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find agents lunar_env tests -type d -name __pycache__ -prune -exec rm -rf {} +

# The stamps are newer than what they were installed from, so a second `make` installs nothing.
$(INSTALLED): pyproject.toml constraints.txt
	@command -v "$(PYTHON)" > /dev/null || { echo "No $(PYTHON) here. Install Python 3.11 or newer, or say which: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "lunar_env needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) --version 2>&1). Say which to use: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
# With an index of its own torch comes alone; its dependencies follow from the usual place.
	$(BIN)/python -m pip install -c constraints.txt $(if $(TORCH_INDEX),--no-deps --index-url "$(TORCH_INDEX)") torch
	$(BIN)/python -m pip install -c constraints.txt -e ".[train,export,search,render,report,terrain,convex,disassembly,dev]"
	@touch $@

$(INSTALLED_BENCH): $(INSTALLED)
	$(BIN)/python -m pip install -c constraints.txt -e ".[bench]"
	@touch $@

# Wheels only, and exactly the versions of the client's own file.
.clients/%/.installed: tests/clients/requirements/%.txt pyproject.toml | $(INSTALLED)
	$(PYTHON) -m venv .clients/$*
	.clients/$*/bin/python -m pip install --only-binary :all: $(if $(TORCH_INDEX),--no-deps --index-url "$(TORCH_INDEX)") $$(grep '^torch==' $<)
	.clients/$*/bin/python -m pip install --only-binary :all: -r $< -e .
	@touch $@
