# What one types. Each target makes what it needs first, which takes no time when nothing has changed.
# `make PYTHON=/usr/bin/python3.13 …` picks the interpreter.
BIN := .venv/bin
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help demo run test test-cluster soak check bench bench-ingest bench-sizing bench-proxy image audit fix clean setup-run setup-demo setup-test setup-live

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 21

demo: setup-demo ## see it work: a growing log, devices, a clock and pushed notices, and a page that shows them
	@$(BIN)/sse-bridge demo

run: setup-run ## serve what config/routes.yaml says
	@$(BIN)/sse-bridge run config/routes.yaml

# The tests of one real server or browser follow one another on one worker (see tests/conftest.py), the rest fills the other.
test: check setup-live ## run the checks, then every test (installs Debian packages, and says which)
	$(BIN)/pytest --numprocesses 2 --dist loadgroup --cov

test-cluster: setup-test ## try the Helm chart in a real Kubernetes control plane, built the first time (Go's modules; ten minutes, then two)
	@scripts/kubernetes > /dev/null
	@scripts/helm > /dev/null
	@scripts/crds > /dev/null
	$(BIN)/pytest tests/cluster --timeout 300

check: setup-test ## lint, format, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: setup-live ## replace the bridges twenty times behind nginx and HAProxy, under 200 streams (fifteen minutes)
	ROLLING_UPDATES=20 $(BIN)/pytest tests/rolling

bench: setup-run ## measure the cost of a delivery and of an idle connection (needs gcc; two minutes)
	@$(BIN)/python -m bench.fanout

bench-ingest: setup-run ## measure how fast Kafka and MQTT are taken in (gcc, a Kafka and a Mosquitto; five minutes)
	@scripts/debian mosquitto
	@scripts/kafka
	@$(BIN)/python -m bench.ingest

bench-sizing: setup-run ## measure what a process, a stream, a kept event and a route take of memory (gcc; one minute)
	@$(BIN)/python -m bench.sizing

bench-proxy: setup-run ## measure what a request to the application behind costs, beside nginx (nginx, wrk; three minutes)
	@scripts/debian nginx wrk
	@$(BIN)/python -m bench.proxy

image: ## build the container image (podman; the first time a minute and a half)
	@scripts/image

audit: ## ask PyPI for known vulnerabilities of every pinned package
	@scripts/audit

fix: setup-test ## let ruff mend and format the code, and write anew what is written from it: reference, schema, the chart's README, manifests
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python -m bridge.config.reference
	$(BIN)/python -m bridge.metrics.reference
	$(BIN)/python scripts/chart-readme
	$(BIN)/python scripts/manifests

clean: ## remove what was made: the environment, caches, results
	rm -rf .venv .cache .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache bench/results build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup-run:
	@scripts/setup run

setup-demo:
	@scripts/setup demo

setup-test:
	@scripts/setup test

setup-live: setup-test
	@scripts/debian nginx haproxy logrotate mosquitto curl prometheus podman buildah runc catatonit mmdebstrap
	@scripts/kafka
	@scripts/browser
	@scripts/helm > /dev/null
	@scripts/crds > /dev/null
