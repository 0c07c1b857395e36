from __future__ import annotations

from pathlib import Path

import pytest
from kedro.io import DatasetError

from premises.datasets.text_csv_dataset import TextCSVDataset


def load(folder: Path, content: bytes) -> list[dict[str, object]]:
    file = folder / "census.csv"
    file.write_bytes(content)
    frame = TextCSVDataset(filepath=str(file)).load()
    assert all(str(dtype) == "large_string[pyarrow]" for dtype in frame.dtypes)
    return [{name: None if value is None else value for name, value in row.items()} for row in _records(frame)]


def _records(frame: object) -> list[dict[str, object]]:
    import pyarrow as pa

    return pa.Table.from_pandas(frame, preserve_index=False).to_pylist()


def test_what_stands_in_a_cell_is_what_is_loaded(tmp_path: Path) -> None:
    rows = load(tmp_path, b"a,b\n007,NA\n1.50,null\n-,nan\nTRUE, x \n")
    assert rows == [
        {"a": "007", "b": "NA"},
        {"a": "1.50", "b": "null"},
        {"a": "-", "b": "nan"},
        {"a": "TRUE", "b": " x "},
    ]


def test_only_an_empty_cell_is_missing(tmp_path: Path) -> None:
    assert load(tmp_path, b"a,b\n,x\n , \n") == [{"a": None, "b": "x"}, {"a": " ", "b": " "}]


def test_quotes_commas_and_line_feeds_are_text_within_quotes(tmp_path: Path) -> None:
    assert load(tmp_path, b'a,b\n"x, ""y""","l\'una\nl\'altra"\n') == [{"a": 'x, "y"', "b": "l'una\nl'altra"}]


def test_a_byte_order_mark_is_not_part_of_the_first_name(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbfa,b\n1,2\n") == [{"a": "1", "b": "2"}]


def test_a_quoted_column_name_is_read_as_text_too(tmp_path: Path) -> None:
    assert load(tmp_path, b'"a ""1""",b\n007,2\n') == [{'a "1"': "007", "b": "2"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n3\n", "Expected 2 columns, got 1"),
        (b"a,b\n1,2,3\n", "Expected 2 columns, got 3"),
        (b"a,b\n\xe9,2\n", "(?i)utf-?8"),
    ],
)
def test_a_damaged_file_is_an_error_that_says_where(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load(tmp_path, content)
