"""A synthetic census is written whole or not at all, and never over anything that was not generated."""

import csv
import hashlib
import io
import json
import logging
import os
import signal
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError

from kedro_handover.datasets import atomic
from premises.census.origin import SYNTHETIC_NOTICE, is_synthetic_file
from premises.census.synthetic_census_dataset import SyntheticCensusDataset

PARTS = (
    {"ID_BCN": ["1", "2"], "N_LOCAL": ["MOSTRA PUIG, S.L.", 'MOSTRA "PEP" & FILLS'], "N_EIX": [None, "Eix"]},
    {"ID_BCN": ["3"], "N_LOCAL": ["MOSTRA L'ÀNGEL"], "N_EIX": [" "]},
)
SCHEMA = pa.schema([(name, pa.string()) for name in PARTS[0]], metadata={"rows": "3"})


def reader(parts=PARTS):
    batches = (pa.RecordBatch.from_pydict(part, schema=SCHEMA) for part in parts)
    return pa.RecordBatchReader.from_batches(SCHEMA, batches)


def interrupted_reader():
    def batches():
        yield pa.RecordBatch.from_pydict(PARTS[0], schema=SCHEMA)
        raise KeyboardInterrupt

    return pa.RecordBatchReader.from_batches(SCHEMA, batches())


@pytest.fixture(params=["csv", "parquet"])
def place(request, tmp_path):
    return tmp_path / f"census.{request.param}"


def dataset(path):
    return SyntheticCensusDataset(filepath=str(path))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_csv_quotes_only_what_needs_it_and_ends_lines_with_a_line_feed(tmp_path):
    dataset(tmp_path / "census.csv").save(reader())
    expected = io.StringIO()
    rows = [row for part in PARTS for row in zip(*part.values(), strict=True)]
    csv.writer(expected, lineterminator="\n").writerows([list(PARTS[0]), *rows])
    assert (tmp_path / "census.csv").read_bytes() == expected.getvalue().encode()


def test_a_folder_has_one_part_for_each_batch_with_the_rows_of_the_csv(tmp_path):
    dataset(tmp_path / "census.parquet").save(reader())
    assert names(tmp_path / "census.parquet") == ["part-00000.parquet", "part-00001.parquet"]
    parts = [
        pq.ParquetFile(tmp_path / "census.parquet" / name).read().to_pydict()
        for name in names(tmp_path / "census.parquet")
    ]
    assert parts == list(PARTS)


def test_the_note_says_that_it_is_synthetic_and_digests_it(tmp_path):
    dataset(tmp_path / "census.csv").save(reader())
    note = json.loads((tmp_path / "census.csv.synthetic.json").read_text(encoding="utf-8"))
    assert note["notice"] == SYNTHETIC_NOTICE
    assert note["credit"] == "Source of the data: Barcelona City Council"
    assert note["rows"] == 3
    assert note["sha256"] == hashlib.sha256((tmp_path / "census.csv").read_bytes()).hexdigest()


