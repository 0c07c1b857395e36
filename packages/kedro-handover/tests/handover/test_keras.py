"""A network of Keras goes to Spark as its own library, on whichever of TensorFlow, JAX and PyTorch is installed.

It is in the slow tier, as none of them is in a lock of this project. `uv pip install --python .venv/bin/python
--constraint requirements.lock keras tensorflow-cpu` installs one beside the packages of the lock. It has passed with
Keras 3.15 on TensorFlow 2.21, and on JAX.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pytest
from pyspark.errors import PythonException

from kedro_handover.errors import HandOverError
from kedro_handover.handover.handed import hand_over
from kedro_handover.handover.library_model import check_versions
from kedro_handover.testing import to_spark

pytestmark = [pytest.mark.slow, pytest.mark.spark]

NEAR = 1e-6
"""A library adds up in another order in batches of another size."""

BACKENDS = ("tensorflow", "jax", "torch")


def test_a_small_network_scores_on_spark_as_it_does_here(table, spark, tmp_path, monkeypatch):
    backend = next((name for name in BACKENDS if find_spec(name)), None)
    if find_spec("keras") is None or backend is None:
        with pytest.raises(HandOverError, match=r"scored by keras none, and it was handed over with keras 3.9. Ship"):
            check_versions({"keras": "3.9"})
        pytest.skip("Keras is not installed; the sentence for a machine that lacks it was tried.")
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setitem(spark.sparkContext.environment, "KERAS_BACKEND", backend)  # of the Python of executors
    import keras

    keras.utils.set_random_seed(7)
    network = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
    )
    network.compile(optimizer="adam", loss="binary_crossentropy")
    network.fit(table.plain.to_numpy(), table.binary.astype(np.float32), epochs=3, verbose=0)
    handed = hand_over(network, prove_on=table.plain, as_library=True, classes=[False, True], tolerance=NEAR)
    assert {"keras", backend, "numpy"} <= handed.versions.keys()

    rows = table.plain.assign(id=np.arange(len(table.plain)))
    frame = to_spark(pa.Table.from_pandas(rows, preserve_index=False), spark, tmp_path)
    found = handed.transform(frame).orderBy("id").toPandas()
    expected = network.predict(table.plain.to_numpy(), verbose=0)[:, 0].astype(np.float64)
    assert found["probability"].to_numpy() == pytest.approx(expected, abs=NEAR)
    sure = np.abs(expected - 0.5) > NEAR
    assert (found["prediction"].to_numpy() == (expected > 0.5))[sure].all()

    other = replace(handed, versions={**handed.versions, "keras": "2.0"})
    with pytest.raises(PythonException, match=r"would be scored by keras 3.* handed over with keras 2.0. Ship the env"):
        other.transform(frame).collect()
