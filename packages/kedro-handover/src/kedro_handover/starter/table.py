"""Look a person's file through: how it is written, what its columns are, and which of them can be features."""

from __future__ import annotations

import keyword
import math
import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from kedro_handover.contract import KEYS
from kedro_handover.errors import suggest
from kedro_handover.evaluation.predictions import TRAIN
from kedro_handover.handover.tree import RESERVED
from kedro_handover.nodes.split import SplitParameters, split_and_balance
from kedro_handover.nodes.typing import MOST
from kedro_handover.schema import ROW_ID, Category, Column, Number, Schema, Text
from kedro_handover.starter.columns import Cells, find_column, has_decimal_commas, has_thousands
from kedro_handover.starter.dialect import Dialect, find_dialect
from kedro_handover.starter.errors import TableError
from kedro_handover.starter.label import Classes
from kedro_handover.starter.target import describe_target, find_target, make_label
from kedro_handover.text import WHITE_SPACE
from kedro_handover.text_tables import MALFORMED_LINE, ROW_NUMBER, TextTableDataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

REJECTED_SHARE = 0.01
"""So many rows may be rejected; the same as in the new project."""

ROWS_LOOKED_AT = 20_000
"""So many are enough to see that a column knows the label."""

LEAST_SEEDS = 0.1
"""The share of rows, or groups, that have to have digits of their own in what the split is hashed from."""

FEW_IN_TEST = 30
SPLIT = SplitParameters(test_share=0.2, folds=5, majority_per_minority=None, stratify=True)
"""As in the new project."""

SPLIT_BY = "SPLIT_BY"
"""What a person names a group by."""

BEST_LEVELS = 5
"""Reports that compare groups read best with about so many."""

COLUMNS_SHOWN = 12
UNNAMED = re.compile(r"(?:Unnamed: (\d+)|)")
"""How a column without a name is called by pandas, or not at all."""

INDEXES = re.compile(r"(?:Unnamed: \d+|__index_level_\d+__)")

TAKEN = frozenset(
    """
    rows_of_id violations violated_rules probability prediction features model research candidate row rows positive
    negative unknown self data raw_rows valid_rows
    """.split()  # noqa: SIM905 - one word after the other reads better
) | {*KEYS, "split_by", "label_text", ROW_NUMBER, MALFORMED_LINE, ROW_ID}
"""Names that the project's own tables have."""


@dataclass
class Table:
    """What a project is made for.

    Attributes:
        file: The name of the file.
        rows: How many it has.
        schema: Its columns.
        classes: The classes of its label, or its numbers.
        dialect: How the file is written.
        notes: What a person is told, in sentences; those that begin with CHECK ask for a look.
        rejected_share: So many of the rows may be rejected, in whole percents: as many as this file needs.
    """

    file: str
    rows: int
    schema: Schema
    classes: Classes
    dialect: Dialect
    notes: list[str] = field(default_factory=list)
    rejected_share: float = REJECTED_SHARE


