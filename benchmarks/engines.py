"""Run `data_engineering` and `research_scoring` on each engine, side by side, and Dask against Spark on single steps.

Generates a census of each size as Parquet. In each turn every engine works on it, as `kedro run --env=ENGINE` in a
process of its own. One that takes more memory than it may is ended, and has no seconds at that size. Writes the medians
to a JSON file, plots them, and puts them into the pages of the documentation.

    python benchmarks/engines.py                                   all sizes: two hours or more on two cores
    python benchmarks/engines.py --rows 10000000 --engines polars duckdb --runs 1 --add
    python benchmarks/engines.py --rows --steps 2000000 --add      Dask against Spark alone

With --add, what the file already has of other engines, sizes and steps is kept.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

from measuring import (
    KEDRO,
    PROJECT,
    PUBLISHED_ROWS,
    WITHOUT_H2O,
    TooMuchMemoryError,
    describe_machine,
    run_process,
)

ENVIRONMENTS = {"pandas": "base", "polars": "polars", "duckdb": "duckdb", "dask": "dask", "spark": "prod"}
TITLES = {"pandas": "pandas", "polars": "Polars", "duckdb": "DuckDB", "dask": "Dask", "spark": "Spark"}
RUNS = {PUBLISHED_ROWS: 3, 1_000_000: 3, 10_000_000: 3, 50_000_000: 1}
MEMORY_GIB = {50_000_000: 8}
"""What a run may take at that size: whether it goes beyond memory is asked there."""
MEMORY_GIB_ELSE = 20
STEPS_ROWS = 2_000_000
SCORING_NODES = "score_with_research,count_scores"
TREE = ("06_models/research_model.skops", "06_models/research_model.skops.sha256")
STEPS = Path(__file__).with_name("steps.py")
OUTPUT = PROJECT / "docs" / "benchmarks" / "engines.json"
PAGES = [PROJECT / "docs" / name for name in ("which-engine.md", "decisions/0002-spark-for-production.md")]
COLOURS = {"pandas": "#0072B2", "polars": "#D55E00", "duckdb": "#009E73", "dask": "#CC79A7", "spark": "#737373"}
MARKERS = {"pandas": "o", "polars": "s", "duckdb": "^", "dask": "D", "spark": "v"}


def make_tree(folder):
    """Research the tree that all engines score with, on a census of the published size."""
    for options in (["--pipelines=synthetic_census"], []):
        run_process([*KEDRO, "run", *options, f"--params=storage={folder}"])


def generate_census(storage, rows):
    run_process(
        [*KEDRO, "run", "--pipelines=synthetic_census", f"--params=storage={storage},rows={rows},format=parquet"]
    )


def run_engine(engine, storage, most_mib, *options):
    command = [sys.executable, "-c", WITHOUT_H2O, "run", f"--env={ENVIRONMENTS[engine]}", *options]
    return run_process([*command, f"--params=storage={storage},format=parquet"], most_mib=most_mib)


def measure(rows, runs, folder, engines):
    """Give the processes of each engine, by pipeline; None for one that took too much memory."""
    generated = folder / "generated"
    run_process(
        [*KEDRO, "run", "--pipelines=synthetic_census", f"--params=storage={generated},rows={rows},format=parquet"]
    )
    most_mib = MEMORY_GIB.get(rows, MEMORY_GIB_ELSE) * 1024
    processes = {}
    for turn in range(1, runs + 1):
        for engine in engines:
            if processes.get(("data_engineering", engine), [True])[-1] is None:
                continue
            storage = folder / engine
            shutil.copytree(generated, storage, copy_function=os.link)
            (storage / "06_models").mkdir()
            for file in TREE:
                shutil.copy(folder / "research" / file, storage / file)
            for pipeline, options in (
                ("data_engineering", ["--pipelines=data_engineering"]),
                ("scoring", ["--pipelines=research_scoring", f"--nodes={SCORING_NODES}"]),
            ):
                try:
                    process = run_engine(engine, storage, most_mib, *options)
                except TooMuchMemoryError:
                    process = None
                processes.setdefault((pipeline, engine), []).append(process)
                took = f"{process.seconds:.1f} s, {process.peak_mib:,.0f} MiB" if process else "too much memory"
                print(
                    f"{rows:,} rows, turn {turn} of {runs}, {engine}, {pipeline}: {took}", file=sys.stderr, flush=True
                )
                if process is None:
                    break
            shutil.rmtree(storage)
    shutil.rmtree(generated)
    return processes


def to_records(rows, processes):
    """Give a record of medians for each pipeline and engine."""
    records = {"data_engineering": [], "scoring": []}
    for (pipeline, engine), runs in processes.items():
        whole = None not in runs
        records[pipeline].append(
            {
                "engine": engine,
                "rows": rows,
                "seconds": round(median(run.seconds for run in runs), 2) if whole else None,
                "cpu_seconds": round(median(run.cpu_seconds for run in runs), 2) if whole else None,
                "peak_mib": round(median(run.peak_mib for run in runs)) if whole else None,
                "runs": len(runs),
            }
        )
    return records


def measure_steps(rows, folder):
    """Run the single steps on Dask and on Spark, each in a process of its own."""
    generated = folder / "steps"
    run_process(
        [*KEDRO, "run", "--pipelines=synthetic_census", f"--params=storage={generated},rows={rows},format=parquet"]
    )
    run_process(
        [*KEDRO, "run", "--env=polars", "--pipelines=data_engineering", f"--params=storage={generated},format=parquet"]
    )
    seconds = {}
    for engine in ("dask", "spark"):
        said = folder / f"{engine}.json"
        run_process([sys.executable, STEPS, engine, generated / "02_intermediate/premises.parquet", said])
        seconds[engine] = json.loads(said.read_text(encoding="utf-8"))
    shutil.rmtree(generated)
    return [
        {"operation": step, "rows": rows, "dask_seconds": took, "spark_seconds": seconds["spark"][step]}
        for step, took in seconds["dask"].items()
    ]


def merge(old, new):
    """Put new records in place of those of the same engine, step and rows."""
    merged = dict(old)
    for name, records in new.items():
        if isinstance(records, list):
            replaced = {_key(record) for record in records}
            kept = [record for record in old.get(name, []) if _key(record) not in replaced]
            merged[name] = sorted([*kept, *records], key=lambda record: (record["rows"], str(_key(record))))
        else:
            merged[name] = records
    return merged


def _key(record):
    return record.get("engine", record.get("operation")), record["rows"]


def table(headings, lines):
    """Make a table of Markdown; all columns but the first are numbers, and so is that of rows."""
    rule = ["---" if heading == "operation" else "---:" for heading in headings]
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, rule, *lines))


def table_by_rows(records, measured, form):
    """Make a table with a line for each size, and a column for each engine."""
    cells = {
        (record["rows"], record["engine"]): "too large" if record[measured] is None else form.format(record[measured])
        for record in records
    }
    return table(
        ["rows", *TITLES.values()],
        [
            [f"{rows:,}", *(cells.get((rows, engine), "") for engine in TITLES)]
            for rows in sorted({rows for rows, _ in cells})
        ],
    )


def write(results, file):
    """Write the results, draw them, and put them into the pages of the documentation."""
    file.write_text(f"{json.dumps(results, indent=1)}\n", encoding="utf-8")
    if results.get("data_engineering"):
        draw(results, file.with_suffix(".png"))
    if file == OUTPUT:
        for page in PAGES:
            page.write_text(fill(page.read_text(encoding="utf-8"), results), encoding="utf-8")


def fill(page, results):
    """Put the results behind the marks of a page: `<!-- seconds of engines.py -->`."""
    engineering, scoring = results.get("data_engineering", []), results.get("scoring", [])
    filled = {
        "seconds": table_by_rows(engineering, "seconds", "{:,.1f}"),
        "memory": table_by_rows(engineering, "peak_mib", "{:,}"),
        "scoring": table_by_rows(scoring, "seconds", "{:,.1f}"),
        "steps": table(
            ["operation", "rows", "Dask, seconds", "Spark, seconds"],
            [
                [one["operation"], f"{one['rows']:,}", f"{one['dask_seconds']:.1f}", f"{one['spark_seconds']:.1f}"]
                for one in results.get("dask_against_spark", [])
            ],
        ),
        "machine": results["machine"]["where"],
        "limit": f'"too large": it needed more memory than allowed ({results["machine"]["limit"]}), and was ended. '
        "Empty: not measured.",
    }
    for name, text in filled.items():
        mark = f"<!-- {name} of engines.py -->\n"
        page = re.sub(rf"(?<={re.escape(mark)}\n).*?(?=\n\n|\Z)", lambda _, text=text: text, page, flags=re.DOTALL)
    return page


def draw(results, file):
    """Draw seconds and memory against rows, both axes logarithmic."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for axis, measured, label in zip(axes, ("seconds", "peak_mib"), ("seconds", "peak memory, MiB"), strict=True):
        for engine, colour in COLOURS.items():
            points = sorted(
                (record["rows"], record[measured])
                for record in results["data_engineering"]
                if record["engine"] == engine and record[measured] is not None
            )
            if points:
                axis.plot(*zip(*points, strict=True), label=TITLES[engine], color=colour, marker=MARKERS[engine])
        axis.set(xscale="log", yscale="log", xlabel="rows of the census", ylabel=label)
        axis.grid(alpha=0.3)
        axis.spines[["right", "top"]].set_visible(False)
    axes[0].set_title("data_engineering: seconds", loc="left")
    axes[1].set_title("peak memory of all its processes", loc="left")
    axes[0].legend(frameon=False)
    figure.savefig(file, dpi=110)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, nargs="*", default=list(RUNS), help="sizes of the census")
    arguments.add_argument("--runs", type=int, help="turns at each size; by default 3, and 1 of 50 million rows")
    arguments.add_argument("--engines", nargs="+", choices=ENVIRONMENTS, default=list(ENVIRONMENTS))
    arguments.add_argument("--steps", type=int, default=None, help="rows of the single steps on Dask and Spark")
    arguments.add_argument(
        "--add", action="store_true", help="keep what the file has of other engines, sizes and steps"
    )
    arguments.add_argument("--output", type=Path, default=OUTPUT, help="the JSON file; the plot lies beside it")
    given = arguments.parse_args()
    results = json.loads(given.output.read_text(encoding="utf-8")) if given.add and given.output.exists() else {}
    given.output.parent.mkdir(exist_ok=True)
    limit = ", ".join([f"{MEMORY_GIB_ELSE} GiB", *(f"{gib} GiB at {rows:,} rows" for rows, gib in MEMORY_GIB.items())])

    def keep(new):
        nonlocal results
        results = merge(results, {"machine": {"where": describe_machine(), "limit": limit}, **new})
        write(results, given.output)

    with tempfile.TemporaryDirectory(prefix="premises-engines-") as name:
        folder = Path(name)
        os.environ |= {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
        if given.rows:
            make_tree(folder / "research")
        for rows in given.rows:
            runs = given.runs or RUNS.get(rows, 1)
            keep(to_records(rows, measure(rows, runs, folder, given.engines)))
        if given.steps or not given.add:
            keep({"dask_against_spark": measure_steps(given.steps or STEPS_ROWS, folder)})
    write(results, given.output)  # with --add alone, the pages and the plot are made anew
    print(f"The medians are in {given.output}.")


if __name__ == "__main__":
    main()
