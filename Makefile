# Every target is documented by `make help`.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
LIBS := flashmsg flashops flashpay
SERVICES := order-api order-processor payment-gateway lambda-handler
MEMBERS := $(LIBS:%=libs/%) $(SERVICES:%=services/%)
ARGS ?=

.PHONY: help
help: ## List every target
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z-]*:.*## / {printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: .venv/.installed .venv-emulator/.installed ## Build .venv from requirements.lock, and the emulator's own environment

.venv/.installed: requirements.lock $(MEMBERS:%=%/pyproject.toml)
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(MEMBERS:%=--editable %)
	touch $@

.venv-emulator/.installed: local/emulator.lock
	$(PYTHON) -m venv .venv-emulator
	.venv-emulator/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement local/emulator.lock
	touch $@
