"""A figure is saved as a PNG file, and loaded as the bytes of it."""

import struct
from base64 import b64decode

import pytest
from kedro.io import DatasetError
from kedro.io.core import Version
from matplotlib.figure import Figure

from kedro_handover.datasets.figure_dataset import FigureDataset

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def figure(title="orders"):
    made = Figure(figsize=(3, 2))
    made.add_subplot().set_title(title)
    return made


def size_in_pixels(png):
    return struct.unpack(">II", png[16:24])


def test_what_is_loaded_is_the_file_a_png(tmp_path):
    dataset = FigureDataset(filepath=str(tmp_path / "reports" / "figure.png"))
    dataset.save(figure())
    png = dataset.load()
    assert png == (tmp_path / "reports" / "figure.png").read_bytes()
    assert png.startswith(PNG_SIGNATURE)


def test_the_resolution_is_that_of_the_catalog(tmp_path):
    dataset = FigureDataset(filepath=str(tmp_path / "figure.png"), save_args={"dpi": 150})
    dataset.save(figure())
    assert size_in_pixels(dataset.load()) == (450, 300)


def test_a_later_figure_takes_the_place_of_the_earlier(tmp_path):
    dataset = FigureDataset(filepath=str(tmp_path / "figure.png"))
    dataset.save(figure("one"))
    one = dataset.load()
    dataset.save(figure("other"))
    assert dataset.load() != one


def test_the_preview_is_the_figure(tmp_path):
    dataset = FigureDataset(filepath=str(tmp_path / "figure.png"))
    dataset.save(figure())
    assert b64decode(dataset.preview()) == dataset.load()


def test_versions_are_kept_apart(tmp_path):
    path = str(tmp_path / "figure.png")
    for number in (1, 2):
        FigureDataset(filepath=path, version=Version(None, f"2016-01-0{number}T00.00.00.000Z")).save(
            figure(f"version {number}")
        )
    first = FigureDataset(filepath=path, version=Version("2016-01-01T00.00.00.000Z", None)).load()
    newest = FigureDataset(filepath=path, version=Version(None, None)).load()
    assert first == (tmp_path / "figure.png" / "2016-01-01T00.00.00.000Z" / "figure.png").read_bytes()
    assert newest == (tmp_path / "figure.png" / "2016-01-02T00.00.00.000Z" / "figure.png").read_bytes()
    assert first != newest


def test_a_figure_that_is_not_there_is_an_error(tmp_path):
    dataset = FigureDataset(filepath=str(tmp_path / "figure.png"))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=r"figure\.png"):
        dataset.load()
