"""The recipes of deploy/ are what Spark, Kubernetes, AWS and Databricks read; no cluster of theirs is here."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tarfile
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks.bundles.jobs import Job
from kedro.config import OmegaConfigLoader
from py4j.protocol import Py4JJavaError
from pydantic import ConfigDict, TypeAdapter, ValidationError

from conftest import PROJECT, fresh_environment
from kedro_handover.spark.session import OF_THIS_MACHINE
from premises.settings import CONFIG_LOADER_ARGS

DEPLOY = PROJECT / "deploy"
LOCAL = "org.apache.spark.deploy.PythonRunner"
ON_YARN = "org.apache.spark.deploy.yarn.YarnClusterApplication"
ON_KUBERNETES = "org.apache.spark.deploy.k8s.submit.KubernetesClientApplication"
SUBMITS = {
    "Standalone": ("spark://HOST:7077", "client", "submit.py", LOCAL),
    "YARN, client mode": ("yarn", "client", "submit.py", LOCAL),
    "YARN, cluster mode": ("yarn", "cluster", "submit.py", ON_YARN),
    "Kubernetes": ("k8s://https://API:6443", "cluster", "local:///opt/premises/submit.py", ON_KUBERNETES),
}
"""By the heading of a recipe: its master, deploy mode and program, and what Spark would start."""

MODULES = {"v1": "core_v1", "rbac.authorization.k8s.io/v1": "rbac_v1"}


def settings() -> dict[str, str]:
    """What spark.yml says, as text, without what is another on each cluster."""
    found = OmegaConfigLoader(str(PROJECT / "conf"), env="prod", **CONFIG_LOADER_ARGS)["spark"]
    own = {"spark.master", *OF_THIS_MACHINE}
    return {name: json.dumps(value).strip('"') for name, value in found.items() if name not in own}


def recipes(heading: str) -> list[str]:
    """The code blocks of a section of the README."""
    (section,) = re.findall(
        rf"^## {heading}\n(.*?)(?=^## |\Z)", (DEPLOY / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def run(command: str, folder: Path, **variables: str) -> Path:
    """Run a recipe as a user does; gives the file with the words that spark-submit or aws was called with."""
    done = execute(command, folder, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "words"


def execute(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a recipe in dist/, where spark-submit and aws only write their words down, in the file `words`."""
    tools, dist = folder / "tools", folder / "dist"
    for new in (tools, dist, folder / "deploy" / "databricks"):
        new.mkdir(parents=True)
    for name in ("spark-submit", "aws"):
        (tools / name).write_text('#!/bin/sh\nprintf \'%s\\0\' "$@" > "$WORDS"\n')
        (tools / name).chmod(0o755)
    with tarfile.open(dist / "conf-premises.tar.gz", "w:gz") as archive:
        archive.add(PROJECT / "conf", "conf", filter=lambda one: None if "/local/" in one.name else one)
    path = f"{tools}:{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = fresh_environment(PATH=path, WORDS=str(folder / "words"), **variables)
    call = ["sh", "-c", command]
    return subprocess.run(call, cwd=dist, env=environment, capture_output=True, text=True, check=False)


def words(file: Path) -> list[str]:
    return file.read_text().split("\0")[:-1]


def plan(spark: Any, arguments: list[str]) -> tuple[Any, list[str], str]:
    """Have Spark read a command line of spark-submit, and say what it would start; nothing is started."""
    jvm = spark.sparkContext._jvm  # noqa: SLF001
    given = jvm.org.apache.spark.deploy.SparkSubmitArguments(
        jvm.PythonUtils.toSeq(arguments), jvm.PythonUtils.toScalaMap({"HADOOP_CONF_DIR": "/etc/hadoop"})
    )
    of_the_run = [given.childArgs().apply(index) for index in range(given.childArgs().size())]
    planned = jvm.org.apache.spark.deploy.SparkSubmit().prepareSubmitEnvironment(given, jvm.scala.Option.empty())
    return given, of_the_run, planned._4()  # noqa: SLF001


def validate(kind: Any, document: dict[str, Any]) -> None:
    """Hold a document to a type: no name that it has not, and no other type."""
    config = ConfigDict(extra="forbid", strict=True)
    TypeAdapter(list[kind], config=config).validate_json(json.dumps([document]))


