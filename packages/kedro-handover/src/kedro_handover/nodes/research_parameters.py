"""What `parameters_sklearn_research.yml` may hold."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveInt, ValidationError, model_validator

from kedro_handover.errors import ConfigurationError
from kedro_handover.models.family import find_family
from kedro_handover.models.preparation import NOTHING, Preparation
from kedro_handover.parameters import Group, Parameters

Direction = Literal[-1, 1]
"""1: predictions rise with the feature; -1: they fall."""

SETTINGS = ("prepare", "monotone")
"""What a candidate may have beside the values to try."""


class DecisionTreeGrid(Group):
    """The values that the search tries, in every combination; arguments of scikit-learn's decision trees.

    An argument that is not named keeps the estimator's default.

    Attributes:
        max_depth: Levels of splits, at most; MLlib's trees have 30 or fewer.
        min_samples_leaf: Training rows in each leaf, at least.
        criterion: The impurity that a split decreases: `gini`, `entropy` or `log_loss` of classes; of numbers
            `squared_error`, `friedman_mse`, `absolute_error` or `poisson`.
        min_samples_split: Training rows in a node that is split, at least.
        min_impurity_decrease: How far a split decreases the impurity, at least.
        max_leaf_nodes: Leaves, at most.
        max_features: How many features a split looks at.
        ccp_alpha: How much each leaf has to be worth, or it is pruned.
        prepare: What is done to the features first.
        monotone: Features that predictions may only rise with (1), or fall (-1).
    """

    max_depth: list[Annotated[int, Field(ge=1, le=30)]] | None = Field(None, min_length=1)
    min_samples_leaf: list[PositiveInt] | None = Field(None, min_length=1)
    criterion: (
        list[Literal["gini", "entropy", "log_loss", "squared_error", "friedman_mse", "absolute_error", "poisson"]]
        | None
    ) = Field(None, min_length=1)
    min_samples_split: list[Annotated[int, Field(ge=2)]] | None = Field(None, min_length=1)
    min_impurity_decrease: list[NonNegativeFloat] | None = Field(None, min_length=1)
    max_leaf_nodes: list[Annotated[int, Field(ge=2)]] | None = Field(None, min_length=1)
    max_features: list[PositiveInt | Literal["sqrt", "log2"]] | None = Field(None, min_length=1)
    ccp_alpha: list[NonNegativeFloat] | None = Field(None, min_length=1)
    prepare: Preparation = NOTHING
    monotone: dict[str, Direction] = Field(default_factory=dict)


class Candidate(Group):
    """What a candidate of any other family may have beside the values to try.

    Attributes:
        prepare: What is done to the features first.
        monotone: Features that predictions may only rise with (1), or fall (-1).
    """

    prepare: Preparation = NOTHING
    monotone: dict[str, Direction] = Field(default_factory=dict)


class Candidates(Group):
    """What the search tries: families of models, each with a grid of values for arguments of its estimator.

    Any family of `kedro_handover.models` may be named: `random_forest`, `hist_gradient_boosting`, `xgboost`, … Beside
    the values to try, each may have `prepare` (what is done to the features first) and `monotone` (features that
    predictions may only rise with, or fall).

    Attributes:
        decision_tree: The grid of the decision tree.
    """

    model_config = ConfigDict(extra="allow")

    decision_tree: DecisionTreeGrid | None = None

    @model_validator(mode="after")
    def _check_families(self) -> Self:
        grids = self.grids
        if not grids:
            msg = "no model family is named; name one with its grid, such as decision_tree"
            raise ValueError(msg)
        for name, grid in grids.items():
            if not isinstance(grid, dict) or not all(isinstance(one, list) and one for one in grid.values()):
                msg = f"{name}: give each argument a list of values to try"
                raise ValueError(msg)
            try:
                self.find_settings(name)
                find_family(name).place_grid(grid)
            except ConfigurationError as error:
                raise ValueError(str(error)) from error
        return self

    @property
    def grids(self) -> dict[str, dict[str, list[Any]]]:
        """The grid of each family, in their order."""
        grids = {name: given for name, given in self._given.items() if isinstance(given, dict)}
        plain = {name: {key: of for key, of in grid.items() if key not in SETTINGS} for name, grid in grids.items()}
        return self._given | plain

    @property
    def _given(self) -> dict[str, Any]:
        tree = {} if self.decision_tree is None else {"decision_tree": self.decision_tree.model_dump(exclude_none=True)}
        return tree | dict(self.model_extra or {})

    def find_settings(self, family: str) -> Candidate:
        """Give what a candidate has beside the values to try.

        Args:
            family: Its name.

        Raises:
            ConfigurationError: If it has something else.
        """
        given = self._given[family]
        try:
            return Candidate.model_validate({key: given[key] for key in SETTINGS if key in given})
        except ValidationError as error:
            first = error.errors()[0]
            msg = f"{'.'.join(map(str, (family, *first['loc'])))}: {first['msg']}; it is {first['input']!r}"
            raise ConfigurationError(msg) from error


class SklearnResearchParameters(Parameters):
    """Parameters of `sklearn_research`.

    Attributes:
        research_rows: At most so many rows are brought from the engine to pandas; null brings them all.
        candidates: What the search tries.
        choose: "best": the highest mean score over the folds, which is the AUC, or R² of a regression;
            "one_standard_error": the simplest candidate within one standard error of it, by family and then by the
            order of the grids, which go from simple to complex.
        class_weight: "balanced" weighs rows by the inverse of their class' share; null weighs all alike.
        prior_correction: Whether scores have a column `probability_in_data` too, where thinning or weights have changed
            what probabilities are shares of: `kedro_handover.evaluation.prior` has the formula.
        threshold: Rows with a probability above it are predicted to be positive; of two classes alone.
        seed: The `random_state` of estimators; a tree chooses by it between splits that are equally good.
    """

    block: ClassVar[str | None] = "sklearn_research"

    research_rows: PositiveInt | None
    candidates: Candidates
    choose: Literal["best", "one_standard_error"] = "best"
    class_weight: Literal["balanced"] | None = None
    prior_correction: bool = False
    threshold: float = Field(default=0.5, gt=0, lt=1)
    seed: int = Field(ge=0, lt=2**32)
