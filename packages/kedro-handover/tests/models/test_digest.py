"""A fitted model is recognised by what it is: in every process, from every file, and by nothing that it is not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from kedro_handover.models import digest_estimator

ROWS = pd.DataFrame(np.random.default_rng(0).random((300, 3)), columns=["width", "height", "7.npy"])
LABEL = ROWS["width"] + ROWS["height"] * ROWS["7.npy"] > 0.8

OTHER_PROCESS = """
import sys
held = [bytearray(number % 977) for number in range(int(sys.argv[1]))]
del held[::3]
if len(held) % 2:
    import sqlite3, xml.dom.minidom
from test_digest import DIGESTS_OF, digest_estimator
for make in DIGESTS_OF:
    print(digest_estimator(make()))
"""


def fitted(**arguments):
    return DecisionTreeClassifier(**{"max_depth": 4, "random_state": 1} | arguments).fit(ROWS, LABEL)


def random_state():
    return DecisionTreeClassifier(max_depth=2, random_state=np.random.RandomState(7)).fit(ROWS, LABEL)


def forest():
    answers = LABEL.map({True: "yes", False: "no"})
    return RandomForestClassifier(n_estimators=5, random_state=1, class_weight={"yes": 2, "no": 1}).fit(ROWS, answers)


def boosted():
    return HistGradientBoostingClassifier(max_iter=5, random_state=1).fit(ROWS, LABEL)


def steps():
    return make_pipeline(FunctionTransformer(np.log1p), StandardScaler(), LogisticRegression()).fit(ROWS, LABEL)


def categories():
    texts = pd.DataFrame({"shop": ["north", "south", None, "north"]}, dtype=object)
    return make_pipeline(OneHotEncoder(), LogisticRegression()).fit(texts, [True, False, False, True])


DIGESTS_OF = (fitted, random_state, forest, boosted, steps, categories)
"""Trees with a class weight in a dictionary, losses, functions, texts, and a random state that has been used."""


def test_the_same_model_has_the_same_digest_in_every_process():
    others = [
        subprocess.Popen(
            [sys.executable, "-c", OTHER_PROCESS, held],
            cwd=Path(__file__).parent,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, held in (("1", "0"), ("4242", "200001"))
    ]
    printed = [other.communicate()[0].split() for other in others]
    assert [other.returncode for other in others] == [0, 0]
    here = [digest_estimator(make()) for make in DIGESTS_OF]
    assert printed == [here, here]
    assert len(set(here)) == len(DIGESTS_OF)


@pytest.mark.parametrize("make", DIGESTS_OF, ids=lambda make: make.__name__)
def test_a_model_that_was_loaded_has_the_digest_of_the_one_that_was_saved(make):
    content = skops.io.dumps(make())
    loaded = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
    assert digest_estimator(loaded) == digest_estimator(make())


def test_memory_between_the_fields_of_a_node_makes_no_difference():
    for filler in (0, 255):
        tree = fitted()
        nodes = tree.tree_.__getstate__()["nodes"]
        octets = nodes.view(np.uint8).reshape(len(nodes), nodes.itemsize)
        octets[:, nodes.dtype.fields["missing_go_to_left"][1] + 1 :] = filler
        np.testing.assert_array_equal(tree.predict_proba(ROWS), fitted().predict_proba(ROWS))
        assert digest_estimator(tree) == digest_estimator(fitted())


def with_threshold():
    tree = fitted()
    tree.tree_.threshold[0] = np.nextafter(tree.tree_.threshold[0], 1)
    return tree


def with_leaf():
    tree = fitted()
    tree.tree_.value[-1, 0, 1] = np.nextafter(tree.tree_.value[-1, 0, 1], 2)
    return tree


def with_name():
    return DecisionTreeClassifier(max_depth=4, random_state=1).fit(ROWS.rename(columns={"7.npy": "8.npy"}), LABEL)


def with_texts():
    return DecisionTreeClassifier(max_depth=4, random_state=1).fit(ROWS, LABEL.map({True: "True", False: "False"}))


@pytest.mark.parametrize(
    "make",
    [
        lambda: fitted(max_depth=3),
        lambda: fitted(class_weight={True: 1.0}),
        with_threshold,
        with_leaf,
        with_name,
        with_texts,
    ],
    ids=["depth", "class weight", "threshold", "leaf", "name of a feature", "type of the label"],
)
def test_another_model_has_another_digest(make):
    assert digest_estimator(make()) != digest_estimator(fitted())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (1, "1"),
        (None, "None"),
        (0.0, -0.0),
        ([1, [2]], [[1], 2]),
        ([1], (1,)),
        (["ab"], ["a", "b"]),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        (np.array([1, 2]), np.array([[1, 2]])),
        (np.array([1, 2], np.int32), np.array([1, 2], np.int64)),
        (np.array(["a", None], object), np.array(["a", "None"], object)),
        (np.array([(1, 2)], [("x", "i4"), ("y", "i4")]), np.array([(1, 2)], [("x", "i4"), ("z", "i4")])),
        (np.log, np.log1p),
        (shutil.rmtree, os.remove),
    ],
    ids=lambda value: getattr(value, "__name__", None) or repr(value),
)
def test_values_that_look_alike_are_told_apart(one, other):
    assert digest_estimator(one) != digest_estimator(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a", "b"}, {"b", "a"}),
        (np.float64(0.1), 0.1),
        (np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3))),
        (np.arange(3, dtype="<i4"), np.arange(3, dtype=">i4")),
        (np.arange(6)[::2], np.array([0, 2, 4])),
    ],
    ids=["dictionary", "set", "number", "order in memory", "order of bytes", "every other"],
)
def test_what_is_the_same_but_for_memory_is_the_same(one, other):
    assert digest_estimator(one) == digest_estimator(other)


def test_what_can_not_be_recognised_again_is_refused():
    with pytest.raises(TypeError, match=r"<lambda> has no name by which it could be recognised again"):
        digest_estimator(FunctionTransformer(lambda rows: rows))
    with pytest.raises(TypeError, match="generator"):
        digest_estimator(FunctionTransformer(kw_args={"rows": (row for row in ())}))
