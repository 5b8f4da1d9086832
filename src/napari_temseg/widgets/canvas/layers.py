"""Making, placing and showing napari layers: scale, units, place in the stack and features travel here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap
from napari.utils.notifications import notification_manager

from napari_temseg.widgets.canvas.colours import OUTLINES, class_colour
from napari_temseg.widgets.canvas.main_window import no_stray_windows, window_part
from napari_temseg.widgets.canvas.roles import Role

if TYPE_CHECKING:
    import pandas as pd

MARK = "napari_temseg"  # key in a layer's metadata: the role of what we made, or the Micrograph a layer shows
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")
CONTOUR = 2  # px: outlines, so that the particle stays visible


def role(layer: Layer) -> str:
    """What we made the layer for (a `Role`), "" for everybody else's."""
    mark = layer.metadata.get(MARK)
    return mark if isinstance(mark, str) else ""


def mixed_units(viewer: Any) -> bool:
    """Whether layers in nm and layers in px lie beside each other: napari's scale bar then has no unit."""
    return len(viewer.layers) > 0 and viewer.layers.extent.units is None


def scale_bar_shown(viewer: Any) -> bool:
    """Whether napari's own scale bar is on the canvas."""
    return bool(scale_bar(viewer).visible)


def scale_bar(viewer: Any) -> Any:
    """The overlay of napari's own scale bar; the viewer's attribute is what it was called before napari 0.9."""
    return viewer.canvas.overlays.scale_bar if hasattr(viewer, "canvas") else viewer.scale_bar


@contextmanager
def quiet_units(viewer: Any) -> Iterator[None]:
    """What is done inside may mix nm and px without napari's warning, at each layer anew, of units; all else is told afterwards."""
    records = notification_manager.records
    before = len(records)
    try:
        with notification_manager.notification_ready.blocker():
            yield
            canvas = window_part(viewer, "canvas")
            if canvas is not None and getattr(canvas, "_needs_world_units_update", False) and mixed_units(viewer):
                canvas._update_world_units()  # it would do so, and warn, at its next drawing
                canvas._needs_world_units_update = False
    finally:
        held = [note for note in records[before:] if not note.message.startswith("Inconsistent units")]
        records[before:] = held
        for note in held:
            notification_manager.notification_ready(note)


def shown_plane(viewer: Any, layer: Layer) -> int:
    """Index of the plane of a stack that the viewer shows; 0 for a single micrograph."""
    if layer.ndim < 3:
        return 0
    position = layer.world_to_data(viewer.dims.point[-layer.ndim :])[0]
    return int(np.clip(round(float(position)), 0, shape(layer)[0] - 1))


def shape(layer: Layer) -> tuple[int, ...]:
    """Shape without colour channels."""
    whole = tuple((layer.data[0] if getattr(layer, "multiscale", False) else layer.data).shape)
    return whole[:-1] if getattr(layer, "rgb", False) else whole


def frame(layer: Image) -> tuple[int, int]:
    """Height and width of an image layer in px."""
    height, width = shape(layer)[-2:]
    return int(height), int(width)


def n_planes(layer: Image) -> int:
    """Number of planes of a stack (Y, X) or (planes, Y, X)."""
    return int(np.prod(shape(layer)[:-2]))


def show_plane(viewer: Any, layer: Layer, index: int) -> None:
    """Move the slider of a stack."""
    if layer.ndim >= 3:
        world = layer.data_to_world((index, *(0,) * (layer.ndim - 1)))
        viewer.dims.set_point(viewer.dims.ndim - layer.ndim, float(world[0]))


def centre_on(viewer: Any, layer: Layer, plane: int, y: float, x: float, extent: float, *, judged: bool = False) -> None:
    """Bring a place (px) as near to the middle of the canvas as is possible while the picture fills it; one that is seen whole stays.

    Zooms in only when something of `extent` px would be too small to see, or to be `judged`.
    """
    show_plane(viewer, layer, plane)
    world = layer.data_to_world((*(plane,) * (layer.ndim - 2), y, x))
    on_screen = extent * float(layer.scale[-1]) * viewer.scene.camera.zoom
    side = float(min(viewer.canvas.size))
    least, wanted = (side / 10, side / 4) if judged else (12, 40)
    if 0 < on_screen < least:
        viewer.scene.camera.zoom *= wanted / on_screen
    low, high = layer.extent.world[:, -2:]
    view = np.asarray(viewer.canvas.size, float) / viewer.scene.camera.zoom
    room = np.minimum(0.95 * view, high - low) / 2  # a little of what lies round the picture may be seen
    centre = np.clip(np.asarray(world[-2:], float), low + room, high - room)
    viewer.scene.camera.center = (0.0, float(centre[0]), float(centre[1]))


