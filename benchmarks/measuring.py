"""Whole processes side by side: what the benchmarks share."""

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
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
KEDRO = [sys.executable, "-m", "kedro"]
WITHOUT_H2O = "import sys; sys.modules['sparkling_water'] = None; from kedro.framework.cli import main; main()"
"""A run as where the extra h2o is not installed: the script by hand trains no H2O either."""
CENSUS = "01_raw/2016_cens_locals_plantabaixa.csv"
PUBLISHED_ROWS = 78_033
MIB = 1 << 20
LIBRARIES = (
    "kedro",
    "kedro-datasets",
    "narwhals",
    "pandas",
    "polars",
    "duckdb",
    "dask",
    "pyarrow",
    "pyspark",
    "numpy",
    "scikit-learn",
    "matplotlib",
)
SPARK = "start: Spark, checks of what is there"
PARTS = {
    "Starting Spark": SPARK,
    "Loading data from": "loading",
    "Saving data to": "save",
    "Completed node": "between nodes",
    "Pipeline execution completed": "end",
}
"""The part of a run that begins with a message that begins so."""
QUIET = 0.005
"""Parts that take less than this, in seconds, are not listed."""
SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True)
class Process:
    """What one process took, and those that it started. `began` is by the wall's clock, for the stamps of its log."""

    began: float
    seconds: float
    cpu_seconds: float
    peak_mib: float


class TooMuchMemoryError(Exception):
    """A process that was ended because it and what it started took more memory than it may."""


class SessionWatch(threading.Thread):
    """Looks at all processes of a session now and then: a JVM outlives the Python that started it.

    It needs /proc; without it, only the first process is accounted for. One that takes too much memory is ended.
    """

    def __init__(self, session, most_bytes=None):
        super().__init__(daemon=True)
        self.session = session
        self.most_bytes = most_bytes
        self.is_over = False
        self.peak_bytes = 0
        self.cpu_seconds = {}
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(SECONDS_BETWEEN_LOOKS):
            self.look()

    def look(self):
        """Note the memory in use and the CPU seconds of each process; give how many there are."""
        resident, count = 0, 0
        for file in Path("/proc").glob("[0-9]*/stat"):
            try:
                text = file.read_text(encoding="utf-8", errors="replace")
            except OSError:  # ended since
                continue
            # After the name, which may hold anything: state, parent, group, session, … as in proc(5).
            fields = text.rpartition(")")[2].split()
            if int(fields[3]) == self.session and fields[0] != "Z":
                count += 1
                resident += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
                ticks = int(fields[11]) + int(fields[12])
                self.cpu_seconds[int(file.parent.name)] = ticks / os.sysconf("SC_CLK_TCK")
        self.peak_bytes = max(self.peak_bytes, resident)
        if self.most_bytes and resident > self.most_bytes and not self.is_over:
            self.is_over = True
            os.killpg(self.session, signal.SIGKILL)
        return count

    def await_the_rest(self):
        """Wait for what the first process has left running; give the CPU seconds that are not in its own account."""
        self.ended.set()
        self.join()
        self.cpu_seconds.clear()
        while self.look():
            time.sleep(SECONDS_BETWEEN_LOOKS / 4)
        return sum(self.cpu_seconds.values())


