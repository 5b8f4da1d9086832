"""The figures of a report as files."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from urllib.parse import unquote

import imageio.v3 as iio
import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.measure.plots import Drawing, pdf, svg
from napari_temseg.pipeline.report import beside
from napari_temseg.pipeline.report.beside import figure_files


def sizes(n: int, seed: int) -> temseg.SizeDistribution:
    """Of `n` squares of several sizes."""
    labels = np.zeros((400, 400), np.int32)
    for number, side in enumerate(np.random.default_rng(seed).integers(4, 30, n)):
        y, x = 5 + 39 * (number // 10), 5 + 39 * (number % 10)
        labels[y : y + side, x : x + side] = number + 1
    return temseg.size_distribution([temseg.measure(labels, pixel_size=0.5, unit="nm")])


@pytest.fixture
def known_drawings() -> None:
    """Here everything is drawn whenever it is asked for."""


def written(folder: Path, of: temseg.SizeDistribution) -> dict[str, bytes]:
    files = figure_files({"nm": of})
    for name, write in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / name)
    return {name: (folder / name).read_bytes() for name in files}


def test_equal_sizes_give_the_same_bytes_and_others_do_not(tmp_path: Path) -> None:
    one, again, other = (
        written(tmp_path / "one", sizes(60, 1)),
        written(tmp_path / "again", sizes(60, 1)),
        written(tmp_path / "o", sizes(60, 2)),
    )
    assert len(one) == 4
    assert one == again
    assert all(one[name] != other[name] for name in one)
    assert one["figures/distribution_nm.svg"] == sizes(60, 1).to_svg()
    assert one["figures/distribution_nm.pdf"] == sizes(60, 1).to_pdf()


def test_a_drawing_is_laid_out_once_whichever_document_is_asked_for_first() -> None:
    """The PDF has its axes where the SVG has them, which are those of a figure drawn for itself, to a hundredth of a point."""
    apart, drawings = sizes(60, 1).plot, [Drawing(sizes(60, 1).plot) for _ in range(2)]
    first_pdf, first_svg = drawings[0].pdf, drawings[1].svg
    assert (drawings[0].svg, drawings[0].pdf) == (svg(apart()), first_pdf)
    assert (drawings[1].svg, drawings[1].pdf) == (first_svg, first_pdf)
    ours, alone = (axes_of(each) for each in (first_pdf, pdf(apart())))
    assert len(ours) == len(alone) > 100
    assert max(abs(ours - alone)) < 0.03


def axes_of(document: bytes) -> np.ndarray:
    """The numbers of what a PDF draws."""
    streams = re.findall(rb"stream\r?\n(.*?)endstream", document, re.DOTALL)
    drawn = next(content for content in map(zlib.decompress, streams) if b" re" in content or b" l\n" in content)
    return np.array([float(number) for number in re.findall(rb"-?\d+\.?\d*", drawn)])


def test_a_report_of_many_pictures_names_them_and_holds_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a b%", "c"):
        iio.imwrite(tmp_path / f"{name}.png", np.pad(np.full((20, 20), 220, np.uint8), 22))
    settings = {"model": "particles", "predict": temseg.PredictConfig(typical_size=20.0)}
    temseg.run(tmp_path, tmp_path / "out", **settings)
    assert not (tmp_path / "out" / "figures" / "pictures").exists()
    (tmp_path / "d.png").write_bytes((tmp_path / "c.png").read_bytes())
    monkeypatch.setattr(beside, "IN_ONE_FILE", 2)
    temseg.run(tmp_path, tmp_path / "out", **settings)
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    found = re.findall(r'<img loading="lazy" alt="[^"]*" src="([^"]*)"', text)
    assert [unquote(each) for each in found] == [f"figures/pictures/{name}.jpg" for name in ("a b%", "c", "d")]
    assert all(iio.imread(tmp_path / "out" / unquote(each)).ndim == 3 for each in found)
    monkeypatch.undo()
    temseg.run(tmp_path, tmp_path / "out", **settings)
    assert not list((tmp_path / "out" / "figures").rglob("*.jpg"))
