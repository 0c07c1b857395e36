"""Fetch a published census from Open Data BCN, and put it where the catalog looks once it has passed its checks.

    python -m premises.census.download --vintage 2016

Source of the data: Barcelona City Council (Open Data BCN, CC BY 4.0).
"""

from __future__ import annotations

import csv
import glob
import hashlib
import json
import os
import re
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from premises.census.schema import CREDIT, VINTAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

PORTAL = "https://opendata-ajuntament.barcelona.cat/data"
RAW_LAYER = Path("data/01_raw")
TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 2**16
API_LIMIT_BYTES = 2**24
FILE_LIMIT_BYTES = 2**30
"""Many times a census (about 25 MB), and little enough that a wrong answer can't fill a disk."""

STATUS_ADVICE = {
    403: "The portal turned the request away, perhaps with its captcha.",
    404: "The package, the file or the API has moved.",
    429: "The portal asks for fewer requests: wait some minutes and run this again.",
}


@dataclass(frozen=True)
class PublishedFile:
    """A census year: where the portal keeps its file, and what a whole copy looks like."""

    package: str
    resource_prefix: str
    """How the id of the resource begins."""
    file: str
    columns: tuple[str, ...]
    rows: int
    git_blobs: frozenset[str]
    """`git hash-object` of the copies that are known to be whole."""


PUBLISHED_FILES = {
    2016: PublishedFile(
        package="cens-locals-planta-baixa-act-economica",
        resource_prefix="e6e7610c",
        file=VINTAGES[2016].file,
        columns=VINTAGES[2016].columns,
        rows=78_033,
        git_blobs=frozenset({"d91430cae0cfafe4c3d35607c32dc5e7fe9ea4cc", "8faa5ea1cc1efcdd49d2df9e93099b897ebef7a1"}),
    ),
}


class CensusDownloadError(click.ClickException):
    """The census could not be fetched, or what came is not the census."""


def download_census(
    vintage: PublishedFile, target: Path, portal: str = PORTAL, timeout_seconds: float = TIMEOUT_SECONDS
) -> Path:
    """Download a census, check it, and only then put it in its place.

    A break leaves the place as it was, and the next call starts clean. (The file is small: to resume it would save
    seconds, and risk joining the halves of two editions.)

    Args:
        vintage: What to fetch and what a whole copy looks like.
        target: The file's place. Nothing there is overwritten but a synthetic census that this project generated.
        portal: Base address of the CKAN portal.
        timeout_seconds: Longest wait for a connection, and for the next bytes.

    Returns:
        `target`, which now holds the published file.

    Raises:
        CensusDownloadError: If the place is taken, the portal can't be used, or what came is not the census.
    """
    from premises.census.origin import remove_notes

    outcome = "already there, a verified copy: nothing to download"
    try:
        if not _holds_verified_copy(target, vintage):
            with _part_beside(target) as part:
                _fetch(vintage, part, target, portal.rstrip("/"), timeout_seconds)
                outcome = _check(part, vintage)
                # Asked again: a browser may have saved the file there while this one was on its way.
                if not _holds_verified_copy(target, vintage):
                    if target.exists():
                        click.echo(f"{target} was a synthetic census: the published census replaces it.")
                    part.replace(target)
        # Last, as a note has its file's digest: it never speaks for the census, nor is a synthetic one without it.
        remove_notes(target)
    except OSError as error:
        msg = f"{target} can't be written: {error}. Check the folder's space and rights, or give another place by --to."
        raise CensusDownloadError(msg) from error
    click.echo(f"{target}: {outcome}.")
    return target


def _holds_verified_copy(target: Path, vintage: PublishedFile) -> bool:
    """Tell a known copy from a place that is free to write; anything else there is refused."""
    from premises.census.origin import is_synthetic_file

    if not os.path.lexists(target):
        return False
    if target.is_file():
        if _git_blob(target) in vintage.git_blobs:
            return True
        if is_synthetic_file(target):
            return False
    msg = (
        f"{target} is taken: what is there is neither a known copy of the census nor a synthetic one, and is left as "
        "it is. Move it away to download the census; or, if you saved the census there yourself, go on with `make run`."
    )
    raise CensusDownloadError(msg)


