"""What a model family is: its estimator in research, and its counterparts that production trains beside it.

A family is one class, found by the entry point `kedro_handover.models`. Those of the library are in the files beside
this one; a package adds one of its own by naming its class there.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from kedro_handover.errors import ConfigurationError, suggest
from kedro_handover.handover.tree import DEEPEST, FEATURES_COLUMN
from kedro_handover.tasks import TASKS, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.ml import Pipeline

    from kedro_handover.nodes.production_parameters import SparkProductionParameters

LABEL_COLUMN = "label"
"""For MLlib 0.0, 1.0, …; for H2O a text, which it takes for a class: "false" or "true", or the place of the class. Of a
regression it is the number for both."""

BALANCED = "balanced_"
"""The attribute of a fitted model whose classes weighed alike, where its estimator has no argument that says so."""

CRITERIA = {"gini": "gini", "entropy": "entropy", "log_loss": "entropy"}
"""MLlib's `impurity` for scikit-learn's `criterion`; log_loss is another name of entropy there."""


@dataclass(frozen=True)
class Counterpart:
    """What a model is made from that production trains beside research.

    Attributes:
        task: What it predicts.
        features: The feature columns.
        arguments: Those of the research model, all of them, by the names that the grid has for them.
        rows: How many rows it is trained on.
        parameters: `max_bins`, `seed` and `h2o`.
    """

    task: Task
    features: list[str]
    arguments: Mapping[str, Any]
    rows: int
    parameters: SparkProductionParameters


class Family(ABC):
    """A kind of model that research can search among, and production can serve.

    Attributes:
        name: Its name in `parameters_sklearn_research.yml`.
        title: Its name in reports.
        package: The package that has its estimator, where it is not scikit-learn's.
        extra: The extra of kedro-handover that installs the package.
        simplicity: Its place among families from the simplest on: the search prefers a lower one where it is asked to.
        tasks: What it can predict.
        takes_missing: Whether a missing value may stay one.
        monotone_argument: The estimator's argument for the features that the prediction may only rise or fall with;
            None where it knows none.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    package: ClassVar[str | None] = None
    extra: ClassVar[str | None] = None
    simplicity: ClassVar[int]
    tasks: ClassVar[tuple[Task, ...]] = TASKS
    takes_missing: ClassVar[bool] = False
    monotone_argument: ClassVar[str | None] = None

    @abstractmethod
    def make_estimator(self, task: Task, seed: int, class_weight: str | None) -> Any:
        """Make the estimator of research, with its defaults.

        Args:
            task: What it is to predict, one of `tasks`.
            seed: Its `random_state`.
            class_weight: "balanced", or None for rows that all weigh the same; a regression has none.

        Returns:
            A classifier with `predict_proba`, or a regressor; what its arguments are called, the grid calls them.
        """

    @abstractmethod
    def make_mllib(self, of: Counterpart) -> Pipeline:
        """Make MLlib's counterpart.

        Args:
            of: What it is trained on, and the arguments of the research model.

        Returns:
            A pipeline that takes the features and `label`.

        Raises:
            ConfigurationError: If MLlib has none for the task.
        """

    @abstractmethod
    def make_h2o(self, of: Counterpart) -> Any:
        """Make H2O's counterpart; an H2O context has to run.

        Args:
            of: What it is trained on, and the arguments of the research model.

        Returns:
            An estimator of Sparkling Water that takes the features and `label`.

        Raises:
            ConfigurationError: If H2O has none for the task.
        """

    def constrain(self, estimator: Any, features: list[str], monotone: Mapping[str, int], task: Task) -> Any:
        """Have predictions only rise with a feature, or only fall.

        Args:
            estimator: What `make_estimator` gives.
            features: All features, in their order.
            monotone: 1 for a feature that predictions rise with, -1 for one that they fall with, by its name.
            task: What is to be predicted.

        Returns:
            The estimator.

        Raises:
            ConfigurationError: If the family knows no such constraint, or there is no such feature.
        """
        if not monotone:
            return estimator
        block = f"sklearn_research.candidates.{self.name}.monotone"
        if self.monotone_argument is None or task == "multiclass":
            what = "for several classes" if self.monotone_argument else f"in {self.title}"
            msg = f"{block}: there are no monotone constraints {what}. Leave it out, or take another family."
            raise ConfigurationError(msg)
        for name in monotone:
            if name not in features:
                msg = f"{block}: there is no feature {name!r}. {suggest(name, features)}"
                raise ConfigurationError(msg)
        return estimator.set_params(**{self.monotone_argument: tuple(monotone.get(name, 0) for name in features)})

    def place_grid(
        self, grid: Mapping[str, list[Any]], task: Task | None = None, estimator: Any = None
    ) -> dict[str, list[Any]]:
        """Name the grid's arguments as the search needs them.

        Args:
            grid: Values to try, by argument of the estimator.
            task: What is to be predicted; None where it is not known yet, and the estimator of any task will do.
            estimator: What is searched, if it is not what `make_estimator` gives alone.

        Returns:
            The same, by the argument's place in what `make_estimator` gives.

        Raises:
            ConfigurationError: If the estimator has no such argument, or the family is not one for the task.
        """
        if task is not None and task not in self.tasks:
            msg = (
                f"sklearn_research.candidates.{self.name}: {self.title} is for {' and '.join(self.tasks)}, and the "
                f"task is {task}. Take another family."
            )
            raise ConfigurationError(msg)
        tasks = self.tasks if task is None else (task,)
        places = {name: place for one in tasks for name, place in self._places(one).items()}
        if estimator is not None:
            places = _place_arguments(estimator)
        for argument in grid:
            if argument not in places:
                msg = (
                    f"sklearn_research.candidates.{self.name}: the estimator has no argument {argument!r}. "
                    f"{suggest(argument, places)}"
                )
                raise ConfigurationError(msg)
        return {places[argument]: values for argument, values in grid.items()}

    def list_arguments(self, model: Any) -> dict[str, Any]:
        """Give the arguments of a fitted model as the grid calls them."""
        given = model.get_params()
        return {argument: given[place] for argument, place in _place_arguments(model).items()}

    def _places(self, task: Task) -> dict[str, str]:
        return _place_arguments(self.make_estimator(task, 0, None))


