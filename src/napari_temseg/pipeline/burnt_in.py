"""What a microscope or its program has burnt into pictures: the scale bar of each, and boxes round bar, letters and data bar."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.burntin.boxes import Box, bar_label, beside_bar, boxes_of, labels_differ, with_text
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.units import length_words, to_nanometres

if TYPE_CHECKING:
    from napari_temseg.engine.burntin.bar_value import BarValue
    from napari_temseg.engine.burntin.scale_bar import ScaleBar

SAME_LENGTH = 1.0  # px
TYPED = ("typed", "manifest")  # origins of pixel sizes that somebody wrote by hand
AT_ODDS = 1.2  # ratio of two pixel sizes beyond which ends of a bar that are a little off do not explain it
LARGEST_LOOK = 4200 * 4200  # px of a plane that is looked at as fine as it is: those of usual cameras
MOST_BARS = 20_000  # that are remembered, some megabytes
_SURE_BAR = 0.5  # confidence from which a scale bar is hardly anything else
_SURE_TEXT = 0.9  # confidence from which what is read beside it is a text, and no particles
_marks: dict[bytes, BarMarks] = {}  # by the pixels they were looked for in


@dataclass(eq=False)
class BarMarks:
    """The scale bar of a plane and what is written beside it, which is read when it is asked for; either is looked for once."""

    bar: ScaleBar | None
    _value: BarValue | None = None
    _read: bool = False

    @classmethod
    def of(cls, plane: npt.NDArray[Any]) -> BarMarks:
        """A run looks at a picture when it gets to know it, and again when it searches it."""
        from napari_temseg.engine.burntin.scale_bar import find_scale_bar

        key = hashlib.blake2b(np.ascontiguousarray(plane).data, key=f"{plane.shape}{plane.dtype}".encode(), digest_size=16).digest()
        if key not in _marks:
            if len(_marks) >= MOST_BARS:
                _marks.clear()
            _marks[key] = cls(find_scale_bar(plane))
        return _marks[key]

    def value(self, plane: npt.NDArray[Any]) -> BarValue | None:
        """What is written beside the bar of the same plane, to be confirmed by somebody."""
        from napari_temseg.engine.burntin.bar_value import read_bar_value

        if not self._read:
            self._value = None if self.bar is None else read_bar_value(plane, self.bar)
            self._read = True
        return self._value

    def text(self, plane: npt.NDArray[Any]) -> Box | None:
        """Where that is surely a text, and no particles: over these its letters are not found one by one."""
        value = self.value(plane)
        if value is None or value.confidence < _SURE_TEXT:
            return None
        top, left, bottom, right = (max(side, 0) for side in value.box)
        return top, left, min(bottom, plane.shape[0]), min(right, plane.shape[1])


@dataclass(frozen=True, eq=False)
class BurntIn:
    """What was found in one picture: its bar, and, when asked for, boxes round all that is burnt in and the label of the bar.

    `value` is what seems to be written beside the bar, to be confirmed by somebody. `label` is True on the ink of letters about the bar,
    in a window placed by its start. `letters`: something besides the bar was found.
    """

    bar: ScaleBar | None
    value: BarValue | None = None
    boxes: tuple[Box, ...] = ()
    label: npt.NDArray[np.bool_] | None = None
    letters: bool = False


def iter_burnt_in(pictures: Sequence[tuple[str, Callable[[], npt.NDArray[Any]]]], *, boxes: bool = True) -> Job[list[BurntIn]]:
    """Look into pictures, each a name and a function that gives a plane (Y, X); bars only where `boxes` are not wanted."""

    def steps(control: Control) -> Generator[Progress, None, list[BurntIn]]:
        from napari_temseg.engine.burntin.scale_bar import overlay_mask

        found = []
        for index, (name, plane_of) in enumerate(pictures):
            yield Progress("scale bars", index / len(pictures), f"{name}: looking for what is burnt in", control.elapsed)
            plane = np.asarray(plane_of())
            marks = BarMarks.of(plane)
            bar, value = marks.bar, marks.value(plane)
            if not boxes:
                found.append(BurntIn(bar, value))
                continue
            mask = overlay_mask(plane, bar, looked_for=True)
            label = None if bar is None else bar_label(plane, mask, bar)
            text = marks.text(plane)
            around = tuple(boxes_of(mask)) if text is None else with_text(boxes_of(mask), text)
            found.append(BurntIn(bar, value, around, label, text is not None or beside_bar(mask, bar)))
        yield Progress("scale bars", 1.0, "", control.elapsed)
        return found

    return Job(steps)


def same_bar(one: BurntIn, other: BurntIn) -> str:
    """Why the second picture's bar is not surely the first one's, for people; "" when length and label agree."""
    if one.bar is None or other.bar is None:
        return "no bar was found"
    if abs(one.bar.length - other.bar.length) > SAME_LENGTH:
        return f"its bar is {other.bar.length:.1f} px long"
    if one.label is not None and other.label is not None and labels_differ(one.label, other.label):
        return "its label looks different"
    return ""


def bar_offer(image: Micrograph) -> str:
    """What the bar of a picture (in its first plane) seems to say, a sentence to be confirmed; "" for nothing.

    It is looked at where there is no pixel size, and where somebody typed one, which it may contradict.
    """
    known = image.calibration
    if known.pixel_size is not None and known.origin not in TYPED:
        return ""
    plane, step = _looked_at(image)
    marks = BarMarks.of(plane)
    bar, value = marks.bar, marks.value(plane)
    if bar is None or value is None:
        return ""
    number, unit = value.text.split()
    length = step * bar.length
    size = f"{float(number) / length:.4g} {unit}"
    told = f"Its scale bar, {length:.1f} px long, seems to read “{value.text}”"
    if known.pixel_size is None:
        return (
            f'{told}; if that is right, use it with --pixel-size "{size}", which holds for every picture of a run, '
            "or in the column pixel_size of a table (--manifest), which says it for this one."
        )
    if not contradicts(known.scale[1], to_nanometres(float(number), unit) / length):
        return ""
    return f"{told}, so one pixel would be {size}, but {length_words(known.scale[1], digits=4)} was typed: look which of them is right."


def contradicts(stated: float, read: float, at_odds: float = AT_ODDS) -> bool:
    """Whether the pixel size that is stated cannot be that of the bar, as it is read: a ratio beyond `at_odds`."""
    return abs(math.log(stated / read)) > math.log(at_odds)


@dataclass(frozen=True)
class MarkedArea:
    """What is burnt into the first plane of a picture: `boxes` round it, and the rows of a data bar at its top and bottom.

    `certain`: there is a data bar, or a scale bar that is hardly anything else. `camera` tells pictures that would have the same data bar.
    `letters` are boxes round letters in the corners that are hardly anything else, with or without a bar.
    """

    camera: tuple[Any, ...]
    boxes: tuple[Box, ...] = ()
    bands: tuple[int, int] = (0, 0)
    certain: bool = False
    letters: tuple[Box, ...] = ()


def marked_area(image: Micrograph) -> MarkedArea:
    """Look for bar, letters and data bar."""
    from napari_temseg.engine.burntin.letters import data_bands
    from napari_temseg.engine.burntin.scale_bar import band_levels, overlay_mask, panel_mask

    taken = image.acquisition
    camera = (image.frame, taken.instrument, taken.mode, taken.camera)
    plane, step = _looked_at(image)
    bar = BarMarks.of(plane).bar
    mask = overlay_mask(plane, bar, looked_for=True)
    levels = band_levels(plane)
    if levels is None or not mask.any():
        return MarkedArea(camera)
    rows = data_bands(levels)[:, 0]  # whole rows, at the ends
    top, bottom = (int(np.argmin(each)) if rows.any() else 0 for each in (rows, rows[::-1]))
    certain = bool(top or bottom) or (bar is not None and bar.confidence >= _SURE_BAR)
    boxes, panels = (tuple(_enlarged(box, step, image.frame) for box in boxes_of(each)) for each in (mask, panel_mask(levels)))
    return MarkedArea(camera, boxes, _rows_of(top, bottom, step, image.frame[0]), certain, panels)


def with_bar_text(image: Micrograph, left_out: Sequence[Box]) -> tuple[Box, ...]:
    """Boxes that are left out of a picture, and one round the text beside its scale bar. Reading takes half a second, so this is not done
    of all pictures before the first is searched, as `marked_area` is."""
    if not left_out:
        return ()
    plane, step = _looked_at(image)
    marks = BarMarks.of(plane)
    text = None if marks.bar is None or marks.bar.confidence < _SURE_BAR else marks.text(plane)
    return tuple(left_out) if text is None else with_text(left_out, _enlarged(text, step, image.frame))


def _looked_at(image: Micrograph) -> tuple[npt.NDArray[Any], int]:
    """The first plane, a large one coarser, and by how much: floats of all of it, several at a time, would not fit in memory."""
    from napari_temseg.engine.types.thumbnails import binned

    plane = image.plane(0)
    step = max(1, math.ceil(math.sqrt(plane.size / LARGEST_LOOK)))
    return (plane, 1) if step == 1 else (binned(plane, step), step)


def _enlarged(box: Box, step: int, frame: tuple[int, int]) -> Box:
    top, left, bottom, right = (side * step for side in box)
    return top, left, min(bottom + step - 1, frame[0]), min(right + step - 1, frame[1])


def _rows_of(top: int, bottom: int, step: int, height: int) -> tuple[int, int]:
    """The rows of data bars in px of the plane, of which the last may not have made a whole coarse one."""
    if step == 1:
        return top, bottom
    return (top + 1) * step if top else 0, (bottom + 1) * step + height % step if bottom else 0


def areas_left_out(areas: Sequence[MarkedArea], *, everything: bool) -> list[tuple[Box, ...]]:
    """The boxes to be left out of each picture: of those where a bar is certain, or of `everything` that seems burnt in; else of letters in
    the corners.

    Where most pictures of a camera have a data bar, all of them lose the area of the largest.
    """
    bands: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    for area in areas:
        bands.setdefault(area.camera, []).append(area.bands)
    found = []
    for area in areas:
        of_camera = bands[area.camera]
        height, width = area.camera[0]
        shared = [0, 0]
        for side in (0, 1):
            rows = [each[side] for each in of_camera if each[side]]
            shared[side] = max(rows) if 2 * len(rows) > len(of_camera) else area.bands[side]
        boxes = area.boxes if everything or area.certain else area.letters
        strips = [(0, 0, shared[0], width)] * bool(shared[0]) + [(height - shared[1], 0, height, width)] * bool(shared[1])
        found.append((*boxes, *strips))
    return found


def without_areas(image: Micrograph, boxes: Sequence[Box]) -> Micrograph:
    """The same picture with boxes left out of its valid area."""
    if not boxes:
        return image
    valid = np.ones(image.frame, bool) if image.valid is None else image.valid.copy()
    for top, left, bottom, right in boxes:
        valid[top:bottom, left:right] = False
    return replace(image, valid=valid)
