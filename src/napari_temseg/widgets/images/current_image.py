"""The micrograph in hand: which it is, its pixel size, and what the planes of a stack are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_temseg.widgets.canvas import micrograph_layer
from napari_temseg.widgets.images.calibration_dialog import ask_calibration
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.kit.greyed import NO_IMAGE, allow
from napari_temseg.widgets.kit.style import NameBox, row

if TYPE_CHECKING:
    from napari_temseg.engine.types.micrograph import Calibration
    from napari_temseg.widgets.session.session import Session

MARGINS = 14  # px of a button beside its text


class SizeButton(QPushButton):
    """A pixel size and where it came from; in a narrow dock the size alone, and the rest in the tooltip."""

    def __init__(self, action: Callable[[], Any]) -> None:
        super().__init__()
        self._described = "–"
        self.clicked.connect(lambda *_: guarded(action))
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_size(self, calibration: Calibration | None) -> None:
        """Say what is known of a picture, None when there is none."""
        self._described = "–" if calibration is None else calibration.describe()
        known = calibration is not None and calibration.pixel_size is not None
        what = f"Pixel size of this image and where it came from: {self._described}" if known else "No pixel size is known: sizes are in px"
        self.setToolTip(f"{what}. Click to change it.")
        self.setAccessibleName(f"pixel size: {self._described}")
        self._fit()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Show as much as there is room for."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        short = self._described.partition(" · ")[0].removesuffix(" (px)")
        room = self.width() - MARGINS
        fits = self.fontMetrics().horizontalAdvance(self._described) <= room
        self.setText(self._described if fits else self.fontMetrics().elidedText(short, Qt.TextElideMode.ElideRight, room))


class CurrentImage(QWidget):
    """The micrograph in hand and its calibration."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.choice = NameBox()
        self.choice.setAccessibleName("micrograph in hand")
        self.choice.setToolTip("The micrograph in hand; selecting one of its layers takes it in hand too.")
        self.choice.setSizeAdjustPolicy(NameBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.choice.setMinimumContentsLength(6)
        self.choice.activated.connect(self._chosen)
        self.calibration = SizeButton(self._calibrate)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row([self.choice, self.calibration], (1, 1)))
        for signal in (session.items_changed, session.current_changed, session.item_changed):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Follow the session."""
        session, item = self.session, self.session.current
        self.choice.clear()
        self.choice.addItems([each.name for each in session.items] or ["no image"])
        for index, each in enumerate(session.items):
            self.choice.setItemData(index, micrograph_layer.path_of(each.layer) or each.name, Qt.ItemDataRole.ToolTipRole)
        allow(self.choice, "" if session.items else NO_IMAGE)
        if item in session.items:
            self.choice.setCurrentIndex(session.items.index(item))
        self.calibration.show_size(item.calibration if item is not None else None)
        allow(self.calibration, "" if item is not None else NO_IMAGE)

    def _chosen(self, index: int) -> None:
        if index < len(self.session.items):
            self.session.set_current(self.session.items[index])
            self.session.reveal()

    def _calibrate(self) -> None:
        ask_calibration(self.session, self)
