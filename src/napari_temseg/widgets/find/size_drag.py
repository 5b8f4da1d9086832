"""The size that is meant, dragged across one particle in the picture; two rings show the band that goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import Signal

from napari_temseg.engine.types.results import BAND
from napari_temseg.widgets.canvas import layers, micrograph_layer, overlays
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.session.held_tool import HeldTool, Points

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

MOST_DRAGS = 3  # a small one, a typical one, a large one


class SizeDrag(HeldTool):
    """Put down by itself after the last drag; `told` carries picture, sizes (px) so far and polarity."""

    told = Signal(object, object, str)
    role = Role.SIZE
    hint = "Drag across one particle, from edge to edge; of a rod, across its width."
    click = "A click tells no size: hold the button down and drag from edge to edge."

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._drags: list[tuple[float, str]] = []
        self._middles: WeakKeyDictionary[Item, Points] = WeakKeyDictionary()  # of the last drag in each picture

    def take_up(self) -> None:
        """The next drags tell the size, from the first one anew."""
        if not self.held:
            self._drags = []
        super().take_up()

    def show(self, item: Item, size: float, line: Points | None = None) -> None:
        """Show the band of a size (px) on a picture, where it was last dragged or in the middle of the view."""
        viewer = self.session.viewer
        middle = line.mean(axis=0) if line is not None else self._middles.get(item)
        window = layers.window_in_view(viewer, item.layer)
        if middle is None or (window is not None and not _within(middle, window)):
            middle = overlays.middle_of_view(viewer, item.layer)
        if Role.SIZE not in item.made:
            self.session.adopt(item, Role.SIZE, overlays.add_rings(viewer, item.layer, f"{item.name} size"))
            overlays.hold_still(viewer, self.held)
        width = 2 * overlays.pixels_per_screen(viewer, item.layer)
        overlays.show_rings(item.made[Role.SIZE], middle, (size / BAND, size * BAND), line, width)

    def shown(self, item: Item, line: Points) -> None:
        """The rings of what is being dragged."""
        self.show(item, float(np.hypot(*(line[1] - line[0]))), line)

    def take(self, item: Item, line: Points) -> None:
        """One more size, and whether what lies there is bright or dark."""
        from napari_temseg.engine.interactive.dragged_size import polarity_across, told_polarity

        width = float(np.hypot(*(line[1] - line[0])))
        middle = self._middles[item] = line.mean(axis=0)
        reach = int(width) + 2
        y, x = (int(np.clip(each, 0, side - 1)) for each, side in zip(middle, item.frame, strict=True))
        rows, columns = slice(max(y - reach, 0), y + reach + 1), slice(max(x - reach, 0), x + reach + 1)
        image = micrograph_layer.window(item.layer, self.session.shown_plane(item), rows, columns)
        origin = np.array([rows.start, columns.start], float)
        self._drags.append((width, polarity_across(image, tuple(line[0] - origin), tuple(line[1] - origin))))
        self.told.emit(item, [each for each, _ in self._drags], told_polarity([each for _, each in self._drags]))
        if len(self._drags) == MOST_DRAGS:
            self.put_down()


def _within(place: Points, window: tuple[slice, slice]) -> bool:
    return all(span.start <= each < span.stop for each, span in zip(place, window, strict=True))
