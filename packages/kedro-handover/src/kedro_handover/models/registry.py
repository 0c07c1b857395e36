"""The models that run in production: pipelines, parameters and reports all read this one list."""

from __future__ import annotations

from dataclasses import dataclass

HANDED_OVER = "handed_over"


@dataclass(frozen=True)
class ProductionModel:
    """A model that runs in production.

    Attributes:
        name: Its name in datasets (`<name>_model`, `<name>_predictions`) and parameters.
        title: Its name in reports.
        form: How its dataset stores it, and a release loads it: "mllib" or "mojo".
        needs_h2o: Whether it is there only where H2O is installed.
        tolerated_as: The model whose tolerances it is held to, where they are not its own.
    """

    name: str
    title: str
    form: str
    needs_h2o: bool = False
    tolerated_as: str | None = None


PRODUCTION_MODELS = {
    model.name: model
    for model in (
        ProductionModel(HANDED_OVER, "handed over", "mllib"),
        ProductionModel("mllib", "MLlib", "mllib"),
        ProductionModel("h2o", "H2O", "mojo", needs_h2o=True),
    )
}
"""By name, in the order of reports."""

SPARK24_MODELS = {
    f"spark24_{way}": ProductionModel(f"spark24_{way}", f"{title} on Spark 2.4", form, tolerated_as=tolerated_as)
    for way, title, form, tolerated_as in (
        ("sql", "handed over, as SQL", "sql", HANDED_OVER),
        ("mllib_tree", "handed over, as MLlib's tree", "mllib", HANDED_OVER),
        ("mojo", "H2O's MOJO", "mojo", "h2o"),
        ("mllib", "MLlib", "mllib", "mllib"),
        ("h2o", "H2O", "mojo", "h2o"),
    )
}
"""What `kedro run --env=spark24` compares beside them, by name: each is held to the tolerances of its counterpart."""

ALL_MODELS = PRODUCTION_MODELS | SPARK24_MODELS


def list_production_models(*, with_h2o: bool) -> list[str]:
    """List the names of the models in production.

    Args:
        with_h2o: Whether H2O is installed.
    """
    return [name for name, model in PRODUCTION_MODELS.items() if with_h2o or not model.needs_h2o]
