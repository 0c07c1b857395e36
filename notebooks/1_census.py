# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1. The census
#
# Barcelona has surveyed its ground-floor business premises: what each one is used for, and where it is. These five
# notebooks ask whether a premises is active, judging by its location alone. This one looks at the data: what a row is,
# how unbalanced the classes are, which columns give the label away, and where in the city the premises are.
#
# The notebooks load what `make run` has written to `data/`, by the names in the project's catalog. They write nothing
# there.

# %%
# %load_ext kedro.ipython

# %%
import matplotlib as mpl
import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from kedro_handover.evaluation.leaks import LEAK_AUC, single_column_aucs
from kedro_handover.formatting import describe_rows
from kedro_handover.reporting.notebook import show
from kedro_handover.reporting.plots import BLUE, GREY, STYLE, VERMILION
from premises.census.contract import FEATURES

mpl.rcParams.update(STYLE)
project, row_counts = catalog.load("params:project"), catalog.load("row_counts")
Markdown(f"**{describe_rows(row_counts)} {project.describe_origin(row_counts)}**")

# %% [markdown]
# Where it says *synthetic*, the rows were generated so that their counts are those that the Council has published.
# Everything below is then about synthetic rows, and none of it is a finding about Barcelona. `make census` downloads
# the census itself; after `make run` and `make notebooks` these pages show that.
#
# ## What a row is

# %%
premises = catalog.load("premises")
premises.head(3).set_index("premises_id").T

# %% [markdown]
# ## Nearly all are active
#
# The status of some premises is unknown. Nothing can be learnt from those; production scores them.

# %%
statuses = premises["is_active"].map({True: "active", False: "not active"}).fillna("unknown")
counts = statuses.value_counts().reindex(["unknown", "not active", "active"])

figure = Figure(figsize=(7, 2.2), layout="constrained")
axes = figure.subplots()
bars = axes.barh(counts.index, counts, color=[GREY, VERMILION, BLUE])
axes.bar_label(bars, [f"{count:,} ({count / counts.sum():.1%})" for count in counts], padding=4)
axes.set(title="Premises by status", xlabel="premises")
axes.xaxis.set_major_formatter("{x:,.0f}")
axes.grid(visible=False, axis="y")
axes.margins(x=0.2)
show(figure, "Bar chart: premises that are active, that are not active, and of unknown status.")

# %%
ratio = counts["active"] / counts["not active"]
always_right = counts["active"] / (counts["active"] + counts["not active"])
Markdown(
    f"**{ratio:.1f} premises are active for each one that is not.** A model that always says *active* is "
    f"right in {always_right:.1%} of cases and has found nothing, so accuracy says little here. The next notebooks "
    "look at the ROC curve, and at how many of the premises that are not active are found."
)

# %% [markdown]
# A tree that learns from all rows would hardly look at the smaller class. The larger class of the training split is
# therefore thinned to `split.majority_per_minority`; the test split stays as unbalanced as the city is. A deterministic
# hash of its id puts a premises into a split, so the split is the same on every engine and in every run.

# %%
splits = {
    split: {"active": row_counts[f"{split}_positive"], "not active": row_counts[f"{split}_negative"]}
    for split in ("train", "test")
}
pd.DataFrame(splits).T.assign(ratio=lambda split: (split["active"] / split["not active"]).round(1))

# %% [markdown]
# ## Columns that know the answer
#
# The census says what each premises is used for. Of one that is empty it says so there as well:

# %%
known = premises[premises["is_active"].notna()].astype({"is_active": bool})
pd.crosstab(known["sector"], known["is_active"].map({True: "active", False: "not active"}))

# %% [markdown]
# The sector is the label in other words. A model that sees it learns nothing about places. It is nearly always right,
# until it meets a premises whose use nobody has recorded: the very one that it is asked about.
#
# To find such columns, a small tree is trained on each column alone, and tested on rows that it has not seen. The
# columns that describe the use are at the top; below them are the features that the models are given.

