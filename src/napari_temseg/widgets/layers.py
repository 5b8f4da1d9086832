"""The only code that reads or writes napari layers: scale, units, place in the stack and features travel here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageDraw
from napari.layers import Image, Labels, Layer, Shapes
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap

from napari_temseg.engine.errors import TemsegError
from napari_temseg.engine.micrograph import Calibration, Micrograph, Source, grey
from napari_temseg.widgets.palette import OUTLINES, class_colour

if TYPE_CHECKING:
    import pandas as pd

MARK = "napari_temseg"  # key in a layer's metadata: the role of what we made, or the Micrograph a layer shows
UNSAID = "napari_temseg_unsaid"  # True in the metadata of a stack for which nobody has said what its planes are
CONTOUR = 2  # px: outlines, so that the particle stays visible


def role(layer: Layer) -> str:
    """What we made the layer for ("annotation", "particles" …), "" for everybody else's."""
    mark = layer.metadata.get(MARK)
    return mark if isinstance(mark, str) else ""


def shows_micrograph(layer: Layer) -> bool:
    """Whether a layer is an image that somebody may want measured."""
    return isinstance(layer, Image) and not role(layer)


def add_micrograph(viewer: Any, image: Micrograph, name: str = "", contrast: list[float] | None = None, *, said: bool = True) -> Image:
    """Show a micrograph that was read from a file, calibrated, as an image layer that remembers where it came from."""
    layer: Image = viewer.add_image(image.data, **micrograph_attributes(image, name, contrast, said=said))
    return layer


def micrograph_attributes(image: Micrograph, name: str = "", contrast: list[float] | None = None, *, said: bool = True) -> dict[str, Any]:
    """What an image layer that shows a micrograph is made with.

    `contrast` spares looking at the pixels; `said` is whether anybody said what the planes of a stack are: else the window asks.
    """
    scale, units = _scale_and_units(image.calibration, image.data.ndim - 2)
    limits = contrast or contrast_of(image)
    return {
        "name": name or image.name,
        "scale": scale,
        "units": units,
        "metadata": {MARK: image} if said else {MARK: image, UNSAID: True},
        "contrast_limits": limits,
        "colormap": "gray",
    }


def contrast_of(image: Micrograph) -> list[float] | None:
    """Limits that a hot pixel or a burnt-in bar does not set; of the first plane only, as a stack may be lazy."""
    step = max(1, round(max(image.frame) / 1024))
    plane = np.asarray(image.plane(0)[::step, ::step], np.float64)
    plane = plane[np.isfinite(plane)]
    if not plane.size:
        return None
    low, high = np.percentile(plane, [0.1, 99.9])
    return [float(low), float(high)] if high > low else None


def _scale_and_units(calibration: Calibration, leading: int) -> tuple[tuple[float, ...], tuple[str, ...]]:
    unit = "pixel" if calibration.pixel_size is None else "nm"
    return (*(1.0,) * leading, *calibration.scale), (*("pixel",) * leading, unit, unit)


def known_micrograph(layer: Image) -> Micrograph | None:
    """The micrograph that a layer was opened from by us, if it was."""
    mark = layer.metadata.get(MARK)
    return mark if isinstance(mark, Micrograph) else None


def said_axes(layer: Image) -> str:
    """What the planes of a stack opened by us are, "" when that has to be asked."""
    known = known_micrograph(layer)
    return known.axes if known is not None and not layer.metadata.get(UNSAID) else ""


def pixels(layer: Image) -> Any:
    """The grey values (Y, X) or (planes, Y, X), numpy or dask; `TemsegError` names a layer that is no micrograph."""
    data = layer.data[0] if layer.multiscale else layer.data
    name = layer.name
    if layer.rgb:
        data = grey(np.asarray(data), name)
    if data.ndim not in (2, 3):
        raise TemsegError(
            f"{name}: the layer has {data.ndim} axes {tuple(data.shape)}; give micrographs (Y, X) or one stack of them (planes, Y, X)."
        )
    if np.dtype(data.dtype).kind not in "buif":
        raise TemsegError(f"{name}: pixels of type {data.dtype} cannot be segmented; convert them to grey integers or floats.")
    if 0 in data.shape:
        raise TemsegError(f"{name}: the layer is empty; choose another image.")
    return data


def calibration_of(layer: Layer) -> Calibration:
    """The pixel size that scale and units of a layer tell; units of pixels tell none, whatever the scale is."""
    sizes = []
    for scale, unit in zip(layer.scale[-2:], layer.units[-2:], strict=True):
        if not unit.is_compatible_with("nm"):
            return Calibration()
        sizes.append(float(scale) * float((1 * unit).to("nm").magnitude))
    return Calibration((sizes[0], sizes[1]), "layer")


