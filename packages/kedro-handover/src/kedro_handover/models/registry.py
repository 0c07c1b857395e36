"""The one list of the models in production: pipelines, parameters and reports take it from here."""

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
    """

    name: str
    title: str
    form: str
    needs_h2o: bool = False


PRODUCTION_MODELS = {
    model.name: model
    for model in (
        ProductionModel(HANDED_OVER, "handed over", "mllib"),
        ProductionModel("mllib", "MLlib", "mllib"),
        ProductionModel("h2o", "H2O", "mojo", needs_h2o=True),
    )
}
"""By name, in the order of reports."""


def list_production_models(*, with_h2o: bool) -> list[str]:
    """List the names of the models in production.

    Args:
        with_h2o: Whether H2O is installed.
    """
    return [name for name, model in PRODUCTION_MODELS.items() if with_h2o or not model.needs_h2o]
