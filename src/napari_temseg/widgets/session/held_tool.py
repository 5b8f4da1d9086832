"""Tools of the mouse on the picture; one that stays in hand until Esc, another picture or another step."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QKeySequence, QShortcut

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.canvas import layers, overlays
from napari_temseg.widgets.canvas.drags import moves
from napari_temseg.widgets.canvas.main_window import window_of
from napari_temseg.widgets.canvas.roles import Role

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

LEAST = 2.0  # px: shorter drags say nothing
Points = npt.NDArray[np.float64]


class Escape(QObject):
    """The key Esc of one viewer: it ends what is in hand, a tool of ours or a brush or polygon on a layer of ours.

    One for all, as Qt does nothing where two wait for a key. While nothing is in hand the key is napari's own. A brush that is taken
    by napari's own buttons or keys puts a tool of ours down: a stroke would split or measure too.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._ends: dict[object, Callable[[], None]] = {}
        self._layer: Any = None  # the active one, where it is ours
        self._key = QShortcut(QKeySequence(Qt.Key.Key_Escape), window_of(session.viewer), self._pressed)
        self._active = session.viewer.layers.selection.events.active
        self._active.connect(self._follow)
        session.closing.connect(self._close)
        self._follow()

    @property
    def held(self) -> bool:
        """Whether something is in hand that Esc would put down."""
        return self._key.isEnabled()

    def hold(self, tool: object, end: Callable[[], None] | None) -> None:
        """`end` puts a tool down that is in hand now; None: it is not any more."""
        self._ends.pop(tool, None)
        if end is not None:
            self._ends[tool] = end
        self._refresh()

    def _pressed(self) -> None:
        layer = self._layer
        self._put_down()
        if layer is not None and not overlays.resting(layer):
            self.session.tools_down.emit()
            layers.rest(layer)

    def _put_down(self) -> None:
        for end in list(self._ends.values()):
            end()

    def _other_mode(self, event: Any = None) -> None:
        if not overlays.resting(self._layer):
            self._put_down()
        self._refresh()

    def _follow(self, event: Any = None) -> None:
        active = self.session.viewer.layers.selection.active
        self._leave()
        if active is not None and layers.role(active) and hasattr(active, "mode"):
            self._layer = active
            active.events.mode.connect(self._other_mode)
        self._other_mode()

    def _refresh(self, event: Any = None) -> None:
        self._key.setEnabled(bool(self._ends) or not overlays.resting(self._layer))

    def _leave(self) -> None:
        if self._layer is not None:
            self._layer.events.mode.disconnect(self._other_mode)
        self._layer = None

    def _close(self) -> None:
        self._leave()
        self._active.disconnect(self._follow)
        self._key.setEnabled(False)


class Instruction(QObject):
    """What is told of the tool in hand where sentences stand: it goes with the tool, unless something else was said meanwhile."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._told = ""
        session.said.connect(self._said)
        session.tools_down.connect(self.over)

    def tell(self, text: str) -> None:
        """Say how the tool is used."""
        self.session.say(text)
        self._told = text

    def over(self) -> None:
        """The tool is not in hand any more."""
        if self._told:
            self.session.say("")

    def _said(self, text: str) -> None:
        self._told = ""


class MouseTool(QObject):
    """Hears every press of a mouse button in one viewer, and shows a path on pictures meanwhile, in the layer of `role`; Esc ends it."""

    role = Role.LINE

    def __init__(self, session: Session, escaped: Callable[[], None]) -> None:
        super().__init__(session)
        self.session, self._escaped = session, escaped
        self._escape = session.part(Escape)
        session.viewer.mouse_drag_callbacks.append(self._pressed)
        session.closing.connect(self._close)

    def hide(self) -> None:
        """Take what it shows off all pictures."""
        for item in self.session.items:
            layers.remove(self.session.viewer, item.made.pop(self.role, None))

    def _pressed(self, viewer: Any, event: Any) -> Any:
        """napari calls it at every press of a mouse button; what it returns goes on while the mouse moves."""
        raise NotImplementedError

    def _show(self, item: Item, path: Points, made: Callable[..., Any], name: str) -> None:
        """Show a path (n, 2), (y, x) in px, in a layer that `made` makes where there is none."""
        viewer = self.session.viewer
        if self.role not in item.made:
            self.session.adopt(item, self.role, made(viewer, item.layer, f"{item.name} {name}"))
            overlays.hold_still(viewer, True)
        overlays.show_line(item.made[self.role], path, 3 * overlays.pixels_per_screen(viewer, item.layer))

    def _hold_key(self, held: bool) -> None:
        """Esc ends it while it is held."""
        self._escape.hold(self, self._escaped if held else None)

    def _close(self) -> None:
        callbacks = self.session.viewer.mouse_drag_callbacks
        if self._pressed in callbacks:
            callbacks.remove(self._pressed)


class HeldTool(MouseTool):
    """Follows drags on the picture in hand while `held`; subclasses say what is `shown` meanwhile and `take` the line that was dragged.

    `hint` is told when it is taken up, `click` after a press without a drag.
    """

    changed = Signal()
    hint = click = ""

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.put_down)
        self.held = False
        for signal in (session.current_changed, session.tools_down):
            signal.connect(self.put_down)

    def take_up(self) -> None:
        """Take it in hand; all other tools are put down."""
        if (item := self.session.current) is None or self.held:
            return
        self.session.tools_down.emit()
        layers.activate(self.session.viewer, item.layer)
        layers.rest(item.layer)
        self._hold(True)
        self.session.part(Instruction).tell(self.hint)

    def put_down(self) -> None:
        """The mouse moves the picture again."""
        if self.held:
            self._hold(False)
            self.hide()
            self.session.part(Instruction).over()

    def shown(self, item: Item, line: Points) -> None:
        """Show the line (2, 2), (y, x) in px, that is being dragged."""
        raise NotImplementedError

    def take(self, item: Item, line: Points) -> None:
        """A line was dragged."""
        raise NotImplementedError

    def _hold(self, on: bool) -> None:
        self.held = on
        self._hold_key(on)
        overlays.hold_still(self.session.viewer, on)
        self.changed.emit()

    def _pressed(self, viewer: Any, event: Any) -> Any:
        item = self.session.current
        if self.session.closed or not self.held or event.button != 1 or item is None:
            return None
        overlays.hold_still(viewer, True)  # napari lets go of it whenever another layer becomes active
        try:
            return self._drag(self.session.need_seen(item), event)
        except TemsegError as error:
            self.session.say(str(error))
            return None

    def _drag(self, item: Item, event: Any) -> Generator[None, None, None]:
        line = np.stack([overlays.position(item.layer, event.position)] * 2)

        def dragged(moved: Any) -> None:
            line[1] = overlays.position(item.layer, moved.position)
            if item in self.session.items and _length(line) >= LEAST:
                self.shown(item, line.copy())

        moved = yield from moves(event, dragged)
        if item not in self.session.items or not self.held:
            return
        if not moved or _length(line) < LEAST:
            self.session.say(self.click)
            return
        try:
            self.take(item, line)
        except TemsegError as error:
            self.session.say(str(error))  # where the hint stands, for longer than a notification


def _length(line: Points) -> float:
    return float(np.hypot(*(line[1] - line[0])))
