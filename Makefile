# 基层治理数据中枢 · Community Data Hub. `make` alone lists what can be done.

COUNTY ?= 320305
PEOPLE ?= 60000
SEED   ?= 1
FAULTS ?= 0.01
VAR    ?= var
WORKERS ?= 2

BIN    := .venv/bin
PYTHON := $(BIN)/python
READY  := .venv/.ready
UV     := $(BIN)/uv

# Compiled modules make every start of a process faster; keep them even where the environment forbids it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run serve test lint bench lock clean
.DELETE_ON_ERROR:

help: ## list what can be done
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1	\2/' | expand -t 16
	@echo "  Variables for run: COUNTY=$(COUNTY) PEOPLE=$(PEOPLE) SEED=$(SEED) FAULTS=$(FAULTS) VAR=$(VAR)"

run: $(READY) ## walk an invented county through all eight steps, by Airflow
	@exec $(PYTHON) -m hub.demo run --county $(COUNTY) --people $(PEOPLE) --seed $(SEED) --faults $(FAULTS) --home "$(VAR)"

serve: $(READY) ## portal, API and Airflow's UI on what `make run` has made
	@exec $(PYTHON) -m hub.demo serve --home "$(VAR)"

test: $(READY) ## all tests, in WORKERS processes
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile

lint: $(READY) ## style, types, directions of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## what the walk costs, as JSON; python -m benchmarks has more
	@$(PYTHON) -m benchmarks walk --json

lock: $(UV) ## write requirements*.txt anew from requirements*.in
	$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate requirements.in -o requirements.txt
	$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate requirements-dev.in -o requirements-dev.txt

clean: ## remove what runs and tests have made; .venv stays
	rm -rf "$(VAR)" build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./.venv -prune -o -type d -name __pycache__ -exec rm -rf {} +

$(PYTHON):
	@for python in python3.11 python3.12 python3.13 python3; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			exec $$python -m venv .venv; \
		fi; \
	done; \
	echo "Python 3.11 or newer is needed; none of python3.11, python3.12, python3.13 and python3 is one." >&2; exit 1

$(UV): requirements-uv.txt | $(PYTHON)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@touch $@

# Not an editable install, which would fetch a build tool: a path file for Python, and the command beside it.
$(READY): requirements.txt requirements-dev.txt $(UV)
	@echo "安装依赖，约一分钟 installing what is locked, about a minute"
	@$(UV) pip install --quiet --python $(PYTHON) --compile-bytecode --require-hashes -r requirements.txt -r requirements-dev.txt
	@$(PYTHON) -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "community-data-hub.pth").write_text(str(pathlib.Path.cwd()) + "\n", encoding="utf-8")'
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m hub "$$@"\n' > $(BIN)/hub
	@chmod +x $(BIN)/hub
	@touch $@
