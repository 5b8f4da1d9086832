"""What a microscope or its program has burnt into pictures: the scale bar of each, and boxes round bar, letters and data bar."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.burntin.boxes import Box, bar_label, beside_bar, boxes_of, labels_differ
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress

if TYPE_CHECKING:
    from napari_temseg.engine.burntin.bar_value import BarValue
    from napari_temseg.engine.burntin.scale_bar import ScaleBar

SAME_LENGTH = 1.0  # px


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
        from napari_temseg.engine.burntin.bar_value import read_bar_value
        from napari_temseg.engine.burntin.scale_bar import find_scale_bar, overlay_mask

        found = []
        for index, (name, plane_of) in enumerate(pictures):
            yield Progress("scale bars", index / len(pictures), f"{name}: looking for what is burnt in", control.elapsed)
            plane = np.asarray(plane_of())
            bar = find_scale_bar(plane)
            value = None if bar is None else read_bar_value(plane, bar)
            if not boxes:
                found.append(BurntIn(bar, value))
                continue
            mask = overlay_mask(plane, bar)
            found.append(
                BurntIn(bar, value, tuple(boxes_of(mask)), None if bar is None else bar_label(plane, mask, bar), beside_bar(mask, bar))
            )
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
    """What the bar of a picture without a pixel size (in its first plane) seems to say, a sentence to be confirmed; "" for nothing."""
    from napari_temseg.engine.burntin.bar_value import read_bar_value
    from napari_temseg.engine.burntin.scale_bar import find_scale_bar

    if image.calibration.pixel_size is not None:
        return ""
    plane = image.plane(0)
    bar = find_scale_bar(plane)
    value = None if bar is None else read_bar_value(plane, bar)
    if bar is None or value is None:
        return ""
    number, unit = value.text.split()
    size = f"{float(number) / bar.length:.4g} {unit}"
    return f'Its scale bar, {bar.length:.1f} px long, seems to read “{value.text}”; if that is right, use it with --pixel-size "{size}".'


def without_burnt_in(image: Micrograph) -> Micrograph:
    """The same picture with bar, letters and data bar of its first plane left out of its valid area."""
    from napari_temseg.engine.burntin.scale_bar import find_scale_bar, overlay_mask

    plane = image.plane(0)
    boxes = boxes_of(overlay_mask(plane, find_scale_bar(plane)))
    if not boxes:
        return image
    valid = np.ones(image.frame, bool) if image.valid is None else image.valid.copy()
    for top, left, bottom, right in boxes:
        valid[top:bottom, left:right] = False
    return replace(image, valid=valid)
