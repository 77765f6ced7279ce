# Needs a Python >= 3.11 and a package index, nothing else. `make` alone shows what there is.

VENV ?= .venv
ARGS ?=
# Candidates in order of preference; the first that is new enough and can make environments wins.
PYTHON ?= python3.11 python3.12 python3.13 python3 python3.14

RUN := $(VENV)/bin/python -m
PACKAGES := stratarouter stratarouter_runtime
SOURCES := $(PACKAGES) tests tools benchmarks

# Settings of the shell that would leak into the environment.
unexport PYTHONPATH PYTHONHOME
# pip would refuse to install into an environment if its user made user installs the default.
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:

# $(call environment,LEVEL): make or renew $(VENV), so that it can do LEVEL (demo, test or dev).
define environment
@for python in $(PYTHON); do \
	if "$$python" tools/environment.py --probe >/dev/null 2>&1; then \
		exec "$$python" tools/environment.py "$(VENV)" $(1); \
	fi; \
done; \
echo "Found no Python >= 3.11 with the venv module (tried: $(PYTHON))." >&2; \
echo "Install one, or say where it is: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; \
exit 1
endef

##@ Use

.PHONY: help
help: ## Show this help
	@awk 'BEGIN { FS = ":.*## "; print "Usage: make <target>" } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: env-demo ## Run the demonstration; needs no network once it is installed
	@$(VENV)/bin/stratarouter demo $(ARGS)

##@ Check

.PHONY: test
test: env-test ## Run all tests and every example in the docstrings (ARGS="-k cache")
	$(RUN) pytest $(ARGS)

.PHONY: check
check: format-check lint types arch docstrings test ## Run everything that continuous integration runs

.PHONY: format
format: env-dev ## Format the code and repair what ruff can
	$(RUN) ruff check --fix --exit-zero --quiet .
	$(RUN) ruff format .

.PHONY: format-check
format-check: env-dev ## Check the formatting
	$(RUN) ruff format --check .

.PHONY: lint
lint: env-dev ## Check the code with ruff
	$(RUN) ruff check .

.PHONY: types
types: env-dev ## Check the types with mypy, strictly
	$(RUN) mypy $(SOURCES)

.PHONY: arch
arch: env-dev ## Check who may import whom
	$(VENV)/bin/lint-imports --no-logo --no-cache

.PHONY: docstrings
docstrings: env-dev ## Check that docstrings fit their signatures
	find $(PACKAGES) -name '*.py' -exec $(RUN) numpydoc lint {} +

.PHONY: docs
docs: env-dev docstrings ## Check the docstrings and run every example in docs and docstrings
	$(RUN) pytest tests/docs $(PACKAGES) $(ARGS)

.PHONY: prove
prove: env-test ## Run the laws with many more examples than `make test` does
	$(RUN) pytest tests --hypothesis-profile=prove --timeout=1800 $(ARGS)

.PHONY: bench
bench: env-test ## Measure beside the peers, an hour (DATA=folder, ARGS=--quick)
	$(VENV)/bin/python benchmarks/run.py $(if $(DATA),--data "$(DATA)") $(ARGS)

##@ Build

.PHONY: wheel
wheel: env-dev ## Build the wheel and the source archive into dist/
	$(RUN) build --no-isolation --outdir dist .

.PHONY: clean
clean: ## Remove the environment and everything that was generated
	if [ -e "$(VENV)/pyvenv.cfg" ]; then rm -rf "$(VENV)"; fi
	rm -rf .bench benchmarks/results build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: env-demo env-test env-dev
env-demo env-test env-dev:
	$(call environment,$(subst env-,,$@))
