"""A description is one file without pickle, known by its digest, and refused where it is newer than the reader."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kedro_handover.errors import HandOverError
from kedro_handover.handover import description as module
from kedro_handover.handover.description import Description
from kedro_handover.handover.numpy_evaluator import evaluate, read_inputs


def test_a_description_comes_back_as_it_was_saved(family, tmp_path):
    path = tmp_path / "model.npz"
    family.description.save(path)
    loaded = Description.load(path)
    assert loaded.digest == family.description.digest
    inputs = read_inputs(loaded, family.rows)
    expected = evaluate(family.description, inputs)
    assert np.array_equal(evaluate(loaded, inputs).score, expected.score, equal_nan=True)
    assert loaded.classes == family.description.classes


def test_one_bit_changes_the_digest(fit_family):
    described = fit_family("tree").description
    values = described.values.copy()
    values[0, 0] = np.nextafter(values[0, 0], 2)
    assert replace(described, values=values).digest != described.digest
    assert replace(described, sum_type="float32").digest != described.digest


def test_a_newer_version_is_refused(fit_family, tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    with monkeypatch.context() as patch:
        patch.setattr(module, "FORMAT_VERSION", 2)
        fit_family("tree").description.save(path)
    with pytest.raises(HandOverError, match=r"version 2; this kedro-handover reads versions up to 1. Upgrade"):
        Description.load(path)


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(b"PK nothing")
    with pytest.raises(HandOverError, match="can't be read as the description of a model"):
        Description.load(path)
