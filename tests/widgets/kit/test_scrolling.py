"""Scroll bars, and what is drawn where there is little room."""

from __future__ import annotations

from typing import Any

from napari_temseg.widgets.kit.forms import folded
from napari_temseg.widgets.kit.plots import Plot
from napari_temseg.widgets.kit.scrolling import Scrolling
from napari_temseg.widgets.kit.style import hint


def test_a_bar_goes_when_without_it_all_fits(qtbot: Any) -> None:
    label = hint()
    area = Scrolling(label)
    qtbot.addWidget(area)
    area.resize(160, 200)
    area.show()
    bar, whole = area.verticalScrollBar(), area.maximumViewportSize()
    long = "a word " * 120
    label.setText(long)
    qtbot.waitUntil(bar.isVisible)
    beside = area.viewport().width()

    def higher_beside_a_bar(n: int) -> bool:
        label.setText(long[:n])
        return bool(label.heightForWidth(whole.width()) <= whole.height() < label.heightForWidth(beside))

    assert any(higher_beside_a_bar(n) for n in range(len(long), 0, -1))
    qtbot.waitUntil(lambda: not bar.isVisible() and label.width() == whole.width())
    label.setText(long)
    qtbot.waitUntil(bar.isVisible)


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
