.DEFAULT_GOAL := help
.PHONY: help demo test fast compare attacks lint ui lock clean

PYTHON ?= python3
BIN := .venv/bin
SIGNS := seed=0,1,2 data=gtsrb badnet.epochs=20
COMPARED := strategy=channel_activation,magnitude_dense finetune=none,clean \
	attack=sunglasses,patch,multi_trigger_multi_target seed=0,1,2

help: ## list what can be done
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 8

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"expected Python 3.11 to 3.13, got {v[0]}.{v[1]}: run make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: .venv/installed ## set up, then sweep the embedded default: a table and the path of a plot
	$(BIN)/python -m runners.sweep strategy=channel_activation

test: .venv/installed ## set up, then run every test
	$(BIN)/pytest -n auto --maxprocesses 4

fast: .venv/installed ## only the tests that take less than two minutes in all
	$(BIN)/pytest -n auto --maxprocesses 4 -m "not slow"

compare: .venv/installed ## sweep a grid of strategies, attacks and seeds, then compare: ends with the answer and a page (20 min)
	$(BIN)/python -m runners.sweep -m tracking.experiment=compare $(COMPARED)
	$(BIN)/python -m runners.compare tracking.experiment=compare

attacks: .venv/installed ## train a BadNet under each attack, three seeds, and list how well they work (an hour)
	$(BIN)/python -m runners.train_badnet -m attack='glob(*)' seed=0,1,2
	@if [ -d data/gtsrb ]; then \
		$(BIN)/python -m runners.train_badnet -m attack='glob(*,exclude=sinusoidal)' $(SIGNS) && \
		$(BIN)/python -m runners.train_badnet -m attack=sinusoidal attack.target=2 attack.amplitude=80 $(SIGNS); fi
	$(BIN)/python -m runners.badnets

lint: .venv/installed ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: .venv/installed ## browse what was logged, in the MLflow UI on http://127.0.0.1:5000
	$(BIN)/mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db

lock: ## choose exact versions anew; needs uv
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --upgrade \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements.lock

clean: ## remove the environment and everything generated, but no data and no model
	rm -rf .venv outputs mlruns .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
