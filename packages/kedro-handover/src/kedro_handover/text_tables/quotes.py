"""Look for quotes in a CSV that take in what is not their own: Arrow would make one row of several, and say nothing."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kedro_handover.text_tables.batches import Refuse

logger = logging.getLogger(__name__)

QUOTES = re.compile(b'"+')

FEW_COLUMNS = 8
"""Of so many or fewer, a row has no more separators than two lines of prose: such a text may well be meant."""


class QuoteCheck:
    """Follows the quotes of a CSV in UTF-8, from part to part of the file.

    Attributes:
        line: The line on which the next part begins.
    """

    def __init__(self, columns: int, separator: str, line: int, refuse: Refuse) -> None:
        """Begin with a file.

        Args:
            columns: How many it has.
            separator: The sign between them.
            line: The line on which the first part begins.
            refuse: Raises an error that names the file.
        """
        self._columns = columns
        self._separator = separator.encode()
        self._ends_of_cells = self._separator + b"\r\n"
        self._refuse = refuse
        self.line = line
        self._opened = 0  # the line of the quote that is open, if one is
        self._doubtful = self._first_doubtful = 0  # texts that may be rows, and the line of the first
        self._separators = self._breaks = 0  # within it
        self._rest = b""  # of the last part, behind its last line end

    def check(self, part: bytes, *, end: bool) -> None:
        """Go on with the next part of the file.

        Args:
            part: The bytes.
            end: Whether it is the last.
        """
        part = self._rest + part
        whole = len(part) if end else max(part.rfind(b"\n"), part.rfind(b"\r")) + 1
        lines, self._rest = part[:whole], part[whole:]
        if not self._opened and are_cells_quoted_whole(lines, self._ends_of_cells):
            self.line += count_breaks(lines)
        else:
            self._follow(lines)
        if end and self._opened:
            self._refuse(f"has a quote without its end, near line {self._opened:,}. Fix it.")
        if end and self._doubtful:
            signs = {b",": "commas"}.get(self._separator, "separators")
            logger.warning(
                "%s quoted texts have line breaks and as many %s as whole rows, the first near line %s. Where a "
                "quote is without its end, rows were read as text: look there.",
                f"{self._doubtful:,}",
                signs,
                f"{self._first_doubtful:,}",
            )
            self._doubtful = 0  # the end of a file may be asked for again

    def _follow(self, lines: bytes) -> None:
        """Go from quote to quote."""
        place = 0
        for run in QUOTES.finditer(lines):
            self._pass(lines, place, run.start())
            place, length = run.end(), len(run[0])
            if not self._opened:
                if run.start() and lines[run.start() - 1] not in self._ends_of_cells:
                    continue  # a quote within a text that is not quoted is a sign like others
                self._opened, self._separators, self._breaks, length = self.line, 0, 0, length - 1
            if length % 2:  # the others are doubled
                self._close(lines[place : place + 1])
        self._pass(lines, place, len(lines))

    def _pass(self, lines: bytes, start: int, stop: int) -> None:
        breaks = count_breaks(lines, start, stop)
        self.line += breaks
        if self._opened:
            self._breaks += breaks
            self._separators += lines.count(self._separator, start, stop)

    def _close(self, after: bytes) -> None:
        if after and after not in self._ends_of_cells:
            reason = f"a text goes on behind its closing quote, near line {self.line:,}"
            self._refuse(f"can't be read as CSV: {reason}. Double each quote within quotes, or end one that is open.")
        if self._columns <= FEW_COLUMNS:
            # The row has as many fields as it should only if the text has all separators of the rows that it took in.
            if 0 < self._breaks * (self._columns - 1) == self._separators:
                self._doubtful += 1
                self._first_doubtful = self._first_doubtful or self._opened
        elif self._breaks and self._separators >= self._columns - 1:
            reason = f"a quote near line {self._opened:,} takes {self._breaks:,} more lines into one text"
            self._refuse(f"can't be read as CSV: {reason}. Most often it is without its end: fix it.")
        self._opened = 0


def count_breaks(text: bytes, start: int = 0, stop: int | None = None) -> int:
    """Count the ends of lines: a line feed, a carriage return, or both.

    Args:
        text: The bytes.
        start: Where to begin.
        stop: Where to end.
    """
    feeds, returns = text.count(b"\n", start, stop), text.count(b"\r", start, stop)
    return feeds + (returns - text.count(b"\r\n", start, stop) if returns else 0)


def are_cells_quoted_whole(lines: bytes, ends_of_cells: bytes) -> bool:
    """Say whether each quote of whole lines opens a cell, closes one on the same line, or is doubled within one.

    Most files are all like that, and all of a part is looked at at once: going from quote to quote takes twenty times
    as long where every cell is quoted.

    Args:
        lines: The lines.
        ends_of_cells: The bytes before and after which a cell ends and begins.
    """
    import numpy as np

    text = np.frombuffer(lines, np.uint8)
    quotes = np.flatnonzero(text == ord('"'))
    if not len(quotes):
        return True
    if len(quotes) % 2:
        return False
    opening, closing = quotes[0::2], quotes[1::2]
    doubled = opening[1:] == closing[:-1] + 1
    opening, closing = opening[np.append(True, ~doubled)], closing[np.append(~doubled, True)]
    ends_a_cell = np.zeros(256, bool)
    ends_a_cell[list(ends_of_cells)] = True
    before = text[opening[opening > 0] - 1]
    after = text[closing[closing < len(text) - 1] + 1]
    breaks = np.flatnonzero((text == ord("\n")) | (text == ord("\r")))
    return bool(
        ends_a_cell[before].all()
        and ends_a_cell[after].all()
        and np.array_equal(np.searchsorted(breaks, opening), np.searchsorted(breaks, closing))
    )
