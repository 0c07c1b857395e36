"""H2O trains the tree that is asked for, is closed and quiet while it runs, and leaves nothing behind."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import md5
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from cluster import answers, start_cluster
from kedro_handover._compat import STOP_H2O, get_jvm, get_scala_object, measure_mojo_trees
from kedro_handover.datasets.verified_model_dataset import predict_verification
from kedro_handover.errors import H2OError
from kedro_handover.models.estimators import make_h2o_tree
from kedro_handover.spark.h2o import PORTS, USER, train_in_h2o
from processes import fresh_environment, listening_addresses, listening_sockets, programs_under
from toy_models import make_rows, train_h2o_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster import Cluster

pytestmark = pytest.mark.spark

SECONDS = 5
"""A port that says nothing for so long is no web server."""

NOISE = ("H2O_cluster", "WARN: Sample rate", "Sparkling Water Context")
"""Pieces of what H2O and Sparkling Water print when nobody keeps them quiet."""


def boxes(features: pd.DataFrame) -> pd.Series:
    """A label that a tree of depth 3 can tell without an error."""
    return (features["width"] > 0.1) & ((features["height"] < 0.5) | (features["weight"] > 0))


def test_a_training_gives_the_same_tree_again(spark) -> None:
    features = make_rows()
    label = features["width"] + features["height"] * features["weight"] > 0.1
    first, second = (
        predict_verification(train_h2o_tree(spark, features, label), features)["probability"] for _ in range(2)
    )
    assert first == second
    assert len(set(first)) > 3


def test_the_private_names_of_h2o_that_the_library_uses_are_there(spark) -> None:
    features = make_rows()
    stump = train_h2o_tree(spark, features, features["width"] > 0.1, depth=1)
    assert measure_mojo_trees(stump) == {"nodes": 3, "depth": 1}
    h2o = get_scala_object(get_jvm(spark.sparkContext).ai.h2o.sparkling, "H2OContext").get().get()
    found = {method.getName(): method for method in h2o.getClass().getMethods()}
    assert STOP_H2O in found
    assert [kind.getName() for kind in found[STOP_H2O].getParameterTypes()] == ["boolean"] * 3


def test_the_hyperparameters_of_research_are_those_of_the_model(spark) -> None:
    features = make_rows()
    model = train_h2o_tree(spark, features, boxes(features), depth=3, min_rows=9, bins=77, unknown_as_missing=False)
    assert (model.getMaxDepth(), model.getMinRows(), model.getNtrees()) == (3, 9.0, 1)
    assert (model.getMtries(), model.getSampleRate(), model.getSeed()) == (-2, 1.0, 7)
    assert (model.getNbins(), model.getNbinsTopLevel(), model.getHistogramType()) == (77, 77, "UniformAdaptive")
    assert (model.getMinSplitImprovement(), model.getIgnoreConstCols()) == (0.0, False)
    assert model.getConvertUnknownCategoricalLevelsToNa() is False
    assert (model.getFeaturesCols(), model.getDomainValues()["label"]) == (list(features), ["false", "true"])


def test_h2os_tree_labels_as_that_of_scikit_learn_does(spark) -> None:
    features = make_rows(2_000)
    train, test = features.head(1_000), features.tail(1_000)
    theirs = DecisionTreeClassifier(max_depth=3, min_samples_leaf=5, random_state=0).fit(train, boxes(train))
    ours = np.array(
        predict_verification(train_h2o_tree(spark, train, boxes(train), depth=3, bins=4_096), test)["probability"],
        dtype=float,
    )
    assert (theirs.predict(test) == boxes(test)).mean() > 0.99
    assert ((ours > 0.5) == theirs.predict(test)).mean() >= 0.99


@pytest.mark.parametrize(
    ("bins", "threshold", "reason"),
    [(1, 0.1, r"nbins must be > 1"), (256, -99, r"Response cannot be constant")],
    ids=["one bin", "one class"],
)
def test_a_training_that_h2o_refuses_is_one_line_with_its_reason_and_the_next_one_works(
    spark, bins, threshold, reason
) -> None:
    features = make_rows()
    with pytest.raises(H2OError, match=r"^H2O: ") as caught:
        train_h2o_tree(spark, features, features["width"] > threshold, bins=bins)
    assert "\n" not in str(caught.value)
    assert "\tat " not in str(caught.value)
    assert re.search(reason, str(caught.value))
    assert predict_verification(train_h2o_tree(spark, features, boxes(features)), features.head(3))["probability"]


def test_a_training_on_a_column_that_is_not_there_is_said_and_the_next_one_works(spark) -> None:
    features = make_rows()
    rows = spark.createDataFrame(features.assign(label="true"))
    found = {"max_depth": 2, "min_samples_leaf": 5}

    def make():
        return make_h2o_tree(["nowhere"], found, 16, "AUTO", 7, unknown_as_missing=True)

    with pytest.raises(H2OError, match="nowhere"):
        train_in_h2o(make, rows, attempts=1)
    with pytest.raises(ZeroDivisionError):
        train_in_h2o(lambda: 1 / 0, rows, attempts=1)
    assert predict_verification(train_h2o_tree(spark, features, boxes(features)), features.head(3))["probability"]


TRAINING = """
import json, os, secrets, sys, time

