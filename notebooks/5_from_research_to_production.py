# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5. From research to production
#
# Research has found one tree, and production runs three: that very tree, handed over as it is; one trained anew by
# MLlib; and one trained anew by H2O. How far are they from research, why, and what is released?
#
# | | research | handed over | MLlib | H2O |
# | --- | --- | --- | --- | --- |
# | engine | pandas | Spark | Spark | Spark |
# | rows and features | the nodes of `data_engineering` | the same nodes | the same nodes | the same nodes |
# | hyperparameters | searched | those of research | those of research | those of research |
# | tree | scikit-learn's | scikit-learn's, node by node | MLlib's own | H2O's own |
# | form | skops | MLlib model, or SQL | MLlib model | MOJO |
#
# Tables on Spark are Parquet, so what production has written can be read without Spark: the same catalog, with the
# storage of production.

# %%
# %load_ext kedro.ipython

# %%
laptop = catalog.load("research_predictions")

# %%
# %reload_kedro --params=storage=data/prod

# %%
import matplotlib as mpl
import pandas as pd
from IPython.display import Markdown, Pretty
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from kedro_handover.models import PRODUCTION_MODELS
from kedro_handover.reporting import plots
from kedro_handover.reporting.notebook import show

mpl.rcParams.update(plots.STYLE)
project, release = catalog.load("params:project"), catalog.load("release@manifest")
Markdown(f"**{project.describe_origin(release['data']['row_counts'])}**")

# %% [markdown]
# ## All predictions side by side
#
# Every model gives the same table, so one join brings them together.

# %%
titles = {name: model.title for name, model in PRODUCTION_MODELS.items()}
models = {"laptop": laptop, "research on Spark": catalog.load("research_predictions")}
models |= {title: catalog.load(f"{name}_predictions") for name, title in titles.items()}
together = pd.concat(
    {name: predictions.set_index("id")["probability"] for name, predictions in models.items()}, axis="columns"
)
together.sort_index().head().astype(float).round(6)

# %%
gaps = together.sub(together["laptop"], axis="index").abs()
pd.DataFrame(
    {
        "rows": together.notna().sum(),
        "distinct probabilities": together.nunique(),
        "rows that differ from the laptop": gaps.gt(0).sum(),
        "rows more than 0.0000001 off": gaps.gt(1e-7).sum(),
        "largest difference": gaps.max().astype(float).round(4),
    }
)

# %% [markdown]
# - **Research on Spark** is the same research on rows that Spark has made. The features agree to the last bit, so it is
#   the same tree.
# - **Handed over** is that tree, carried over node by node. scikit-learn compares float32 features with float64
#   thresholds. A double on Spark that comes from a float32 is the same number, so the same `<=` decides alike, and the
#   leaves keep their probabilities. It differs in 0 rows because there is nothing that could differ.
# - **MLlib** has fewer distinct probabilities: it prunes sibling leaves of one class into their parent. It also tries a
#   limited number of thresholds for each feature (`max_bins`).
# - **H2O** differs in nearly every row by what a float32 rounds off, and in a few by another split: it tries the bins
#   of a histogram, made anew in each node.
#
# The same in a figure: where a model gives a premises the probability that research gives it, the point is on the
# diagonal.

# %%
figure = Figure(figsize=(10, 3.4), layout="constrained")
panels = figure.subplots(1, 3, sharex=True, sharey=True)
most = together["laptop"].value_counts().max()
for axes, title in zip(panels, titles.values(), strict=True):
    pairs = together.groupby(["laptop", title]).size().reset_index(name="premises").astype(float)
    axes.plot([0, 1], [0, 1], color=plots.GREY, linestyle=":", linewidth=1)
    points = axes.scatter(
        pairs["laptop"], pairs[title], c=pairs["premises"], cmap="cividis_r", norm=LogNorm(1, most), s=14
    )
    axes.set(title=title, xlabel="probability in research", aspect="equal")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