def run_process(command, folder=PROJECT, said=None, most_mib=None, **environment):
    """Run a command to its end; `said` is the file for what it prints, `most_mib` the memory that it may take."""
    with tempfile.TemporaryFile() if said is None else said.open("w+b") as output:
        began, start = time.time(), time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"KEDRO_DISABLE_TELEMETRY": "1"} | environment,
            start_new_session=True,
        )
        watch = SessionWatch(process.pid, most_mib and most_mib * MIB)
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # Ctrl-C does not reach a session of its own
            os.killpg(process.pid, signal.SIGTERM)
            raise
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu_seconds = usage.ru_utime + usage.ru_stime + watch.await_the_rest()
        if watch.is_over:
            raise TooMuchMemoryError
        if process.returncode:
            output.seek(0)
            sys.exit(f"{' '.join(map(str, command))} failed:\n{output.read().decode()}")
    # Linux counts the peak in KiB, macOS in bytes; it is that of the largest process of the tree.
    peak = max(watch.peak_bytes, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
    return Process(began, seconds, cpu_seconds, peak / MIB)


class Runs:
    """A census of so many rows, and the two ways to work on it: `kedro run` with some options, and a script by hand."""

    def __init__(self, rows, folder, script, *options):
        self.rows, self.script, self.options = rows, script, options
        self.folder = folder / f"{rows}_rows"
        self.storage, self.by_hand = self.folder / "pipeline", self.folder / "by_hand"
        self.log, self.seconds_file = self.folder / "run.log", self.folder / "seconds.json"
        self.folder.mkdir(exist_ok=True)
        self.log_to = _log_with_times(self.folder, self.log)
        run_process([*KEDRO, "run", "--pipelines=synthetic_census", f"--params=storage={self.storage},rows={rows}"])

    def run_pipeline(self, *python_options, said=None, more=()):
        """Give the process, and its seconds by part."""
        self.log.unlink(missing_ok=True)
        options = [*self.options, *more, f"--params=storage={self.storage}"]
        command = [sys.executable, *python_options, "-c", WITHOUT_H2O, "run", *options]
        process = run_process(command, said=said, KEDRO_LOGGING_CONFIG=str(self.log_to))
        return process, _parts_of_log(self.log, process)

    def run_script(self, *python_options, said=None):
        """Give the process, and its seconds by step."""
        arguments = [self.storage / CENSUS, self.by_hand, "--seconds", self.seconds_file]
        process = run_process([sys.executable, *python_options, self.script, *arguments], said=said)
        steps = json.loads(self.seconds_file.read_text(encoding="utf-8"))
        return process, {"start, imports, end": process.seconds - sum(steps.values()), **steps}

    def remove_files(self):
        """Make room for the next size."""
        shutil.rmtree(self.folder)


def compare_runs(both, runs, promised):
    """Run the pipeline and the script in turn; give the report's lines."""
    pipeline, script = [], []
    for turn in range(1, runs + 1):
        pipeline.append(both.run_pipeline())
        script.append(both.run_script())
        took = f"{pipeline[-1][0].seconds:.1f} s, by hand {script[-1][0].seconds:.1f} s"
        print(f"{both.rows:,} rows, run {turn} of {runs}: {took}", file=sys.stderr)
    same = check_same_rows(both.storage, both.by_hand)
    (pipeline, pipeline_parts), (script, script_parts) = (zip(*ran, strict=True) for ran in (pipeline, script))
    return [
        f"## {both.rows:,} rows, {runs} runs of each in turn",
        "",
        *compare_processes(pipeline, script, promised),
        "",
        f"The same rows: {same}.",
        "",
        *_pipeline_table(pipeline_parts),
        "",
        *_script_table(script_parts),
        "",
    ]


def describe_machine():
    """Say where the figures are from."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()}, load {os.getloadavg()[0]:.1f} at the "
        f"start. Python {platform.python_version()}, {libraries}."
    )


def compare_processes(ours, theirs, promised, names=("`kedro run`", "by hand")):
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
    nodes = _name_nodes([message for _, message in lines])
    times = [process.began, *(float(stamp) for stamp, _ in lines), process.began + process.seconds]
    parts = defaultdict(float)
    loading, part = 0.0, "start"
    for place, (since, until) in enumerate(pairwise(times)):
        message = lines[place - 1][1] if place else ""
        if place and nodes[place - 1]:
            node, part = nodes[place - 1], "run"
            parts[node, "load"] += loading
            loading = 0.0
        elif part != "end":
            part = next((after for said, after in PARTS.items() if message.startswith(said)), part)
        if part == "loading":
            loading += until - since
        else:
            parts[(node, part) if part in {"run", "save"} else part] += until - since
    return parts


def _name_nodes(messages):
    """Give the node that each message says is running; what it makes tells nodes of one name apart."""
    running = [re.match(r"Running node: (\w+): .* -> \[([^];]+)", message) for message in messages]
    made = defaultdict(set)
    for node in filter(None, running):
        made[node[1]].add(node[2])
    return [node and (node[1] if len(made[node[1]]) == 1 else f"{node[1]}: {node[2]}") for node in running]


def _pipeline_table(runs):
    medians = {part: median(run.get(part, 0.0) for run in runs) for part in runs[0]}
    nodes = list(dict.fromkeys(part[0] for part in medians if isinstance(part, tuple)))
    figures = [node for node in nodes if node.startswith("plot_")]
    rows = {node: [medians.get((node, part), 0.0) for part in ("load", "run", "save")] for node in nodes}
    together = [sum(column) for column in zip(*(rows.pop(node) for node in figures), strict=True)]
    rows[f"the {len(figures)} figures"] = together
    return [
        "| `kedro run`, seconds (medians) | load | run | save |",
        "| --- | ---: | ---: | ---: |",
        f"| start: interpreter, Kedro, project | | {medians['start']:.2f} | |",
        *([f"| {SPARK} | | {medians[SPARK]:.2f} | |"] if SPARK in medians else []),
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
