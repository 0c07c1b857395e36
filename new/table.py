"""A person's file, looked through: what its columns are, as far as its cells tell."""

from __future__ import annotations

import keyword
import math
import re
import unicodedata
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from premises.census.text import WHITE_SPACE
from premises.datasets.census_file_dataset import FILE_ROW, UNREAD, CensusFileDataset
from premises.evaluation.leaks import LEAK_AUC, single_column_aucs
from premises.spark.tree import RESERVED

NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,2})?")
"""The same as in the new project's `nodes.py`; a test there holds the file's numbers to it."""

NOT_GIVEN = ("na", "n/a", "nan", "null", "none", "?", "-")
"""What people write in a column of numbers where there is none, in lower case."""

MOST_LEVELS, BEST_LEVELS = 20, 5
"""Text with more levels is no category; reports that compare groups read best with about so many."""

BANDS = 5
ROWS_LOOKED_AT = 20_000
"""So many are enough to see that a column knows the label."""

LEAST_OF_A_CLASS = 50
LEAST_SEEDS = 0.1
"""The share of rows that have to have digits of their own in the id: the split is drawn from those."""

YES = ("yes", "true", "1", "y", "t", "1.0")
TAKEN = frozenset(
    """
    file_row unread rows_of_id broken_rules warnings split fold probability prediction label features model research
    candidate row rows positive negative unknown
    """.split()  # noqa: SIM905 - one word after the other reads better
)
"""Names that the project's own tables have."""


class TableError(Exception):
    """A file that no project can be made from as it is."""


@dataclass(frozen=True)
class Column:
    """A column of the file.

    Attributes:
        name: Its name in the project.
        in_file: Its name in the file.
        levels: Its levels, if it is a category.
        low: Its lowest value, if it is a number.
        high: Its highest value.
    """

    name: str
    in_file: str
    levels: tuple[str, ...] = ()
    low: float = 0
    high: float = 0

    @property
    def missing(self) -> float:
        """Stand for a value that is not given: a number below all others."""
        return -1.0 if self.low >= 0 else float(math.floor(self.low - max(1, (self.high - self.low) / 1000)))


@dataclass
class Table:
    """What a project is made for.

    Attributes:
        file: The name of the file.
        rows: How many it has.
        id: Its id.
        label: Its label.
        label_column: The name of the label that is true or false.
        positive: The text of the label that is true.
        negative: The text that is false.
        numbers: Columns of numbers.
        codes: Columns of text with few levels.
        texts: All other columns: they are kept, and no feature is made of them.
        leaks: Columns that tell the classes apart so well that they may know the label, with the AUC of each alone.
    """

    file: str
    rows: int
    id: Column
    label: Column
    label_column: str
    positive: str
    negative: str
    numbers: list[Column] = field(default_factory=list)
    codes: list[Column] = field(default_factory=list)
    texts: list[Column] = field(default_factory=list)
    leaks: dict[str, float] = field(default_factory=dict)

    @property
    def grouped_by(self) -> Column | None:
        """The category whose number of levels suits reports best; None where there is none."""
        several = [column for column in self.codes if len(column.levels) > 1]
        return min(several, key=lambda column: abs(len(column.levels) - BEST_LEVELS), default=None)

    @property
    def group(self) -> str:
        """The feature that tells the groups of the reports apart."""
        column = self.grouped_by
        return f"{column.name}_code" if column else f"{self.numbers[0].name}_band"


