"""Compare `kedro run --env=prod` with the same work written by hand (`by_hand_spark.py`): whole processes, in turn.

Generates a census, runs both, checks that they made the same rows, and prints a Markdown report: medians, their ratio,
CPU seconds and memory with the JVM's, and where the time goes. With --cost-per-row, runs `data_engineering` and
`scoring` alone at three sizes instead, and prints what a million rows cost beyond a run of 1,000.

    python benchmarks/production.py                        the published size: about five minutes on two cores
    python benchmarks/production.py --rows 5000000         1.3 GB of CSV
    python benchmarks/production.py --cost-per-row         1, 5 and 20 million rows: 6 GB of CSV; 20 minutes
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

import yaml
from measuring import PROJECT, PUBLISHED_ROWS, Runs, compare_runs, describe_machine

BY_HAND_SPARK = Path(__file__).with_name("by_hand_spark.py")
PROMISED = 1.15
FEW_ROWS = 1_000
MILLION = 1_000_000
SIZES = (1 * MILLION, 5 * MILLION, 20 * MILLION)
PIPELINES = ("data_engineering", "scoring")
RELEASE = "06_models/release.json"


def start_runs(rows, folder):
    """Generate a census of so many rows."""
    return Runs(rows, folder, BY_HAND_SPARK, "--env=prod")


def measure_cost_per_row(sizes, runs, folder):
    """Run each of the pipelines alone at each size; give the report's lines."""
    settings = yaml.safe_load((PROJECT / "conf" / "prod" / "spark.yml").read_text(encoding="utf-8"))
    published = start_runs(PUBLISHED_ROWS, folder)
    published.run_pipeline()
    seconds, peak = {}, {}
    for rows in (FEW_ROWS, *sizes):
        of_size = start_runs(rows, folder)
        (of_size.storage / RELEASE).parent.mkdir(exist_ok=True)
        shutil.copy(published.storage / RELEASE, of_size.storage / RELEASE)
        for pipeline in PIPELINES:
            took = [of_size.run_pipeline(more=[f"--pipelines={pipeline}"])[0] for _ in range(runs)]
            seconds[pipeline, rows] = median(process.seconds for process in took)
            peak[pipeline, rows] = median(process.peak_mib for process in took)
            print(f"{pipeline}, {rows:,} rows: {seconds[pipeline, rows]:.1f} s", file=sys.stderr)
        of_size.remove_files()
    lines = [
        f"## Cost per row, {runs} runs of each, driver of {settings['spark.driver.memory']}",
        "",
        f"| | rows | seconds | beyond {FEW_ROWS:,} rows, per million | peak memory, MiB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for pipeline in PIPELINES:
        fixed = seconds[pipeline, FEW_ROWS]
        per_million = {rows: (seconds[pipeline, rows] - fixed) * MILLION / (rows - FEW_ROWS) for rows in sizes}
        lines += [f"| {pipeline} | {FEW_ROWS:,} | {fixed:.1f} | | {peak[pipeline, FEW_ROWS]:,.0f} |"]
        lines += [
            f"| | {rows:,} | {seconds[pipeline, rows]:.1f} | {per_million[rows]:.2f} | {peak[pipeline, rows]:,.0f} |"
            for rows in sizes
        ]
        ratio = per_million[sizes[-1]] / per_million[sizes[0]]
        lines += [f"| | last to first, at most {PROMISED} | | {ratio:.2f} | |"]
    return [*lines, ""]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, nargs="+", help="sizes of the census")
    arguments.add_argument("--runs", type=int, help="runs of each; by default 3, and 1 with --cost-per-row")
    arguments.add_argument("--cost-per-row", action="store_true", help="measure data_engineering and scoring alone")
    arguments.add_argument("--folder", type=Path, help="where the files go meanwhile; by default the system's own")
    arguments.add_argument("--output", type=Path, help="a file for the report, beside the terminal")
    given = arguments.parse_args()
    report = [describe_machine(), ""]
    with tempfile.TemporaryDirectory(prefix="premises-benchmark-", dir=given.folder) as name:
        folder = Path(name)
        # Byte code is written once, by a run that does not count, whatever this environment and earlier runs did of it.
        os.environ |= {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
        if given.cost_per_row:
            report += measure_cost_per_row(given.rows or SIZES, given.runs or 1, folder)
        else:
            first = start_runs(PUBLISHED_ROWS, folder)
            first.run_script()
            first.run_pipeline()
            first.remove_files()
            for rows in given.rows or [PUBLISHED_ROWS]:
                both = start_runs(rows, folder)
                report += compare_runs(both, given.runs or 3, PROMISED)
                both.remove_files()
    text = "\n".join(report)
    print(text)
    if given.output:
        given.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
