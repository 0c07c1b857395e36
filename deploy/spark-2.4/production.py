"""Score a release and train its counterparts on Spark 2.4 with Python 3.7, without any other file of the project.

    spark-submit production.py --bundle FOLDER --model-input PARQUET --output FOLDER

`make package` makes the bundle (`bundle.json`, the models, this script, its locked requirements). The table
`model_input` has `id`, `split`, `fold`, `label`, `group` if there is one, and the features. The output has one Parquet
table for each way of scoring, with `id`, `split`, `group`, `label`, `probability` and `prediction`:

- `sql`, `mllib_tree`: the research model that was handed over, as an SQL expression and as MLlib's tree;
- `mojo`: H2O's model of production, which scores without H2O's cluster;
- `mllib`, `h2o`: trained here anew, with the hyperparameters of research.
"""

from __future__ import print_function

import argparse
import atexit
import hashlib
import io
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile

SPARK = "2.4."
JAVA = "1.8."
LABEL = "h2o_or_mllib_label"
USER = "kedro-handover"
PORTS = range(54300, 60000, 100)


def main():
    """Score and train; each step says what it does in one line."""
    arguments = parse_arguments()
    with io.open(os.path.join(arguments.bundle, "bundle.json"), encoding="utf-8") as file:
        bundle = json.load(file)
    spark = start_spark()
    rows = spark.read.parquet(arguments.model_input)
    missing = [name for name in bundle["features"] if name not in rows.columns]
    if missing:
        sys.exit("%s has no column %s, which the model needs." % (arguments.model_input, ", ".join(missing)))
    rows.cache()
    say("%d rows on Spark %s." % (rows.count(), spark.version))
    works = [("sql", score_with_sql), ("mllib_tree", score_with_mllib_tree), ("mojo", score_with_mojo)]
    if not arguments.score_only:
        works += [("mllib", train_mllib), ("h2o", train_h2o)]
    for name, work in works:
        if name in bundle["ways"]:
            say("%s: %s" % (name, work.__doc__.split(".")[0].lower()))
            write(work(rows, bundle, arguments.bundle), bundle["threshold"], os.path.join(arguments.output, name))
    spark.stop()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", required=True, help="the folder that `make package` made")
    parser.add_argument("--model-input", required=True, help="a Parquet table, wherever Spark finds it")
    parser.add_argument("--output", required=True, help="a folder for the tables, wherever Spark writes to")
    parser.add_argument("--score-only", action="store_true", help="train nothing")
    return parser.parse_args()


def say(text):
    print(text, flush=True)


def start_spark():
    """Start Spark, or take that of spark-submit; refuse another version than this script is for."""
    import pyspark
    from pyspark.sql import SparkSession

    if not pyspark.__version__.startswith(SPARK):
        sys.exit("This script is for Spark 2.4; here is %s. Use `kedro run --env=prod` there." % pyspark.__version__)
    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    java = spark.sparkContext._jvm.System.getProperty("java.version")
    if not java.startswith(JAVA):
        sys.exit("Spark 2.4 needs Java 8; JAVA_HOME has Java %s." % java)
    return spark


def score_with_sql(rows, bundle, folder):
    """Score with the SQL expression."""
    from pyspark.sql import functions

    return rows.withColumn("probability", functions.expr(bundle["sql"]))


def score_with_mllib_tree(rows, bundle, folder):
    """Score with the tree that was handed over to MLlib."""
    from pyspark.ml import PipelineModel

    return second_class(PipelineModel.load(url(os.path.join(folder, "mllib_tree"))).transform(rows))


def score_with_mojo(rows, bundle, folder):
    """Score with H2O's model of production."""
    load_sparkling_water()
    from ai.h2o.sparkling.ml.models import H2OMOJOModel, H2OMOJOSettings

    settings = H2OMOJOSettings(**bundle["mojo_settings"])
    return true_class(H2OMOJOModel.createFromMojo(url(os.path.join(folder, "mojo.zip")), settings).transform(rows))


def train_mllib(rows, bundle, folder):
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


def train_h2o(rows, bundle, folder):
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


def load_sparkling_water():
    from ai.h2o.sparkling.Initializer import Initializer

    Initializer.load_sparkling_jar()


def start_h2o(spark):
    """Start H2O on loopback, or the driver's address on a cluster, with a password that each request needs."""
    from ai.h2o.sparkling.H2OConf import H2OConf
    from ai.h2o.sparkling.H2OContext import H2OContext

    jvm = spark.sparkContext._jvm
    host = spark.sparkContext.getConf().get("spark.driver.host")
    folder = tempfile.mkdtemp(prefix="h2o-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    password, login = secrets.token_hex(32), os.path.join(folder, "%s.conf" % os.path.basename(folder))
    with io.open(os.open(login, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(u"%s: MD5:%s\n" % (USER, hashlib.md5(password.encode()).hexdigest()))
    conf = H2OConf()
    conf.setHashLoginEnabled().setLoginConf(login).setUserName(USER).setPassword(password)
    conf.setClientIp(host).setBasePort(free_ports())
    conf.setProgressBarDisabled().setModelPrintAfterTrainingDisabled()
    conf.setClusterTopologyListenerDisabled()
    conf.setLogDir(os.path.join(folder, "logs")).setIcedDir(os.path.join(folder, "iced"))
    if host == "127.0.0.1":
        conf.setExtraProperties("-ip %s -web_ip %s" % (host, host))
    context = H2OContext.getOrCreate(conf)
    # The proxy of H2O's web pages listens on all interfaces, and nothing here needs it.
    getattr(getattr(jvm.ai.h2o.sparkling.backend.utils, "ProxyStarter$"), "MODULE$").stopFlowProxy()
    return context


def free_ports():
    for first in PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", first))
            except OSError:
                continue
            return first + 1
    sys.exit("No port from %d to %d is free for H2O on this machine. End other runs." % (PORTS[0], PORTS[-1]))


def training_rows(rows, kind):
    from pyspark.sql import functions

    return rows.where(functions.col("split") == "train").withColumn(LABEL, functions.col("label").cast(kind))


def second_class(scored):
    """Take the probability of the second class out of MLlib's vector; Spark 2.4 has no function for it."""
    from pyspark.sql import functions
    from pyspark.sql.types import DoubleType

    take = functions.udf(lambda vector: float(vector[1]), DoubleType())
    return scored.withColumn("probability", take(functions.col("probability")))


def true_class(scored):
    from pyspark.sql import functions

    return scored.withColumn("probability", functions.col("detailed_prediction.probabilities.true"))


def write(scored, threshold, path):
    from pyspark.sql import functions

    columns = [name for name in ("id", "split", "group", "label") if name in scored.columns]
    predicted = functions.col("probability") > threshold
    scored.select(columns + ["probability", predicted.alias("prediction")]).write.parquet(path, mode="overwrite")


def url(path):
    """Give a path of this machine as Spark takes it whatever its default file system; a URL stays."""
    return path if "://" in path else "file://" + os.path.abspath(path)


if __name__ == "__main__":
    main()
