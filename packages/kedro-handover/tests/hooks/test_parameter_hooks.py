"""Wrong parameters are refused before anything runs, in one sentence with the file and the name."""

from __future__ import annotations

import pytest
from kedro.validation import ParameterValidationError

from toy_project import PROJECT_YML, ToyProject


def refuse(project: ToyProject, **params: object) -> str:
    project.put_orders()
    with pytest.raises(ParameterValidationError) as refused:
        project.run(**params)
    assert project.list_outputs() == []
    return str(refused.value)


def test_a_name_that_no_pipeline_has_is_refused_with_the_one_that_is_meant(project: ToyProject) -> None:
    assert refuse(project, shpo={"factor": 1}) == ("--params: no pipeline has a parameter 'shpo'. Did you mean 'shop'?")


@pytest.mark.parametrize("text", ["shpo: { factor: 1 }", '"shpo":\n  factor: 1\n'])
def test_a_name_in_a_file_is_refused_with_the_file(project: ToyProject, text: str) -> None:
    project.write("conf/local/parameters_mine.yml", text)
    assert refuse(project).startswith("conf/local/parameters_mine.yml: no pipeline has a parameter 'shpo'.")


def test_what_the_configuration_takes_by_runtime_params_is_no_unknown_parameter(project: ToyProject) -> None:
    project.put_orders().rename(project.folder / "data/01_raw/orders.txt")
    project.run(format="txt")
    assert "02_intermediate/orders.parquet" in project.list_outputs()


def test_a_block_that_no_file_sets_is_named_with_the_file_to_put(project: ToyProject) -> None:
    (project.folder / "conf/base/parameters_shop.yml").unlink()
    assert refuse(project) == (
        "the run takes the parameters shop, and no file sets them. Put them into a file of conf/base, such as "
        "parameters_shop.yml."
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("dataset: orders_file", "dataset: order_file"), "catalog has no 'order_file'. Did you mean 'orders_file'?"),
        (("  id: order_id\n", ""), "project.id: Field required."),
        (("task: binary", "task: ranking"), "project.task: Input should be 'binary'"),
        (("  id:", "  credits: me\n  id:"), "project.credits: Extra inputs are not permitted. Did you mean 'credit'?"),
        (("  id:", "  summarise_by: a\n  id:"), "project.summarise_by: Input should be a valid list; it is 'a'."),
        (("  id:", "  codes: { a: 1 }\n  id:"), "project.codes: Input should be a valid list; it is {'a': 1}."),
        (
            ("  id:", "  words: { sow: a }\n  id:"),
            "project.words.sow: Extra inputs are not permitted. Did you mean 'row'?",
        ),
        (("project:", "projects:"), " says nothing of the project"),
    ],
)
def test_what_project_yml_says_is_checked_whatever_runs(
    project: ToyProject, change: tuple[str, str], sentence: str
) -> None:
    assert change[0] in PROJECT_YML
    project.write("conf/base/project.yml", PROJECT_YML.replace(*change))
    said = refuse(project)
    assert said.startswith(("in project.yml", "project.yml"))
    assert sentence in said
    assert "\n" not in said


def test_other_projects_of_the_environment_are_left_alone(project: ToyProject) -> None:
    (project.folder / "conf/base/project.yml").unlink()
    project.put_orders()
    project.run(colour="blue")
    assert project.list_outputs() == [
        "02_intermediate/orders.parquet",
        "08_reporting/row_counts.json",
        "08_reporting/shop_report.html",
    ]
