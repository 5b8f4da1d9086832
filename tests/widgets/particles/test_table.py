"""The table alone: what a line of text shows, order, text, clipboard; without a viewer, but in a real view."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt

from napari_temseg.engine.measure.descriptors import definitions
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.particles.row_filter import matching
from napari_temseg.widgets.particles.table import ParticleTable, number_text, title


def rows(n: int = 6) -> pd.DataFrame:
    """A table as `measure` makes it, with invented numbers."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: rng.uniform(0.5, 1, n) for name in definitions("nm")})
    table["ecd_nm"] = np.arange(10, 10 + n, dtype=float)
    for name in ("plane", "aggregate"):
        table[name] = 0
    table["particle"] = np.arange(1, n + 1)
    table["image"], table["class"], table["excluded"] = "grid_07", "rod", ""
    for name in ("frame", "cut", "small", "lossy", "reviewed"):
        table[name] = False
    table.loc[0, "frame"] = True
    table.loc[1, "excluded"] = "out of focus"
    return table.astype(dict.fromkeys(("image", "class", "excluded"), "str"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [1, 2, 3, 4, 5, 6]),
        ("ecd_nm > 12", [4, 5, 6]),
        ("ecd >= 12 and ecd < 14", [3, 4]),
        ("ecd < 11 or (ecd > 13 and not particle = 6)", [1, 5]),
        ("frame", [1]),
        ("not frame and excluded = ''", [3, 4, 5, 6]),
        ("excluded == 'out of focus'", [2]),
        ("FOCUS", [2]),
        ("rod", [1, 2, 3, 4, 5, 6]),
        ("4", [4]),
        ("frame = yes", [1]),
    ],
)
def test_filter(text: str, found: list[int]) -> None:
    table = rows()
    assert table["particle"][matching(table, text)].tolist() == found


@pytest.mark.parametrize(
    "text",
    ["ecd >", "ecd > foo", "nothing > 3", "(ecd > 3", "ecd > 3 ecd < 4", "ecd", "frame > 2", "excluded = 'open", "> 3", "ecd > 3 and"],
)
def test_a_filter_not_understood_says_so(text: str) -> None:
    with pytest.raises(TemsegError):
        matching(rows(), text)


def test_a_filter_runs_nothing() -> None:
    with pytest.raises(TemsegError):
        matching(rows(), "ecd > __import__('os').getpid()")


def test_numbers_have_four_digits() -> None:
    assert [number_text(value) for value in (33.6419, 0.93321, 12345.6, 0.0, float("nan"), 2e-5)] == [
        "33.64",
        "0.9332",
        "12346",
        "0.000",
        "–",
        "2.00e-05",
    ]
    assert title("feret_max_nm", "nm") == "feret max nm"
    assert title("area_nm2", "nm²") == "area nm²"
    assert title("circularity", "") == "circularity"


def headers(view: Any) -> list[str]:
    model = view.particles
    return [model.headerData(i, Qt.Orientation.Horizontal) for i in range(model.columnCount())]


def test_view(qtbot: Any) -> None:
    view = ParticleTable()
    qtbot.addWidget(view)
    model = view.particles
    model.set_table(rows())
    assert headers(view)[:4] == ["particle", "class", "ecd nm", "feret max nm"]
    assert "plane" not in headers(view)
    tip = model.headerData(2, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
    assert "circular diameter" in tip
    assert model.data(model.index(0, headers(view).index("flags"))).split(", ")[0] == "at the edge"
    view.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    assert model.data(model.index(0, 0)) == "6"
    model.set_filter("ecd < 13")
    assert [model.data(model.index(i, 0)) for i in range(model.rowCount())] == ["3", "2", "1"]
    with pytest.raises(TemsegError):
        model.set_filter("ecd <")
    assert model.rowCount() == 3
    model.set_everything(True)
    assert model.columnCount() == len(definitions("nm")) - 1
    model.set_table(None)
    assert model.rowCount() == 0


def test_selection_both_ways_and_clipboard(qtbot: Any, press: Any, clipboard: Any) -> None:
    view = ParticleTable()
    qtbot.addWidget(view)
    view.show()
    view.particles.set_table(rows())
    picked: list[list[int]] = []
    view.picked.connect(picked.append)
    view.show_selected([False, True, True, False, False, True])
    assert view.selected_rows().tolist() == [1, 2, 5]
    assert not picked
    view.selectRow(4)
    assert picked[-1] == [4]
    view.show_selected([False, True, False, False, False, False])
    press(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = clipboard.text().split("\n")
    assert lines[0].split("\t")[:3] == ["particle", "class", "ecd_nm"]
    assert len(lines) == 2
    assert lines[1].startswith("2\trod\t11\t")


def test_five_thousand_rows(qtbot: Any) -> None:
    view = ParticleTable()
    qtbot.addWidget(view)
    view.show()
    table = rows(5000)
    view.particles.set_table(table)
    view.sortByColumn(5, Qt.SortOrder.DescendingOrder)
    view.particles.set_filter("ecd > 100")
    view.show_selected(np.arange(5000) % 3 == 0)
    assert len(view.selected_rows()) == len([i for i in range(91, 5000) if i % 3 == 0])