def read_table(path: Path, identity: str, label: str, positive: str) -> Table:
    """Look a file through, by the same reader as the project's.

    Args:
        path: A CSV or Parquet file.
        identity: The column with the id.
        label: The column with the label.
        positive: The text of the label that is true; empty: the one that says yes, or the rarer of the two.

    Returns:
        What its columns are.

    Raises:
        TableError: If a column is not there, the id is not unique, or the label has not two values.
        DatasetError: If the file can't be read.
    """
    if path.suffix not in {".csv", ".parquet"}:
        msg = f"{path}: only files that end in .csv or .parquet are read."
        raise TableError(msg)
    cells = CensusFileDataset(filepath=str(path)).load().read_all()
    _check_whole(path, cells)
    cells = cells.drop_columns([FILE_ROW, UNREAD])
    texts = {name: _trim(cells[name]) for name in cells.column_names}
    _check_names(path, texts, identity, label)
    names = name_columns(list(texts))
    id_column = Column(names[identity], identity)
    _check_id(texts[identity], identity)
    true, false = _choose_labels(texts[label], label, positive)
    label_name = names[label]
    plain = label_name.removesuffix("_value")
    label_column = plain if plain.startswith(("is_", "has_", "was_")) else f"is_{plain}"
    raw_label = label_name if label_name != label_column else f"{label_name}_text"
    table = Table(path.name, cells.num_rows, id_column, Column(raw_label, label), label_column, true, false)
    for in_file, values in texts.items():
        if in_file not in {identity, label}:
            _sort_in(table, names[in_file], in_file, values)
    if not table.numbers and not table.codes:
        msg = f"{path}: no column can be a feature. Numbers can, and text with at most {MOST_LEVELS} different words."
        raise TableError(msg)
    table.leaks = _find_leaks(table, texts)
    return table


def name_columns(in_file: list[str]) -> dict[str, str]:
    """Name columns as the project writes names: lower case, with underscores, unlike each other and the project's own.

    Args:
        in_file: The names in the file.

    Returns:
        The new names, by the old ones.
    """
    plain = {column: unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode() for column in in_file}
    words = {
        column: re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", text).strip("_").lower()
        for column, text in plain.items()
    }
    names: dict[str, str] = {}
    for place, (column, name) in enumerate(words.items(), start=1):
        free = _free_name(name, {*words.values(), *names.values()} - {name})
        if free in {"", *names.values()}:
            taken = {*words.values(), *names.values()}
            numbered = (f"{free or 'column'}_{number}" for number in count(place))
            free = next(one for one in numbered if one not in taken)
        names[column] = free
    return names


def _free_name(name: str, others: set[str]) -> str:
    """Give a name that neither Python, SQL nor a table of the project has; empty where there is none."""
    if name == "id":
        return "row_id"
    if name and not re.match("[a-z]", name):
        return f"column_{name}"
    # The project itself makes names of these kinds.
    of_another = re.sub("^is_|_(?:code|band|text|given)$", "", name) in others
    return f"{name}_value" if name in TAKEN or name in RESERVED or keyword.iskeyword(name) or of_another else name


