"""H2O inside Spark: started for a training, open to nobody without its password, stopped afterwards."""

from kedro_handover.spark.h2o.context import PORTS, USER, read_mojo, train_in_h2o
from kedro_handover.spark.h2o.package import PACKAGE, check_version, is_installed, name_package

__all__ = [
    "PACKAGE",
    "PORTS",
    "USER",
    "check_version",
    "is_installed",
    "name_package",
    "read_mojo",
    "train_in_h2o",
]
