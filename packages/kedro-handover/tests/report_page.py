"""What a reader of a report's page gets."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Rows of the tables, text, images, and what a page refers to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.rows, self.images, self.references, self.words = [], [], [], [], []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.references += [value for name, value in attributes.items() if name in ("src", "href", "srcset", "action")]
        if tag == "img":
            self.images.append(attributes)
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        inside = next((tag for tag in reversed(self.tags) if tag in ("style", "td", "th", "p", "h1", "h2", "div")), "")
        if inside in ("td", "th") and data.strip():
            self.rows[-1][-1] += data
        if inside != "style":
            self.words.append(data)

    def row(self, title: str) -> list[str]:
        """The other cells of the row that begins with a title."""
        (cells,) = [cells for cells in self.rows if cells and cells[0] == title]
        return cells[1:]


def assert_needs_no_other_file(html: str) -> None:
    page = Page(html)
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert not {"link", "script", "iframe", "object", "base"} & set(page.tags)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r'src="data:[^"]*"', "", html))
