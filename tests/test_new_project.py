"""`make new`, as a person with a file of their own calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import PROJECT


def make_new(*variables: str) -> subprocess.CompletedProcess[str]:
    """Call `make new` with the libraries of this environment."""
    binaries = f"BIN={Path(sys.executable).parent}"
    return subprocess.run(
        ["make", "--assume-old=.venv/installed", binaries, "new", *variables],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


def write_table(path: Path, names: tuple[str, ...]) -> Path:
    rows = [f"{number},{number % 13},{number % 60},{['low', 'high'][number % 3 == 0]}" for number in range(300)]
    header = ",".join(f'"{name}"' for name in names)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "names",
    [("it's", "x", "two  words", "Income ($)"), ("100%", "x", "a;b & c", "$(shell id)")],
    ids=["words", "signs"],
)
def test_a_name_passes_through_make_and_the_shell_as_it_is(tmp_path: Path, names: tuple[str, ...]) -> None:
    data = write_table(tmp_path / "some data.csv", names)
    wishes = [f"ID={names[0]}", f"SPLIT_BY={names[2]}", f"LABEL={names[3]}"]
    done = make_new("NAME=demo", f"DATA={data}", *wishes, f"DIR={tmp_path / 'made it'}")
    assert done.returncode == 0, done.stderr
    assert "'high' is positive" in done.stdout
    lock = (tmp_path / "made it/requirements.lock").read_text(encoding="utf-8")
    assert "kedro==" in lock
    assert "--hash=sha256:" in lock
    assert "kedro-handover" not in lock


def test_on_the_command_line_an_error_is_one_sentence(tmp_path: Path) -> None:
    done = make_new("NAME=loans", f"DATA={tmp_path}/a b.csv", f"DIR={tmp_path / 'made'}")
    assert done.returncode != 0
    assert f"Error: {tmp_path}/a b.csv is not there." in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_not_given_is_told() -> None:
    done = make_new()
    assert "Error: NAME='' is no name of a package" in done.stderr