def calibrate(layers: Iterable[Layer], calibration: Calibration) -> None:
    """Put the pixel size on all layers of a micrograph, in place and size alike."""
    for layer in layers:
        scale, units = _scale_and_units(calibration, layer.ndim - 2)
        ratio = np.asarray(scale) / np.asarray(layer.scale)
        ratio[:-2] = 1.0
        layer.translate = np.asarray(layer.translate) * ratio
        layer.scale = (*layer.scale[:-2], *scale[-2:])
        layer.units = (*(str(unit) for unit in layer.units[:-2]), *units[-2:])


def path_of(layer: Image) -> str:
    """The file that a layer shows, "" when it came from elsewhere."""
    known = known_micrograph(layer)
    return known.source.path if known else str(layer.source.path or "")


def source_of(layer: Image) -> Source:
    """Path of the file a layer came from, else its name."""
    path = layer.source.path
    return Source(str(path) if path else layer.name)


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


def centre_on(viewer: Any, layer: Layer, plane: int, y: float, x: float, extent: float) -> None:
    """Bring a place (px) into the middle of the canvas; zoom in only when something of `extent` px would be too small to see."""
    show_plane(viewer, layer, plane)
    world = layer.data_to_world((*(plane,) * (layer.ndim - 2), y, x))
    viewer.scene.camera.center = (0.0, float(world[-2]), float(world[-1]))
    on_screen = extent * float(layer.scale[-1]) * viewer.scene.camera.zoom
    if 0 < on_screen < 12:
        viewer.scene.camera.zoom *= 40 / on_screen


def _placed(source: Layer) -> dict[str, Any]:
    """Where a layer lies in the world, for another that shall lie on it."""
    placed = {key: getattr(source, key) for key in ("scale", "translate", "rotate", "shear", "units", "axis_labels", "affine")}
    placed["units"] = [str(unit) for unit in source.units]
    return placed


def _insert(viewer: Any, layer: Layer, *, select: bool) -> None:
    """Add a layer on top; unless it is to be worked on, what was selected stays selected."""
    before = set(viewer.layers.selection)
    active = viewer.layers.selection.active
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
    kind: str,
    *,
    colours: Mapping[int, str] | None = None,
    contour: int = 0,
    visible: bool = True,
    opacity: float = 0.7,
    select: bool = False,
) -> Labels:
    """A Labels layer on `source`, with its place, scale and units; `colours` by number, without them napari's own cycle."""
    layer = Labels(data, name=name, metadata={MARK: kind}, visible=visible, opacity=opacity, **_placed(source))
    layer.contour = contour
    if colours is not None:
        recolour(layer, colours)
    else:
        cycle_colours(layer)
    _insert(viewer, layer, select=select)
    return layer


def add_map(viewer: Any, source: Layer, data: Any, name: str, kind: str, *, visible: bool = False) -> Image:
    """An image layer of values in [0, 1] (probability, preview) over `source`."""
    layer = Image(
        data,
        name=name,
        metadata={MARK: kind},
        colormap="viridis",
        contrast_limits=(0, 1),
        opacity=0.35,
        blending="additive",
        visible=visible,
        **_placed(source),
    )
    _insert(viewer, layer, select=False)
    return layer


def show_plane_map(viewer: Any, source: Layer, layer: Image | None, plane: int, values: Any, name: str, kind: str) -> Image:
    """Values (Y, X) of one plane over `source`, in place of what `layer` shows or as a new layer; in a stack seen on that plane only."""
    data = values if source.ndim == 2 else values[None]
    made = layer if layer is not None else add_map(viewer, source, data, name, kind, visible=True)
    set_data(made, data)
    if source.ndim > 2:
        first = source.translate[0] + plane * source.scale[0]
        if made.translate[0] != first:
            made.translate = (first, *source.translate[1:])
    return made


def own_labels(viewer: Any, source: Image) -> list[Labels]:
    """Labels layers of the user that have the shape of an image, the topmost first."""
    fits = [layer for layer in viewer.layers if isinstance(layer, Labels) and not role(layer) and not layer.multiscale]
    return [layer for layer in reversed(fits) if tuple(layer.data.shape) == shape(source)]


def add_region_layer(viewer: Any, source: Layer, name: str) -> Shapes:
    """A Shapes layer on which areas are drawn that nobody shall look at; polygon tool in hand."""
    layer = Shapes(
        ndim=source.ndim,
        name=name,
        metadata={MARK: "left out"},
        edge_color="#E69F00",
        face_color="#E69F0055",
        edge_width=2,
        **_placed(source),
    )
    _insert(viewer, layer, select=True)
    layer.mode = "add_polygon"
    return layer


