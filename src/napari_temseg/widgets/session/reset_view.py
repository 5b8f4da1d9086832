"""Home shows the whole of what is visible, and a picture that fits the canvas still does when that changes its size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.settings import get_settings
from qtpy.QtCore import QObject

from napari_temseg.widgets.canvas import layers

if TYPE_CHECKING:
    from napari_temseg.widgets.session.session import Session

ACTION = "napari:reset_view"


class ResetView(QObject):
    """Goes on where napari's Home button and its key end: those make room for hidden pictures too, which may be a thousand times as large.

    The button's own doing comes first and ours after it; the key, whatever the user has made it, is given back at the end.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.viewer = session.viewer
        self.session = session
        self._keys: list[Any] = []
        self._size = tuple(self.viewer.canvas.size)
        self.viewer.canvas.events.size.connect(self._resized)
        self._button = layers.home_button(self.viewer)
        if self._button is not None:
            self._button.clicked.connect(self._pressed)
        self._shortcuts = get_settings().shortcuts
        self._shortcuts.events.shortcuts.connect(self._bind)
        self._bind()
        session.closing.connect(self._let_go)

    def _pressed(self, *_: Any) -> None:
        layers.fit_shown(self.viewer)

    def _resized(self, event: Any = None) -> None:
        """The window was maximised, or a dock came or went."""
        before, self._size = self._size, tuple(self.viewer.canvas.size)
        item = self.session.current
        if item is not None and before != self._size and layers.fits(self.viewer, item.layer, before):
            layers.fit(self.viewer, item.layer)

    def _bind(self, event: Any = None) -> None:
        self._unbind()
        for key in self._shortcuts.shortcuts.get(ACTION, ()):
            if key not in self.viewer.keymap:  # else somebody has bound it for this viewer
                self.viewer.bind_key(key, layers.fit_shown)
                self._keys.append(key)

    def _unbind(self) -> None:
        for key in self._keys:
            if self.viewer.keymap.get(key) is layers.fit_shown:
                self.viewer.bind_key(key, None)
        self._keys.clear()

    def _let_go(self) -> None:
        self._unbind()
        self.viewer.canvas.events.size.disconnect(self._resized)
        self._shortcuts.events.shortcuts.disconnect(self._bind)
        if self._button is not None:
            self._button.clicked.disconnect(self._pressed)
