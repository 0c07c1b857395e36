#!/bin/sh
# Install both wheels on each machine as it starts. Databricks has a pyspark and a Java of its own: a library of the job
# would bring others beside them, as pip knows of neither.
set -eu

cd "$PREMISES_DIST"
python=/databricks/python/bin/python
uv=$(mktemp -d)
# uv comes from the same lock, as in the Makefile.
sed -n '/^uv==/,/^[a-z]/{/^uv==/p;/^    --hash/p;}' requirements.lock > "$uv/uv.txt"
"$python" -m venv "$uv"
"$uv/bin/pip" install --quiet --require-hashes --requirement "$uv/uv.txt"
printf 'pyspark\njdk4py\n' | "$uv/bin/uv" pip install --quiet --python "$python" --constraint requirements.lock \
  --build-constraint requirements.lock --excludes=- "$(echo premises-*.whl)[h2o]" kedro_handover-*.whl