def look_at(viewer: Any, layer: Layer, y: float, x: float, extent: float, share: float = 0.4) -> None:
    """Bring a place (px) into the middle of the canvas, so near that `extent` px take that share of its smaller side."""
    world = layer.data_to_world((*(0,) * (layer.ndim - 2), y, x))
    viewer.scene.camera.center = (0.0, float(world[-2]), float(world[-1]))
    viewer.scene.camera.zoom = share * float(min(viewer.canvas.size)) / max(extent * float(layer.scale[-1]), 1e-12)


def placed(source: Layer) -> dict[str, Any]:
    """Where a layer lies in the world, for another that shall lie on it."""
    placed = {key: getattr(source, key) for key in ("scale", "translate", "rotate", "shear", "units", "axis_labels", "affine")}
    placed["units"] = [str(unit) for unit in source.units]
    return placed


def place_events(layer: Layer) -> list[Any]:
    """What tells that a layer was given another place, scale or unit."""
    return [getattr(layer.events, name) for name in _PLACE]


def put_on(layer: Layer, source: Layer) -> None:
    """Let a layer lie on `source` again, after that was given another place or scale; which plane of a stack it shows stays."""
    for name in _PLACE:
        value = getattr(source, name)
        if layer.ndim < source.ndim and name != "shear":
            value = value.affine_matrix[-3:, -3:] if name == "affine" else np.asarray(value)[-2:, -2:] if name == "rotate" else value[-2:]
        elif layer.ndim < source.ndim:
            value = np.asarray(value)[-1:]
        if name == "translate" and layer.ndim == source.ndim > 2:
            value = (layer.translate[0], *value[1:])
        if name == "units":
            value = [str(unit) for unit in value]
            if [str(unit) for unit in layer.units] == value:
                continue
        elif name != "affine" and np.array_equal(getattr(layer, name), value):
            continue
        setattr(layer, name, value)


def shape_of(layer: Layer) -> tuple[int, ...] | None:
    """Shape of the pixels of a layer, None where it has none."""
    return shape(layer) if isinstance(layer, Image | Labels) else None


def insert(viewer: Any, layer: Layer, *, select: bool) -> None:
    """Add a layer on top; unless it is to be worked on, what was selected stays selected."""
    before = set(viewer.layers.selection)
    active = viewer.layers.selection.active
    with quiet_units(viewer), no_stray_windows():
        viewer.add_layer(layer)
    if not select:
        viewer.layers.selection.clear()
        viewer.layers.selection.update(before & set(viewer.layers))
        viewer.layers.selection.active = active if active in viewer.layers else None


def add_labels(
    viewer: Any,
    source: Layer,
    data: npt.NDArray[np.integer[Any]],
    name: str,
    role: Role,
    *,
    colours: Mapping[int, str] | None = None,
    contour: int = 0,
    visible: bool = True,
    opacity: float = 0.7,
    select: bool = False,
) -> Labels:
    """A Labels layer on `source`, with its place, scale and units; `colours` by number, without them napari's own cycle."""
    layer = Labels(data, name=name, metadata={MARK: role}, visible=visible, opacity=opacity, **placed(source))
    layer.contour = contour
    if colours is not None:
        recolour(layer, colours)
    else:
        cycle_colours(layer)
    insert(viewer, layer, select=select)
    return layer


def add_own_labels(viewer: Any, source: Layer, data: npt.NDArray[np.integer[Any]], name: str) -> Labels:
    """A Labels layer on `source` that is the user's own, as if opened in napari; hidden, as it would hide the picture."""
    layer = Labels(data, name=name, visible=False, **placed(source))
    insert(viewer, layer, select=False)
    return layer


