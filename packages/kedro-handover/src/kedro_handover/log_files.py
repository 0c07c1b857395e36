"""A log file that can't be written to is given up in one line, not told of at each line of the log."""

from __future__ import annotations

import logging
from pathlib import Path

logger = logging.getLogger(__name__)


def drop_unwritable_log_files() -> None:
    """Take away the handlers whose file can't be written to, and say so once: the log then goes to the terminal alone.

    A checkout may be read-only, as in an image. `conf/logging.yml` opens its file at the first line.
    """
    named = (one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger))
    dropped = {}
    for owner in (logging.root, *named):
        for handler in [one for one in owner.handlers if isinstance(one, logging.FileHandler) and one.stream is None]:
            try:
                Path(handler.baseFilename).open("a", encoding="utf-8").close()
            except OSError as error:
                owner.removeHandler(handler)
                owner.addHandler(logging.NullHandler())  # with none, Python writes what is for the file to the terminal
                dropped[handler.baseFilename] = error.strerror
    for file, reason in dropped.items():
        logger.warning("%s can't be written to (%s): there is no log file of this run.", file, reason)