made, token_hex = [], secrets.token_hex
def record(size=None):
    made.append(token_hex(size))
    return made[-1]
secrets.token_hex = record

import kedro.framework.project  # Kedro's logging
from kedro_handover._compat import get_jvm, get_scala_object
from kedro_handover.datasets.verified_model_dataset import predict_verification
from kedro_handover.spark.session import configure_spark, get_spark
from kedro_handover.testing import SPARK_SETTINGS
from toy_models import make_rows, train_h2o_tree

configure_spark(SPARK_SETTINGS | json.loads(sys.argv[1]))
features = make_rows()
for _ in range(2):
    model = train_h2o_tree(get_spark(), features, features["width"] > 0.1)
    given = predict_verification(model, features.head(20))["probability"]
    print(json.dumps({"given": given, "passwords": made}), flush=True)
    sys.stdin.readline()
context_of_java = get_scala_object(get_jvm(get_spark().sparkContext).org.apache.spark, "SparkContext")
get_spark().stop()
time.sleep(2)  # four heartbeats of H2O, where it has any
print(f"Spark has come back: {context_of_java.getActive().isDefined()}.")
"""


LOGGING = """
version: 1
disable_existing_loggers: false
formatters: { file: { format: "%(asctime)s %(levelname)-7s %(name)s: %(message)s" } }
handlers:
  console: { class: kedro.logging.RichHandler }
  file: { class: logging.FileHandler, filename: run.log, formatter: file }
loggers: { kedro_handover: { level: INFO } }
root: { level: WARNING, handlers: [console, file] }
"""


def log_to_a_file(folder: Path) -> Path:
    """Kedro's logging to the console and to a file, as a project has it."""
    file = folder / "logging.yml"
    file.write_text(LOGGING)
    return file


@dataclass
class Training:
    """What was seen of a process that trains, while it ran and when it had ended."""

    folder: Path
    said: str = ""
    log: str = ""
    given: list[list[float]] = field(default_factory=list)
    password: str = ""
    sockets: dict[str, set[tuple[Any, int]]] = field(default_factory=dict)
    answers: dict[tuple[int, str, str], int | None] = field(default_factory=dict)
    command_lines: bytes = b""
    environments: bytes = b""
    files: dict[Path, str] = field(default_factory=dict)
    modes: dict[Path, int] = field(default_factory=dict)
    left: list[Path] = field(default_factory=list)
    still_open: set[int] = field(default_factory=set)

    @property
    def ports(self) -> set[int]:
        return {port for found in self.sockets.values() for _, port in found}

    @property
    def h2os_ports(self) -> set[int]:
        return {port for port in self.ports if port in range(PORTS.start, PORTS.stop)}


