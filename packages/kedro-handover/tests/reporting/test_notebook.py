"""What a notebook shows."""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO

from matplotlib.figure import Figure
from PIL import Image

from kedro_handover.reporting.notebook import COLOURS, show


def test_a_figure_is_shown_small_with_its_description_for_readers_who_hear_it() -> None:
    figure = Figure(figsize=(4, 3), layout="constrained")
    figure.subplots().imshow([[0, 1], [2, 3]], cmap="cividis")
    content, metadata = show(figure, "Four squares.")._repr_mimebundle_()
    picture = Image.open(BytesIO(b64decode(content["image/png"])))
    assert metadata["image/png"] == {"alt": "Four squares.", "width": 360}
    assert picture.size == (480, 360)
    assert 1 < len(picture.getcolors()) <= COLOURS
