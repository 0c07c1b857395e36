"""Every picture shows what the data say, says what it shows, and comes out the same each time."""

import re
from io import BytesIO
from itertools import combinations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sklearn.metrics as reference
from matplotlib.colors import to_rgb
from PIL import Image
from sklearn.tree import DecisionTreeClassifier

from conftest import Engine
from kedro_handover.evaluation.metrics import calibration
from kedro_handover.evaluation.predictions import evaluate_predictions
from kedro_handover.reporting.plots import (
    BLUE,
    GREY,
    VERMILION,
    plot_calibration,
    plot_confusion_matrix,
    plot_disagreement,
    plot_drift,
    plot_importances,
    plot_precision_recall,
    plot_roc_curve,
    plot_score_map,
    plot_tree_top,
)

TOLERANCE = 1e-12
SAME_PLACE_KM = 0.15
"""A hexagon's centre is at most this far from the premises in it, on a map 5 km wide."""

SRGB_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
MACHADO = {
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
"""What colour-blind people see of linear sRGB: Machado, Oliveira and Fernandes, 2009."""

FAR_APART = 20
"""Of CIELAB; a difference of 2 can just be seen side by side."""

CONTRAST = 4.5
"""Of text to its ground, that WCAG asks for."""

random = np.random.default_rng(2016)
ROWS = pd.DataFrame(
    {
        "premises_id": np.arange(1, 601),
        "split": np.where(np.arange(600) % 3 == 0, "test", "train"),
        "x_metres": random.uniform(425_000, 430_000, 600).astype(np.float32),
        "y_metres": random.uniform(4_580_000, 4_585_000, 600).astype(np.float32),
        "premises_in_street": random.integers(1, 90, 600).astype(np.float32),
    }
)
FEATURES = ["x_metres", "y_metres", "premises_in_street"]
LABEL = (ROWS["premises_in_street"] > 40) ^ (random.random(600) < 0.2) ^ (ROWS["x_metres"] > 429_000)


def fitted(**arguments):
    return DecisionTreeClassifier(random_state=1, **arguments).fit(ROWS[FEATURES], LABEL)


TREE = fitted(max_depth=5, min_samples_leaf=9)
PROBABILITY = TREE.predict_proba(ROWS[FEATURES])[:, 1]
PREDICTIONS = pd.DataFrame(
    {
        "premises_id": ROWS["premises_id"],
        "split": ROWS["split"],
        "is_active": LABEL,
        "probability": PROBABILITY,
        "prediction": PROBABILITY > 0.5,
    }
)
HISTOGRAMS, METRICS = evaluate_predictions(PREDICTIONS)
TEST = PREDICTIONS[PREDICTIONS["split"] == "test"]
TRAIN = PREDICTIONS[PREDICTIONS["split"] == "train"]

BY_DISTRICT = [{"district_id": 1.0, "mean_abs_diff": 0.0123}, {"district_id": 10.0, "mean_abs_diff": 0.0456}]
DRIFT = {
    "features": [{"feature": "metres_to_district_centre", "psi": 0.4}, {"feature": "barri", "psi": 0.1}],
    "largest_psi": 0.25,
}

PICTURES = {
    "confusion_matrix": lambda: plot_confusion_matrix(METRICS),
    "roc_curve": lambda: plot_roc_curve(HISTOGRAMS),
    "precision_recall": lambda: plot_precision_recall(HISTOGRAMS),
    "calibration": lambda: plot_calibration(HISTOGRAMS),
    "importances": lambda: plot_importances(TREE),
    "tree_top": lambda: plot_tree_top(TREE),
    "score_map": lambda: plot_score_map(ROWS, PREDICTIONS),
    "disagreement": lambda: plot_disagreement(BY_DISTRICT),
    "drift": lambda: plot_drift(DRIFT),
}
picture = pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES)


def png(figure):
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=50)
    return buffer.getvalue()


def to_linear(colour):
    encoded = np.array(to_rgb(colour))
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return to_linear(colour) @ SRGB_TO_XYZ[1]


def to_lab(linear):
    x, y, z = np.cbrt(
        SRGB_TO_XYZ @ linear / SRGB_TO_XYZ.sum(axis=1)
    )  # none of the colours is so dark that it is no cube root
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def axes_of(figure):
    return figure.axes[0]


def line(figure, label):
    """The points of the line whose label begins so."""
    (found,) = [drawn for drawn in axes_of(figure).lines if str(drawn.get_label()).startswith(label)]
    return found.get_xydata()


