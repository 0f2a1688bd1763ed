# `make demo` and `make test` are all that a fresh machine needs; each installs what is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test coverage check format bench bench-bloc bench-orders bench-client bench-peers pictures clean

demo: $(READY)
	$(BIN)/socket-bloc demo

# Two tests at a time, which is as many as two cores run; `make test PYTEST=-x`, `PYTEST=tests/tui`, ...
test: $(READY)
	$(BIN)/python -m pytest -n 2 $(PYTEST)

# The same tests; fails unless they run every line and every branch, also in the processes that they start.
coverage: PYTEST += --cov --cov-report=term-missing:skip-covered
coverage: test

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/python -m benchmarks.relay

bench-bloc: $(READY)
	$(BIN)/python -m benchmarks.bloc

bench-orders: $(READY)
	$(BIN)/python -m benchmarks.orders

# The client beside other clients, which it installs into .peers.
bench-client: $(READY)
	$(BIN)/python -m benchmarks.client

# The relay beside other servers, which it installs into .peers; needs node 20 or newer, npm and cc.
bench-peers: $(READY)
	$(BIN)/python -m benchmarks.peers

# The README's pictures; it says what to install where the browser or the font is missing.
pictures: $(READY)
	$(BIN)/python docs/make_pictures.py

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all,test]'
	touch $@

clean:
	rm -rf $(VENV) .peers build dist .pytest_cache .ruff_cache .coverage* .hypothesis
