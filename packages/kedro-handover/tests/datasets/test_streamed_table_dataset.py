"""A table that comes part by part is there whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError

from kedro_handover.datasets import atomic
from kedro_handover.datasets.streamed_table_dataset import StreamedTableDataset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PANDAS = {"type": "pandas.ParquetDataset", "load_args": {"dtype_backend": "pyarrow"}}
SCHEMA = pa.schema([("row", pa.int64()), ("name", pa.string())])


def parts(number: int, *, fails: bool = False) -> pa.RecordBatchReader:
    def read() -> Iterator[pa.RecordBatch]:
        for part in range(number):
            yield pa.RecordBatch.from_pydict({"row": [2 * part, 2 * part + 1], "name": ["a", None]}, schema=SCHEMA)
        if fails:
            msg = "the file ends here"
            raise DatasetError(msg)

    return pa.RecordBatchReader.from_batches(SCHEMA, read())


def dataset(folder: Path) -> StreamedTableDataset:
    return StreamedTableDataset(filepath=str(folder / "deep" / "table.parquet"), table=PANDAS)


def test_what_is_written_part_by_part_is_loaded_as_a_table_of_the_engine(tmp_path: Path) -> None:
    table = dataset(tmp_path)
    assert not table.exists()
    table.save(parts(3))
    assert table.exists()
    frame = table.load()
    assert frame["row"].tolist() == list(range(6))
    assert [str(dtype) for dtype in frame.dtypes] == ["int64[pyarrow]", "string[pyarrow]"]


def test_a_dictionary_of_text_is_text_to_whoever_reads_the_table(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict({"name": pa.array(["a", None, "a"]).dictionary_encode()})
    dataset(tmp_path).save(pa.RecordBatchReader.from_batches(batch.schema, [batch]))
    table = pq.read_table(tmp_path / "deep" / "table.parquet")
    assert table.schema.field("name").type == pa.string()
    assert table["name"].to_pylist() == ["a", None, "a"]


def test_a_failure_on_the_way_leaves_the_table_before_and_nothing_beside_it(tmp_path: Path) -> None:
    table = dataset(tmp_path)
    table.save(parts(1))
    with pytest.raises(DatasetError, match="the file ends here"):
        table.save(parts(2, fails=True))
    assert table.load()["row"].tolist() == [0, 1]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["table.parquet"]


def test_what_a_killed_run_has_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".table.parquet.0123abcd").write_bytes(b"half")
    dataset(tmp_path).save(parts(1))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["table.parquet"]


def test_spark_reads_it_too(spark, tmp_path: Path) -> None:  # noqa: ARG001
    kind = {"type": "kedro_handover.datasets.spark_table_dataset.SparkTableDataset", "file_format": "parquet"}
    table = StreamedTableDataset(filepath=str(tmp_path / "table.parquet"), table=kind)
    table.save(parts(3))
    assert sorted(row["row"] for row in table.load().collect()) == list(range(6))


def test_long_work_says_how_far_it_is(tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(atomic, "SECONDS_BETWEEN_PROGRESS", 0)
    with caplog.at_level("INFO"):
        dataset(tmp_path).save(parts(2))
    assert "4 rows written, " in caplog.text
