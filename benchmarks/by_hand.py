"""The work of `kedro run`, written by hand: pandas, scikit-learn and Matplotlib in one script.

What the pipeline is timed against. It is meant to be quick: the file is read once, on all cores; text that repeats is
cleaned once per distinct value; neighbours are counted by `bincount`; each table is written once and never read back.

    python benchmarks/by_hand.py CENSUS.csv OUT_FOLDER [--seconds SECONDS.json]
"""

import argparse
import json
import time
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from jinja2 import Environment
from joblib import parallel_config
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.tree import DecisionTreeClassifier, plot_tree
from skops.io import dump

# A data file of the package; none of its code is imported.
OFFICIAL_NAMES = Path(__file__).parent.parent / "src" / "premises" / "census" / "published_2016.json"

GRID_METRES = 100
TEST_PERCENT = 20
FOLDS = 5
MAJORITY_PER_MINORITY = 1.0
GRID = {"max_depth": [4, 6, 8, 10], "min_samples_leaf": [25, 50, 100, 200], "criterion": ["gini", "entropy"]}
THRESHOLD = 0.5
SEED = 2016

TEXT = pd.ArrowDtype(pa.large_string())
INTEGER = pd.ArrowDtype(pa.int64())
DECIMAL = pd.ArrowDtype(pa.float64())
BOOLEAN = pd.ArrowDtype(pa.bool_())

FLAGS = ["is_on_street", "is_in_market", "is_in_gallery", "is_in_mall", "is_on_axis"]
STATUSES = ["Actiu", "Sense activitat", "Sense informació"]
YEAR = 2016
SOUTH, NORTH, WEST, EAST = 41.32, 41.47, 2.07, 2.23
WARNINGS = (
    "activity_is_in_class_list",
    "market_id_is_readable",
    "degrees_are_in_city",
    "axis_has_a_name",
    "date_is_readable",
    "date_is_of_the_vintage",
    "street_number_is_readable",
)
REJECTED_SHARE = 0.01

