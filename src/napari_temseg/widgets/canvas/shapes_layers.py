"""Shapes layers: areas that nobody shall look at, and lines of known length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageDraw
from napari.layers import Layer, Shapes

from napari_temseg.widgets.canvas.layers import MARK, activate, insert, placed, shown_plane
from napari_temseg.widgets.canvas.roles import Role

CLOSED = ("polygon", "rectangle", "ellipse")
Area = tuple[str, list[list[float]]]  # kind, corners


def add_region_layer(viewer: Any, source: Layer, name: str, *, draw: bool = True) -> Shapes:
    """A Shapes layer on which areas are drawn that nobody shall look at; polygon tool in hand, unless it is not to be drawn on now."""
    layer = Shapes(
        ndim=source.ndim,
        name=name,
        metadata={MARK: Role.LEFT_OUT},
        edge_color="#E69F00",
        face_color="#E69F0055",
        edge_width=2,
        **placed(source),
    )
    # napari's key for all shapes: letters that were typed for something else, and one Backspace, took all areas away for good.
    layer.bind_key("A", lambda _: None, overwrite=True)
    insert(viewer, layer, select=draw)
    if draw:
        layer.mode = "add_polygon"
    return layer


def add_boxes(viewer: Any, layer: Shapes, boxes: Sequence[tuple[int, int, int, int]]) -> None:
    """Rectangles (top, left, bottom, right in px, the last two behind them) on a layer of areas, to be moved and deleted as any other."""
    plane = (shown_plane(viewer, layer),) * (layer.ndim - 2)
    corners = [[(*plane, top, left), (*plane, bottom - 1, right - 1)] for top, left, bottom, right in boxes]
    layer.add_rectangles([np.asarray(each, float) for each in corners], edge_color="#E69F00", face_color="#E69F0055", edge_width=2)
    layer.selected_data = set()


def remove_boxes(layer: Shapes, boxes: Sequence[tuple[int, int, int, int]]) -> None:
    """Take away rectangles that `add_boxes` added, if they lie where they lay."""
    wanted = {(top, left, bottom - 1, right - 1) for top, left, bottom, right in boxes}
    ends = [
        (*np.asarray(corners)[:, -2:].min(axis=0).tolist(), *np.asarray(corners)[:, -2:].max(axis=0).tolist()) for corners in layer.data
    ]
    layer.selected_data = {
        n for n, (each, kind) in enumerate(zip(ends, layer.shape_type, strict=True)) if kind == "rectangle" and each in wanted
    }
    layer.remove_selected()


def areas_of(layer: Shapes) -> list[Area]:
    """Kind and corners (px, as many numbers as the layer has axes) of every closed shape, as JSON knows them."""
    return [
        (str(kind), np.asarray(corners, float).tolist())
        for corners, kind in zip(layer.data, layer.shape_type, strict=True)
        if kind in CLOSED
    ]


def checked(kind: Any, corners: Any) -> Area:
    """An area from a file; ValueError for what is none."""
    points = np.asarray(corners, float)
    if kind not in CLOSED or points.ndim != 2 or len(points) < 3 or points.shape[1] not in (2, 3) or not np.isfinite(points).all():
        raise ValueError(f"a region of kind “{kind}”")
    return str(kind), points.tolist()


def add_areas(layer: Shapes, areas: Sequence[Area]) -> None:
    """Put closed shapes on a layer of areas, beside those that it has."""
    for kind, corners in areas:
        points = np.asarray(corners, float)[:, -layer.ndim :]
        layer.add(points, shape_type=kind, edge_color="#E69F00", face_color="#E69F0055", edge_width=2)
    layer.selected_data = set()


def draw_region(viewer: Any, layer: Shapes) -> None:
    """Polygon tool in hand on a layer of areas to leave out."""
    viewer.layers.selection.active = layer
    layer.visible = True
    layer.mode = "add_polygon"


def add_ruler_layer(viewer: Any, source: Layer, name: str) -> Shapes:
    """A Shapes layer with the line tool in hand, for a length that is known, such as a scale bar."""
    layer = Shapes(ndim=source.ndim, name=name, metadata={MARK: Role.RULER}, edge_color="#D55E00", edge_width=3, **placed(source))
    insert(viewer, layer, select=True)
    layer.mode = "add_line"
    return layer


def take_up(viewer: Any, layer: Shapes) -> None:
    """A ruler that was put away, empty and in hand again."""
    layer.data = []
    layer.visible = True
    activate(viewer, layer)
    layer.mode = "add_line"


def lay_line(viewer: Any, layer: Shapes, start: Sequence[float], end: Sequence[float]) -> None:
    """One line, (y, x) to (y, x) in px, in place of what a ruler layer held; its ends can be dragged."""
    plane = (shown_plane(viewer, layer),) * (layer.ndim - 2)
    layer.data = []
    width = max(1.0, float(np.hypot(end[0] - start[0], end[1] - start[1])) / 60)
    layer.add_lines([np.asarray([(*plane, *start), (*plane, *end)], float)], edge_color="#D55E00", edge_width=width)
    layer.visible = True
    activate(viewer, layer)
    layer.mode = "direct"
    layer.selected_data = {0}


def put_away(layer: Shapes) -> None:
    """Out of sight, but not out of the viewer: drivers that draw in software crash at the next redraw after a Shapes layer is removed."""
    layer.mode = "pan_zoom"
    layer.visible = False


def ruler_length(layer: Shapes) -> float | None:
    """Length in px of the newest line on a ruler layer, None before one is drawn."""
    lines = [corners for corners, kind in zip(layer.data, layer.shape_type, strict=True) if kind in ("line", "path", "polyline")]
    if not lines:
        return None
    points = np.asarray(lines[-1])[:, -2:]
    length = float(np.hypot(*(points[-1] - points[0])))
    return length or None


def n_areas(layer: Shapes) -> int:
    """Number of closed shapes."""
    return sum(kind in ("polygon", "rectangle", "ellipse") for kind in layer.shape_type)


def being_drawn(layer: Shapes) -> bool:
    """Whether a shape is still growing under the mouse."""
    return bool(getattr(layer, "_is_creating", False))


def on_shapes(layer: Shapes, slot: Any) -> None:
    """Call `slot` whenever the shapes of a layer were changed, by drawing, moving, deleting or from a script."""
    layer.events.data.connect(slot)


def on_drawing(layer: Shapes, slot: Any) -> None:
    """Call `slot` while shapes are being drawn too, not only when they are done."""
    layer.events.set_data.connect(slot)


def left_out_mask(layer: Shapes, frame: tuple[int, int]) -> npt.NDArray[np.bool_] | None:
    """Union (Y, X) of the closed shapes, None when there is none; in a stack they hold for every plane."""
    picture = PIL.Image.new("L", frame[::-1])
    pen = PIL.ImageDraw.Draw(picture)
    for corners, kind in zip(layer.data, layer.shape_type, strict=True):
        points = np.asarray(corners)[:, -2:]
        if kind == "ellipse":  # napari keeps the four corners of its box
            turn = np.linspace(0, 2 * np.pi, 180, endpoint=False)
            centre, half = points.mean(axis=0), (points[[1, 2]] - points[[0, 1]]) / 2
            points = centre + np.cos(turn)[:, None] * half[0] + np.sin(turn)[:, None] * half[1]
        if kind in ("polygon", "rectangle", "ellipse"):
            pen.polygon([(float(x), float(y)) for y, x in points], fill=1)
    mask: npt.NDArray[np.bool_] = np.asarray(picture).view(bool)
    return mask if mask.any() else None
