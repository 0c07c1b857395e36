"""Score a release and train its counterparts on Spark 2.4 with Python 3.7, without any other file of the project.

    spark-submit production.py --bundle FOLDER --model-input PARQUET --output FOLDER

`make spark24-bundle` makes the bundle: `bundle.json` and the models. The table
`model_input` has `id`, `split`, `fold`, `label`, `group` if there is one, and the features. The output has one Parquet
table for each way of scoring, with `id`, `split`, `group`, `label`, `probability` and `prediction`:

- `sql`, `mllib_tree`: the research model that was handed over, as an SQL expression and as MLlib's tree;
- `mojo`: H2O's model of production, which scores without H2O's cluster;
- `mllib`, `h2o`: trained here anew, with the hyperparameters of research.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import hashlib
import json
import secrets
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SPARK = "2.4."
JAVA = "1.8."
LABEL = "h2o_or_mllib_label"
USER = "kedro-handover"
PORTS = range(54300, 60000, 100)


def main() -> None:
    """Score and train; each step says what it does in one line."""
    arguments = parse_arguments()
    bundle = json.loads((arguments.bundle / "bundle.json").read_text(encoding="utf-8"))
    spark = start_spark()
    rows = spark.read.parquet(arguments.model_input)
    missing = [name for name in bundle["features"] if name not in rows.columns]
    if missing:
        sys.exit(f"{arguments.model_input} has no column {', '.join(missing)}, which the model needs.")
    rows.cache()
    say(f"{rows.count():,} rows on Spark {spark.version}.")
    works = [("sql", score_with_sql), ("mllib_tree", score_with_mllib_tree), ("mojo", score_with_mojo)]
    if not arguments.score_only:
        works += [("mllib", train_mllib), ("h2o", train_h2o)]
    for name, work in works:
        if name in bundle["ways"]:
            say(f"{name}: {work.__doc__}")
            write(work(rows, bundle, arguments.bundle), bundle["threshold"], f"{arguments.output}/{name}")
    spark.stop()


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", required=True, type=Path, help="the folder that `make spark24-bundle` made")
    parser.add_argument("--model-input", required=True, help="a Parquet table, wherever Spark finds it")
    parser.add_argument("--output", required=True, help="a folder for the tables, wherever Spark writes to")
    parser.add_argument("--score-only", action="store_true", help="train nothing")
    return parser.parse_args()


def say(text: str) -> None:
    """Tell who has started this; it passes each line on."""
    print(text, flush=True)


def start_spark() -> Any:
    """Start Spark, or take that of spark-submit; refuse another version than this script is for."""
    import pyspark
    from pyspark.sql import SparkSession

    if not pyspark.__version__.startswith(SPARK):
        sys.exit(
            f"This script needs Spark 2.4; here is {pyspark.__version__}, for which there is `kedro run --env=prod`."
        )
    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    java = spark.sparkContext._jvm.System.getProperty("java.version")
    if not java.startswith(JAVA):
        sys.exit(f"Spark 2.4 needs Java 8; JAVA_HOME has Java {java}.")
    return spark


def score_with_sql(rows: Any, bundle: dict[str, Any], folder: Path) -> Any:
    """Score with the SQL expression."""
    from pyspark.sql import functions

    return rows.withColumn("probability", functions.expr(bundle["sql"]))


def score_with_mllib_tree(rows: Any, bundle: dict[str, Any], folder: Path) -> Any:
    """Score with the tree that was handed over to MLlib."""
    from pyspark.ml import PipelineModel

    return second_class(PipelineModel.load(url(folder / "mllib_tree")).transform(rows))


def score_with_mojo(rows: Any, bundle: dict[str, Any], folder: Path) -> Any:
    """Score with H2O's model of production."""
    load_sparkling_water()
    from ai.h2o.sparkling.ml.models import H2OMOJOModel, H2OMOJOSettings

    settings = H2OMOJOSettings(**bundle["mojo_settings"])
    return true_class(H2OMOJOModel.createFromMojo(url(folder / "mojo.zip"), settings).transform(rows))


def train_mllib(rows: Any, bundle: dict[str, Any], folder: Path) -> Any:
    """Train MLlib's decision tree."""
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import DecisionTreeClassifier
    from pyspark.ml.feature import VectorAssembler

    found = bundle["hyperparameters"]
    tree = DecisionTreeClassifier(
        featuresCol="features",
        labelCol=LABEL,
        maxDepth=found["max_depth"],
        minInstancesPerNode=found["min_samples_leaf"],
        impurity="gini" if found["criterion"] == "gini" else "entropy",
        maxBins=bundle["max_bins"],
        seed=bundle["seed"],
    )
    assembler = VectorAssembler(inputCols=bundle["features"], outputCol="features")
    model = Pipeline(stages=[assembler, tree]).fit(training_rows(rows, "double"))
    return second_class(model.transform(rows))


