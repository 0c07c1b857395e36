"""The map of the scores shows each place with the mean of its scores, and says what it shows."""

from io import BytesIO

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from kedro_handover.testing import Engine
from premises.pipelines.sklearn_research.score_map import plot_score_map

SAME_PLACE_KM = 0.15
"""A hexagon's centre is at most this far from the premises in it, on a map 5 km wide."""

random = np.random.default_rng(2016)
ROWS = pd.DataFrame(
    {
        "id": np.arange(1, 601),
        "split": np.where(np.arange(600) % 3 == 0, "test", "train"),
        "x_metres": random.uniform(425_000, 430_000, 600).astype(np.float32),
        "y_metres": random.uniform(4_580_000, 4_585_000, 600).astype(np.float32),
    }
)
SCORES = pd.DataFrame({"id": ROWS["id"], "probability": random.random(600)})


def png(figure):
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=50)
    return buffer.getvalue()


def test_the_map_is_the_same_png_each_time_and_is_not_empty() -> None:
    first, second = png(plot_score_map(ROWS, SCORES)), png(plot_score_map(ROWS, SCORES))
    assert first == second
    image = Image.open(BytesIO(first))
    assert image.format == "PNG"
    assert len(image.convert("RGB").getcolors(maxcolors=1_000_000)) > 10


def test_the_map_leaves_no_figure_open_and_no_style_behind() -> None:
    style = dict(mpl.rcParams)
    plot_score_map(ROWS, SCORES)
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == style


def test_the_map_says_what_it_shows_with_units_and_no_text_is_cut_off() -> None:
    figure = plot_score_map(ROWS, SCORES)
    axes = figure.axes[0]
    assert axes.get_title(loc="left") == "200 premises of the test split, by score"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("km east (ETRS89 / UTM 31N)", "km north")
    png(figure)
    drawn = figure.get_tightbbox()
    assert (drawn.min >= 0).all()
    assert (drawn.max <= figure.get_size_inches()).all()


def test_premises_that_all_have_one_score_are_drawn() -> None:
    assert png(plot_score_map(ROWS, SCORES.assign(probability=0.5)))


def places(*kilometres):
    return pd.DataFrame(
        {
            "id": range(1, len(kilometres) + 1),
            "split": "test",
            "x_metres": np.array([x * 1000 for x, _ in kilometres], dtype=np.float32),
            "y_metres": np.array([y * 1000 for _, y in kilometres], dtype=np.float32),
        }
    )


def test_the_map_has_a_hexagon_for_each_place_with_the_mean_of_its_scores(engine: Engine) -> None:
    rows = places((425, 4580), (430, 4580), (430, 4580), (425, 4585), (430, 4585))
    rows.loc[4, "split"] = "train"
    scores = engine.frame(
        {"id": [5, 4, 3, 2, 1], "probability": [0.9, 0.4, 0.3, 0.2, 0.1]},
        {"id": pa.int64(), "probability": pa.float64()},
    )
    figure = plot_score_map(rows, scores)
    axes = figure.axes[0]
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
    assert png(plot_score_map(rows, pd.DataFrame({"id": [1], "probability": [0.5]})))


def test_a_premises_that_comes_twice_is_not_drawn_twice() -> None:
    rows = places((430, 4580))
    with pytest.raises(pd.errors.MergeError):
        plot_score_map(rows, pd.DataFrame({"id": [1, 1], "probability": [0.5, 0.6]}))
