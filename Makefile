# Every target is documented by `make help`.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
LIBS := flashbus flashmsg flashops flashpay flashstock
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

# Programs of others whose dependencies do not go with ours live in environments of their own.
.venv-emulator/.installed: local/emulator.lock
.venv-awscli/.installed: cloudformation/awscli.lock
.venv-checkov/.installed: cloudformation/checkov.lock
.venv-peers/.installed: bench/peers.lock
.venv-emulator/.installed .venv-awscli/.installed .venv-checkov/.installed .venv-peers/.installed:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	touch $@

.PHONY: tools
tools: install .venv-awscli/.installed .venv-checkov/.installed ## Install what only the tests run: the AWS CLI, checkov, hadolint, zizmor

.PHONY: demo
demo: install ## Run the flash sale against three arms and open the story: reports/<start time>/report.html
	$(BIN)/python -m load demo $(ARGS)

.PHONY: lab
lab: install ## Run the whole experiment at the true 3 s payment (ARGS=--quick: 6 minutes)
	$(BIN)/python -m load lab $(ARGS)

.PHONY: pictures
pictures: install ## Take the README's pictures anew (ARGS='DEMO LAB': the folders of a demo's and a laboratory's report)
	$(BIN)/python -m load.report.pictures $(ARGS)

.PHONY: up
up: install ## Run the whole stack in the foreground; Ctrl-C stops everything
	$(BIN)/python -m local up $(ARGS)

# The tests wait more than they work, so there is one process more than CI has cores; a file's tests share its fixtures.
TEST_PROCESSES ?= 3

.PHONY: test
test: tools ## Run every test, and print what they cover (ARGS=libs/flashpay: only those; TEST_PROCESSES=0: in one process)
	$(BIN)/pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(or $(ARGS),--cov)

.PHONY: check
check: install ruff mypy imports lock-check ## Lint, types, import contracts, lock freshness

