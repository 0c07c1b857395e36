"""Pages of HTML that need no other file: their templates, and what a project adds to them.

A project adds sections of its own to any report by the argument `sections` of the report's node: titles, and below each
a text or a table. A figure of its own is one more argument, see
`kedro_handover.reporting.research_report.render_research_report`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from kedro_handover.formatting import format_share
from kedro_handover.lazy_types import Figure

DOTS_PER_INCH = 150

Sections = Mapping[str, Any]
"""Sections of a project's own: by their title a text, or a table as a pandas frame or as a list of records."""


def render_page(template: str, sections: Sections | None = None, **values: Any) -> str:
    """Fill in one of the pages in `templates`.

    Args:
        template: Its file name.
        sections: Sections of the project's own. Text is escaped, a blank line begins a new paragraph; a
            `markupsafe.Markup` is HTML, and is taken as it is.
        values: What the page shows; text is escaped.

    Returns:
        The page.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("kedro_handover.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "count": "{:,}".format,
        "share": format_share,
        "sentence": lambda text: text[:1].upper() + text[1:],
        "words": lambda name: name.replace("_", " "),
    }
    arranged = [_arrange_section(title, content) for title, content in (sections or {}).items()]
    return environment.get_template(template).render(sections=arranged, **values)


def encode_figure(figure: Figure | bytes) -> str:
    """Encode a figure for the address of an image in a page.

    Args:
        figure: A figure, or the bytes of its PNG file.

    Returns:
        The PNG file in base64.
    """
    if not isinstance(figure, bytes):
        file = BytesIO()
        figure.savefig(file, dpi=DOTS_PER_INCH)
        figure = file.getvalue()
    return b64encode(figure).decode()


def _arrange_section(title: str, content: Any) -> dict[str, Any]:
    if hasattr(content, "__html__"):
        return {"title": title, "html": content}
    if isinstance(content, str):
        return {"title": title, "paragraphs": content.split("\n\n")}
    import pandas as pd

    table = pd.DataFrame(content)
    types = pd.api.types
    numeric = [types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype) for dtype in table.dtypes]
    rows = table.itertuples(index=False, name=None)
    return {
        "title": title,
        "columns": list(zip(map(str, table.columns), numeric, strict=True)),
        "rows": [[(_write(cell), right) for cell, right in zip(row, numeric, strict=True)] for row in rows],
    }


def _write(cell: Any) -> str:
    """Write a cell of a table: thousands with commas, four digits of a fraction, nothing where a value is missing."""
    import pandas as pd

    if pd.isna(cell):
        return ""
    if isinstance(cell, float):
        return f"{cell:,.0f}" if cell.is_integer() else f"{cell:.4g}"
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)
