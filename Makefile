# Two commands: `make demo` and `make test`. Each does its own set-up; the second run starts in seconds.
#   make demo ARGS="--once --out out"                     ends by itself
#   make demo ARGS="--studies FOLDER --once --out out"    your own DICOM folder instead of the phantoms
#   make demo ARGS="--triton"                             encoders behind a real Triton server
#   make test ARGS="-k search"                            some of the tests
#   make bench-dicom ARGS="--quick"                       the DICOM server beside DCMTK and stock pynetdicom
#   make fuzz-dicom ARGS="--pdus 20000"                   malformed PDUs against it
#   make crash-dicom KILLS=20                             kill -9 of it, over and over
#   make bench-reports                                    the report parser beside medspaCy
#   make bench-mllp                                       reports by HL7 per second, each durable before its answer
#   make bench-similarity ARGS="--distinct"               similarity of 10,000 reports with one another

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRITON_VENV ?= .triton-venv
export RADIR_TRITON_VENV := $(abspath $(TRITON_VENV))
# medspaCy pins numpy 1 and spaCy 3.7: its environment lies outside the checkout and is made by the first bench-reports.
export MEDSPACY_VENV ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/radir-node/medspacy

# What the tests talk to: DICOM toolkits, validators, a PACS, a browser. Only tests need them.
TEST_PACKAGES := dcmtk dicom3tools libpixelmed-java libcommons-codec-java default-jre-headless orthanc chromium libpython3-dev libgdcm-tools python3-odil
NODE_PEERS := tests/peers/node_modules/.package-lock.json

.PHONY: demo test lint unit tools triton bench-dicom fuzz-dicom crash-dicom bench-reports bench-mllp bench-similarity clean

demo: $(VENV)/.runtime
	@$(BIN)/radir demo $(ARGS)

test: $(VENV)/.test tools triton lint unit

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.test
	$(BIN)/pytest $(ARGS)

# A fresh Debian or Ubuntu may have python3 without the venv module.
$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "make: $(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { [ "$$(id -u)" = 0 ] \
		&& apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; } \
		|| { echo "make: the Python module venv is missing; install it: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip

$(VENV)/.runtime: setup.cfg pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -q -e .
	@touch $@

# Only training and its tests need torch: its CPU build or none, never the CUDA build of several GB.
$(VENV)/.test: $(VENV)/.runtime
	@$(BIN)/pip install -q 'torch==2.13.0+cpu' 2>/dev/null \
		|| $(BIN)/pip install -q 'torch==2.13.0' --index-url https://download.pytorch.org/whl/cpu 2>/dev/null \
		|| echo "make: no CPU build of torch to be had here; the tests of the training code will skip"
	$(BIN)/pip install -q -e '.[test]'
	@touch $@

tools: $(NODE_PEERS)
	@missing="$$(for p in $(TEST_PACKAGES); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done)"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "make: installing for the tests:" $$missing; \
		export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null \
			|| echo "make: some could not be installed; the tests that need them will skip"; \
	else echo "make: not root, so the tests that need these Debian packages will skip:" $$missing; fi

# The DICOM peer that runs on Node.js; make installs no Node.js.
$(NODE_PEERS): tests/peers/package-lock.json
	@command -v npm >/dev/null || { echo "make: no npm, so the tests with dcmjs-dimse will skip"; exit 0; }; \
	npm ci --silent --no-audit --no-fund --prefix tests/peers && touch $@ \
		|| echo "make: dcmjs-dimse could not be installed; its tests will skip"

# The real Triton server has an environment of its own: it needs numpy 1.
triton: $(VENV)/.runtime
	@$(BIN)/python -c 'import os, pathlib; from radir_node.encoders.triton_server import ensure_environment as e; \
		e(pathlib.Path(os.environ["RADIR_TRITON_VENV"]))' 2>$(VENV)/triton.log \
		|| echo "make: no Triton server, its tests will skip: $$(tail -n 1 $(VENV)/triton.log)"

# Half a minute; the first run installs medspaCy.
bench-reports: $(VENV)/.runtime
	@$(BIN)/python tests/bench/reports.py $(ARGS)

# Ten seconds.
bench-similarity: $(VENV)/.runtime
	@$(BIN)/python tests/bench/similarity.py $(ARGS)

# Minutes, on a machine that does nothing else: everything is measured in one run.
bench-dicom: $(VENV)/.test tools
	@$(BIN)/python tests/bench $(ARGS)

# Half a minute, on a machine that does nothing else.
bench-mllp: $(VENV)/.test
	@$(BIN)/python tests/bench/mllp.py $(ARGS)

fuzz-dicom: $(VENV)/.test tools
	@$(BIN)/python tests/bench/fuzz.py $(ARGS)

KILLS ?= 100
crash-dicom: $(VENV)/.test tools
	@RADIR_TEST_KILLS=$(KILLS) $(BIN)/pytest -q -s tests/acceptance/test_dicom_crash.py tests/acceptance/test_reports.py -k 'crash or kills' $(ARGS)

clean:
	rm -rf $(VENV) $(TRITON_VENV) .radir out
