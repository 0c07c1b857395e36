"""The tiers of the tests: what `make test` leaves to `make test-all` is named by tests that are there."""

from __future__ import annotations

import pytest

from conftest import FEW_ON_SPARK_AND_DASK, PROJECT

FILES = [*PROJECT.glob("tests/**/test_*.py"), *PROJECT.glob("packages/*/tests/**/test_*.py")]


@pytest.mark.parametrize("place", FEW_ON_SPARK_AND_DASK)
def test_of_each_file_the_few_tests_on_spark_and_dask_are_there(place: str) -> None:
    text = "".join(path.read_text() for path in FILES if f"{path.parent.name}/{path.name}" == place)
    names = [name.partition("[")[0] for name in FEW_ON_SPARK_AND_DASK[place]]
    assert names
    assert [name for name in names if f"def {name}(engine: Engine" not in text] == []
