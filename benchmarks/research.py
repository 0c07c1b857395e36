"""Compare `kedro run` with the same work written by hand (`by_hand.py`): whole processes, side by side.

Generates a census of each size, runs both in turn, checks that they made the same rows, and prints a Markdown report:
medians, their ratio, and where the time goes. With --cli, compares `kedro registry list` here and in a bare project.

    python benchmarks/research.py                    both sizes; ten minutes or more on two cores
    python benchmarks/research.py --rows 78033       the published size alone; about two minutes
    python benchmarks/research.py --cli              the command line alone
"""

import argparse
import os
import re
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from measuring import KEDRO, PUBLISHED_ROWS, Runs, compare_processes, compare_runs, describe_machine, run_process

BY_HAND = Path(__file__).with_name("by_hand.py")
PROMISED = {PUBLISHED_ROWS: 1.6, 20 * PUBLISHED_ROWS: 1.15}
PROMISED_CLI = 1.2
RUNS_CLI = 10
PACKAGES_SHOWN = 8


def list_imports(research):
    """Give the report's lines on the seconds of imports by package, wherever in a run they happen."""
    said = research.folder / "imports.txt"
    imports = {}
    for name, run in (("`kedro run`", research.run_pipeline), ("by hand", research.run_script)):
        run()  # writes byte code
        run("-X", "importtime", said=said)
        imports[name] = packages = defaultdict(float)
        for microseconds, module in re.findall(r"import time: +(\d+) \| +\d+ \| +(\w+)", said.read_text("utf-8")):
            packages["standard library" if module in sys.stdlib_module_names else module] += int(microseconds) / 1e6
    most = sorted(set().union(*imports.values()), key=lambda package: -max(by[package] for by in imports.values()))
    rows = {package: [packages[package] for packages in imports.values()] for package in most[:PACKAGES_SHOWN]}
    rows["all"] = [sum(packages.values()) for packages in imports.values()]
    return [
        "## Imports, at any number of rows",
        "",
        f"| seconds (one run, timed by -X importtime) | {' | '.join(imports)} |",
        "| --- | ---: | ---: |",
        *(f"| {package} | {' | '.join(f'{seconds:.2f}' for seconds in row)} |" for package, row in rows.items()),
        "",
    ]


def compare_cli(folder):
    """Time `kedro registry list` here and in a project with nothing in it; give the report's lines."""
    new = ["new", "--name", "bare", "--tools", "none", "--example", "n", "--telemetry", "no"]
    run_process([*KEDRO, *new], folder)
    here, bare = [], []
    for _ in range(RUNS_CLI + 1):
        here.append(run_process([*KEDRO, "registry", "list"]))
        bare.append(run_process([*KEDRO, "registry", "list"], folder / "bare"))
    # The first run of each writes byte code.
    table = compare_processes(here[1:], bare[1:], PROMISED_CLI, names=("this project", "a bare project"))
    return [f"## `kedro registry list`, {RUNS_CLI} runs of each in turn", "", *table, ""]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, nargs="+", default=list(PROMISED), help="sizes of the census")
    arguments.add_argument("--runs", type=int, help="runs of each; by default 5 at the published size, else 3")
    arguments.add_argument("--cli", action="store_true", help="compare `kedro registry list` instead")
    arguments.add_argument("--output", type=Path, help="a file for the report, beside the terminal")
    given = arguments.parse_args()
    report = [describe_machine(), ""]
    with tempfile.TemporaryDirectory(prefix="premises-benchmark-") as name:
        folder = Path(name)
        # Byte code is written once, by runs that do not count, whatever this environment and earlier runs did of it.
        os.environ |= {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
        if given.cli:
            report += compare_cli(folder)
        else:
            report += list_imports(Runs(PUBLISHED_ROWS, folder, BY_HAND))
            for rows in given.rows:
                research = Runs(rows, folder, BY_HAND)
                runs = given.runs or (5 if rows <= PUBLISHED_ROWS else 3)
                report += compare_runs(research, runs, PROMISED.get(rows))
                research.remove_files()
    text = "\n".join(report)
    print(text)
    if given.output:
        given.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
