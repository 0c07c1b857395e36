"""The models that production has beside research, and what trains them."""

from kedro_handover.models.registry import PRODUCTION_MODELS, ProductionModel, list_production_models

__all__ = ["PRODUCTION_MODELS", "ProductionModel", "list_production_models"]
