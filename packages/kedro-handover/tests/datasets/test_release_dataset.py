"""The release is there whole or not at all, whatever happens to the run that publishes it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from kedro.io import DatasetError

from kedro_handover.datasets.release_dataset import ReleaseDataset

KILLS = 12
"""More would find nothing new: hundreds of saves go on before each of them."""

SAVES = """
import itertools, sys
from kedro_handover.datasets.release_dataset import ReleaseDataset

dataset = ReleaseDataset(filepath=sys.argv[1])
for number in itertools.count():
    dataset.save({"number": number, "text": "à" * 200_000, "released_at": "2026-01-01T00:00:00+00:00"})
    if number == 0:
        print("saved", flush=True)
"""


def manifest(**content) -> dict[str, Any]:
    return {**content, "released_at": "2026-01-01T12:00:00+00:00"}


def files(folder) -> list[str]:
    models = folder / "06_models"
    return sorted(str(path.relative_to(models)) for path in models.rglob("*") if path.is_file())


def release(folder, path: str = "06_models/release.json") -> ReleaseDataset:
    return ReleaseDataset(filepath=str(folder / path))


def test_a_manifest_comes_back_as_it_was_saved(tmp_path) -> None:
    content = manifest(model={"name": "handed_over", "sql": None}, parity={"auc": 0.1 + 0.2}, text="Besançon")
    release(tmp_path).save(content)
    assert release(tmp_path).load() == content
    written = json.loads((tmp_path / "06_models/release.json").read_text(encoding="utf-8"))
    assert written == content | {"sha256": written["sha256"]}


@pytest.mark.parametrize(
    ("written", "changed", "message"),
    [
        ("north", "south", "was changed since it was released"),
        ("0.5", "0.50001", "was changed since it was released"),
        ('"name"', '"more": 1, "name"', "was changed since it was released"),
        ('"sha256": "', '"sha256": "0', "was changed since it was released"),
        ('"sha256"', '"sha"', "is not a manifest with its digest"),
        ("{", "", "is not a manifest with its digest"),
        ("{", "[1] //", "is not a manifest with its digest"),
    ],
)
def test_a_manifest_that_was_changed_is_refused(tmp_path, written, changed, message) -> None:
    release(tmp_path).save(manifest(name="north", threshold=0.5))
    file = tmp_path / "06_models/release.json"
    file.write_text(file.read_text(encoding="utf-8").replace(written, changed, 1), encoding="utf-8")
    with pytest.raises(DatasetError, match=message):
        release(tmp_path).load()


def test_a_new_release_takes_the_place_of_the_one_before(tmp_path) -> None:
    for number in range(3):
        release(tmp_path).save(manifest(number=number))
        assert release(tmp_path).load() == manifest(number=number)
    assert files(tmp_path) == ["release.json", "releases/2026-01-01T12.00.00Z.json"]


def test_the_releases_before_are_kept_and_any_of_them_can_be_put_back(tmp_path) -> None:
    times = ["2026-01-01T12:00:00+00:00", "2026-01-02T01:30:00+02:00", "2026-01-03T12:00:00+00:00"]
    texts = []
    for number, time_ in enumerate(times):
        release(tmp_path).save({"number": number, "released_at": time_})
        texts.append((tmp_path / "06_models/release.json").read_text(encoding="utf-8"))
    history = tmp_path / "06_models/releases"
    kept = {path.name: path.read_text(encoding="utf-8") for path in history.iterdir()}
    assert kept == {"2026-01-01T12.00.00Z.json": texts[0], "2026-01-01T23.30.00Z.json": texts[1]}
    shutil.copy(history / "2026-01-01T12.00.00Z.json", tmp_path / "06_models/release.json")
    assert release(tmp_path).load() == {"number": 0, "released_at": times[0]}


def test_the_history_of_a_manifest_in_this_folder_is_in_this_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        ReleaseDataset(filepath="release.json").save(manifest(number=number))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["release.json", "releases"]
    assert ReleaseDataset(filepath="releases/2026-01-01T12.00.00Z.json").load() == manifest(number=0)


def test_a_manifest_that_was_changed_is_replaced_and_not_kept(tmp_path, caplog) -> None:
    release(tmp_path).save(manifest(number=1))
    file = tmp_path / "06_models/release.json"
    file.write_text(file.read_text().replace("1", "2", 1))
    with caplog.at_level("WARNING"):
        release(tmp_path).save(manifest(number=3))
    assert release(tmp_path).load() == manifest(number=3)
    assert files(tmp_path) == ["release.json"]
    assert "was changed since it was released: take it from a copy, or release again. It is not kept in" in caplog.text


@pytest.mark.parametrize("content", [{"number": 1}, {"released_at": "yesterday"}], ids=["none", "no time"])
def test_a_manifest_without_the_time_of_its_release_is_refused(tmp_path, content) -> None:
    with pytest.raises(DatasetError, match=r"released_at|yesterday"):
        release(tmp_path).save(content)
    assert not (tmp_path / "06_models").exists()


def test_with_nothing_released_it_says_what_to_run(tmp_path) -> None:
    assert not release(tmp_path).exists()
    with pytest.raises(DatasetError, match=r"Nothing has been released at .*Run `kedro run --env=prod` first"):
        release(tmp_path).load()


def test_it_exists_once_it_is_saved(tmp_path) -> None:
    release(tmp_path).save(manifest(number=1))
    assert release(tmp_path).exists()


def test_any_file_system_will_do() -> None:
    dataset = ReleaseDataset(filepath="memory://models/release.json")
    dataset.save(manifest(number=1))
    dataset.save(manifest(number=2))
    assert dataset.load() == manifest(number=2)


def test_what_json_can_not_hold_leaves_the_release_before_and_nothing_beside_it(tmp_path) -> None:
    release(tmp_path).save(manifest(number=1))
    with pytest.raises(DatasetError, match="JSON serializable"):
        release(tmp_path).save(manifest(number=2, model=object()))
    assert release(tmp_path).load() == manifest(number=1)
    assert files(tmp_path) == ["release.json"]


def test_numbers_that_json_does_not_have_are_refused(tmp_path) -> None:
    """Python would write NaN, which no other reader of JSON takes."""
    release(tmp_path).save(manifest(number=1))
    with pytest.raises(DatasetError, match="not JSON compliant"):
        release(tmp_path).save(manifest(auc=float("nan")))
    assert release(tmp_path).load() == manifest(number=1)


def test_a_save_that_is_killed_leaves_a_whole_release(tmp_path) -> None:
    file, loads, last = tmp_path / "06_models/release.json", 0, -1
    for kill in range(KILLS):
        with subprocess.Popen([sys.executable, "-c", SAVES, str(file)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "saved\n"
            end = time.monotonic() + 0.02 + kill / 100
            while time.monotonic() < end:
                loads += 1
                assert len(release(tmp_path).load()["text"]) == 200_000
            os.kill(process.pid, signal.SIGKILL)
        last = release(tmp_path).load()["number"]
    assert loads > KILLS
    assert last > 0
    release(tmp_path).save(manifest(number="last"))
    (kept,) = file.parent.glob("releases/2026*.json")
    assert ReleaseDataset(filepath=str(kept)).load()["number"] == last
    left_over = [path for path in file.parent.rglob("*") if path.is_file() and path not in {file, kept}]
    assert len(left_over) <= 2, "leftovers of killed saves pile up"