panels[0].set_ylabel("probability in production")
figure.colorbar(points, ax=panels, label="premises (log scale)", shrink=0.7)
show(
    figure,
    "Probability in production against probability in research. The handed-over tree lies on the diagonal, H2O's "
    "nearly always; MLlib's lies in steps around it.",
)

# %% [markdown]
# ## Parity
#
# A run in production compares every model with research, on the test split, and holds it to the tolerances in
# `parameters_spark_production.yml`. If a model is out of tolerance, the run fails and nothing is released.

# %%
parity = catalog.load("parity")
kinds = ["n_diff", "agreement", "max_abs_diff", "mean_abs_diff", "auc_diff", "psi"]
measured = pd.DataFrame(parity).T.rename(titles)[kinds].astype(float)
allowed = pd.DataFrame({titles[name]: one["tolerances"] for name, one in parity.items()}).T[kinds].astype(float)
table = pd.concat({"measured": measured, "allowed": allowed}).swaplevel().loc[list(titles.values())]
table = table.map(lambda value: f"{value:,.0f}" if value >= 10 else f"{value:.4g}").replace("nan", "any")
table.rename(
    columns={
        "n_diff": "another probability",
        "agreement": "same label",
        "max_abs_diff": "largest |Δp|",
        "mean_abs_diff": "mean |Δp|",
        "auc_diff": "AUC less that of research",
        "psi": "PSI",
    }
)

# %% [markdown]
# The share of premises with the same label has a lower limit; all other measures have an upper one. Where MLlib's
# probabilities differ, by district:

# %%
show(
    plots.plot_disagreement(parity["mllib"]["by_group"], project),
    "Bar chart: the mean difference between MLlib's probabilities and those of research, in each of the ten districts.",
)

# %% [markdown]
# ## The release
#
# What passes is released: a manifest names one model and everything that it depends on. The pipeline `scoring` takes it
# from there, on any census, and trains nothing.

# %%
pd.Series(
    {
        "model": release["model"]["name"],
        "form": release["model"]["form"],
        "threshold": release["model"]["threshold"],
        "digest of the research model": release["research_model"]["digest"][:16] + "…",
        "rows it was trained and tested on": f"{release['data']['rows']:,}",
        "digest of those rows": release["data"]["digest"],
        **{f"version of {name}": number for name, number in release["code"]["versions"].items()},
    },
    name="release",
).to_frame()

# %% [markdown]
# A tree that is small enough is released as SQL. Any engine that has `CASE` can run it. It begins like this:

# %%
expression = release["model"]["sql"] or catalog.load("handed_over_sql")
branches = expression.partition(" ELSE ")[2].replace(" THEN ", "\nTHEN ").replace(" ELSE ", "\nELSE ").splitlines()
Pretty("\n".join([*branches[:12], "…"]))

# %% [markdown]
# ## What it is for
#
# The status of some premises is unknown. The released model scores them, and `predictions_summary` adds up each barri:
# the active premises, and how many of the unknown ones are expected to be. The models have learnt from a balanced
# split, so the odds are corrected before the probabilities are added up.

# %%
barris = catalog.load("predictions_summary").sort_values("unknown", ascending=False)
barris = barris.assign(expected_of_unknown=(barris["expected_positive"] - barris["positive"]).round(1))
barris = barris.rename(columns={"rows": "premises", "positive": "active", "negative": "not active"})
barris[["district", "barri", "premises", "active", "not active", "unknown", "expected_of_unknown"]].head(8).set_index(
    "barri"
)

# %%
unknown, expected = barris["unknown"].sum(), barris["expected_of_unknown"].sum()
Markdown(
    f"In all barris, **{expected:,.0f} of the {unknown:,} premises of unknown status** are expected to be active, if "
    "the unknown ones are like those whose status is known."
)

# %% [markdown]
# No model can check that last condition. The run has checked what can be checked: every row of the census is valid or
# rejected with its reasons, every engine makes the same features, and the tree in production is the tree of research.
#
# *Source of the data: Barcelona City Council (Open Data BCN, CC BY 4.0).*
