"""Private interfaces of other packages that the library can't do without, each with the version it was seen in.

Nothing else in the library touches a private name of another package. Where a new version takes one of these away, its
test in `tests/test_compat.py` says which.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kedro.config import OmegaConfigLoader
    from pyspark import SparkContext

STOP_H2O = "ai$h2o$sparkling$H2OContext$$stop"
"""Scala's name of the private method `stop` of `ai.h2o.sparkling.H2OContext` (h2o-pysparkling-3.5 3.46.0.6)."""

NAMES_OF_EACH_COLUMN = ("functions", "PythonUtils", "SparkSession")
"""What pyspark 3.5.9 asks its view of the JVM for with each column, list of columns, and cast."""


def get_jvm(context: SparkContext) -> Any:
    """Give pyspark's view of the JVM, by which Java and Scala classes are named (`_jvm`: pyspark 3.5.9 and 4.0)."""
    return context._jvm  # noqa: SLF001


def keep_java_names(context: SparkContext) -> None:
    """Have pyspark's view of the JVM keep the names that pyspark asks it for with each column (Py4J 0.10.9.7).

    It asks Java anew each time, which looks for `functions` in every package that pyspark has imported: a millisecond
    or two, thousands of times in a run.

    Args:
        context: The Spark context; the names stay for as long as its JVM.
    """
    jvm = get_jvm(context)
    for name in NAMES_OF_EACH_COLUMN:
        setattr(jvm, name, getattr(jvm, name))


def get_gateway(context: SparkContext) -> Any:
    """Give Py4J's gateway to the JVM, which makes Java arrays (`_gateway`: pyspark 3.5.9 and 4.0)."""
    return context._gateway  # noqa: SLF001


def get_java_context(context: SparkContext) -> Any:
    """Give the `JavaSparkContext` behind a Spark context (`_jsc`: pyspark 3.5.9 and 4.0)."""
    return context._jsc  # noqa: SLF001


def get_java_object(wrapper: Any) -> Any:
    """Give the Java object behind a session, a model or a configuration of Python.

    pyspark 3.5.9 keeps that of a session in `_jsparkSession` and that of a model in `_java_obj`; pysparkling 3.46.0.6
    keeps that of a configuration in `_jconf`.
    """
    names = ("_jsparkSession", "_java_obj", "_jconf")
    return next(getattr(wrapper, name) for name in names if hasattr(wrapper, name))


def get_scala_object(package: Any, name: str) -> Any:
    """Give a Scala `object`: the field `MODULE$` of the class `<name>$` (Scala 2.12 and 2.13).

    Args:
        package: A Java package, as Py4J gives it.
        name: The object's name in Scala.
    """
    return getattr(getattr(package, f"{name}$"), "MODULE$")


def stop_h2o_context(h2o_context: Any) -> None:
    """Stop H2O and leave Spark running, as pysparkling does it (h2o-pysparkling-3.5 3.46.0.6).

    The method is private in Scala, whose compiler mangles its name; the public `stop()` would end the JVM as well.

    Args:
        h2o_context: A running `ai.h2o.sparkling.H2OContext`.
    """
    stop_spark = stop_jvm = in_shutdown_hook = False
    getattr(h2o_context, STOP_H2O)(stop_spark, stop_jvm, in_shutdown_hook)


@contextmanager
def listen_only_on(jvm: Any, host: str) -> Iterator[None]:
    """Have what Java binds to all interfaces meanwhile bind to one address (`Inet6AddressImpl`: Java 8, 11, 17 and 21).

    Sparkling Water starts a proxy of H2O's web pages together with H2O, on all interfaces: no setting names another
    address, and none leaves the proxy out (h2o-pysparkling-3.5 3.46.0.6). `new InetSocketAddress(port)` takes the
    address of all interfaces from this field of Java; Spark opens `java.net` on the command line of its JVM.

    Args:
        jvm: pyspark's view of the JVM.
        host: The address, or a name of it.
    """
    impl_field = jvm.java.lang.Class.forName("java.net.InetAddress").getDeclaredField("impl")
    impl_field.setAccessible(True)
    impl = impl_field.get(None)
    wildcard_field = impl.getClass().getDeclaredField("anyLocalAddress")
    wildcard_field.setAccessible(True)
    all_interfaces = jvm.java.net.InetSocketAddress(0).getAddress()
    wildcard_field.set(impl, jvm.java.net.InetAddress.getByName(host))
    try:
        yield
    finally:
        wildcard_field.set(impl, all_interfaces)


