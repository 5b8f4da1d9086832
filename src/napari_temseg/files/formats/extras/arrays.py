"""Arrays with named axes, as other libraries give them, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_temseg.files.formats.raw import unusable
from napari_temseg.files.formats.series import Series
from napari_temseg.files.formats.sizes import Size, tagged

AXES_OF_LETTERS = {"T": "TYX", "Z": "ZYX"}


def pictures(name: str, data: Any, axes: str, size: Size | None, origin: str, channels: Sequence[str] = ()) -> list[Series]:
    """The pictures in an array whose `axes` are letters, "YX" the last two: one, or one a channel ("C"); "Q" is an axis that says nothing.

    Axes of length 1 are left out. What has more than one further axis, or no grey numbers, is a series with an obstacle.
    """
    for place in range(len(axes) - 2)[::-1]:
        if data.shape[place] == 1:
            data, axes = data[(slice(None),) * place + (0,)], axes[:place] + axes[place + 1 :]
    said = tagged(size, origin, tuple(data.shape[-2:]))
    if data.dtype.kind not in "buif":
        return [Series(name, unusable(1, 1), obstacle=f"it holds {data.dtype} and not grey values; save its modulus as grey values.")]
    if "C" in axes:
        place = axes.index("C")
        parts = [(_channel(k, channels), data[(slice(None),) * place + (k,)]) for k in range(data.shape[place])]
        axes = axes.replace("C", "")
    else:
        parts = [("", data)]
    found = []
    for label, part in parts:
        called = " ".join(filter(None, (name, label)))
        if part.ndim > 3:
            obstacle = f"it has {part.ndim} axes {tuple(part.shape)} and is no image or stack; save single images."
            found.append(Series(called, unusable(1, 1), obstacle=obstacle))
        else:
            meaning = "YX" if part.ndim == 2 else AXES_OF_LETTERS.get(axes[0], "")
            found.append(Series(called, part, said.calibration, meaning, said.obstacle, said.notes))
    return found


def _channel(index: int, names: Sequence[str]) -> str:
    return names[index] if index < len(names) and names[index] else f"channel {index + 1}"
