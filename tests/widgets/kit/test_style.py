"""Words that fit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QCheckBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_temseg.widgets.kit.style import FoldingRow, Still, faded, hint, row, theme_colours


def test_a_long_name_may_be_broken_and_a_path_is_left_as_it_is(qtbot: Any) -> None:
    from qtpy.QtWidgets import QLabel

    label = hint("Session_2024-05-03_grid_07_square_12.dm4: merging 2 particles.")
    qtbot.addWidget(label)
    assert "\u200b" in QLabel.text(label)
    assert "\u200b" not in label.text()
    label.setText("Written: /home/somebody/a_very_long_folder_name_indeed/report.html.")
    assert QLabel.text(label) == label.text()


def test_a_number_stays_with_its_unit(qtbot: Any) -> None:
    label = hint("D50 214 nm (95 %: 174 to 259), 3 pxs")
    qtbot.addWidget(label)
    assert QLabel.text(label) == "D50 214\u00a0nm (95\u00a0%: 174 to 259), 3 pxs"
    assert label.text() == "D50 214 nm (95 %: 174 to 259), 3 pxs"


def test_what_does_not_count_can_be_read_in_both_themes() -> None:
    def light(colour: str) -> float:
        parts = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
        linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for theme in ("dark", "light"):
        colours = theme_colours(SimpleNamespace(theme=theme))
        high, low = sorted((light(faded(colours["text"], colours["background"])), light(colours["background"])), reverse=True)
        assert (high + 0.05) / (low + 0.05) > 4.5, theme  # as WCAG 2.1 wants it of text


def test_another_sentence_lays_nothing_out_anew_unless_it_is_higher(qtbot: Any) -> None:
    """Each layout has the whole window drawn once more."""

    class Top(QWidget):
        asked = 0

        def event(self, event: Any) -> bool:
            self.asked += event.type() == QEvent.Type.LayoutRequest
            return super().event(event)

    top, label = Top(), hint("one", lines=2)
    qtbot.addWidget(top)
    layout = QVBoxLayout(top)
    still = Still(label)
    layout.addWidget(still)
    layout.addStretch(1)
    top.resize(200, 300)
    top.show()
    qtbot.waitUntil(lambda: label.width() == still.width() > 100)
    QApplication.processEvents()
    before, height = top.asked, still.height()
    label.setText("another")
    QApplication.processEvents()
    assert (top.asked, still.height()) == (before, height)
    label.setText("a sentence that is so long that it takes more room than is kept for it, " * 3)
    qtbot.waitUntil(lambda: still.height() > height)
    assert label.height() == still.height() >= label.heightForWidth(label.width())


def test_controls_without_room_side_by_side_are_one_below_another_and_whole(qtbot: Any) -> None:
    filter_, tick, count = QLineEdit(), QCheckBox("all columns"), QLabel("4 selected")
    filter_.setMinimumWidth(110)
    first, second = row([filter_], (1,)), row([tick, count], (1, 0))
    top = FoldingRow([first, second])
    top.setMinimumWidth(200)
    qtbot.addWidget(top)
    top.show()
    for width, folded in ((500, False), (200, True), (500, False)):
        top.resize(width, 60)
        qtbot.waitUntil(lambda width=width: top.width() == width)
        top.layout().activate()
        assert (second.y() > first.y()) == folded
        for each in (tick, count):
            assert each.width() >= each.sizeHint().width()
            assert second.x() + each.x() + each.width() <= width
    count.setText("4 selected of 10000, which is more than there is room for beside the others")
    qtbot.waitUntil(lambda: second.y() > first.y())
