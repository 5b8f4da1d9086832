"""What the planes of a stack are: asked once, with a button a meaning."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_temseg.widgets.kit.style import button, hint, row

if TYPE_CHECKING:
    from napari_temseg.widgets.session.session import Session

_AXES = (
    ("NYX", "fields", "Different places of one sample: every plane counts as a picture of its own."),
    ("TYX", "time", "The same place again and again: planes show the same particles."),
    ("ZYX", "depth", "Sections or slices through one specimen."),
)


class AxesQuestion(QWidget):
    """Asks once what the planes of a stack are; hidden when there is nothing to ask."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.text = hint(role="warning")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addWidget(row([button(name, tip, partial(self._said, axes)) for axes, name, tip in _AXES], (1, 1, 1)))
        for signal in (session.items_changed, session.current_changed, session.item_changed):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Follow the session."""
        item = self.session.current
        self.setVisible(item is not None and item.asks_axes)
        if item is not None:
            self.text.setText(f"What are the {item.n_planes} planes of {item.name}?")

    def _said(self, axes: str) -> None:
        if self.session.current is not None:
            self.session.set_axes(self.session.current, axes)
