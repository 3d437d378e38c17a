# Everything a person needs; `make help` lists it.
SHELL := /bin/sh
ARCH := $(if $(filter aarch64,$(shell uname -m)),arm64,x64)
NODE := node_modules/node-linux-$(ARCH)/bin/node
BIN := node_modules/.bin
QUIET := --disable-warning=ExperimentalWarning
export NODE_COMPILE_CACHE ?= $(CURDIR)/.cache/compile
# The tools are scripts that ask for `node`: they get the pinned one, whatever the machine has.
export PATH := $(CURDIR)/$(dir $(NODE)):$(PATH)

SOURCES := $(shell find src -name '*.ts' ! -name '*.test.ts' 2>/dev/null)

.PHONY: help up down setup setup-test setup-vm generate native native-arm64 build check types format format-fix lint layers test test-vm vm-shell unit integration bench bench-oci bench-api bench-store oci-validation e2e compare package clean

help: ## What there is
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: setup build ## Start a one-node Sampan with examples/hello and say what to do next
	@$(NODE) tools/up.ts

down: ## Stop it and remove everything it made in the kernel (data stays)
	@bin/sampan down

setup:
	@tools/setup.sh run

setup-test:
	@tools/setup.sh test

setup-vm:
	@tools/setup.sh vm

generate: setup ## Regenerate src/**/generated; PROTOS=folder with k8s.io/
	$(NODE) tools/generate/main.ts $(PROTOS)
	$(NODE) tools/generate/openapi-hashes.ts

native: setup
	@$(MAKE) -s --no-print-directory -C native
	@mkdir -p prebuilt/linux-$(ARCH)
# A program that runs cannot be written to: a new file takes its name.
	@for file in sampan-shim sampan-oci seam.node; do \
		cmp -s build/native/$$file prebuilt/linux-$(ARCH)/$$file && continue; \
		cp build/native/$$file prebuilt/linux-$(ARCH)/$$file.new && mv prebuilt/linux-$(ARCH)/$$file.new prebuilt/linux-$(ARCH)/$$file || exit 1; \
	done

# On an arm64 machine these are the machine's own programs, and `build` puts them there.
native-arm64: $(if $(filter arm64,$(ARCH)),build,setup) ## The native programs for arm64, into prebuilt/
ifneq ($(ARCH),arm64)
	@$(MAKE) -s --no-print-directory -C native arm64
endif

build: native dist/sampan.js ## Native programs and bundles

dist/sampan.js: $(SOURCES) tools/build.ts package-lock.json | native
	@$(NODE) tools/build.ts

check: setup types format lint layers ## Types, format, lint, layers

types: setup
	@$(BIN)/tsc -p .

format: setup
	@$(BIN)/oxfmt --check src test bench tools examples

format-fix: setup ## Format the sources
	@$(BIN)/oxfmt src test bench tools examples

lint: setup
	@$(BIN)/oxlint --type-aware --quiet src test bench tools

layers: setup
	@$(NODE) $(QUIET) tools/layers.ts src

test: setup-test build ## Every test (as root)
	@$(NODE) tools/test.ts

test-vm: setup-vm build ## The tests of test/vm in a machine with cgroup v2 and systemd (as root); FILES=…
	@$(NODE) $(QUIET) tools/vm/main.ts test $(FILES)

vm-shell: setup-vm build ## A shell in that machine; RUN='a command' instead of a person
	@$(NODE) $(QUIET) tools/vm/main.ts shell $(if $(RUN),'$(subst ','\'',$(RUN))')

unit: setup build ## The tests that need no root
	@$(NODE) tools/test.ts unit

bench: setup-test build ## Measure against the budgets and print a table
	@$(NODE) bench/skeleton.ts

bench-oci: setup-test build ## The OCI runtime beside runc and crun, in one run
	@$(NODE) bench/oci.ts

bench-api: setup build ## The API server under load, beside kube-apiserver's figures; wants wrk
	@$(NODE) bench/apiserver.ts

bench-store: setup build ## The stores alone: writes, reads and watches
	@$(NODE) $(QUIET) bench/store.ts

oci-validation: setup-test build ## The OCI runtime by the independent suite; SUITE=its folder, built
	@$(NODE) tools/oci-validation.ts $(SUITE)

compare: setup ## our answers beside a kube-apiserver's; OURS= and THEIRS=their addresses, TOKEN=an administrator's of both, KIND=one kind
	@$(NODE) tools/compare.ts --ours $(OURS) --theirs $(THEIRS) --token $(TOKEN) $(if $(KIND),--kind $(KIND)) tools/compare/seeds/*.yaml
	@$(NODE) tools/compare-requests.ts --theirs $(THEIRS) --token $(TOKEN) tools/compare/requests/*

e2e: setup-test build ## Kubernetes' end-to-end suite; SUITE=the folder with its programs, FOCUS=a pattern
	@$(NODE) tools/e2e.ts $(SUITE) $(if $(FOCUS),--focus '$(FOCUS)')

package: native-arm64 build ## The npm tarball, with native programs for x64 and arm64
	@npm pack --silent

clean: ## Remove what was built
	rm -rf dist build prebuilt .cache
