"""The jar of the Java function: built from the sources beside it, and refused where the two differ.

`python -m kedro_handover.handover.jar` builds it. The bytecode is that of Java 8: any JVM that runs Spark loads it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from kedro_handover.errors import HandOverError

SOURCES: Final = Path(__file__).parent / "java"
JAR: Final = SOURCES / "kedro-handover.jar"
RELEASE: Final = "8"
DIGEST_FIELD: Final = "Source-SHA-256"
MANIFEST: Final = "META-INF/MANIFEST.MF"
LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)
"""The date of every file in the jar, so that the same sources give the same bytes."""


def digest_sources() -> str:
    """Give the SHA-256 of the Java sources, by name and content."""
    hashed = hashlib.sha256()
    for path in sorted(SOURCES.glob("kedro/handover/*.java")):
        hashed.update(f"{path.name} {path.stat().st_size} ".encode())
        hashed.update(path.read_bytes())
    return hashed.hexdigest()


def find_jar() -> Path:
    """Find the jar that belongs to the sources.

    Returns:
        The jar.

    Raises:
        HandOverError: If there is none, or it was built from other sources.
    """
    how = "Build it with `python -m kedro_handover.handover.jar`, or install kedro-handover again."
    if not JAR.exists():
        msg = f"The jar of the Java function is missing: {JAR}. {how}"
        raise HandOverError(msg)
    with zipfile.ZipFile(JAR) as jar:
        manifest = jar.read(MANIFEST).decode().replace("\r\n ", "")
    stated = [line.split(": ", 1)[1] for line in manifest.splitlines() if line.startswith(DIGEST_FIELD)]
    if stated != [digest_sources()]:
        msg = f"{JAR} was not built from the sources beside it. {how}"
        raise HandOverError(msg)
    return JAR


def build_jar() -> Path:
    """Build the jar with javac against pyspark's own jars.

    Returns:
        The jar; the same sources and the same javac give the same bytes.

    Raises:
        HandOverError: If there is no javac, or it finds an error.
    """
    import pyspark

    javac = shutil.which("javac")
    if javac is None:
        msg = "There is no javac on the PATH. Install a JDK (17 or later) to build the jar."
        raise HandOverError(msg)
    sources = sorted(SOURCES.glob("kedro/handover/*.java"))
    classpath = str(Path(pyspark.__file__).parent / "jars" / "*")
    with tempfile.TemporaryDirectory() as folder:
        command = [javac, "--release", RELEASE, "-Xlint:all,-options,-path", "-Werror", "-proc:none", "-g:none"]
        command += ["-encoding", "UTF-8", "-cp", classpath, "-d", folder, *map(str, sources)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - javac on our own sources
        if result.returncode:
            msg = f"javac found errors: {result.stderr}"
            raise HandOverError(msg)
        fresh = JAR.with_suffix(".new")
        with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as jar:
            # No line of a manifest is longer than 72 bytes: the rest follows after a space.
            field = f"{DIGEST_FIELD}: {digest_sources()}"
            _add(jar, MANIFEST, f"Manifest-Version: 1.0\r\n{field[:70]}\r\n {field[70:]}\r\n\r\n".encode())
            for path in sorted(Path(folder).rglob("*.class")):
                _add(jar, path.relative_to(folder).as_posix(), path.read_bytes())
    fresh.replace(JAR)
    return JAR


def _add(jar: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, LONG_AGO)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    jar.writestr(entry, content)


if __name__ == "__main__":
    sys.stdout.write(f"{build_jar()}\n")
