"""Which pictures have the answer that another search would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from napari_temseg.widgets.canvas import layers

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_temseg.engine.types.config import PredictConfig, SplitConfig
    from napari_temseg.widgets.session.item import Item


class Asked(NamedTuple):
    """What a picture is searched with: the model (or its name), both settings, and what was said of it alone."""

    model: Any
    predict: PredictConfig
    split: SplitConfig
    said: PredictConfig | None = None

    def same(self, other: Asked) -> bool:
        """Whether the same is asked; two models are one only if they are the same object, or have the same name."""
        named = isinstance(self.model, str) and isinstance(other.model, str)
        model = self.model == other.model if named else self.model is other.model
        return model and self.predict == other.predict and self.split == other.split


class Searched:
    """Remembers of each picture what its result was asked with, and what else that hangs on."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Item, tuple[Asked, tuple[object, ...], Any]] = WeakKeyDictionary()

    def note(self, item: Item, asked: Asked) -> None:
        """It was searched a moment ago."""
        if item.prediction is not None:
            self._known[item] = (asked, _of_picture(item), item.prediction.probability)

    def asked(self, item: Item) -> PredictConfig | None:
        """The settings that its result was asked with; None where nobody knows, as after a restart."""
        known = self._known.get(item)
        there = known is not None and item.prediction is not None and known[2] is item.prediction.probability
        return known[0].predict if known is not None and there else None

    def knows(self, item: Item, asked: Asked) -> bool:
        """Whether its result is the one that would come: same question, same pixels and areas, nothing undone."""
        known = self._known.get(item)
        if known is None or item.particles is None or item.prediction is None or item.restored:
            return False
        return known[0].same(asked) and known[2] is item.prediction.probability and known[1] == _of_picture(item)


def _of_picture(item: Item) -> tuple[object, ...]:
    drawn = None if item.annotation is None else layers.values(item.annotation)  # background that is painted parts particles
    return item.pixels, item.axes, item.calibration, _mark(item.micrograph().valid), _mark(drawn)


def _mark(array: npt.NDArray[Any] | None) -> int:
    return 0 if array is None or not array.size or (array == array.flat[0]).all() else hash(array.tobytes())
