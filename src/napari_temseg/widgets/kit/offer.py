"""A sentence on something that is offered, with the buttons that take it or leave it."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_temseg.widgets.kit.brief import Brief
from napari_temseg.widgets.kit.style import highlight, row

OFFER_LINES = 2  # of what is offered: the panel above it needs the room


class OfferBar(QWidget):
    """Hidden where nothing is offered. The first button is the next sensible one."""

    def __init__(self, parent: QWidget | None, *buttons: QPushButton) -> None:
        super().__init__(parent)
        self.text = Brief(OFFER_LINES, "heading")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.text)
        layout.addWidget(row(buttons, (1,) * len(buttons)))
        highlight(buttons[0])

    def offer(self, text: str) -> bool:
        """Say what is offered, "" for nothing; returns whether there is something."""
        self.text.setText(text)
        self.setVisible(bool(text))
        return bool(text)

    def refresh(self, *_: Any) -> None:
        """Follow the session."""
        raise NotImplementedError
