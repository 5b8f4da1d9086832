"""The mouse on the picture: a click selects a particle, and the split tool draws a line across one."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QKeySequence, QShortcut

from napari_temseg.widgets.canvas import layers, overlays
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.particles.corrector import Corrector

if TYPE_CHECKING:
    from napari_temseg.widgets.session.session import Session

STILL = 4.0  # px of the screen: a hand that clicks moves the mouse a little


class Pointer(QObject):
    """Listens to the mouse of one viewer; `armed_changed` tells whether the split tool is in hand."""

    armed_changed = Signal(bool)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.corrector = session, session.part(Corrector)
        self.armed = False
        self._escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), session.viewer.window._qt_window, partial(self.arm, False))
        self._escape.setEnabled(False)  # napari's own while the tool is not in hand
        session.viewer.mouse_drag_callbacks.append(self._pressed)
        session.current_changed.connect(partial(self.arm, False))
        session.closing.connect(self._close)

    def arm(self, on: bool) -> None:
        """Take the split tool in hand, or put it down."""
        if on == self.armed:
            return
        if on:
            item = self.corrector.measured_item()
            if item.particles_layer is not None:
                layers.rest(item.particles_layer)
                layers.activate(self.session.viewer, item.particles_layer)
        self.armed = on
        self._escape.setEnabled(on)
        overlays.hold_still(self.session.viewer, on)
        if not on:
            self._drop_line()
        self.armed_changed.emit(on)

    def _pressed(self, viewer: Any, event: Any) -> Any:
        """napari calls it at every press of a mouse button; what it returns goes on while the mouse moves."""
        if self.session.closed or event.button != 1:
            return None
        if self.armed:
            overlays.hold_still(viewer, True)  # napari lets go of it whenever another layer becomes active
            return self._draw(event)
        return self._click(event) if overlays.resting(viewer.layers.selection.active) else None

    def _click(self, event: Any) -> Generator[None, None, None]:
        start, moved = np.asarray(event.pos, float), False
        adds = _shift(event)
        world = tuple(event.position)
        yield
        while event.type == "mouse_move":
            moved = moved or bool(np.abs(np.asarray(event.pos, float) - start).max() > STILL)
            yield
        if not moved:
            self._select(world, adds)

    def _select(self, world: tuple[float, ...], adds: bool) -> None:
        item = self.session.current
        if item is None or item.particles_layer is None or item.measurement is None:
            return
        number = layers.label_at(item.particles_layer, world)
        if not adds:
            self.session.select([number] if number else [])
        elif number:
            self.session.select(self.session.selected ^ {number})

    def _draw(self, event: Any) -> Generator[None, None, None]:
        item = self.session.current
        if item is None:
            return
        start = end = overlays.position(item.layer, event.position)
        stays = _shift(event)
        yield
        while event.type == "mouse_move":
            end = overlays.position(item.layer, event.position)
            if item in self.session.items:
                self._show(item, np.stack([start, end]))
            yield
        self._drop_line()
        if item in self.session.items and np.hypot(*(end - start)) >= 1:
            guarded(partial(self._cut, np.stack([start, end]), stays))

    def _cut(self, line: Any, stays: bool) -> None:
        """Cut, and put the tool down, so that a click selects again; a line that missed can be drawn anew."""
        self.corrector.cut(line)
        if not stays:
            self.arm(False)

    def _show(self, item: Any, line: Any) -> None:
        viewer = self.session.viewer
        if Role.LINE not in item.made:
            self.session.adopt(item, Role.LINE, overlays.add_line(viewer, item.layer, f"{item.name} split line"))
            overlays.hold_still(viewer, True)
        overlays.show_line(item.made[Role.LINE], line, 3 * overlays.pixels_per_screen(viewer, item.layer))

    def _drop_line(self) -> None:
        for item in self.session.items:
            layers.remove(self.session.viewer, item.made.pop(Role.LINE, None))

    def _close(self) -> None:
        callbacks = self.session.viewer.mouse_drag_callbacks
        if self._pressed in callbacks:
            callbacks.remove(self._pressed)
        self._escape.setEnabled(False)


def _shift(event: Any) -> bool:
    return "Shift" in {getattr(each, "name", str(each)) for each in event.modifiers}