def add_map(
    viewer: Any, source: Layer, data: Any, name: str, role: Role, *, visible: bool = False, colours: str = "yellow", opacity: float = 0.35
) -> Image:
    """An image layer of values in [0, 1] (probability, preview) over `source`; 0 leaves the picture as it is."""
    layer = Image(
        data,
        name=name,
        metadata={MARK: role},
        colormap=colours,
        contrast_limits=(0, 1),
        opacity=opacity,
        blending="additive",
        visible=visible,
        **placed(source),
    )
    insert(viewer, layer, select=False)
    return layer


def show_plane_map(viewer: Any, source: Layer, layer: Image | None, plane: int, values: Any, name: str, role: Role, **style: Any) -> Image:
    """Values (Y, X) of one plane over `source`, in place of what `layer` shows or as a new layer; in a stack seen on that plane only.

    `style` is what `add_map` takes for a new one.
    """
    data = values if source.ndim == 2 else values[None]
    made = layer if layer is not None else add_map(viewer, source, data, name, role, visible=True, **style)
    set_data(made, data)
    move_to_plane(made, source, plane)
    return made


def move_to_plane(layer: Layer, source: Layer, plane: int) -> None:
    """Let a layer that holds one plane lie on that plane of a stack."""
    if source.ndim > 2:
        first = source.translate[0] + plane * source.scale[0]
        if layer.translate[0] != first:
            layer.translate = (first, *source.translate[1:])


def own_labels(viewer: Any, source: Image) -> list[Labels]:
    """Labels layers of the user that have the shape of an image, the topmost first."""
    fits = [layer for layer in viewer.layers if isinstance(layer, Labels) and not role(layer) and not layer.multiscale]
    return [layer for layer in reversed(fits) if tuple(layer.data.shape) == shape(source)]


def selected_labels(viewer: Any) -> list[Labels]:
    """The selected labels layers that are the user's own."""
    return [layer for layer in viewer.layers if layer in viewer.layers.selection and isinstance(layer, Labels) and not role(layer)]


def home_button(viewer: Any) -> Any:
    """napari's button that shows everything; None where there is none."""
    return window_part(viewer, "viewerButtons", "resetViewButton")


def same_place(one: Layer, other: Layer) -> bool:
    """Whether two layers cover the same rectangle of the world."""
    return bool(np.allclose(one.extent.world[:, -2:], other.extent.world[:, -2:]))


def recolour(layer: Labels, colours: Mapping[int, str]) -> None:
    """Give each number its colour; numbers without one are transparent."""
    by_number: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    by_number.update(colours.items())
    layer.colormap = DirectLabelColormap(color_dict=by_number)


def cycle_colours(layer: Labels, places: Sequence[int] = ()) -> None:
    """Changing colours: neighbours differ, numbers mean nothing; or those at the `places` in the cycle, a place a number from 1 on."""
    colours = CyclicLabelColormap(colors=[(0, 0, 0, 0), *([OUTLINES[place % len(OUTLINES)] for place in places] or OUTLINES)])
    if not isinstance(layer.colormap, CyclicLabelColormap) or not np.array_equal(layer.colormap.colors, colours.colors):
        layer.colormap = colours  # else a large picture would be drawn anew for nothing


def class_colours(names: Mapping[int, str], *, background: bool) -> dict[int, Any]:
    """Colour by class number; the background is transparent unless it is being painted."""
    return {number: class_colour(number) if number > 1 or background else "transparent" for number in names}


def set_data(layer: Any, data: Any) -> None:
    """Give a layer new pixels; the same array, changed in place, is drawn again."""
    if layer.data is data:
        layer.refresh(extent=False)
    else:
        layer.data = data


def remove(viewer: Any, layer: Layer | None) -> None:
    """Take a layer out of the viewer, if it is in it."""
    if layer is not None and layer in viewer.layers:
        with quiet_units(viewer):
            viewer.layers.remove(layer)


def redraw(layer: Layer) -> None:
    """Show what was changed in the layer's own array."""
    layer.refresh(extent=False)


def is_visible(layer: Layer) -> bool:
    """Whether a layer is shown."""
    return bool(layer.visible)


def set_visible(layer: Layer, on: bool) -> None:
    """Show or hide a layer."""
    layer.visible = on


def set_features(layer: Labels, table: pd.DataFrame) -> None:
    """Make a table with a column `particle` the features of a layer; napari finds rows by their column `index`."""
    layer.features = table.rename(columns={"particle": "index"}).reset_index(drop=True)


