"""Archive Spark's classes, so that a session starts sooner: `python -m kedro_handover.spark.class_archive`.

Each time that Spark starts and runs its first jobs, Java reads and checks some 15,000 classes. From an archive ("class
data sharing") it takes them as they were in memory. The archive is of one Java, one Spark and one Python environment,
and `configure_spark` names it to every session of this environment. Java leaves alone what was made with other jars, so
an upgrade needs a new archive, and no cleaning.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812

from kedro_handover._compat import get_gateway, get_jvm
from kedro_handover.errors import SparkError
from kedro_handover.spark.session import JAVA_OPTIONS, configure_spark, find_class_archive, get_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def make_class_archive() -> Path:
    """Run a small session on this machine, and keep the classes that Java has loaded for it.

    Returns:
        The archive, some 150 MB; one that was there is removed before.

    Raises:
        SparkError: If Spark does not start; if Java has left no archive, or one that it does not take.
    """
    archive = find_class_archive()
    archive.unlink(missing_ok=True)
    with TemporaryDirectory(dir=archive.parent, prefix=".spark-classes-") as folder:
        made = Path(folder) / archive.name
        configure_spark(
            {
                "spark.master": "local[2]",
                "spark.driver.host": "127.0.0.1",
                "spark.driver.bindAddress": "127.0.0.1",
                "spark.ui.enabled": False,
                "spark.ui.showConsoleProgress": False,
                "spark.log.level": "OFF",
                "spark.sql.shuffle.partitions": 2,
                JAVA_OPTIONS: (
                    f"-XX:+IgnoreUnrecognizedVMOptions -XX:ArchiveClassesAtExit={shlex.quote(str(made))} -Xlog:disable "
                    "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
                ),
            }
        )
        spark = get_spark()
        _run_jobs(spark, Path(folder) / "rows")
        gateway, system = get_gateway(spark.sparkContext), get_jvm(spark.sparkContext).java.lang.System
        home, jars = system.getProperty("java.home"), system.getProperty("java.class.path")
        spark.stop()
        gateway.shutdown()
        gateway.proc.stdin.close()  # at which Java writes the archive, and ends
        gateway.proc.wait()
        java = [f"{home}/bin/java", "-Xshare:on", f"-XX:SharedArchiveFile={made}", "-cp", jars, "-version"]
        tried = run(java, capture_output=True, check=False)  # noqa: S603 - the Java of Spark
        if tried.returncode:
            msg = f"Java left no archive in {archive.parent}. It needs 150 MB of disk, and a Java 17: this is {home}."
            raise SparkError(msg)
        made.replace(archive)
    return archive


def _run_jobs(spark: SparkSession, folder: Path) -> None:
    """Do what most runs do: write and read a table, clean, join, rank and count its rows."""
    numbers = spark.range(1_000).selectExpr("id", "trim(cast(id as string)) as text", "cast(id % 7 as float) as x")
    numbers.write.parquet(str(folder))
    rows = spark.read.parquet(str(folder)).where("text rlike '[0-9]+'")
    counts = rows.groupBy("x").agg(F.count("*").alias("n"), F.max("text").alias("last"))
    place = F.row_number().over(Window.partitionBy("x").orderBy("id"))
    rows.join(counts, "x", "left").withColumn("place", place).orderBy("id").limit(10).toPandas()


if __name__ == "__main__":
    make_class_archive()
