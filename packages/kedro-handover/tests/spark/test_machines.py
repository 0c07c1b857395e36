"""Spark on machines as people have them: a locale without UTF-8, a user without a name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kedro_handover.errors import SparkError
from kedro_handover.spark.session import check_temporary_folder, check_user
from processes import short_lived_environment

READ = """
import sys
from kedro_handover.spark.session import configure_spark, get_spark
configure_spark({"spark.master": "local[1]", "spark.driver.host": "127.0.0.1", "spark.ui.enabled": False})
print(get_spark().read.text(sys.argv[1]).count())
"""


@pytest.mark.spark
def test_a_path_with_accents_is_found_whatever_the_locale(tmp_path: Path) -> None:
    folder = tmp_path / "Año café"
    folder.mkdir()
    (folder / "orders.txt").write_text("1\n2\n", encoding="utf-8")
    variables = {name: text for name, text in short_lived_environment().items() if not name.startswith(("LC_", "LANG"))}
    done = subprocess.run(
        [sys.executable, "-c", READ, str(folder / "orders.txt")],
        env=variables | {"LC_ALL": "C", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2"]


def test_a_user_id_without_a_name_is_told() -> None:
    check_user(os.getuid())
    with pytest.raises(SparkError, match=r"^The user id 123456789 has no name on this machine, .* to /etc/passwd\.$"):
        check_user(123_456_789)


def test_a_folder_from_which_nothing_may_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_temporary_folder(str(tmp_path))
    check_temporary_folder(str(tmp_path / "nowhere"))
    usual = os.statvfs(tmp_path)
    closed = os.statvfs_result([*usual[:8], os.ST_NOEXEC, usual.f_namemax])
    monkeypatch.setattr(os, "statvfs", lambda _: closed)
    with pytest.raises(SparkError, match=r" is mounted noexec, .* add -Djava.io.tmpdir=/var/tmp to spark.driver.extra"):
        check_temporary_folder(str(tmp_path))
