# Everything a newcomer types. `make` alone says what there is.
# Needed: Debian or Ubuntu (or any Linux with unzip, 7z, bsdtar, a JDK, Chromium, fonts and fontconfig),
# Python 3.11 to 3.14, make, git.

PY := .venv/bin/python
FUNCTIONS := request_backup export_backup notify
# How long `make fuzz` goes on.
SECONDS := 120
STACK := account-backup
# More of `make bench`: --huge (10 million records), --tls, --rounds 9; `python -m bench --help` says all.
BENCH_FLAGS :=
# Kept pins stay; `make lock UV_FLAGS=--upgrade` takes the newest that pyproject.toml allows.
UV_FLAGS :=
LOCK := .local/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header $(UV_FLAGS)

.DEFAULT_GOAL := help
.PHONY: help demo serve check-deployment test lint unit e2e protocol big fuzz audit bench lock clean
# One after another also under `make -j`: they share .venv and the two cores.
.NOTPARALLEL:

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Make, mail, download and check a backup on a local AWS
	@local/setup.sh dev ministack sam unzip
	@$(PY) -m local demo

serve: ## The same service on a local AWS, with an account in it, until Ctrl-C
	@local/setup.sh dev ministack sam
	@$(PY) -m local serve

check-deployment: ## Make a backup on the deployed stack STACK=account-backup, check it, and clean up
	@local/setup.sh dev
	@$(PY) -m local check $(STACK) $(if $(API),--api $(API))

test: lint unit e2e ## The whole suite: lint, types, unit tests, tests on the local AWS

lint: ## Ruff, mypy, and checkov over the template
	@local/setup.sh dev audit
	@$(PY) -m ruff check
	@$(PY) -m mypy
	@$(PY) -m tests.audit template

unit: ## Tests that need no local AWS
	@local/setup.sh dev unzippers
	@$(PY) -m pytest -q -n 2 tests/unit

e2e: ## Tests on the local AWS
	@local/setup.sh dev unzippers chromium ministack sam
	@$(PY) -m pytest -q -n 2 --dist loadfile tests/e2e

protocol: ## Every order of the protocol's steps, and the real code under 2000 runs of faults: half an hour
	@local/setup.sh dev
	@PROTOCOL_RUNS=2000 $(PY) -m pytest -q -s tests/unit/protocol

big: ## An archive over 4 GiB, read by five unzippers: minutes, and 9 GB of temporary files
	@local/setup.sh dev unzippers
	@$(PY) -m tests.large_archive

fuzz: ## Throw odd bodies at the reader of requests, for SECONDS=120
	@local/setup.sh fuzz
	@mkdir -p .local/fuzz-corpus
	@.local/fuzz/bin/python -m tests.fuzz.request_body .local/fuzz-corpus -max_total_time=$(SECONDS)

audit: ## Rules of cloud security over the template; known vulnerabilities of what is locked
	@local/setup.sh dev audit
	@$(PY) -m tests.audit

bench: ## How fast the export is, against others and the limit; QUICK=1 in two minutes
	@local/setup.sh dev sam unzip
	@$(PY) -m bench $(if $(QUICK),--quick) $(BENCH_FLAGS)

lock: ## Lock the dependencies of pyproject.toml, with hashes
	@local/setup.sh uv
	$(LOCK) --group dev -o tests/requirements.txt
	for f in $(FUNCTIONS); do \
		$(LOCK) --group $$f -c tests/requirements.txt -o functions/$$f/requirements.txt || exit 1; \
	done
	for tool in compiler ministack sam fuzz audit; do \
		$(LOCK) --group $$tool -o local/$$tool.requirements.txt || exit 1; \
	done

clean: ## Remove all that these targets made, the environments too
	rm -rf .venv .local .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find functions shared local tests bench -name __pycache__ -prune -exec rm -rf {} +
	find functions -name '*.so' -delete