def read_table(  # noqa: PLR0913, PLR0917 - what a person may say of a file
    path: Path, identity: str, label: str, positive: str = "", group: str = "", task: str = ""
) -> Table:
    """Look a file through, by the same reader as the project's.

    Args:
        path: A text file with columns, compressed by gzip or not, or a Parquet file.
        identity: The column with the id; empty: the number of the row is the id.
        label: The column with the label.
        positive: A text of the class to be found; empty: the one that says yes, or the rarer of the two.
        group: A column whose rows stay on one side of the split; empty: there is none.
        task: What is to be predicted; empty: it is found out.

    Returns:
        What its columns are.

    Raises:
        TableError: If a column is not there, the id is not unique, or the label has no classes and no numbers.
        DatasetError: If the file can't be read.
    """
    is_parquet = path.name.lower().endswith(".parquet")
    dialect = Dialect() if is_parquet else find_dialect(path, (identity, label, group))
    cells = TextTableDataset(filepath=str(path), load_args=_load_args(path, dialect)).load().read_all()
    _check_whole(path, cells)
    cells = cells.drop_columns([ROW_NUMBER, MALFORMED_LINE])
    texts = {name: _trim(cells[name]) for name in cells.column_names}
    label = _find_name(path, texts, dialect, label, "LABEL", "is to be predicted")
    identity = _find_name(path, texts, dialect, identity, "ID", "")
    group = _find_name(path, texts, dialect, group, SPLIT_BY, "")
    _check_roles(identity, label, group)
    classes = find_target(Cells.count(texts[label]), label, positive, task)
    notes = [_describe_file(path, cells.num_rows), *dialect.notes]
    rejected = _count_rejected(texts[identity]) if identity else 0
    notes += _check_id(texts[identity], identity) if identity else _describe_no_id(dialect)
    if group:
        _check_group(texts[group], group)
        notes.append(f"Rows of one {group!r} stay on one side of the split, and in one fold.")
    names = name_columns([name for name in texts if name != label])
    schema, told = _make_schema(texts, names, dialect, classes, identity, label, group)
    notes += [describe_target(label, classes), *_list_columns(schema), *told, *_warn_of_few(classes)]
    if not schema.features:
        reasons = " ".join(_list_columns(schema)) or "There is none beside the id and the label."
        msg = f"{path}: no column can be a feature. {reasons}"
        raise TableError(msg)
    leaks = find_leaks(schema, texts, classes)
    notes += [
        f"CHECK {name!r}: it alone tells {_tell_what(classes)} with an AUC of {auc:.2f}. Is it known before the label? "
        "If not, make it a Text in the schema."
        for name, auc in leaks.items()
    ]
    share = max(REJECTED_SHARE, math.ceil(100 * rejected / cells.num_rows) / 100)
    return Table(path.name, cells.num_rows, schema, classes, dialect, notes, share)


def name_columns(in_file: Iterable[str]) -> dict[str, str]:
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
    taken: set[str] = set()
    known = set(words.values())
    for place, (column, name) in enumerate(words.items(), start=1):
        free = _free_name(name, known - {name})
        if not free or free in taken:
            numbered = (f"{free or 'column'}_{number}" for number in count(place))
            free = next(one for one in numbered if one not in taken and one not in known)
        names[column] = free
        taken.add(free)
    return names


def find_leaks(schema: Schema, texts: dict[str, pa.ChunkedArray], classes: Classes) -> dict[str, float]:
    """Look for features that know the label, in the first rows that have one.

    Args:
        schema: What the columns are.
        texts: The trimmed cells of each column of the file.
        classes: The texts of both classes.

    Returns:
        The columns whose AUC alone is beyond `LEAK_AUC`, with it.
    """
    import pandas as pd

    from kedro_handover.evaluation.leaks import LEAK_AUC, single_column_aucs

    label = texts[schema.label.in_file]
    known = pc.fill_null(pc.is_in(label, pa.array([*classes.positive, *classes.negative])), fill_value=False)
    columns = [column for column in schema.columns if column.features]
    cells = pa.table([label, *(texts[column.in_file] for column in columns)], [str(n) for n in range(len(columns) + 1)])
    rows = cells.filter(known).slice(0, ROWS_LOOKED_AT).to_pandas()
    rows = rows.sample(frac=1, random_state=0, ignore_index=True)  # the order of a file may tell the label too
    values = {}
    for place, column in enumerate(columns, start=1):
        of_column = rows[str(place)]
        if isinstance(column, Number):
            bare = of_column.str.replace(column.unit, "", regex=False) if column.unit else of_column
            bare = bare.str.replace(column.thousands, "", regex=False) if column.thousands else bare
            of_column = pd.to_numeric(bare.str.replace(column.decimal, ".", regex=False), errors="coerce")
            of_column = of_column.where(of_column.abs() <= MOST).fillna(column.missing)
        elif isinstance(column, Category):
            of_column = of_column.where(of_column.isin(column.levels))
        values[column.in_file] = of_column
    aucs = single_column_aucs(pd.DataFrame(values), rows["0"].isin(classes.positive))
    return {name: auc for name, auc in aucs.items() if auc > LEAK_AUC}


def _load_args(path: Path, dialect: Dialect) -> dict[str, Any]:
    """Add what only the file's own name leaves open; the project gives its copy a name that does not."""
    arguments = dict(dialect.load_args)
    if dialect.is_compressed:
        arguments["compression"] = "gzip"
    if path.name.lower().removesuffix(".gz").endswith(".tsv"):
        arguments.setdefault("separator", ",")
    return arguments


