"""Rows per second of each form in which a tree can score on Spark, in one session, warm, on the same rows and cores.

The forms: the tree that is handed over as an SQL expression, as an MLlib model that gives the probability only, as one
that gives all of MLlib's columns, and scikit-learn itself in `mapInPandas`. The trees: the one that research finds, and
larger ones, grown best split first. All forms have to agree in every bit. The figures tell which value of
`spark_production.sql_nodes` is right: the largest tree that is quicker as SQL than as MLlib's.

The rows are those of a census of the published size, repeated; they are in memory before anything is timed, and what is
scored goes nowhere (Spark's noop sink).

    python benchmarks/tree_forms.py                 2 million rows, trees of up to 1,000 nodes: about ten minutes
    python benchmarks/tree_forms.py --nodes 300 500
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import by_hand
import pandas as pd
from by_hand import KEYS, SEED
from by_hand_spark import build_features, clean, get_spark, read_census, score_with, split_and_balance
from measuring import CENSUS, KEDRO, PUBLISHED_ROWS, describe_machine, run_process
from pyspark import StorageLevel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use
from sklearn.tree import DecisionTreeClassifier

from kedro_handover.handover.tree import to_mllib, to_sql

ROWS = 2_000_000
NODES = (200, 400, 1_000)
RUNS = 5
MILLION = 1_000_000
BY_SCIKIT_LEARN = "mapInPandas"


def with_sql(tree):
    sql = to_sql(tree)
    return lambda rows: rows.select("id", F.expr(sql).alias("probability"))


def with_mllib(tree):
    model = to_mllib(tree, get_spark())
    return lambda rows: score_with(model, rows).select("id", "probability")


def with_all_of_mllib(tree):
    model = to_mllib(tree, get_spark())

    def score(rows):
        scored = model.transform(rows).withColumn("probability", vector_to_array("probability")[1])
        return scored.select("id", "probability", "rawPrediction", "prediction")

    return score


def with_scikit_learn(tree):
    features = list(tree.feature_names_in_)

    def score_batches(batches):
        for batch in batches:
            probability = tree.predict_proba(batch[features])[:, 1]
            yield pd.DataFrame({"id": batch["id"], "probability": probability})

    return lambda rows: rows.select("id", *features).mapInPandas(score_batches, "id long, probability double")


FORMS = {
    "SQL": with_sql,
    "MLlib, probability only": with_mllib,
    "MLlib, all columns": with_all_of_mllib,
    BY_SCIKIT_LEARN: with_scikit_learn,
}


class DifferentScoresError(Exception):
    """Two forms of one tree do not give the same."""


def make_features(spark, folder):
    """Generate a census of the published size, and make its features; keep them in memory."""
    run_process([*KEDRO, "run", "--pipelines=synthetic_census", f"--params=storage={folder},rows={PUBLISHED_ROWS}"])
    features = build_features(clean(read_census(spark, folder / CENSUS)))
    features.write.parquet(str(folder / "features.parquet"))
    return spark.read.parquet(str(folder / "features.parquet")).cache()


def grow_trees(rows, sizes):
    """Fit the tree that research finds, then larger ones."""
    train = rows[rows["split"] == "train"]
    yield by_hand.search_models(rows)[0]
    for nodes in sizes:
        # A tree of so many leaves has one inner node fewer.
        tree = DecisionTreeClassifier(max_leaf_nodes=nodes // 2, random_state=SEED)
        yield tree.fit(train.drop(columns=KEYS), train["label"])


def repeat_rows(features, rows):
    """Repeat the rows until there are so many, and keep them in memory."""
    spark = features.sparkSession
    times = -(-rows // features.count())
    repeated = features.crossJoin(spark.range(times).select(F.col("id").alias("copy"))).drop("copy").limit(rows)
    cores = spark.sparkContext.defaultParallelism
    kept = repeated.repartition(2 * cores).persist(StorageLevel.MEMORY_ONLY)
    kept.count()
    return kept


def check_same_scores(forms, features):
    """Check that all forms give each premises the same probability, bit for bit."""
    scores = {
        name: score(features).select("id", "probability").toPandas().set_index("id")["probability"]
        for name, score in forms.items()
    }
    first = scores.pop(BY_SCIKIT_LEARN).sort_index()
    for name, others in scores.items():
        differing = int((others.sort_index() != first).sum())
        if differing:
            msg = f"{name}: {differing:,} of {len(first):,} premises have another probability than in scikit-learn."
            raise DifferentScoresError(msg)
    return len(first)


def time_form(score, rows):
    began = time.perf_counter()
    score(rows).write.format("noop").mode("overwrite").save()
    return time.perf_counter() - began


def compare_forms(tree, features, rows, runs):
    """Time each form in turn; give the lines of the table."""
    forms = {name: make(tree) for name, make in FORMS.items()}
    same = check_same_scores(forms, features)
    count = rows.count()
    for score in forms.values():
        time_form(score, rows)  # compiles
    seconds = {name: [] for name in forms}
    for _ in range(runs):
        for name, score in forms.items():
            seconds[name].append(time_form(score, rows))
    nodes = tree.tree_.node_count
    print(f"{nodes} nodes: {same:,} premises, the same in all forms", file=sys.stderr)
    per_second = {name: [count / MILLION / each for each in took] for name, took in seconds.items()}
    base = median(per_second[BY_SCIKIT_LEARN])
    return [
        f"| {nodes} | {tree.get_depth()} | {name} | {median(each):.2f} ({min(each):.2f} to {max(each):.2f}) | "
        f"{median(each) / base:.2f} |"
        for name, each in per_second.items()
    ]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=ROWS)
    arguments.add_argument("--nodes", type=int, nargs="*", default=NODES, help="about so many, beside research's own")
    arguments.add_argument("--runs", type=int, default=RUNS, help="runs of each")
    arguments.add_argument("--output", type=Path, help="a file for the report, beside the terminal")
    given = arguments.parse_args()
    report = [
        describe_machine(),
        "",
        f"## Scoring {given.rows:,} rows, {given.runs} runs of each in turn, warm",
        "",
        "| nodes | depth | form | million rows per second: median (least to most) | to mapInPandas |",
        "| ---: | ---: | --- | ---: | ---: |",
    ]
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory(prefix="premises-benchmark-") as name:
        spark = get_spark()
        features = make_features(spark, Path(name))
        model_input = split_and_balance(features).toPandas()
        rows = repeat_rows(features, given.rows)
        for tree in grow_trees(model_input, given.nodes):
            report += compare_forms(tree, features, rows, given.runs)
        spark.stop()
    text = "\n".join([*report, "", "All forms give every premises the same probability, bit for bit.", ""])
    print(text)
    if given.output:
        given.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
