"""Marks and lines drawn over particles, and tools in hand: the part of `layers` that correcting by hand needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer, Vectors
from napari.utils.colormaps import Colormap, DirectLabelColormap, ensure_colormap
from napari.utils.colormaps.standardize_color import transform_color

from napari_temseg.engine.types.results import FIRST_CLASS
from napari_temseg.widgets.canvas import brush, layers
from napari_temseg.widgets.canvas.colours import N_CLASS_COLOURS, class_colour
from napari_temseg.widgets.canvas.roles import Role

RING_PARTS = 72  # straight parts of a ring, half of them white
SELECTED, SELECTED_FILL, EXCLUDED, EXCLUDED_FILL, HALO, PARTNER = 1, 2, 3, 4, 5, 6
# Of 0 and the numbers above: white within a black line is seen on bright and on dark pictures alike; a fill must not hide a crease.
_COLOURS = [
    (0, 0, 0, 0),
    (1, 1, 1, 1),
    (1, 0.85, 0.1, 0.07),
    (0.8, 0.8, 0.8, 1),
    (0.2, 0.2, 0.2, 0.5),
    (0, 0, 0, 0.8),
    (1, 0.85, 0.1, 1),
]


def _flat(source: Layer) -> dict[str, Any]:
    """Where a picture (Y, X) has to lie to cover every plane of `source`."""
    return {
        "scale": source.scale[-2:],
        "translate": source.translate[-2:],
        "rotate": np.asarray(source.rotate)[-2:, -2:],
        "shear": np.asarray(source.shear)[-1:],
        "affine": source.affine.affine_matrix[-3:, -3:],
        "units": [str(unit) for unit in source.units[-2:]],
        "axis_labels": source.axis_labels[-2:],
    }


def add_marks(viewer: Any, source: Layer, name: str) -> Image:
    """A layer of marks (Y, X), one of the numbers above a pixel; an image, which nobody can paint on and napari makes quickly."""
    layer = Image(
        np.zeros(layers.shape(source)[-2:], np.uint8),
        name=name,
        metadata={layers.MARK: Role.MARKS},
        colormap=Colormap(_COLOURS, name="marks", interpolation="zero", controls=np.linspace(0, 1, len(_COLOURS) + 1)),
        contrast_limits=(0, len(_COLOURS) - 1),
        blending="translucent_no_depth",
        **_flat(source),
    )
    layers.insert(viewer, layer, select=False)
    return layer


def add_line(viewer: Any, source: Layer, name: str) -> Vectors:
    """A layer for the line that is being drawn."""
    return _add_segments(viewer, source, name, Role.LINE, "#E69F00")


def add_place(viewer: Any, source: Layer, name: str) -> Vectors:
    """A layer for the box round a place where somebody shall look."""
    return _add_segments(viewer, source, name, Role.PLACE, "#F0E442")


def _add_segments(viewer: Any, source: Layer, name: str, role: Role, colour: str) -> Vectors:
    layer = Vectors(ndim=2, name=name, metadata={layers.MARK: role}, edge_color=colour, vector_style="line", **_flat(source))
    layers.insert(viewer, layer, select=False)
    return layer


def add_ruler_line(viewer: Any, source: Layer, name: str) -> Vectors:
    """A layer for the line of the ruler."""
    return _add_segments(viewer, source, name, Role.LENGTH, "#56B4E9")


def add_rings(viewer: Any, source: Layer, name: str) -> Vectors:
    """A layer for the rings that show a band of sizes."""
    return _add_segments(viewer, source, name, Role.SIZE, "#E69F00")


def show_rings(
    layer: Vectors, middle: npt.NDArray[np.float64], diameters: Sequence[float], line: npt.NDArray[np.float64] | None, width: float
) -> None:
    """Circles of these diameters (px) round (y, x), black and white in turn: seen on any picture; a line (2, 2) was dragged."""
    turn = np.linspace(0, 2 * np.pi, RING_PARTS + 1)
    circle = np.stack([np.sin(turn), np.cos(turn)], axis=1)
    rings = [np.stack([middle + d / 2 * circle[:-1], d / 2 * np.diff(circle, axis=0)], axis=1) for d in diameters]
    colours = [np.tile([[1, 1, 1, 1], [0, 0, 0, 1]], (RING_PARTS // 2, 1))] * len(rings)
    if line is not None:
        rings.append(np.stack([line[:1], np.diff(line, axis=0)], axis=1))
        colours.append(np.array([[0.9, 0.62, 0, 1]]))
    layer.data = np.concatenate(rings)
    layer.edge_color = np.concatenate(colours)
    layer.edge_width = width
    layer.visible = True


def show_box(layer: Vectors, y: float, x: float, reach: float, width: float) -> None:
    """Show a square round (y, x), `reach` px to each side, its edge `width` px wide."""
    corner = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]], float) * reach
    layer.edge_width = width
    layer.data = np.stack([corner + np.array([y, x]), np.roll(corner, -1, axis=0) - corner], axis=1)
    layer.visible = True


def show_answer(viewer: Any, source: Layer, layer: Image | None, plane: int, values: npt.NDArray[np.uint8], name: str) -> Image:
    """Classes (Y, X) of one plane over `source`: 2k − 1 is faintly the colour of class k + 1, 2k fully; 0 is transparent."""
    data = values if source.ndim == 2 else values[None]
    if layer is None:
        colours = [(0.0, 0.0, 0.0, 0.0)]
        for number in range(FIRST_CLASS, FIRST_CLASS + N_CLASS_COLOURS):
            rgb = tuple(transform_color(class_colour(number))[0][:3])
            colours += [(*rgb, 0.12), (*rgb, 1.0)]
        layer = Image(
            data,
            name=name,
            metadata={layers.MARK: Role.LIVE},
            colormap=Colormap(colours, name="answer", interpolation="zero", controls=np.linspace(0, 1, len(colours) + 1)),
            contrast_limits=(0, len(colours) - 1),
            blending="translucent_no_depth",
            **layers.placed(source),
        )
        layers.insert(viewer, layer, select=False)
    layers.set_data(layer, data)
    layers.move_to_plane(layer, source, plane)
    return layer


def add_colour_bar(layer: Image) -> None:
    """Tell on the canvas, while the layer is seen, what its colours stand for."""
    layer.colorbar.size = (14, 110)
    layer.colorbar.box = True
    layer.colorbar.visible = True


def show_line(layer: Vectors, points: npt.NDArray[np.float64], width: float) -> None:
    """Show a line through vertices (n, 2), (y, x) in px, `width` px wide."""
    layer.edge_width = width
    layer.data = np.stack([points[:-1], np.diff(points, axis=0)], axis=1)


def write(layer: Labels, plane: int, rows: slice, columns: slice, values: npt.NDArray[np.integer[Any]]) -> None:
    """Change a window of one plane in the layer's own array and draw no more than that anew; napari's own undo knows nothing of it."""
    window = (*(slice(plane, plane + 1),) * (layer.ndim - 2), rows, columns)
    layer.data[window] = values
    if layer.visible:
        # What `data_setitem` does, without the entry in its history.
        layer._accumulate_updated_slice(window)
        layer._partial_labels_refresh()


def colour_by(layer: Labels, ids: Sequence[int], colours: npt.NDArray[np.floating[Any]]) -> None:
    """Give each label its colour (n, 4); labels that come later are grey until they get one."""
    colour_of: Mapping[int | None, Any] = dict(zip(ids, colours, strict=True))
    layer.colormap = DirectLabelColormap(color_dict={None: "#909090", 0: "transparent", **colour_of})


def gradient(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Colours (n, 4) of values in [0, 1], dark to light; grey for those that are not finite."""
    finite = np.isfinite(values)
    colours: npt.NDArray[np.floating[Any]] = ensure_colormap("viridis").map(np.where(finite, values, 0))
    colours[~finite] = (0.5, 0.5, 0.5, 1)
    return colours