@contextmanager
def _part_beside(target: Path) -> Iterator[Path]:
    """Name a file to download into, in the target's folder so that the last step is a rename; it never outlives this.

    The name is new each time: two downloads at once can't write into one another's file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left_by_a_killed_process in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        left_by_a_killed_process.unlink()
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _fetch(vintage: PublishedFile, part: Path, target: Path, portal: str, timeout_seconds: float) -> None:
    """Ask the portal where the vintage's file is, and download it into `part`."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    bar = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    try:
        url = _resource_url(vintage, portal, timeout_seconds)
        with (
            _answer(url, timeout_seconds) as answer,
            part.open("xb") as file,
            Progress(*bar, console=Console(stderr=True)) as progress,
        ):
            task = progress.add_task(vintage.file, total=answer.raw.length_remaining)
            for chunk in _chunks(answer, FILE_LIMIT_BYTES):
                file.write(chunk)
                progress.advance(task, len(chunk))
            file.flush()
            os.fsync(file.fileno())
    except CensusDownloadError as error:
        page = f"{portal}/dataset/{vintage.package}"
        msg = f"{error.message}\nBy hand: open {page} in a browser, and save {vintage.file} as {target}."
        raise CensusDownloadError(msg) from error


def _resource_url(vintage: PublishedFile, portal: str, timeout_seconds: float) -> str:
    """Address of the vintage's file, by the portal's CKAN action API."""
    api_url = f"{portal}/api/3/action/package_show?id={vintage.package}"
    with _answer(api_url, timeout_seconds) as answer:
        body = b"".join(_chunks(answer, API_LIMIT_BYTES))
    try:
        package: Any = json.loads(body)
        if not package["success"]:
            msg = f"{api_url} refused: {package['error']}. The package's name or the portal's API has changed."
            raise CensusDownloadError(msg)
        resources = package["result"]["resources"]
        ours = [str(r["url"]) for r in resources if str(r["id"]).startswith(vintage.resource_prefix)]
        csvs = [f"{r.get('name')} ({r['id']})" for r in resources if str(r.get("format")).upper() == "CSV"]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        msg = f"{api_url} did not answer as CKAN's package_show does ({error!r}). The portal's API has changed."
        raise CensusDownloadError(msg) from error
    if not ours:
        msg = (
            f"{vintage.file}: package {vintage.package} has no resource with an id that begins "
            f"{vintage.resource_prefix}. Its CSV resources are: {', '.join(csvs) or 'none'}. "
            "If one of them is this census, correct PUBLISHED_FILES in premises.census.download."
        )
        raise CensusDownloadError(msg)
    return ours[0]


@contextmanager
def _answer(url: str, timeout_seconds: float) -> Iterator[requests.Response]:
    """Open an address; what goes wrong, also while the body is read, becomes a `CensusDownloadError`."""
    import requests
    from urllib3.exceptions import ReadTimeoutError

    try:
        # Not compressed, so that Content-Length is the length of the file.
        with requests.get(
            url, stream=True, timeout=timeout_seconds, headers={"Accept-Encoding": "identity"}
        ) as response:
            if response.status_code != requests.codes.ok:
                advice = STATUS_ADVICE.get(response.status_code, "The portal is out of order: run this again later.")
                msg = f"{response.url} answered {response.status_code} {response.reason}. {advice}"
                raise CensusDownloadError(msg)
            yield response
    except requests.RequestException as error:
        # A stall in the body comes as a ConnectionError that holds urllib3's time-out.
        cause = error.args[0] if error.args else error
        if isinstance(error, requests.Timeout) or isinstance(cause, ReadTimeoutError):
            msg = f"{url} sent nothing for {timeout_seconds:g} seconds. Run this again, or wait longer with --timeout."
        else:
            msg = f"{url} can't be fetched: {getattr(cause, 'reason', cause)}. Check the network and --portal."
        raise CensusDownloadError(msg) from error


def _chunks(response: requests.Response, limit_bytes: int) -> Iterator[bytes]:
    """Read a body, unless it is a web page, cut short, or longer than any true answer."""
    from requests.exceptions import ChunkedEncodingError

    declared = response.raw.length_remaining
    received = 0
    try:
        for chunk in response.iter_content(CHUNK_BYTES):
            is_page = "html" in response.headers.get("Content-Type", "") or chunk.lstrip().startswith(b"<")
            if received == 0 and is_page:
                msg = f"{response.url} answered with a web page, not with data: the portal has a captcha for programs."
                raise CensusDownloadError(msg)
            received += len(chunk)
            if max(received, declared or 0) > limit_bytes:
                msg = f"{response.url} sends more than {limit_bytes:,} bytes: that can't be what was asked for."
                raise CensusDownloadError(msg)
            yield chunk
    except ChunkedEncodingError as error:
        whole = "an unstated number" if declared is None else f"{declared:,}"
        came = max(received, response.raw.tell())  # the one counts whole chunks only, the other no chunked transfer
        msg = f"{response.url} was cut short: {came:,} bytes came of {whole}. Run this again."
        raise CensusDownloadError(msg) from error


