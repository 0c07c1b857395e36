"""What do more candidate splits cost, and how much closer to research do they come? MLlib's `max_bins`, H2O's `bins`.

Trains each tree on the `model_input` of the last `kedro run --env=prod`, in one Spark, and prints a Markdown table:
seconds of training and the parity of the test split. H2O has been started before its first row. `--output` writes the
parity as JSON, which `docs/parity.md` shows.

    python benchmarks/bins.py [--storage data/prod] [--output docs/benchmarks/bins.json]
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path

from kedro.config import OmegaConfigLoader
from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use

from kedro_handover.contract import KEYS
from kedro_handover.evaluation.parity import compare_predictions
from kedro_handover.evaluation.predictions import TRAIN
from kedro_handover.models.estimators import make_h2o_tree, make_mllib_tree
from kedro_handover.models.family import LABEL_COLUMN
from kedro_handover.spark.h2o import train_in_h2o
from kedro_handover.spark.models import add_scores
from kedro_handover.spark.session import configure_spark, get_spark
from premises.settings import CONFIG_LOADER_ARGS

CONF = Path(__file__).parent.parent / "conf"
MAX_BINS = (32, 128, 256, 1_024, 4_096)
H2O_BINS = (
    (20, "UniformAdaptive"),
    (1_024, "UniformAdaptive"),
    (4_096, "UniformAdaptive"),
    (10_000, "UniformAdaptive"),
    (1_024, "QuantilesGlobal"),
    (4_096, "QuantilesGlobal"),
)
SEED = 2016


def train_mllib(rows, features, found, max_bins):
    """Train MLlib's tree."""
    labelled = rows.withColumn(LABEL_COLUMN, F.col("label").cast("double"))
    return make_mllib_tree(features, found, max_bins, SEED).fit(labelled)


def train_h2o(rows, features, found, bins, histogram):
    """Train H2O's tree."""
    labelled = rows.withColumn(LABEL_COLUMN, F.col("label").cast("string"))
    estimator = partial(make_h2o_tree, features, found, bins, histogram, SEED, unknown_as_missing=True)
    return train_in_h2o(estimator, labelled, attempts=1)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--storage", type=Path, default=Path("data/prod"), help="where the run has written")
    arguments.add_argument("--output", type=Path, help="a JSON file for the figures")
    given = arguments.parse_args()
    storage = given.storage
    configure_spark(OmegaConfigLoader(str(CONF), env="prod", **CONFIG_LOADER_ARGS)["spark"])
    spark = get_spark()
    model_input = spark.read.parquet(str(storage / "05_model_input/model_input.parquet")).cache()
    features = [name for name in model_input.columns if name not in KEYS]
    train = model_input.where(F.col("split") == TRAIN)
    training_rows = train.count()
    print(f"{training_rows:,} training rows\n")
    found = json.loads((storage / "06_models/research_search.json").read_text(encoding="utf-8"))[0]
    research = spark.read.parquet(str(storage / "07_model_output/research_predictions.parquet"))
    trees = {
        **{f"MLlib, {bins:,}": partial(train_mllib, max_bins=bins) for bins in MAX_BINS},
        **{f"H2O, {bins:,}, {how}": partial(train_h2o, bins=bins, histogram=how) for bins, how in H2O_BINS},
    }
    train_mllib(train, features, found, 2)  # the first training of each also waits for classes to load
    train_h2o(train, features, found, 2, "UniformAdaptive")
    print("| tree, candidate splits | seconds | same label | mean \\|Δp\\| | AUC less research | PSI |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    measured = []
    for name, train_tree in trees.items():
        began = time.perf_counter()
        model = train_tree(train, features, found)
        seconds = time.perf_counter() - began
        scored = add_scores(model, model_input).withColumn("label_", F.col("probability") > 0.5)  # noqa: PLR2004
        predictions = scored.select("id", "split", "group", "label", "probability", F.col("label_").alias("prediction"))
        one = compare_predictions(research, {name: predictions})[name]
        print(
            f"| {name} | {seconds:.1f} | {one['agreement']:.2%} | {one['mean_abs_diff']:.4f} | "
            f"{one['auc_diff']:+.4f} | {one['psi']:.2f} |"
        )
        shown = {key: one[key] for key in ("agreement", "mean_abs_diff", "auc_diff", "psi")}
        measured.append({"tree": name, **shown})
    if given.output:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        content = {"training_rows": training_rows, "trees": measured}
        given.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