HARDLY_REPEATED = ("ID_BCN", "X_UTM_ETRS", "Y_UTM_ETRS")
KEYS = ["id", "split", "fold", "label", "group"]
MODULUS, MULTIPLIER = 2**31 - 1, 48271

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#737373"
COLOURS = {"train": GREY, "test": BLUE}
STYLE = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "font.size": 10,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}
ALTERNATIVES = {
    "roc_curve": "ROC curves of train and test.",
    "precision_recall": "Precision against recall in test.",
    "confusion_matrix": "Confusion matrix of test.",
    "calibration": "Share of active premises against predicted probability, in train and test.",
    "importances": "Importance of each feature, as its share of the fall in impurity.",
    "tree_top": "The first levels of the decision tree.",
    "map": "Map of Barcelona: mean predicted probability of being active.",
}
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Research report</title>
<h1>Is a premises active?</h1>
<p>{{ rows.valid }} premises, {{ rows.synthetic }} of them synthetic. Source of the data: Barcelona City Council.</p>
<table>
{% for name, count in rows.items() %}<tr><td>{{ name }}<td>{{ "{:,}".format(count) }}{% endfor %}
</table>
<table>
<tr>{% for name in search[0] %}<th>{{ name }}{% endfor %}
{% for record in search[:5] %}<tr>{% for value in record.values() %}<td>{{ value }}{% endfor %}{% endfor %}
</table>
<table>
<tr><th>metric<th>train<th>test
{% for name in metrics.test %}
<tr><td>{{ name }}{% for split in ("train", "test") %}<td>{{ "%.4f" | format(metrics[split][name]) }}{% endfor %}
{% endfor %}
</table>
{% for figure, alternative in figures %}
<img alt="{{ alternative }}" src="data:image/png;base64,{{ figure }}">
{% endfor %}
</html>
"""


def read_census(path):
    """Read every column as text; only an empty cell is missing. What repeats is read as a dictionary of its values."""
    with path.open(encoding="utf-8") as file:
        columns = file.readline().strip().split(",")
    repeated = pa.dictionary(pa.int32(), pa.string())
    types = {column: pa.string() if column in HARDLY_REPEATED else repeated for column in columns}
    options = pa.csv.ConvertOptions(
        column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True
    )
    # Larger blocks than the default 1 MiB: each of them has dictionaries of its own, to be made one in the end.
    blocks = pa.csv.ReadOptions(block_size=16 << 20)
    table = pa.csv.read_csv(path, read_options=blocks, convert_options=options)
    return table.to_pandas(types_mapper={pa.string(): pd.ArrowDtype(pa.string())}.get)


def clean(census):
    """Type, trim and name the census: one row per premises."""
    published = json.loads(OFFICIAL_NAMES.read_text(encoding="utf-8"))
    barris = {barri["id"]: barri["name"] for barri in published["barris"]}
    districts = {district["id"]: district["name"] for district in published["districts"]}

    def text(column, convert=lambda values: values):
        """Clean each distinct value of a column, and convert it; then give each row its value."""
        repeated = census[column].array
        values = pd.Series(repeated.categories, dtype=TEXT).str.replace("  +", " ", regex=True).str.strip(" \t\r\n")
        return convert(values.mask(values == "")).array.take(repeated.codes, allow_fill=True)

    def number(column):
        return text(column, lambda values: _parse(values, r"-?[0-9]{1,18}", INTEGER))

    def street_number(values):
        return _parse(values.str.replace(r"\.0*$", "", regex=True), r"-?[0-9]{1,18}", INTEGER)

    def date(values):
        days = pd.to_datetime(values.where(values.str.fullmatch(r"(?:19|20)\d\d-\d\d-\d\d")), errors="coerce")
        return days.astype(pd.ArrowDtype(pa.date32()))

    def decimal(values):
        return _parse(values, r"-?[0-9]{1,12}(?:\.[0-9]{1,15})?", DECIMAL)

    def millimetres(column):
        metres = decimal(census[column].str.strip(" \t\r\n"))
        return np.floor(metres * 1000 + 0.5).astype(INTEGER).array

    def flag(column):
        return text(column, lambda values: values.map({"1": True, "0": False}).astype(BOOLEAN))

    def official(codes, names, column):
        named = pd.Series(names, dtype=TEXT)
        return pd.Series(named.array.take(named.index.get_indexer(codes), allow_fill=True)).fillna(
            pd.Series(text(column))
        )

    barri_id, district_id = number("Codi_Barri"), number("Codi_Districte")
    return pd.DataFrame(
        {
            "premises_id": _parse(census["ID_BCN"].str.strip(" \t\r\n"), r"-?[0-9]{1,18}", INTEGER),
            "is_synthetic": text("N_LOCAL", lambda values: values.str.startswith("MOSTRA ").fillna(value=False)),
            "is_active": text(
                "N_PRINCIP", lambda values: values.map({"Actiu": True, "Sense activitat": False}).astype(BOOLEAN)
            ),
            "status": text("N_PRINCIP"),
            "sector": text("N_SECTOR"),
            "activity_group": text("N_GRUPACT"),
            "activity_id": number("ID_ACT"),
            "activity": text("N_ACT"),
            "name": text("N_LOCAL"),
            "is_on_street": flag("SN_CARRER"),
            "is_in_market": flag("SN_MERCAT"),
            "market_id": number("ID_MERCAT"),
            "market": text("N_MERCAT"),
            "is_in_gallery": flag("SN_GALERIA"),
            "gallery": text("N_GALERIA"),
            "is_in_mall": flag("SN_CCOMERC"),
            "mall_id": text("ID_CCOMERC"),
            "mall": text("N_CCOMERC"),
            "street": text("N_CARRER"),
            "street_number": text("NUM_POLICI", street_number),
            "cadastral_reference": text("REF_CAD"),
            "surveyed_on": text("DATA", date),
            "barri_id": barri_id,
            "barri": official(barri_id, barris, "Nom_Barri"),
            "district_id": district_id,
            "district": official(district_id, districts, "N_DISTRI"),
            "commercial_axis": text("N_EIX"),
            "is_on_axis": flag("SN_EIX"),
            "census_section": number("SEC_CENS"),
            "x_mm": millimetres("X_UTM_ETRS"),
            "y_mm": millimetres("Y_UTM_ETRS"),
            "latitude": text("LATITUD", decimal),
            "longitude": text("LONGITUD", decimal),
        }
    )


def find_violations(census, premises):
    """Find the rows that violate each rule of the contract (`docs/data.md`): booleans, by the rule's name."""
    published = json.loads(OFFICIAL_NAMES.read_text(encoding="utf-8"))
    district_of_barri = np.zeros(100)
    for barri in published["barris"]:
        district_of_barri[barri["id"]] = barri["district_id"]
    corners = np.array([corner for barri in published["barris"] for corner in barri["outline"]]) * 1000

    def numbers(column):
        return premises[column].to_numpy(float, na_value=np.nan)

    def unknown(column):
        return premises[column].isna().to_numpy(bool)

    def outside(column, low, high):
        return ~((numbers(column) >= low) & (numbers(column) <= high))

    def is_not_empty(column):
        text = census[column].array
        has_signs = pd.Series(text.categories, dtype=TEXT).str.strip(" \t\r\n").ne("").to_numpy(bool)
        return np.append(has_signs, False)[text.codes]  # the code of a missing cell is -1

    district, barri, section = numbers("district_id"), numbers("barri_id"), numbers("census_section")
    known = np.isin(barri, np.flatnonzero(district_of_barri))
    of_barri = district_of_barri[np.where(known, barri, 0).astype(int)]
    x, y = numbers("x_mm"), numbers("y_mm")
    (west, south), (east, north) = corners.min(axis=0), corners.max(axis=0)
    year = premises["surveyed_on"].dt.year.to_numpy(float, na_value=np.nan)
    has_axis, on_axis = ~unknown("commercial_axis"), numbers("is_on_axis")
    return {
        "row_is_whole": np.zeros(len(premises), bool),  # Arrow has stopped at any other
        "id_is_readable": unknown("premises_id"),
        "id_is_unique": premises["premises_id"].duplicated(keep=False).to_numpy() & ~unknown("premises_id"),
        "status_is_known": ~premises["status"].isin(STATUSES).to_numpy(bool),
        "flags_are_yes_or_no": np.any([unknown(flag) for flag in FLAGS], axis=0),
        "district_is_known": outside("district_id", 1, 10),
        "barri_is_known": ~known,
        "barri_is_in_district": known & ~np.isnan(district) & (of_barri != district),
        "section_is_readable": np.isnan(section),
        "section_is_in_district": ~np.isnan(section + district) & (section // 1000 != district),
        "place_is_readable": np.isnan(x + y),
        "place_is_in_city": (x < west) | (x > east) | (y < south) | (y > north),
        "activity_is_in_class_list": ~np.isin(numbers("activity_id"), [one["id"] for one in published["activities"]]),
        "market_id_is_readable": unknown("market_id") & is_not_empty("ID_MERCAT"),
        "degrees_are_in_city": outside("latitude", SOUTH, NORTH) | outside("longitude", WEST, EAST),
        "axis_has_a_name": ~np.isnan(on_axis) & (on_axis != has_axis),
        "date_is_readable": unknown("surveyed_on"),
        "date_is_of_the_vintage": year < YEAR,
        "street_number_is_readable": unknown("street_number") & is_not_empty("NUM_POLICI"),
    }


def account_for(census, violated):
    """Count the violations, and take the rows that are rejected, as they stand in the file, with their reasons."""
    reasons = {name: rows for name, rows in violated.items() if name not in WARNINGS}
    rejected = np.any(list(reasons.values()), axis=0)
    rows = np.flatnonzero(rejected)
    of_row = [", ".join(name for name, is_violated in reasons.items() if is_violated[row]) for row in rows]
    raw = census.iloc[rows].astype(TEXT).reset_index(drop=True)
    raw.insert(0, "violated_rules", pd.Series(of_row, dtype=TEXT))
    raw.insert(1, "row_number", rows + 2)  # the header is row 1
    raw.insert(2, "malformed_line", pd.Series([None] * len(rows), dtype=TEXT))
    counts = {
        "rows_in": len(rejected),
        "valid": len(rejected) - len(rows),
        "rejected": len(rows),
        "rules": [{"name": name, "rows": int(rows.sum())} for name, rows in violated.items()],
    }
    return rejected, raw, counts


def _parse(text, pattern, dtype):
    """Convert text to numbers; what is no number becomes missing."""
    try:
        return text.astype(dtype)
    except (pa.ArrowInvalid, ValueError):
        return text.where(text.str.fullmatch(pattern)).astype(dtype)


def build_features(premises):
    """Describe the place of each premises by float32 features; a NaN is a value that is not known."""

    def in_same(*keys):
        """Number the places that premises share (-1 where it is not known), and count each one's premises."""
        codes = premises[keys[0]].factorize()[0] if len(keys) == 1 else _cells(premises, cell_mm)
        return codes, np.bincount(codes[codes >= 0])

    def per_premises(codes, of_place, unknown):
        return np.where(codes >= 0, of_place[codes], unknown)

    cell_mm = GRID_METRES * 1000
    section, in_section = in_same("census_section")
    on_axis = premises["is_on_axis"].to_numpy(float, na_value=0)
    on_axis_in_section = np.bincount(section[section >= 0], on_axis[section >= 0])
    centres = premises.groupby("district_id")[["x_mm", "y_mm"]].agg(["sum", "count"])
    place = centres.index.get_indexer(premises["district_id"])
    squared_mm = np.zeros(len(premises))
    for axis in ("x_mm", "y_mm"):
        total, located = (centres[axis, part].to_numpy(np.int64) for part in ("sum", "count"))
        centre = per_premises(place, total // np.maximum(located, 1), np.nan)
        squared_mm += (premises[axis].to_numpy(float, na_value=np.nan) - centre) ** 2

    as_they_are = [*FLAGS, "district_id", "barri_id"]
    features = {name: premises[name].to_numpy(np.float32, na_value=np.nan) for name in as_they_are}
    for axis in ("x", "y"):
        features[f"{axis}_metres"] = premises[f"{axis}_mm"].to_numpy(float, na_value=np.nan) * 0.001
    features["premises_in_section"] = per_premises(section, in_section, 0)
    features["premises_in_street"] = per_premises(*in_same("street"), 0)
    features["premises_in_parcel"] = per_premises(*in_same("cadastral_reference"), 0)
    features["premises_in_cell"] = per_premises(*in_same("x_mm", "y_mm"), 0)
    features["axis_share_in_section"] = per_premises(section, on_axis_in_section / in_section, np.nan)
    features["metres_to_district_centre"] = np.sqrt(squared_mm) * 0.001
    return pd.DataFrame(
        {
            "id": premises["premises_id"].to_numpy(np.int64),
            "label": premises["is_active"],
            "group": premises["district_id"],
            **{name: values.astype(np.float32, copy=False) for name, values in features.items()},
        }
    )


def _cells(premises, cell_mm):
    """Number the cells of the grid: one number for column and row together, so that one pass tells them apart."""
    known = (premises["x_mm"].notna() & premises["y_mm"].notna()).to_numpy(bool)
    column, row = (premises[axis].to_numpy(np.int64, na_value=0) // cell_mm for axis in ("x_mm", "y_mm"))
    codes = pd.factorize(column * 1_000_000 + row)[0]
    return np.where(known, codes, -1)


def split_and_balance(features):
    """Split the premises of known status, give folds, and thin the larger class of the training split."""
    known = features[features["label"].notna()]
    first = known["id"].to_numpy() % MODULUS * MULTIPLIER % MODULUS
    second = first * MULTIPLIER % MODULUS
    third = second * MULTIPLIER % MODULUS
    in_test = first % 100 < TEST_PERCENT
    label = known["label"].to_numpy(bool)
    positive, negative = (label & ~in_test).sum(), (~label & ~in_test).sum()
    share = np.where(label, MAJORITY_PER_MINORITY * negative / positive, MAJORITY_PER_MINORITY * positive / negative)
    kept = in_test | (third / MODULUS < share)
    rows = known[kept].drop(columns=["label"])
    rows.insert(1, "split", np.where(in_test[kept], "test", "train"))
    rows.insert(2, "fold", np.where(in_test[kept], -1, second[kept] % FOLDS))
    rows.insert(3, "label", label[kept])
    return rows


def count_rows(premises, rows):
    """Count the rows on their way, for the report."""
    is_active = premises["is_active"]
    counts = {
        "valid": len(premises),
        "synthetic": int(premises["is_synthetic"].sum()),
        "positive": int(is_active.sum()),
        "negative": int((~is_active).sum()),
        "unknown": int(is_active.isna().sum()),
    }
    for split in ("train", "test"):
        of_split = rows.loc[rows["split"] == split, "label"]
        counts |= {f"{split}_positive": int(of_split.sum()), f"{split}_negative": int((~of_split).sum())}
    return counts


def search_models(rows):
    """Search the grid over the folds, and fit the best tree on the whole training split."""
    train = rows[rows["split"] == "train"]
    search = GridSearchCV(
        DecisionTreeClassifier(random_state=SEED), GRID, scoring="roc_auc", cv=PredefinedSplit(train["fold"])
    )
    with parallel_config("threading", n_jobs=-1):
        search.fit(train.drop(columns=KEYS), train["label"])
    results = search.cv_results_
    records = [
        {"family": "decision_tree", **arguments, "mean_auc": float(mean), "std_auc": float(std), "rank": int(rank)}
        for arguments, mean, std, rank in zip(
            results["params"],
            results["mean_test_score"],
            results["std_test_score"],
            results["rank_test_score"],
            strict=True,
        )
    ]
    return search.best_estimator_, sorted(records, key=lambda record: record["rank"])


def predict(tree, rows):
    """Predict both splits."""
    probability = tree.predict_proba(rows[tree.feature_names_in_])[:, 1]
    return rows[["id", "split", "group", "label"]].assign(probability=probability, prediction=probability > THRESHOLD)


def measure(predictions):
    """Measure one split by scikit-learn's functions."""
    label, prediction = predictions["label"].to_numpy(bool), predictions["prediction"].to_numpy(bool)
    probability = predictions["probability"].to_numpy()
    false_rate, true_rate, _ = roc_curve(label, probability, drop_intermediate=False)
    (true_negative, false_positive), (false_negative, true_positive) = confusion_matrix(label, prediction).tolist()
    return {
        "rows": len(label),
        "positive": int(label.sum()),
        "auc": roc_auc_score(label, probability),
        "average_precision": average_precision_score(label, probability),
        "average_precision_negative": average_precision_score(~label, 1 - probability),
        "log_loss": log_loss(label, probability),
        "brier": brier_score_loss(label, probability),
        "ks": float(np.max(np.abs(true_rate - false_rate))),
        "lift": _lift(label.mean(), false_rate, true_rate),
        "lift_negative": _lift(1 - label.mean(), 1 - true_rate[::-1], 1 - false_rate[::-1]),
        "accuracy": accuracy_score(label, prediction),
        "balanced_accuracy": balanced_accuracy_score(label, prediction),
        "precision": precision_score(label, prediction, zero_division=0),
        "recall": recall_score(label, prediction),
        "f1": f1_score(label, prediction),
        "true_positive": true_positive,
        "false_positive": false_positive,
        "true_negative": true_negative,
        "false_negative": false_negative,
    }


def _lift(share, false_rate, true_rate):
    """Give the recall in the tenth with the highest scores, over that of a tenth taken by chance."""
    return float(np.interp(0.1, share * true_rate + (1 - share) * false_rate, true_rate) / 0.1)


@contextmanager
def figure(width, height, *, grid=True):
    with rc_context({**STYLE, "axes.grid": grid}):
        drawn = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(drawn)
        yield drawn, drawn.add_subplot()


def as_shares(*which):
    for axis in which:
        axis.set_major_formatter(PercentFormatter(1))


def draw_roc_curve(splits, metrics):
    with figure(5.4, 5) as (drawn, axes):
        for split, predictions in splits.items():
            false_rate, true_rate, _ = roc_curve(predictions["label"], predictions["probability"])
            label = f"{split}: AUC {metrics[split]['auc']:.3f}"
            axes.plot(false_rate, true_rate, color=COLOURS[split], label=label)
        axes.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1, label="by chance: 0.500")
        axes.set(
            title="ROC curve",
            xlabel="premises that are not active, predicted active",
            ylabel="active premises, predicted active",
            aspect="equal",
        )
        as_shares(axes.xaxis, axes.yaxis)
        axes.legend(loc="lower right")
    return drawn


def draw_precision_recall(test, metrics):
    with figure(6.2, 4.6) as (drawn, axes):
        for name, is_true, score, metric, colour in (
            ("active", test["label"], test["probability"], "average_precision", BLUE),
            ("not active", ~test["label"], 1 - test["probability"], "average_precision_negative", VERMILION),
        ):
            precision, recall, _ = precision_recall_curve(is_true, score)
            label = f"{name}: average precision {metrics['test'][metric]:.3f}"
            axes.plot(recall[:-1], precision[:-1], color=colour, label=label)
            share = is_true.mean()
            axes.axhline(share, color=colour, linestyle=":", linewidth=1, label=f"{name} by chance: {share:.3f}")
        axes.set(title="Precision and recall, test split", xlabel="recall", ylabel="precision", ylim=(0, 1.02))
        as_shares(axes.xaxis, axes.yaxis)
        axes.legend(loc="center right")
    return drawn


def draw_confusion_matrix(test):
    counts = confusion_matrix(test["label"], test["prediction"], labels=[True, False])
    shares = counts / counts.sum(axis=1, keepdims=True)
    labels = ["active", "not active"]
    with figure(5.4, 4.4, grid=False) as (drawn, axes):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares):
            text = f"{counts[row, column]:,}\n{share:.1%}"
            colour = "white" if share > 0.5 else "black"  # noqa: PLR2004 - where the blue turns dark
            axes.text(column, row, text, ha="center", va="center", color=colour, size=13)
        axes.set(title="Confusion matrix, test split", xlabel="predicted", ylabel=f"true ({len(test):,} premises)")
        axes.set(xticks=[0, 1], xticklabels=labels, yticks=[0, 1], yticklabels=labels)
    return drawn


def draw_calibration(splits):
    with figure(5.4, 5) as (drawn, axes):
        axes.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1, label="as predicted")
        for split, predictions in splits.items():
            outcome, predicted = calibration_curve(
                predictions["label"], predictions["probability"], n_bins=10, strategy="quantile"
            )
            axes.plot(predicted, outcome, marker="o", color=COLOURS[split], label=split)
        axes.set(
            title="Calibration",
            xlabel="mean predicted probability of being active",
            ylabel="share of premises that are active",
            aspect="equal",
            xlim=(0, 1),
            ylim=(0, 1.02),
        )
        as_shares(axes.xaxis, axes.yaxis)
        axes.legend(loc="lower right")
    return drawn


