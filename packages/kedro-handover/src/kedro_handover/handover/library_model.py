"""Hands over the library itself: any Python model, scored by its own library in each process of Spark."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from kedro_handover.errors import HandOverError
from kedro_handover.handover.description import Label
from kedro_handover.handover.extract import as_the_model_takes
from kedro_handover.handover.frames import add_scores, is_of_spark, to_arrow
from kedro_handover.handover.numpy_evaluator import Scores

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

BATCH_ROWS = 10_000
"""Rows are scored so many at a time, as some libraries' sums depend on it."""

VERIFIED_ROWS = 200


@dataclass(frozen=True)
class LibraryModel:
    """A model that its own library scores, wherever it runs.

    Attributes:
        model: The fitted model.
        dtypes: The type of each column that it reads, by name.
        classes: The labels; empty where it predicts a number.
        versions: The version of Python and of each library that scores, which a process is held to.
        rows: Rows that each process scores first.
        expected: What it has to give for them.
        tolerance: How far a result may be from the expected one.
    """

    model: Any
    dtypes: dict[str, Any]
    classes: tuple[Label, ...]
    versions: dict[str, str]
    rows: pd.DataFrame
    expected: pd.DataFrame = field(repr=False)
    tolerance: float = 0.0

    @property
    def promise(self) -> str:
        """What is promised, in a sentence."""
        return (
            f"{type(self.model).__name__}: scored by the library itself ({_join(self.versions)}). Every process "
            f"compares the versions and scores {len(self.rows)} rows of the hand-over before its first row."
        )

    def transform(self, frame: Any) -> Any:
        """Score a frame of Spark, pandas, Polars or DuckDB.

        Args:
            frame: The columns that the model reads, and any others.

        Returns:
            The frame with `probability`, where the model gives one, and `prediction`.

        Raises:
            HandOverError: If a column is missing.
        """
        if is_of_spark(frame):
            return self._transform_on_spark(frame)
        return add_scores(frame, self.score, self.classes)

    def to_sql(self, *, dialect: str = "spark", table: str = "features", keep: Sequence[str] | None = None) -> str:
        """Refuse: no SQL says what the library does.

        Args:
            dialect: Of the SQL.
            table: To score.
            keep: Columns to carry along.

        Raises:
            HandOverError: Always.
        """
        del dialect, table, keep
        msg = f"{type(self.model).__name__} is scored by the library itself, and there is no SQL for it. Use transform."
        raise HandOverError(msg)

    def save(self, folder: str | Path) -> None:
        """Refuse: a Python model is stored by its own library.

        Args:
            folder: Where to.

        Raises:
            HandOverError: Always.
        """
        msg = (
            f"{type(self.model).__name__} can't be stored in {folder} without pickle, which runs code when it is read. "
            "Store the model with its own library, load it where it scores, and hand it over there again."
        )
        raise HandOverError(msg)

    def score(self, table: Any) -> Scores:
        """Score rows in this process, on one thread.

        Args:
            table: A pandas frame or an Arrow table.

        Returns:
            The scores.

        Raises:
            HandOverError: If a column is missing.
        """
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        names = table.column_names if isinstance(table, pa.Table) else list(table.columns)
        if missing := [name for name in self.dtypes if name not in names]:
            msg = f"The table lacks {', '.join(map(repr, missing))}, which the model reads. Add or rename the columns."
            raise HandOverError(msg)
        frame = (
            table.select(list(self.dtypes)).to_pandas() if isinstance(table, pa.Table) else table[list(self.dtypes)]
        ).astype(self.dtypes)
        with threadpool_limits(1):
            asked = frame if len(frame) else self.rows.head(1)  # of no row, the columns are those of any other
            parts = [self._ask(asked.iloc[at : at + BATCH_ROWS]) for at in range(0, len(asked), BATCH_ROWS)]
        output, label = (np.concatenate(part)[: len(frame)] for part in zip(*parts, strict=True))
        nothing = np.zeros(len(output), bool)
        if not self.classes:
            return Scores(output, None, None, output[:, 0], nothing)
        probability = output if output.shape[1] == len(self.classes) else None
        return Scores(output, probability, label, np.array(self.classes, object)[label], nothing)

    def verify(self) -> None:
        """Hold this process to the versions and the rows of the hand-over.

        Raises:
            HandOverError: If a version or a result is another one.
        """
        check_versions(self.versions)
        found, expected = self.find_results().to_numpy(), self.expected.to_numpy()
        apart = np.abs(found - expected)
        if not ((apart <= self.tolerance) | (np.isnan(found) & np.isnan(expected))).all():
            msg = (
                f"On {platform.node()} the model gives results up to {np.nanmax(apart):.3g} apart from those at the "
                f"hand-over, and {self.tolerance:g} is allowed. Score on the same kind of processor, or hand the model "
                "over with tolerance=…."
            )
            raise HandOverError(msg)

    def find_results(self) -> pd.DataFrame:
        """Score the rows of the hand-over in this process.

        Returns:
            What the model gives for each, and the number of its class where it predicts one.
        """
        scores = self.score(self.rows)
        label = [] if scores.label is None else [scores.label]
        return pd.DataFrame(np.column_stack([scores.score, *label]))

    def _ask(self, frame: pd.DataFrame) -> tuple[Any, Any]:
        """Ask the library: a column for each class, or one for a prediction; and the number of the predicted class.

        The class is what the library predicts. It need not be the one with the largest probability: a model may have a
        threshold of its own, and scikit-learn's `SVC` has another rule.
        """
        rows = as_the_model_takes(self.model, frame)
        predicted = None
        if hasattr(self.model, "classes_") and hasattr(self.model, "predict"):
            predicted = self._number(np.asarray(self.model.predict(rows)))
        if hasattr(self.model, "predict_proba"):
            output = np.asarray(self.model.predict_proba(rows), np.float64)
        elif predicted is not None:
            return predicted[:, None].astype(np.float64), predicted
        else:
            quiet = {"verbose": 0} if type(self.model).__module__.split(".")[0] == "keras" else {}
            output = np.asarray(self.model.predict(rows, **quiet), np.float64).reshape(len(frame), -1)
        if len(self.classes) == 2 and output.shape[1] == 1:  # noqa: PLR2004 - only the second class' probability
            output = np.concatenate([1 - output, output], axis=1)
        if not self.classes and output.shape[1] > 1:
            msg = f"{type(self.model).__name__} predicts {output.shape[1]} outputs. Hand over a model for each."
            raise HandOverError(msg)
        return output, output.argmax(axis=1) if predicted is None else predicted

    def _number(self, predicted: NDArray[Any]) -> NDArray[np.int64]:
        """Give the number of each class that the library predicts."""
        number = {label: place for place, label in enumerate(np.asarray(self.model.classes_).tolist())}
        return np.array([number[label] for label in predicted.tolist()], np.int64)

    def _transform_on_spark(self, frame: DataFrame) -> DataFrame:
        from pyspark import cloudpickle
        from pyspark.sql import types as T  # noqa: N812 - as everybody calls it
        from pyspark.sql.pandas.types import from_arrow_type

        example = to_arrow(self.score(self.rows.head(1)), self.classes)
        kept = [name for name in frame.columns if name not in example]
        schema = T.StructType([frame.schema[name] for name in kept])
        for name, array in example.items():
            schema = schema.add(name, from_arrow_type(array.type))

        # Versions come first, apart from the model: without its library it can't even be read there.
        pickler: Any = cloudpickle  # it has no types
        versions, classes, content = self.versions, self.classes, pickler.dumps(self)

        def score_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            check_versions(versions)
            model: LibraryModel = pickler.loads(content)
            model.verify()
            for batch in batches:
                added = to_arrow(model.score(pa.Table.from_batches([batch])), classes)
                columns = [*(batch.column(name) for name in kept), *added.values()]
                yield pa.RecordBatch.from_arrays(columns, names=[*kept, *added])

        return frame.mapInArrow(score_batches, schema)


