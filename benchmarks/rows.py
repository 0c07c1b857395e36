"""What checking a million rows costs on Spark: by Spark's own expressions, and by Polars in its executors' Python.

Both run in turn in one warm session, with the settings of prod: the same node on the same table, with the table of the
result written. What they write is compared row by row. With other load on the machine, CPU seconds say more than the
clock; they are those of Python, the JVM and the executors' Python together.

    python benchmarks/rows.py [--rows 1000000] [--runs 3]
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import polars as pl
from kedro.config import OmegaConfigLoader
from measuring import KEDRO, describe_machine, run_process

from kedro_handover.spark.row_local import DECISION, SETTING
from kedro_handover.spark.session import configure_spark, get_spark
from kedro_handover.text_tables.spark_dataset import SparkTextTableDataset
from premises.pipelines.data_engineering.ingest import check_premises, find_repeated_ids, list_barris, read_census
from premises.pipelines.data_engineering.parameters import CensusParameters
from premises.settings import CONFIG_LOADER_ARGS

MILLION = 1_000_000
WAYS = {"Spark's expressions": "false", "Polars in the executors": "local"}
CENSUS = CensusParameters(vintage=2016, rejected_share=0.01)
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds():
    """Add up the CPU seconds of all processes of this session, with those of their children that have ended."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == os.getsid(0):
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=MILLION)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    if os.getsid(0) != os.getpid():
        os.setsid()
    conf = Path(__file__).parent.parent / "conf"
    configure_spark(OmegaConfigLoader(str(conf), env="prod", **CONFIG_LOADER_ARGS)["spark"])
    took = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="premises-rows-") as name:
        folder = Path(name)
        params = f"--params=storage={folder},format=parquet,rows={given.rows}"
        run_process([*KEDRO, "run", "--pipelines=synthetic_census", params])
        spark = get_spark()
        (file,) = folder.glob("01_raw/*.parquet")
        read_census(SparkTextTableDataset(filepath=str(file)).load(), CENSUS).write.parquet(f"{folder}/raw")
        raw = spark.read.parquet(f"{folder}/raw")
        find_repeated_ids(raw, CENSUS).write.parquet(f"{folder}/repeated")
        repeated = spark.read.parquet(f"{folder}/repeated")
        barris = spark.createDataFrame(list_barris(repeated).read_pandas())
        rows = {}
        for run in range(given.runs + 1):  # the first warms the JVM up
            for way, polars in WAYS.items():
                spark.conf.set(SETTING, polars)
                spark.conf.unset(DECISION)
                cpu, start = cpu_seconds(), time.perf_counter()
                check_premises(raw, repeated, barris, CENSUS).write.mode("overwrite").parquet(f"{folder}/checked")
                if run:
                    took[way].append((time.perf_counter() - start, cpu_seconds() - cpu))
                else:
                    checked = pl.read_parquet(f"{folder}/checked/*.parquet")
                    rows[way] = checked.height, checked.hash_rows(seed=0).sum()
        spark.stop()
    if len(set(rows.values())) > 1:
        sys.exit(f"The two do not write the same rows: {rows}")
    print(describe_machine())
    print(f"\n`check_premises` on {given.rows:,} rows, medians of {given.runs} runs, for a million rows:\n")
    print("| | seconds | CPU seconds |\n| --- | ---: | ---: |")
    for way, runs in took.items():
        print(
            f"| {way} |",
            " | ".join(f"{median(one) * MILLION / given.rows:.1f}" for one in zip(*runs, strict=True)),
            "|",
        )


if __name__ == "__main__":
    main()