def kubernetes(document: dict[str, Any]) -> None:
    module = import_module(f"lightkube.models.{MODULES[document['apiVersion']]}")
    validate(getattr(module, document["kind"]), document)


def aws(monkeypatch: pytest.MonkeyPatch, request: dict[str, Any]) -> None:
    """Hold a request to AWS' model; its types are taken without their package, which would import all of botocore."""
    name = "mypy_boto3_emr_serverless"
    monkeypatch.setitem(sys.modules, name, module_from_spec(find_spec(name)))
    validate(import_module(f"{name}.type_defs").StartJobRunRequestTypeDef, request)


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text()))


def bundle() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "databricks" / "databricks.yml").read_text())


@pytest.mark.parametrize("heading", SUBMITS)
def test_spark_reads_the_command_line_and_every_setting_arrives(heading, spark, tmp_path) -> None:
    master, mode, resource, main_class = SUBMITS[heading]
    arguments = words(run(recipes(heading)[-1], tmp_path))
    given, of_the_run, planned = plan(spark, arguments)
    assert (given.master(), given.deployMode(), planned) == (master, mode, main_class)
    assert given.primaryResource() in {resource, f"file:{Path(resource).absolute()}"}
    assert of_the_run == arguments[arguments.index(resource) + 1 :]
    assert [word.partition("=")[0] for word in of_the_run] == ["--env", "--conf-source", "--params"]
    options = arguments[: arguments.index(resource)]
    assert all(re.match("--[a-z-]+=.", option) for option in options), "one without a value would take the next for it"
    found = given.sparkProperties()
    assert {name: found.get(name).get() for name in settings()} == settings()
    assert found.get("spark.driver.host").isDefined() == (mode == "client")


@pytest.mark.parametrize("heading", [*SUBMITS, "Databricks"])
def test_nothing_is_submitted_where_spark_flags_refuses(heading, tmp_path) -> None:
    recipe = recipes(heading)[1 if heading == "Databricks" else -1].replace("--env=prod", "--env=base", 1)
    done = execute(recipe, tmp_path)
    assert done.returncode != 0
    assert "This environment has no spark.yml. Try --env=prod." in done.stderr
    assert not (tmp_path / "words").exists()
    assert "Traceback" not in done.stderr


def test_aws_is_not_called_where_spark_flags_refuses(tmp_path) -> None:
    variables = {"EMR_APPLICATION_ID": "00application", "EMR_ROLE_ARN": "arn:aws:iam::000000000000:role/premises"}
    (tmp_path / "start-job-run.sh").write_text(
        (DEPLOY / "emr-serverless/start-job-run.sh").read_text().replace("--env=prod", "--env=base", 1)
    )
    done = execute(f"sh {tmp_path}/start-job-run.sh", tmp_path, S3_FOLDER="s3://BUCKET/premises/", **variables)
    assert done.returncode != 0
    assert "This environment has no spark.yml" in done.stderr
    assert not (tmp_path / "words").exists()


def test_every_recipe_that_installs_takes_both_wheels() -> None:
    files = [path for path in DEPLOY.rglob("*") if path.is_file()]
    installs = [
        command
        for path in files
        for command in re.split(r"\n(?! )", path.read_text(encoding="utf-8").replace("\\\n", " "))
        if re.search(r"uv\b.* pip install", command) and "premises-*.whl" in command
    ]
    assert len(installs) == 4  # the README's two, the image, Databricks
    assert all("kedro_handover-*.whl" in command for command in installs)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("--conf=spark.executor.instances=4 --num-executers=4", "Unrecognized option '--num-executers"),
        ("--conf=spark.app.name", "without '='"),
        ("--master=spark://HOST:7077 --deploy-mode=cluster", "not supported for python applications on standalone"),
    ],
)
def test_spark_refuses_a_wrong_option(wrong, message, spark) -> None:
    with pytest.raises(Py4JJavaError) as refused:
        plan(spark, [*shlex.split(wrong), "submit.py"])
    assert re.search(message, str(refused.value.java_exception))


@pytest.mark.parametrize("file", ["service-account.yml", "pod-template.yml"])
def test_the_api_of_kubernetes_has_all_that_is_asked_for(file) -> None:
    for document in documents(file):
        kubernetes(document)


def test_a_name_that_kubernetes_has_not_and_a_wrong_type_are_rejected() -> None:
    (pod,) = documents("pod-template.yml")
    for change in ({"runAsNonRooot": True}, {"runAsUser": "185"}):
        with pytest.raises(ValidationError):
            kubernetes(pod | {"spec": pod["spec"] | {"securityContext": change}})


