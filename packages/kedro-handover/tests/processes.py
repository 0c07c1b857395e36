"""Processes as Linux shows them: the programs under one, and what they listen on."""

from __future__ import annotations

import ipaddress
import os
from contextlib import suppress

import psutil
import pyspark

from kedro_handover.spark.session import list_archive_options

SPARK_VARIABLES = ("SPARK_", "PYSPARK_", *(("JAVA_HOME",) if pyspark.__version__ < "4" else ()))
"""How the environment variables begin that decide which Java and Spark a process starts, where the Java of the wheel
will do: it does not for Spark 4."""


def fresh_environment(**changes: str) -> dict[str, str]:
    """The environment variables of a machine where nobody has set up Java or Spark."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SPARK_VARIABLES)} | changes


SHORT_LIVED = " ".join(["-XX:TieredStopAtLevel=1 -XX:+UseSerialGC", *list_archive_options()])
"""Options of a JVM that lives for seconds: it should not spend them on reading classes and on making its code fast."""


def short_lived_environment(**changes: str) -> dict[str, str]:
    """The same for a process whose Java is not what is tested."""
    return fresh_environment(JAVA_TOOL_OPTIONS=SHORT_LIVED, **changes)


def listening_addresses(pid: int) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Addresses that a process listens on."""
    return {address for address, _ in listening_sockets(pid)}


def listening_sockets(pid: int) -> set[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    """Addresses and ports that a process listens on; none where it has ended."""
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.NoSuchProcess:
        return set()
    found = [(ipaddress.ip_address(one.laddr.ip), one.laddr.port) for one in connections if one.status == "LISTEN"]
    return {(getattr(address, "ipv4_mapped", None) or address, port) for address, port in found}


def programs_under(pid: int) -> dict[int, str]:
    """The processes that a process and its descendants have started and that still run, with their programs' names."""
    found = {}
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                found[child.pid] = child.name()
    return found