def activate(viewer: Any, layer: Layer) -> None:
    """Select a layer, alone."""
    viewer.layers.selection.active = layer


def is_active(viewer: Any, layer: Layer) -> bool:
    """Whether a layer is the one being worked on."""
    return viewer.layers.selection.active is layer


def fit(viewer: Any, layer: Layer) -> None:
    """Show the whole of a layer; napari's own fit counts hidden layers too."""
    low, high = layer.extent.world[:, -2:]
    centre, size = (low + high) / 2, np.maximum(high - low, 1e-12)
    viewer.scene.camera.center = (0.0, float(centre[0]), float(centre[1]))
    viewer.scene.camera.zoom = 0.95 * float(np.min(np.asarray(viewer.canvas.size) / size))


def fits(viewer: Any, layer: Layer, canvas: Sequence[float]) -> bool:
    """Whether the view shows just the whole of a layer, as it would on a canvas of that size (height, width)."""
    low, high = layer.extent.world[:, -2:]
    size = np.maximum(high - low, 1e-12)
    zoom = 0.95 * float(np.min(np.asarray(canvas) / size))
    off = np.abs(np.asarray(viewer.scene.camera.center[-2:]) - (low + high) / 2) / size
    return abs(viewer.scene.camera.zoom / zoom - 1) < 0.03 and bool((off < 0.01).all())


def in_view(viewer: Any, layer: Layer, share: float = 0.1) -> bool:
    """Whether a layer takes at least that share of the canvas: neither beside it nor tiny in a corner."""
    low, high = layer.extent.world[:, -2:]
    size = np.asarray(viewer.canvas.size, float) / viewer.scene.camera.zoom
    centre = np.asarray(viewer.scene.camera.center[-2:], float)
    common = np.minimum(high, centre + size / 2) - np.maximum(low, centre - size / 2)
    return bool((common > 0).all() and np.prod(common) >= share * np.prod(size))


def window_in_view(viewer: Any, layer: Layer) -> tuple[slice, slice] | None:
    """Rows and columns (px) of a layer that the canvas shows, None where it shows none."""
    half = np.asarray(viewer.canvas.size, float) / viewer.scene.camera.zoom / 2
    centre = np.asarray(viewer.scene.camera.center[-2:], float)
    rest = (0,) * (layer.ndim - 2)
    ends = np.asarray([layer.world_to_data((*rest, *(centre + sign * half)))[-2:] for sign in (-1, 1)])
    spans = [
        slice(max(int(np.floor(low)), 0), min(int(np.ceil(high)) + 1, side))
        for low, high, side in zip(ends.min(axis=0), ends.max(axis=0), shape(layer)[-2:], strict=True)
    ]
    return None if any(span.stop <= span.start for span in spans) else (spans[0], spans[1])


def fit_shown(viewer: Any) -> None:
    """Show the whole of what is visible; without a list napari makes room for hidden layers too, which may be a thousand times as large."""
    shown = [layer for layer in viewer.layers if layer.visible]
    viewer.reset_view(layers=None if viewer.canvas.grid.enabled else shown or None)


def rest(layer: Any) -> None:
    """No tool in hand: the mouse moves the picture. Of a polygon that was not closed napari would leave the corners to be seen."""
    polygon = layer._overlays.get("polygon")
    if polygon is not None and polygon.points:
        polygon.points = []
    layer.mode = "pan_zoom"


def label_at(layer: Labels, position: Sequence[float]) -> int:
    """Number under a point in world coordinates, 0 outside."""
    value = layer.get_value(position, world=True)
    return int(value) if value is not None and not isinstance(value, tuple) else 0


def snapshot(layer: Any) -> npt.NDArray[Any]:
    """A copy of the pixels, safe to hand to a job while painting goes on."""
    return np.array(layer.data, copy=True)


def values(layer: Any) -> npt.NDArray[Any]:
    """The pixels themselves, which painting changes."""
    return np.asarray(layer.data)


def plane_snapshot(layer: Any, plane: int) -> npt.NDArray[np.uint8]:
    """A copy of one plane (Y, X) of an annotation."""
    labels = np.asarray(layer.data)
    return np.array(labels.reshape((-1, *labels.shape[-2:]))[plane], np.uint8)
