"""What spark-submit is told, and the command `premises` as the wheel has it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys

import pytest
from kedro.config import OmegaConfigLoader

from conftest import PROJECT, fresh_environment, kedro_here
from kedro_handover.spark.session import OF_THIS_MACHINE
from premises.settings import CONFIG_LOADER_ARGS

ON_A_CLUSTER = "--params=master=spark://10.0.0.5:7077,driver_host=10.0.0.9"


def settings() -> dict[str, str]:
    found = OmegaConfigLoader(str(PROJECT / "conf"), env="prod", **CONFIG_LOADER_ARGS)["spark"]
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in found.items()}


def spark_flags(*options: str) -> str:
    done = kedro_here("handover", "spark-flags", "--env=prod", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def premises(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "premises", *arguments],
        cwd=PROJECT,
        env=fresh_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_flags_are_all_that_spark_yml_says_and_a_shell_reads_them_back() -> None:
    (line,) = spark_flags().splitlines()
    master, mode, *confs = shlex.split(line)
    assert (master, mode) == ("--master=local[*]", "--deploy-mode=client")
    found = dict(conf.removeprefix("--conf=").split("=", 1) for conf in confs)
    assert found == {name: value for name, value in settings().items() if name != "spark.master"}
    assert " " in found["spark.driver.extraJavaOptions"]


def test_a_cluster_is_named_by_the_parameters_of_a_run() -> None:
    words = shlex.split(spark_flags(ON_A_CLUSTER))
    assert words[0] == "--master=spark://10.0.0.5:7077"
    assert {f"--conf={name}=10.0.0.9" for name in OF_THIS_MACHINE} <= set(words)


def test_in_cluster_mode_nothing_of_this_machine_is_said() -> None:
    found = json.loads(spark_flags("--params=master=yarn", "--deploy-mode=cluster", "--format=json"))
    assert found == {name: value for name, value in settings().items() if name not in OF_THIS_MACHINE} | {
        "spark.master": "yarn"
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "This environment has no spark.yml. Try --env=prod."),
        (["--env=base"], "This environment has no spark.yml. Try --env=prod."),
        (["--env=zzz"], "either does not exist or is not a valid directory"),
        (
            ["--env=prod", "--params=master=yarn"],
            "spark.driver.host is 127.0.0.1, where the workers of yarn do not find this machine.",
        ),
        (["--env=prod", "--deploy-mode=local"], "'local' is not one of 'client', 'cluster'"),
    ],
)
def test_what_spark_can_not_be_told_is_one_sentence(options, message) -> None:
    done = kedro_here("handover", "spark-flags", *options)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_flags_that_are_refused_end_the_documented_line_before_spark_submit() -> None:
    line = f"flags=$({sys.executable} -m kedro handover spark-flags --env=prod --params=master=yarn) && echo submitted"
    done = subprocess.run(
        ["sh", "-c", line], cwd=PROJECT, env=fresh_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stdout == ""


def test_premises_runs_as_kedro_run_does_and_has_the_flags_too() -> None:
    commands = premises("--help").stdout
    assert "spark-flags" in commands
    assert premises("--env=prod", "--help").stdout == premises("run", "--env=prod", "--help").stdout
    assert "--only-missing-outputs" in premises("--env=prod", "--help").stdout
    assert premises("spark-flags", "--env=prod").stdout == spark_flags()
    wrong = premises("--enviroment=prod")
    assert wrong.returncode == 2
    assert re.search("No such option:? '?--enviroment", wrong.stderr)
