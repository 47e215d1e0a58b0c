# `make demo` and `make test` need Python 3.11 or newer, pip and make; they set up .venv themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Of `make fuzz`: how many graphs, and the seed of the first.
GRAPHS ?= 5000
SEED ?= 1
# Tests run side by side; each process that runs a network brings its own threads.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.DEFAULT_GOAL := help
.PHONY: help demo test verify bench soak packages fuzz lint format docs site wheels clean

help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(INSTALLED) ## read a picture of text with a pre-trained network, beside onnxruntime
	@$(BIN)/python -m lamina.benchmarks.demo

test: $(INSTALLED) ## all tests
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests $(PYTEST_ARGS)

verify: $(INSTALLED) ## every phase of compiling every network, and a checked build at many sizes (half an hour)
	@$(BIN)/python -m pytest -m slow tests/models/test_verify.py $(PYTEST_ARGS)

bench: $(INSTALLED) ## every figure of docs/performance.md, measured here and now
	@$(BIN)/python -m lamina.benchmarks.race $(BENCH_ARGS)

soak: $(INSTALLED) ## 20,000 runs in one process: answers right, memory flat (minutes)
	@$(BIN)/python -m lamina.benchmarks.soak $(SOAK_ARGS)

packages: $(INSTALLED) ## packages that use onnxruntime, unmodified, on Lamina; installs each beside (gigabytes); PACKAGES="magika ..."
	@$(BIN)/python tests/packages/run.py $(PACKAGES)

fuzz: $(INSTALLED) ## 5,000 random graphs, run in all ways and beside onnxruntime; GRAPHS=N, SEED=N begins elsewhere
	@LAMINA_FUZZ=$(GRAPHS) LAMINA_FUZZ_SEED=$(SEED) \
		$(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests/hostile/test_random_graphs.py $(PYTEST_ARGS)

lint: $(INSTALLED) ## ruff and pyright
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright

format: $(INSTALLED) ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(INSTALLED) ## write the generated parts of README.md and docs/ anew
	@$(BIN)/python docs/generate.py

site: $(INSTALLED) ## the documentation as a site, in build/site
	@$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going docs build/site
	@echo "open build/site/index.html"

wheels: $(INSTALLED) ## lamina and the run-only lamina-runtime as wheels, in dist
	@rm -rf build/lib build/bdist.* packaging/runtime/build
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . ./packaging/runtime
	@ls -l dist

clean: ## remove .venv and all caches
	rm -rf $(VENV) build dist *.egg-info packaging/*/build packaging/*/*.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is newer than pyproject.toml once everything is installed, so that the second time costs nothing.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; choose one with PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,dev,docs]'
	@touch $@
