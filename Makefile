# `make demo` and `make test` are all that a fresh machine needs; each installs what is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check format bench bench-bloc pictures clean

demo: $(READY)
	$(BIN)/socket-bloc demo

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/python -m benchmarks.relay

bench-bloc: $(READY)
	$(BIN)/python -m benchmarks.bloc

# The README's pictures; it says what to install where the browser or the font is missing.
pictures: $(READY)
	$(BIN)/python docs/make_pictures.py

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all,test]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