def test_the_driver_has_the_rights_of_its_role_and_the_executors_none(tmp_path) -> None:
    by_kind = {(one["kind"], one["metadata"]["name"]): one for one in documents("service-account.yml")}
    given = words(run(recipes("Kubernetes")[-1], tmp_path))
    (namespace,) = [word.partition("namespace=")[2] for word in given if "kubernetes.namespace=" in word]
    assert {one["metadata"].get("namespace", namespace) for one in by_kind.values()} == {namespace}
    for who in ("driver", "executor"):
        assert f"--conf=spark.kubernetes.authenticate.{who}.serviceAccountName={who}" in given
        (template,) = [word.rpartition("=")[2] for word in given if f"{who}.podTemplateFile" in word]
        assert (DEPLOY / Path(template).relative_to("../deploy")).is_file()
    binding = by_kind["RoleBinding", "driver"]
    assert [one["name"] for one in binding["subjects"]] == ["driver"]
    rights = by_kind[binding["roleRef"]["kind"], binding["roleRef"]["name"]]["rules"]
    assert {right for rule in rights for right in rule["resources"]} == {"pods", "configmaps", "services"}
    assert "*" not in {verb for rule in rights for verb in rule["verbs"]}
    assert by_kind["ServiceAccount", "executor"]["automountServiceAccountToken"] is False


def test_aws_takes_the_request_and_every_setting_arrives(tmp_path, monkeypatch) -> None:
    variables = {"EMR_APPLICATION_ID": "00application", "EMR_ROLE_ARN": "arn:aws:iam::000000000000:role/premises"}
    command = f"{DEPLOY}/emr-serverless/start-job-run.sh --params=storage='s3a://BUCKET/with space'"
    called = words(run(command, tmp_path, S3_FOLDER="s3://BUCKET/premises/", **variables))
    assert called[:3] == ["emr-serverless", "start-job-run", "--cli-input-json"]
    request = json.loads(called[3])
    request["clientToken"] = "the command line makes one"
    aws(monkeypatch, request)
    for wrong in ({"nmae": "premises"}, {"executionTimeoutMinutes": "60"}, {"jobDriver": {"sparkSubmit": {}}}):
        with pytest.raises(ValidationError):
            aws(monkeypatch, request | wrong)
    submit = request["jobDriver"]["sparkSubmit"]
    assert submit["entryPoint"] == "s3://BUCKET/premises/submit.py"
    assert submit["entryPointArguments"][-1] == "--params=storage=s3a://BUCKET/with space"
    (classified,) = request["configurationOverrides"]["applicationConfiguration"]
    assert classified["classification"] == "spark-defaults"
    assert settings().items() <= classified["properties"].items()
    assert "spark.master" not in classified["properties"]


def test_databricks_takes_the_job_and_every_setting_arrives(tmp_path) -> None:
    run(recipes("Databricks")[1], tmp_path)
    (file,) = (tmp_path / "deploy" / "databricks").glob(".databricks/bundle/*/variable-overrides.json")
    found = bundle()
    assert file.parent.name in found["targets"]
    job = found["resources"]["jobs"]["premises"]
    assert set(re.findall(r"\$\{var\.(\w+)}", json.dumps(job))) == set(found["variables"])
    (cluster,) = job["job_clusters"]
    cluster["new_cluster"]["spark_conf"] = json.loads(file.read_text())["spark_conf"]
    read = Job.from_dict(job)
    assert read.job_clusters[0].new_cluster.spark_conf == settings()
    assert read.tasks[0].job_cluster_key == read.job_clusters[0].job_cluster_key
    wheel = read.tasks[0].python_wheel_task
    (script,) = entry_points(group="console_scripts", name=wheel.entry_point)
    assert script.dist.name == wheel.package_name


def test_a_name_that_databricks_has_not_and_a_wrong_type_are_rejected() -> None:
    for change in ({"num_wokers": 4}, {"num_workers": "four"}, {"spark_conf": ["spark.app.name"]}):
        job = bundle()["resources"]["jobs"]["premises"]
        job["job_clusters"][0]["new_cluster"] |= change
        with pytest.raises(ValueError, match=r"Unexpected|invalid literal"):
            Job.from_dict(job)