def draw_importances(tree, names):
    importances = pd.Series(tree.feature_importances_, names).sort_values()
    with figure(6.8, 4.6) as (drawn, axes):
        bars = axes.barh(importances.index, importances, color=BLUE)
        axes.bar_label(bars, fmt="{:.1%}", padding=3, size=8)
        axes.set(title="Importance of the features", xlabel=f"share of the fall in impurity ({tree.criterion})")
        as_shares(axes.xaxis)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.1)
    return drawn


def draw_tree_top(tree, names):
    with figure(15, 6.4, grid=False) as (drawn, axes):
        plot_tree(
            tree,
            max_depth=2,
            feature_names=names,
            class_names=["not active", "active"],
            filled=True,
            impurity=False,
            proportion=True,
            rounded=True,
            precision=2,
            fontsize=10,
            ax=axes,
        )
        axes.set_title(f"The first 3 of {tree.get_depth()} levels; the tree has {tree.get_n_leaves()} leaves")
    return drawn


def draw_map(rows, test):
    places = rows.loc[test.index, ["x_metres", "y_metres"]] / 1000
    with figure(7.4, 7, grid=False) as (drawn, axes):
        hexagons = axes.hexbin(
            places["x_metres"],
            places["y_metres"],
            C=test["probability"],
            gridsize=70,
            cmap="cividis",
            mincnt=1,
            linewidths=0.1,
        )
        drawn.colorbar(hexagons, ax=axes, shrink=0.7, label="mean predicted probability of being active")
        axes.set(
            title=f"{len(test):,} premises of the test split, by score",
            xlabel="km east (ETRS89 / UTM 31N)",
            ylabel="km north",
            aspect="equal",
        )
    return drawn


