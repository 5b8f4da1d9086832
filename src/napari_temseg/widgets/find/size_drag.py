"""The size that is meant, dragged across one particle in the picture; two rings show the band that goes with it."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QKeySequence, QShortcut

from napari_temseg.engine.types.results import BAND
from napari_temseg.widgets.canvas import layers, micrograph_layer, overlays
from napari_temseg.widgets.canvas.drags import moves
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.jobs.runner import guarded

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

MOST_DRAGS = 3  # a small one, a typical one, a large one
LEAST_WIDTH = 2.0  # px
Points = npt.NDArray[np.float64]


class SizeDrag(QObject):
    """In hand from `take_up` until `put_down`, Esc or the last drag; `told` carries picture, sizes (px) so far and polarity."""

    told = Signal(object, object, str)
    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.held = False
        self._drags: list[tuple[float, str]] = []
        self._middles: WeakKeyDictionary[Item, Points] = WeakKeyDictionary()  # of the last drag in each picture
        self._escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), session.viewer.window._qt_window, self.put_down)
        self._escape.setEnabled(False)
        session.viewer.mouse_drag_callbacks.append(self._pressed)
        for signal in (session.current_changed, session.tools_down):
            signal.connect(self.put_down)
        session.closing.connect(self._close)

    def take_up(self) -> None:
        """The next drags tell the size, from the first one anew."""
        if (item := self.session.current) is None or self.held:
            return
        self._drags = []
        layers.activate(self.session.viewer, item.layer)
        layers.rest(item.layer)
        self._hold(True)
        self.session.say("Drag across one particle, from edge to edge; of a rod, across its width.")

    def put_down(self) -> None:
        """The mouse moves the picture again."""
        if self.held:
            self._hold(False)
            self.hide()

    def _hold(self, on: bool) -> None:
        self.held = on
        self._escape.setEnabled(on)
        overlays.hold_still(self.session.viewer, on)
        self.changed.emit()

    # -- the rings

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

    def hide(self) -> None:
        """No rings on any picture."""
        for item in self.session.items:
            layers.remove(self.session.viewer, item.made.pop(Role.SIZE, None))

    # -- the mouse

    def _pressed(self, viewer: Any, event: Any) -> Any:
        """napari calls it at every press of a mouse button; what it returns goes on while the mouse moves."""
        item = self.session.current
        if self.session.closed or not self.held or event.button != 1 or item is None:
            return None
        overlays.hold_still(viewer, True)  # napari lets go of it whenever another layer becomes active
        return self._drag(item, event)

    def _drag(self, item: Item, event: Any) -> Generator[None, None, None]:
        start = end = overlays.position(item.layer, event.position)

        def shown(moved: Any) -> None:
            nonlocal end
            end = overlays.position(item.layer, moved.position)
            if item in self.session.items and (width := float(np.hypot(*(end - start)))) >= LEAST_WIDTH:
                self.show(item, width, np.stack([start, end]))

        moved = yield from moves(event, shown)
        if item not in self.session.items or not self.held:
            return
        if not moved or float(np.hypot(*(end - start))) < LEAST_WIDTH:
            self.session.say("A click tells no size: hold the button down and drag from edge to edge.")
            return
        guarded(partial(self._take, item, np.stack([start, end])))

    def _take(self, item: Item, line: Points) -> None:
        from napari_temseg.engine.interactive.dragged_size import polarity_across, told_polarity

        width = float(np.hypot(*(line[1] - line[0])))
        middle = self._middles[item] = line.mean(axis=0)
        reach = int(width) + 2
        height, right = item.frame
        y, x = (int(np.clip(each, 0, side - 1)) for each, side in zip(middle, (height, right), strict=True))
        rows, columns = slice(max(y - reach, 0), y + reach + 1), slice(max(x - reach, 0), x + reach + 1)
        image = micrograph_layer.window(item.layer, self.session.shown_plane(item), rows, columns)
        origin = np.array([rows.start, columns.start], float)
        polarity = polarity_across(image, tuple(line[0] - origin), tuple(line[1] - origin))
        self._drags.append((width, polarity))
        self.told.emit(item, [each for each, _ in self._drags], told_polarity([each for _, each in self._drags]))
        if len(self._drags) == MOST_DRAGS:
            self.put_down()

    def _close(self) -> None:
        callbacks = self.session.viewer.mouse_drag_callbacks
        if self._pressed in callbacks:
            callbacks.remove(self._pressed)
        self._escape.setEnabled(False)


def _within(place: Points, window: tuple[slice, slice]) -> bool:
    return all(span.start <= each < span.stop for each, span in zip(place, window, strict=True))
