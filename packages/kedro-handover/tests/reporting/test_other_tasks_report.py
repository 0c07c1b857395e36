"""Several classes, and a number to predict, in reports: figures, what is said of them, and how far production is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kedro_handover.evaluation.parity import compare_predictions
from kedro_handover.evaluation.predictions import evaluate_predictions
from kedro_handover.project import ProjectSpec, RawTable, Words
from kedro_handover.reporting import plots
from kedro_handover.reporting.parity_report import render_parity_markdown
from kedro_handover.reporting.research_report import describe_figures, name_metrics, say_exactness

RAW = RawTable(dataset="orders_file")
CLASSES = ProjectSpec(
    task="multiclass", id="id", raw=RAW, words=Words(rows="orders", classes=["kept", "returned", "lost $1$"])
)
NUMBER = ProjectSpec(task="regression", id="id", raw=RAW, words=Words(rows="orders", value="price"))


def make_predictions(project: ProjectSpec) -> pd.DataFrame:
    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        {"id": [str(n) for n in range(90)], "split": ["train", "test", "test"] * 30, "group": [1, 2] * 45}
    )
    if project is NUMBER:
        label = random.normal(10, 3, 90)
        return rows.assign(label=label, prediction=label + random.normal(0, 1, 90))
    shares = random.dirichlet([1, 1, 1], 90)
    columns = {f"probability_{place}": shares[:, place] for place in range(3)}
    return rows.assign(label=[0, 1, 2, 1, 2, 0, 2, 0, 1] * 10, **columns, prediction=shares.argmax(axis=1))


@pytest.mark.parametrize(
    ("project", "figures"),
    [
        (CLASSES, ("roc_curve", "precision_recall", "calibration")),
        (NUMBER, ("predicted_actual", "residuals")),
    ],
)
def test_each_figure_of_a_task_is_made_and_described(project: ProjectSpec, figures: tuple[str, ...]) -> None:
    counted, metrics = evaluate_predictions(make_predictions(project))
    described = describe_figures(metrics, project)
    for name in figures:
        figure = getattr(plots, f"plot_{name}")(counted, project)
        figure.canvas.draw()
        assert described[name].endswith(".")
    assert set(name_metrics(project)) <= set(metrics["test"])
    assert "counted as they are, so metrics are those of the single orders" in say_exactness(metrics, project)
    assert "rounded to bins, 0.5 wide" in say_exactness({"test": {"bin_width": 0.5}}, project)


def test_the_confusion_matrix_of_several_classes_has_a_cell_for_each_pair() -> None:
    _, metrics = evaluate_predictions(make_predictions(CLASSES))
    figure = plots.plot_confusion_matrix(metrics, CLASSES)
    (axes,) = figure.axes
    matrix = metrics["test"]["confusion_matrix"]
    assert [text.get_text().split("\n")[0] for text in axes.texts] == [str(count) for row in matrix for count in row]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["kept", "returned", "lost $1$"]
    told = describe_figures(metrics, CLASSES)["confusion_matrix"]
    assert told.startswith(f"Confusion matrix of 3 classes: {np.trace(matrix)} of 60 orders of the test split")


def test_parity_of_a_number_has_a_table_of_its_own() -> None:
    research = make_predictions(NUMBER)
    parity = compare_predictions(research, {"mllib": research.assign(prediction=research["prediction"] + 0.25)})
    written = render_parity_markdown({"mllib": {**parity["mllib"], "failures": ["r2_diff is 1, allowed at most 0"]}})
    assert "| MLlib | 60 | 60 | 0.25 | 0.25 |" in written
    assert "- mllib: r2_diff is 1, allowed at most 0" in written
