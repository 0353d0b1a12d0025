# The tasks of the repository. `make` alone lists them. Each target installs what it needs:
# Node packages from the lockfile, tools into .tools/, and (for tests) redis-server, postgresql and chromium from Debian's packages.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

ARGS ?=
FILE ?=
SOURCES := $(shell find src -type f 2>/dev/null)
GHZ := .tools/bin/ghz
ACTIONLINT_VERSION := v1.7.12
HELM := .tools/bin/helm
H2SPEC := .tools/bin/h2spec
CONNECT_CONFORMANCE := .tools/bin/connectconformance
KUBERNETES_VALIDATE := .tools/kubernetes-validate/bin/kubernetes-validate
ACTIONLINT := .tools/bin/actionlint-$(ACTIONLINT_VERSION)
# The Node version of `make test-node`. Not read from the environment: npm sets a variable of this name.
NODE = 24
NODE_BIN = .tools/node-$(NODE)/node_modules/$(NODE_PACKAGE)/bin
NODE_PACKAGE := node-linux-$(if $(filter aarch64,$(shell uname -m)),arm64,x64)
# The clients whose tools are installed.
CLIENTS := $(foreach each,typescript:node go:go python:python3 java:mvn rust:cargo,\
  $(if $(shell command -v $(lastword $(subst :, ,$(each)))),$(firstword $(subst :, ,$(each)))))

.PHONY: help
help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: start
start: build ## build, and serve on 127.0.0.1:50051 from LMDB in ./data (ARGS="--listen ..." for more)
	@exec dist/main.js serve $(ARGS)

.PHONY: build
build: dist/main.js ## compile to dist/, which `npx chord` runs

dist/main.js: node_modules/.installed tsconfig.json tsconfig.build.json $(SOURCES)
	@echo 'compiling'
	@npm run -s build
	@touch $@

node_modules/.installed: package.json package-lock.json .npmrc
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); if (a < 20 || (a === 20 && b < 19)) { console.error("chord needs Node 20.19 or later, this is " + process.version); process.exit(1) }'
	@echo 'installing Node packages'
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: generate
generate: node_modules/.installed ## make all generated code from proto/ with buf: the server's and the clients'
	@npm run -s generate
	@for each in $(filter-out typescript,$(CLIENTS)); do $(MAKE) -C clients/$$each generate; done

