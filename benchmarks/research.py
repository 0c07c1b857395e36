"""Compare `kedro run` with the same work written by hand (`by_hand.py`): whole processes, side by side.

Draws a census of each size, runs both in turn, checks that they made the same rows, and prints a Markdown report:
medians, their ratio, and where the time goes. With --cli, compares `kedro registry list` here and in a bare project.

    python benchmarks/research.py                    both sizes; ten minutes or more on two cores
    python benchmarks/research.py --rows 78033       the published size alone; about two minutes
    python benchmarks/research.py --cli              the command line alone
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from statistics import median

import yaml
from check_same_rows import check_same_rows

PROJECT = Path(__file__).parent.parent
BY_HAND = Path(__file__).with_name("by_hand.py")
KEDRO = [sys.executable, "-m", "kedro"]
CENSUS = "01_raw/2016_cens_locals_plantabaixa.csv"
PUBLISHED_ROWS = 78_033
PROMISED = {PUBLISHED_ROWS: 1.6, 20 * PUBLISHED_ROWS: 1.15}
PROMISED_CLI = 1.2
RUNS_CLI = 10
MIB = 1 << 20
LIBRARIES = ("kedro", "kedro-datasets", "narwhals", "pandas", "pyarrow", "numpy", "scikit-learn", "matplotlib")
PACKAGES_SHOWN = 8
QUIET = 0.005
"""Parts that take less than this, in seconds, are not listed."""


@dataclass(frozen=True)
class Process:
    """What one process took. `began` is by the wall's clock, for the time stamps of its log."""

    began: float
    seconds: float
    cpu_seconds: float
    peak_mib: float


def run_process(command, folder=PROJECT, said=None, **environment):
    """Run a command to its end; `said` is the file that takes what it prints."""
    with tempfile.TemporaryFile() if said is None else said.open("w+b") as output:
        began, start = time.time(), time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"KEDRO_DISABLE_TELEMETRY": "1"} | environment,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(f"{' '.join(map(str, command))} failed:\n{output.read().decode()}")
    # Linux counts the peak in KiB, macOS in bytes; it is that of the largest process of the tree.
    peak = usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * 1024
    return Process(began, seconds, usage.ru_utime + usage.ru_stime, peak / MIB)


class ResearchRuns:
    """A census of so many rows, and the two ways to work on it."""

    def __init__(self, rows, folder):
        self.rows = rows
        self.folder = folder / f"{rows}_rows"
        self.storage, self.by_hand = self.folder / "pipeline", self.folder / "by_hand"
        self.log, self.seconds_file = self.folder / "run.log", self.folder / "seconds.json"
        self.folder.mkdir(exist_ok=True)
        self.log_to = _log_with_times(self.folder, self.log)
        run_process([*KEDRO, "run", "--pipelines=sample_census", f"--params=storage={self.storage},rows={rows}"])

    def run_pipeline(self, *options, said=None):
        """Give the process, and its seconds by part."""
        self.log.unlink(missing_ok=True)
        command = [sys.executable, *options, "-m", "kedro", "run", f"--params=storage={self.storage}"]
        process = run_process(command, said=said, KEDRO_LOGGING_CONFIG=str(self.log_to))
        return process, _parts_of_log(self.log, process)

    def run_script(self, *options, said=None):
        """Give the process, and its seconds by step."""
        arguments = [self.storage / CENSUS, self.by_hand, "--seconds", self.seconds_file]
        process = run_process([sys.executable, *options, BY_HAND, *arguments], said=said)
        steps = json.loads(self.seconds_file.read_text(encoding="utf-8"))
        return process, {"start, imports, end": process.seconds - sum(steps.values()), **steps}

    def remove_files(self):
        """Make room for the next size."""
        shutil.rmtree(self.folder)


def compare_research(research, runs):
    """Run the pipeline and the script in turn; give the report's lines."""
    pipeline, script = [], []
    for turn in range(1, runs + 1):
        pipeline.append(research.run_pipeline())
        script.append(research.run_script())
        took = f"{pipeline[-1][0].seconds:.1f} s, by hand {script[-1][0].seconds:.1f} s"
        print(f"{research.rows:,} rows, run {turn} of {runs}: {took}", file=sys.stderr)
    same = check_same_rows(research.storage, research.by_hand)
    (pipeline, pipeline_parts), (script, script_parts) = (zip(*ran, strict=True) for ran in (pipeline, script))
    return [
        f"## {research.rows:,} rows, {runs} runs of each in turn",
        "",
        *_compared(pipeline, script, PROMISED.get(research.rows)),
        "",
        f"The same rows: {same}.",
        "",
        *_pipeline_table(pipeline_parts),
        "",
        *_script_table(script_parts),
        "",
    ]


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
    table = _compared(here[1:], bare[1:], PROMISED_CLI, names=("this project", "a bare project"))
    return [f"## `kedro registry list`, {RUNS_CLI} runs of each in turn", "", *table, ""]


