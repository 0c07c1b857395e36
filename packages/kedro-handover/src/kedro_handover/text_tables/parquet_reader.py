"""Read Parquet as a text table, batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedro_handover.text_tables.batches import check_names, first_line, make_batch, make_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from fsspec import AbstractFileSystem

    from kedro_handover.text_tables.batches import Refuse


def open_parquet(fs: AbstractFileSystem, path: str, refuse: Refuse) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Open a Parquet file, or a folder of them.

    Args:
        fs: The file system.
        path: The file or folder.
        refuse: Raises an error that names the file.

    Returns:
        The schema, and the batches, which are read as they are asked for. Text comes as dictionaries of its values;
        what is not text comes as the text that it is written as; nested columns are left out.
    """
    import pyarrow as pa

    parts = open_parts(fs, path, refuse)
    columns = [field.name for field in parts.schema if not pa.types.is_nested(field.type)]
    by_value = pa.dictionary(pa.int32(), pa.string())
    types = [by_value if is_text(parts.schema.field(name).type) else pa.string() for name in columns]
    schema = make_schema(columns, types)
    return schema, _read(parts, schema, refuse)


def open_parts(fs: AbstractFileSystem, path: str, refuse: Refuse) -> pa.dataset.Dataset:
    """Open a Parquet file, or a folder of them, by its footers: no row is read.

    Args:
        fs: The file system.
        path: The file or folder.
        refuse: Raises an error that names the file.

    Returns:
        The parts, in the order of their paths, which have the same columns; text is to be read as dictionaries.
    """
    import pyarrow as pa
    from pyarrow import dataset

    if not fs.exists(path):
        refuse("is not there.")
    try:
        as_stored = dataset.dataset(path, format="parquet", filesystem=fs)
        texts = [field.name for field in as_stored.schema if is_text(field.type)]
        # A text that repeats is read, looked at and written once in each part.
        by_value = dataset.ParquetFileFormat(dictionary_columns=texts)
        parts = dataset.dataset(path, format=by_value, filesystem=fs)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        refuse(f"is not Parquet: {first_line(error)}")
    check_names(parts.schema.names, refuse)
    _check_parts(parts, refuse)
    return parts


def _check_parts(parts: pa.dataset.Dataset, refuse: Refuse) -> None:
    for part in parts.get_fragments():
        if part.physical_schema.names != parts.schema.names:
            refuse(f"has parts with other columns: {part.path} is one. Make them alike.")
        for field in part.physical_schema:
            if _kind(field.type) not in {_kind(parts.schema.field(field.name).type), "null"}:
                refuse(f"has parts with other types: {field.name} is one in {part.path}. Make them alike.")


def _read(parts: pa.dataset.Dataset, schema: pa.Schema, refuse: Refuse) -> Iterator[pa.RecordBatch]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    columns, types = schema.names[2:], schema.types[2:]
    row = 1
    for batch in parts.to_batches(columns=columns, fragment_readahead=1):
        batch.validate(full=True)  # of text, that it is UTF-8
        cells = [batch[name].cast(type_) for name, type_ in zip(columns, types, strict=True)]
        values = [cell.dictionary if isinstance(cell, pa.DictionaryArray) else cell for cell in cells]
        # Most often there is none in the bytes of all texts together, which is quickly seen.
        found = [column.buffers()[-1] for column in values]
        if any(b"\0" in memoryview(text).tobytes() for text in found if text) and any(
            pc.any(pc.match_substring(column, "\0")).as_py() for column in values
        ):
            refuse(f"holds a null byte in row {row:,} or soon after it: it is damaged. Download the file again.")
        numbers = pa.array(np.arange(row, row + batch.num_rows))
        row += batch.num_rows
        yield make_batch(numbers, pa.nulls(batch.num_rows, pa.string()), cells, schema)


def _kind(type_: pa.DataType) -> str:
    """Name what kind a column is of: within a kind, a value has one text whatever its type."""
    import pyarrow as pa

    if is_text(type_):
        return "text"
    return "integer" if pa.types.is_integer(type_) else str(type_)


def is_text(type_: pa.DataType) -> bool:
    """Say whether a column is of text.

    Args:
        type_: Arrow's type of it.
    """
    import pyarrow as pa

    of = type_.value_type if pa.types.is_dictionary(type_) else type_
    return bool(pa.types.is_string(of) or pa.types.is_large_string(of) or pa.types.is_string_view(of))
