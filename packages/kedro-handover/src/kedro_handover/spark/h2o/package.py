"""Which package has H2O for the Spark that is installed, and whether it is there."""

from __future__ import annotations

from importlib.metadata import distributions
from importlib.util import find_spec

from kedro_handover.errors import H2OError

PACKAGE = "h2o-pysparkling"
"""With a dash and a version of Spark, the name of a package that has H2O."""


def is_installed() -> bool:
    """Say whether the extra with H2O is installed."""
    return find_spec("sparkling_water") is not None


def name_package() -> str:
    """Name the package that has H2O for the Spark that is installed."""
    from pyspark import __version__ as spark_version  # a cluster's own pyspark is no installed distribution

    return f"{PACKAGE}-{'.'.join(spark_version.split('.')[:2])}"


def check_version() -> None:
    """Refuse a Sparkling Water that was built for another version of Spark.

    Raises:
        H2OError: If it was, with the package to install instead.
    """
    prefix, wanted = f"{PACKAGE}-", name_package()
    names = {one.metadata["Name"].lower().replace("_", "-") for one in distributions()}
    # A name may be written with a dot or a dash.
    found = sorted(prefix + name.removeprefix(prefix).replace("-", ".") for name in names if name.startswith(prefix))
    if wrong := [name for name in found if name != wanted]:
        msg = (
            f"{', '.join(wrong)} is made for another Spark than the one that is installed. Install {wanted} in its "
            "place, or uninstall it to run without H2O's tree."
        )
        raise H2OError(msg)
