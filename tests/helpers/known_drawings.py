"""What plots of the same sizes look like, for tests of what has plots: drawing takes nine tenths of a run of small pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

import napari_temseg as temseg
from napari_temseg.files.atomic import replacing
from napari_temseg.pipeline import batch
from napari_temseg.pipeline.report import beside

_drawn: dict[tuple[object, ...], bytes] = {}


def remember(patch: pytest.MonkeyPatch) -> None:
    """The same sizes are not drawn twice. Files are written, replaced and put aside as ever."""
    to_svg, figure_files = temseg.SizeDistribution.to_svg, beside.figure_files

    def once(sizes: temseg.SizeDistribution) -> bytes:
        key = _key(sizes)
        if key not in _drawn:
            _drawn[key] = to_svg(sizes)
        return _drawn[key]

    def files(sizes: Mapping[str, temseg.SizeDistribution]) -> dict[str, Callable[[Path], object]]:
        keys = tuple(_key(each) for each in sizes.values())
        return {name: partial(_write, key=(name, *keys), draw=draw) for name, draw in figure_files(sizes).items()}

    patch.setattr(temseg.SizeDistribution, "to_svg", once)
    for module in (beside, batch):
        patch.setattr(module, "figure_files", files)


def _key(sizes: temseg.SizeDistribution) -> tuple[object, ...]:
    return sizes.to_json(), sizes.values.tobytes(), sizes.weights.tobytes()


def _write(path: Path, key: tuple[object, ...], draw: Callable[[Path], object]) -> None:
    if key in _drawn:
        with replacing(path) as temporary:
            temporary.write_bytes(_drawn[key])
    else:
        draw(path)
        _drawn[key] = path.read_bytes()
