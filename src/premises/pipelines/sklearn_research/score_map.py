"""The map of the scores: what a report of the census has that no other has."""

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame

from kedro_handover.evaluation.predictions import TEST
from kedro_handover.frames import collect_to_pandas
from kedro_handover.lazy_types import DataFrame, Figure


def plot_score_map(research_rows: DataFrame, predictions: IntoFrame) -> Figure:
    """Plot where in the city premises are predicted to be active: the mean probability of the test split in hexagons.

    Args:
        research_rows: `id`, `split`, and `x_metres`, `y_metres` (ETRS89 / UTM 31N).
        predictions: `id` and `probability`, on any engine.
    """
    from kedro_handover.reporting.plots import new_figure

    scores = collect_to_pandas(nw.from_native(predictions).lazy().select("id", "probability"))
    places = research_rows.loc[research_rows["split"] == TEST, ["id", "x_metres", "y_metres"]]
    scored = places.merge(scores, on="id", validate="one_to_one")
    with new_figure(6.2, 6, grid=False) as (figure, axes):
        hexagons = axes.hexbin(
            scored["x_metres"] / 1000,
            scored["y_metres"] / 1000,
            C=scored["probability"],
            gridsize=70,
            cmap="cividis",
            mincnt=1,
            linewidths=0.1,
        )
        figure.colorbar(hexagons, ax=axes, shrink=0.7, label="mean predicted probability of being active, 0 to 1")
        axes.set(
            title=f"{len(scored):,} premises of the test split, by score",
            xlabel="km east (ETRS89 / UTM 31N)",
            ylabel="km north",
            aspect="equal",
        )
    return figure
