"""The front door: hand a fitted model over, score any frame with it, and keep it as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from kedro_handover.errors import HandOverError
from kedro_handover.handover.description import Description, Label
from kedro_handover.handover.extract import Described, describe
from kedro_handover.handover.frames import add_scores, is_of_spark
from kedro_handover.handover.library_model import LibraryModel, hand_over_library
from kedro_handover.handover.numpy_evaluator import Scores, evaluate, read_inputs
from kedro_handover.handover.proof import Promise, prove
from kedro_handover.handover.reference import set_threshold
from kedro_handover.handover.spark_function import score_on_spark
from kedro_handover.handover.sql import write_sql

DESCRIPTION_FILE = "description.npz"
PROMISE_FILE = "promise.json"


@dataclass(frozen=True)
class HandedOver:
    """A model that has been handed over and proven.

    Attributes:
        description: The model as arrays, which every evaluator reads.
        promise: What holds for its scores, and the rows that it was proven on.
    """

    description: Description
    promise: Promise

    def transform(self, frame: Any, *, a_column_each: bool = False) -> Any:
        """Score a frame of Spark, pandas, Polars or DuckDB.

        On Spark the model is a function in Java, and no Python runs on the executors. The other frames are scored by
        NumPy in this process.

        Args:
            frame: The columns that the model reads, and any others.
            a_column_each: Whether more than two classes have a column each, `probability_0` and so on, as in SQL,
                instead of an array.

        Returns:
            The frame with `probability` (of the second class; an array with one for each class where there are more;
            none for a regression) and `prediction`. Both are missing where the library would raise an error.

        Raises:
            HandOverError: If a column is missing, or would be cut.
        """
        if is_of_spark(frame):
            return score_on_spark(self.description, frame, a_column_each=a_column_each)
        return add_scores(frame, self.score, self.description.classes, a_column_each=a_column_each)

    def score(self, table: Any) -> Scores:
        """Score rows by NumPy.

        Args:
            table: A pandas frame, or an Arrow table.

        Returns:
            Raw scores, probabilities, labels and predictions.
        """
        return evaluate(self.description, read_inputs(self.description, table))

    def to_sql(self, *, dialect: str = "spark", table: str = "features", keep: Sequence[str] | None = None) -> str:
        """Write the model as one query.

        Raw scores and labels are exact on the engines that tests hold to it (Spark, DuckDB, Polars, PostgreSQL);
        probabilities are within some units in the last place where the engine has another `exp`.

        Args:
            dialect: `spark`, `duckdb`, `polars`; `postgres` and others by sqlglot.
            table: The name of the table, as SQL writes it.
            keep: Columns to carry along; all that the model reads where None.

        Returns:
            A query for the kept columns, `probability` (for more than two classes `probability_0`, …) and `prediction`.

        Raises:
            HandOverError: If the model is too large, or the dialect is not known.
        """
        return write_sql(self.description, dialect=dialect, table=table, keep=keep)

    def save(self, folder: str | Path) -> None:
        """Keep the model as two files: the arrays, and the promise in JSON.

        Args:
            folder: Made where it is not there.
        """
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        self.description.save(place / DESCRIPTION_FILE)
        kept = {
            "promise": asdict(self.promise),
            "in_words": str(self.promise),
            "digest": self.description.digest,
            "kedro_handover": _version(),
        }
        (place / PROMISE_FILE).write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def hand_over(  # noqa: PLR0913 - three are for the library itself
    model: Any,
    *,
    prove_on: Any,
    threshold: float | None = None,
    as_library: bool = False,
    classes: Sequence[Label] | None = None,
    tolerance: float = 0.0,
) -> HandedOver | LibraryModel:
    """Hand a fitted model over exactly, and prove it.

    Args:
        model: A fitted estimator or Pipeline of scikit-learn, XGBoost or LightGBM.
        prove_on: What it was fitted on, or rows like it: a pandas frame or an array.
        threshold: Of two classes, a row is of the second where its probability is above this; the library's own
            `predict` where None.
        as_library: Hand over the library itself instead, which takes any Python model with `predict`.
        classes: The labels of a model whose `predict` gives probabilities, as in Keras; only for the library itself.
        tolerance: How far results of the library itself may differ between machines.

    Returns:
        The model, to score frames with; its `promise` says what holds.

    Raises:
        HandOverError: If the model can't be described, or one bit differs in a row; the message has the row.
    """
    if as_library:
        if threshold is not None:
            msg = "threshold is for a model that is described. Of the library itself, cut its probability yourself."
            raise HandOverError(msg)
        return hand_over_library(model, prove_on, classes=classes, tolerance=tolerance)
    described = describe(model, prove_on)
    if threshold is not None:
        if described.whole.description.task != "binary":
            msg = f"threshold cuts between two classes, and the model's task is {described.whole.description.task}."
            raise HandOverError(msg)
        is_one = described.body is described.whole
        whole = set_threshold(described.whole, threshold)
        body = whole if is_one else set_threshold(described.body, threshold)
        described = Described(whole, described.table, body, described.body_table)
    return HandedOver(described.whole.description, prove(described))


def load(folder: str | Path) -> HandedOver:
    """Load a model that `save` kept.

    Args:
        folder: Where it is.

    Returns:
        The model.

    Raises:
        HandOverError: If a file is missing, damaged, or of a newer version.
    """
    place = Path(folder)
    try:
        kept = json.loads((place / PROMISE_FILE).read_text(encoding="utf-8"))
        promise = Promise(**kept["promise"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{place / PROMISE_FILE} can't be read: {error}. Hand the model over again."
        raise HandOverError(msg) from error
    description = Description.load(place / DESCRIPTION_FILE)
    if description.digest != kept.get("digest"):
        msg = f"{place / DESCRIPTION_FILE} is not what was proven: its digest differs. Hand the model over again."
        raise HandOverError(msg)
    return HandedOver(description, promise)


def _version() -> str:
    try:
        return metadata.version("kedro-handover")
    except metadata.PackageNotFoundError:
        return "unknown"
