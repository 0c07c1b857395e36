"""The private names of pyspark that the library uses are there; those of H2O are looked for where it is started."""

from __future__ import annotations

from ipaddress import ip_address

from kedro_handover._compat import (
    NAMES_OF_EACH_COLUMN,
    get_gateway,
    get_java_context,
    get_java_object,
    get_jvm,
    get_scala_object,
    listen_only_on,
)


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


def test_the_names_that_each_column_needs_are_asked_of_java_once(spark) -> None:
    assert {*NAMES_OF_EACH_COLUMN} <= vars(get_jvm(spark.sparkContext)).keys()
