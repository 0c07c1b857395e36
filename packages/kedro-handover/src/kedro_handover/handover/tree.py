"""A fitted scikit-learn tree as a native MLlib model, as one SQL expression and as one of Narwhals, with nothing lost.

scikit-learn compares float32 features with float64 thresholds. A Spark double of a float32 is the same number, so the
same `<=` decides alike. The leaves keep their probabilities.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from kedro_handover._compat import get_gateway, get_jvm
from kedro_handover.errors import HandOverError
from kedro_handover.lazy_types import DecisionTreeClassifier

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import SparkSession

FEATURES_COLUMN = "features"
CLASSES = 2

DEEPEST = 30
"""Levels of splits that MLlib's trees have at most."""

NO_CHILD = -1

LEARNED_MISSING = "learned_missing_"
"""The attribute of a fitted tree that says that missing values were among what it learned from."""

PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A column name that needs no quotes in SQL: Spark and other engines quote differently."""

RESERVED = frozenset(
    """
    all analyse analyze and anti any array as asc asof asymmetric at authorization binary both by case cast check
    collate collation column concurrently constraint create cross default deferrable desc describe distinct do else end
    except false fetch for foreign freeze from full glob group having ilike in initially inner intersect into is isnull
    join lambda lateral leading left like limit natural not notnull null offset on only or order outer overlaps pivot
    pivot_longer pivot_wider placing positional primary qualify references returning right select semi show similar some
    summarize symmetric table tablesample then to trailing true union unique unpack unpivot using variadic verbose when
    where window with
    """.split()  # noqa: SIM905 - a hundred quotes are no easier to read
)
"""Words that Spark or DuckDB reads as something other than a column."""


def is_single_tree(model: Any) -> bool:
    """Tell whether a model is one tree for two classes and nothing more, which MLlib's own tree can be.

    A model that prepares features first is more, and so is a tree that has learned where missing values go, as MLlib's
    tree takes none, or one with more levels.

    Args:
        model: A fitted model.
    """
    is_tree = type(model).__name__ == "DecisionTreeClassifier" and len(model.classes_) == CLASSES
    return is_tree and not getattr(model, LEARNED_MISSING, False) and model.get_depth() <= DEEPEST


def check_classes(tree: DecisionTreeClassifier) -> None:
    """Refuse a tree that does not tell False from True by named features.

    Args:
        tree: The fitted tree.

    Raises:
        HandOverError: If it has other classes, or was fitted on columns without names.
    """
    if tree.n_outputs_ != 1 or list(tree.classes_) != [False, True]:
        msg = f"The tree tells {list(tree.classes_)} apart. Only a label that is False or True can be handed over."
        raise HandOverError(msg)
    if not len(getattr(tree, "feature_names_in_", ())):
        msg = "The tree knows no names of columns. Fit it on a DataFrame."
        raise HandOverError(msg)


def check_tree(tree: DecisionTreeClassifier) -> None:
    """Refuse a tree that can't be handed over exactly to MLlib and SQL.

    Args:
        tree: The fitted tree.

    Raises:
        HandOverError: If it has other than the two classes False and True, or its columns have names that SQL would
            not read as the columns.
    """
    check_classes(tree)
    names = [str(name) for name in tree.feature_names_in_]
    known = Counter(name.lower() for name in names)  # Spark does not tell capitals apart
    if wrong := [n for n in names if not PLAIN_NAME.fullmatch(n) or n.lower() in RESERVED or known[n.lower()] > 1]:
        msg = (
            f"SQL would not read {', '.join(map(repr, wrong))} as a feature. Name features with letters, digits and "
            "underscores, with no word of SQL, and not two alike but for capitals."
        )
        raise HandOverError(msg)


def to_mllib(tree: DecisionTreeClassifier, spark: SparkSession) -> PipelineModel:
    """Make the tree an MLlib model, node by node.

    Args:
        tree: A fitted tree of two classes; its feature names are the input columns.
        spark: The running session.

    Returns:
        A pipeline that takes the feature columns and gives `probability` (a vector; its second element is the
        probability of True, bit for bit that of scikit-learn) and `prediction`. A missing feature is an error.

    Raises:
        HandOverError: If the tree can't be handed over exactly.
    """
    from pyspark.ml import PipelineModel
    from pyspark.ml.classification import DecisionTreeClassificationModel
    from pyspark.ml.feature import VectorAssembler

    check_tree(tree)
    fitted = tree.tree_
    jvm, gateway = get_jvm(spark.sparkContext), get_gateway(spark.sparkContext)
    mllib = jvm.org.apache.spark.ml.tree
    nodes: list[object] = [None] * fitted.node_count
    # Children come after their parent in scikit-learn's arrays, so from the last node on each finds its children made.
    for node in reversed(range(fitted.node_count)):
        probability = float(fitted.value[node, 0, 1])
        shares = gateway.new_array(jvm.double, CLASSES)
        # MLlib divides by the sum of these two, which is exactly 1: the second keeps all its bits.
        shares[0], shares[1] = 1 - probability, probability
        counts = jvm.org.apache.spark.mllib.tree.impurity.GiniCalculator(shares, int(fitted.n_node_samples[node]))
        prediction, impurity = float(shares[1] > shares[0]), float(fitted.impurity[node])
        left, right = int(fitted.children_left[node]), int(fitted.children_right[node])
        if left == NO_CHILD:
            nodes[node] = mllib.LeafNode(prediction, impurity, counts)
        else:
            split = mllib.ContinuousSplit(int(fitted.feature[node]), float(fitted.threshold[node]))
            nodes[node] = mllib.InternalNode(prediction, impurity, 0.0, nodes[left], nodes[right], split, counts)
    features = [str(name) for name in tree.feature_names_in_]
    model = DecisionTreeClassificationModel(
        jvm.org.apache.spark.ml.classification.DecisionTreeClassificationModel(
            "research_model", nodes[0], len(features), CLASSES
        )
    )
    model.setFeaturesCol(FEATURES_COLUMN)
    assembler = VectorAssembler(inputCols=features, outputCol=FEATURES_COLUMN, handleInvalid="error")
    return PipelineModel(stages=[assembler, model])


def to_sql(tree: DecisionTreeClassifier) -> str:
    """Make the tree one SQL expression, for Spark, DuckDB and any engine that has CASE and DOUBLE.

    Args:
        tree: A fitted tree of two classes; its feature names are the columns.

    Returns:
        An expression for the probability of True; NULL where a feature that the tree uses is missing.

    Raises:
        HandOverError: If the tree can't be handed over exactly.
    """
    check_tree(tree)
    fitted = tree.tree_
    names = [f"CAST({name} AS DOUBLE)" for name in tree.feature_names_in_]
    texts = [""] * fitted.node_count
    for node in reversed(range(fitted.node_count)):
        left, right = fitted.children_left[node], fitted.children_right[node]
        if left == NO_CHILD:
            texts[node] = _literal(float(fitted.value[node, 0, 1]))
        else:
            test = f"{names[fitted.feature[node]]} <= {_literal(float(fitted.threshold[node]))}"
            texts[node] = f"CASE WHEN {test} THEN {texts[left]} ELSE {texts[right]} END"
    used = sorted({int(feature) for feature in fitted.feature if feature >= 0})
    if not used:
        return texts[0]
    # NaN is no number to compare: engines differ in whether it is larger than all others.
    missing = " OR ".join(f"{names[feature]} IS NULL OR {names[feature]} = CAST('NaN' AS DOUBLE)" for feature in used)
    return f"CASE WHEN {missing} THEN NULL ELSE {texts[0]} END"


def to_narwhals(tree: DecisionTreeClassifier) -> nw.Expr:
    """Make the tree one Narwhals expression, for every engine that Narwhals knows.

    Args:
        tree: A fitted tree of two classes; its feature names are the columns, float32 or float64.

    Returns:
        An expression for the probability of True (Float64), bit for bit that of scikit-learn; null where a feature that
        the tree uses is missing.

    Raises:
        HandOverError: If the tree has other classes than False and True, or knows no names of columns.
    """
    import numpy as np

    check_classes(tree)
    fitted = tree.tree_
    names = [str(name) for name in tree.feature_names_in_]
    expressions: list[nw.Expr] = [nw.lit(float(value)) for value in fitted.value[:, 0, 1]]
    for node in reversed(range(fitted.node_count)):
        left, right = int(fitted.children_left[node]), int(fitted.children_right[node])
        if left == NO_CHILD:
            continue
        # The largest float32 that is not above the threshold decides alike in whichever type an engine compares.
        threshold = np.float32(fitted.threshold[node])
        if threshold > fitted.threshold[node]:
            threshold = np.nextafter(threshold, np.float32(-np.inf))
        is_left = nw.col(names[fitted.feature[node]]) <= float(threshold)
        expressions[node] = nw.when(is_left).then(expressions[left]).otherwise(expressions[right])
    probability = expressions[0]
    if used := sorted({names[feature] for feature in fitted.feature if feature >= 0}):
        missing = nw.any_horizontal(*(nw.col(name).is_null() for name in used), ignore_nulls=False)
        probability = nw.when(~missing).then(probability)
    return probability.cast(nw.Float64)


def _literal(number: float) -> str:
    """Write a double so that every engine reads back the same bits: 17 digits tell any two apart."""
    return f"CAST('{number!r}' AS DOUBLE)"
