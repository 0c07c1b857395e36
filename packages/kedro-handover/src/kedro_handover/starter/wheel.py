"""The library as a wheel, for a new project to carry along: where no index has it, it is installed from there."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

import kedro_handover
from kedro_handover.starter.errors import StarterError

if TYPE_CHECKING:
    from collections.abc import Iterable

LIBRARY = "kedro-handover"
TOOLS = ("pytest", "ruff", "mypy", "kedro-viz", "setuptools", "uv")
"""What the tests and the Makefile of a new project need beside the library."""

PIN = re.compile(r"[A-Za-z0-9]")
METADATA = ("METADATA", "WHEEL", "entry_points.txt", "top_level.txt")
EPOCH = (2020, 1, 1, 0, 0, 0)
"""The time of all files in a wheel: the same library gives the same bytes."""


def write_wheel(folder: Path) -> Path:
    """Write the wheel of the running library: built from its source where that is what runs, else as it was installed.

    Args:
        folder: Where to write it.

    Returns:
        The wheel.

    Raises:
        StarterError: If it can't be built.
    """
    found = distribution(LIBRARY)
    package = Path(kedro_handover.__file__).parent
    source = json.loads(found.read_text("direct_url.json") or "{}").get("dir_info", {}).get("editable", False)
    if source:
        return _build(package.parents[1], folder)
    stem = f"kedro_handover-{found.version}"
    files = {f"kedro_handover/{path.relative_to(package).as_posix()}": path.read_bytes() for path in _list(package)}
    files |= {
        f"{stem}.dist-info/{name}": text.encode() for name in METADATA if (text := found.read_text(name)) is not None
    }
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in sorted(files.items())]
    files[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
    return wheel


def pin_library(project: Path, wheel: Path) -> str:
    """Have a project depend on the library by the version of a wheel, and install it from there, by its hash.

    Args:
        project: The project's folder; the wheel comes into its `wheels/`, in the place of any other.
        wheel: The wheel.

    Returns:
        The version.

    Raises:
        StarterError: If it is no wheel of the library.
    """
    try:
        name, version, *_ = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename:
        is_library = False
    else:
        is_library = name == LIBRARY
    if not is_library or not zipfile.is_zipfile(wheel):
        msg = f"{wheel} is no wheel of {LIBRARY}. Give one, such as kedro_handover-0.1.0-py3-none-any.whl."
        raise StarterError(msg)
    folder = project / "wheels"
    folder.mkdir(exist_ok=True)
    kept = folder / wheel.name
    if wheel.resolve() != kept.resolve():
        shutil.copyfile(wheel, kept)
    for other in folder.glob("kedro_handover-*.whl"):
        if other != kept:
            other.unlink()
    digest = hashlib.sha256(kept.read_bytes()).hexdigest()
    (folder / "requirements.txt").write_text(f"./wheels/{wheel.name} --hash=sha256:{digest}\n", encoding="utf-8")
    settings = project / "pyproject.toml"
    text = re.sub(rf'"{LIBRARY}(?:>=[^"]*)?"', f'"{LIBRARY}>={version}"', settings.read_text(encoding="utf-8"), count=1)
    settings.write_text(text, encoding="utf-8")
    return str(version)


def pin_environment() -> list[str]:
    """Pin what the library needs of this environment, and the tools of a project, by their versions.

    Returns:
        `name==version` of each, in order; the extras of the library are among them where they are installed.
    """
    pins: dict[str, str] = {}
    to_do = [Requirement(f"{LIBRARY}[{','.join(distribution(LIBRARY).metadata.get_all('Provides-Extra') or [])}]")]
    to_do += [Requirement(tool) for tool in TOOLS]
    seen = set()
    while to_do:
        needed = to_do.pop()
        key = (canonicalize_name(needed.name), *sorted(needed.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            pins[key[0]] = distribution(needed.name).version
        except PackageNotFoundError:  # an extra that is not here
            continue
        for text in requires(needed.name) or ():
            one = Requirement(text)
            if not one.marker or any(one.marker.evaluate({"extra": extra}) for extra in ("", *needed.extras)):
                to_do.append(one)
    return [f"{name}=={version}" for name, version in sorted(pins.items()) if name != LIBRARY]


def tell_missing_tools(pins: Iterable[str]) -> list[str]:
    """Say which tools of a project's own tests are in no pin.

    Args:
        pins: Lines of requirements.

    Returns:
        A sentence; none where all are there.
    """
    there = {canonicalize_name(re.split("[=; ]", pin, maxsplit=1)[0]) for pin in pins if not pin.startswith(" ")}
    missing = [name for tool in TOOLS if (name := Requirement(tool).name) not in there]
    if not missing:
        return []
    note = (
        f"CHECK requirements.lock pins what is installed here, and not {', '.join(missing)}, which `make test` and "
        "`make viz` need. Install them here and make the project again, or add them with their pins."
    )
    return [note]


def copy_pins(lock: Path) -> list[str]:
    """Take the pins of a lock, with their hashes, but for what is installed from a folder.

    Args:
        lock: A file of requirements.

    Returns:
        Its lines.
    """
    lines, is_kept = [], False
    for line in lock.read_text(encoding="utf-8").splitlines():
        if line and not line[0].isspace():
            is_kept = bool(PIN.match(line)) and "==" in line and not line.startswith(LIBRARY)
        if is_kept:
            lines.append(line)
    return lines


def _list(package: Path) -> list[Path]:
    return [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _build(source: Path, folder: Path) -> Path:
    """Build the wheel beside its source, of which nothing is touched."""
    with tempfile.TemporaryDirectory() as beside:
        copy = Path(beside) / "source"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist"))
        build = f"from setuptools import build_meta; print(build_meta.build_wheel({str(folder.resolve())!r}))"
        done = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", build], cwd=copy, capture_output=True, text=True, check=False
        )
    if done.returncode:
        msg = f"The wheel of {LIBRARY} could not be built from {source}: {done.stderr.strip().splitlines()[-1]}"
        raise StarterError(msg)
    return folder / done.stdout.strip().splitlines()[-1]