def render_report(row_counts, search, metrics, folder):
    """Put the rows, the search, the metrics and the figures on one page."""
    figures = [
        (b64encode((folder / f"research_{name}.png").read_bytes()).decode(), alternative)
        for name, alternative in ALTERNATIVES.items()
    ]
    page = Environment(autoescape=True).from_string(PAGE)
    return page.render(rows=row_counts, search=search, metrics=metrics, figures=figures)


def do_the_work(census_file, folder, step):  # noqa: PLR0915 - one step after the other
    """Go from the raw census to the report; `step(name)` is entered for each part of it."""

    def write_json(data, name):
        (folder / name).write_text(json.dumps(data), encoding="utf-8")

    with step("read the census"):
        census = read_census(census_file)
    with step("clean"):
        premises = clean(census)
    with step("contract"):
        rejected, raw, rejections = account_for(census, find_violations(census, premises))
        del census
        raw.to_parquet(folder / "rejected_rows.parquet", index=False)
        write_json(rejections, "rejections.json")
        if len(raw) > REJECTED_SHARE * len(premises):
            msg = f"{len(raw):,} of {len(premises):,} rows are rejected."
            raise SystemExit(msg)
        if len(raw):
            premises = premises[~rejected].reset_index(drop=True)
    with step("write premises"):
        premises.to_parquet(folder / "premises.parquet", index=False)
    with step("features"):
        features = build_features(premises)
    with step("write features"):
        features.to_parquet(folder / "features.parquet", index=False)
    with step("split and balance"):
        rows = split_and_balance(features)
    with step("write model input"):
        rows.to_parquet(folder / "model_input.parquet", index=False)
    with step("count rows"):
        row_counts = count_rows(premises, rows)
        write_json(row_counts, "row_counts.json")
        del premises, features
    with step("search and fit"):
        rows = rows.sort_values("id", ignore_index=True)
        tree, search = search_models(rows)
    with step("write the model"):
        dump(tree, folder / "research_model.skops")
        write_json(search, "research_search.json")
    with step("predict"):
        predictions = predict(tree, rows)
        predictions.to_parquet(folder / "research_predictions.parquet", index=False)
    with step("metrics"):
        splits = {split: predictions[predictions["split"] == split] for split in ("test", "train")}
        metrics = {split: measure(of_split) for split, of_split in splits.items()}
        write_json(metrics, "research_metrics.json")
    with step("figures"):
        names = [name.replace("_", " ") for name in tree.feature_names_in_]
        figures = {
            "roc_curve": draw_roc_curve(splits, metrics),
            "precision_recall": draw_precision_recall(splits["test"], metrics),
            "confusion_matrix": draw_confusion_matrix(splits["test"]),
            "calibration": draw_calibration(splits),
            "importances": draw_importances(tree, names),
            "tree_top": draw_tree_top(tree, names),
            "map": draw_map(rows, splits["test"]),
        }
        for name, drawn in figures.items():
            drawn.savefig(folder / f"research_{name}.png", dpi=150)
    with step("report"):
        page = render_report(row_counts, search, metrics, folder)
        (folder / "research_report.html").write_text(page, encoding="utf-8")
    return metrics["test"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("census", type=Path, help="the raw census, a CSV file")
    arguments.add_argument("folder", type=Path, help="where the files are written")
    arguments.add_argument("--seconds", type=Path, help="where the seconds of each step are written, as JSON")
    given = arguments.parse_args()
    seconds = {}

    @contextmanager
    def step(name):
        start = time.perf_counter()
        yield
        seconds[name] = time.perf_counter() - start

    given.folder.mkdir(parents=True, exist_ok=True)
    test = do_the_work(given.census, given.folder, step)
    print(f"{test['rows']:,} premises in the test split: AUC {test['auc']:.4f}, log loss {test['log_loss']:.4f}.")
    if given.seconds:
        given.seconds.write_text(json.dumps(seconds), encoding="utf-8")


if __name__ == "__main__":
    main()
