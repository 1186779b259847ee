# Everything that is done to this tree is a target here, so that no command has to be remembered.
# Needs only Python 3.11 or later (with pip and venv), make and git; the rest is set up in .venv from the lock file.

PYTHON ?= python3
FILES  ?=
ARGS   ?=
SEEDS  ?= 100000
FUZZ   ?= 60
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := -m pip install -qq --disable-pip-version-check --no-input
COMPILE = .venv-lock/bin/uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-header --quiet

# The rooms that are tested without a server, a browser or a library of others.
INNER   = base events graph log wire stores runs nodes transports observe face house

# What takes bytes from outside (tests/fuzz).
FUZZED  = sse request frame problem batch columns

# What the bench measures must be what the tests run with; its peers need other versions of the rest.
SHARED  = apsw|fastapi|httptools|httpx|langgraph|msgspec|openai|pydantic|reactivex|uvicorn|uvloop|websockets

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check fast soak fuzz format-check lint types contract format console web bench lock clean

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.ready  ## Run the main job on real text: make demo FILES="a.txt b.md" (default: our own documents).
	@$(BIN)/riverrun demo $(FILES)

test: $(VENV)/.ready  ## Run all tests, or of them: make test ARGS="tests/graph -k fork".
	@$(BIN)/python -m pytest $(ARGS)

check: format-check lint types contract fast  ## Run every gate: format, lint, types, import contract, fast tests.

fast: $(VENV)/.ready  ## Run the fast tests of the rooms that need no server (under 30 seconds).
	@$(BIN)/python -m pytest -m "not slow" -q -n 2 $(INNER:%=tests/%)

soak: $(VENV)/.ready fuzz  ## Fuzz, then live through SEEDS worlds in virtual time (100,000 take 20 minutes); what fails is kept for ever.
	@RIVERRUN_SEEDS=0-$$(($(SEEDS) - 1)) RIVERRUN_KEEP_SEEDS=1 $(BIN)/python -m pytest -q -n 2 tests/faults/test_seeds.py

fuzz: .venv-fuzz/.ready  ## Search for bytes that break a law of what comes from outside, FUZZ seconds for each.
	@mkdir -p out && for each in $(FUZZED); do echo "fuzz      $$each" && \
		.venv-fuzz/bin/python -m tests.fuzz $$each -max_total_time=$(FUZZ) -verbosity=0 -print_final_stats=1 \
			-artifact_prefix=out/fuzz-$$each- || exit 1; done

format-check: $(VENV)/.ready  ## Say which files are not formatted.
	@$(BIN)/ruff format --check --quiet . || { echo "format: the files above differ; run: make format" >&2; \
		$(BIN)/ruff format --check . ; exit 1; }
	@echo "format    ok"

lint: $(VENV)/.ready  ## Run ruff with all rules but the explained opt-outs.
	@$(BIN)/ruff check --quiet --output-format concise .
	@echo "lint      ok"

types: $(VENV)/.ready  ## Run mypy, strict.
	@$(BIN)/mypy --no-error-summary
	@echo "types     ok"

contract: $(VENV)/.ready  ## Check that rooms import only downwards and pure rooms stay pure.
	@$(BIN)/lint-imports --no-logo
	@echo "contract  ok"

format: $(VENV)/.ready  ## Format the tree and mend what ruff can mend by itself.
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format --quiet .

console: $(VENV)/.ready  ## Build the console into the package, in the Node that comes with .venv.
	@$(BIN)/python -m tests.web.consoles

web: $(VENV)/.ready  ## Build the TypeScript client and put it to all its tests, in the Node that comes with .venv.
	@$(BIN)/python -m pytest -q tests/web tests/client/test_conformance.py

bench: .venv-bench/.ready  ## Measure Riverrun beside its peers: make bench ARGS="--quick chain"; prints JSON lines.
	@.venv-bench/bin/python -m bench $(ARGS)

lock:  ## Write the lock files anew from pyproject.toml.
	$(call make-venv,.venv-lock)
	@.venv-lock/bin/python $(PIP) uv
	@$(COMPILE) --upgrade --group dev -o requirements.lock
	@grep -E '^($(SHARED))==' requirements.lock | sed 's/ .*//' > .venv-lock/shared.txt
	@$(COMPILE) --upgrade --group bench -c .venv-lock/shared.txt -o bench/requirements.lock
	@grep -E '^[a-z0-9.-]+==' requirements.lock | sed 's/ .*//' > .venv-lock/tests.txt
	@$(COMPILE) --upgrade --group fuzz -c .venv-lock/tests.txt -o tests/fuzz/requirements.lock

clean:  ## Remove environments, caches and build products.
	@rm -rf .venv .venv-bench .venv-fuzz .venv-lock web/node_modules web/client/build web/client/dist build dist out .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find src tests bench examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# --- set-up: done once, and again only when the lock file or pyproject.toml has changed ---

# An environment that still works is kept; one whose Python is gone, or that was never finished, is made anew.
define make-venv
@command -v $(PYTHON) >/dev/null 2>&1 \
	|| { echo "set-up: '$(PYTHON)' was not found; install Python 3.11 or later, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	|| { echo "set-up: Riverrun needs Python 3.11 or later, but '$(PYTHON)' is $$($(PYTHON) -V 2>&1); name a newer one: make PYTHON=python3.12" >&2; exit 1; }
@$(PYTHON) -c 'import venv, ensurepip' >/dev/null 2>&1 \
	|| { echo "set-up: '$(PYTHON)' cannot make an environment: its venv module is missing; install the package python3-venv" >&2; exit 1; }
@$(1)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(1)
endef

# Riverrun itself is installed as a link to src/, with the build tools that the lock file has already brought.
define install
@$(1)/bin/python $(PIP) --require-hashes -r $(2) \
	|| { echo "set-up: the packages of $(2) could not be installed; see the lines above" >&2; exit 1; }
@$(1)/bin/python $(PIP) --no-deps --no-build-isolation -e . \
	|| { echo "set-up: Riverrun itself could not be installed; see the lines above" >&2; exit 1; }
@touch $@
endef

$(VENV)/.ready: requirements.lock pyproject.toml
	@echo "set-up: $(VENV) from requirements.lock (under a minute, only when it changes)"
	$(call make-venv,$(VENV))
	$(call install,$(VENV),requirements.lock)

.venv-bench/.ready: bench/requirements.lock pyproject.toml
	@echo "set-up: .venv-bench from bench/requirements.lock (about a minute, only when it changes)"
	$(call make-venv,.venv-bench)
	$(call install,.venv-bench,bench/requirements.lock)

.venv-fuzz/.ready: tests/fuzz/requirements.lock pyproject.toml
	@echo "set-up: .venv-fuzz from tests/fuzz/requirements.lock (under a minute, only when it changes)"
	$(call make-venv,.venv-fuzz)
	$(call install,.venv-fuzz,tests/fuzz/requirements.lock)
