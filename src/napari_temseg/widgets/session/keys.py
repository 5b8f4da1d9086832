"""Keys that napari leaves free, on the canvas, in our dock and in the list of layers; whoever is there first keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit, QWidget

from napari_temseg.widgets.canvas.main_window import press_key
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.session.session import Session

Actions = dict[str, Callable[[], Any]]
BRUSH_KEYS = ("E", "P")  # napari's own for eraser and brush: a choice or a table would take them for the beginning of a name


def bind_brush_in(widget: QWidget, viewer: Any) -> None:
    """napari's keys of the brush while the keyboard is in a widget or what is in it."""
    bind_in(widget, {key: partial(press_key, viewer, key) for key in BRUSH_KEYS})


class Keys(QObject):
    """Keys ("J", "Shift-U" …) of one viewer, wherever the keyboard is in its window; given back when it closes."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._actions: Actions = {}
        self._boxes: list[tuple[QWidget, tuple[str, ...]]] = []
        self._bound: list[str] = []
        session.closing.connect(self._release)

    def use(self, actions: Actions) -> None:
        """What keys do from now on, also those that did something else for us before; keys that others have bound are left alone."""
        new = [key for key in actions if key not in self._actions]
        self._actions |= actions
        for box, but in self._boxes:
            self._bind_in(box, new, but)
        for key in actions:
            if key not in self._bound and self._bind(key):
                self._bound.append(key)

    def also_in(self, box: QWidget, but: tuple[str, ...] = ()) -> None:
        """Have a widget and all in it obey them too, except for some: lists and choices would take letters for the beginning of a name.

        A field for text keeps what can be typed.
        """
        if any(box is known for known, _ in self._boxes):  # the dock was opened once more; Qt does nothing where two wait for a key
            return
        self._boxes.append((box, but))
        self._bind_in(box, self._actions, but)

    def _bind_in(self, box: QWidget, keys: Iterable[str], but: tuple[str, ...]) -> None:
        made = bind_in(box, {key: partial(self._act, key) for key in keys if key not in but})
        for each in made:
            self.session.closing.connect(each.deleteLater)  # the box may be napari's own

    def _act(self, key: str) -> None:
        typed_counts()
        self._actions[key]()

    def _bind(self, key: str) -> bool:
        def pressed(viewer: Any) -> None:
            guarded(self._actions[key])

        try:
            self.session.viewer.bind_key(key, pressed)
        except ValueError:  # somebody has bound it before
            return False
        return True

    def _release(self) -> None:
        for key in self._bound:
            self.session.viewer.bind_key(key, None)
        self._bound.clear()


def typed_counts() -> None:
    """Have what somebody is typing taken over, as a click on a button would: a function key leaves the field as it is."""
    field = QApplication.focusWidget()
    if isinstance(field, QLineEdit | QAbstractSpinBox):
        field.clearFocus()


def bind_in(widget: QWidget, actions: Actions) -> list[QShortcut]:
    """The same keys while the keyboard is in a widget or what is in it."""
    made = [QShortcut(QKeySequence(key.replace("-", "+")), widget, partial(guarded, action)) for key, action in actions.items()]
    for shortcut in made:
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    return made