def hand_over_library(
    model: Any, prove_on: Any, *, classes: Sequence[Label] | None = None, tolerance: float = 0.0
) -> LibraryModel:
    """Hand over a model as its own library.

    Args:
        model: Anything with `predict_proba` or `predict`.
        prove_on: What it was fitted on, or rows like it.
        classes: The labels, where `predict` gives probabilities, as in Keras; else `model.classes_`, if it has any.
        tolerance: How far a result on another machine may be from the one here.

    Returns:
        The model, to score with.

    Raises:
        HandOverError: If it has neither method, or the rows are no table.
    """
    if not hasattr(model, "predict") and not hasattr(model, "predict_proba"):
        msg = f"{type(model).__name__} has neither predict_proba nor predict. Wrap it in a class that has one."
        raise HandOverError(msg)
    table = as_the_model_takes(model, prove_on)
    frame = table if isinstance(table, pd.DataFrame) else _name_columns(table, prove_on)
    if classes is None and hasattr(model, "classes_"):
        if np.ndim(model.classes_[0]):
            msg = f"{type(model).__name__} predicts {len(model.classes_)} labels. Hand over a model for each."
            raise HandOverError(msg)
        classes = np.asarray(model.classes_).tolist()
    if classes is None and hasattr(model, "predict_proba"):
        msg = f"{type(model).__name__} has no classes_. Name its labels: hand_over(…, as_library=True, classes=[…])."
        raise HandOverError(msg)
    packages = {"numpy", "pandas", type(model).__module__.split(".")[0]}
    if "keras" in packages:
        packages.add(sys.modules["keras"].config.backend())  # TensorFlow, JAX or PyTorch does the work
    if type(model).__module__.startswith("sklearn") and hasattr(model, "steps"):
        packages |= {type(step).__module__.split(".")[0] for _, step in model.steps}
    rows = frame.head(VERIFIED_ROWS).reset_index(drop=True)
    unproven = LibraryModel(
        model=model,
        dtypes=dict(frame.dtypes),
        classes=tuple(classes or ()),
        versions=find_versions(dict.fromkeys(sorted(packages), "")),
        rows=rows,
        expected=pd.DataFrame(),
        tolerance=tolerance,
    )
    handed = LibraryModel(**{**vars(unproven), "expected": unproven.find_results()})
    handed.verify()
    return handed


