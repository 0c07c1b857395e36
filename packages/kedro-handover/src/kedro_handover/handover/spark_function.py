"""Makes a description a function of Spark, in Java: no Python runs on the executors."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from kedro_handover.errors import HandOverError
from kedro_handover.handover.description import Description
from kedro_handover.handover.jar import find_jar
from kedro_handover.tasks import name_probability

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.types import StructType

CLASS = "kedro.handover.Model"
ARRAYS = (
    "step_kind",
    "step_source",
    "step_argument",
    "step_then",
    "features",
    "table_offsets",
    "table_numbers",
    "table_values",
    "table_missing",
    "table_unknown",
    "table_refuses",
    "feature",
    "threshold",
    "left",
    "right",
    "missing_left",
    "category_set",
    "set_offsets",
    "set_codes",
    "roots",
    "tree_output",
    "values",
    "start",
    "coefficients",
)
SCORED = "_handed_over"


def make_column(description: Description, spark: SparkSession, *, with_score: bool = False) -> Column:
    """Make the column that a model gives.

    Args:
        description: The model.
        spark: The session; the jar is added to it where it is not there yet.
        with_score: Whether to give raw scores too.

    Returns:
        A struct of `probability` and `label` (the number of the class), or of `prediction` for a regression; and of
        `score` where it is asked for. It is null where the library would raise an error.

    Raises:
        HandOverError: If the session has no JVM that a jar can be added to.
    """
    from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
    from pyspark.sql import types as T  # noqa: N812

    several = T.ArrayType(T.DoubleType(), containsNull=False)
    score = [T.StructField("score", several)] if with_score else []
    if description.task == "regression":
        fields = [T.StructField("prediction", T.DoubleType()), *score]
    else:
        share = several if description.task == "multiclass" else T.DoubleType()
        fields = [T.StructField("probability", share), T.StructField("label", T.IntegerType()), *score]
    numbers: list[Column] = []
    texts: list[Column] = []
    for column in description.inputs:
        value = F.col(f"`{column.name.replace('`', '``')}`")
        if column.type == "text":
            texts.append(value.cast("string"))
        else:
            numbers.append((value.cast("float") if column.type == "float32" else value).cast("double"))
    name = f"handed_over_{description.digest[:12]}{'_with_score' if with_score else ''}"
    _register(name, T.StructType(fields), description, spark, with_score=with_score)
    return F.call_udf(name, F.array(*numbers).cast("array<double>"), F.array(*texts).cast("array<string>"))


def score_on_spark(description: Description, frame: DataFrame, *, a_column_each: bool = False) -> DataFrame:
    """Score a frame of Spark.

    Args:
        description: The model.
        frame: The columns that the model reads, and any others.
        a_column_each: Whether more than two classes have a column each, instead of an array.

    Returns:
        The frame with `probability` (an array for more than two classes; none for a regression) and `prediction`.

    Raises:
        HandOverError: If a column is missing or of another kind, or the session takes no jar.
    """
    from pyspark.sql import functions as F  # noqa: N812

    check_columns(description, frame)
    scored = frame.withColumn(SCORED, make_column(description, frame.sparkSession))
    result = F.col(SCORED)
    if description.task == "regression":
        return scored.withColumn("prediction", result["prediction"]).drop(SCORED)
    label = result["label"]
    classes = F.array(*[F.lit(name) for name in description.classes])
    if description.task == "binary":
        first, second = (F.lit(name) for name in description.classes)
        prediction = F.when(label == 1, second).when(label == 0, first)
        if description.classes == (False, True):
            prediction = label == 1
    else:
        prediction = F.element_at(classes, label + 1)
    given = {"probability": result["probability"]}
    if description.task == "multiclass" and a_column_each:
        given = {name_probability(n): result["probability"][n] for n in range(len(description.classes))}
    return scored.withColumns({**given, "prediction": prediction}).drop(SCORED)


def check_columns(description: Description, frame: DataFrame) -> None:
    """See that a frame of Spark has the columns of the model, in types that hold them.

    Args:
        description: The model.
        frame: The frame.

    Raises:
        HandOverError: If a column is missing, or its type would cut what is in it.
    """
    from pyspark.sql import types as T  # noqa: N812

    types = {name.lower(): field.dataType for name, field in zip(frame.columns, frame.schema, strict=True)}
    if missing := [column.name for column in description.inputs if column.name.lower() not in types]:
        msg = f"The table lacks {', '.join(map(repr, missing))}, which the model reads. Add or rename the columns."
        raise HandOverError(msg)
    for column in description.inputs:
        type_ = types[column.name.lower()]
        if column.type == "text":
            fits = isinstance(type_, T.StringType)
        elif column.type == "float32":
            fits = isinstance(type_, T.FloatType | T.ByteType | T.ShortType | T.BooleanType)
        else:
            fits = isinstance(type_, T.NumericType | T.BooleanType) and not isinstance(type_, T.DecimalType)
        if not fits:
            wanted = {"text": "string", "float32": "float", "float64": "double"}[column.type]
            msg = (
                f"The column {column.name!r} is {type_.simpleString()}, and the model was handed over with {wanted}: "
                f"its values could be cut. Cast the column to {wanted}, or hand the model over with rows of this type."
            )
            raise HandOverError(msg)


def _register(name: str, type_: StructType, description: Description, spark: SparkSession, *, with_score: bool) -> None:
    """Register the Java function in the session, once, from the class loader where jars are that were added later."""
    session: Any = spark
    if not hasattr(session, "_jsparkSession"):
        msg = (
            "The session is a Spark Connect client, which has no JVM here to make the Java function in. Score in a "
            "session on the cluster itself, use SQL (to_sql), or pass as_library=True to hand_over."
        )
        raise HandOverError(msg)
    jvm, gateway = session._jvm, session.sparkContext._gateway  # noqa: SLF001 - pyspark offers no other way
    functions = session._jsparkSession.sessionState().functionRegistry()  # noqa: SLF001
    # The name has the model's digest in it, so what has it already is this model.
    if functions.functionExists(jvm.org.apache.spark.sql.catalyst.FunctionIdentifier(name)):
        return
    given = (
        functions,
        name,
        jvm.org.apache.spark.sql.types.DataType.fromJson(type_.json()),
        write_for_java(description),
        description.digest,
        with_score,
    )
    arguments = gateway.new_array(jvm.java.lang.Object, len(given))
    for place, argument in enumerate(given):
        arguments[place] = argument
    for method in _load_class(session).getMethods():
        if method.getName() == "register":
            method.invoke(None, arguments)
            return
    msg = f"The jar in the session has no {CLASS}.register: it is of another version. Remove it from spark.jars."
    raise HandOverError(msg)


def _load_class(session: Any) -> Any:
    from py4j.protocol import Py4JJavaError

    def load() -> Any:
        # From Spark 4 on, each session has a class loader for what is added to it; before, they share one.
        java = session._jsparkSession  # noqa: SLF001 - pyspark offers no other way
        if hasattr(java, "artifactManager") and session.version >= "4":
            return java.artifactManager().classloader().loadClass(CLASS)
        return java.sharedState().jarClassLoader().loadClass(CLASS)

    def is_unknown(error: Py4JJavaError) -> bool:
        return "ClassNotFoundException" in str(error.java_exception.getClass().getName())

    try:
        return load()
    except Py4JJavaError as error:
        if not is_unknown(error):
            raise
    jar = find_jar()
    session.sql(f"ADD JAR '{jar}'")
    try:
        return load()
    except Py4JJavaError as error:
        if not is_unknown(error):
            raise
        msg = (
            f"This session takes no jar after its start. Start it with spark.jars={jar}, or install it on the cluster."
        )
        raise HandOverError(msg) from error


def write_for_java(description: Description) -> bytes:
    """Write what the Java function reads: named arrays, the highest byte first.

    Args:
        description: The model.

    Returns:
        For each array: its name, `i`, `d` or `s`, its length, and its values.
    """
    parts: list[bytes] = []
    for name in ARRAYS:
        array = np.ravel(getattr(description, name))
        kind = "i" if array.dtype == np.int32 else "d"
        parts += [_text(name), struct.pack(">ci", kind.encode(), len(array))]
        parts.append(array.astype(">i4" if kind == "i" else ">f8").tobytes())
    cut = np.nan if description.cut is None else description.cut
    above = np.nan if description.above is None else description.above
    options = (description.divisor, description.link_scale, cut, above)
    parts += [_text("options"), struct.pack(">ci4d", b"d", len(options), *options)]
    words = (description.task, description.link, description.sum_type, description.link_type)
    parts += [_text("words"), *_texts(words), _text("table_texts"), *_texts(description.table_texts)]
    return b"".join(parts)


def _text(text: str) -> bytes:
    return struct.pack(">i", len(text.encode())) + text.encode()


def _texts(texts: Iterable[str]) -> list[bytes]:
    written = [_text(text) for text in texts]
    return [struct.pack(">ci", b"s", len(written)), *written]
