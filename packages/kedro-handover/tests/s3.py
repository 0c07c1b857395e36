"""An S3 server on the loopback, for tests: moto's, in an environment of its own that uv makes and keeps."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster import answers, free_port, wait_for
from processes import fresh_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = "moto[server]==5.2.1"

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kedro-handover/moto-5.2.1"

PACKAGES = "org.apache.hadoop:hadoop-aws:3.3.4,com.amazonaws:aws-java-sdk-bundle:1.12.262"
"""Of the Hadoop client among pyspark's jars."""


def install_server() -> str | None:
    """Have uv install the server, if it is not there: `uv pip install` of `SERVER`, in a venv of its own.

    Returns:
        Why it could not be installed; None if it is there.
    """
    if (CACHE / "bin/moto_server").exists():
        return None
    uv = [sys.executable, "-m", "uv", "--quiet"]
    for command in (
        [*uv, "venv", "--clear", f"--python={sys.executable}", str(CACHE)],
        [*uv, "pip", "install", f"--python={CACHE}/bin/python", SERVER],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{SERVER} could not be installed into {CACHE}: {done.stderr.strip().splitlines()[-1]}"
    return None


@dataclass(frozen=True)
class S3:
    """A running server, and a bucket of it.

    Attributes:
        url: Its address.
        root: The bucket, as Spark names it.
        credentials: The environment variables by which AWS' own libraries find it.
    """

    url: str
    root: str
    credentials: dict[str, str]

    @property
    def files(self) -> Any:
        """The file system by fsspec, with nothing remembered."""
        from s3fs import S3FileSystem

        return S3FileSystem(
            endpoint_url=self.url,
            key=self.credentials["AWS_ACCESS_KEY_ID"],
            secret=self.credentials["AWS_SECRET_ACCESS_KEY"],
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What `spark.yml` needs, as the documentation says it; no credentials."""
        return {
            "spark.jars.packages": PACKAGES,
            "spark.hadoop.fs.s3a.endpoint": self.url,
            "spark.hadoop.fs.s3a.path.style.access": True,
            "spark.hadoop.fs.s3a.connection.ssl.enabled": False,
        }


@contextmanager
def start_s3(folder: Path) -> Iterator[S3]:
    """A server with an empty bucket, until the end of the block."""
    port = free_port()
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [CACHE / "bin/moto_server", "--host=127.0.0.1", f"--port={port}"],
            stdout=log,
            stderr=log,
            env=fresh_environment(),
        )
    try:
        wait_for(lambda: answers(port))
        credentials = {
            "AWS_ACCESS_KEY_ID": "AKIATESTOFTHESTORAGE",
            "AWS_SECRET_ACCESS_KEY": "c2VjcmV0LW9mLXRoZS10ZXN0cw",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_REGION": "us-east-1",
        }
        s3 = S3(credentials["AWS_ENDPOINT_URL"], "s3a://bucket", credentials)
        s3.files.mkdir("bucket")
        yield s3
    finally:
        server.terminate()
        server.wait()
