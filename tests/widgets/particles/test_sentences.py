"""Columns and flags in words for people."""

from __future__ import annotations

from typing import Any

import pandas as pd

from napari_temseg.engine.types.confidence import Doubts
from napari_temseg.widgets.particles.distribution_dock import open_distribution
from napari_temseg.widgets.particles.sentences import counted, doubted
from napari_temseg.widgets.session.results.wording import in_doubt, raised


def test_words_for_people(viewer: Any, open_bench: Any, picture: Any, wait_jobs: Any, qtbot: Any, adopt: Any) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    bench.go(3)
    bench.panel(1).one.click()
    qtbot.waitUntil(lambda: bench.panel(3).note.text() == "Waits for particles: this image is being searched.")
    bench.session.jobs.cancel()
    wait_jobs(bench.session)
    assert bench.panel(3).note.text() == "Waits for particles: find them first (step 2)."
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
    assert counted(table) == "4 particles · 2 at the edge, not counted · 2 excluded, 1 of them at the edge"
    assert counted(table[:1]) == "1 particle · 1 at the edge, not counted · 1 excluded, at the edge"
    assert counted(table[1:3]) == "2 particles · 1 excluded"


def test_a_clear_seam_looks_like_two_a_faint_one_may_be() -> None:
    found = Doubts({5: 0.7, 2: 0.6, 9: 0.8}, {(3, 4): 0.4}, {5: 9.0, 2: 5.0, 9: 4.5}, (0.55, 0.75, 0.95))
    assert in_doubt(found, 58) == ["1 of 58 looks like two or more, 2 more may be", "1 pair of pieces looks like one"]
    assert in_doubt(found.among([2, 9]), 58) == ["2 of 58 may be two or more"]
    assert in_doubt(Doubts(), 58) == []
    assert doubted(found, 5).startswith(" It looks like two or more: Split these")
    assert doubted(found, 2).startswith(" It may be two or more")
    assert raised(found, 0.8) == "Splitting is raised to 0.80: 3 that may be two come apart, and 2 that show no seam."
    assert raised(found.among([5]), 0.7) == "Splitting is raised to 0.70: 1 that may be two comes apart, and 1 that shows no seam."