def _free_name(name: str, others: set[str]) -> str:
    """Give a name that neither Python, SQL nor a table of the project has; empty where there is none."""
    if name and not re.match("[a-z]", name):
        return f"column_{name}"
    # The project itself makes names of these kinds.
    of_another = re.sub("^is_|_(?:code|text|value|is_odd|age_days|month|weekday)$", "", name) in others
    is_taken = name in TAKEN or name in RESERVED or keyword.iskeyword(name) or of_another
    return f"{name}_of_row" if is_taken else name


def _trim(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Trim text as the project does; null where nothing is left."""
    text = column.cast(pa.string())  # that of Parquet comes as a dictionary
    trimmed = pc.replace_substring_regex(pc.utf8_trim(text, WHITE_SPACE), "  +", " ")
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def _check_whole(path: Path, cells: pa.Table) -> None:
    if not cells.num_rows:
        msg = f"{path} has column names and no rows."
        raise TableError(msg)
    malformed = cells.filter(pc.is_valid(cells[MALFORMED_LINE]))
    if malformed.num_rows > cells.num_rows * REJECTED_SHARE:
        msg = (
            f"{path}: {malformed.num_rows:,} of {cells.num_rows:,} rows have another number of fields than the header, "
            f"the first of them row {malformed[ROW_NUMBER][0].as_py():,}. Fix them."
        )
        raise TableError(msg)


def _find_name(  # noqa: PLR0913, PLR0917 - what is asked for, of what, and how it is told
    path: Path, texts: dict[str, pa.ChunkedArray], dialect: Dialect, wish: str, variable: str, wanted: str
) -> str:
    """Find the column that a person means; spaces around a name do not matter, and some columns have none."""
    shown = _list(list(texts))
    if not wish and not wanted:
        return ""
    if not wish:
        msg = f"{path}: say which column {wanted}, by {variable}=…. There are: {shown}."
        raise TableError(msg)
    if wish in texts:
        return wish
    stripped = {name.strip(): name for name in texts}
    if wish.strip() in stripped:
        return stripped[wish.strip()]
    unnamed = re.fullmatch(r"Unnamed: (\d+)", wish.strip())
    if unnamed and f"column_{int(unnamed[1]) + 1}" in dialect.unnamed:
        return f"column_{int(unnamed[1]) + 1}"
    notes = "".join(f" {note}" for note in dialect.notes if "no header" in note)
    hint = suggest(wish, texts) if len(texts) > COLUMNS_SHOWN else f"There are: {shown}."
    msg = f"{path} has no column {wish!r}, which {variable} names. {hint}{notes}"
    raise TableError(msg)


def _check_roles(identity: str, label: str, group: str) -> None:
    for one, two, first, second in (
        ("ID", "LABEL", identity, label),
        (SPLIT_BY, "LABEL", group, label),
        ("ID", SPLIT_BY, identity, group),
    ):
        if first and first == second:
            msg = f"{one} and {two} both name {first!r}. Name two columns."
            raise TableError(msg)


def _check_id(values: pa.ChunkedArray, column: str) -> list[str]:
    """Refuse an id that would have more rows rejected than a run allows, and tell of those that it will reject."""
    instead = "Leave ID out, and the number of the row is the id"
    known = values.drop_null()
    counted = pc.value_counts(known)
    is_repeated = pc.greater(counted.field("counts"), 1)
    repeated = int(pc.sum(counted.field("counts").filter(is_repeated)).as_py() or 0)
    if len(known) - len(counted) > REJECTED_SHARE * len(values):
        first = counted.field("values").filter(is_repeated)[0].as_py()
        msg = (
            f"{column!r} is no id: {repeated:,} rows have one that another row has, such as {first!r}. {instead}; "
            f"where rows of one {column!r} belong together, name it with {SPLIT_BY}."
        )
        raise TableError(msg)
    if values.null_count > REJECTED_SHARE * len(values):
        msg = f"{column!r} is no id: {values.null_count:,} rows have none. {instead}."
        raise TableError(msg)
    digits = pc.replace_substring_regex(known, "[^0-9]+", "").unique()
    if len(digits) < LEAST_SEEDS * len(known):
        msg = (
            f"{column!r} has {len(digits):,} different numbers in {len(known):,} ids: too few, as the split is hashed "
            f"from the digits of an id. {instead}."
        )
        raise TableError(msg)
    notes = [f"Rows are told apart by {column!r}."]
    if repeated or values.null_count:
        notes.append(
            f"{repeated:,} rows have an id that another row has, and {values.null_count:,} have none: each run rejects "
            "them, and says so. `data_engineering.rejected_share` says how many may be."
        )
    return notes


def _count_rejected(values: pa.ChunkedArray) -> int:
    """Count the rows without an id, or with one that another row has."""
    counts = pc.value_counts(values.drop_null()).field("counts")
    return int(values.null_count) + int(pc.sum(counts.filter(pc.greater(counts, 1))).as_py() or 0)


def _check_group(values: pa.ChunkedArray, column: str) -> None:
    known = values.drop_null()
    groups, digits = known.unique(), pc.replace_substring_regex(known, "[^0-9]+", "").unique()
    if values.null_count > REJECTED_SHARE * len(values):
        none = f"{column!r} is no group: {values.null_count:,} rows have none."
        msg = f"{none} Name one with {SPLIT_BY} that all rows have."
        raise TableError(msg)
    if len(digits) < max(LEAST_SEEDS * len(groups), LEAST_OF_GROUPS):
        msg = (
            f"{column!r} has {len(groups):,} different values with {len(digits):,} different numbers in them: too few, "
            "as the split is hashed from the digits of a group. "
            f"Name one with {SPLIT_BY} whose digits tell groups apart."
        )
        raise TableError(msg)


LEAST_OF_GROUPS = 10
"""Fewer groups can't be split into train, test and folds."""


def _make_schema(  # noqa: PLR0913, PLR0917 - all that a schema comes of
    texts: dict[str, pa.ChunkedArray],
    names: dict[str, str],
    dialect: Dialect,
    classes: Classes,
    identity: str,
    label: str,
    group: str,
) -> tuple[Schema, list[str]]:
    """Say of each column what it is."""
    cells = {name: Cells.count(values) for name, values in texts.items() if name not in {identity, label}}
    find_train = cache(lambda: _find_train(texts, identity, label, group, classes))
    has_semicolons = dialect.load_args.get("separator") == ";"
    has_commas = has_semicolons or any(map(has_decimal_commas, cells.values()))
    columns: list[Column] = []
    notes = []
    for in_file, of_column in cells.items():
        name = names[in_file]
        if in_file in dialect.unnamed or INDEXES.fullmatch(in_file):
            why = "it has no name: an index" if of_column.given else "it has no name, and is empty"
            columns.append(Text(name, in_file, why=why))
            continue
        if in_file == group:
            columns.append(Text(name, in_file, why="the split goes by it"))
            continue
        share = _share_positive(texts[in_file], of_column, texts[label], classes)
        found = find_column(
            name,
            in_file,
            of_column,
            comma_file=has_semicolons or (has_commas and not has_thousands(of_column)),
            label=share,
            train=partial(_count_cells, texts[in_file], find_train),
        )
        columns.append(found.column)
        notes += [
            note if note.startswith("CHECK") else f"{in_file!r}: {note[:1].lower()}{note[1:]}" for note in found.notes
        ]
    by = min(
        (column for column in columns if isinstance(column, Category) and len(column.levels) > 1),
        key=lambda column: abs(len(column.levels) - BEST_LEVELS),
        default=None,
    )
    schema = Schema(
        id=Text(names[identity], identity) if identity else None,
        label=make_label(label, classes, name_columns([label])[label], set(names.values())),
        columns=tuple(columns),
        group=by.name if by else None,
        split_by=names[group] if group else None,
    )
    return schema, notes


def _count_cells(values: pa.ChunkedArray, find_rows: Callable[[], pa.ChunkedArray]) -> Cells:
    return Cells.count(values.filter(find_rows()))


def _find_train(
    texts: dict[str, pa.ChunkedArray], identity: str, label: str, group: str, classes: Classes
) -> pa.ChunkedArray:
    """Tell the rows of the training split: that of the new project, by the same node on the same rows."""
    import pandas as pd

    place = pa.chunked_array([pa.array(range(1, len(texts[label]) + 1))])
    table = pa.table(
        {
            "id": texts[identity] if identity else place.cast(pa.string()),
            "label": _read_label(texts[label], classes),
            "place": place,
            **({"split_by": texts[group]} if group else {}),
        }
    )
    counted = pc.value_counts(table["id"].drop_null())
    once = counted.field("values").filter(pc.equal(counted.field("counts"), 1))
    is_labelled = pc.is_in(texts[label], pa.array([*classes.positive, *classes.negative]))
    valid = table.filter(pc.and_(is_labelled, pc.is_in(table["id"], once)))
    split = split_and_balance(valid.to_pandas(types_mapper=pd.ArrowDtype), SPLIT)
    return pc.is_in(place, pa.array(split.loc[split["split"] == TRAIN, "place"].tolist(), pa.int64()))


def _read_label(texts: pa.ChunkedArray, classes: Classes) -> pa.Array:
    """Give the label as the project's nodes have it, as far as the split depends on it."""
    if classes.task == "regression":
        return pa.array([0.0] * len(texts))
    if classes.task == "binary":
        return pc.is_in(texts, pa.array(classes.positive))
    places = {text: place for place, of_class in enumerate(classes.groups) for text in of_class}
    return pa.array([places.get(text) for text in texts.to_pylist()], pa.int64())


def _share_positive(
    values: pa.ChunkedArray, cells: Cells, label: pa.ChunkedArray, classes: Classes
) -> list[float | None] | None:
    """Give the share of positive rows of each distinct cell, where these are few for the rows."""
    if len(cells.texts) * LEAST_ROWS_OF_A_CELL > cells.given or cells.rows > MOST_ROWS_GROUPED:
        return None
    positive = pc.is_in(label, pa.array(classes.positive))
    known = pc.or_(positive, pc.is_in(label, pa.array(classes.negative)))
    table = pa.table({"cell": values, "positive": positive.cast(pa.int64())}).filter(known)
    means = table.group_by("cell").aggregate([("positive", "mean")])
    by_cell = dict(zip(means["cell"].to_pylist(), means["positive_mean"].to_pylist(), strict=True))
    return [by_cell.get(text) for text in cells.texts.to_pylist()]


LEAST_ROWS_OF_A_CELL = 3
MOST_ROWS_GROUPED = 2_000_000


def _describe_file(path: Path, rows: int) -> str:
    return f"{path.name}: {rows:,} rows."


def _describe_no_id(dialect: Dialect) -> list[str]:
    notes = ["No column is named as ID: the number of the row is the id."]
    if dialect.unnamed and dialect.unnamed[0] == "column_1":
        place = int(dialect.unnamed[0].removeprefix("column_")) - 1
        notes.append(
            f"Column {place + 1} has no name: it is an index, and no feature. ID='Unnamed: {place}' makes it the id."
        )
    return notes


def _list_columns(schema: Schema) -> list[str]:
    kinds: dict[str, tuple[Column, ...]] = {
        "Numbers": schema.numbers,
        "Categories": schema.categories,
        "Dates": schema.dates,
    }
    listed = [f"{kind}: {_list([one.in_file for one in of_kind])}." for kind, of_kind in kinds.items() if of_kind]
    texts = [column for column in schema.columns if isinstance(column, Text)]
    return listed + [f"No feature: {one.in_file!r}, as {one.why}." for one in texts]


def _warn_of_few(classes: Classes) -> list[str]:
    if classes.task == "regression":
        return []
    few = min(classes.rows)
    in_test = round(few * SPLIT.test_share)
    notes = []
    if in_test < FEW_IN_TEST:
        notes.append(
            f"CHECK The smaller class has {few:,} rows, about {in_test:,} of them in the test split: its metrics are "
            "rough. Take more rows, or a larger split.test_share."
        )
    return notes


def _tell_what(classes: Classes) -> str:
    if classes.task == "regression":
        return "high numbers from low ones"
    return f"{classes.groups[0][0]!r} from all others" if classes.groups else "the classes apart"


def _list(names: list[str]) -> str:
    more = len(names) - COLUMNS_SHOWN
    return f"{', '.join(names[:COLUMNS_SHOWN])} and {more:,} more" if more > 1 else ", ".join(names)
