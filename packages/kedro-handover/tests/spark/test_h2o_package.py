"""H2O is for the Spark that is installed, or it is refused with what to install."""

from __future__ import annotations

import sys

import pytest

from kedro_handover.errors import H2OError
from kedro_handover.spark.h2o import check_version


def test_what_is_installed_here_is_made_for_this_spark() -> None:
    check_version()


@pytest.mark.parametrize("alone", [True, False], ids=["in place of the right one", "beside the right one"])
def test_h2o_for_another_spark_is_refused_with_the_one_to_install(tmp_path, monkeypatch, alone) -> None:
    folder = tmp_path / "h2o_pysparkling_3_4-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: h2o-pysparkling-3.4\nVersion: 1\n")
    others = [path for path in sys.path if not alone or "site-packages" not in path]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *others])
    with pytest.raises(
        H2OError, match=r"h2o-pysparkling-3\.4 is made for another Spark than .* Install h2o-pysparkling-3\.5 in"
    ):
        check_version()
