"""Every figure shows what the data say, says what it shows, and comes out the same each time."""

import re
from io import BytesIO
from itertools import combinations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from PIL import Image
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from kedro_handover.evaluation.metrics import calibration
from kedro_handover.evaluation.predictions import evaluate_predictions
from kedro_handover.reporting.plots import (
    BARS_SHOWN,
    BLUE,
    GREY,
    NAME_CHARACTERS,
    VERMILION,
    plot_calibration,
    plot_confusion_matrix,
    plot_disagreement,
    plot_drift,
    plot_importances,
    plot_precision_recall,
    plot_roc_curve,
    plot_tree_top,
    shorten,
    shorten_apart,
)
from toy import PROJECT

TOLERANCE = 1e-12

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
        "id": np.arange(1, 601),
        "split": np.where(np.arange(600) % 3 == 0, "test", "train"),
        "price": random.uniform(425_000, 430_000, 600).astype(np.float32),
        "net_weight": random.uniform(4_580_000, 4_585_000, 600).astype(np.float32),
        "visits": random.integers(1, 90, 600).astype(np.float32),
    }
)
FEATURES = ["price", "net_weight", "visits"]
LABEL = (ROWS["visits"] > 40) ^ (random.random(600) < 0.2) ^ (ROWS["price"] > 429_000)


def fitted(**arguments):
    return DecisionTreeClassifier(random_state=1, **arguments).fit(ROWS[FEATURES], LABEL)


TREE = fitted(max_depth=5, min_samples_leaf=9)
PROBABILITY = TREE.predict_proba(ROWS[FEATURES])[:, 1]
PREDICTIONS = pd.DataFrame(
    {
        "id": ROWS["id"],
        "split": ROWS["split"],
        "label": LABEL,
        "probability": PROBABILITY,
        "prediction": PROBABILITY > 0.5,
    }
)
HISTOGRAMS, METRICS = evaluate_predictions(PREDICTIONS)
TEST = PREDICTIONS[PREDICTIONS["split"] == "test"]
TRAIN = PREDICTIONS[PREDICTIONS["split"] == "train"]

BY_GROUP = [{"group": 1.0, "mean_abs_diff": 0.0123}, {"group": 10.0, "mean_abs_diff": 0.0456}]
DRIFT = {
    "features": [{"feature": "metres_to_the_next_shop", "psi": 0.4}, {"feature": "price", "psi": 0.1}],
    "largest_psi": 0.25,
}

FIGURES = {
    "confusion_matrix": lambda: plot_confusion_matrix(METRICS, PROJECT),
    "roc_curve": lambda: plot_roc_curve(HISTOGRAMS, PROJECT),
    "precision_recall": lambda: plot_precision_recall(HISTOGRAMS, PROJECT),
    "calibration": lambda: plot_calibration(HISTOGRAMS, PROJECT),
    "importances": lambda: plot_importances(TREE, ROWS),
    "tree_top": lambda: plot_tree_top(TREE, PROJECT),
    "disagreement": lambda: plot_disagreement(BY_GROUP, PROJECT),
    "drift": lambda: plot_drift(DRIFT),
}
each_figure = pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)


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


@each_figure
def test_a_figure_is_the_same_png_each_time_and_is_not_empty(draw) -> None:
    first, second = png(draw()), png(draw())
    assert first == second
    image = Image.open(BytesIO(first))
    assert image.format == "PNG"
    assert len(image.convert("RGB").getcolors(maxcolors=1_000_000)) > 10


