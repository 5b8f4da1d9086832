"""The only code that reads or writes napari layers: scale, units, place in the stack and features travel here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap
from napari.utils.notifications import notification_manager

from napari_temseg.engine.errors import TemsegError
from napari_temseg.engine.micrograph import Calibration, Micrograph, Source, grey
from napari_temseg.widgets.palette import OUTLINES, class_colour

if TYPE_CHECKING:
    import pandas as pd

MARK = "napari_temseg"  # key in a layer's metadata: the role of what we made, or the Micrograph a layer shows
UNSAID = "napari_temseg_unsaid"  # True in the metadata of a stack for which nobody has said what its planes are
NOTES = "napari_temseg_notes"  # in the metadata of an image: sentences for people about the file that it shows
CONTOUR = 2  # px: outlines, so that the particle stays visible


def role(layer: Layer) -> str:
    """What we made the layer for ("annotation", "particles" …), "" for everybody else's."""
    mark = layer.metadata.get(MARK)
    return mark if isinstance(mark, str) else ""


def shows_micrograph(layer: Layer) -> bool:
    """Whether a layer is an image that somebody may want measured."""
    return isinstance(layer, Image) and not role(layer)


def add_micrograph(
    viewer: Any, image: Micrograph, name: str = "", contrast: list[float] | None = None, *, said: bool = True, notes: Sequence[str] = ()
) -> Image:
    """Show a micrograph that was read from a file, calibrated, as an image layer that remembers where it came from."""
    with quiet_units(viewer):
        layer: Image = viewer.add_image(image.data, **micrograph_attributes(image, name, contrast, said=said, notes=notes))
    return layer


