"""The models that production has beside research: their names, their estimators, and the digest of a fitted one."""

from kedro_handover.models.digest import digest_estimator
from kedro_handover.models.registry import PRODUCTION_MODELS, ProductionModel, list_production_models

__all__ = ["PRODUCTION_MODELS", "ProductionModel", "digest_estimator", "list_production_models"]
