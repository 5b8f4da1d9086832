"""The ruler: how long a line across the picture is, and the grey values along it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QDialog, QVBoxLayout

from napari_temseg.engine.types.units import length_words
from napari_temseg.widgets.canvas import micrograph_layer, overlays
from napari_temseg.widgets.canvas.main_window import window_of
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.kit.plots import Plot
from napari_temseg.widgets.kit.style import button, hint, sheet
from napari_temseg.widgets.session.held_tool import HeldTool, Points

if TYPE_CHECKING:
    from napari_temseg.engine.interactive.line_profile import LineProfile
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class Ruler(HeldTool):
    """Measures what is dragged; `profile` is that of the last line, shown in a window of its own until the ruler is put down."""

    role = Role.LENGTH
    hint = "Drag a line: its length, and the grey values along it. Esc ends."
    click = "A click has no length: hold the button down and drag."

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.profile: LineProfile | None = None
        self.window: ProfileWindow | None = None
        session.closing.connect(self._drop_window)

    def shown(self, item: Item, line: Points) -> None:
        """The line and its length so far."""
        self._show(item, line, overlays.add_ruler_line, "ruler")
        self.session.say(_length(self._measured(item, line)))

    def take(self, item: Item, line: Points) -> None:
        """The line stays until the next one."""
        self.profile = self._measured(item, line)
        self.session.say(_length(self.profile))
        if self.window is None:
            self.window = ProfileWindow(self.session)
            self.window.finished.connect(self._closed)
        self.window.tell(item.name, self.profile)
        self.window.show()

    def put_down(self) -> None:
        """Line and window go with it."""
        super().put_down()
        self._drop_window()

    def _measured(self, item: Item, line: Points) -> LineProfile:
        from napari_temseg.engine.interactive.line_profile import line_profile

        ends = [np.floor(line.min(axis=0)), np.ceil(line.max(axis=0)) + 1]
        top, left, bottom, right = (int(np.clip(each, 0, side)) for end in ends for each, side in zip(end, item.frame, strict=True))
        rows = slice(min(top, item.frame[0] - 1), max(bottom, 1))
        columns = slice(min(left, item.frame[1] - 1), max(right, 1))
        image = micrograph_layer.window(item.layer, self.session.shown_plane(item), rows, columns)
        origin = np.array([rows.start, columns.start], float)
        return line_profile(image, line[0] - origin, line[1] - origin, item.calibration)

    def _drop_window(self) -> None:
        if (window := self.window) is not None:
            self.window = None
            window.close()

    def _closed(self, *_: Any) -> None:
        self.window = None


class ProfileWindow(QDialog):
    """Grey values along the last line; not modal."""

    def __init__(self, session: Session) -> None:
        super().__init__(window_of(session.viewer))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Line profile")
        self.resize(420, 260)
        self.session = session
        self._profile: LineProfile | None = None
        self.text, self.plot = hint(), Plot(session)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(self.plot, 1)
        self.copy = button("Copy values", "Copy distances and grey values as two columns, for a spreadsheet.", self._copy)
        layout.addWidget(self.copy)
        self.setStyleSheet(sheet(session.viewer))

    def tell(self, name: str, profile: LineProfile) -> None:
        """Show the profile of a line."""
        self._profile = profile
        self.text.setText(f"{name}: {_length(profile)}")
        self.plot.clear()
        self.plot.plot(profile.distance, profile.values, pen=self.plot.colours["text"])
        self.plot.label("bottom", f"distance ({profile.unit})")
        self.plot.label("left", "grey value")

    def _copy(self) -> None:
        if (profile := self._profile) is not None:
            rows = [f"{distance:.6g}\t{value:.6g}" for distance, value in zip(profile.distance, profile.values, strict=True)]
            QGuiApplication.clipboard().setText("\n".join([f"distance ({profile.unit})\tgrey value", *rows]))
            self.session.say(f"Copied {len(rows)} values of the line profile.")


def _length(profile: LineProfile) -> str:
    """“12.4 nm (59.1 px)”."""
    pixels = f"{profile.pixels:.1f} px"
    return f"Length: {pixels}." if profile.unit == "px" else f"Length: {length_words(profile.length, profile.unit, 4)} ({pixels})."
