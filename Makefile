.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONPATH := $(CURDIR)
# Another interpreter, for all that runs: see tools/README.md.
export MICROPYTHON MPY_CROSS MICROPYTHON_FROZEN

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --group dev
	touch $@

venv: .venv/ready ## set up .venv with what the rest needs

demo: .venv/ready ## record and upload on this machine, and check what arrived
	$(BIN)/python -m tools.demo

cloud: .venv/ready ## run the local cloud until Ctrl-C (ARGS=--help for its options)
	$(BIN)/python -m tools.cloud $(ARGS)

test: .venv/ready ## run every test (ARGS go to pytest)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

fault-test: .venv/ready ## every network fault at every place, every answer, a fleet, fuzzing (ARGS=--help)
	$(BIN)/python -m tools.faults $(ARGS)

service-test: .venv/ready ## the cloud against its OpenAPI document, a fleet of 1,000 (ARGS=--help)
	$(BIN)/python -m tools.service $(ARGS)

soak: .venv/ready ## 2,000 recordings through random faults (ARGS=--help)
	$(BIN)/python -m tools.faults.soak $(ARGS)

crash-test: .venv/ready ## power cuts at every flash operation, and kills (ARGS=--help)
	$(BIN)/python -m tools.crash $(ARGS)

update-test: .venv/ready ## updates under power cuts, bundles that do harm, changed ones (ARGS=--help)
	$(BIN)/python -m tools.update $(ARGS)

bench: .venv/ready ## throughput, memory, wire, links, size, flash, growth (ARGS=--help)
	$(BIN)/python -m tools.bench $(ARGS)

day: .venv/ready ## what a day costs the battery, in virtual time, by cause (ARGS=--help)
	$(BIN)/python -m tools.day $(ARGS)

DEVICE = $(BIN)/python -m tools.device
AT = $(if $(PORT),--port $(PORT))
ON = $(if $(BOARD),--board $(BOARD))

flash: .venv/ready ## put MicroPython on a board (BOARD=, PORT=, OTA=1 for two slots: erases, ARGS='--firmware FILE.bin')
	@$(DEVICE) flash $(ON) $(AT) $(if $(OTA),--ota) $(ARGS)

firmware: .venv/ready ## build an image with the firmware frozen in (BOARD=, ESP_IDF=, MICROPYTHON_SRC=)
	@$(DEVICE) firmware $(ON) $(if $(ESP_IDF),--esp-idf $(ESP_IDF)) $(if $(MICROPYTHON_SRC),--source $(MICROPYTHON_SRC))

bundle: .venv/ready ## build an update, signed (BOARD=, KEY=FILE.pem, ARGS=--new-key makes the key)
	@$(DEVICE) bundle $(ON) $(if $(KEY),--key $(KEY)) $(ARGS)

deploy: .venv/ready ## copy the firmware to a device (BOARD=, PORT=)
	@$(DEVICE) deploy $(ON) $(AT) $(ARGS)

update: .venv/ready ## update a device with a bundle over USB (FILE=, PORT=)
	@$(DEVICE) update $(AT) --file $(FILE) $(ARGS)

provision: .venv/ready ## write networks, token, certificates (PORT=, ARGS='--file FILE.json')
	@$(DEVICE) provision $(AT) $(ARGS)

status: .venv/ready ## what a device is doing (PORT=, ARGS=--json)
	@$(DEVICE) status $(AT) $(ARGS)

mip: .venv/ready ## the module as .mpy, for mpremote mip install (WITHOUT="cellular cards …")
	@$(DEVICE) mip $(if $(WITHOUT),--without "$(WITHOUT)") $(ARGS)

doctor: .venv/ready ## what is in the way of an upload, from the cable to the cloud (PORT=, ARGS=--json)
	@$(DEVICE) doctor $(ON) $(AT) $(ARGS)

level: .venv/ready ## how loud the microphone is, and what starts by voice (PORT=, ARGS='--seconds 10')
	@$(DEVICE) level $(AT) $(ARGS)

logs: .venv/ready ## what happened lately on a device (PORT=)
	@$(DEVICE) logs $(AT) $(ARGS)

pull: .venv/ready ## copy the captures off a device (PORT=, ARGS='--to FOLDER')
	@$(DEVICE) pull $(AT) $(ARGS)

repl: .venv/ready ## a REPL on a device (PORT=)
	@$(DEVICE) repl $(AT)

simulator: .venv/ready ## a device without hardware, on a pty
	$(BIN)/python -m tools.simulator $(ARGS)

IMAGE = $(if $(FIRMWARE),--firmware $(FIRMWARE))

emulator: .venv/ready ## an emulated ESP32 with the product on it, on a pty (FIRMWARE=, QEMU=, ARGS=--help)
	@$(BIN)/python -m tools.emulator run $(IMAGE) $(ARGS)

emulator-test: .venv/ready ## the product on an emulated ESP32, row by row (FIRMWARE=, ARGS=--help)
	@$(BIN)/python -m tools.emulator test $(IMAGE) $(ARGS)

pictures: .venv/ready ## the READMEs' pictures and tables, from the real things
	$(BIN)/python -m tools.pictures

format: .venv/ready ## rewrite the code as ruff likes it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove what was built
	rm -rf build .venv

.PHONY: help venv demo cloud test crash-test update-test fault-test service-test soak bench flash firmware bundle deploy update provision mip status doctor level \
	logs pull repl simulator emulator emulator-test format clean
.PHONY: day pictures
