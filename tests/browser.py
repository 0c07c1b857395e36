"""Debian's Chromium, which opens what the project shows to people."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # it reaches this machine alone
    "--no-first-run",
)


@contextmanager
def start_chromium() -> Iterator[Browser]:
    """Start it without a window; what it keeps is thrown away."""
    program = shutil.which("chromium")
    assert program, "There is no chromium on the PATH. Install Debian's; `make chromium` does."
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses to start otherwise
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS, *as_root])
        yield browser
        browser.close()