def measure_mojo_trees(model: Any) -> dict[str, int]:
    """Measure the trees in an H2O MOJO (`_computeGraph` and its fields: h2o-pysparkling-3.5 3.46.0.6).

    Args:
        model: An `H2OMOJOModel`.

    Returns:
        Of a single tree `nodes` and `depth`, of several `nodes` and `trees`; nothing where the model has none.
    """
    from py4j.java_gateway import get_field, is_instance_of
    from pyspark import SparkContext

    mojo = get_java_object(model).unwrapMojoModel()
    if not is_instance_of(get_gateway(SparkContext.getOrCreate()), mojo, "hex.genmodel.algos.tree.SharedTreeMojoModel"):
        return {}
    all_trees = -1
    graphs = get_field(mojo._computeGraph(all_trees), "subgraphArray")  # noqa: SLF001
    trees = [get_field(graphs.get(place), "nodesArray") for place in range(graphs.size())]
    if len(trees) > 1:
        return {"nodes": sum(nodes.size() for nodes in trees), "trees": len(trees)}
    depth = max(trees[0].get(place).getDepth() for place in range(trees[0].size()))
    return {"nodes": trees[0].size(), "depth": depth}


def has_conf_file(loader: OmegaConfigLoader, name: str) -> bool:
    """Say whether a configuration has a file, be it a folder or an archive (`_fs`, `_get_conf_env_path`: Kedro 1.7).

    Args:
        loader: Kedro's loader of the configuration.
        name: The file's name, in the folder of the base environment.
    """
    return bool(loader._fs.exists(f"{loader._get_conf_env_path(loader.base_env)}/{name}"))  # noqa: SLF001


def read_conf_files(loader: OmegaConfigLoader) -> dict[str, bytes]:
    """Read all YAML files of a configuration, be it a folder or an archive (`_fs`, `_get_conf_env_path`: Kedro 1.7).

    Args:
        loader: Kedro's loader of the configuration.

    Returns:
        What they hold, by their paths: those of the base environment and of the one of the run.
    """
    fs = loader._fs  # noqa: SLF001
    folders = {loader._get_conf_env_path(env) for env in (loader.base_env, loader.env or loader.default_run_env)}  # noqa: SLF001
    paths = sorted({path for folder in folders for path in fs.glob(f"{folder}/**/*.yml")})
    return {path: fs.cat_file(path) for path in paths}


def keep_arrow_types_on_dask() -> None:
    """Have Narwhals cast to Arrow's types on Dask (`narwhals._dask.utils.NW_TO_DASK_DTYPES`: Narwhals 2.29.0).

    Narwhals casts to NumPy's types there, which know no null: an integer that is missing ends the run, and a boolean
    that is becomes True. On pandas it keeps to Arrow's types where the column is of them; the tables here always are.
    """
    import warnings

    from narwhals import dtypes
    from narwhals._dask.utils import NW_TO_DASK_DTYPES

    # Narwhals takes the plug-in `narwhals-dask` where it is installed. None has been published yet.
    warnings.filterwarnings("ignore", "Dask support is moving out of Narwhals", FutureWarning)
    cast("dict[Any, str]", NW_TO_DASK_DTYPES).update(
        {
            dtypes.Boolean: "bool[pyarrow]",
            dtypes.Int64: "int64[pyarrow]",
            dtypes.Float32: "float[pyarrow]",
            dtypes.Float64: "double[pyarrow]",
        }
    )