def describe_machine():
    """Say where the figures are from."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()}, load {os.getloadavg()[0]:.1f} at the "
        f"start. Python {platform.python_version()}, {libraries}."
    )


def _compared(ours, theirs, promised, names=("`kedro run`", "by hand")):
    def cells(measure, decimals):
        of_ours, of_theirs = ([getattr(process, measure) for process in runs] for runs in (ours, theirs))
        spans = [
            f"{median(values):,.{decimals}f} ({min(values):,.{decimals}f} to {max(values):,.{decimals}f})"
            for values in (of_ours, of_theirs)
        ]
        return f"{' | '.join(spans)} | {median(of_ours) / median(of_theirs):.2f}"

    return [
        f"| median (least to most) | {names[0]} | {names[1]} | ratio | at most |",
        "| --- | ---: | ---: | ---: | ---: |",
        f"| seconds | {cells('seconds', 2)} | {promised or ''} |",
        f"| CPU seconds | {cells('cpu_seconds', 2)} | |",
        f"| peak memory, MiB | {cells('peak_mib', 0)} | |",
    ]


def _log_with_times(folder, log):
    """Write the project's own logging configuration with the log elsewhere, and seconds in front of each line."""
    configuration = yaml.safe_load((PROJECT / "conf" / "logging.yml").read_text(encoding="utf-8"))
    configuration["formatters"]["file"]["format"] = "%(created)f %(message)s"
    configuration["handlers"]["file"]["filename"] = str(log)
    file = folder / "logging.yml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    return file


def _parts_of_log(log, process):
    """Share a run's seconds among (node, "load" | "run" | "save"), the start, the end, and what lies between nodes."""
    lines = re.findall(r"^(\d+\.\d+) (.*)$", log.read_text(encoding="utf-8"), flags=re.MULTILINE)
    times = [process.began, *(float(stamp) for stamp, _ in lines), process.began + process.seconds]
    parts = defaultdict(float)
    loading, part = 0.0, "start"
    for place, (since, until) in enumerate(pairwise(times)):
        message = lines[place - 1][1] if place else ""
        if part == "end":
            pass
        elif message.startswith("Pipeline execution completed"):
            part = "end"
        elif message.startswith("Loading data from"):
            part = "loading"
        elif running := re.match(r"Running node: (\w+):", message):
            node, part = running[1], "run"
            parts[node, "load"] += loading
            loading = 0.0
        elif message.startswith("Saving data to"):
            part = "save"
        elif message.startswith("Completed node"):
            part = "between nodes"
        if part == "loading":
            loading += until - since
        else:
            parts[(node, part) if part in {"run", "save"} else part] += until - since
    return parts


def _pipeline_table(runs):
    medians = {part: median(run.get(part, 0.0) for run in runs) for part in runs[0]}
    nodes = list(dict.fromkeys(part[0] for part in medians if isinstance(part, tuple)))
    pictures = [node for node in nodes if node.startswith("plot_")]
    rows = {node: [medians.get((node, part), 0.0) for part in ("load", "run", "save")] for node in nodes}
    together = [sum(column) for column in zip(*(rows.pop(node) for node in pictures), strict=True)]
    rows[f"the {len(pictures)} pictures"] = together
    return [
        "| `kedro run`, seconds (medians) | load | run | save |",
        "| --- | ---: | ---: | ---: |",
        f"| start: interpreter, Kedro, project | | {medians['start']:.2f} | |",
        *(f"| {name} | {' | '.join(f'{seconds:.2f}' for seconds in row)} |" for name, row in rows.items()),
        f"| Kedro between nodes | | {medians['between nodes']:.2f} | |",
        f"| end: results, exit | | {medians['end']:.2f} | |",
    ]


def _script_table(runs):
    medians = {step: median(run[step] for run in runs) for step in runs[0]}
    return [
        "| by hand, seconds (medians) | |",
        "| --- | ---: |",
        *(f"| {step} | {seconds:.2f} |" for step, seconds in medians.items() if seconds >= QUIET),
    ]


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
            report += list_imports(ResearchRuns(PUBLISHED_ROWS, folder))
            for rows in given.rows:
                research = ResearchRuns(rows, folder)
                report += compare_research(research, given.runs or (5 if rows <= PUBLISHED_ROWS else 3))
                research.remove_files()
    text = "\n".join(report)
    print(text)
    if given.output:
        given.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