def legend(figure):
    (found,) = [one for one in (axes_of(figure).get_legend(), *figure.legends) if one]
    return [text.get_text() for text in found.get_texts()]


@picture
def test_a_picture_is_the_same_png_each_time_and_is_not_empty(draw) -> None:
    first, second = png(draw()), png(draw())
    assert first == second
    image = Image.open(BytesIO(first))
    assert image.format == "PNG"
    assert len(image.convert("RGB").getcolors(maxcolors=1_000_000)) > 10


@picture
def test_a_picture_leaves_no_figure_open_and_no_style_behind(draw) -> None:
    style = dict(mpl.rcParams)
    draw()
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == style


@pytest.mark.parametrize(
    ("name", "title", "x", "y"),
    [
        (
            "confusion_matrix",
            "Confusion matrix, test split",
            "predicted",
            "true (200 premises; shares are of each true class)",
        ),
        (
            "roc_curve",
            "ROC curve",
            "share of premises that are not active, predicted active",
            "share of active premises, predicted active",
        ),
        (
            "precision_recall",
            "Precision and recall, test split",
            "recall: share of the class that is found",
            "precision: share of those found that are of the class",
        ),
        (
            "calibration",
            "Calibration",
            "mean predicted probability of being active",
            "share of premises that are active",
        ),
        ("importances", "Importance of the features", "share of the fall in impurity (gini)", ""),
        ("score_map", "200 premises of the test split, by score", "km east (ETRS89 / UTM 31N)", "km north"),
        (
            "disagreement",
            "Mean |Δp| by district, test split",
            "mean difference in the probability of being active, 0 to 1",
            "",
        ),
        (
            "drift",
            "Drift of each feature since the release",
            "population stability index, no unit; limit 0.25",
            "",
        ),
    ],
)
def test_a_picture_says_what_it_shows_with_units(name, title, x, y) -> None:
    axes = axes_of(PICTURES[name]())
    assert (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()) == (title, x, y)


@picture
def test_no_text_of_a_picture_is_cut_off(draw) -> None:
    figure = draw()
    png(figure)
    drawn = figure.get_tightbbox()
    assert (drawn.min >= 0).all()
    assert (drawn.max <= figure.get_size_inches()).all()


@pytest.mark.parametrize("sees", MACHADO.values(), ids=MACHADO)
def test_colour_blind_readers_can_tell_the_colours_apart(sees) -> None:
    seen = [to_lab(np.clip(sees @ to_linear(colour), 0, 1)) for colour in (BLUE, VERMILION, GREY)]
    assert all(np.linalg.norm(one - other) > FAR_APART for one, other in combinations(seen, 2))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.65, 0.7, 0.72, 0.9, 1.0])
