"""Strokes on disk: written while painting goes on, offered again when the same picture is opened without them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.widgets.autosave.store import Saved, readable


@dataclass(frozen=True, eq=False)
class Strokes:
    """An annotation to keep. The labels are the very ones that are painted on."""

    image: str
    labels: npt.NDArray[np.uint8]
    classes: dict[int, str]
    large = False  # painting cannot be had again

    @property
    def plain(self) -> bool:
        """Whether nothing is painted."""
        return not self.labels.any()

    def packed(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Classes, and the planes that something is painted on."""
        planes = self.labels.reshape((-1, *self.labels.shape[-2:]))
        filled = [index for index, plane in enumerate(planes) if plane.any()]
        content = planes[filled] if len(filled) < len(planes) else planes.copy()  # painting goes on meanwhile
        classes = dict(sorted(self.classes.items()))
        return {"image": self.image, "classes": classes, "shape": self.labels.shape, "planes": filled}, {"labels": content}


class SavedStrokes(Saved):
    """An annotation on disk, with its classes by number."""

    folder_name = "annotations"
    what = "strokes"

    def _take(self, about: dict[str, Any]) -> None:
        super()._take(about)
        self.classes = {int(number): str(name) for number, name in about["classes"].items()}

    @property
    def parts(self) -> list[str]:
        """Nothing where everything was erased again."""
        return [] if self.about.get("planes") == [] else [self.what]

    def labels(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """The strokes (uint8, of the picture's shape); `TemsegError` when they cannot be read."""
        arrays, labels = self.arrays(), np.zeros(shape, np.uint8)
        with readable(self.path):
            if tuple(self.about["shape"]) != shape:
                raise ValueError("it was drawn on a picture of another shape")
            labels.reshape((-1, *shape[-2:]))[np.asarray(self.about["planes"], int)] = arrays["labels"].astype(np.uint8, casting="safe")
        return labels
