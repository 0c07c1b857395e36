"""What `parameters_sklearn_research.yml` may hold."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from kedro_handover.parameters import Group, Parameters


class Grid(Group):
    """The values that the search tries, in every combination; arguments of scikit-learn's `DecisionTreeClassifier`.

    Attributes:
        max_depth: Levels of splits, at most; MLlib's trees have 30 or fewer.
        min_samples_leaf: Training rows in each leaf, at least.
        criterion: The impurity that a split decreases.
    """

    max_depth: list[Annotated[int, Field(ge=1, le=30)]] = Field(min_length=1)
    min_samples_leaf: list[PositiveInt] = Field(min_length=1)
    criterion: list[Literal["gini", "entropy", "log_loss"]] = Field(min_length=1)


class SklearnResearchParameters(Parameters):
    """Parameters of `sklearn_research`.

    Attributes:
        research_rows: At most so many rows are brought from the engine to pandas; null brings them all.
        grid: The values that the search tries.
        threshold: Rows with a probability above it are predicted to be positive.
        seed: scikit-learn's `random_state`; it chooses between splits that are equally good.
    """

    block: ClassVar[str | None] = "sklearn_research"

    research_rows: PositiveInt | None
    grid: Grid
    threshold: float = Field(gt=0, lt=1)
    seed: int = Field(ge=0, lt=2**32)