def start_training(folder: Path, **settings: str) -> subprocess.Popen[str]:
    folder.mkdir()
    (folder / "tmp").mkdir()
    with (folder / "stderr.txt").open("w") as stderr:
        return subprocess.Popen(
            [sys.executable, "-c", TRAINING, json.dumps(settings)],
            cwd=folder,
            env=fresh_environment(
                TMPDIR=str(folder / "tmp"),
                PYTHONPATH=os.pathsep.join(sys.path),
                KEDRO_LOGGING_CONFIG=str(log_to_a_file(folder)),
                COLUMNS="300",
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )


def ask(port: int, path: str, login: str | None = None) -> int | None:
    """The status that a port answers a request with; none where no web server is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def read_line(process: subprocess.Popen[str], training: Training) -> None:
    """Read on to the next JSON line; only the lines before it count as said."""
    for line in process.stdout:
        if line.startswith("{"):
            found = json.loads(line)
            training.given.append(found["given"])
            training.password = found["passwords"][-1]
            return
        training.said += line
    raise AssertionError(training.said + (training.folder / "stderr.txt").read_text())


def look_at(pid: int, training: Training) -> None:
    """Note what another user of this machine can see of a process and those under it."""
    processes = {pid: "python"} | programs_under(pid)
    assert "java" in processes.values()
    for one, program in processes.items():
        training.sockets.setdefault(program, set()).update(listening_sockets(one))
        with suppress(FileNotFoundError, ProcessLookupError):  # it was a short one and has ended
            training.command_lines += Path(f"/proc/{one}/cmdline").read_bytes()
            training.environments += Path(f"/proc/{one}/environ").read_bytes()
    logins = {"none": None, "wrong": f"{USER}:wrong", "right": f"{USER}:{training.password}"}
    requests = list(product(sorted(training.ports), ("/3/About", "/flow/index.html"), logins))
    with ThreadPoolExecutor(len(requests)) as threads:  # most ports are no web server, and say nothing for seconds
        given = threads.map(lambda request: ask(*request[:2], logins[request[2]]), requests)
        training.answers.update(zip(requests, given, strict=True))
    for path in (training.folder / "tmp").glob("kedro-handover-h2o-*/**/*"):
        training.modes[path] = stat.S_IMODE(path.stat().st_mode)
        if path.is_file():
            training.files[path] = path.read_text(encoding="utf-8", errors="replace")


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Iterator[tuple[Training, Training]]:
    """Two processes that train at once, the second of which shows H2O's own log; both have ended."""
    root = tmp_path_factory.mktemp("two")
    trainings = Training(root / "quiet"), Training(root / "loud")
    processes = [
        start_training(trainings[0].folder, **{"spark.ext.h2o.backend.heartbeat.interval": "500"}),
        start_training(trainings[1].folder, **{"spark.ext.h2o.log.level": "INFO"}),
    ]
    try:
        for process, training in zip(processes, trainings, strict=True):
            read_line(process, training)
        for process, training in zip(processes, trainings, strict=True):
            look_at(process.pid, training)
        for process, training in zip(processes, trainings, strict=True):
            process.stdin.write("\n")
            process.stdin.flush()
            read_line(process, training)  # it still trains after all requests without a login
            training.said += process.communicate("\n")[0]
            errors = (training.folder / "stderr.txt").read_text()
            assert process.returncode == 0, training.said + errors
            training.said += errors
            training.log = (training.folder / "run.log").read_text()
            training.left = list((training.folder / "tmp").glob("kedro-handover-h2o-*"))
            training.still_open = {port for port in training.h2os_ports if answers(port)}
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return trainings


def test_two_at_once_both_train_on_ports_of_their_own(two) -> None:
    for training in two:
        assert training.given[0] == training.given[1]
        assert training.given == two[0].given
        assert training.h2os_ports
    assert not two[0].ports & two[1].ports


def test_nothing_listens_to_other_machines_while_h2o_runs(two) -> None:
    for training in two:
        assert training.sockets["java"]
        for program, found in training.sockets.items():
            assert all(address.is_loopback for address, _ in found), program


def test_no_port_lets_anyone_in_without_the_password(two) -> None:
    for training in two:
        assert training.answers
        closed = {answer for (_, _, kind), answer in training.answers.items() if kind != "right"}
        assert closed <= {401, 403, None}
        refused, open_ = (
            {port for (port, path, _), answer in training.answers.items() if answer == status and path == "/3/About"}
            for status in (401, 200)
        )
        assert len(refused) == 1
        assert open_ == refused  # to the right password


def test_the_password_is_nowhere_to_be_read(two) -> None:
    for training in two:
        assert re.fullmatch("[0-9a-f]{64}", training.password)
        secrets = [training.password, base64.b64encode(f"{USER}:{training.password}".encode()).decode()]
        (login,) = [path for path in training.files if path.suffix == ".conf"]
        assert training.files[login] == f"{USER}: MD5:{md5(training.password.encode()).hexdigest()}\n"  # noqa: S324
        assert training.modes[login] == 0o600
        assert any(path.suffix == ".log" for path in training.files)
        for secret in secrets:
            assert secret.encode() not in training.command_lines + training.environments
            assert secret not in training.said + training.log
            assert not [path for path, text in training.files.items() if secret in text]
    assert len({training.password for training in two}) == 2


def test_nothing_is_left_of_h2o_when_the_process_has_ended(two) -> None:
    for training in two:
        assert training.files
        assert training.left == []
        assert training.still_open == set()


def test_spark_stays_stopped_though_h2o_is_there_until_the_process_ends(two) -> None:
    """A heartbeat of H2O for Spark's web pages starts a Spark of its own where it finds none."""
    assert "Spark has come back: False." in two[0].said


def test_h2o_is_quiet_unless_its_log_is_asked_for(two) -> None:
    quiet, loud = two
    assert "Starting H2O." in quiet.said
    assert "Starting H2O." in quiet.log
    for piece in NOISE:
        assert piece not in quiet.said + quiet.log
    assert not re.search(r"h2o", quiet.said.replace("Starting H2O.", ""), re.IGNORECASE), quiet.said
    assert any(piece in loud.said for piece in NOISE)


ON_A_CLUSTER = """
import json, sys

import kedro.framework.project  # Kedro's logging
from pyspark.sql import functions as F
from kedro_handover.datasets.verified_model_dataset import predict_verification
from kedro_handover.errors import H2OError
from kedro_handover.models.estimators import make_h2o_tree
from kedro_handover.spark.h2o import train_in_h2o
from kedro_handover.spark.session import configure_spark, get_spark
from kedro_handover.testing import SPARK_SETTINGS
from toy_models import make_rows

def say(**what):
    print(json.dumps(what), flush=True)

configure_spark(SPARK_SETTINGS | json.loads(sys.argv[1]))
spark = get_spark()
features = make_rows(2_000)
label = F.when(F.col("width") + F.col("height") * F.col("weight") > 0.1, "true").otherwise("false")
rows = spark.createDataFrame(features).withColumn("label", label)
for _ in range(8):
    rows = rows.union(rows)
rows = rows.repartition(8)  # half a million: H2O is at its forest of deep trees for minutes

def train(slow_attempts, attempts):
    attempt = 0

    def make():
        nonlocal attempt
        attempt += 1
        if attempt > slow_attempts:
            found = {"max_depth": 4, "min_samples_leaf": 5}
            return make_h2o_tree(list(features), found, 256, "UniformAdaptive", 7, unknown_as_missing=True)
        from ai.h2o.sparkling.ml.algos.classification import H2ODRFClassifier

        say(slow=attempt)
        return H2ODRFClassifier(
            featuresCols=list(features), labelCol="label", ntrees=500, maxDepth=20, minRows=1.0, seed=1
        )

    return train_in_h2o(make, rows, attempts)

def console():
    system = spark.sparkContext._jvm.System
    return [system.identityHashCode(stream) for stream in (system.out, system.err)]

before = console()
given = predict_verification(train(1, attempts=2), features)["probability"]
say(scored=len(given), least=min(given), most=max(given), same_console=console() == before)
sys.stdin.readline()
try:
    train(1, attempts=1)
except H2OError as error:
    say(refused=str(error))
sys.stdin.readline()
say(rows=rows.count())
"""


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    with start_cluster(tmp_path / "cluster") as found:
        yield found


@pytest.mark.slow
def test_a_lost_executor_costs_an_attempt_and_no_run(cluster, tmp_path) -> None:
    settings = {"spark.master": cluster.master, "spark.executor.memory": "1500m", "spark.executor.cores": 1}
    with (tmp_path / "stderr.txt").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", ON_A_CLUSTER, json.dumps(settings)],
            cwd=tmp_path,
            env=fresh_environment(
                PYTHONPATH=os.pathsep.join(sys.path),
                PYSPARK_PYTHON=sys.executable,
                KEDRO_LOGGING_CONFIG=str(log_to_a_file(tmp_path)),
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    seen: set[int] = set()  # ports of H2O while it ran; others in its range may be any program's

    def errors() -> str:
        return (tmp_path / "stderr.txt").read_text()

    def next_line() -> dict[str, Any]:
        line = next((line for line in process.stdout if line.startswith("{")), "{}")
        assert line != "{}", errors()
        return json.loads(line)

    def lose_executor(seconds: float) -> None:
        time.sleep(seconds)
        executors = cluster.executors()
        assert len(executors) == 2
        found = [h2os_ports(pid) for pid in executors]
        assert all(found)
        seen.update(*found)
        for pid in {process.pid, *programs_under(process.pid), *executors}:
            assert all(address.is_loopback for address in listening_addresses(pid))
        os.kill(min(executors), signal.SIGKILL)

    def h2os_ports(pid: int) -> set[int]:
        return {port for _, port in listening_sockets(pid) if port in range(PORTS.start, PORTS.stop)}

    def assert_gone() -> None:
        """H2O is gone, and whole executors are there for the rest of the run."""
        executors = cluster.executors()
        assert len(executors) == 2
        assert not seen & set().union(*map(h2os_ports, {process.pid, *programs_under(process.pid), *executors}))
        process.stdin.write("\n")
        process.stdin.flush()

    try:
        assert next_line() == {"slow": 1}
        lose_executor(seconds=15)  # H2O has the rows by then
        found = next_line()
        assert found["scored"] == 2_000
        assert found["same_console"]  # what the JVM prints is seen again
        assert 0 <= found["least"] < 0.5 < found["most"] <= 1
        assert_gone()
        log = (tmp_path / "run.log").read_text()
        assert re.findall(r"WARNING .*H2O has lost an executor, in (attempt . of .)\.", log) == ["attempt 1 of 2"]
        assert next_line() == {"slow": 1}
        lose_executor(seconds=1)  # H2O is just taking the rows
        assert next_line()["refused"].startswith(
            "H2O has lost an executor in each of 1 attempts, and no model is saved"
        )
        assert_gone()
        assert next_line() == {"rows": 512_000}
        process.communicate()
        assert process.returncode == 0, errors()
    finally:
        process.kill()
        process.communicate()
