# Two commands set everything up by themselves: make demo, make test. While you work: make quick.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Hundreds of processes import the same files: each would compile them again.
unexport PYTHONDONTWRITEBYTECODE

QUICK := not ray and not yolo and not browser and not slow and not gpu

# Tests wait for other processes much of the time: lint and types run beside them, and four processes on two cores.
.PHONY: demo test suite quick check chromium prometheus mlflow gpu dist docs clean

demo: .venv/ready ## a small study on generated data, from installation to a champion
	$(BIN)/python automl/search.py search_spaces/smoke.yaml --name demo
	@echo "in a browser, with the study and its model: $(BIN)/automl web"

test: .venv/ready chromium prometheus ## every check that needs no GPU
	@$(MAKE) --no-print-directory -j2 suite check

suite: .venv/ready
	$(BIN)/python -m pytest -m "not gpu" -n 4 --dist loadfile --no-loadscope-reorder --durations=25

quick: .venv/ready ## the tests that start no Ray, no YOLO and no browser, and take half a second each at most
	$(BIN)/python -m pytest -q -m "$(QUICK)" -n 2 --dist loadfile

check: .venv/ready ## lint, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

gpu: .venv/ready ## every check that needs a CUDA GPU, and its figures; 25 minutes at most
	$(BIN)/python benchmarks/gpu.py

dist: .venv/ready ## wheel and sdist of this commit in dist/; a tag of it must be the version
	rm -rf dist
	PYTHON=$(BIN)/python .ci/dist

docs: .venv/ready ## the documentation as a site in site/
	PYTHON=$(BIN)/python .ci/site

chromium: ## the browser of the page tests; if it cannot be installed, those tests are skipped
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } \
	  || echo "no Chromium and no way to install it: the browser tests will be skipped"

prometheus: ## Debian's Prometheus, unpacked in build/; if it cannot be had, the test that scrapes a study is skipped
	@command -v prometheus >/dev/null || test -x build/prometheus/usr/bin/prometheus || { \
	  command -v apt-get >/dev/null && mkdir -p build/prometheus && cd build/prometheus \
	  && { [ "$$(id -u)" != 0 ] || apt-get update -qq; } && apt-get download -qq prometheus 2>/dev/null \
	  && dpkg -x prometheus_*.deb .; } \
	  || echo "no Prometheus and no way to get it: the test that scrapes a study will be skipped"

mlflow: ## a server of MLflow in build/mlflow (850 MB), for the test of the exporter; `make test` does without
	$(PYTHON) -m venv build/mlflow
	build/mlflow/bin/pip install --disable-pip-version-check -q mlflow==3.17.2

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev,rtx,openvino,web]'
	@# OpenCV's usual build needs the system's libGL; if that is missing, the headless build is used.
	$(BIN)/python -c 'import cv2' 2>/dev/null || { \
	  $(BIN)/pip uninstall -q -y opencv-python && \
	  $(BIN)/pip install -q --no-deps --no-cache-dir "opencv-python-headless$$(sed -n 's/^opencv-python==/==/p' constraints.txt)"; }
	touch $@

clean: ## the environment, not the studies
	rm -rf .venv
