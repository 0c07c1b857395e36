"""A folder of CSV files, and the rows that every reader has to give of it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def folder_of_csv(folder: Path) -> Path:
    """Parts out of order, one of them compressed, one empty, one hidden, with malformed rows and a blank line."""
    parts = folder / "orders.csv"
    (parts / "b").mkdir(parents=True)
    (parts / "b" / "part 2.csv").write_bytes(b"id,city\n5,Gr\xc3\xa0cia\n6\n")
    (parts / "part-0.csv.gz").write_bytes(gzip.compress(b'id,city\r\n7,"a\r\nb"\r\n\r\n8,\r\n'))
    (parts / "a.csv").write_bytes(b"id,city\n1,Sants\n2\n3,x\n4,y\n")
    (parts / "z.csv").write_bytes(b"")
    (parts / "_SUCCESS").write_bytes(b"not,a,part")
    return parts


FOLDER_ROWS = [
    (2, None, "1", "Sants"),
    (3, "2", None, None),
    (4, None, "3", "x"),
    (5, None, "4", "y"),
    (6, None, "5", "Gràcia"),
    (7, "6", None, None),
    (8, None, "7", "a\r\nb"),
    (9, None, "8", None),
]
