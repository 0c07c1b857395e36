"""One run at a time writes to a storage, and its path is one that every engine takes for one folder."""

from __future__ import annotations

import subprocess
import sys

import pytest
from filelock import FileLock
from kedro.io import DatasetError

from kedro_handover.errors import ConfigurationError
from kedro_handover.hooks.storage_lock import LOCK_FILE
from toy_project import GLOBALS_YML, ToyProject


def test_a_second_run_is_refused_until_the_first_has_ended(project: ToyProject) -> None:
    project.put_orders()
    with (
        FileLock(project.folder / "data" / LOCK_FILE),
        pytest.raises(
            ConfigurationError, match=r"^data: another run writes there\. Wait for its end, or give this one"
        ),
    ):
        project.run()
    assert project.list_outputs() == [LOCK_FILE]
    project.run()
    assert "08_reporting/shop_report.html" in project.list_outputs()


def test_the_lock_of_a_process_that_is_killed_is_gone(project: ToyProject) -> None:
    project.put_orders()
    code = f"from filelock import FileLock\nwith FileLock('data/{LOCK_FILE}'): print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "1\n"
        with pytest.raises(ConfigurationError, match="another run writes there"):
            project.run()
        other.kill()
    project.run()


def test_a_run_that_fails_lets_go_of_the_lock(project: ToyProject) -> None:
    project.put_orders()
    project.run()
    with pytest.raises(RuntimeError, match="It is not well"):
        project.run("unwell")
    with FileLock(project.folder / "data" / LOCK_FILE).acquire(blocking=False):
        pass


def test_a_run_that_is_refused_writes_nothing(project: ToyProject) -> None:
    with pytest.raises(DatasetError, match="there is no"):
        project.run(storage="elsewhere")
    assert not (project.folder / "elsewhere").exists()


def test_a_storage_that_can_not_be_written_to_is_told(project: ToyProject) -> None:
    file = project.write("file", "")
    (project.folder / "conf/local/catalog.yml").write_text(
        f'orders_file: {{ type: pandas.CSVDataset, filepath: "{project.put_orders()}" }}', encoding="utf-8"
    )
    with pytest.raises(DatasetError, match=r"^file/storage can't be written to: .*\. Give another storage\.$"):
        project.run(storage=str(file / "storage"))


@pytest.mark.parametrize(
    ("storage", "sentence"),
    [
        (202611, "--params: storage is 202611, which is no text."),
        (False, "--params: storage is False, which is no text."),
        (None, "--params: storage is empty."),
        (" ", "--params: storage is empty."),
        ("runs[1]", r"runs[1] has a [: engines would take it for several folders."),
        ("runs*", r"runs* has a *: engines would take it for several folders."),
    ],
)
def test_what_is_no_folder_is_refused_before_the_catalog_is_made(project: ToyProject, storage, sentence) -> None:
    project.put_orders()
    folders = {path for path in project.folder.iterdir() if path.is_dir()}
    with pytest.raises(ConfigurationError) as refused:
        project.run(storage=storage)
    assert str(refused.value).startswith(sentence)
    assert {path for path in project.folder.iterdir() if path.is_dir()} == folders
    assert project.list_outputs() == []


def test_a_storage_of_globals_that_yaml_takes_for_a_number_is_refused_with_its_file(project: ToyProject) -> None:
    project.put_orders()
    project.write("conf/base/globals.yml", GLOBALS_YML.replace("storage: data", "storage: 2026_11"))
    with pytest.raises(ConfigurationError, match=r"^globals\.yml: storage is 202611, which is no text\."):
        project.run()


def test_a_path_is_taken_as_a_storage(project: ToyProject) -> None:
    project.put_orders()
    (project.folder / "data").rename(project.folder / "2026_11")
    project.run(storage=project.folder / "2026_11")
    assert (project.folder / "2026_11/08_reporting/shop_report.html").exists()