def check_versions(expected: dict[str, str]) -> None:
    """Hold this process to the versions of the hand-over.

    Args:
        expected: The version of Python and of each package.

    Raises:
        HandOverError: If one is another, or not there.
    """
    here = find_versions(expected)
    if wrong := {name: here[name] for name, version in expected.items() if here[name] != version}:
        wanted = {name: expected[name] for name in wrong}
        msg = (
            f"On {platform.node()} the model would be scored by {_join(wrong)}, and it was handed over with "
            f"{_join(wanted)}. Ship the environment of the hand-over to the executors."
        )
        raise HandOverError(msg)


def find_versions(packages: dict[str, str]) -> dict[str, str]:
    """Find the versions of Python and of some packages in this process.

    Args:
        packages: Their import names.

    Returns:
        The version of each; `none` where it is not installed.
    """
    found = {"python": platform.python_version()}
    names = metadata.packages_distributions()
    for package in packages:
        if package == "python":
            continue
        distribution = names.get(package, [package])[0]
        try:
            found[package] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            module = sys.modules.get(package)
            found[package] = str(getattr(module, "__version__", "none"))
    return found


def _name_columns(table: Any, rows: Any) -> pd.DataFrame:
    names = list(rows.columns) if isinstance(rows, pd.DataFrame) else [f"x{i}" for i in range(table.shape[1])]
    return pd.DataFrame(table, columns=names)


def _join(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
