.DEFAULT_GOAL := help
.PHONY: help demo test fast compare study study-full attacks lint docs ui lock audit clean

PYTHON ?= python3
BIN := .venv/bin
SIGNS := seed=0,1,2 data=gtsrb
COMPARED := strategy=none,random_channels,channel_activation,magnitude_dense finetune=none,clean architecture=deepid \
	attack=sunglasses,patch,multi_trigger_multi_target seed=0,1,2

help: ## list what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

.venv/installed: requirements.lock pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"expected Python 3.11 to 3.13, got {v[0]}.{v[1]}: run make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

mlruns/demo: .venv/installed $(shell find conf fineprune runners strategies -name '*.py' -o -name '*.yaml')
	$(BIN)/python -m runners.sweep -m grid=demo strategy=channel_activation,random_channels architecture=resnet,deepid
	@mkdir -p mlruns && touch $@

demo: mlruns/demo ## set up, then prune two backdoored networks two ways, and compare: a table and a page
	$(BIN)/python -m runners.compare grid=demo hydra.run.dir=outputs/demo

test: .venv/installed ## set up, then run every test
	$(BIN)/pytest -n auto --maxprocesses 4

fast: .venv/installed ## only the tests that take less than two minutes in all
	$(BIN)/pytest -n auto --maxprocesses 4 -m "not slow and not end_to_end and not hostile and not servers"

compare: .venv/installed ## sweep a grid of strategies, attacks and seeds, then compare: ends with the answer and a page (40 min)
	$(BIN)/python -m runners.sweep -m tracking.experiment=compare $(COMPARED)
	$(BIN)/python -m runners.compare tracking.experiment=compare

study: .venv/installed ## most methods on five kinds of networks, two seeds, then compare: goes on where it was stopped (two hours)
	$(BIN)/python -m runners.study more="'hydra/launcher=joblib'"

study-full: .venv/installed ## the same with every attack, five seeds, and the papers' iterations; for a cluster
	$(BIN)/python -m runners.study study=full

attacks: .venv/installed ## train a BadNet under each attack, three seeds, and list how well they work (an hour)
	$(BIN)/python -m runners.train_badnet -m architecture=deepid attack='glob(*)' seed=0,1,2
	@if [ -d data/gtsrb ]; then \
		$(BIN)/python -m runners.train_badnet -m attack='glob(*,exclude=sinusoidal)' $(SIGNS) && \
		$(BIN)/python -m runners.train_badnet -m attack=sinusoidal attack.target=2 attack.amplitude=80 $(SIGNS); fi
	$(BIN)/python -m runners.badnets

lint: .venv/installed ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/installed ## build the site of docs/ into build/docs; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

ui: .venv/installed ## browse what was logged, in the MLflow UI on http://127.0.0.1:5000
	@echo "MLflow UI: http://127.0.0.1:5000 (stop it with Ctrl+C)"
	@MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow ui --host 127.0.0.1 --port 5000 \
		--backend-store-uri sqlite:///mlruns/mlflow.db

lock: ## update the pinned versions; needs uv
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --upgrade \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements.lock

audit: ## look up known vulnerabilities of the pinned versions; needs uv and the network
	uvx pip-audit --disable-pip --require-hashes -r requirements.lock

clean: ## remove the environment and everything generated, but no data and no model
	rm -rf .venv outputs mlruns .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
