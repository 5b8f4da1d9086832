"""The mouse on the canvas from press to release: followed as napari's callbacks do it, with none of its way lost."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from napari.layers import Labels, Points, Shapes
from qtpy.QtCore import QEvent, QObject, Qt

from napari_temseg.widgets.canvas.layers import role
from napari_temseg.widgets.canvas.main_window import bare, window_of, window_part

STILL = 4.0  # px of the screen: a hand that clicks moves the mouse a little


def moves(event: Any, shown: Callable[[Any], None] | None = None) -> Generator[None, None, bool]:
    """Follow the mouse until its button is let go; whether it moved more than a hand does that clicks, which `shown` is then told."""
    start, moved = np.asarray(event.pos, float), False
    yield
    while event.type == "mouse_move":
        moved = moved or bool(np.abs(np.asarray(event.pos, float) - start).max() > STILL)
        if moved and shown is not None:
            shown(event)
        yield
    return moved


class WholeDrags(QObject):
    """Sees to it that a canvas is told the whole way of a drag, until `let_go`.

    vispy and napari drop what comes within 10 and 5 ms of what they told before, by their own clocks: of what a busy window tells late,
    and so all at once, nothing would be left but the press. Here it goes by when the hand was there, and where a drag ends is told before
    it ends.
    """

    INTERVAL = 10  # ms

    def __init__(self, viewer: Any) -> None:
        super().__init__(window_of(viewer))
        self._canvas = window_part(viewer, "canvas", "native")
        events = window_part(viewer, "canvas", "_scene_canvas", "events")
        self._held = [each.flush for each in getattr(getattr(events, "mouse_move", None), "callbacks", ()) if hasattr(each, "flush")]
        self._told = 0
        self._missed: Any = None  # the newest move, where it was not told
        if self._canvas is not None:
            self._canvas.installEventFilter(self)

    def let_go(self) -> None:
        """Watch it no more."""
        if self._canvas is not None:
            self._canvas.removeEventFilter(self)
        self._held.clear()

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802  Qt's name
        """The mouse does something."""
        kind = event.type()
        if kind == QEvent.Type.MouseMove and event.buttons() != Qt.MouseButton.NoButton:
            if event.timestamp() - self._told < self.INTERVAL:
                self._missed = event.clone()
                return True
            self._told, self._missed = event.timestamp(), None
            self._tell(watched, event)
            return True
        if kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease):
            if self._missed is not None:
                self._tell(watched, self._missed)
            self._told, self._missed = 0, None
            self._flush()
        return False

    def _tell(self, canvas: Any, event: Any) -> None:
        canvas._last_time = 0.0  # vispy's clock
        canvas.mouseMoveEvent(event)
        self._flush()

    def _flush(self) -> None:
        for flush in self._held:
            flush()


class MiddlePans(QObject):
    """The wheel of the mouse, held down, moves the picture with every tool in hand, until `let_go`; napari would paint and draw with it.

    On layers that are not ours napari's tools are left as they are.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(window_of(viewer))
        self._viewer, self._canvas = bare(viewer), window_part(viewer, "canvas", "native")
        self._last: Any = None  # where the mouse was on the canvas, while it moves the picture
        if self._canvas is not None:
            self._canvas.installEventFilter(self)

    def let_go(self) -> None:
        """Leave the wheel to napari again."""
        if self._canvas is not None:
            self._canvas.removeEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802  Qt's name
        """The mouse does something."""
        kind, middle = event.type(), Qt.MouseButton.MiddleButton
        if kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick):
            if event.button() == middle and event.buttons() == middle and self._ours():
                self._last = event.position()
        elif kind == QEvent.Type.MouseMove and self._last is not None:
            if event.buttons() & middle:
                self._move(event.position())
            else:  # let go where the canvas was not told
                self._last = None
        elif kind == QEvent.Type.MouseButtonRelease and event.button() == middle and self._last is not None:
            self._last = None
            return True
        return self._last is not None and kind in _OF_MOUSE

    def _ours(self) -> bool:
        active = self._viewer.layers.selection.active
        return bool(not isinstance(active, Labels | Points | Shapes) or role(active))

    def _move(self, place: Any) -> None:
        camera = self._viewer.camera
        way, self._last = place - self._last, place
        if self._viewer.dims.ndisplay == 2:
            down, right = ((1 if str(towards) in ("down", "right") else -1) for towards in camera.orientation2d)
            depth, y, x = camera.center
            camera.center = (depth, y - down * way.y() / camera.zoom, x - right * way.x() / camera.zoom)


_OF_MOUSE = (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease)
