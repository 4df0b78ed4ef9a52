# make help lists the targets. Everything lives in .venv; set PYTHON to choose an interpreter (3.11 or later).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := tools/locks
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
PYTEST ?= -q
ARCH ?= armv6m
C_FILES = $(filter-out device/native/build-%,$(wildcard device/native/*.c device/native/*/*.c device/native/*/*.h tests/native/*.c))
CLIPS ?= ../shared/audio/esc10
FOLDS := 1 2 3 4
SEA ?= $(wildcard ../shared/models/edgel3_sea_ust_audio_emb_64.h5)

.PHONY: help setup lock edgel3 emulators native mpy demo test check pages docs attack bench bench-host bench-listen model dist cuts starts soak clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.setup ## make .venv with l3mote, node and the MicroPython runtimes

# l3mote itself comes from this folder, with nothing that the locks do not name.
$(VENV)/.setup: $(LOCKS)/run.txt $(LOCKS)/node/package-lock.json pyproject.toml
	@echo "make setup: installing into $(VENV), about a minute"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r $(LOCKS)/run.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@cp $(LOCKS)/node/package.json $(LOCKS)/node/package-lock.json $(VENV)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm ci --silent --no-fund --no-audit --ignore-scripts --prefix $(VENV)
	@touch $@

$(VENV)/.setup-dev: $(VENV)/.setup $(LOCKS)/dev.txt $(LOCKS)/circuitpython.txt
	@echo "make: installing TensorFlow and the tools of the tests, some minutes"
	@$(PIP) --require-hashes -r $(LOCKS)/dev.txt
	@$(PIP) --no-deps --require-hashes -r $(LOCKS)/circuitpython.txt
	@touch $@

lock: $(VENV)/.setup ## write the versions and hashes of everything that is installed anew (tools/locks)
	$(PIP) --require-hashes -r $(LOCKS)/uv.txt
	tools/lock.sh $(BIN)

emulators: $(VENV)/.setup ## build MicroPython for QEMU's boards and the emulated RP2040 (Debian; 10 minutes, cached; PARTS=lx7 for one)
	tools/emulators.sh $(VENV)/emulators $(PARTS)

demo: setup ## classify sounds on the host and in real MicroPython (AUDIO=file for your own)
	@$(BIN)/python tools/demo.py $(if $(AUDIO),"$(AUDIO)")

test: $(VENV)/.setup-dev ## run the whole test suite, runtimes included
	$(BIN)/python -m pytest $(PYTEST)

check: $(VENV)/.setup-dev ## lint Python and C, and check how the C is formatted
	$(BIN)/ruff check .
	$(BIN)/ruff format --check -q .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/clang-format --dry-run -Werror $(C_FILES)

pages: $(VENV)/.setup-dev ## write into the documentation's pages what they take from the code
	$(BIN)/python tools/pages.py

docs: $(VENV)/.setup-dev ## build the documentation into build/docs (a warning is an error)
	$(BIN)/python -m sphinx -EWq --keep-going -c docs . build/docs
	@echo "open build/docs/index.html"

attack: $(VENV)/.setup-dev ## hostile files, recipes, settings, boards and power cuts, in one table (an hour; SHARE=0.1 for a tenth)
	$(BIN)/python tools/attack.py $(SHARE)

bench: emulators ## measure kernels and models, write BENCHMARKS.md (25 minutes; SEA=published .h5 weights)
	$(BIN)/python tools/bench.py BENCHMARKS.md $(SEA)

bench-host: $(VENV)/.setup-dev ## measure classify and embed on this computer, write it into BENCHMARKS.md (5 minutes; SEA=.h5 weights)
	$(BIN)/python tools/bench_host.py BENCHMARKS.md $(SEA)

bench-listen: $(VENV)/.setup-dev emulators ## the listening app on the emulated RP2040, clip by clip (15 minutes; CLIPS=folder of sounds)
	$(BIN)/python tools/bench_listen.py $(CLIPS)

model: $(VENV)/.setup-dev ## train the models that ship again (FREE=folder of tools/free_esc50.py, TEACHER=.toml; two and a half hours of a core)
	$(BIN)/l3mote sweep l3-64 $(foreach n,$(FOLDS),l3-64-fold$(n)) --data free=$(FREE) --data teacher=$(TEACHER)
	$(BIN)/l3mote compress esc10 --data free=$(FREE) --data teacher=$(TEACHER) --data weights=runs/l3-64/recover-1.keras \
	  $(foreach n,$(FOLDS),--data weights-$(n)=runs/l3-64-fold$(n)/recover-1.keras)
	cp runs/esc10/model.l3m host/l3host/models/esc10.l3m
	cp runs/l3-64/model.l3m host/l3host/models/l3-64.l3m
	cp $(FREE)/attribution.csv host/l3host/models/attribution.csv

edgel3: $(VENV)/.setup-dev ## what the whole EdgeL3 costs in several heaps of the unix port (10 minutes)
	mkdir -p $(VENV)/edgel3
	$(BIN)/python tools/edgel3.py $(VENV)/edgel3

native: $(VENV)/.setup-dev ## build the native kernels of every architecture whose compiler is here (MPY_DIR=MicroPython's source)
	$(BIN)/python device/native/build.py $(or $(MPY_DIR),$(VENV)/emulators/micropython)

mpy: $(VENV)/.setup ## precompile the device package for a board into build/mpy/ARCH (ARCH=armv6m, xtensawin...)
	mkdir -p build/mpy/$(ARCH)
	$(BIN)/python -m l3host.package.mpy $(ARCH) build/mpy/$(ARCH)

dist: $(VENV)/.setup ## write the wheel, mip's trees and a circup bundle into dist/
	$(BIN)/python -m pip wheel -q --no-deps -w dist .
	$(BIN)/python tools/dist.py dist package.json

cuts: emulators $(VENV)/.setup-dev ## cut a deployment to the emulated board at ten random bytes (2 minutes; CI has three)
	L3_CUTS=10 $(BIN)/python -m pytest -q tests/deploy/test_deploy_cuts.py

starts: emulators $(VENV)/.setup-dev ## ten starts of the app on the emulated Pico, with all and with little heap (10 minutes)
	$(BIN)/python tools/starts.py

soak: $(VENV)/.setup-dev ## ten simulated days of the app in MicroPython, with MQTT and its log (half an hour; the tests have an hour of them)
	L3_SOAK_HOURS=240 $(BIN)/python -m pytest -q -s tests/app/test_soak.py

clean: ## remove .venv and caches
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
