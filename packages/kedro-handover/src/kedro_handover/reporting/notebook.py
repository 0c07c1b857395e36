"""How a notebook shows a figure: small enough to be committed, and with words for those who can't see it."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from kedro_handover.lazy_types import Figure

DOTS_PER_INCH = 120
PIXELS_PER_INCH = 90
"""Of the page: fewer than there are dots, so that an image is sharp on a fine screen too."""

COLOURS = 128
"""An image has no more, and a third of the bytes; the eye finds no difference."""


def show(figure: Figure, description: str) -> Any:
    """Make a figure the output of a cell.

    Args:
        figure: What is shown.
        description: What there is to see, for readers who hear the notebook.

    Returns:
        An image that IPython displays; `nbconvert` gives it the description as its alternative text.
    """
    from IPython.display import Image
    from PIL import Image as PillowImage

    file, small = BytesIO(), BytesIO()
    figure.savefig(file, dpi=DOTS_PER_INCH)
    PillowImage.open(file).convert("RGB").quantize(COLOURS).save(small, "PNG", optimize=True)
    width = round(figure.get_figwidth() * PIXELS_PER_INCH)
    return Image(small.getvalue(), format="png", width=width, alt=description)  # type: ignore[no-untyped-call]
