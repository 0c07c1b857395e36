"""The private names of other packages that the library uses are there: which is not, the test that fails says."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from kedro_handover._compat import (
    STOP_H2O,
    get_gateway,
    get_java_context,
    get_java_object,
    get_jvm,
    get_scala_object,
    list_mojo_depths,
    listen_only_on,
)
from toy_models import make_rows, train_h2o_tree


def test_pyspark_has_its_view_of_the_jvm(spark) -> None:
    assert get_jvm(spark.sparkContext).java.lang.Math.abs(-3) == 3


def test_pyspark_has_its_gateway_which_makes_java_arrays(spark) -> None:
    context = spark.sparkContext
    assert len(get_gateway(context).new_array(get_jvm(context).double, 3)) == 3


def test_pyspark_has_the_java_context_behind_its_own(spark) -> None:
    assert get_java_context(spark.sparkContext).sc().applicationId() == spark.sparkContext.applicationId


def test_pyspark_has_the_java_object_behind_a_session(spark) -> None:
    assert get_java_object(spark).version() == spark.version


def test_a_scala_object_is_found_by_its_name(spark) -> None:
    console = get_scala_object(get_jvm(spark.sparkContext).scala, "Console")
    assert console.getClass().getName() == "scala.Console$"


def test_what_java_binds_to_all_interfaces_is_bound_to_one_meanwhile_and_to_all_again_after(spark) -> None:
    jvm = get_jvm(spark.sparkContext)

    def bind() -> str:
        listening = jvm.java.net.ServerSocket(0)
        address = listening.getInetAddress().getHostAddress()
        listening.close()
        return address

    everywhere = bind()
    assert ip_address(everywhere).is_unspecified
    with listen_only_on(jvm, "127.0.0.1"):
        assert bind() == "127.0.0.1"
    assert bind() == everywhere


@pytest.fixture(scope="module")
def stump(spark) -> Any:
    """A tree of H2O with one split, trained in this process; H2O stays until it ends."""
    features = make_rows()
    return train_h2o_tree(spark, features, features["width"] > 0.1, depth=1)


@pytest.mark.usefixtures("stump")
def test_h2o_has_the_method_that_stops_it_and_leaves_spark_alone(spark) -> None:
    h2o = get_scala_object(get_jvm(spark.sparkContext).ai.h2o.sparkling, "H2OContext").get().get()
    found = {method.getName(): method for method in h2o.getClass().getMethods()}
    assert STOP_H2O in found
    assert [kind.getName() for kind in found[STOP_H2O].getParameterTypes()] == ["boolean"] * 3


def test_h2o_has_the_nodes_of_a_mojo(stump) -> None:
    assert sorted(list_mojo_depths(stump)) == [0, 1, 1]
