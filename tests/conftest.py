"""What the tests share: the engines, and one whole run of the project on a synthetic census."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import traceback
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from filelock import FileLock
from kedro.framework.startup import bootstrap_project

from kedro_handover.contract import list_flagged
from kedro_handover.nodes.validation import select_valid
from kedro_handover.session import HandoverSession
from kedro_handover.testing import Engine
from premises.census.schema import VINTAGES
from premises.pipelines.data_engineering.ingest import (
    check_premises,
    find_repeated_ids,
    list_barris,
    list_census_rules,
)
from premises.pipelines.data_engineering.parameters import CensusParameters
from processes import (  # noqa: F401 - the tests of the project take them from here
    SPARK_VARIABLES,
    fresh_environment,
    listening_addresses,
    listening_sockets,
    programs_under,
    short_lived_environment,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).parents[1]
COLUMNS = VINTAGES[2016].columns
CENSUS = CensusParameters(vintage=2016, rejected_share=0.01)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--figures", help="folder for screenshots of the graph and the pages; thrown away if none is given"
    )


LONGEST_FIRST = (
    "test_production.py",
    "test_cluster.py",
    "test_h2o.py",
    "test_crashes.py",
    "test_notebooks.py",
    "test_make.py",
    "test_hadoop.py",
    "test_public_tables.py",
    "test_anywhere.py",
    "test_spark24.py",
    "test_lake.py",
    "test_s3.py",
    "test_data_engineering.py",
    "test_session.py",
    "test_hostile.py",
    "test_project.py",
    "test_tree.py",
    "test_split.py",
    "test_typing.py",
    "test_docs.py",
    "test_vintages.py",
    "test_engines.py",
    "test_viz.py",
    "test_reports.py",
    "test_new_project.py",
)
"""Files that the workers begin with, so that none is left with a long one when the others have ended."""


ON_ONE_H2O = ("test_production.py", "test_h2o.py", "test_mojo_model_dataset.py", "test_counterparts.py")
"""Files that one worker takes: H2O starts once in its Spark, which costs as much as a hundred small tests."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give one worker all files that are on H2O, where the workers take a file at a time."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return "on H2O" if file.rpartition("/")[2] in ON_ONE_H2O else file

    return Scheduling(config, log)


WITH_DASK = (
    "test_engine_tables.py",
    "test_engines.py",
    "test_operations.py",
    "test_other_tasks.py",
    "test_split.py",
)
"""Files that try Dask in `make test`: every operation, the split, what a node computes. Elsewhere it is left to
`make test-all`: on a table of a few rows Dask's planning costs seconds a test, and nobody's production is on it."""


