"""Scroll bars, and what is drawn where there is little room."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QComboBox, QSlider, QSpinBox, QVBoxLayout, QWidget

from napari_temseg.widgets.kit.forms import folded
from napari_temseg.widgets.kit.plots import Plot
from napari_temseg.widgets.kit.scrolling import Scrolling


def test_the_wheel_scrolls_and_turns_no_number_it_passes_over(qtbot: Any) -> None:
    content = QWidget()
    layout = QVBoxLayout(content)
    area = Scrolling(content)
    qtbot.addWidget(area)
    area.resize(200, 200)
    area.show()
    number, choice, slider = QSpinBox(), QComboBox(), QSlider(Qt.Orientation.Horizontal)  # as rows of a list come later
    choice.addItems(["a", "b", "c"])
    choice.setCurrentIndex(1)
    for each in (number, choice, slider):
        if not isinstance(each, QComboBox):
            each.setValue(50)
        each.setMinimumHeight(300)
        layout.addWidget(each)
    bar = area.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 500)
    for each in (number, choice, slider):
        each.setFocus()  # one was just typed in
        area.ensureWidgetVisible(each)
        before = bar.value()
        here = each.mapTo(area, each.visibleRegion().boundingRect().center())
        QTest.wheelEvent(area.windowHandle(), here, QPoint(0, 120 if before else -120))
        assert bar.value() != before
    assert (number.value(), choice.currentIndex(), slider.value()) == (50, 1, 50)


def test_the_name_of_an_axis_is_in_its_middle(viewer: Any, open_bench: Any, qtbot: Any) -> None:
    plot = Plot(open_bench(viewer).session)
    qtbot.addWidget(plot)
    plot.resize(300, 240)
    plot.show()
    axis = plot.getAxis("left")
    for text in ("n", "percentage of all particles"):
        plot.label("left", text)
        shown = axis.label.mapRectToParent(axis.label.boundingRect())
        assert abs(shown.center().y() - axis.size().height() / 2) <= 1


def test_a_fold_tells_in_the_colour_of_its_words_whether_it_is_open(qtbot: Any) -> None:
    fold = folded("more on splitting", "")
    qtbot.addWidget(fold)
    assert fold.text() == "▸ more on splitting"
    fold.toggleButton().click()
    assert fold.text() == "▾ more on splitting"
    fold.collapse(animate=False)
    assert fold.text() == "▸ more on splitting"
    picture = fold.toggleButton().icon().pixmap(9).toImage()
    assert all(picture.pixelColor(x, y).alpha() == 0 for x in range(picture.width()) for y in range(picture.height()))
