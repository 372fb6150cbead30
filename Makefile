# The two main commands are make run and make test. `make` without a target lists all.
PYTHON ?= python3.11
JOBS ?= 2
PORT ?= 5000
PIP_FLAGS ?=
VARIANTS ?= cpu
BUILD_FLAGS ?=
VENV := .venv
PYTEST = OMP_NUM_THREADS=1 python -m pytest -n $(JOBS) --durations=20 --durations-min=5
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help env run track data test test-fast test-services lint ui server server-stop server-backup server-restore images images-push pipelines pipeline-run pipeline-submit pipeline-schedule bench bench-edge graph clean

help: ## list the targets
	@echo "make TARGET [CORPUS=demo|emodb|...] [FROM=archive or folder on this machine]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

env: $(VENV)/made ## create the environment .venv from constraints.txt

# The stamp has the time of the last complete installation.
$(VENV)/made: constraints.txt pyproject.toml $(wildcard jetson/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
		echo "error: PYTHON = $(PYTHON): is not Python 3.11: install it, or give its path: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e '.[dev]' -e ./jetson
	@touch $@

run: $(VENV)/made ## get the corpus, run dvc repro, show the systems; CORPUS=emodb sets the corpus in params.yaml first
	@$(if $(CORPUS),speech-emotion use '$(CORPUS)')
	@speech-emotion data "$$(speech-emotion corpus)" $(if $(FROM),--from '$(FROM)') --if-absent
	dvc repro
	@speech-emotion track --if-missing
	@speech-emotion table

track: $(VENV)/made ## write the last run's results to MLflow's store again, after it was wiped or to another store
	@speech-emotion track

data: $(VENV)/made ## get CORPUS from its publisher, or FROM=path, and record it in data.dvc
	@test -n '$(CORPUS)' || { echo "error: CORPUS: is missing: make data CORPUS=emodb" >&2; exit 1; }
	@speech-emotion data '$(CORPUS)' $(if $(FROM),--from '$(FROM)')

test: $(VENV)/made ## run the tests; CORPORA=folder adds those on real speech
	$(if $(CORPORA),,@echo "CORPORA is not set: tests on real speech are skipped and counted below")
	@echo "Tests that need Docker, servers or a browser are left out here: make test-services"
	$(PYTEST) --dist worksteal -m 'not services'

test-fast: $(VENV)/made ## the tests that take no longer than a second or two
	@echo "Slow tests and those that need Docker, servers or a browser are left out here: make test test-services"
	$(PYTEST) --dist worksteal -m 'not services and not slow'

test-services: $(VENV)/made ## the tests that need Docker, PostgreSQL, an MLflow server or Chromium
	$(PYTEST) --dist loadfile -m services  # servers are started once for a file

lint: $(VENV)/made ## check style and common mistakes
	ruff check .
	ruff format --check .

ui: $(VENV)/made ## start MLflow with all runs on 127.0.0.1:PORT
	@speech-emotion ui --port $(PORT)

server: ## start a team's tracking server with docker compose; settings in mlflow/.env (mlflow/README.md)
	@mlflow/check
	docker compose --file mlflow/compose.yaml up --detach --build server
	docker compose --file mlflow/compose.yaml up --detach --wait --no-deps server

server-stop: ## stop that server; its data is kept
	@mlflow/check
	docker compose --file mlflow/compose.yaml down

server-backup: ## copy its databases and artifacts into a dated folder below TO
	@test -n '$(TO)' || { echo "error: TO: is missing: make server-backup TO=/backups" >&2; exit 1; }
	@mlflow/backup '$(TO)'

server-restore: ## restore the dated folder FROM; FORCE=yes replaces the server's present contents
	@test -n '$(FROM)' || { echo "error: FROM: is missing: make server-restore FROM=/backups/DATE" >&2; exit 1; }
	@mlflow/restore $(if $(FORCE),--force) '$(FROM)'

images: $(VENV)/made ## build the image of the pipelines' steps; VARIANTS='cpu cuda' (components/images/README.md)
	@python -m components.images build $(VARIANTS:%=--variant %) $(if $(BUILD_FLAGS),-- $(BUILD_FLAGS))

images-push: $(VENV)/made ## push it to REGISTRY=host/folder and record its digest for the pipelines
	@test -n '$(REGISTRY)' || { echo "error: REGISTRY: is missing: make images-push REGISTRY=registry.example.org/team" >&2; exit 1; }
	@python -m components.images publish $(VARIANTS:%=--variant %) --registry '$(REGISTRY)'

pipelines: $(VENV)/made ## compile all pipelines to build/pipelines/*.yaml, with params.yaml and pipelines/cluster.yaml
	@python -m pipelines compile

pipeline-run: $(VENV)/made ## run PIPELINE=train on this machine, RUNNER=subprocess|docker (docs/kubeflow.md); ARGS='--param NAME=VALUE ...'
	@python -m pipelines run $(or $(PIPELINE),train) --runner $(or $(RUNNER),subprocess) $(ARGS)

pipeline-submit: $(VENV)/made ## upload PIPELINE=train to Kubeflow at HOST=https://... and run it (docs/cluster.md); ARGS as above
	@python -m pipelines submit $(or $(PIPELINE),train) --host '$(HOST)' $(ARGS)

pipeline-schedule: $(VENV)/made ## run it there regularly: CRON='minute hour day month weekday' or EVERY=6h
	@python -m pipelines schedule $(or $(PIPELINE),train) --host '$(HOST)' --cron '$(CRON)' --every '$(EVERY)' $(ARGS)

bench: $(VENV)/made ## run the scripts of benchmarks/
	@set -e; for script in $(filter-out benchmarks/edge.py,$(wildcard benchmarks/*.py)); do \
		test -e "$$script" || { echo "benchmarks/: no scripts"; break; }; \
		echo "$$script"; python "$$script"; done

bench-edge: $(VENV)/made ## time each form of the exported model on a sentence (docs/edge.md); ARGS='--speech FOLDER'
	@python benchmarks/edge.py $(ARGS)

graph: $(VENV)/made ## update from the code: deps and params of dvc.yaml, ports in components/*/README.md
	@python -m speech_emotion.steps.graph --write
	@python -m components.describe --write

clean: ## remove the environment and caches; data, artifacts and MLflow's store are kept
	rm -rf $(VENV) .pytest_cache .ruff_cache src/*.egg-info