def test_the_numbers_of_the_confusion_matrix_stand_out_from_their_blue(share) -> None:
    counts = {"true_active": share, "false_inactive": 1 - share, "false_active": 1, "true_inactive": 0, "rows": 2}
    axes = axes_of(plot_confusion_matrix({"test": counts}))
    ground, text = axes.images[0].to_rgba(np.array([share]))[0, :3], to_rgb(axes.texts[0].get_color())
    light, dark = sorted((luminance(ground), luminance(text)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= CONTRAST


@pytest.mark.parametrize("name", ["roc_curve", "precision_recall", "calibration", "importances"])
def test_shares_are_written_in_percent(name) -> None:
    figure = PICTURES[name]()
    png(figure)
    written = [text.get_text() for text in axes_of(figure).get_xticklabels()]
    assert written
    assert all(re.fullmatch(r"\N{MINUS SIGN}?\d+%", text) for text in written)


def test_the_roc_curve_goes_from_corner_to_corner_through_the_points_of_the_reference() -> None:
    figure = plot_roc_curve(HISTOGRAMS)
    for split, rows in (("test", TEST), ("train", TRAIN)):
        false, true, _ = reference.roc_curve(rows["is_active"], rows["probability"], drop_intermediate=False)
        points = line(figure, f"{split}:")
        np.testing.assert_allclose(points, np.column_stack([false, true]), rtol=TOLERANCE)
        assert points[0].tolist() == [0, 0]
        assert points[-1].tolist() == [1, 1]
        area = reference.roc_auc_score(rows["is_active"], rows["probability"])
        assert f"{split}: AUC {area:.3f}" in legend(figure)
    assert line(figure, "by chance: 0.500").tolist() == [[0, 0], [1, 1]]


def test_precision_and_recall_are_those_of_the_reference_for_both_classes() -> None:
    figure = plot_precision_recall(HISTOGRAMS)
    for name, label, score in (
        ("active", TEST["is_active"], TEST["probability"]),
        ("not active", ~TEST["is_active"], -TEST["probability"]),
    ):
        precision, recall, _ = reference.precision_recall_curve(label, score)
        points = line(figure, f"{name}: average precision")
        np.testing.assert_allclose(points, np.column_stack([recall, precision])[-2::-1], rtol=TOLERANCE)
        assert points[-1].tolist() == [1, pytest.approx(label.mean(), rel=TOLERANCE)]
        assert f"{name}: average precision {reference.average_precision_score(label, score):.3f}" in legend(figure)
        chance = line(figure, f"{name} by chance: {label.mean():.3f}")
        assert chance[:, 1] == pytest.approx(label.mean(), rel=TOLERANCE)


def test_the_confusion_matrix_counts_the_test_split() -> None:
    active, predicted = TEST["is_active"], TEST["prediction"]
    cells = {
        (0, 0): (active & predicted, active),
        (1, 0): (active & ~predicted, active),
        (0, 1): (~active & predicted, ~active),
        (1, 1): (~active & ~predicted, ~active),
    }
    axes = axes_of(plot_confusion_matrix(METRICS))
    assert {text.get_position(): text.get_text() for text in axes.texts} == {
        place: f"{cell.sum():,}\n{cell.sum() / row.sum():.1%}" for place, (cell, row) in cells.items()
    }
    assert [text.get_text() for text in axes.get_xticklabels()] == ["active", "not active"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["active", "not active"]
    shares = [[cells[column, row][0].sum() / cells[column, row][1].sum() for column in (0, 1)] for row in (0, 1)]
    np.testing.assert_allclose(axes.images[0].get_array(), shares, rtol=TOLERANCE)


def test_thousands_are_written_with_commas_in_the_confusion_matrix() -> None:
    test = {"rows": 20_000, "true_active": 9_000, "false_inactive": 1_000, "false_active": 0, "true_inactive": 10_000}
    texts = [text.get_text() for text in axes_of(plot_confusion_matrix({"test": test})).texts]
    assert texts == ["9,000\n90.0%", "1,000\n10.0%", "0\n0.0%", "10,000\n100.0%"]


def test_calibration_draws_the_bins_of_each_split() -> None:
    figure = plot_calibration(HISTOGRAMS)
    for split in ("train", "test"):
        np.testing.assert_array_equal(line(figure, split), np.column_stack(calibration(HISTOGRAMS[split])))
    assert line(figure, "as predicted").tolist() == [[0, 0], [1, 1]]
    assert sorted(legend(figure)) == ["as predicted", "test", "train"]


def test_the_longest_bar_is_that_of_the_most_important_feature_and_is_on_top() -> None:
    figure = plot_importances(TREE)
    png(figure)
    axes = axes_of(figure)
    importances = sorted(zip(TREE.feature_importances_, ["x metres", "y metres", "premises in street"], strict=True))
    assert [bar.get_width() for bar in axes.patches] == [share for share, _ in importances]
    assert [text.get_text() for text in axes.get_yticklabels()] == [name for _, name in importances]
    assert [text.get_text() for text in axes.texts] == [f"{share:.1%}" for share, _ in importances]
    heights = [bar.get_y() for bar in axes.patches]
    assert heights == sorted(heights)


def test_the_bars_of_the_districts_are_as_long_as_their_difference_the_first_on_top() -> None:
    figure = plot_disagreement(BY_DISTRICT)
    png(figure)
    axes = axes_of(figure)
    assert [bar.get_width() for bar in axes.patches] == [0.0123, 0.0456]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["district 1", "district 10"]
    assert [text.get_text() for text in axes.texts] == ["0.0123", "0.0456"]
    assert axes.yaxis_inverted()


def test_the_criterion_of_the_tree_is_named() -> None:
    axes = axes_of(plot_importances(fitted(max_depth=2, criterion="entropy")))
    assert axes.get_xlabel() == "share of the fall in impurity (entropy)"


def test_the_top_of_the_tree_shows_its_first_splits_and_says_how_much_there_is() -> None:
    axes = axes_of(plot_tree_top(TREE))
    root = f"{FEATURES[TREE.tree_.feature[0]].replace('_', ' ')} <= {round(TREE.tree_.threshold[0], 2)}"
    texts = [text.get_text() for text in axes.texts]
    assert any(text.startswith(f"{root}\nsamples = 100.0%") for text in texts)
    assert any("class = active" in text for text in texts)
    assert any("class = not active" in text for text in texts)
    assert sum("samples" in text for text in texts) == 1 + 2 + 4
    title = axes.get_title(loc="left")
    assert f"The first 3 levels of a tree of depth {TREE.get_depth()} with {TREE.get_n_leaves()} leaves." in title


def test_active_is_the_class_that_a_leaf_of_active_premises_shows() -> None:
    rows = pd.DataFrame({"is_on_axis": np.array([0, 0, 1, 1], dtype=np.float32)})
    tree = DecisionTreeClassifier().fit(rows, [False, False, True, True])
    on_left, on_right = sorted(
        (text for text in axes_of(plot_tree_top(tree)).texts if "samples = 50.0%" in text.get_text()),
        key=lambda text: text.get_position()[0],
    )
    assert on_left.get_text().endswith("class = not active")
    assert on_right.get_text().endswith("class = active")


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_small_tree_is_drawn_and_no_more_levels_are_claimed_than_it_has(depth: int) -> None:
    tree = fitted(max_depth=depth) if depth else fitted(min_samples_leaf=len(ROWS))
    assert tree.get_depth() == depth
    assert png(plot_importances(tree))
    figure = plot_tree_top(tree)
    assert png(figure)
    leaves = "1 leaf." if depth == 0 else f"{tree.get_n_leaves()} leaves."
    assert axes_of(figure).get_title(loc="left").startswith(f"A whole tree of depth {depth} with {leaves}")
    assert sum("samples" in text.get_text() for text in axes_of(figure).texts) == tree.tree_.node_count


def test_curves_of_a_tree_with_one_leaf_are_those_of_chance() -> None:
    guess = PREDICTIONS.assign(probability=0.5, prediction=False)
    histograms, metrics = evaluate_predictions(guess)
    assert line(plot_roc_curve(histograms), "test").tolist() == [[0, 0], [1, 1]]
    for figure in (
        plot_roc_curve(histograms),
        plot_precision_recall(histograms),
        plot_calibration(histograms),
        plot_confusion_matrix(metrics),
        plot_score_map(ROWS, guess),
    ):
        assert png(figure)


def places(*kilometres):
    return pd.DataFrame(
        {
            "premises_id": range(1, len(kilometres) + 1),
            "split": "test",
            "x_metres": np.array([x * 1000 for x, _ in kilometres], dtype=np.float32),
            "y_metres": np.array([y * 1000 for _, y in kilometres], dtype=np.float32),
        }
    )


def test_the_map_has_a_hexagon_for_each_place_with_the_mean_of_its_scores(engine: Engine) -> None:
    rows = places((425, 4580), (430, 4580), (430, 4580), (425, 4585), (430, 4585))
    rows.loc[4, "split"] = "train"
    scores = engine.frame(
        {"premises_id": [5, 4, 3, 2, 1], "probability": [0.9, 0.4, 0.3, 0.2, 0.1]},
        {"premises_id": pa.int64(), "probability": pa.float64()},
    )
    figure = plot_score_map(rows, scores)
    axes = axes_of(figure)
    (hexagons,) = axes.collections
    found = sorted(zip(hexagons.get_array().tolist(), hexagons.get_offsets().tolist(), strict=True))
    assert [score for score, _ in found] == pytest.approx([0.1, 0.25, 0.4])
    np.testing.assert_allclose(
        [place for _, place in found], [[425, 4580], [430, 4580], [425, 4585]], rtol=0, atol=SAME_PLACE_KM
    )
    assert axes.get_title(loc="left") == "4 premises of the test split, by score"
    assert figure.axes[1].get_ylabel() == "mean predicted probability of being active, 0 to 1"


def test_a_map_of_a_single_premises_is_drawn() -> None:
    rows = places((430, 4580))
    assert png(plot_score_map(rows, pd.DataFrame({"premises_id": [1], "probability": [0.5]})))


def test_a_premises_that_comes_twice_is_not_drawn_twice() -> None:
    rows = places((430, 4580))
    with pytest.raises(pd.errors.MergeError):
        plot_score_map(rows, pd.DataFrame({"premises_id": [1, 1], "probability": [0.5, 0.6]}))
