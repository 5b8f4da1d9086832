"""Every column and statistic is defined once, with a version that travels with the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.measure import descriptors
from napari_temseg.engine.measure.descriptors import DESCRIPTORS, DISTRIBUTION_STATISTICS, redefined, versions

DISC = np.hypot(*np.mgrid[-12:13, -12:13]) < 9


def test_every_statistic_of_a_summary_is_defined() -> None:
    summary = temseg.size_distribution([temseg.measure(DISC.astype(np.int32))]).summary()
    words = {"column", "unit", "caution", "interval_basis"}
    assert set(summary) - words == set(DISTRIBUTION_STATISTICS)


def test_a_table_tells_the_versions_it_was_measured_by(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = temseg.measure(DISC.astype(np.int32))
    assert measured.table.attrs["definitions"] == versions()
    monkeypatch.setitem(DESCRIPTORS, "perimeter", DESCRIPTORS["perimeter"]._replace(version=9))
    again = temseg.measure(DISC.astype(np.int32))
    assert again.table.attrs["definitions"]["perimeter"] == 9
    assert measured.table.attrs["definitions"]["perimeter"] == 3


def test_what_was_defined_otherwise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    before: dict[str, Any] = versions()
    assert redefined(before) == []
    changed = redefined({})  # since version 1
    assert {"perimeter (1 → 3)", "largest Feret diameter (1 → 2)"} <= set(changed)
    assert not {name for name in changed if name.startswith(("area", "equivalent", "solidity"))}
    monkeypatch.setitem(DESCRIPTORS, "feret_min", DESCRIPTORS["feret_min"]._replace(version=3))
    assert redefined(before) == ["smallest Feret diameter (2 → 3)"]
    assert descriptors.definitions("nm")["feret_min_nm"].version == 3