def micrograph_attributes(
    image: Micrograph, name: str = "", contrast: list[float] | None = None, *, said: bool = True, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """What an image layer that shows a micrograph is made with.

    `contrast` spares looking at the pixels; `said` is whether anybody said what the planes of a stack are: else the window asks;
    `notes` are sentences for people about the file.
    """
    scale, units = _scale_and_units(image.calibration, image.data.ndim - 2)
    limits = contrast or contrast_of(image)
    return {
        "name": name or image.name,
        "scale": scale,
        "units": units,
        "metadata": {MARK: image} | ({} if said else {UNSAID: True}) | ({NOTES: tuple(notes)} if notes else {}),
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


def notes_of(layer: Image) -> tuple[str, ...]:
    """What people should know of a picture: notes on its file, units that are no lengths, pixels that are not square."""
    notes = tuple(layer.metadata.get(NOTES, ()))
    odd = next((unit for unit in layer.units[-2:] if unit.is_compatible_with("1/nm")), None)
    if odd is not None:
        notes += (f"Its units ({odd:~}) are those of a diffraction pattern, in which no particle can be measured.",)
    known = calibration_of(layer)
    y, x = known.scale
    if known.pixel_size is not None and abs(y / x - 1) > 1e-3 and not notes:
        notes += (f"Its pixels are not square: {y:.4g} nm high and {x:.4g} nm wide.",)
    return notes


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
            canvas = getattr(getattr(viewer.window, "_qt_viewer", None), "canvas", None)
            if getattr(canvas, "_needs_world_units_update", False) and mixed_units(viewer):
                canvas._update_world_units()  # it would do so, and warn, at its next drawing
                canvas._needs_world_units_update = False
    finally:
        held = [note for note in records[before:] if not note.message.startswith("Inconsistent units")]
        records[before:] = held
        for note in held:
            notification_manager.notification_ready(note)


def path_of(layer: Image) -> str:
    """The file that a layer shows, "" when it came from elsewhere."""
    known = known_micrograph(layer)
    return known.source.path if known else str(layer.source.path or "")


def series_of(layer: Image) -> str:
    """Which of several pictures in its file a layer shows, "" where there is one."""
    known = known_micrograph(layer)
    return known.source.series if known else ""


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


def insert(viewer: Any, layer: Layer, *, select: bool) -> None:
    """Add a layer on top; unless it is to be worked on, what was selected stays selected."""
    before = set(viewer.layers.selection)
    active = viewer.layers.selection.active
    with quiet_units(viewer):
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
    layer = Labels(data, name=name, metadata={MARK: kind}, visible=visible, opacity=opacity, **placed(source))
    layer.contour = contour
    if colours is not None:
        recolour(layer, colours)
    else:
        cycle_colours(layer)
    insert(viewer, layer, select=select)
    return layer


def add_map(
    viewer: Any, source: Layer, data: Any, name: str, kind: str, *, visible: bool = False, colours: str = "yellow", opacity: float = 0.35
) -> Image:
    """An image layer of values in [0, 1] (probability, preview) over `source`; 0 leaves the picture as it is."""
    layer = Image(
        data,
        name=name,
        metadata={MARK: kind},
        colormap=colours,
        contrast_limits=(0, 1),
        opacity=opacity,
        blending="additive",
        visible=visible,
        **placed(source),
    )
    insert(viewer, layer, select=False)
    return layer


def show_plane_map(viewer: Any, source: Layer, layer: Image | None, plane: int, values: Any, name: str, kind: str, **style: Any) -> Image:
    """Values (Y, X) of one plane over `source`, in place of what `layer` shows or as a new layer; in a stack seen on that plane only.

    `style` is what `add_map` takes for a new one.
    """
    data = values if source.ndim == 2 else values[None]
    made = layer if layer is not None else add_map(viewer, source, data, name, kind, visible=True, **style)
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


def window_of(viewer: Any) -> Any:
    """napari's main window, the parent of dialogs."""
    return viewer.window._qt_window


def home_button(viewer: Any) -> Any:
    """napari's button that shows everything; None where there is none."""
    return getattr(getattr(getattr(viewer.window, "_qt_viewer", None), "viewerButtons", None), "resetViewButton", None)


def same_place(one: Layer, other: Layer) -> bool:
    """Whether two layers cover the same rectangle of the world."""
    return bool(np.allclose(one.extent.world[:, -2:], other.extent.world[:, -2:]))


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


def in_view(viewer: Any, layer: Layer, share: float = 0.1) -> bool:
    """Whether a layer takes at least that share of the canvas: neither beside it nor tiny in a corner."""
    low, high = layer.extent.world[:, -2:]
    size = np.asarray(viewer.canvas.size, float) / viewer.scene.camera.zoom
    centre = np.asarray(viewer.scene.camera.center[-2:], float)
    common = np.minimum(high, centre + size / 2) - np.maximum(low, centre - size / 2)
    return bool((common > 0).all() and np.prod(common) >= share * np.prod(size))


def fit_shown(viewer: Any) -> None:
    """Show the whole of what is visible; without a list napari makes room for hidden layers too, which may be a thousand times as large."""
    shown = [layer for layer in viewer.layers if layer.visible]
    viewer.reset_view(layers=None if viewer.canvas.grid.enabled else shown or None)


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


def plane_snapshot(layer: Any, plane: int) -> npt.NDArray[np.uint8]:
    """A copy of one plane (Y, X) of an annotation."""
    labels = np.asarray(layer.data)
    return np.array(labels.reshape((-1, *labels.shape[-2:]))[plane], np.uint8)


def raw(layer: Image) -> Any:
    """The pixels of an image as they are stored, colours and all."""
    return layer.data[0] if layer.multiscale else layer.data


def plane_reader(layer: Image, index: int) -> Callable[[], npt.NDArray[Any]]:
    """A function that reads one plane (Y, X) of a picture, for a job; `TemsegError` for what is no micrograph."""
    data, colours, name = raw(layer), bool(layer.rgb), str(layer.name)
    if len(shape(layer)) not in (2, 3):
        raise TemsegError(f"{name}: the layer has {data.ndim} axes; give micrographs (Y, X) or one stack of them (planes, Y, X).")
    stack = len(shape(layer)) == 3

    def plane() -> npt.NDArray[Any]:
        array = np.asarray(data[index] if stack else data)
        return grey(array, name) if colours else array

    return plane
