# make help lists the targets. Everything lives in .venv; set PYTHON to choose an interpreter (3.10 to 3.13).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WASM := @micropython/micropython-webassembly-pyscript@1.29.0-6
RP2040JS := rp2040js@1.4.1
PYTEST ?= -q
ARCH ?= armv6m
CLIPS ?= ../shared/audio/esc10
SEA ?= $(wildcard ../shared/models/edgel3_sea_ust_audio_emb_64.h5)

.PHONY: help setup edgel3 emulators native mpy demo test check docs fuzz bench bench-listen model dist cuts clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.setup ## make .venv with l3mote, node and the MicroPython runtimes

$(VENV)/.setup: pyproject.toml Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -e '.[emulate]'
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm install --silent --no-fund --no-audit --no-package-lock --prefix $(VENV) $(WASM)
	touch $@

$(VENV)/.setup-dev: $(VENV)/.setup
	$(BIN)/python -m pip install -q -e '.[train,dev]'
	-$(BIN)/python tools/umqtt.py $(VENV)/micropython-lib
	touch $@

emulators: $(VENV)/.setup ## build MicroPython for QEMU's boards and the emulated RP2040 (Debian; 10 minutes, cached; PARTS=lx7 for one)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm install --silent --no-fund --no-audit --no-package-lock --prefix $(VENV) $(RP2040JS)
	tools/emulators.sh $(VENV)/emulators $(PARTS)

demo: setup ## classify sounds on the host and in real MicroPython (AUDIO=file for your own)
	$(BIN)/python -m l3host.demo $(AUDIO)

test: $(VENV)/.setup-dev ## run the whole test suite, runtimes included
	$(BIN)/python -m pytest $(PYTEST)

check: $(VENV)/.setup-dev ## lint
	$(BIN)/ruff check .

docs: $(VENV)/.setup ## build the documentation into build/docs (a warning is an error)
	$(BIN)/python -m pip install -q -e '.[docs]'
	$(BIN)/python -m sphinx -EWq --keep-going docs build/docs

fuzz: $(VENV)/.setup-dev ## feed the reader 100,000 mutated files (2,000 in MicroPython)
	$(BIN)/python tests/fuzz.py 100000 --micropython 2000

bench: emulators ## measure kernels and models, write BENCHMARKS.md (20 minutes; SEA=published .h5 weights)
	$(BIN)/python -m l3host.emulate.bench BENCHMARKS.md $(SEA)

bench-listen: $(VENV)/.setup-dev emulators ## the listening app on the emulated RP2040, clip by clip (15 minutes; CLIPS=folder of sounds)
	$(BIN)/python tests/bench_listen.py $(CLIPS)

model: $(VENV)/.setup-dev ## train host/l3host/models/esc10.l3m again (DATA=folder of ESC-50; 40 minutes)
	$(BIN)/l3mote compress esc10 --data esc50=$(DATA)
	cp runs/esc10/model.l3m host/l3host/models/esc10.l3m

edgel3: $(VENV)/.setup-dev ## what the whole EdgeL3 costs in several heaps of the unix port (10 minutes)
	mkdir -p $(VENV)/edgel3
	$(BIN)/python tests/test_edgel3.py $(VENV)/edgel3

native: $(VENV)/.setup-dev ## build the native kernels of every architecture whose compiler is here (MPY_DIR=MicroPython's source)
	$(BIN)/python device/native/build.py $(or $(MPY_DIR),$(VENV)/emulators/micropython)

mpy: $(VENV)/.setup ## precompile the device package for a board into build/mpy/ARCH (ARCH=armv6m, xtensawin...)
	mkdir -p build/mpy/$(ARCH)
	$(BIN)/python -m l3host.emulate.mpy $(ARCH) build/mpy/$(ARCH)

dist: $(VENV)/.setup ## write the wheel, mip's trees and a circup bundle into dist/
	$(BIN)/python -m pip wheel -q --no-deps -w dist .
	$(BIN)/python -m l3host.deploy.dist dist package.json

cuts: emulators $(VENV)/.setup-dev ## cut a deployment to the emulated board at ten random bytes (2 minutes; CI has three)
	L3_CUTS=10 $(BIN)/python -m pytest -q tests/test_deploy_cuts.py

clean: ## remove .venv and caches
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