def is_cycled(layer: Labels) -> bool:
    """Whether napari's own changing colours are in force."""
    return not isinstance(layer.colormap, DirectLabelColormap)


def draw_label(viewer: Any, layer: Labels, number: int, mode: str) -> None:
    """Brush ("paint") or polygon in hand for one particle; pixels of other particles stay theirs."""
    brush.start_painting(viewer, layer, number)
    layer.preserve_labels = True
    layer.mode = mode


def corners(layer: Labels) -> int:
    """How many corners of a polygon were clicked that is not closed yet."""
    return max(len(layer._overlays["polygon"].points) - 1, 0)  # the last is where the pointer is


def forget_corners(layer: Labels) -> None:
    """Let go of the polygon that was begun."""
    layer._overlays["polygon"].points = []


def in_plane_only(layer: Labels) -> None:
    """Brushes work on one plane: a particle lies on one plane only."""
    if layer.n_edit_dimensions != 2:
        layer.n_edit_dimensions = 2


def on_brush_depth(layer: Labels, slot: Any) -> None:
    """Call `slot` when somebody lets brushes reach through planes."""
    layer.events.n_edit_dimensions.connect(slot)


def off_brush_depth(layer: Labels, slot: Any) -> None:
    """Take back `on_brush_depth`."""
    layer.events.n_edit_dimensions.disconnect(slot)


def resting(layer: Layer | None) -> bool:
    """Whether the mouse moves the picture, so that a click is free for selecting."""
    return layer is None or str(layer.mode) == "pan_zoom"


def position(layer: Layer, world: Sequence[float]) -> npt.NDArray[np.float64]:
    """Where a point of the world lies in a layer: (y, x) in px."""
    return np.asarray(layer.world_to_data(world[-layer.ndim :]), np.float64)[-2:]


def hold_still(viewer: Any, on: bool) -> None:
    """Whether dragging leaves the picture where it is."""
    viewer.scene.camera.mouse_pan = not on


def middle_of_view(viewer: Any, layer: Layer) -> npt.NDArray[np.float64]:
    """(y, x) in px of a layer that lies in the middle of the canvas."""
    return position(layer, (*(0,) * (layer.ndim - 2), *viewer.scene.camera.center[-2:]))


def pixels_per_screen(viewer: Any, layer: Layer) -> float:
    """Number of pixels of a layer that a pixel of the screen shows."""
    return 1 / max(float(viewer.scene.camera.zoom) * float(layer.scale[-1]), 1e-9)
