"""What an image layer says of the micrograph that it shows: pixels, calibration, axes, file, notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Layer

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration, Micrograph, Source, grey
from napari_temseg.engine.types.units import length_words
from napari_temseg.widgets.canvas import layers

UNSAID = "napari_temseg_unsaid"  # True in the metadata of a stack for which nobody has said what its planes are
NOTES = "napari_temseg_notes"  # in the metadata of an image: sentences for people about the file that it shows
MOST_STEPS = 10**9  # of the finest pixel across all that is open
AXIS_LABELS = ("plane", "y", "x")  # the first stands beside napari's slider, where it says −3 of its own


def without_unit(viewer: Any) -> list[str]:
    """Names of the layers in px."""
    return [layer.name for layer in viewer.layers if str(layer.units[-1]) == "pixel"]


def shows_micrograph(layer: Layer) -> bool:
    """Whether a layer is an image that somebody may want measured."""
    return isinstance(layer, Image) and not layers.role(layer)


def add_micrograph(
    viewer: Any,
    image: Micrograph,
    name: str = "",
    contrast: list[float] | None = None,
    *,
    said: bool = True,
    notes: Sequence[str] = (),
    shown: bool = True,
) -> Image:
    """Show a micrograph that was read from a file, calibrated, as an image layer that remembers where it came from.

    Where it is not to be `shown` it is in the list, hidden, and the layers that are worked on stay selected. `TemsegError` for one whose
    pixels are so much larger or smaller than those of what is open that napari cannot show both.
    """
    attributes = micrograph_attributes(image, name, contrast, said=said, notes=notes)
    check_beside(viewer, image.frame, image.calibration, attributes["name"])
    selection = viewer.layers.selection
    before, active = set(selection), selection.active
    with layers.quiet_units(viewer):
        if shown:
            layer: Image = viewer.add_image(image.data, **attributes)
        else:
            with selection.events.active.blocker():
                layer = viewer.add_image(image.data, visible=False, **attributes)
                selection.clear()
                selection.update(before)
                selection.active = active
    return layer


def check_beside(viewer: Any, frame: tuple[int, int], calibration: Calibration, name: str, but: Sequence[Layer] = ()) -> None:
    """napari's sliders count the finest pixels from edge to edge of all that is open, and fail half-way where a C integer cannot.

    `but` are the layers of that picture itself. `TemsegError` where it is too many for a picture of this frame.
    """
    beside = [layer for layer in viewer.layers if not any(layer is each for each in but)]
    if not beside:
        return
    scale = np.asarray(calibration.scale)
    low, high, finest = np.zeros(2), scale * frame, scale
    for layer in beside:
        extent = layer.extent
        low, high = np.minimum(low, extent.world[0, -2:]), np.maximum(high, extent.world[1, -2:])
        finest = np.minimum(finest, extent.step[-2:])
    if ((high - low) / finest > MOST_STEPS).any():
        size = calibration.describe().split(" · ")[0]
        raise TemsegError(
            f"{name}: its pixels ({size}) are too far in size from those of what is open to be shown in one window; "
            "close the others, or open it in a window of its own."
        )


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
        "axis_labels": AXIS_LABELS[-image.data.ndim :],
        "metadata": {layers.MARK: image} | ({} if said else {UNSAID: True}) | ({NOTES: tuple(notes)} if notes else {}),
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
    mark = layer.metadata.get(layers.MARK)
    return mark if isinstance(mark, Micrograph) else None


def forget_content(layer: Image) -> None:
    """The layer was given other pixels than those of its file."""
    known = known_micrograph(layer)
    if known is not None:
        data = layer.data[0] if layer.multiscale else layer.data
        layer.metadata = {**layer.metadata, layers.MARK: replace(known, data=data, source=replace(known.source, content_hash=""))}


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
    """The pixel size that scale and units of a layer tell; units of pixels tell none, whatever the scale is, nor does an absurd scale."""
    sizes = []
    for scale, unit in zip(layer.scale[-2:], layer.units[-2:], strict=True):
        if not unit.is_compatible_with("nm"):
            return Calibration()
        sizes.append(float(scale) * float((1 * unit).to("nm").magnitude))
    try:
        return Calibration((sizes[0], sizes[1]), "layer")
    except TemsegError:  # 0, or no size of a micrograph: the window says "not calibrated"
        return Calibration()


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
        notes += (f"Its pixels are not square: {length_words(y, digits=4)} high and {length_words(x, digits=4)} wide.",)
    return notes


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


def raw(layer: Image) -> Any:
    """The pixels of an image as they are stored, colours and all."""
    return layer.data[0] if layer.multiscale else layer.data


def window(layer: Image, index: int, rows: slice, columns: slice) -> npt.NDArray[Any]:
    """The grey values (Y, X) of a part of one plane."""
    data, stack = raw(layer), len(layers.shape(layer)) == 3
    part = np.asarray(data[index, rows, columns] if stack else data[rows, columns])
    return grey(part, str(layer.name)) if layer.rgb else part


def plane_reader(layer: Image, index: int) -> Callable[[], npt.NDArray[Any]]:
    """A function that reads one plane (Y, X) of a picture, for a job; `TemsegError` for what is no micrograph."""
    data, colours, name = raw(layer), bool(layer.rgb), str(layer.name)
    if len(layers.shape(layer)) not in (2, 3):
        raise TemsegError(f"{name}: the layer has {data.ndim} axes; give micrographs (Y, X) or one stack of them (planes, Y, X).")
    stack = len(layers.shape(layer)) == 3

    def plane() -> npt.NDArray[Any]:
        array = np.asarray(data[index] if stack else data)
        return grey(array, name) if colours else array

    return plane