def _trim(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Trim text as the project does; null where nothing is left."""
    text = column.cast(pa.string())  # that of Parquet comes as a dictionary
    trimmed = pc.replace_substring_regex(pc.utf8_trim(text, WHITE_SPACE), "  +", " ")
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def _check_whole(path: Path, cells: pa.Table) -> None:
    if not cells.num_rows:
        msg = f"{path} has column names and no rows."
        raise TableError(msg)
    broken = cells.filter(pc.is_valid(cells[UNREAD]))
    if broken.num_rows > cells.num_rows / 100:
        msg = (
            f"{path}: {broken.num_rows:,} of {cells.num_rows:,} rows have another number of fields than the header, "
            f"the first of them row {broken[FILE_ROW][0].as_py():,}. Mend them."
        )
        raise TableError(msg)


def _check_names(path: Path, texts: dict[str, pa.ChunkedArray], identity: str, label: str) -> None:
    columns = ", ".join(texts)
    for variable, column, wanted in (
        ("ID", identity, "tells rows apart"),
        ("LABEL", label, "is to be predicted, which has two values"),
    ):
        if not column:
            msg = f"{path}: say which column {wanted}, by {variable}=…. There are: {columns}."
            raise TableError(msg)
        if column not in texts:
            msg = f"{path} has no column {column!r}, which {variable} names. There are: {columns}."
            raise TableError(msg)
    if identity == label:
        msg = f"ID and LABEL both name {label!r}. There are: {columns}."
        raise TableError(msg)


def _check_id(values: pa.ChunkedArray, column: str) -> None:
    known = values.drop_null()
    if repeated := len(known) - len(known.unique()):
        counted = pc.value_counts(known)
        first = next(pair["values"].as_py() for pair in counted if pair["counts"].as_py() > 1)
        msg = (
            f"{column!r} is no id: {repeated:,} rows repeat one, such as {first!r}. Name a column with ID that is one."
        )
        raise TableError(msg)
    if values.null_count > len(values) / 100:
        msg = f"{column!r} is no id: {values.null_count:,} rows have none. Name a column with ID that all rows have."
        raise TableError(msg)
    digits = pc.replace_substring_regex(known, "[^0-9]+", "").unique()
    if len(digits) < LEAST_SEEDS * len(known):
        msg = (
            f"{column!r} has {len(digits):,} different numbers in {len(known):,} ids: too few, as the split is drawn "
            "from the digits of an id. Name a column with ID whose digits tell rows apart."
        )
        raise TableError(msg)


def _choose_labels(values: pa.ChunkedArray, column: str, positive: str) -> tuple[str, str]:
    """Give the text that is true, and the one that is false."""
    counts = {pair["values"].as_py(): pair["counts"].as_py() for pair in pc.value_counts(values.drop_null())}
    shown = ", ".join(f"{text!r} in {rows:,} rows" for text, rows in list(counts.items())[:5])
    if len(counts) != 2:  # noqa: PLR2004 - two classes
        msg = f"{column!r} is no label: it has {len(counts):,} values, not two: {shown or 'none'}."
        raise TableError(msg)
    if positive and positive not in counts:
        msg = f"{column!r} is never {positive!r}, which POSITIVE names. It is {shown}."
        raise TableError(msg)
    if min(counts.values()) < LEAST_OF_A_CLASS:
        msg = f"{column!r} is {shown}: a model needs {LEAST_OF_A_CLASS} rows of each class at least."
        raise TableError(msg)
    true = positive or min(counts, key=lambda text: (text.lower() not in YES, counts[text]))
    (false,) = counts.keys() - {true}
    return true, false


def _sort_in(table: Table, name: str, in_file: str, values: pa.ChunkedArray) -> None:
    """Take a column for numbers, a category or other text."""
    distinct = values.drop_null().unique().to_pylist()
    given = [text for text in distinct if text.lower() not in NOT_GIVEN]
    if given and all(NUMBER.fullmatch(text) for text in given):
        numbers = [float(text) for text in given]
        table.numbers.append(Column(name, in_file, low=min(numbers), high=max(numbers)))
    elif 0 < len(distinct) <= MOST_LEVELS:
        table.codes.append(Column(name, in_file, levels=tuple(sorted(distinct))))
    else:
        table.texts.append(Column(name, in_file))


def _find_leaks(table: Table, texts: dict[str, pa.ChunkedArray]) -> dict[str, float]:
    """Look for features that know the label, in the first rows that have one."""
    columns = [column.in_file for column in (*table.numbers, *table.codes)]
    cells = pa.table([texts[name] for name in (table.label.in_file, *columns)], ["", *map(str, range(len(columns)))])
    rows = cells.filter(pc.is_valid(cells[""])).slice(0, ROWS_LOOKED_AT).to_pandas()
    rows = rows.sample(frac=1, random_state=0, ignore_index=True)  # the order of a file may tell the label too
    features = rows.drop(columns="").set_axis(columns, axis="columns")
    for number in table.numbers:
        features[number.in_file] = pd.to_numeric(features[number.in_file], errors="coerce").fillna(number.missing)
    aucs = single_column_aucs(features, rows[""] == table.positive)
    return {name: auc for name, auc in aucs.items() if auc > LEAK_AUC}
