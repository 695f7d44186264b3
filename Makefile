# Two commands matter: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
export PYTHONPATH := layers/mailer:.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
PY310 := $(shell for p in python3.10 $(HOME)/.pyenv/versions/3.10.*/bin/python3.10; do "$$p" -c '' 2>/dev/null && { echo "$$p"; break; }; done)

.PHONY: demo test setup lint types tests tests-3.10 lock docs clean

demo: setup ## Run every sample event through its function and show the inbox
	.venv/bin/python -m local.demo

test: lint types tests tests-3.10 ## Run every check

setup: .venv/ready

lint: setup
	.venv/bin/ruff check
	.venv/bin/ruff format --check

types: setup
	.venv/bin/mypy

tests: setup
	.venv/bin/pytest -n 2 --cov --cov-report=term

# Tencent SCF offers no Python newer than 3.10: where that interpreter is found, the suite runs on it too.
ifeq ($(PY310),)
tests-3.10:
	@echo "No Python 3.10 was found: the suite ran on $$(.venv/bin/python --version) alone."
else
tests-3.10: .venv-3.10/ready
	.venv-3.10/bin/pytest -n 2 -m "not once" -p no:cacheprovider
endif

lock: setup ## Resolve the dependencies anew
	.venv/bin/uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.10 --upgrade \
		--custom-compile-command "make lock" pyproject.toml -o requirements/runtime.txt
	.venv/bin/uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.10 --upgrade \
		--custom-compile-command "make lock" -c requirements/runtime.txt --group dev pyproject.toml -o requirements/dev.txt
	.venv/bin/uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.10 --upgrade \
		--custom-compile-command "make lock" --group bootstrap -o requirements/bootstrap.txt

docs: setup ## Generate docs/errors.md from the error table
	.venv/bin/python -m docs.generate

clean:
	rm -rf .venv .venv-3.10 build .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis

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
