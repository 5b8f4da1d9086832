"""What instant answers were made from: the planes that a model has looked at already."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_temseg.engine.interactive.linear_head import Ground
    from napari_temseg.widgets.improve.live.answers import LiveTarget
    from napari_temseg.widgets.session.item import Item

PLANES_WITH_FEATURES = 3  # planes whose frozen features are kept: some 130 MB each for 4096²


class Grounds:
    """Those of the planes that were looked at last."""

    def __init__(self) -> None:
        self._known: OrderedDict[LiveTarget, Ground] = OrderedDict()

    def __contains__(self, aim: LiveTarget) -> bool:
        return aim in self._known

    def get(self, aim: LiveTarget) -> Ground | None:
        """Of a plane, None where it was not looked at."""
        return self._known.get(aim)

    def keep(self, aim: LiveTarget, ground: Ground) -> None:
        """A plane was looked at."""
        self._known[aim] = ground
        self._known.move_to_end(aim)
        while len(self._known) > PLANES_WITH_FEATURES:
            self._known.popitem(last=False)

    def planes(self, aim: LiveTarget) -> dict[int, Ground]:
        """Of all planes of a micrograph that were looked at as this one is, by their indices."""
        return {each.plane: ground for each, ground in self._known.items() if each == aim._replace(plane=each.plane)}

    def forget(self, item: Item) -> None:
        """A micrograph is another now."""
        for aim in [aim for aim in self._known if aim.item is item]:
            del self._known[aim]

    def clear(self) -> None:
        """Let go of all."""
        self._known.clear()
