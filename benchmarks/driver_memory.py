"""Does the driver's memory grow with the rows? Run `data_engineering` with executors in processes of their own.

Generates a census as a folder of Parquet, and runs `data_engineering` in prod on Spark's `local-cluster`: two executors
of one core and 2 GiB, and a driver of 1 GiB. Prints a Markdown table: the largest resident memory of the driver (its
JVM, and Python beside it) and of an executor's JVM, looked at every half second.

    .venv/bin/python benchmarks/driver_memory.py --rows 1000000 10000000     a quarter of an hour on two cores
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil
from measuring import PROJECT, describe_machine

CLUSTER = "local-cluster[2,1,2048]"
DRIVER = "1g"
EXECUTOR = "CoarseGrainedExecutorBackend"
MIB = 1 << 20


def make_configuration(folder):
    """Copy the project's configuration, with a cluster in the place of `local[*]` and little memory for the driver."""
    conf = folder / "conf"
    shutil.copytree(PROJECT / "conf", conf)
    settings = conf / "prod" / "spark.yml"
    text = settings.read_text(encoding="utf-8")
    text = text.replace("spark.driver.memory: 4g", f"spark.driver.memory: {DRIVER}")
    text = text.replace('${runtime_params:master,"local[*]"}', f'"{CLUSTER}"')
    settings.write_text(f"{text}spark.executor.memory: 2g\n", encoding="utf-8")
    return conf


def kedro(log, *options):
    """Start `kedro run`; what it says, and what executors say as they are ended, goes to a log."""
    command = [sys.executable, "-m", "kedro", "run", *options]
    return subprocess.Popen(command, cwd=PROJECT, stdout=log.open("w"), stderr=subprocess.STDOUT)


def name_process(process):
    """Tell the driver's JVM, an executor's and Python from each other."""
    line = " ".join(process.cmdline())
    if EXECUTOR in line:
        return "executor"
    return "driver" if "SparkSubmit" in line else "python"


def watch(run, log):
    """Wait for a run; give the largest resident MiB of each kind of process."""
    peak = defaultdict(int)
    root = psutil.Process(run.pid)
    while run.poll() is None:
        for process in [root, *root.children(recursive=True)]:
            try:
                kind = name_process(process)
                peak[kind] = max(peak[kind], process.memory_info().rss // MIB)
            except psutil.Error:  # it has ended meanwhile
                continue
        time.sleep(0.5)
    if run.returncode:
        sys.exit(log.read_text(encoding="utf-8")[-2_000:])
    return peak


def main():
    """Measure each size, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    sizes = parser.parse_args().rows
    print(describe_machine())
    print(f"\nA driver of {DRIVER}, {CLUSTER}.\n")
    print("| rows | seconds | driver's JVM, MiB | its Python, MiB | an executor's JVM, MiB |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        conf, log = make_configuration(Path(folder)), Path(folder) / "log.txt"
        for rows in sizes:
            storage = f"{folder}/{rows}"
            of_parquet = f"--params=format=parquet,storage={storage}"
            watch(kedro(log, "--pipelines=synthetic_census", f"{of_parquet},rows={rows}"), log)
            start = time.monotonic()
            run = kedro(log, "--env=prod", "--pipelines=data_engineering", f"--conf-source={conf}", of_parquet)
            peak = watch(run, log)
            seconds = time.monotonic() - start
            print(
                f"| {rows:,} | {seconds:.0f} | {peak['driver']:,} | {peak['python']:,} | {peak['executor']:,} |",
                flush=True,
            )
            shutil.rmtree(storage)


if __name__ == "__main__":
    main()