def test_a_folder_is_digested_part_after_part(tmp_path):
    dataset(tmp_path / "census.parquet").save(reader())
    note = json.loads((tmp_path / "census.parquet.synthetic.json").read_text(encoding="utf-8"))
    content = b"".join(part.read_bytes() for part in sorted((tmp_path / "census.parquet").iterdir()))
    assert note["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_synthetic_census_replaces_an_earlier_one(place):
    dataset(place).save(reader())
    dataset(place).save(reader(PARTS[:1]))
    assert is_synthetic_file(place)
    assert json.loads(place.with_name(f"{place.name}.synthetic.json").read_text(encoding="utf-8"))["rows"] == 2
    assert names(place.parent) == [place.name, f"{place.name}.synthetic.json"]


def test_what_has_the_note_of_a_former_version_is_replaced_and_the_note_goes(place):
    dataset(place).save(reader())
    note, former = (place.with_name(f"{place.name}.{kind}.json") for kind in ("synthetic", "sample"))
    note.rename(former)
    assert is_synthetic_file(place)
    dataset(place).save(reader(PARTS[:1]))
    assert names(place.parent) == [place.name, note.name]
    assert json.loads(note.read_text(encoding="utf-8"))["rows"] == 2


def test_a_file_that_was_not_generated_is_left_as_it_is_and_nothing_is_generated(place):
    place.write_text("the real census")
    unread = reader()
    with pytest.raises(DatasetError, match="Move it away"):
        dataset(place).save(unread)
    assert place.read_text() == "the real census"
    assert unread.read_next_batch().num_rows == 2


def test_a_folder_that_was_not_generated_is_left_as_it_is(place):
    place.mkdir()
    (place / "kept.txt").write_text("mine")
    with pytest.raises(DatasetError, match="Move it away"):
        dataset(place).check_place()
    assert (place / "kept.txt").read_text() == "mine"


def test_a_synthetic_census_that_was_changed_since_is_left_as_it_is(place):
    dataset(place).save(reader())
    changed = place if place.is_file() else place / "part-00000.parquet"
    changed.write_bytes(changed.read_bytes() + b"\n")
    with pytest.raises(DatasetError, match="changed since"):
        dataset(place).save(reader())


def test_a_file_that_comes_while_the_census_is_generated_is_left_as_it_is(tmp_path):
    place = tmp_path / "census.csv"

    def batches():
        yield pa.RecordBatch.from_pydict(PARTS[0], schema=SCHEMA)
        place.write_text("the real census")

    with pytest.raises(DatasetError, match="Move it away"):
        dataset(place).save(pa.RecordBatchReader.from_batches(SCHEMA, batches()))
    assert place.read_text() == "the real census"
    assert names(tmp_path) == ["census.csv"]


def test_a_dangling_link_is_left_as_it_is(tmp_path):
    (tmp_path / "census.csv").symlink_to(tmp_path / "nowhere.csv")
    with pytest.raises(DatasetError, match="Move it away"):
        dataset(tmp_path / "census.csv").check_place()


def test_an_interrupted_run_leaves_nothing_where_the_catalog_looks(place):
    with pytest.raises(KeyboardInterrupt):
        dataset(place).save(interrupted_reader())
    assert names(place.parent) == []


def test_an_interrupted_run_keeps_the_earlier_census(place):
    dataset(place).save(reader())
    with pytest.raises(KeyboardInterrupt):
        dataset(place).save(interrupted_reader())
    assert is_synthetic_file(place)


def test_a_killed_run_leaves_nothing_where_the_catalog_looks_and_the_next_one_cleans_up(place):
    code = f"""
import os, signal
import pyarrow as pa
from premises.census.synthetic_census_dataset import SyntheticCensusDataset

schema = pa.schema([("ID_BCN", pa.string())])

def batches():
    yield pa.RecordBatch.from_pydict({{"ID_BCN": ["1"]}}, schema=schema)
    os.kill(os.getpid(), signal.SIGKILL)

SyntheticCensusDataset(filepath={str(place)!r}).save(pa.RecordBatchReader.from_batches(schema, batches()))
"""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", code], check=False, env=environment)
    assert killed.returncode == -signal.SIGKILL
    assert not place.exists()
    assert len(names(place.parent)) == 1
    dataset(place).save(reader())
    assert names(place.parent) == [place.name, f"{place.name}.synthetic.json"]


def test_nothing_is_synthetic_file_where_there_is_nothing_or_no_note_or_a_broken_one(tmp_path):
    assert not is_synthetic_file(tmp_path / "census.csv")
    (tmp_path / "census.csv").write_text("the real census")
    assert not is_synthetic_file(tmp_path / "census.csv")
    (tmp_path / "census.csv.synthetic.json").write_text("{half a no")
    assert not is_synthetic_file(tmp_path / "census.csv")


def test_progress_is_logged_while_the_parts_are_written(place, caplog, monkeypatch):
    monkeypatch.setattr(atomic, "SECONDS_BETWEEN_PROGRESS", 0)
    with caplog.at_level(logging.INFO):
        dataset(place).save(reader())
    assert "2 of 3 rows written" in caplog.text
    assert SYNTHETIC_NOTICE in caplog.text


def test_a_remote_place_is_refused_before_anything_is_generated():
    with pytest.raises(DatasetError, match="is not local"):
        dataset("s3://bucket/census.csv").save(reader())


def test_an_unknown_format_is_refused():
    with pytest.raises(DatasetError, match=r"Let it end in \.csv or \.parquet"):
        dataset("census.xlsx")


def test_it_is_not_loaded_under_this_name(place):
    with pytest.raises(DatasetError, match="Load `census_file` instead"):
        dataset(place).load()


def test_it_exists_once_it_is_saved(place):
    assert not dataset(place).exists()
    dataset(place).save(reader())
    assert dataset(place).exists()
    assert str(place) in str(dataset(place))
