"""A pipeline of MLlib as a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro_handover.datasets.verified_model_dataset import VerifiedModelDataset

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel


class MLlibModelDataset(VerifiedModelDataset):
    """Saves and loads a `VerifiedModel` whose model is a pipeline of MLlib with a model at its end."""

    def _write_model(self, model: PipelineModel, path: str) -> None:
        model.write().overwrite().save(path)

    def _read_model(self, path: str) -> PipelineModel:
        from pyspark.ml import PipelineModel
        from pyspark.ml.util import JavaMLReader

        # PipelineModel.load would start Python on an executor, to find out that no stage is written in Python.
        reader: Any = JavaMLReader(PipelineModel)  # type: ignore[arg-type]  # pyspark's hints know no pipeline as Java's
        model: PipelineModel = reader.load(path)
        last: Any = model.stages[-1]
        if hasattr(last, "numClasses"):  # nobody reads them of a classifier, and they would cost more than scoring
            last.setPredictionCol("").setRawPredictionCol("")
        return model

    def _describe_model(self, model: PipelineModel) -> dict[str, Any]:
        fitted: Any = model.stages[-1]
        described = {"class": type(fitted).__name__}
        if hasattr(fitted, "trees"):
            return {**described, "nodes": fitted.totalNumNodes, "trees": fitted.getNumTrees}
        return {**described, "nodes": fitted.numNodes, "depth": fitted.depth} if hasattr(fitted, "depth") else described
