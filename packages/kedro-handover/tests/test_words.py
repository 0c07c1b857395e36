"""The library knows no project: its first one's words stand nowhere in it, so that what is said fits any other."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
GENERATED = {"__pycache__", "build", "dist", ".pytest_cache"}

# Backwards, as this file is looked through as well.
WORDS = [word[::-1] for word in ("simerp", "susnec", "irrab", "tcirtsid", "anolecrab", "egatniv")]
PATTERN = re.compile("|".join(WORDS), re.IGNORECASE)


def files() -> list[Path]:
    return [
        path
        for path in sorted(PACKAGE.rglob("*"))
        if path.is_file()
        and not GENERATED & set(path.relative_to(PACKAGE).parts)
        and not any(part.endswith(".egg-info") for part in path.parts)
    ]


def test_no_file_of_the_library_has_a_word_of_a_project() -> None:
    found = []
    for path in files():
        place = path.relative_to(PACKAGE)
        text = f"{place}\n" + path.read_bytes().decode("utf-8", errors="ignore")
        found += [
            f"{place}:{number}: {line.strip()}" for number, line in enumerate(text.splitlines()) if PATTERN.search(line)
        ]
    assert found == []


def test_all_of_the_library_is_looked_through() -> None:
    names = {str(path.relative_to(PACKAGE)) for path in files()}
    assert {"pyproject.toml", "src/kedro_handover/contract.py", "tests/test_words.py"} <= names
    assert PATTERN.search(f"a {WORDS[0]}es")
