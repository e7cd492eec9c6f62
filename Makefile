# make quickstart   train, align, judge and report on the built-in world (about 5 minutes)
# make test         the fast tests; test-slow, test-gpu: the marked ones
# make check        style, types, layers, settings, dead code
# make bench        one row beside TRL: speed and memory on whole conversations, DPO, size S

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
OUT ?= runs/quickstart

export OMP_NUM_THREADS ?= 2
export TOKENIZERS_PARALLELISM ?= false

.PHONY: quickstart setup test check bench test-slow test-gpu clean

quickstart: $(VENV)/.core
	$(BIN)/handrail run quickstart --out $(OUT)

setup: $(VENV)/.dev

test: $(VENV)/.dev
	$(BIN)/python -m pytest

test-slow test-gpu: test-%: $(VENV)/.dev
	$(BIN)/python -m pytest -m $*

check: $(VENV)/.dev
	$(BIN)/ruff check src tests scripts benchmarks
	$(BIN)/ruff format --check src tests scripts benchmarks
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py tests/test_settings.py tests/test_house.py
	$(BIN)/vulture

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/train.py --shape conversation --size S --objective dpo --mode full \
		--dtype float32 --json

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is made once and again only when the dependencies change.
$(VENV)/.core: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) -e '.[dev]'
	touch $@