def selected_labels(viewer: Any) -> list[Labels]:
    """The selected labels layers that are the user's own."""
    return [layer for layer in viewer.layers if layer in viewer.layers.selection and isinstance(layer, Labels) and not role(layer)]


def window_of(viewer: Any) -> Any:
    """napari's main window, the parent of dialogs."""
    return viewer.window._qt_window


def add_ruler_layer(viewer: Any, source: Layer, name: str) -> Shapes:
    """A Shapes layer with the line tool in hand, for a length that is known, such as a scale bar."""
    layer = Shapes(ndim=source.ndim, name=name, metadata={MARK: "ruler"}, edge_color="#D55E00", edge_width=3, **_placed(source))
    _insert(viewer, layer, select=True)
    layer.mode = "add_line"
    return layer


def take_up(viewer: Any, layer: Shapes) -> None:
    """A ruler that was put away, empty and in hand again."""
    layer.data = []
    layer.visible = True
    activate(viewer, layer)
    layer.mode = "add_line"


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


def draw_region(viewer: Any, layer: Shapes) -> None:
    """Polygon tool in hand on a layer of areas to leave out."""
    viewer.layers.selection.active = layer
    layer.visible = True
    layer.mode = "add_polygon"


def on_shapes(layer: Shapes, slot: Any) -> None:
    """Call `slot` whenever the shapes of a layer were changed, by drawing, moving, deleting or from a script."""
    layer.events.data.connect(slot)


def on_drawing(layer: Shapes, slot: Any) -> None:
    """Call `slot` while shapes are being drawn too, not only when they are done."""
    layer.events.set_data.connect(slot)


def same_place(one: Layer, other: Layer) -> bool:
    """Whether two layers cover the same rectangle of the world."""
    return bool(np.allclose(one.extent.world[:, -2:], other.extent.world[:, -2:]))


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


def recolour(layer: Labels, colours: Mapping[int, str]) -> None:
    """Give each number its colour; numbers without one are transparent."""
    layer.colormap = DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", **colours})


def cycle_colours(layer: Labels) -> None:
    """napari's own changing colours: neighbours differ, numbers mean nothing."""
    layer.colormap = CyclicLabelColormap(colors=[(0, 0, 0, 0), *OUTLINES])


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


def forget_history(layer: Labels) -> None:
    """napari's own undo of a layer refers to pixels that are no longer there."""
    layer._reset_history()


def set_features(layer: Labels, table: pd.DataFrame) -> None:
    """Make a table with a column `particle` the features of a layer; napari finds rows by their column `index`."""
    layer.features = table.rename(columns={"particle": "index"}).reset_index(drop=True)


def start_painting(viewer: Any, layer: Labels, number: int) -> None:
    """Brush in hand, this class selected, on one plane only."""
    viewer.layers.selection.active = layer
    layer.visible = True
    layer.n_edit_dimensions = 2
    layer.selected_label = number
    layer.mode = "paint"


def start_erasing(viewer: Any, layer: Labels) -> None:
    """Eraser in hand, on one plane only."""
    viewer.layers.selection.active = layer
    layer.visible = True
    layer.n_edit_dimensions = 2
    layer.mode = "erase"


def in_hand(layer: Labels) -> int | None:
    """Number that the brush of a layer paints, 0 for the eraser, None while no brush is in hand."""
    if layer.mode == "erase":
        return 0
    return int(layer.selected_label) if layer.mode in ("paint", "fill", "polygon") else None


def on_painted(layer: Labels, slot: Any) -> None:
    """Call `slot` when pixels may have changed: after a stroke, and, as undo and redo tell nothing else, whenever they are drawn anew."""
    for emitter in (layer.events.paint, layer.events.set_data):
        emitter.connect(slot)


def off_painted(layer: Labels, slot: Any) -> None:
    """Take back `on_painted`."""
    for emitter in (layer.events.paint, layer.events.set_data):
        emitter.disconnect(slot)


def on_tool(layer: Labels, slot: Any) -> None:
    """Call `slot` when another tool or another number is taken in hand."""
    for emitter in (layer.events.mode, layer.events.selected_label):
        emitter.connect(slot)


def off_tool(layer: Labels, slot: Any) -> None:
    """Take back `on_tool`."""
    for emitter in (layer.events.mode, layer.events.selected_label):
        emitter.disconnect(slot)


def size_brush(layer: Labels, frame: tuple[int, int]) -> None:
    """A brush that suits the image: 1 % of its shorter side, at least 3 px."""
    layer.brush_size = int(np.clip(round(min(frame) / 100), 3, 40))


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


def rest(layer: Any) -> None:
    """No tool in hand: the mouse moves the picture."""
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


def raw(layer: Image) -> Any:
    """The pixels of an image as they are stored, colours and all."""
    return layer.data[0] if layer.multiscale else layer.data
