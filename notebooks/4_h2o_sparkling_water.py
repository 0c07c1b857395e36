# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4. The same on Spark: H2O Sparkling Water
#
# Production, second attempt. H2O runs inside Spark, trains its own tree on the same rows, and saves it as a MOJO: a
# file that scores without H2O.

# %%
# %load_ext kedro.ipython
# %reload_kedro --env=prod

# %%
import matplotlib as mpl
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from kedro_handover.evaluation.predictions import evaluate_predictions
from kedro_handover.nodes.parity import measure_parity
from kedro_handover.nodes.training import choose_verification_rows, predict_on_spark, train_h2o
from kedro_handover.reporting import plots
from kedro_handover.reporting.notebook import show
from kedro_handover.reporting.research_report import name_metrics
from kedro_handover.spark.session import get_spark

mpl.rcParams.update(plots.STYLE)
project = catalog.load("params:project")
Markdown(f"**{project.describe_origin(catalog.load('row_counts'))}**")

# %% [markdown]
# ## H2O's tree
#
# `train_h2o` is the node of the pipeline. It starts H2O in the running Spark and trains on the same rows as research,
# with the hyperparameters that it has found. H2O has no decision tree as such: this is a forest of one tree, which sees
# all rows and all features. H2O's ports are bound to loopback, and ask for a password that only this process knows.

# %%
parameters = catalog.load("params:spark_production")
model_input = catalog.load("model_input")
research_model = catalog.load("research_model")
verification_rows = choose_verification_rows(model_input)
model = train_h2o(model_input, research_model, verification_rows, catalog.load("row_counts"), parameters)
summary = model.model.getModelSummary().first().asDict()
pd.DataFrame(
    {
        "scikit-learn": [research_model.get_depth(), research_model.get_n_leaves()],
        "H2O": [summary["Max. Depth"], summary["Max. Leaves"]],
    },
    index=["levels", "leaves"],
)

# %% [markdown]
# H2O splits by squared error, which for two classes orders the splits as `gini` does. It tries the bins of a histogram
# rather than every value, but makes the bins anew in each node. With many bins nearly every split is that of research.

# %%
names = list(research_model.feature_names_in_)
of_h2o = model.model.getFeatureImportances().toPandas().set_index("Variable")["Percentage"]
importances = pd.DataFrame({"scikit-learn": research_model.feature_importances_, "H2O": of_h2o.reindex(names)}, names)
importances = importances.rename(lambda name: name.replace("_", " ")).sort_values("scikit-learn")

figure = Figure(figsize=(7, 5.4), layout="constrained")
axes = importances.plot.barh(ax=figure.subplots(), color=[plots.BLUE, plots.VERMILION], width=0.75)
axes.set(title="Importance of the features", xlabel="share of what the splits have gained")
axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
axes.legend(reverse=True)
axes.grid(visible=False, axis="y")
show(figure, "Bar chart: the importance of each feature in scikit-learn's tree and in H2O's")

# %% [markdown]
# ## How good it is

# %%
predictions = predict_on_spark(model, model_input, parameters)
histograms, metrics = evaluate_predictions(predictions)
metrics_of_both = pd.DataFrame({"scikit-learn": catalog.load("research_metrics")["test"], "H2O": metrics["test"]})
titles = name_metrics(project)
metrics_of_both.loc[list(titles)].rename(titles).round(4)

# %%
show(
    plots.plot_roc_curve(histograms, project),
    "ROC curves of H2O's tree in the training and the test split, above the diagonal of chance.",
)

# %%
research, promise = catalog.load("research_predictions"), catalog.load("promise")
parity = measure_parity(research, promise, parameters, h2o=predictions)
measures = {
    "n_rows": "rows",
    "n_diff": "with another probability",
    "n_label_diff": "with another label",
    "agreement": "share of the same label",
    "mean_abs_diff": "mean |Δp|",
    "max_abs_diff": "largest |Δp|",
    "auc_diff": "AUC less that of research",
}
pd.Series(parity["h2o"])[list(measures)].rename(measures).map("{:,.6g}".format).to_frame("H2O against research")

# %% [markdown]
# ## Nearly the same
#
# H2O stores the probability of a leaf in 32 bits, so nearly every row differs from research, by less than a
# ten-millionth where it is in the same leaf. In SQL, on temporary views:

# %%
predictions.createOrReplaceTempView("h2o_predictions")
catalog.load("research_predictions").createOrReplaceTempView("research_predictions")
get_spark().sql("""
    SELECT
        CASE
            WHEN h2o.probability = research.probability THEN '1. none'
            WHEN ABS(h2o.probability - research.probability) < 1e-7 THEN '2. less than 0.0000001'
            ELSE '3. more: another split'
        END AS difference,
        COUNT(*) AS premises
    FROM h2o_predictions AS h2o
    JOIN research_predictions AS research USING (id)
    GROUP BY 1
    ORDER BY 1
""").toPandas()

# %% [markdown]
# Both trees on Spark are measured. The [last notebook](5_from_research_to_production.ipynb) compares all of them with
# research, and shows what is released.
#
# *Source of the data: Barcelona City Council (Open Data BCN, CC BY 4.0).*