def _check(part: Path, vintage: PublishedFile) -> str:
    """Hold what came to the vintage's shape and known hashes, and say what it is."""
    rows = _count_rows(part, vintage)
    blob = _git_blob(part)
    shape = f"{rows:,} rows, {len(vintage.columns)} columns"
    if blob in vintage.git_blobs:
        return f"{shape}, a verified copy (git blob {blob})"
    # More rows are refused too: another edition, or rows twice; the counts that the project states would not hold.
    if rows != vintage.rows:
        what = "a short file" if rows < vintage.rows else "too many rows"
        msg = (
            f"{vintage.file}: {what}: {rows:,} rows came, the census has {vintage.rows:,}. Run this again; if the "
            "Council has published a new edition, correct PUBLISHED_FILES in premises.census.download."
        )
        raise CensusDownloadError(msg)
    warning = (
        f"Warning: {vintage.file} has the right shape but an unknown hash (git blob {blob}). The Council re-publishes "
        "its files: compare the totals before you rely on it."
    )
    click.secho(warning, fg="yellow", err=True)
    return f"{shape}, not a copy known so far (git blob {blob})"


def _count_rows(part: Path, vintage: PublishedFile) -> int:
    """Count the rows of a CSV, all of which must have the vintage's columns."""
    rows = 0
    try:
        with part.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            _check_header(next(reader, []), vintage)
            for row in filter(None, reader):  # a blank line is not a row
                if len(row) != len(vintage.columns):
                    msg = (
                        f"{vintage.file}, line {reader.line_num}: {len(row)} fields where there should be "
                        f"{len(vintage.columns)}. The file is cut off or damaged: run this again."
                    )
                    raise CensusDownloadError(msg)
                rows += 1
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{vintage.file} is not a UTF-8 CSV: {error}. The file is damaged or of another kind: run this again."
        raise CensusDownloadError(msg) from error
    return rows


def _check_header(header: list[str], vintage: PublishedFile) -> None:
    """Refuse a header that is not the vintage's, and say which columns differ."""
    if tuple(header) == vintage.columns:
        return
    missing = [column for column in vintage.columns if column not in header]
    unexpected = [column for column in header if column not in vintage.columns]
    # From 2019 on a file has an activity code for each census so far; the newest tells which file it is.
    years = re.findall(r"Codi_Activitat_(\d{4})", " ".join(unexpected))
    found = {
        f"{len(missing)} of {len(vintage.columns)} columns are missing: {', '.join(missing)}.": missing,
        f"{len(unexpected)} are not expected: {', '.join(unexpected)}.": unexpected,
        "The columns are in another order, or repeated.": not missing and not unexpected,
        f"This looks like the {max(years, default='')} file.": years,
        "Check which resource PUBLISHED_FILES in premises.census.download points to.": True,
    }
    msg = f"{vintage.file}: " + " ".join(sentence for sentence, applies in found.items() if applies)
    raise CensusDownloadError(msg)


def _git_blob(file: Path) -> str:
    """The file's hash as `git hash-object` gives it."""
    digest = hashlib.sha1(b"blob %d\0" % file.stat().st_size, usedforsecurity=False)
    with file.open("rb") as content:
        while chunk := content.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


@click.command()
@click.option(
    "--vintage", type=click.Choice(list(PUBLISHED_FILES)), default=2016, show_default=True, help="Census year."
)
@click.option(
    "--to", "target", type=click.Path(path_type=Path), help=f"The file's place.  [default: its name in {RAW_LAYER}]"
)
@click.option("--portal", default=PORTAL, show_default=True, help="Base address of the CKAN portal.")
@click.option(
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=TIMEOUT_SECONDS,
    show_default=True,
    help="Longest wait for a connection and for the next bytes, in seconds.",
)
def main(vintage: int, target: Path | None, portal: str, timeout_seconds: float) -> None:
    """Download the census of ground-floor premises from Open Data BCN.

    The file is checked (columns, rows, hash) before it is put in its place. Nothing is overwritten but a
    synthetic census that this project generated. Run it again after a break: it starts clean.
    """
    entry = PUBLISHED_FILES[vintage]
    target = target or RAW_LAYER / entry.file
    try:
        download_census(entry, target, portal, timeout_seconds)
    except KeyboardInterrupt:
        click.echo(f"\nStopped. No half file is left at {target}; run this again to start clean.", err=True)
        raise click.exceptions.Exit(130) from None
    click.echo(f"{CREDIT} (CC BY 4.0).\nNext: make run")


if __name__ == "__main__":
    main()
