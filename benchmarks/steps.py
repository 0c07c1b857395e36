"""Single steps on Dask or on Spark: the same rows, written to Parquet each; started by `engines.py`.

python benchmarks/steps.py dask|spark PREMISES.parquet SECONDS.json
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

RUNS = 3
KEYS = ["district_id", "census_section", "premises_id"]


def dask_steps(premises):
    """Give each step as a lazy frame of Dask."""
    import dask.dataframe as dd

    frame = dd.read_parquet(premises, dtype_backend="pyarrow")
    left, right = frame[["premises_id", "street", "x_mm"]], frame[["premises_id", "name", "y_mm"]]
    return {
        "sort by three keys": frame.sort_values(KEYS),
        "order by a new index (set_index)": frame.set_index("premises_id"),
        "merge of two tables of all rows": left.merge(right, on="premises_id"),
        "group-by of many groups (shuffle)": frame.groupby(["street", "street_number"], dropna=False)
        .agg({"x_mm": "sum", "surveyed_on": "max", "premises_id": "count"}, split_out=8, shuffle_method="tasks")
        .reset_index(),
        "distinct in groups (shuffle)": frame.groupby("census_section")["cadastral_reference"]
        .nunique(split_out=8)
        .to_frame()
        .reset_index(),
    }


def write_dask(frame, folder):
    frame.to_parquet(folder, overwrite=True)


def spark_steps(premises):
    """Give each step as a frame of Spark, with the settings of the environment prod."""
    from kedro.config import OmegaConfigLoader
    from pyspark.sql import functions as F  # noqa: N812

    from kedro_handover.spark.session import configure_spark, get_spark
    from premises.settings import CONFIG_LOADER_ARGS

    conf = Path(__file__).parent.parent / "conf"
    configure_spark(OmegaConfigLoader(str(conf), env="prod", **CONFIG_LOADER_ARGS)["spark"])
    frame = get_spark().read.parquet(premises)
    left, right = frame.select("premises_id", "street", "x_mm"), frame.select("premises_id", "name", "y_mm")
    return {
        "sort by three keys": frame.orderBy(*KEYS),
        "order by a new index (set_index)": frame.repartitionByRange("premises_id").sortWithinPartitions("premises_id"),
        "merge of two tables of all rows": left.join(right, "premises_id"),
        "group-by of many groups (shuffle)": frame.groupBy("street", "street_number").agg(
            F.sum("x_mm"), F.max("surveyed_on"), F.count("premises_id")
        ),
        "distinct in groups (shuffle)": frame.groupBy("census_section").agg(F.countDistinct("cadastral_reference")),
    }


def write_spark(frame, folder):
    frame.write.mode("overwrite").parquet(folder)


def main():
    engine, premises, said = sys.argv[1:]
    make, write = {"dask": (dask_steps, write_dask), "spark": (spark_steps, write_spark)}[engine]
    seconds = {}
    with tempfile.TemporaryDirectory(prefix="premises-steps-") as folder:
        for step, frame in make(premises).items():
            took = []
            for _ in range(RUNS):
                start = time.perf_counter()
                write(frame, f"{folder}/step")
                took.append(time.perf_counter() - start)
            seconds[step] = round(median(took), 2)
            print(f"{engine}, {step}: {seconds[step]} s", file=sys.stderr, flush=True)
    Path(said).write_text(json.dumps(seconds), encoding="utf-8")


if __name__ == "__main__":
    main()