@each_figure
def test_a_figure_leaves_no_figure_open_and_no_style_behind(draw) -> None:
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
            "true (200 orders; shares are of each true class)",
        ),
        (
            "roc_curve",
            "ROC curve",
            "share of orders that are kept, predicted returned",
            "share of returned orders, predicted returned",
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
            "mean predicted probability of being returned",
            "share of orders that are returned",
        ),
        ("importances", "Importance of the features", "share of the fall in impurity (gini)", ""),
        (
            "disagreement",
            "Mean |Δp| by shop, test split",
            "mean difference in the probability of being returned, 0 to 1",
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
def test_a_figure_says_what_it_shows_with_units(name, title, x, y) -> None:
    axes = axes_of(FIGURES[name]())
    assert (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()) == (title, x, y)


@each_figure
def test_no_text_of_a_figure_is_cut_off(draw) -> None:
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
    counts = {"true_positive": share, "false_negative": 1 - share, "false_positive": 1, "true_negative": 0, "rows": 2}
    axes = axes_of(plot_confusion_matrix({"test": counts}, PROJECT))
    ground, text = axes.images[0].to_rgba(np.array([share]))[0, :3], to_rgb(axes.texts[0].get_color())
    light, dark = sorted((luminance(ground), luminance(text)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= CONTRAST


@pytest.mark.parametrize("name", ["roc_curve", "precision_recall", "calibration", "importances"])
def test_shares_are_written_in_percent(name) -> None:
    figure = FIGURES[name]()
    png(figure)
    written = [text.get_text() for text in axes_of(figure).get_xticklabels()]
    assert written
    assert all(re.fullmatch(r"\N{MINUS SIGN}?\d+%", text) for text in written)


def test_the_roc_curve_goes_from_corner_to_corner_through_the_points_of_the_reference() -> None:
    figure = plot_roc_curve(HISTOGRAMS, PROJECT)
    for split, rows in (("test", TEST), ("train", TRAIN)):
        false, true, _ = reference.roc_curve(rows["label"], rows["probability"], drop_intermediate=False)
        points = line(figure, f"{split}:")
        np.testing.assert_allclose(points, np.column_stack([false, true]), rtol=TOLERANCE)
        assert points[0].tolist() == [0, 0]
        assert points[-1].tolist() == [1, 1]
        area = reference.roc_auc_score(rows["label"], rows["probability"])
        assert f"{split}: AUC {area:.3f}" in legend(figure)
    assert line(figure, "by chance: 0.500").tolist() == [[0, 0], [1, 1]]


def test_precision_and_recall_are_those_of_the_reference_for_both_classes() -> None:
    figure = plot_precision_recall(HISTOGRAMS, PROJECT)
    for name, label, score in (
        ("returned", TEST["label"], TEST["probability"]),
        ("kept", ~TEST["label"], -TEST["probability"]),
    ):
        precision, recall, _ = reference.precision_recall_curve(label, score)
        points = line(figure, f"{name}: average precision")
        np.testing.assert_allclose(points, np.column_stack([recall, precision])[-2::-1], rtol=TOLERANCE)
        assert points[-1].tolist() == [1, pytest.approx(label.mean(), rel=TOLERANCE)]
        assert f"{name}: average precision {reference.average_precision_score(label, score):.3f}" in legend(figure)
        chance = line(figure, f"{name} by chance: {label.mean():.3f}")
        assert chance[:, 1] == pytest.approx(label.mean(), rel=TOLERANCE)


@pytest.mark.parametrize("letters", [8, 10, 11, 14, 20])
def test_the_legend_stays_inside_the_figure_whatever_the_length_of_the_words(letters: int) -> None:
    words = PROJECT.words.model_copy(update={"positive": "w" * letters, "negative": "m" * letters})
    figure = plot_precision_recall(HISTOGRAMS, PROJECT.model_copy(update={"words": words}))
    drawn = figure.legends[0].get_window_extent()
    assert drawn.x0 >= 0
    assert drawn.x1 <= figure.bbox.width


def test_the_confusion_matrix_counts_the_test_split() -> None:
    positive, predicted = TEST["label"], TEST["prediction"]
    cells = {
        (0, 0): (positive & predicted, positive),
        (1, 0): (positive & ~predicted, positive),
        (0, 1): (~positive & predicted, ~positive),
        (1, 1): (~positive & ~predicted, ~positive),
    }
    axes = axes_of(plot_confusion_matrix(METRICS, PROJECT))
    assert {text.get_position(): text.get_text() for text in axes.texts} == {
        place: f"{cell.sum():,}\n{cell.sum() / row.sum():.1%}" for place, (cell, row) in cells.items()
    }
    assert [text.get_text() for text in axes.get_xticklabels()] == ["returned", "kept"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["returned", "kept"]
    shares = [[cells[column, row][0].sum() / cells[column, row][1].sum() for column in (0, 1)] for row in (0, 1)]
    np.testing.assert_allclose(axes.images[0].get_array(), shares, rtol=TOLERANCE)


def test_thousands_are_written_with_commas_in_the_confusion_matrix() -> None:
    test = {
        "rows": 20_000,
        "true_positive": 9_000,
        "false_negative": 1_000,
        "false_positive": 0,
        "true_negative": 10_000,
    }
    texts = [text.get_text() for text in axes_of(plot_confusion_matrix({"test": test}, PROJECT)).texts]
    assert texts == ["9,000\n90.0%", "1,000\n10.0%", "0\n0.0%", "10,000\n100.0%"]


def test_calibration_draws_the_bins_of_each_split() -> None:
    figure = plot_calibration(HISTOGRAMS, PROJECT)
    for split in ("train", "test"):
        np.testing.assert_array_equal(line(figure, split), np.column_stack(calibration(HISTOGRAMS[split])))
    assert line(figure, "as predicted").tolist() == [[0, 0], [1, 1]]
    assert sorted(legend(figure)) == ["as predicted", "test", "train"]


def test_the_longest_bar_is_that_of_the_most_important_feature_and_is_on_top() -> None:
    figure = plot_importances(TREE, ROWS)
    png(figure)
    axes = axes_of(figure)
    importances = sorted(zip(TREE.feature_importances_, ["price", "net weight", "visits"], strict=True), reverse=True)
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(
        [share for share, _ in importances], rel=TOLERANCE
    )
    assert [text.get_text() for text in axes.get_yticklabels()] == [name for _, name in importances]
    assert [text.get_text() for text in axes.texts] == [f"{share:.1%}" for share, _ in importances]
    heights = [bar.get_y() for bar in axes.patches]
    assert heights == sorted(heights)
    assert axes.yaxis_inverted()


def test_the_bars_of_the_groups_are_as_long_as_their_difference_the_first_on_top() -> None:
    figure = plot_disagreement(BY_GROUP, PROJECT)
    png(figure)
    axes = axes_of(figure)
    assert [bar.get_width() for bar in axes.patches] == [0.0123, 0.0456]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["shop 1", "shop 10"]
    assert [text.get_text() for text in axes.texts] == ["0.0123", "0.0456"]
    assert axes.yaxis_inverted()


def test_the_criterion_of_the_tree_is_named() -> None:
    axes = axes_of(plot_importances(fitted(max_depth=2, criterion="entropy"), ROWS))
    assert axes.get_xlabel() == "share of the fall in impurity (entropy)"


def test_the_top_of_the_tree_shows_its_first_splits_and_says_how_much_there_is() -> None:
    axes = axes_of(plot_tree_top(TREE, PROJECT))
    root = f"{FEATURES[TREE.tree_.feature[0]].replace('_', ' ')} <= {round(TREE.tree_.threshold[0], 2)}"
    texts = [text.get_text() for text in axes.texts]
    assert any(text.startswith(f"{root}\nsamples = 100.0%") for text in texts)
    assert any("class = returned" in text for text in texts)
    assert any("class = kept" in text for text in texts)
    assert sum("samples" in text for text in texts) == 1 + 2 + 4
    title = axes.get_title(loc="left")
    assert f"The first 3 levels of a tree of depth {TREE.get_depth()} with {TREE.get_n_leaves()} leaves." in title


def test_positive_is_the_class_that_a_leaf_of_positive_rows_shows() -> None:
    rows = pd.DataFrame({"is_open": np.array([0, 0, 1, 1], dtype=np.float32)})
    tree = DecisionTreeClassifier().fit(rows, [False, False, True, True])
    on_left, on_right = sorted(
        (text for text in axes_of(plot_tree_top(tree, PROJECT)).texts if "samples = 50.0%" in text.get_text()),
        key=lambda text: text.get_position()[0],
    )
    assert on_left.get_text().endswith("class = kept")
    assert on_right.get_text().endswith("class = returned")


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_small_tree_is_drawn_and_no_more_levels_are_claimed_than_it_has(depth: int) -> None:
    tree = fitted(max_depth=depth) if depth else fitted(min_samples_leaf=len(ROWS))
    assert tree.get_depth() == depth
    assert png(plot_importances(tree, ROWS))
    figure = plot_tree_top(tree, PROJECT)
    assert png(figure)
    leaves = "1 leaf." if depth == 0 else f"{tree.get_n_leaves()} leaves."
    assert axes_of(figure).get_title(loc="left").startswith(f"A whole tree of depth {depth} with {leaves}")
    assert sum("samples" in text.get_text() for text in axes_of(figure).texts) == tree.tree_.node_count


def test_curves_of_a_tree_with_one_leaf_are_those_of_chance() -> None:
    guess = PREDICTIONS.assign(probability=0.5, prediction=False)
    histograms, metrics = evaluate_predictions(guess)
    assert line(plot_roc_curve(histograms, PROJECT), "test").tolist() == [[0, 0], [1, 1]]
    for figure in (
        plot_roc_curve(histograms, PROJECT),
        plot_precision_recall(histograms, PROJECT),
        plot_calibration(histograms, PROJECT),
        plot_confusion_matrix(metrics, PROJECT),
    ):
        assert png(figure)


LONG = "a_name_of_" + "very_many_letters_" * 6
HOSTILE = PROJECT.model_copy(
    update={
        "words": PROJECT.words.model_copy(
            update={
                "rows": "orders of $5_a or $6_b, 100%",
                "positive": "returned within $thirty$ working days of their dispatch",
                "negative": "kept by the customer_ or $lost$ in the post_office",
                "group": "shop_$x$",
            }
        )
    }
)
SIXTY = [f"{LONG}${number}$_{number:02}" for number in range(60)]
WIDE = pd.DataFrame(random.random((300, 60)), columns=SIXTY)
WIDE_TREE = DecisionTreeClassifier(max_depth=6, random_state=1).fit(WIDE, WIDE[SIXTY[3]] + random.random(300) > 1)
HOSTILE_FIGURES = {
    "confusion_matrix": lambda: plot_confusion_matrix(METRICS, HOSTILE),
    "roc_curve": lambda: plot_roc_curve(HISTOGRAMS, HOSTILE),
    "precision_recall": lambda: plot_precision_recall(HISTOGRAMS, HOSTILE),
    "calibration": lambda: plot_calibration(HISTOGRAMS, HOSTILE),
    "importances": lambda: plot_importances(WIDE_TREE, WIDE),
    "tree_top": lambda: plot_tree_top(WIDE_TREE, HOSTILE),
    "disagreement": lambda: plot_disagreement(
        [{"group": name, "mean_abs_diff": place / 100} for place, name in enumerate(SIXTY)], HOSTILE
    ),
    "drift": lambda: plot_drift(
        {
            "features": [{"feature": name, "psi": 1 / (place + 1)} for place, name in enumerate(SIXTY)],
            "largest_psi": 0.25,
        }
    ),
}
each_hostile_figure = pytest.mark.parametrize("draw", HOSTILE_FIGURES.values(), ids=HOSTILE_FIGURES)


def shown_texts(figure):
    png(figure)
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


@each_hostile_figure
def test_names_and_words_are_never_typeset_as_mathematics(draw) -> None:
    figure = draw()
    texts = shown_texts(figure)
    assert any("$" in text.get_text() for text in texts) or figure.axes[0].get_title(loc="left").startswith("Precision")
    assert not any(text._preprocess_math(text.get_text())[1] for text in texts if "$" in text.get_text())  # noqa: SLF001


@each_hostile_figure
def test_long_names_and_words_stay_inside_the_figure(draw) -> None:
    figure = draw()
    figure.draw_without_rendering()  # at its own resolution, which the layout is for
    drawn = figure.get_tightbbox()
    assert (drawn.min >= 0).all()
    assert (drawn.max <= figure.get_size_inches()).all()


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("importances", "Importance of the 30 most important of 60 features"),
        ("drift", "Drift of the 30 most drifted of 60 features since the release"),
        ("disagreement", "Mean |Δp| by shop_$x$, test split, the 30 largest of 60 values"),
    ],
)
def test_of_many_bars_the_longest_are_shown_and_the_title_says_so(name, title) -> None:
    axes = axes_of(HOSTILE_FIGURES[name]())
    assert " ".join(axes.get_title(loc="left").split()) == title
    assert len(axes.patches) == len(axes.get_yticklabels()) == BARS_SHOWN


def test_the_bars_that_are_shown_are_the_longest() -> None:
    shares = [bar.get_width() for bar in axes_of(HOSTILE_FIGURES["importances"]()).patches]
    assert shares == pytest.approx(sorted(WIDE_TREE.feature_importances_, reverse=True)[:BARS_SHOWN], rel=TOLERANCE)
    differences = [bar.get_width() for bar in axes_of(HOSTILE_FIGURES["disagreement"]()).patches]
    assert differences == [place / 100 for place in range(30, 60)]


def test_two_features_that_are_written_alike_have_a_bar_each() -> None:
    drift = {
        "features": [{"feature": "net_weight", "psi": 0.4}, {"feature": "net weight", "psi": 0.1}],
        "largest_psi": 1,
    }
    axes = axes_of(plot_drift(drift))
    assert [bar.get_width() for bar in axes.patches] == [0.4, 0.1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["net weight", "net weight"]


@pytest.mark.parametrize(
    ("name", "short"),
    [("price", "price"), ("0123456789", "0123456789"), ("0123456789x", "01234…789x"), ("a bc de fgh ijk", "a bc…ijk")],
)
def test_a_long_name_is_shortened_in_its_middle(name: str, short: str) -> None:
    assert shorten(name, 10) == short


LABELLED = ROWS.assign(label=LABEL)


def test_importances_of_a_linear_model_are_the_shares_of_its_coefficients() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS[FEATURES], LABEL)
    axes = axes_of(plot_importances(model, LABELLED))
    sizes = np.abs(model[-1].coef_[0])
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(sorted(sizes / sizes.sum(), reverse=True))
    assert axes.get_xlabel().startswith("share of the coefficients")


def test_importances_of_a_model_that_does_not_tell_are_measured_on_the_test_split() -> None:
    model = HistGradientBoostingClassifier(max_iter=20, random_state=1).fit(ROWS[FEATURES], LABEL)
    axes = axes_of(plot_importances(model, LABELLED))
    assert axes.get_yticklabels()[0].get_text() == "visits"
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(1)
    assert " ".join(axes.get_xlabel().split()) == "share of the fall in AUC when a feature's values change places"


def test_long_names_that_differ_in_their_middle_are_told_apart() -> None:
    names = [f"{'a' * 50} question {number:02} {'b' * 50}" for number in range(60)]
    shown = shorten_apart([*names, "price"])
    assert len(set(shown)) == 61
    assert max(map(len, shown)) <= NAME_CHARACTERS
    assert shown[-1] == "price"


def test_a_split_of_a_category_names_its_levels() -> None:
    code = np.arange(len(ROWS)) % 6
    rows = pd.DataFrame({"plan_code": code.astype(np.float32)})
    words = ["none given", "month by month", "one year", "two years", "$10 to $20, a_b", "50 % off"]
    for found, question in ((code <= 1, "plan is none given or month\nby month"), (code <= 4, "plan is not 50 % off")):
        tree = DecisionTreeClassifier(max_depth=1).fit(rows, found)
        figure = plot_tree_top(tree, PROJECT, {"plan_code": words})
        assert png(figure)
        assert f"{question}\nsamples = 100.0%" in axes_of(figure).texts[0].get_text()
    tree = DecisionTreeClassifier(max_depth=1).fit(rows, code <= 4)
    assert "plan code <= 4.5" in axes_of(plot_tree_top(tree, PROJECT)).texts[0].get_text()


def test_of_a_forest_the_first_tree_is_shown() -> None:
    forest = RandomForestClassifier(n_estimators=7, max_depth=4, random_state=1).fit(ROWS[FEATURES], LABEL)
    axes = axes_of(plot_tree_top(forest, PROJECT))
    assert ", the first of 7. value: shares of kept and returned" in axes.get_title(loc="left")
    assert any("class = returned" in text.get_text() for text in axes.texts)


def test_of_a_model_without_a_tree_none_is_shown() -> None:
    model = LogisticRegression().fit(ROWS[["visits"]], LABEL)
    figure = plot_tree_top(model, PROJECT)
    assert png(figure)
    (text,) = axes_of(figure).texts
    assert text.get_text() == "LogisticRegression has no tree of scikit-learn that could be shown."
