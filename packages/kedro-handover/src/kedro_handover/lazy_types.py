"""Types of heavy libraries for the hints of nodes.

Kedro evaluates the hints of every node to check its parameters, so they have to be importable; pandas, Matplotlib and
scikit-learn together would add seconds to each command of the CLI. A type checker sees the real types.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame
    from pyarrow import RecordBatchReader
    from pyspark.sql import DataFrame as SparkDataFrame
    from sklearn.tree import DecisionTreeClassifier

    from kedro_handover.datasets.verified_model_dataset import VerifiedModel
else:
    DataFrame = DecisionTreeClassifier = Figure = RecordBatchReader = SparkDataFrame = VerifiedModel = Any

__all__ = ["DataFrame", "DecisionTreeClassifier", "Figure", "RecordBatchReader", "SparkDataFrame", "VerifiedModel"]