def _place_arguments(estimator: Any) -> dict[str, str]:
    """Give the place of each argument by its name: of a Pipeline, those of its last step."""
    names = estimator.get_params()
    if "steps" not in names:
        return {name: name for name in names}
    last = f"{estimator.steps[-1][0]}__"
    return {name.removeprefix(last): name for name in names if name.startswith(last)}


@cache
def list_families() -> dict[str, Family]:
    """List the families that are installed, by name: the library's own, and those that other packages add."""
    found = (point.load()() for point in entry_points(group="kedro_handover.models"))
    return {family.name: family for family in sorted(found, key=lambda family: (family.simplicity, family.name))}


def find_family(name: str) -> Family:
    """Find a family by its name.

    Args:
        name: As in `parameters_sklearn_research.yml`.

    Raises:
        ConfigurationError: If there is none, or the package that it needs is not installed.
    """
    families = list_families()
    if name not in families:
        msg = f"sklearn_research.candidates: there is no model family {name!r}. {suggest(name, families)}"
        raise ConfigurationError(msg)
    family = families[name]
    if family.package and find_spec(family.package) is None:
        msg = (
            f"sklearn_research.candidates.{name} needs {family.package}, which is not installed. "
            f"Install kedro-handover with its extra {family.extra}."
        )
        raise ConfigurationError(msg)
    return family


def find_family_of(model: Any) -> str | None:
    """Give the name of the family that a fitted model is of; None where it is of no family that is installed."""
    for name, family in list_families().items():
        if family.package is None or find_spec(family.package) is not None:
            made = [family.make_estimator(task, 0, None) for task in family.tasks]
            if any(type(_last(one)) is type(_last(model)) for one in made):
                return name
    return None


def _last(estimator: Any) -> Any:
    """Give the model behind whatever is done to features first."""
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def assemble(features: list[str], *stages: Any) -> Pipeline:
    """Put the features into one vector before MLlib's stages."""
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import VectorAssembler

    return Pipeline(stages=[VectorAssembler(inputCols=features, outputCol=FEATURES_COLUMN), *stages])


def impute_first(pipeline: Pipeline, features: list[str]) -> Pipeline:
    """Put the median in the place of missing values before MLlib's stages, which take none.

    Args:
        pipeline: What `assemble` gives.
        features: The feature columns.
    """
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import Imputer

    imputed = [f"{name}_imputed" for name in features]
    stages: list[Any] = pipeline.getStages()
    assembler, *stages = stages
    imputer = Imputer(strategy="median", inputCols=features, outputCols=imputed)
    return Pipeline(stages=[imputer, assembler.setInputCols(imputed), *stages])


def find_class_weights(model: Any, arguments: Mapping[str, Any], rows_of: Mapping[Any, int]) -> dict[Any, float]:
    """Find what a row of each class weighed when a model was fitted, for its counterparts to weigh them so too.

    Args:
        model: The fitted model.
        arguments: Its arguments, as `Family.list_arguments` gives them.
        rows_of: The rows of each class that counterparts are trained on, by its label.

    Returns:
        The weight by label; nothing where all rows weighed the same.
    """
    given = arguments.get("class_weight")
    if given in ("balanced", "balanced_subsample") or arguments.get("is_unbalance") or hasattr(model, BALANCED):
        return {label: sum(rows_of.values()) / (len(rows_of) * rows) for label, rows in rows_of.items()}
    if given:
        return {label: float(given.get(label, 1)) for label in rows_of}
    if (arguments.get("scale_pos_weight") or 1) != 1:
        return {True: float(arguments["scale_pos_weight"]), False: 1.0}
    return {}


def leaf_rows_of(of: Counterpart) -> int:
    """Give the rows that a leaf of scikit-learn's trees has at least, which may be a share of all rows.

    Args:
        of: `min_samples_leaf` among its arguments, and `rows`.
    """
    least = of.arguments.get("min_samples_leaf") or 1
    return math.ceil(least * of.rows) if isinstance(least, float) and least < 1 else int(least)


def depth_of(arguments: Mapping[str, Any], deepest: int = DEEPEST) -> int:
    """Give the depth of a model's trees where the counterpart has to have a bound.

    Args:
        arguments: `max_depth` (none, or -1 for LightGBM: no bound), and `max_leaf_nodes` or `num_leaves` where trees
            grow leaf by leaf: so many leaves fill a tree of their logarithm's depth, which boosters leave uneven, so
            one level more is allowed.
        deepest: What the counterpart can at most.
    """
    depth = arguments.get("max_depth")
    if depth is not None and depth > 0:
        return min(int(depth), deepest)
    leaves = arguments.get("max_leaf_nodes") or arguments.get("num_leaves")
    return min(int(leaves).bit_length() + 1, deepest) if leaves else deepest
