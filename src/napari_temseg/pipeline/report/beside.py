"""What lies beside a report: figures as files of their own, and the pictures of a set of many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.plots import Drawing
from napari_temseg.engine.types.thumbnails import as_jpeg
from napari_temseg.engine.types.thumbnails import thumbnail as outlined
from napari_temseg.files.atomic import replacing
from napari_temseg.pipeline.run_folder import FIGURES, THUMBNAILS

if TYPE_CHECKING:
    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.pipeline.run_result import RunItem

PICTURE = 720  # px, the longer side of an image in the report
IN_ONE_FILE = 100  # images of a report that holds them itself: of 10,000 it would be a gigabyte


def thumbnail(plane: npt.NDArray[Any], labels: npt.NDArray[np.integer[Any]]) -> bytes:
    """JPEG of a plane with the outlines of its particles, at most `PICTURE` px wide."""
    return as_jpeg(outlined(plane, labels, PICTURE))


def are_many(pictures: Sized) -> bool:
    """Whether they lie beside their report, not in it."""
    return len(pictures) > IN_ONE_FILE


def picture_files(items: Sequence[RunItem]) -> dict[str, Callable[[Path], object]]:
    """The pictures of a report of many, which lie beside it, by file name, and what writes each."""
    apart = items if are_many(items) else ()
    return {f"{THUMBNAILS}/{item.name}.jpg": partial(_write_figure, document=item.picture) for item in apart}


def figure_files(sizes: Mapping[str, SizeDistribution]) -> dict[str, Callable[[Path], object]]:
    """The figures of a report by file name, and what writes each: histograms and quantiles as SVG and PDF."""
    files: dict[str, Callable[[Path], object]] = {}
    for key, each in sizes.items():
        name = key.replace(" ", "_")  # "nm", or of two populations "nm_small" and "nm_large"
        quantiles = Drawing(each.plot_quantiles)
        documents: dict[str, Callable[[], bytes]] = {
            f"distribution_{name}.svg": each.to_svg,
            f"distribution_{name}.pdf": each.to_pdf,
            f"quantiles_{name}.svg": partial(getattr, quantiles, "svg"),
            f"quantiles_{name}.pdf": partial(getattr, quantiles, "pdf"),
        }
        files |= {f"{FIGURES}/{name}": partial(_write_figure, document=document) for name, document in documents.items()}
    return files


def _write_figure(path: Path, document: Callable[[], bytes]) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(document())