# %%
features = catalog.load("features")
features = features[features["label"].notna()]
told = single_column_aucs(known[["sector", "activity_group", "activity_id", "activity", "name"]], known["is_active"])
placed = single_column_aucs(features[list(FEATURES)], features["label"])
aucs = pd.Series(told | placed).sort_values()

figure = Figure(figsize=(7, 5.6), layout="constrained")
axes = figure.subplots()
bars = axes.barh(
    aucs.index.str.replace("_", " "),
    aucs - 0.5,
    left=0.5,
    color=[VERMILION if name in told else BLUE for name in aucs.index],
)
axes.bar_label(bars, [f"{auc:.3f}" for auc in aucs], padding=4, size=9)
axes.axvline(LEAK_AUC, color=GREY, linestyle="--")
axes.text(
    LEAK_AUC - 0.005, 0, "the tests refuse a feature beyond this line", ha="right", va="center", color=GREY, size=9
)
axes.set(title="One column alone", xlabel="AUC (0.5: by chance, 1: knows the label)", xlim=(0.5, 1.05))
axes.grid(visible=False, axis="y")
show(
    figure,
    "Bar chart: area under the ROC curve of a tree that sees one column. Columns on the use of a premises come near 1; "
    "features of the place stay far below the limit of 0.9.",
)

# %% [markdown]
# The vermilion columns are never features. The blue ones describe the place, and each tells a little.
#
# ## Where the premises are

# %%
figure = Figure(figsize=(11, 5.2), layout="constrained")
maps = figure.subplots(1, 2, sharex=True, sharey=True)
kilometres = known[["x_mm", "y_mm"]].to_numpy(dtype=float) / 1e6
shown = {"gridsize": 45, "cmap": "cividis", "linewidths": 0.1}
dense = maps[0].hexbin(*kilometres.T, bins="log", mincnt=1, **shown)
empty = maps[1].hexbin(*kilometres.T, C=~known["is_active"], mincnt=20, vmax=0.25, **shown)
figure.colorbar(dense, ax=maps[0], shrink=0.7, label="premises in a hexagon (log scale)")
figure.colorbar(
    empty,
    ax=maps[1],
    shrink=0.7,
    label="share that is not active",
    extend="max",
    format=PercentFormatter(1, decimals=0),
)
maps[0].set(title=f"{len(known):,} premises of known status", ylabel="km north")
maps[1].set(title="Those not active; hexagons of 20 and more")
for axes in maps:
    axes.set(xlabel="km east (ETRS89 / UTM 31N)", aspect="equal")
    axes.grid(visible=False)
show(
    figure,
    "Two maps of Barcelona in hexagons: the number of premises; and the share of premises that are not active.",
)

# %% [markdown]
# ## What the place says
#
# The features count a premises' neighbours in several ways: in its census section, its street, its parcel, and its cell
# of a grid. The share that is not active, by tenths of the last of these, and by district:

# %%
cell = features["premises_in_cell"].astype(float)
tenths = pd.qcut(cell, 10, duplicates="drop")
not_active = ~features["label"].astype(bool)
by_cell = not_active.groupby(tenths, observed=True).mean()
by_district = 1 - known.groupby("district")["is_active"].mean().sort_values()

figure = Figure(figsize=(11, 4), layout="constrained")
left, right = figure.subplots(1, 2)
left.bar([f"{np.floor(tenth.left) + 1:.0f} to {tenth.right:.0f}" for tenth in by_cell.index], by_cell, color=BLUE)
left.set(title="By neighbours, in tenths", xlabel="premises in the cell of the grid", ylabel="share that is not active")
left.tick_params(axis="x", rotation=45)
left.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
left.grid(visible=False, axis="x")
right.barh(by_district.index[::-1], by_district[::-1], color=BLUE)
right.set(title="By district", xlabel="share that is not active")
right.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
right.grid(visible=False, axis="y")
show(
    figure,
    "Two charts: the share of premises that are not active, from cells with few premises to cells with many, and in "
    "each of the ten districts.",
)

# %% [markdown]
# So the place says something, but not much: no column alone is a model. In the [next notebook](2_scikit_learn.ipynb) a
# tree combines them.
#
# *Source of the data: Barcelona City Council (Open Data BCN, CC BY 4.0).*
