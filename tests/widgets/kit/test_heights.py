"""No row is higher in a wider place, whatever it says, and a place whose content is odd all the same comes to rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QApplication, QCheckBox, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_temseg.widgets.kit.brief import Brief
from napari_temseg.widgets.kit.offer import OfferBar
from napari_temseg.widgets.kit.scrolling import BAR_WIDTH, Scrolling
from napari_temseg.widgets.kit.style import ElidedButton, FoldingRow, Still, hint, row

STYLES = ("", "QLabel { padding: 4px; } QPushButton { padding: 6px; }")
WORDS = st.sampled_from(
    ("a", "of", "particles", "12.3 nm", "17 %", "“x+1”", "IoU 0.998;", "{0}", "<b>", "a_grid_with_a_long_name_2024-05-03.dm4")
)
TEXTS = st.lists(WORDS, max_size=60).map(" ".join)


def brief(text: str, *, opened: bool = False) -> QWidget:
    made = Brief(3, "hint")
    made.setText(text)
    if opened:
        made.linkActivated.emit("more")
    return made


def offer(text: str) -> QWidget:
    made = OfferBar(None, QPushButton("Yes"), QPushButton("No"))
    made.offer(text or "this")
    return made


def folding(text: str) -> QWidget:
    field = QLineEdit()
    field.setMinimumWidth(110)
    return FoldingRow([row([field], (1,)), row([QCheckBox("all columns"), QLabel(text[:40])], (1, 0))])


def elided(text: str) -> QWidget:
    made = ElidedButton("", print)
    made.set_text(text, text[:8])
    return made


ROWS: dict[str, Callable[[str], QWidget]] = {
    "words": hint,
    "words with room": lambda text: hint(text, lines=2),
    "brief": brief,
    "brief, opened": lambda text: brief(text, opened=True),
    "offer": offer,
    "still": lambda text: Still(hint(text)),
    "folding": folding,
    "elided": elided,
    "label and button": lambda text: row([hint(text), QPushButton("x")], (1, 0)),
}


@pytest.mark.parametrize("kind", ROWS)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS, style=st.sampled_from(STYLES))
def test_a_wider_place_never_takes_more_height(qapp: Any, kind: str, text: str, style: str) -> None:
    top = QWidget()
    top.setStyleSheet(style)
    layout, content = QVBoxLayout(top), ROWS[kind](text)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(content)
    layout.addStretch(1)
    top.show()
    last = None
    for width in range(220, 480, 4):
        top.resize(width, 2000)
        for _ in range(3):
            QApplication.sendPostedEvents()
        needed = layout.totalHeightForWidth(width) if layout.hasHeightForWidth() else layout.totalMinimumSize().height()
        if layout.hasHeightForWidth():  # what is forecast of other places
            assert layout.totalHeightForWidth(width - BAR_WIDTH) >= needed >= layout.totalHeightForWidth(width + BAR_WIDTH)
        if isinstance(content, Brief):
            assert QLabel.heightForWidth(content, width) <= content.height(), "the text that is shown has room"
        assert last is None or (content.height() <= last[0] and needed <= last[1]), f"{width} px"
        last = content.height(), needed
    top.close()
    top.deleteLater()


class Odd(QWidget):
    """Higher where it is wider."""

    asked = 0

    def hasHeightForWidth(self) -> bool:  # noqa: N802  Qt's name
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802  Qt's name
        self.asked += 1
        return self.sizeHint().height()

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        return QSize(100, 400 if self.width() >= 200 - BAR_WIDTH // 2 else 100)

    minimumSizeHint = sizeHint  # noqa: N815  Qt's name


def test_a_place_comes_to_rest_whatever_it_holds(qtbot: Any) -> None:
    """Qt shows and hides a bar that takes its room from such a content until the stack is full."""
    content = Odd()
    policy = content.sizePolicy()
    policy.setHeightForWidth(True)
    content.setSizePolicy(policy)
    area = Scrolling(content)
    qtbot.addWidget(area)
    area.resize(200, 200)
    area.show()
    for height in (200, 190, 100, 99, 98, 401):
        area.resize(200, height)
        content.updateGeometry()
        for _ in range(20):
            QApplication.sendPostedEvents()
        asked = content.asked
        for _ in range(20):
            QApplication.sendPostedEvents()
        assert content.asked == asked, "nothing asks any more"


def test_what_scrolls_is_as_wide_with_its_bar_as_without(qtbot: Any) -> None:
    content = QWidget()
    content.setMinimumHeight(300)
    area = Scrolling(content)
    qtbot.addWidget(area)
    area.show()
    widths, grounds = [], []
    for height in (400, 200):
        area.resize(200, height)
        qtbot.waitUntil(lambda height=height: (area.verticalScrollBar().maximum() > 0) == (height < 300))
        widths.append(content.width())
        picture = area.grab().toImage()
        colours = {picture.pixelColor(x, y).name() for x in range(200 - BAR_WIDTH, 200) for y in range(height)}
        grounds.append(colours == {picture.pixelColor(5, 5).name()})
    assert widths == [200 - BAR_WIDTH] * 2
    assert grounds == [True, False], "a bar that has nothing to scroll is not seen"


def test_what_comes_to_a_place_squeezes_no_row_for_a_moment(qtbot: Any) -> None:
    """A bar of progress draws itself, and with it the whole window, before Qt has laid out what is in the area."""
    content = QWidget()
    layout = QVBoxLayout(content)
    buttons = [QPushButton(str(number)) for number in range(6)]
    for each in buttons:
        layout.addWidget(each)
    buttons[-1].hide()
    area = Scrolling(content)
    qtbot.addWidget(area)
    area.show()
    area.resize(200, layout.totalMinimumSize().height())
    qtbot.waitUntil(lambda: content.height() == area.height())
    before = [each.geometry() for each in buttons[:-1]]
    buttons[-1].show()  # and no event is worked off
    assert [each.geometry() for each in buttons[:-1]] == before
