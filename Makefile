# Both commands work on a fresh clone with Python 3.11, pip, make and git, and can be run again at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
# Some images set this. Then each of the many processes that tests start would compile TensorFlow and Keras anew, and take three times as long to start.
unexport PYTHONDONTWRITEBYTECODE
# Test processes share the cores, so each keeps to one thread.
TEST := TF_CPP_MIN_LOG_LEVEL=3 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 $(BIN)/python -m pytest
# These know no Keras: one case of each of their tests is run again (tests/conftest.py).
BESIDE_KERAS_2 := tests/balancing tests/gradients tests/linalg

# All tests and all their cases; `make test` leaves out long ones and variants, to take less than 15 minutes.
test-all: TEST += --exhaustive
test-all: test

.PHONY: demo test test-all lint format bench clean

demo: $(INSTALLED)
	$(BIN)/tf-gradcraft demo --out demo

test: $(INSTALLED)
	@echo "== tests (and doctests of every public name)"
	$(TEST) -n 2 --dist loadfile tests
	$(TEST) -q -n 2 --dist loadfile --doctest-modules --ignore=tf_gradcraft/tfrs --pyargs tf_gradcraft tf_gradcraft.data_pipelines tf_gradcraft.models
	@echo "== the same parts beside Keras 2, and the door to TensorFlow Recommenders"
	TF_USE_LEGACY_KERAS=1 $(TEST) -q -n 2 --dist loadfile tests/tfrs tests/models/test_layers.py $(BESIDE_KERAS_2)
	TF_USE_LEGACY_KERAS=1 $(TEST) -q --doctest-modules --pyargs tf_gradcraft.tfrs

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# The type checker does not see how setup.cfg maps the folders, so it gets a tree of links that looks as installed.
	@rm -rf build/typed && mkdir -p build/typed
	@cp -rs $(CURDIR)/tf_gradcraft build/typed/ && cp -rs $(CURDIR)/data_pipelines $(CURDIR)/models build/typed/tf_gradcraft/
	cd build/typed && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Over an hour; a second call goes on where the first stopped. Writes the figures and the chart of docs/performance.md.
bench: $(INSTALLED)
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python benchmarks/step_time.py

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@echo "== installing into $(VENV) (a few minutes the first time)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt --editable ".[dev,test]"
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
