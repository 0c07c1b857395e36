"""The image: what its container starts, and what it is built from."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from conftest import PROJECT

KUBERNETES = PROJECT / "deploy" / "kubernetes"
RECORDER = '#!/bin/sh\nprintf "%s\\0" "$$" "${0##*/}" "$@"\n'
EXECUTOR = {
    "SPARK_APPLICATION_ID": "spark-1",
    "SPARK_DRIVER_URL": "spark://driver:7078",
    "SPARK_EXECUTOR_CORES": "2",
    "SPARK_EXECUTOR_ID": "3",
    "SPARK_EXECUTOR_MEMORY": "900m",
    "SPARK_EXECUTOR_POD_IP": "10.0.0.4",
    "SPARK_EXECUTOR_POD_NAME": "premises-exec-3",
    "SPARK_RESOURCE_PROFILE_ID": "0",
}


def start(folder: Path, *arguments: str, **environment: str) -> list[str]:
    """Start the entry point, where each program it may become tells its name and arguments."""
    (folder / "bin").mkdir(exist_ok=True)
    for program in ("java", "premises", "spark-submit"):
        (folder / "bin" / program).write_text(RECORDER)
        (folder / "bin" / program).chmod(0o755)
    homes = {"PATH": f"{folder}/bin:{os.defpath}", "JAVA_HOME": str(folder), "SPARK_HOME": str(folder)}
    process = subprocess.Popen(
        [KUBERNETES / "entrypoint.sh", *arguments],
        env=homes | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = process.communicate(timeout=30)[0]
    if process.returncode:
        raise RuntimeError(output)
    pid, *command = output.split("\0")[:-1]
    assert int(pid) == process.pid, "A shell stands between the container and its program, and keeps signals from it."
    return command


def test_arguments_are_those_of_premises(tmp_path: Path) -> None:
    arguments = ["--env=prod", "--params=storage=/a b,master=local[*]", "$HOME", ""]
    assert start(tmp_path, *arguments) == ["premises", *arguments]


def test_no_argument_at_all_is_a_plain_run(tmp_path: Path) -> None:
    assert start(tmp_path) == ["premises"]


def test_a_driver_is_spark_submit_in_client_mode_on_the_pods_address(tmp_path: Path) -> None:
    arguments = ["--properties-file", "/opt/spark/conf/spark.properties", "local:///submit.py", "--params=a=b c"]
    assert start(tmp_path, "driver", *arguments, SPARK_DRIVER_BIND_ADDRESS="10.0.0.2") == [
        *("spark-submit", "--deploy-mode", "client", "--conf", "spark.driver.bindAddress=10.0.0.2"),
        *arguments,
    ]


def test_an_executor_is_java_with_the_options_that_spark_numbers(tmp_path: Path) -> None:
    options = {f"SPARK_JAVA_OPT_{number}": f'-Dnumber={number} "$HOME" *' for number in range(12)}
    command = start(tmp_path, "executor", **EXECUTOR, **options)
    assert command == [
        *("java", *options.values(), "-Xms900m", "-Xmx900m", "-cp", f"{tmp_path}/jars/*"),
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        *("--driver-url", "spark://driver:7078", "--executor-id", "3", "--cores", "2", "--app-id", "spark-1"),
        *("--hostname", "10.0.0.4", "--resourceProfileId", "0", "--podName", "premises-exec-3"),
    ]


def test_an_executors_class_path_has_what_spark_adds_before_its_jars(tmp_path: Path) -> None:
    added = {"SPARK_CLASSPATH": "/a.jar", "HADOOP_CONF_DIR": "/opt/hadoop/conf", "SPARK_CONF_DIR": "/opt/spark/conf"}
    command = start(tmp_path, "executor", **EXECUTOR, **added)
    assert command[command.index("-cp") + 1] == f"/a.jar:/opt/hadoop/conf:/opt/spark/conf:{tmp_path}/jars/*"


def test_the_image_is_built_from_what_make_package_leaves_in_dist() -> None:
    copies = re.findall(r"^(?:COPY|ADD) (?!--from)(.+) \S+$", (KUBERNETES / "Dockerfile").read_text(), re.MULTILINE)
    copied = {name for names in copies for name in names.split()}
    (files,) = re.findall(
        r"^package:.*\n(?:\t.*\n)*\t@cp (.+) dist/$", (PROJECT / "Makefile").read_text(), re.MULTILINE
    )
    assert copied == {"premises-*.whl", "kedro_handover-*.whl", "conf-premises.tar.gz"} | {
        Path(file).name for file in files.split()
    }
