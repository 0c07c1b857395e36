"""Where datasets lie on Hadoop's file systems: the driver reaches them by the JVM of its own Spark.

fsspec has HDFS by a native library (`libhdfs`) that few machines have, and Kedro keeps no host of a URL but those of
object stores. Spark's JVM has both: what is written here goes the way that Spark's own tables go.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import fsspec
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem
from kedro_datasets.spark.spark_dataset_v2 import to_spark_path

from kedro_handover.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

HADOOP_PROTOCOLS = ("hdfs", "viewfs", "webhdfs", "swebhdfs")
"""What Spark's JVM reaches without any more jars. Object stores are reached by packages of their own."""

BLOCK_BYTES = 8 * 2**20
"""So much of a file is handed over at once between Java and Python."""

PATTERN = re.compile(r"([*?\[\]{}\\])")

_authorities: dict[str, str] = {}
"""The host, and its port, that a URL without one means, by protocol."""


def use_hadoop(urls: Iterable[str]) -> None:
    """Have fsspec reach Hadoop's file systems by the JVM of Spark; Spark starts when the first file is asked for.

    Args:
        urls: Where all datasets of the run lie; other URLs and paths may be among them.

    Raises:
        ConfigurationError: If two of them are on different hosts, which Kedro's datasets do not tell apart.
    """
    _authorities.clear()
    for url in urls:
        place = urlsplit(url)
        if place.scheme not in HADOOP_PROTOCOLS:
            continue
        known = _authorities.setdefault(place.scheme, place.netloc)
        if known != place.netloc:
            first, second = (f"{place.scheme}://{host}" for host in (known, place.netloc))
            msg = f"Datasets lie on {first} and on {second}. Put the storage and the raw file on one of them."
            raise ConfigurationError(msg)
        of_protocol = type(HadoopFileSystem.__name__, (HadoopFileSystem,), {"protocol": place.scheme})
        fsspec.register_implementation(place.scheme, of_protocol, clobber=True)


def spark_path(protocol: str, path: str) -> str:
    """Give the URL by which Spark finds a dataset of Kedro's.

    Args:
        protocol: That of its `filepath`.
        path: What Kedro makes of the rest, which has lost its host.
    """
    if protocol in _authorities:
        return f"{protocol}://{_authorities[protocol]}{path}"
    return str(to_spark_path(protocol, path))


def spark_url(fs: AbstractFileSystem, path: str) -> str:
    """Give the URL by which Spark finds a file.

    Args:
        fs: Its file system.
        path: Its path there.
    """
    url: str = fs.unstrip_protocol(path)
    return f"s3a{url.removeprefix('s3')}" if url.startswith("s3://") else url


def escape_pattern(url: str) -> str:
    """Escape the signs of a URL that Hadoop would take for a pattern.

    Args:
        url: The URL of one file.
    """
    return PATTERN.sub(r"\\\1", url)


class HadoopFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A file system of Hadoop, by the JVM of the running Spark."""

    cachable = False
    root_marker = "/"

    def __init__(self, authority: str | None = None, **options: Any) -> None:
        """Name the file system.

        Args:
            authority: Its host, and its port; if none is given, those of the run's datasets.
            options: Those of fsspec.
        """
        super().__init__(**options)
        self._authority = _authorities.get(str(self.protocol), "") if authority is None else authority

    @classmethod
    def _strip_protocol(cls, path: str | list[str]) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return (urlsplit(path).path if "://" in path else path).rstrip("/") or cls.root_marker

    @staticmethod
    def _get_kwargs_from_urls(urlpath: str) -> dict[str, Any]:
        netloc = urlsplit(urlpath).netloc
        return {"authority": netloc} if netloc else {}

    def unstrip_protocol(self, name: str) -> str:
        """Give the URL of a path.

        Args:
            name: The path.
        """
        return f"{self.protocol}://{self._authority}{self._strip_protocol(name)}"

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:  # noqa: FBT001, FBT002 - fsspec's
        """List a folder, or one file.

        Args:
            path: The folder or file.
            detail: Whether to tell more than the paths.

        Raises:
            FileNotFoundError: If it is not there.
        """
        self.info(path)
        found = [self._describe(status) for status in self._java.listStatus(self._at(path))]
        return found if detail else [one["name"] for one in found]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Describe a file or folder.

        Args:
            path: Where it is.

        Raises:
            FileNotFoundError: If it is not there.
        """
        at = self._at(path)
        if not self._java.exists(at):
            raise FileNotFoundError(self.unstrip_protocol(path))
        return self._describe(self._java.getFileStatus(at))

    def exists(self, path: str, **_: Any) -> bool:
        """Say whether a file or folder is there; what goes wrong is not taken for a no.

        Args:
            path: Where.
        """
        return bool(self._java.exists(self._at(path)))

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:  # noqa: ARG002, FBT001, FBT002 - fsspec's
        """Make a folder, and those above it.

        Args:
            path: Where.
            create_parents: They are always made.
        """
        self._java.mkdirs(self._at(path))

    def makedirs(self, path: str, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - fsspec's
        """Make a folder, and those above it.

        Args:
            path: Where.
            exist_ok: Whether it may be there.

        Raises:
            FileExistsError: If it is there, and may not be.
        """
        if not exist_ok and self.exists(path):
            raise FileExistsError(self.unstrip_protocol(path))
        self._java.mkdirs(self._at(path))

    def mv(self, path1: str, path2: str, **_: Any) -> None:
        """Rename a file or folder; a file in its place is replaced in one step.

        Args:
            path1: What there is.
            path2: What it becomes.
        """
        from kedro_handover.spark.session import hadoop_rename

        hadoop_rename(self.unstrip_protocol(path1), self.unstrip_protocol(path2))

    def _rm(self, path: str) -> None:
        self._java.delete(self._at(path), True)  # noqa: FBT003 - Hadoop's; with all that is in it

    def rm(self, path: str | list[str], **_: Any) -> None:
        """Remove files or folders, with all that is in them.

        Args:
            path: One or several.
        """
        for one in [path] if isinstance(path, str) else path:
            self._rm(one)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copy a file.

        Args:
            path1: The file.
            path2: Where to.
        """
        self.pipe_file(path2, self.cat_file(path1))

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> HadoopFile:
        return HadoopFile(self, path, mode, block_size or BLOCK_BYTES, **options)

    @cached_property
    def _java(self) -> Any:
        from kedro_handover.spark.session import hadoop_path

        return hadoop_path(self.unstrip_protocol("/"))[0]

    def _at(self, path: str) -> Any:
        from kedro_handover.spark.session import hadoop_path

        return hadoop_path(self.unstrip_protocol(path))[1]

    @staticmethod
    def _describe(status: Any) -> dict[str, Any]:
        is_folder = bool(status.isDirectory())
        return {
            "name": str(status.getPath().toUri().getPath()),
            "size": 0 if is_folder else int(status.getLen()),
            "type": "directory" if is_folder else "file",
            "mtime": status.getModificationTime() / 1000,
        }


class HadoopFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """A file of a Hadoop file system: read by ranges, written block by block."""

    _stream: Any = None

    def _fetch_range(self, start: int, end: int) -> bytes:
        if self._stream is None:
            self._stream = self.fs._java.open(self.fs._at(self.path))  # noqa: SLF001 - of this module
        self._stream.seek(start)
        return bytes(self._stream.readNBytes(end - start))

    def _initiate_upload(self) -> None:
        self._stream = self.fs._java.create(self.fs._at(self.path), True)  # noqa: FBT003, SLF001 - Hadoop's: overwrite

    def _upload_chunk(self, final: bool = False) -> bool:  # noqa: FBT001, FBT002 - fsspec's
        self._stream.write(bytearray(self.buffer.getvalue()))
        if final:
            self._stream.close()
            self._stream = None
        return True

    def close(self) -> None:
        """Close the file; what is written is there from then on."""
        super().close()
        if self._stream is not None:
            self._stream.close()
            self._stream = None
