"""Processes as Linux shows them: the programs under one, and what they listen on."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

import pyspark

SPARK_VARIABLES = ("SPARK_", "PYSPARK_", *(("JAVA_HOME",) if pyspark.__version__ < "4" else ()))
"""How the environment variables begin that decide which Java and Spark a process starts, where the Java of the wheel
will do: it does not for Spark 4."""

LISTENING = "0A"
"""The state of a listening socket in /proc/net/tcp."""


def fresh_environment(**changes: str) -> dict[str, str]:
    """The environment variables of a machine where nobody has set up Java or Spark."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SPARK_VARIABLES)} | changes


def listening_addresses(pid: int) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Addresses that a process listens on."""
    return {address for address, _ in listening_sockets(pid)}


def listening_sockets(pid: int) -> set[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    """Addresses and ports that a process listens on, from Linux' own tables; none where it has ended."""
    if not Path(f"/proc/{pid}/net/tcp").exists():
        return set()
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    sockets = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == LISTENING and rest[5] in sockets:
                words, port = map(bytes.fromhex, local.split(":"))  # the words of 4 bytes, the last byte first
                address = ipaddress.ip_address(b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4)))
                found.add((getattr(address, "ipv4_mapped", None) or address, int.from_bytes(port)))
    return found


def programs_under(pid: int) -> dict[int, str]:
    """The processes that a process and its descendants have started and that still run, with their programs' names."""
    found = {}
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in map(int, children.read_text().split()):
                found |= {child: Path(f"/proc/{child}/comm").read_text().strip()} | programs_under(child)
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
    return found
