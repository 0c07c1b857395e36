"""What is a synthetic census and what is not: the note beside a file that says so, and whether it still holds."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from premises.census.schema import CREDIT

if TYPE_CHECKING:
    from pathlib import Path

SYNTHETIC_NOTICE = (
    f"This is a synthetic census, generated from published counts. It is not the census itself. {CREDIT}."
)

FORMER_SUFFIX = ".sample.json"
"""How the names of notes ended before version 1.0: what has one may be replaced as well."""


def note_beside(path: Path) -> Path:
    """Name the note that stands beside a synthetic census.

    Args:
        path: The census: a file, or a folder of parts.

    Returns:
        `<name>.synthetic.json`, in the same folder.
    """
    return path.with_name(f"{path.name}.synthetic.json")


def remove_notes(path: Path) -> None:
    """Remove the notes that stand beside a synthetic census.

    Args:
        path: The census.
    """
    for note in _possible_notes(path):
        note.unlink(missing_ok=True)


def fingerprint(path: Path) -> str:
    """Digest what a file holds, or all files of a folder in the order of their names.

    Args:
        path: A file or a folder.

    Returns:
        The SHA-256, in hexadecimal digits.
    """
    digest = hashlib.sha256()
    files = [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def write_note(census: Path, note: Path, rows: int) -> None:
    """Write down that a file or folder is a synthetic census.

    Args:
        census: The census.
        note: Where to write.
        rows: How many premises it has.
    """
    content = {"notice": SYNTHETIC_NOTICE, "credit": CREDIT, "rows": rows, "sha256": fingerprint(census)}
    note.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def is_synthetic_file(path: Path) -> bool:
    """Tell whether a file or folder is a census that was generated here, and not changed since.

    Args:
        path: What may be replaced if it is.

    Returns:
        True if a note beside it has its digest; False for anything else, and where there is nothing.
    """
    digests = {_read_digest(note) for note in _possible_notes(path) if note.is_file()} - {None}
    return bool(digests) and path.exists() and fingerprint(path) in digests


def _possible_notes(path: Path) -> tuple[Path, Path]:
    return note_beside(path), path.with_name(f"{path.name}{FORMER_SUFFIX}")


def _read_digest(note: Path) -> str | None:
    try:
        content = json.loads(note.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return content.get("sha256") if isinstance(content, dict) else None