def train_h2o(rows: Any, bundle: dict[str, Any], folder: Path) -> Any:
    """Train H2O's decision tree in a cluster of its own, closed to all others."""
    load_sparkling_water()
    spark = rows.sql_ctx.sparkSession
    context = start_h2o(spark)
    from ai.h2o.sparkling.ml.algos.classification import H2ODRFClassifier

    found, h2o = bundle["hyperparameters"], bundle["h2o"]
    tree = H2ODRFClassifier(
        featuresCols=bundle["features"],
        labelCol=LABEL,
        ntrees=1,
        mtries=-2,
        sampleRate=1.0,
        maxDepth=found["max_depth"],
        minRows=float(found["min_samples_leaf"]),
        minSplitImprovement=0.0,
        nbins=h2o["bins"],
        nbinsTopLevel=h2o["bins"],
        histogramType=h2o["histogram"],
        convertUnknownCategoricalLevelsToNa=h2o["unknown_as_missing"],
        ignoreConstCols=False,
        seed=bundle["seed"],
    )
    try:
        model = tree.fit(training_rows(rows, "string"))
    finally:
        context.stop()
    return true_class(model.transform(rows))


def load_sparkling_water() -> None:
    """Put the jar of Sparkling Water on the running Spark."""
    from ai.h2o.sparkling.Initializer import Initializer

    Initializer.load_sparkling_jar()


def start_h2o(spark: Any) -> Any:
    """Start H2O on loopback, or the driver's address on a cluster, with a password that each request needs."""
    from ai.h2o.sparkling.H2OConf import H2OConf
    from ai.h2o.sparkling.H2OContext import H2OContext

    jvm = spark.sparkContext._jvm
    host = spark.sparkContext.getConf().get("spark.driver.host")
    folder = Path(tempfile.mkdtemp(prefix="h2o-"))
    atexit.register(shutil.rmtree, str(folder), ignore_errors=True)
    password, login = secrets.token_hex(32), folder / f"{folder.name}.conf"
    login.touch(mode=0o600)
    login.write_text(f"{USER}: MD5:{hashlib.md5(password.encode()).hexdigest()}\n", encoding="ascii")
    conf = H2OConf()
    conf.setHashLoginEnabled().setLoginConf(str(login)).setUserName(USER).setPassword(password)
    conf.setClientIp(host).setBasePort(free_ports())
    conf.setProgressBarDisabled().setModelPrintAfterTrainingDisabled()
    conf.setClusterTopologyListenerDisabled()
    conf.setLogDir(str(folder / "logs")).setIcedDir(str(folder / "iced"))
    if host == "127.0.0.1":
        conf.setExtraProperties(f"-ip {host} -web_ip {host}")
    with listen_only_on(jvm, host):
        context = H2OContext.getOrCreate(conf)
    # Nothing here needs the proxy of H2O's web pages.
    getattr(getattr(jvm.ai.h2o.sparkling.backend.utils, "ProxyStarter$"), "MODULE$").stopFlowProxy()
    return context


@contextlib.contextmanager
def listen_only_on(jvm: Any, host: str) -> Iterator[None]:
    """Have what Java binds to all interfaces meanwhile bind to one address; no setting does so for H2O's proxy."""
    impl_field = jvm.java.lang.Class.forName("java.net.InetAddress").getDeclaredField("impl")
    impl_field.setAccessible(True)
    impl = impl_field.get(None)
    wildcard_field = impl.getClass().getDeclaredField("anyLocalAddress")
    wildcard_field.setAccessible(True)
    all_interfaces = jvm.java.net.InetSocketAddress(0).getAddress()
    wildcard_field.set(impl, jvm.java.net.InetAddress.getByName(host))
    try:
        yield
    finally:
        wildcard_field.set(impl, all_interfaces)


def free_ports() -> int:
    """Find two ports for H2O: the one that is given, and the next."""
    for first in PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", first))
            except OSError:
                continue
            return first + 1
    sys.exit(f"No port from {PORTS[0]} to {PORTS[-1]} is free for H2O on this machine. End other runs.")


def training_rows(rows: Any, kind: str) -> Any:
    """Take the training split, with the label in the type that a trainer wants."""
    from pyspark.sql import functions

    return rows.where(functions.col("split") == "train").withColumn(LABEL, functions.col("label").cast(kind))


def second_class(scored: Any) -> Any:
    """Take the probability of the second class out of MLlib's vector; Spark 2.4 has no function for it."""
    from pyspark.sql import functions
    from pyspark.sql.types import DoubleType

    take = functions.udf(lambda vector: float(vector[1]), DoubleType())
    return scored.withColumn("probability", take(functions.col("probability")))


def true_class(scored: Any) -> Any:
    """Take the probability of the positive class out of what H2O gives."""
    from pyspark.sql import functions

    return scored.withColumn("probability", functions.col("detailed_prediction.probabilities.true"))


def write(scored: Any, threshold: float, path: str) -> None:
    """Write a predictions table."""
    from pyspark.sql import functions

    columns = [name for name in ("id", "split", "group", "label") if name in scored.columns]
    predicted = functions.col("probability") > threshold
    scored.select(*columns, "probability", predicted.alias("prediction")).write.parquet(path, mode="overwrite")


def url(path: Path) -> str:
    """Give a path of this machine as Spark takes it, whatever its default file system is."""
    return path.resolve().as_uri()


if __name__ == "__main__":
    main()
