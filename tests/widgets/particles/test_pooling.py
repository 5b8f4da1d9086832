"""The number in a real viewer is that of the report: D50, its interval with segmentation, and the verdict."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from scipy import stats

import napari_temseg as temseg
from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.types.results import Origin
from napari_temseg.engine.types.wording import verdict_words
from napari_temseg.pipeline.find import measured
from napari_temseg.pipeline.report.sheet import sheet
from napari_temseg.pipeline.summary import distributions
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.particles.distribution_dock import open_distribution
from napari_temseg.widgets.particles.histogram import Histogram
from napari_temseg.widgets.particles.pooling import Pool, pooled_distribution
from napari_temseg.widgets.session import export
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.item_measurement import named
from napari_temseg.widgets.session.results.state import ResultState, commit

TOLD = ("n", "verdict", "usable", "why_not", "next_steps", "audited")


@pytest.fixture
def found(viewer: Any, open_bench: Any, wait_jobs: Any) -> Any:
    """The dock over a picture whose particles, some 40 of 8 nm, were just found by the model that ships."""
    picture = temseg.simulate(temseg.SimulateConfig(height=224, width=224, count=40, diameter=16, touching=0.3, seed=5))
    viewer.add_image(picture.micrograph.data, name="grid", scale=(0.5, 0.5), units=("nm", "nm"))
    bench = open_bench(viewer)
    bench.go(1)
    bench.panel(1).dial.say_sizes([16.0])
    bench.panel(1).one.click()
    wait_jobs(bench.session)
    bench.go(3)
    return bench


def settled(pool: Pool, qtbot: Any) -> dict[str, Any]:
    qtbot.waitUntil(lambda: not pool.busy and bool(pool.distribution.summary) and not pool.distribution.waiting)
    return pool.distribution.summary


def reported(bench: Any, wait_jobs: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[dict[str, Any], str]:
    """The distribution in summary.json of a report of what the window shows, and its page."""
    monkeypatch.setattr(export, "ask_folder", lambda *_: str(folder))
    bench.panel(3).result.report.click()
    wait_jobs(bench.session)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return summary["distributions"]["nm"], (folder / "report.html").read_text(encoding="utf-8")


def test_the_number_is_that_of_the_report(found: Any, qtbot: Any, wait_jobs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel, session = found.panel(3), found.session
    pool = session.part(Pool)
    shown = settled(pool, qtbot)
    assert shown["segmentation"]["calibrated"]
    told, page = reported(found, wait_jobs, monkeypatch, tmp_path / "report")
    low, high = shown["intervals"]["these particles"]["d50"]
    assert (shown["d50"], low, high) == pytest.approx((told["d50"], *told["intervals"]["these particles"]["d50"]), rel=1e-6)
    assert (
        shown["intervals"]["these particles"]["holds"]
        == told["intervals"]["these particles"]["holds"]
        == ["segmentation", "edge convention"]
    )
    assert [shown[name] for name in TOLD] == [told[name] for name in TOLD]
    qtbot.waitUntil(lambda: "these particles, 95 %" in panel.result.sizes.text())
    assert panel.result.sizes.text().endswith(verdict_words(told))
    assert f">{verdict_words(told)}<" in page
    below = open_distribution(session)
    assert below.legend.text().count("these particles, 95 %") == 1
    # The counting alone is a narrower one.
    counted = shown["d50_interval"]
    assert high - low > counted[1] - counted[0]


def test_corrections_follow_at_once_and_undo_finds_the_other_splits_again(
    found: Any, qtbot: Any, wait_jobs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = found.session
    pool = session.part(Pool)
    before, item = settled(pool, qtbot), session.current
    splits = pool.otherwise.of(item)
    session.select(item.measurement.table["particle"].tolist()[:6])
    session.part(Corrector).delete()
    assert pool.otherwise.of(item) is splits  # they are of what the model said
    qtbot.waitUntil(lambda: pool.distribution.summary["n"] < before["n"])
    assert not pool.distribution.waiting
    told, _ = reported(found, wait_jobs, monkeypatch, tmp_path / "report")
    for name in ("d50", "n"):
        assert pool.distribution.summary[name] == pytest.approx(told[name], rel=1e-6)
    assert pool.distribution.summary["intervals"]["these particles"]["d50"] == pytest.approx(
        told["intervals"]["these particles"]["d50"], rel=1e-6
    )
    session.part(Corrector).undo()
    qtbot.waitUntil(lambda: pool.distribution.summary["n"] == before["n"])
    assert not pool.distribution.waiting
    assert pool.distribution.summary["intervals"] == before["intervals"]


def test_what_the_segmentation_leaves_open_is_kept_of_pictures_that_nobody_looks_at(found: Any, qtbot: Any, wait_jobs: Any) -> None:
    session = found.session
    pool = session.part(Pool)
    settled(pool, qtbot)
    seen = session.current
    session.viewer.add_image(np.fliplr(seen.layer.data), name="unseen")
    unseen = session.items[-1]
    session.viewer.layers.selection.active = seen.layer
    found.panel(1).dial.say_sizes([16.0])
    found.panel(1).all.click()
    wait_jobs(session)
    assert session.current is seen
    qtbot.waitUntil(lambda: bool(unseen.measurement.other_splits))


def test_work_kept_before_the_segmentation_was_looked_into_says_so(found: Any, qtbot: Any) -> None:
    panel, session = found.panel(3), found.session
    pool, item = session.part(Pool), session.current
    settled(pool, qtbot)
    origin = Origin(item.prediction.model_hash, "particles", (1.0,))
    particles = replace(item.particles, prediction=None, origin=origin)
    commit(session, item, ResultState(None, particles, replace(item.measurement, other_splits=())), "restoring what was kept")
    qtbot.waitUntil(lambda: "grid: how far D50 hangs on the segmentation was not worked out" in panel.result.cautions.text())


def test_while_it_is_worked_out_the_interval_is_said_to_be_of_counting_alone(found: Any, qtbot: Any, wait_jobs: Any) -> None:
    panel, session = found.panel(3), found.session
    pool = session.part(Pool)
    settled(pool, qtbot)
    seen: list[str] = []
    pool.distribution_changed.connect(lambda: seen.append(panel.result.sizes.text()))
    said: list[bool] = []
    pool.distribution_changed.connect(lambda: said.append(pool.distribution.waiting))
    found.panel(1).split.fields["strength"].value = 0.7
    wait_jobs(session)
    qtbot.waitUntil(lambda: True in said)
    settled(pool, qtbot)
    qtbot.waitUntil(lambda: "these particles" in panel.result.sizes.text() or "not usable" in panel.result.sizes.text().lower())
    assert said[-1] is False


def test_a_model_of_ones_own_is_said_not_to_be_calibrated(found: Any, qtbot: Any) -> None:
    panel, session = found.panel(3), found.session
    pool, item = session.part(Pool), session.current
    settled(pool, qtbot)
    own = replace(item.prediction, model_hash="0" * 64)
    particles = replace(item.particles, prediction=own)
    commit(session, item, ResultState(own, particles, named(measured(particles), item)), "finding particles")
    shipped = pool.distribution.summary["intervals"]["these particles"]["d50"]
    verdict = "Usable · this model was not compared with outlines drawn by hand · not audited"
    qtbot.waitUntil(lambda: panel.result.sizes.text().endswith(verdict))
    assert "(these particles, 95 %, at least: " in panel.result.sizes.text()
    low, high = pool.distribution.summary["intervals"]["these particles"]["d50"]
    assert low <= shipped[0]
    assert high >= shipped[1]
    assert "what more this model leaves open (nobody has compared this model" in panel.result.sizes.toolTip()
    legend = open_distribution(session).legend.text()
    assert "95 %, at least: " in legend
    assert "at least, as this model was not compared" in legend


def test_figures_of_the_image_before_do_not_stand_below_another(
    viewer: Any, open_bench: Any, adopt: Any, qtbot: Any, wait_chores: Any
) -> None:
    bench = open_bench(viewer)
    session, panel, pool = bench.session, bench.panel(3), bench.session.part(Pool)
    for name, side in (("small", 6), ("large", 20)):
        labels = np.zeros((200, 200), np.int32)
        for number, (y, x) in enumerate(((y, x) for y in range(5, 170, 40) for x in range(5, 170, 40)), 1):
            labels[y : y + side, x : x + side] = number
        viewer.add_image(np.where(labels > 0, 20, 200).astype(np.uint8), name=name)
        session.set_current(session.items[-1])
        adopt(session, session.current, labels)
    wait_chores(session)
    qtbot.waitUntil(lambda: "D50 22." in panel.result.sizes.text())
    go_on = threading.Event()
    session.jobs.later(go_on.wait)  # something long is done first
    try:
        session.set_current(session.items[0])
        qtbot.waitUntil(lambda: pool.busy and not len(pool.distribution.values))
        panel.refresh()
        assert "D50" not in panel.result.sizes.text()
    finally:
        go_on.set()
    qtbot.waitUntil(lambda: "D50 6." in panel.result.sizes.text())


def test_nothing_of_the_picture_before_is_told_of_another_while_that_is_drawn(
    viewer: Any, open_bench: Any, adopt: Any, qtbot: Any, wait_chores: Any
) -> None:
    bench = open_bench(viewer)
    session, panel, pool = bench.session, bench.panel(3), bench.session.part(Pool)
    for name, count in (("few", 2), ("many", 5)):
        labels = np.zeros((200, 200), np.int32)
        for number in range(1, count + 1):
            labels[5:25, 35 * number : 35 * number + 20] = number
        viewer.add_image(np.where(labels > 0, 20, 200).astype(np.uint8), name=name)
        session.set_current(session.items[-1])
        adopt(session, session.current, labels)
    wait_chores(session)
    qtbot.waitUntil(lambda: panel.progress.text() == "0 of 5 reviewed" and panel.result.counts.text() == "5 particles")
    seen: list[tuple[str, str]] = []
    pool.table_changed.connect(lambda: seen.append((panel.progress.text(), panel.result.counts.text())))
    session.set_current(session.items[0])
    time.sleep(0.1)  # a large picture is drawn, and then more is told of it
    session.item_changed.emit(session.current, Change.SHOWN)
    qtbot.waitUntil(lambda: panel.result.counts.text() == "2 particles")
    assert seen[0] == ("0 of 2 reviewed", "")


def _discs(diameters: Any, name: str = "grid", **more: Any) -> Measurement:
    """A measurement of discs of these diameters (px)."""
    labels, pitch = np.zeros((1400, 1400), np.int32), 1400 // 12
    for number, diameter in enumerate(diameters):
        row, column = (int(pitch * (0.5 + each)) for each in divmod(number, 12))
        y, x = np.ogrid[row - 50 : row + 50, column - 50 : column + 50]
        labels[row - 50 : row + 50, column - 50 : column + 50][(y - row) ** 2 + (x - column) ** 2 <= (diameter / 2) ** 2] = number + 1
    return replace(temseg.measure(labels, pixel_size=1.0, unit="nm"), image=name, content_hash=name, **more)


def _even(n: int) -> Any:
    """As many values of the standard normal distribution, at equal steps of its cumulative curve."""
    return stats.norm.ppf((np.arange(n) + 0.5) / n)


def _pools() -> dict[str, tuple[list[Measurement], str]]:
    """Measurements by what is told of their curve, and why there is none."""
    rng = np.random.default_rng(8)
    heaps = np.concatenate([size * np.exp(spread * _even(n)) for size, spread, n in ((15, 0.2, 70), (50, 0.15, 50))])
    return {
        "normal": ([_discs(50 + 9 * _even(120))], ""),
        "two lognormals": ([_discs(heaps)], ""),
        "few": ([_discs(rng.normal(50, 6, 19))], "fewer than 20"),
        "none": ([_discs(np.repeat([12.0, 40.0, 84.0], 40))], "none fits"),
        "images": ([_discs(rng.normal(size, 2, n), str(size)) for size, n in ((14, 100), (70, 25), (35, 20))], "differ too much"),
        "samples": ([_discs(rng.normal(50, 6, 30), name, sample=name) for name in "ab"], "several samples"),
    }


def test_the_curve_is_that_of_the_report_or_both_say_why_there_is_none(viewer: Any, open_bench: Any) -> None:
    plot = Histogram(open_bench(viewer).session)
    for case, (pool, why) in _pools().items():
        sizes = distributions(pool)["nm"]
        page = sheet("nm", sizes, sizes.summary(), 0)["fit"]
        plot.show_distribution(pooled_distribution(pool, "ecd"))
        drawn = [item for item in plot.getPlotItem().listDataItems() if len(getattr(item, "xData", ())) > 100]
        if why:
            assert (sizes.best_fit, drawn) == (None, [])
            assert page.startswith("No curve: ")
            assert why in page
            assert f"no curve: {page.removeprefix('No curve: ').removesuffix('.')}" in plot.legend()
        else:
            assert sizes.best_fit == case
            assert page.startswith(f"Curve: {case}, ")
            assert (case if case == "two lognormals" else f"{case} fit") in plot.legend()
            (line,) = drawn
            edges, below = plot._drawn[0][2], sizes.shown_fit.curve.share_below
            half = (edges[1] - edges[0]) / 2
            shares = below(line.xData + half) - below(np.maximum(line.xData - half, 0))
            assert line.yData == pytest.approx(len(sizes) * shares, rel=1e-6)
    plot.close()


def test_figures_that_cannot_be_worked_out_are_said_to_be_so(found: Any, qtbot: Any) -> None:
    pool, item = found.panel(3).pool, found.session.current
    settled(pool, qtbot)
    whole = item.measurement
    item.measurement = replace(whole, table=whole.table.drop(columns="excluded"))  # as an extension might leave it
    pool.set_column("feret_max")
    qtbot.waitUntil(lambda: not pool.busy)
    assert pool.distribution.obstacle == "The size distribution cannot be worked out; the log has the details."
    notification_manager.records.clear()
    item.measurement = whole
    pool.set_column("ecd")
    settled(pool, qtbot)