FEW_ON_SPARK_AND_DASK = {
    "census/test_contract.py": (
        "test_each_rule_is_violated_by_the_rows_that_violate_it_and_no_others",
        "test_rows_in_are_rows_valid_and_rows_rejected_with_the_raw_row_and_its_reasons",
    ),
    "census/test_fuzz.py": (
        "test_odd_rows_are_judged_and_read_as_on_pandas[2016]",
        "test_what_is_read_of_damaged_files_is_judged_as_on_pandas",
    ),
    "census/test_vintages.py": (
        "test_the_same_premises_come_out_of_each_form[2022]",
        "test_every_vintage_has_the_same_columns_and_types[2019]",
        "test_the_flags_of_2019_say_yes_by_0",
    ),
    "evaluation/test_drift.py": (
        "test_every_engine_makes_the_same_profile_and_measures_the_same_drift",
        "test_codes_that_the_model_has_not_seen_are_counted",
    ),
    "evaluation/test_metrics.py": (
        "test_each_split_is_measured_by_itself_and_unknown_labels_are_left_out",
        "test_metrics_are_plain_numbers_for_a_json_file",
    ),
    "evaluation/test_other_tasks.py": (
        "test_metrics_of_several_classes_are_those_of_the_rows",
        "test_metrics_of_a_number_are_those_of_the_rows",
        "test_parity_of_a_number_is_in_its_unit",
    ),
    "evaluation/test_parity.py": (
        "test_the_comparison_is_that_of_plain_pandas",
        "test_one_last_bit_is_a_differing_row",
        "test_rows_that_one_model_alone_predicts_are_counted",
        "test_a_group_may_be_a_text",
    ),
    "nodes/test_split.py": (
        "test_the_split_is_the_stated_arithmetic_of_the_id",
        "test_the_larger_class_is_thinned_in_train_only[1]",
        "test_rows_in_another_order_give_the_same_rows",
        "test_rows_of_one_group_stay_together_and_those_of_none_are_split_by_their_id[string]",
        "test_stratified_the_rows_of_a_class_are_in_the_order_of_the_stated_arithmetic",
        "test_stratified_groups_stay_whole_and_those_with_the_rarer_class_are_shared_out",
        "test_rows_are_counted_by_label_split_and_origin",
        "test_features_that_violate_their_rules_end_the_run_too",
    ),
    "nodes/test_typing.py": (
        "test_a_row_is_typed_and_has_its_features",
        "test_numbers_are_read_as_people_write_them",
        "test_units_thousands_and_decimal_commas_are_read",
        "test_days_are_read_in_their_form_and_only_if_they_are_days",
        "test_rows_are_flagged_by_the_rules_that_follow_from_the_schema",
        "test_without_an_id_the_number_of_the_row_is_the_id",
        "test_feature_rules_find_what_is_no_number",
        "test_labels_are_counted_by_class_and_both_have_to_be_there",
    ),
    "nodes/test_validation.py": (
        "test_each_rule_is_violated_by_the_rows_that_violate_it_and_no_others",
        "test_rows_in_are_rows_valid_and_rows_rejected_with_the_raw_row_and_its_reasons",
        "test_no_row_is_rejected_where_no_rule_rejects",
        "test_the_rows_are_counted_by_rule",
    ),
    "pipelines/test_data_engineering.py": (
        "test_a_premises_is_typed_and_named",
        "test_each_text_is_read_as_what_it_says_and_else_as_null",
        "test_neighbours_are_counted_at_each_kind_of_place",
        "test_features_are_float32_and_about_the_place_only",
    ),
    "tests/test_contract.py": (
        "test_rules_that_reject_have_the_first_flags_and_names_of_their_own",
        "test_a_rule_and_a_column_may_have_any_name",
        "test_counts_that_are_not_0_are_refused_and_taken_away",
        "test_a_table_is_held_to_its_columns_and_types",
        "test_of_many_faults_the_first_are_named",
        "test_the_features_may_be_stated",
    ),
    "tests/test_hashing.py": (
        "test_the_hash_of_an_id_is_the_same_in_every_version",
        "test_every_step_hashes_as_stated",
        "test_several_hashes_are_those_of_each_alone_and_leave_nothing_else",
        "test_a_text_is_read_as_the_number_of_its_digits",
        "test_a_null_id_has_no_hash",
        "test_the_remainder_is_that_of_a_floored_division",
    ),
    "tests/test_operations.py": (
        "test_expressions_are_those_of_pandas",
        "test_operations_on_frames_are_those_of_pandas[many]",
        "test_operations_on_frames_are_those_of_pandas[none]",
        "test_patterns_match_as_on_pandas",
    ),
}
"""What of files that try every engine `make test` runs on the two that plan a job for a few rows; on pandas, Polars and
DuckDB it runs all, and `make test-all` on each. An entry is a test, or one with its parameters but for the engine."""


def is_one_of_few(item: pytest.Item, engine: str) -> bool:
    """Whether `make test` runs a test on Spark or Dask."""
    few = FEW_ON_SPARK_AND_DASK.get(f"{item.path.parent.name}/{item.path.name}")
    return few is None or bool({item.name.partition("[")[0], item.name.replace(f"[{engine}-", "[")} & {*few})


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a whole run in prod, which starts Spark too, and what is slow; put the longest files first."""
    for item in items:
        if "prod_storage" in getattr(item, "fixturenames", ()):
            item.add_marker("spark")
        engine = item.callspec.params.get("engine") if hasattr(item, "callspec") else None
        if engine == "dask" and item.path.name not in WITH_DASK:
            item.add_marker("slow")
        if engine in {"dask", "spark"} and not is_one_of_few(item, engine):
            item.add_marker("slow")
    ranks = {name: rank for rank, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


def census_rows(*changes: dict[str, str | None]) -> dict[str, list[str | None]]:
    """Columns of a raw census with a row for each change to a premises of Barcelona's 2016 census, ids from 1."""
    row: dict[str, str | None] = dict.fromkeys(COLUMNS, " ") | {
        "ID_PRINCIP": "1",
        "N_PRINCIP": "Actiu",
        "ID_SECTOR": "1",
        "N_SECTOR": "Comerç al detall",
        "ID_GRUPACT": "4",
        "N_GRUPACT": "Equipament personal",
        "ID_ACT": "4003",
        "N_ACT": "Vestir",
        "N_LOCAL": "INSIDE",
        "SN_CARRER": "1",
        "SN_MERCAT": "0",
        "ID_MERCAT": "0",
        "SN_GALERIA": "0",
        "SN_CCOMERC": "0",
        "ID_CCOMERC": "0",
        "N_CARRER": "MOLL ESPANYA",
        "NUM_POLICI": "5",
        "REF_CAD": "1813205DF3811D",
        "DATA": "2016-06-07",
        "Codi_Barri": "2",
        "Nom_Barri": "el Barri Gòtic",
        "Codi_Districte": "1",
        "N_DISTRI": "Ciutat Vella",
        "N_EIX": None,
        "SN_EIX": "0",
        "SEC_CENS": "1030",
        "Y_UTM_ETRS": "4580750.861",
        "X_UTM_ETRS": "431675.395",
        "LATITUD": "41.375377",
        "LONGITUD": "2.182944",
    }
    rows = [row | {"ID_BCN": str(number)} | change for number, change in enumerate(changes, start=1)]
    return {column: [row[column] for row in rows] for column in COLUMNS}


