"""Files on Hadoop's file systems, reached by the JVM of Spark: here the one that all machines have, `file:`.

`tests/deploy/test_hadoop.py` has HDFS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import fsspec
import pytest
from kedro.io.core import get_protocol_and_path
from pyarrow import dataset

from kedro_handover.datasets import hadoop_files
from kedro_handover.datasets.hadoop_files import HadoopFileSystem, spark_path, spark_url, use_hadoop
from kedro_handover.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class LocalByJava(HadoopFileSystem):
    protocol = "file"


@pytest.fixture
def fs(spark: object) -> HadoopFileSystem:  # noqa: ARG001 - it has to run
    return LocalByJava()


@pytest.fixture
def hosts() -> Iterator[None]:
    yield
    use_hadoop([])


def test_what_is_written_is_there_and_is_read_by_ranges(fs: HadoopFileSystem, tmp_path: Path) -> None:
    place, content = f"{tmp_path}/ñ x/a.bin", bytes(range(256)) * 300
    fs.makedirs(f"{tmp_path}/ñ x")
    with fs.open(place, "wb", block_size=10_000) as file:
        for start in range(0, len(content), 7_000):
            file.write(content[start : start + 7_000])
    assert (tmp_path / "ñ x" / "a.bin").read_bytes() == content
    with fs.open(place, "rb", block_size=10_000) as file:
        file.seek(-10, 2)
        assert file.read() == content[-10:]
        file.seek(25_000)
        assert file.read(20_000) == content[25_000:45_000]
    assert fs.cat_file(place) == content
    assert fs.info(place)["size"] == len(content)


def test_text_is_written_and_read(fs: HadoopFileSystem, tmp_path: Path) -> None:
    with fs.open(f"{tmp_path}/a.txt", "w", encoding="utf-8") as file:
        file.write("l'Eixample\n")
    with fs.open(f"{tmp_path}/a.txt", "r", encoding="utf-8") as file:
        assert file.read() == "l'Eixample\n"


def test_folders_are_listed_found_and_removed(fs: HadoopFileSystem, tmp_path: Path) -> None:
    for name in ("a/1.txt", "a/b/2.txt"):
        fs.makedirs(f"{tmp_path}/{name}".rpartition("/")[0], exist_ok=True)
        fs.pipe_file(f"{tmp_path}/{name}", b"x")
    assert sorted(fs.ls(f"{tmp_path}/a", detail=False)) == [f"{tmp_path}/a/1.txt", f"{tmp_path}/a/b"]
    assert fs.find(f"{tmp_path}/a") == [f"{tmp_path}/a/1.txt", f"{tmp_path}/a/b/2.txt"]
    assert fs.glob(f"{tmp_path}/a/*.txt") == [f"{tmp_path}/a/1.txt"]
    assert (fs.isdir(f"{tmp_path}/a/b"), fs.isdir(f"{tmp_path}/a/1.txt")) == (True, False)
    fs.rm(f"{tmp_path}/a", recursive=True)
    assert not fs.exists(f"{tmp_path}/a")
    with pytest.raises(FileNotFoundError):
        fs.ls(f"{tmp_path}/a")


def test_a_file_in_the_place_is_replaced_by_one_rename(fs: HadoopFileSystem, tmp_path: Path) -> None:
    fs.pipe_file(f"{tmp_path}/old", b"old")
    fs.pipe_file(f"{tmp_path}/new", b"new")
    fs.mv(f"{tmp_path}/new", f"{tmp_path}/old")
    assert fs.cat_file(f"{tmp_path}/old") == b"new"
    assert not fs.exists(f"{tmp_path}/new")


def test_arrow_reads_a_table_there(fs: HadoopFileSystem, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    with fs.open(f"{tmp_path}/part-0.parquet", "wb") as file:
        parquet.write_table(pa.table({"a": [1, 2]}), file)
    assert dataset.dataset(str(tmp_path), format="parquet", filesystem=fs).to_table().to_pydict() == {"a": [1, 2]}


@pytest.mark.parametrize("root", ["hdfs://name-node:8020", "webhdfs://name-node:9870", "hdfs://"])
@pytest.mark.usefixtures("hosts")
def test_a_place_keeps_the_host_that_kedro_leaves_out(root: str) -> None:
    use_hadoop(["data/01_raw/orders.csv", f"{root}/orders/08_reporting/a.json"])
    protocol, path = get_protocol_and_path(f"{root}/orders/08_reporting/a.json")
    assert path == "/orders/08_reporting/a.json"
    assert spark_path(protocol, path) == f"{root}{path}"
    assert spark_url(fsspec.filesystem(protocol), path) == f"{root}{path}"
    fs, stripped = fsspec.core.url_to_fs(f"{root}/orders/08_reporting/a.json")
    assert (spark_url(fs, stripped), stripped) == (f"{root}{path}", path)
    assert isinstance(fs, HadoopFileSystem)


@pytest.mark.usefixtures("hosts")
def test_datasets_on_two_hosts_are_refused_for_kedro_would_mix_them() -> None:
    with pytest.raises(ConfigurationError, match="Datasets lie on hdfs://one and on hdfs://two"):
        use_hadoop(["hdfs://one/a", "s3a://bucket/b", "hdfs://two/c"])


def test_a_place_elsewhere_is_as_kedro_has_it(tmp_path: Path) -> None:
    assert spark_path("file", str(tmp_path)) == f"file://{tmp_path}"
    assert spark_path("s3", "bucket/a") == "s3a://bucket/a"
    assert hadoop_files.spark_url(fsspec.filesystem("file"), str(tmp_path)) == f"file://{tmp_path}"