.PHONY: check
check: build check-workflows ## lint, format, types, protos, workflows, and up-to-date generated code and reference
	@npx --no-install biome check --error-on-warnings .
	@npx --no-install tsc --noEmit
	@npx --no-install tsc --noEmit -p src/console
	@npx --no-install buf lint
	@npx --no-install buf format --diff --exit-code --path proto/chord
	@for each in proto/released/*.binpb; do npx --no-install buf breaking --exclude-imports --against "$$each"; done
	@npm run -s generate:check
	@node scripts/reference.mjs --check
	@node scripts/versions.mjs

.PHONY: check-workflows
check-workflows: $(if $(shell command -v go),$(ACTIONLINT)) ## lint .github/workflows/ (with actionlint, which is built with Go)
	@if [ -x $(ACTIONLINT) ]; then $(ACTIONLINT) -shellcheck= -pyflakes=; \
	  else echo '.github/workflows/ is not linted: actionlint is built with Go (https://go.dev/dl)'; fi

$(ACTIONLINT):
	@echo 'building actionlint'
	@GOBIN=$(CURDIR)/.tools/bin go install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)
	@mv .tools/bin/actionlint $@

.PHONY: test
test: build redis postgres chromium ## set up what is missing and run all tests
	@node scripts/test.mjs $(ARGS)

.PHONY: coverage
coverage: build redis postgres ## the server's tests with their coverage, in .tools/coverage/index.html
	@npx --no-install c8 npx --no-install ava $(ARGS)

# npm installs the binary, which is first in PATH, so that tests also start their servers with it.
.PHONY: test-node
test-node: build redis postgres $(NODE_BIN)/node ## the server's tests on another Node: make test-node NODE=22 (ARGS=test/delta/*.test.ts for some)
	@export PATH="$(CURDIR)/$(NODE_BIN):$$PATH"; echo "on Node $$(node --version)"; npx --no-install ava $(ARGS)

$(NODE_BIN)/node:
	@[ "$$(uname -s)" = Linux ] || { echo 'make test-node is for Linux: elsewhere put the other Node first in PATH, and run make test ARGS=server'; exit 1; }
	@echo 'installing Node $(NODE)'
	@npm install --prefix .tools/node-$(NODE) --no-save --ignore-scripts --no-audit --no-fund --loglevel=error $(NODE_PACKAGE)@$(NODE) >/dev/null
	@touch $@

.PHONY: package
package: build ## what is published, in packages/: tarballs, wheel, crate, jars, Go module (ARGS="rust java" for some)
	@node scripts/package.mjs $(ARGS)

.PHONY: try-packages
try-packages: package ## install each package into an empty project, and use it there
	@node scripts/try-packages.mjs $(ARGS)

.PHONY: reference
reference: build ## docs/reference/, the man page and examples/chord.json, from the protos, the commands, the settings and the clients
	@node scripts/reference.mjs

.PHONY: site
site: site/node_modules/.installed ## the site of docs/, in .tools/site; fails where a link between pages leads nowhere
	@cd site && npm run -s build

site/node_modules/.installed: site/package.json site/package-lock.json
	@cd site && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: picture
picture: build ## record docs/terminal.svg, the picture of the README
	@node scripts/picture.mjs

.PHONY: deploy-tools
deploy-tools: $(HELM) $(KUBERNETES_VALIDATE) ## Helm and Kubernetes' schemas, for the tests of deploy/ (with Go and Python)

$(HELM):
	@echo 'building Helm'
	@GOBIN=$(CURDIR)/.tools/bin go install helm.sh/helm/v3/cmd/helm@v3.22.0

$(H2SPEC): test/proof/h2spec/go.sum
	@echo 'building h2spec'
	@go build -C test/proof/h2spec -o $(CURDIR)/$@ github.com/summerwind/h2spec/cmd/h2spec

$(CONNECT_CONFORMANCE):
	@echo 'building connectconformance'
	@GOBIN=$(CURDIR)/.tools/bin go install connectrpc.com/conformance/cmd/connectconformance@v1.0.5

$(KUBERNETES_VALIDATE):
	@python3 -m venv .tools/kubernetes-validate
	@.tools/kubernetes-validate/bin/python -m pip install --quiet --disable-pip-version-check kubernetes-validate==1.37.0

.PHONY: sbom
sbom: ## write sbom.json: the dependencies in a release, from the lockfile
	@node scripts/sbom.mjs

.PHONY: redis
redis:
	@command -v redis-server >/dev/null || { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && \
	  { echo 'installing redis-server'; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq redis-server >/dev/null; }; } || \
	  echo 'redis-server is not installed: what needs it is skipped (Debian: apt-get install redis-server)'

.PHONY: postgres
postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && \
	  { echo 'installing postgresql'; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null; }; } || \
	  echo 'PostgreSQL is not installed: the tests that need it are skipped (Debian: apt-get install postgresql)'

.PHONY: chromium
chromium:
	@[ -x /usr/bin/chromium ] || { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && \
	  { echo 'installing chromium'; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; }; } || \
	  echo 'Chromium is not installed: the tests in a browser are skipped (Debian: apt-get install chromium)'

.PHONY: clients
clients: node_modules/.installed ## build the clients of all languages whose tools are installed
	@for each in $(CLIENTS); do echo "== $$each"; $(MAKE) -C clients/$$each build; done

.PHONY: check-clients
check-clients: node_modules/.installed ## check that the other clients' generated code is current (`make check` has TypeScript's)
	@for each in $(filter-out typescript,$(CLIENTS)); do echo "== $$each"; $(MAKE) -C clients/$$each generate-check; done

.PHONY: test-clients
test-clients: build chromium ## the clients' own tests, and the conformance suite over all of them
	@node scripts/test.mjs typescript go python java rust conformance demo

.PHONY: demo
demo: build ## a chat room of five languages, in this terminal (ARGS="go rust" for fewer)
	@node scripts/demo.mjs $(ARGS)

.PHONY: replay
replay: build ## replay a document's history through a server: make replay FILE=history.ndjson.gz
	@npm run -s replay -- $(FILE) $(ARGS)

.PHONY: connect-conformance
connect-conformance: node_modules/.installed $(if $(shell command -v go),$(CONNECT_CONFORMANCE)) ## connectrpc.com/conformance against the web port, half a minute (with Go)
	@npx --no-install tsx test/proof/connect/run.ts $(ARGS)

.PHONY: prove
prove: build redis $(if $(shell command -v go),$(H2SPEC) $(CONNECT_CONFORMANCE)) ## attack the promises for half an hour: simulated histories, kills, crash images, fuzz, soak (docs/proof.md)
	@npx --no-install tsx test/proof/prove.ts --minutes 15 $(ARGS)

.PHONY: prove-release
prove-release: build redis $(if $(shell command -v go),$(H2SPEC) $(CONNECT_CONFORMANCE)) ## the same for hours, with all faults and planted bugs (ARGS="--minutes 60" for another length)
	@npx --no-install tsx test/proof/prove.ts --release --minutes 480 $(ARGS)

SERVED_TESTS := test/workers/*.test.ts test/grpc/{auth,batch,deltas,hostile,slow-readers,strangers,tls}.test.ts test/server/{concurrency,crash,drain,reload}.test.ts

.PHONY: test-workers
test-workers: build ## the tests of a served Chord, with two worker processes each (slow: each starts three processes)
	@CHORD_TEST_WORKERS=2 npx ava --serial --timeout=10m $(or $(ARGS),$(SERVED_TESTS))

.PHONY: bench
bench: build ghz redis etcd nats centrifugo ## all benchmarks beside their ceilings and peers, some 20 minutes (ARGS="--only P1,P4" for some)
	@npm run -s bench -- $(ARGS)

.PHONY: bench-quick
bench-quick: build ghz ## the most important benchmarks, in less than two minutes
	@npm run -s bench:quick -- $(ARGS)

.PHONY: bench-hostile
bench-hostile: build ## the cost of attacks by one caller (ARGS="--only 'a1-*'" for some)
	@npm run -s bench:hostile -- $(ARGS)

.PHONY: bench-publish
bench-publish: ## copy the figures and plots of the last whole run to docs/
	@npm run -s bench:publish -- $(ARGS)
	@npx --no-install biome format --write bench/published.json >/dev/null

.PHONY: ghz
ghz:
	@[ -x $(GHZ) ] || command -v ghz >/dev/null || { command -v go >/dev/null && \
	  { echo 'building ghz'; GOBIN=$(CURDIR)/.tools/bin go install github.com/bojand/ghz/cmd/ghz@v0.121.0; }; } || \
	  echo 'ghz is not installed, and is built with Go (https://go.dev/dl): what needs it is skipped'

.PHONY: etcd
etcd: # in the version of bench/peers/etcd/go.mod
	@[ -x .tools/bin/etcd ] && [ .tools/bin/etcd -nt bench/peers/etcd/go.sum ] || { command -v go >/dev/null && \
	  { echo 'building etcd'; go build -C bench/peers/etcd -o $(CURDIR)/.tools/bin/etcd .; }; } || \
	  echo 'etcd is not installed: what needs it is skipped (building it needs Go)'

NATS = nats-server github.com/nats-io/nats-server/v2@v2.15.3
CENTRIFUGO = centrifugo github.com/centrifugal/centrifugo/v6@v6.9.1

.PHONY: nats centrifugo
nats: PROGRAM = $(NATS)
centrifugo: PROGRAM = $(CENTRIFUGO)
nats centrifugo: # the version that is there is asked: another one is built anew
	@set -- $(PROGRAM); go version -m .tools/bin/$$1 2>/dev/null | grep -q "mod.*$${2#*@}" || { command -v go >/dev/null && \
	  { echo "building $$1"; GOBIN=$(CURDIR)/.tools/bin go install $$2; }; } || \
	  echo "$$1 is not installed: what needs it is skipped (building it needs Go)"

.PHONY: clean
clean: ## remove build results and installed tools (never ./data)
	@rm -rf dist node_modules .tools
