"""The release is there whole or not at all, whatever happens to the run that publishes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from kedro.io import DatasetError

from conftest import PROJECT
from kedro_handover.datasets.release_dataset import ReleaseDataset

KILLS = 12
"""More would find nothing new: hundreds of saves go on before each of them."""

SAVES = """
import itertools, sys
from kedro_handover.datasets.release_dataset import ReleaseDataset

dataset = ReleaseDataset(filepath=sys.argv[1])
for number in itertools.count():
    dataset.save({"number": number, "text": "à" * 200_000})
    if number == 0:
        print("saved", flush=True)
"""


def release(folder, path: str = "06_models/release.json") -> ReleaseDataset:
    return ReleaseDataset(filepath=str(folder / path))


def test_a_manifest_comes_back_as_it_was_saved(tmp_path) -> None:
    manifest = {"model": {"name": "handed_over", "sql": None}, "parity": {"auc": 0.1 + 0.2}, "text": "Sants-Montjuïc"}
    release(tmp_path).save(manifest)
    assert release(tmp_path).load() == manifest
    written = json.loads((tmp_path / "06_models/release.json").read_text(encoding="utf-8"))
    assert written == manifest | {"sha256": written["sha256"]}


@pytest.mark.parametrize(
    ("written", "changed", "message"),
    [
        ("Sants", "Gràcia", "was changed since it was released"),
        ("0.5", "0.50001", "was changed since it was released"),
        ('"name"', '"more": 1, "name"', "was changed since it was released"),
        ('"sha256": "', '"sha256": "0', "was changed since it was released"),
        ('"sha256"', '"sha"', "is no manifest with its digest"),
        ("{", "", "is no manifest with its digest"),
        ("{", "[1] //", "is no manifest with its digest"),
    ],
)
def test_a_manifest_that_was_changed_is_refused(tmp_path, written, changed, message) -> None:
    release(tmp_path).save({"name": "Sants", "threshold": 0.5})
    file = tmp_path / "06_models/release.json"
    file.write_text(file.read_text(encoding="utf-8").replace(written, changed, 1), encoding="utf-8")
    with pytest.raises(DatasetError, match=message):
        release(tmp_path).load()


def test_a_new_release_takes_the_place_of_the_one_before(tmp_path) -> None:
    for number in range(3):
        release(tmp_path).save({"number": number})
        assert release(tmp_path).load() == {"number": number}
    assert [path.name for path in (tmp_path / "06_models").iterdir()] == ["release.json"]


def test_with_nothing_released_it_says_what_to_run(tmp_path) -> None:
    assert not release(tmp_path).exists()
    with pytest.raises(DatasetError, match=r"Nothing has been released at .*Run `kedro run --env=prod` first"):
        release(tmp_path).load()


def test_it_exists_once_it_is_saved(tmp_path) -> None:
    release(tmp_path).save({"number": 1})
    assert release(tmp_path).exists()


def test_any_file_system_will_do() -> None:
    dataset = ReleaseDataset(filepath="memory://models/release.json")
    dataset.save({"number": 1})
    dataset.save({"number": 2})
    assert dataset.load() == {"number": 2}


def test_what_json_can_not_hold_leaves_the_release_before_and_nothing_beside_it(tmp_path) -> None:
    release(tmp_path).save({"number": 1})
    with pytest.raises(DatasetError, match="JSON serializable"):
        release(tmp_path).save({"number": 2, "model": object()})
    assert release(tmp_path).load() == {"number": 1}
    assert [path.name for path in (tmp_path / "06_models").iterdir()] == ["release.json"]


def test_numbers_that_json_does_not_have_are_refused(tmp_path) -> None:
    """Python would write NaN, which no other reader of JSON takes."""
    release(tmp_path).save({"number": 1})
    with pytest.raises(DatasetError):
        release(tmp_path).save({"auc": float("nan")})
    assert release(tmp_path).load() == {"number": 1}


def test_a_save_that_is_killed_leaves_a_whole_release(tmp_path) -> None:
    file, loads, last = tmp_path / "06_models/release.json", 0, -1
    for kill in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", SAVES, str(file)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout.readline() == "saved\n"
            end = time.monotonic() + 0.02 + kill / 100
            while time.monotonic() < end:
                loads += 1
                assert len(release(tmp_path).load()["text"]) == 200_000
            os.kill(process.pid, signal.SIGKILL)
        last = release(tmp_path).load()["number"]
    assert loads > KILLS
    assert last > 0
    release(tmp_path).save({"number": "last"})
    left_over = [path for path in file.parent.iterdir() if path != file]
    assert len(left_over) <= 1, "leftovers of killed saves pile up"
