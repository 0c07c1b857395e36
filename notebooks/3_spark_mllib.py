# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3. The same on Spark: MLlib
#
# Production, first attempt. The same nodes have made the same tables on Spark (`kedro run --env=prod`). Here they are
# queried in SQL, and MLlib trains its own tree on them. Then the research tree itself runs on Spark, without training.
#
# `--env=prod` gives the catalog another engine and another storage, as `conf/prod` configures them. Spark starts when
# the first table is loaded, with the settings of `conf/prod/spark.yml`; its Java comes with the project.

# %%
# %load_ext kedro.ipython
# %reload_kedro --env=prod

# %%
import matplotlib as mpl
import pandas as pd
from IPython.display import Markdown, Pretty
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from kedro_handover.evaluation.predictions import evaluate_predictions
from kedro_handover.nodes.parity import measure_parity
from kedro_handover.nodes.training import choose_verification_rows, predict_on_spark, train_mllib
from kedro_handover.reporting import plots
from kedro_handover.reporting.notebook import show
from kedro_handover.reporting.research_report import name_metrics
from kedro_handover.spark.session import get_spark

mpl.rcParams.update(plots.STYLE)
project = catalog.load("params:project")
Markdown(f"**{project.describe_origin(catalog.load('row_counts'))}**")

# %% [markdown]
# ## Tables in SQL
#
# A temporary view gives a table a name for the rest of the session; it copies nothing.

# %%
for table in ("premises", "features", "model_input", "research_predictions"):
    catalog.load(table).createOrReplaceTempView(table)

spark = get_spark()
spark.table("features").limit(3).toPandas().set_index("id").T

# %% [markdown]
# How unbalanced the classes are:

# %%
spark.sql("""
    SELECT
        CASE WHEN is_active THEN 'active' WHEN NOT is_active THEN 'not active' ELSE 'unknown' END AS status,
        COUNT(*) AS premises,
        ROUND(COUNT(*) / SUM(COUNT(*)) OVER (), 3) AS share
    FROM premises
    GROUP BY 1
    ORDER BY premises DESC
""").toPandas()

# %% [markdown]
# Where the premises are that are not active, and what their neighbourhood is like:

# %%
spark.sql("""
    SELECT
        district,
        COUNT(*) AS premises,
        ROUND(AVG(CAST(NOT premises.is_active AS INT)), 3) AS share_not_active,
        ROUND(AVG(premises_in_cell), 1) AS mean_premises_in_cell,
        ROUND(AVG(axis_share_in_section), 3) AS mean_axis_share
    FROM premises
    JOIN features ON features.id = premises.premises_id
    WHERE premises.is_active IS NOT NULL
    GROUP BY district
    ORDER BY share_not_active DESC
""").toPandas()

# %% [markdown]
# And one feature made again, to see what it is: the number of premises in a census section, which the nodes count on
# any engine.

# %%
spark.sql("""
    WITH counted AS (
        SELECT premises_id, COUNT(*) OVER (PARTITION BY census_section) AS in_section FROM premises
    )
    SELECT COUNT(*) AS premises, COUNT_IF(in_section <> premises_in_section) AS differing
    FROM counted
    JOIN features ON features.id = counted.premises_id
""").toPandas()

# %% [markdown]
# ## MLlib's tree
#
# `train_mllib` is the node of the pipeline. It trains on the same rows as research, with the hyperparameters that it
# has found. The model carries a few rows of known predictions, and is checked against them whenever it is loaded.

# %%
parameters = catalog.load("params:spark_production")
model_input = catalog.load("model_input")
research_model = catalog.load("research_model")
verification_rows = choose_verification_rows(model_input)
model = train_mllib(model_input, research_model, verification_rows, catalog.load("row_counts"), parameters)
assembler, tree = model.model.stages
pd.DataFrame(
    {
        "scikit-learn": [research_model.get_depth(), research_model.get_n_leaves(), research_model.tree_.node_count],
        "MLlib": [tree.depth, (tree.numNodes + 1) // 2, tree.numNodes],
    },
    index=["levels", "leaves", "nodes"],
)

# %% [markdown]
# MLlib has fewer leaves: it merges sibling leaves that predict the same class, and loses the differences between their
# probabilities. Its first splits:

# %%
text = tree.toDebugString
for place, name in enumerate(assembler.getInputCols()):
    text = text.replace(f"feature {place} ", f"{name} ")
top = [line for line in text.splitlines()[1:] if len(line) - len(line.lstrip()) <= 4]
Pretty("\n".join(top))

# %%
importances = pd.DataFrame(
    {"scikit-learn": research_model.feature_importances_, "MLlib": tree.featureImportances.toArray()},
    research_model.feature_names_in_,
)
importances = importances.rename(lambda name: name.replace("_", " ")).sort_values("scikit-learn")

figure = Figure(figsize=(7, 5.4), layout="constrained")
axes = importances.plot.barh(ax=figure.subplots(), color=[plots.BLUE, plots.VERMILION], width=0.75)
axes.set(title="Importance of the features", xlabel="share of the fall in impurity")
axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
axes.legend(reverse=True)
axes.grid(visible=False, axis="y")
show(figure, "Bar chart: the importance of each feature in scikit-learn's tree and in MLlib's")

# %% [markdown]
# ## How good it is
#
# The predictions stay on Spark. Only their histogram comes to this notebook. A tree gives few distinct probabilities,
# so the histogram is small whatever the number of rows, and every metric computed from it is exact.

# %%
predictions = predict_on_spark(model, model_input, parameters)
histograms, metrics = evaluate_predictions(predictions)
metrics_of_both = pd.DataFrame({"scikit-learn": catalog.load("research_metrics")["test"], "MLlib": metrics["test"]})
titles = name_metrics(project)
metrics_of_both.loc[list(titles)].rename(titles).round(4)

# %%
show(
    plots.plot_roc_curve(histograms, project),
    "ROC curves of MLlib's tree in the training and the test split, above the diagonal of chance.",
)

# %% [markdown]
# Two models may be equally good and still differ. Row by row:

# %%
research, promise = catalog.load("research_predictions"), catalog.load("promise")
parity = measure_parity(research, promise, parameters, mllib=predictions)
measures = {
    "n_rows": "rows",
    "n_diff": "with another probability",
    "n_label_diff": "with another label",
    "agreement": "share of the same label",
    "mean_abs_diff": "mean |Δp|",
    "max_abs_diff": "largest |Δp|",
    "auc_diff": "AUC less that of research",
}
pd.Series(parity["mllib"])[list(measures)].rename(measures).map("{:,.6g}".format).to_frame("MLlib against research")

# %% [markdown]
# ## The research tree, without training
#
# The hand-over carries the research tree over to Spark as it is: as a native MLlib model, and as one SQL expression of
# nested `CASE`. The executors run no Python for it. The expression, on all rows that research has predicted:

# %%
expression = catalog.load("handed_over_sql")
spark.sql(f"""
    SELECT
        COUNT(*) AS rows,
        COUNT_IF({expression} <> probability) AS differing,
        MAX(ABS({expression} - probability)) AS largest_difference
    FROM model_input
    JOIN research_predictions USING (id)
""").toPandas()

# %% [markdown]
# Not one probability differs, in any bit. The [next notebook](4_h2o_sparkling_water.ipynb) trains the tree a third
# time, in H2O.
#
# *Source of the data: Barcelona City Council (Open Data BCN, CC BY 4.0).*
