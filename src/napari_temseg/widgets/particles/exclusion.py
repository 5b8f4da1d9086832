"""Why a particle is left out of the distribution: the reasons to choose from."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QInputDialog, QMenu, QWidget

from napari_temseg.widgets.kit.style import later

NOT_A_PARTICLE = "not a particle"
REASONS = ("&overlapping", "out of &focus", "&cut off", f"&{NOT_A_PARTICLE}", "&damaged")  # & stands before the key of each


class ReasonMenu(QMenu):
    """Asks for a reason and hands it over."""

    def __init__(self, parent: QWidget, chosen: Callable[[str], None]) -> None:
        super().__init__(parent)
        self._chosen = chosen
        for reason in REASONS:
            self.addAction(reason).triggered.connect(later(chosen, reason.replace("&", "")))
        self.addSeparator()
        self.addAction("o&ther…").triggered.connect(later(self._ask))

    def _ask(self) -> None:
        text, ok = QInputDialog.getText(self.parentWidget(), "Exclude particles", "Why do they not count?")
        if ok and text.strip():
            self._chosen(text.strip())
