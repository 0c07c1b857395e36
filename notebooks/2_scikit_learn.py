# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. The tree in scikit-learn
#
# Research: pandas, scikit-learn, one laptop. A decision tree is searched, inspected and measured, step by step, by the
# same functions that `kedro run` calls, with the same parameters. At the end the two are compared.

# %%
# %load_ext kedro.ipython

# %%
import matplotlib as mpl
import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from kedro_handover.evaluation.predictions import evaluate_predictions
from kedro_handover.nodes.research import collect_research_rows, predict, search_models
from kedro_handover.reporting import plots
from kedro_handover.reporting.notebook import show
from kedro_handover.reporting.research_report import name_metrics
from premises.pipelines.sklearn_research.score_map import plot_score_map

mpl.rcParams.update(plots.STYLE)
project = catalog.load("params:project")
Markdown(f"**{project.describe_origin(catalog.load('row_counts'))}**")

# %% [markdown]
# ## The rows
#
# `model_input` has the features as float32, the split, and a fold for each row of the training split. The test split is
# as unbalanced as the city; the training split is balanced.

# %%
parameters = catalog.load("params:sklearn_research")
rows = collect_research_rows(catalog.load("model_input"), parameters)
rows.head(3).set_index("id").T

# %% [markdown]
# ## The search
#
# Every combination of the grids in `parameters_sklearn_research.yml` is tried on the folds of the training split. The
# test split plays no part in it.

# %%
tree, search = search_models(rows, parameters)
candidates = pd.DataFrame(search)
candidates.head().round(4)

# %%
chosen = candidates[candidates["criterion"] == search[0]["criterion"]]
figure = Figure(figsize=(7, 4), layout="constrained")
axes = figure.subplots()
lines = ((plots.BLUE, "-"), (plots.VERMILION, "--"), (plots.GREY, "-."), ("black", ":"))
for (leaf, of_leaf), (colour, line) in zip(chosen.groupby("min_samples_leaf"), lines, strict=False):
    by_depth = of_leaf.sort_values("max_depth")
    axes.plot(by_depth["max_depth"], by_depth["mean_auc"], color=colour, linestyle=line, marker="o", label=f"{leaf}")
axes.legend(title="premises in a leaf, at least")
axes.set(title=f"The search, {search[0]['criterion']}", xlabel="levels, at most", ylabel="mean AUC over the folds")
axes.set_xticks(sorted(chosen["max_depth"].unique()))
show(
    figure,
    "Line chart: mean area under the ROC curve over the folds by depth of the tree; a line for each size of leaf.",
)

# %% [markdown]
# ## The tree

# %%
show(
    plots.plot_tree_top(tree, project),
    "The first three levels of the decision tree, with the share of active premises in each node.",
)

# %%
show(
    plots.plot_importances(tree, rows),
    "Bar chart: the importance of each feature, as its share of the fall in impurity.",
)

# %% [markdown]
# ## How good it is

# %%
predictions = predict(tree, rows, parameters)
histograms, metrics = evaluate_predictions(predictions)
titles = name_metrics(project)
pd.DataFrame(metrics)[["train", "test"]].loc[list(titles)].rename(titles).round(4)

# %%
show(
    plots.plot_roc_curve(histograms, project),
    "ROC curves of the training and the test split, above the diagonal of chance.",
)

# %%
show(
    plots.plot_precision_recall(histograms, project),
    "Precision against recall in the test split, for active premises and for those that are not active.",
)

# %%
show(
    plots.plot_confusion_matrix(metrics, project),
    "Confusion matrix of the test split: counts, and shares of each true class.",
)

# %%
test = metrics["test"]
found, alarms = test["true_negative"], test["true_negative"] + test["false_negative"]
Markdown(
    f"**{found / (test['rows'] - test['positive']):.0%} of the premises that are not active are found, and "
    f"{found / alarms:.0%} of the alarms are true.** Where nearly all are active, even a good ranking gives more "
    "false alarms than true ones. The tree ranks; it does not decide."
)

# %%
show(
    plots.plot_calibration(histograms, project),
    "Calibration: share of active premises against the predicted probability. The test split lies above the diagonal.",
)

# %% [markdown]
# The tree has learnt from a balanced split, so in the test split its probabilities are too low. They rank premises, and
# are not shares of the city. Before production adds them up for a barri, it corrects the odds.

# %%
show(
    plot_score_map(rows, predictions),
    "Map of Barcelona in hexagons: mean predicted probability of being active in the test split.",
)

# %% [markdown]
# ## The same as the run
#
# `kedro run` has saved its own tree and its own predictions. Those come from another process:

# %%
saved_tree, saved = catalog.load("research_model"), catalog.load("research_predictions")
both = predictions.merge(saved[["id", "probability"]], on="id", suffixes=("_here", "_run"))
pd.Series(
    {
        "nodes here": tree.tree_.node_count,
        "nodes in the run": saved_tree.tree_.node_count,
        "thresholds that differ": np.count_nonzero(tree.tree_.threshold != saved_tree.tree_.threshold),
        "rows compared": len(both),
        "probabilities that differ": int((both["probability_here"] != both["probability_run"]).sum()),
    },
    name="the tree",
).to_frame()

# %% [markdown]
# In most projects research ends here, and somebody rewrites the model for the cluster. The [next
# notebook](3_spark_mllib.ipynb) does that, with MLlib.
#
# *Source of the data: Barcelona City Council (Open Data BCN, CC BY 4.0).*
