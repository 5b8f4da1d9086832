"""Columns and flags in words for people."""

from __future__ import annotations

from typing import Any

import pandas as pd

from napari_temseg.widgets.particles.distribution_dock import open_distribution
from napari_temseg.widgets.particles.sentences import counted


def test_words_for_people(viewer: Any, open_bench: Any, picture: Any, wait_jobs: Any, qtbot: Any, adopt: Any) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    adopt(bench.session, bench.session.current, picture.instances)
    below = open_distribution(bench.session)
    qtbot.waitUntil(lambda: len(below.histogram.distribution.values) > 0, timeout=10_000)
    assert below.column.currentText() == "equivalent circular diameter"
    assert below.histogram.getAxis("bottom").labelText == "equivalent circular diameter (px)"
    model = below.table.particles
    flags = {model.text(row, "flags") for row in range(len(model.rows))}
    assert any("at the edge" in text for text in flags)
    assert not any("frame" in text or "cut" in text for text in flags)


def test_an_excluded_particle_at_the_edge_is_told_so() -> None:
    table = pd.DataFrame({"frame": [True, False, False, True], "excluded": ["damaged", "damaged", "", ""]})
    assert counted(table) == "4 particles · 2 at the edge · 2 excluded, 1 of them at the edge"
    assert counted(table[:1]) == "1 particle · 1 at the edge · 1 excluded, at the edge"
    assert counted(table[1:3]) == "2 particles · 1 excluded"