CENSUS_SCHEMA = {"row_number": pa.int64(), **dict.fromkeys(("malformed_line", *COLUMNS), pa.string())}


def read_rows(*changes: dict[str, str | None], malformed: tuple[str, ...] = ()) -> pa.Table:
    """The same as it is read from a file, and below it the texts of rows with another number of fields."""
    rows = census_rows(*changes)
    nothing: list[str | None] = [None] * len(malformed)
    whole = {
        "malformed_line": [*[None] * len(changes), *malformed],
        **{name: [*cells, *nothing] for name, cells in rows.items()},
    }
    numbers = range(2, 2 + len(changes) + len(malformed))
    return pa.table({"row_number": numbers, **whole}, schema=pa.schema(CENSUS_SCHEMA))


def check(engine: Engine, census: pa.Table, parameters: CensusParameters = CENSUS) -> Any:
    """A census that the contract has been applied to."""
    frame = engine.from_arrow(census)
    repeated = engine.stored(find_repeated_ids(frame, parameters))
    barris = engine.from_arrow(list_barris(repeated).read_all())
    return engine.stored(check_premises(frame, repeated, barris, parameters))


def judge(engine: Engine, census: pa.Table, parameters: CensusParameters = CENSUS) -> list[dict[str, Any]]:
    """The rows of a census that the contract has been applied to: `violated` and `warned` name the rules of each."""
    rules = list_census_rules(parameters)
    severity = {rule["name"]: rule["severity"] for rule in rules}
    judged = []
    for row in engine.rows(check(engine, census, parameters)):
        names = list_flagged(row["violations"], rules)
        violated, warned = (", ".join(name for name in names if severity[name] == kind) for kind in ("error", "warn"))
        judged.append(row | {"violated": violated, "warned": warned})
    return judged


def clean(engine: Engine, census: pa.Table, parameters: CensusParameters = CENSUS) -> Any:
    """The valid premises of a census."""
    return select_valid(check(engine, census, parameters), list_census_rules(parameters), {})


def open_session(
    storage: Path, conf_source: str | None = None, env: str | None = None, **params: Any
) -> HandoverSession:
    bootstrap_project(PROJECT)
    return HandoverSession.create(
        PROJECT, env=env, runtime_params={"storage": str(storage), **params}, conf_source=conf_source
    )


def kedro(
    *arguments: str, cwd: Path = PROJECT, short_lived: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run Kedro's command line in a process of its own; Java, if it starts, has no options but its own and Spark's if
    the process is not to be short-lived.
    """
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=cwd,
        env=(short_lived_environment if short_lived else fresh_environment)(**variables),
        capture_output=True,
        text=True,
        check=False,
    )


def kedro_here(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Kedro's command line in this process, on the Spark of the tests: it is as the other, and starts at once."""
    from kedro.framework.cli.cli import KedroCLI

    with chdir(PROJECT):
        done = CliRunner().invoke(KedroCLI(PROJECT), arguments)
    error = done.exception if isinstance(done.exception, Exception) else None  # not the end of the command
    told = "".join(traceback.format_exception(error)) if error else ""
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr + told)


def run_on_a_laptop(storage: Path, *more: str) -> None:
    """Generate a synthetic census in a storage and run research on it, each as a user starts them.

    Args:
        storage: The root.
        more: Parameters of the census, such as "rows=1000".
    """
    place = f"--params=storage={storage}"
    for options in (["--pipelines=synthetic_census", ",".join([place, *more])], [place]):
        done = kedro("run", *options)
        assert done.returncode == 0, done.stdout + done.stderr


def build_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """Give a folder that one worker of pytest-xdist builds; the others wait for it."""
    temporary = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        temporary = temporary.parent
    folder, is_built = temporary / name, temporary / f"{name}.built"
    with FileLock(temporary / f"{name}.lock"):
        if not is_built.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            is_built.touch()
    return folder


@pytest.fixture(scope="session")
def run_storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage root after `synthetic_census` and a plain run, each as a user starts them."""
    return build_once(tmp_path_factory, "run_storage", run_on_a_laptop)


@pytest.fixture(scope="session")
def prod_storage(run_storage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage root after a plain run of the environment prod on the census of `run_storage`."""

    def build(storage: Path) -> None:
        shutil.copytree(run_storage / "01_raw", storage / "01_raw", copy_function=os.link)
        done = kedro("run", "--env=prod", f"--params=storage={storage}", short_lived=False)  # as a user's run does
        assert done.returncode == 0, done.stdout + done.stderr
        (storage / "stdout.txt").write_text(done.stdout)

    return build_once(tmp_path_factory, "prod_storage", build)


@pytest.fixture(scope="session")
def census_file(run_storage: Path) -> Path:
    return run_storage / "01_raw" / VINTAGES[2016].file
