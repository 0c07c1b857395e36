"""What is a drawn sample and what is not: the note beside a file that says so, and the check that it still holds."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from premises.census.schema import CREDIT

if TYPE_CHECKING:
    from pathlib import Path

SYNTHETIC_NOTICE = f"This is a sample drawn from published counts. It is not the census itself. {CREDIT}."


def note_beside(path: Path) -> Path:
    """Name the note that stands beside a drawn sample.

    Args:
        path: The sample: a file, or a folder of parts.

    Returns:
        `<name>.sample.json`, in the same folder.
    """
    return path.with_name(f"{path.name}.sample.json")


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


def write_note(sample: Path, note: Path, rows: int) -> None:
    """Write down that a file or folder is a drawn sample.

    Args:
        sample: The sample.
        note: Where to write.
        rows: How many premises the sample has.
    """
    content = {"notice": SYNTHETIC_NOTICE, "credit": CREDIT, "rows": rows, "sha256": fingerprint(sample)}
    note.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def is_synthetic_file(path: Path) -> bool:
    """Tell whether a file or folder is a sample that was drawn here, and not changed since.

    Args:
        path: What may be replaced if it is.

    Returns:
        True if the note beside it has its digest; False for anything else, and where there is nothing.
    """
    note = note_beside(path)
    if not path.exists() or not note.is_file():
        return False
    try:
        content = json.loads(note.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("sha256") == fingerprint(path)