.PHONY: ruff
ruff: install ## Lint, and check the format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# One run per member: test folders of two members may hold modules of the same name.
.PHONY: mypy
mypy: install ## Check the types of every member
	@set -e; for member in $(MEMBERS); do echo "mypy $$member"; $(BIN)/mypy --no-error-summary $$member/src $$member/tests; done
	$(BIN)/mypy conftest.py cloudformation local load mutation examples tests bench $(wildcard libs/*/examples)

.PHONY: imports
imports: install ## Check the import contracts
	$(BIN)/lint-imports

MEMBER_NAMES := flash-sale $(LIBS) $(SERVICES)
# The locks keep extras: of a bare `coverage`, pip takes `coverage[toml]` for another package and fetches its newest release,
# which no hash allows.
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate \
	--no-strip-extras --python-version 3.11 $(MEMBER_NAMES:%=--no-emit-package %)

.PHONY: lock
lock: install ## Write the lock files anew from the declared dependencies (ARGS=--upgrade renews the pins)
	$(COMPILE) $(ARGS) pyproject.toml --group dev --output-file requirements.lock
	@set -e; for file in local/emulator cloudformation/awscli cloudformation/checkov bench/peers; do \
		$(COMPILE) $(ARGS) $$file.in --output-file $$file.lock; \
	done
	@set -e; for service in $(SERVICES); do \
		$(COMPILE) services/$$service/pyproject.toml --constraint requirements.lock --output-file services/$$service/requirements.lock; \
	done

.PHONY: lock-check
lock-check: install ## Say whether the locks are fresh
	@set -e; new=$$(mktemp -d); trap 'rm -rf $$new' EXIT; cp requirements.lock $$new/; \
	$(COMPILE) pyproject.toml --group dev --output-file $$new/requirements.lock; \
	diff -u requirements.lock $$new/requirements.lock || { echo "requirements.lock is stale: run make lock"; exit 1; }; \
	for service in $(SERVICES); do \
		cp services/$$service/requirements.lock $$new/$$service.lock; \
		$(COMPILE) services/$$service/pyproject.toml --constraint requirements.lock --output-file $$new/$$service.lock; \
		diff -u services/$$service/requirements.lock $$new/$$service.lock || { echo "services/$$service/requirements.lock is stale: run make lock"; exit 1; }; \
	done; echo "the locks are fresh"

.PHONY: template
template: install ## Print the CloudFormation template of the whole system
	@$(BIN)/python -m cloudformation.build $(ARGS)

.PHONY: snapshot
snapshot: install ## Renew the snapshot of the whole template that the tests compare with
	$(BIN)/python -m cloudformation.build -o cloudformation/tests/whole.snapshot.json

.PHONY: lambda
lambda: install ## Build the Lambda zips for AWS (x86_64 and arm64) and for this interpreter, into dist/
	$(BIN)/python -m cloudformation.delivery.artifact $(ARGS)

DELIVERY := $(BIN)/python -m cloudformation.delivery

.PHONY: preflight
preflight: install ## Say what in the account stands in the way of a deployment, and change nothing (ARGS as of deploy)
	$(DELIVERY) preflight $(ARGS)

.PHONY: images
images: install ## Build the services' images with buildx (ARGS=--dry-run prints the commands)
	$(DELIVERY) images $(ARGS)

.PHONY: push
push: install ## Push the images to the stack's repositories (ARGS=--dry-run prints the commands)
	$(DELIVERY) push $(ARGS)

.PHONY: scan
scan: install ## Say what the registry found in the pushed images, and fail for what is critical or high (ARGS as of push)
	$(DELIVERY) scan $(ARGS)

.PHONY: sbom
sbom: .venv-checkov/.installed ## Write what each image is made of, in Python, into dist/<service>.cdx.json
	@set -e; mkdir -p dist; for service in $(SERVICES); do \
		.venv-checkov/bin/cyclonedx-py requirements --output-reproducible -o dist/$$service.cdx.json \
			services/$$service/requirements.lock; echo "dist/$$service.cdx.json"; \
	done

.PHONY: changes
changes: install ## Show what a deployment would change, replacements first, and change nothing (ARGS as of deploy)
	$(DELIVERY) changes $(ARGS)

.PHONY: deploy
deploy: install ## Deploy the stack to AWS (ARGS='--environment NAME', NAME=VALUE, or '--dry-run …')
	$(DELIVERY) deploy $(ARGS)

.PHONY: destroy
destroy: install ## Take the stack down (ARGS=--dry-run prints the commands)
	$(DELIVERY) destroy $(ARGS)

.PHONY: status
status: install ## Show how a stack does: services and their events, queues, alarms that ring (ARGS='--stack NAME')
	$(DELIVERY) status $(ARGS)

.PHONY: logs
logs: install ## Follow a stack's logs (ARGS='--stack NAME --service order-api --filter PATTERN'; the function is a service)
	$(DELIVERY) logs $(ARGS)

.PHONY: dlq
dlq: install ## List, show, redrive or discard dead letters (ARGS='list --stack NAME', ARGS=--help)
	@$(BIN)/python -m order_processor.dlq $(ARGS)

.PHONY: reconcile
reconcile: install ## Find orders that nobody works on any more (ARGS=--apply repairs them; ARGS=--help)
	@$(BIN)/python -m order_processor.reconcile $(ARGS)

.PHONY: targets
targets: install ## Print the addresses of all tasks for Prometheus' file_sd_configs (make -s targets ARGS='--stack NAME')
	@$(DELIVERY) targets $(ARGS)

.PHONY: bench
bench: install ## Run the benchmark: ratios against named baselines (ARGS='--rows 1 3 8 --rounds 3')
	$(BIN)/python -m bench $(ARGS)
	@test -n '$(ARGS)' || $(BIN)/python -m bench.bench_stock

.PHONY: peers
peers: .venv-peers/.installed ## Install the consumers of others that the benchmark compares with (Node.js ones where npm is)
	! command -v npm >/dev/null || npm install --prefix bench/contenders/sqs_consumer --no-package-lock --no-audit --no-fund

.PHONY: mutants
mutants: install ## Sample mutants of every package, each against its own tests (ARGS='--sample 100 --seed 2 flashpay')
	$(BIN)/python -m mutation $(ARGS)

# A case waits more than it works, for timeouts and for what comes right; the long ones are first in the table.
CHAOS_PROCESSES ?= 2

.PHONY: chaos
chaos: tools ## Run the whole table of chaos runs; the report is in reports/chaos (CHAOS_SEED=… deals the same faults again)
	CHAOS_ROUNDS=1 $(BIN)/pytest -m chaos -p no:randomly --numprocesses $(CHAOS_PROCESSES) --dist load --maxschedchunk 1 \
		tests/chaos tests/integration $(ARGS)

.PHONY: clean
clean: ## Remove the environments, the caches and what was built
	rm -rf .venv .venv-* dist .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf bench/contenders/sqs_consumer/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
