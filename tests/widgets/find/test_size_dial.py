"""The size that is meant, dragged and typed in a real viewer."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyqtgraph as pg
import pytest
from in_the_window import mouse
from qtpy.QtCore import Qt
from two_sizes import two_sizes, wide_powder

import napari_temseg as temseg
from napari_temseg.engine.types.results import SizeCandidate
from napari_temseg.widgets.canvas.colours import OF_POPULATION
from napari_temseg.widgets.canvas.overlays import is_cycled
from napari_temseg.widgets.particles.colouring import Colouring
from napari_temseg.widgets.particles.distribution_dock import DistributionOpener
from napari_temseg.widgets.particles.pooling import Pool
from napari_temseg.widgets.particles.tools.undo_keys import UndoKeys
from napari_temseg.widgets.session.change import Change


@pytest.fixture
def panel(viewer: Any, open_bench: Any) -> Any:
    """Step 2 over a dark disc of 24 px and a bright one of 40 px, at 0.5 nm a pixel."""
    image = np.full((192, 192), 128.0, np.float32) + np.random.default_rng(1).normal(0, 3, (192, 192)).astype(np.float32)
    y, x = np.indices(image.shape)
    image[(y - 60) ** 2 + (x - 60) ** 2 < 12**2] -= 60
    image[(y - 120) ** 2 + (x - 120) ** 2 < 20**2] += 60
    viewer.add_image(image, name="discs", scale=(0.5, 0.5), units=("nm", "nm"))
    bench = open_bench(viewer)
    bench.go(1)
    return bench.panel(1)


def searched(viewer: Any, open_bench: Any, wait_jobs: Any, image: Any, size: float) -> tuple[Any, Any]:
    """The bench and step 2 over an image in which particles of a size (px) were looked for."""
    viewer.add_image(image, name="powder")
    bench = open_bench(viewer)
    bench.go(1)
    bench.panel(1).dial.say_sizes([size])
    bench.panel(1).one.click()
    wait_jobs(bench.session)
    return bench, bench.panel(1)


def test_a_drag_across_one_tells_size_and_polarity_and_shows_the_band(panel: Any, viewer: Any, qtbot: Any) -> None:
    dial, session = panel.dial, panel.session
    item = session.current
    dial.across.click()
    assert not viewer.scene.camera.mouse_pan
    mouse(viewer, [(24, 30), (30, 30), (36, 30)])  # nm: 24 px
    config = dial.finder.config_of(item)
    assert (config.typical_size, config.polarity) == (pytest.approx(24.0), "dark")
    assert dial.field.text() == "12 nm"
    assert dial.polarity.currentText() == "dark"
    assert dial.band.text() == "≈ 4 to 36 nm"
    rings = item.made["size"]
    reach = np.hypot(*(rings.data[:, 0] - [60, 60]).T)
    assert sorted({round(float(each)) for each in reach}) == [4, 36]  # radii in px
    mouse(viewer, [(60, 50), (60, 60), (60, 70)])  # the bright one, 40 px
    config = dial.finder.config_of(item)
    assert (config.typical_size, config.polarity) == (pytest.approx(np.sqrt(24 * 40)), "both")
    dial.across.click()
    assert not dial.drag.held
    assert viewer.scene.camera.mouse_pan
    assert "size" not in item.made


def test_after_three_drags_and_at_the_next_step_the_mouse_is_free_again(panel: Any, viewer: Any) -> None:
    dial, session = panel.dial, panel.session
    dial.across.click()
    mouse(viewer, [(30, 30)])  # a click tells nothing
    assert dial.finder.predict.typical_size is None
    for width in (5, 6, 7):
        mouse(viewer, [(30, 30 - width), (30, 30), (30, 30 + width)])
    assert not dial.drag.held
    assert dial.finder.predict.typical_size == pytest.approx(24.0)
    dial.across.click()
    session.step_wanted.emit(3)
    assert not dial.drag.held


def test_a_size_is_typed_with_its_unit_and_belongs_to_its_picture(panel: Any, viewer: Any, qtbot: Any) -> None:
    dial, session = panel.dial, panel.session
    item = session.current
    qtbot.keyClicks(dial.field, "0.012 µm")
    assert dial.finder.config_of(item).typical_nm == pytest.approx(12.0)
    assert dial.band.text() == "≈ 4 to 36 nm"
    dial.field.clear()
    qtbot.keyClicks(dial.field, "30px")
    assert (dial.finder.config_of(item).typical_size, dial.finder.config_of(item).typical_nm) == (30.0, None)
    qtbot.keyClick(dial.field, Qt.Key.Key_Return)
    assert dial.field.text() == "15 nm"
    viewer.add_image(np.zeros((64, 64), np.float32), name="other")
    viewer.layers.selection.active = viewer.layers["other"]
    assert dial.field.text() == ""
    qtbot.keyClicks(dial.field, "9 nm")  # says nothing of a picture without a pixel size
    assert dial.finder.predict.typical_nm is None
    viewer.layers.selection.active = item.layer
    assert dial.field.text() == "15 nm"
    panel.everywhere.click()  # for all pictures it is a length
    assert dial.finder.config_of(item).typical_nm == pytest.approx(15.0)


def test_what_is_refused_leaves_the_size_as_it_was(panel: Any, viewer: Any, qtbot: Any) -> None:
    viewer.add_image(np.zeros((64, 64), np.float32), name="bare")
    viewer.layers.selection.active = viewer.layers["bare"]
    dial, session = panel.dial, panel.session
    dial.say_sizes([67.5])
    for text in ("12 nm", "12,300", "12 px of it", "bot", "1e9 px", "129"):
        dial.field.selectAll()
        qtbot.keyClicks(dial.field, text)
        assert dial.finder.config_of(session.current).typical_size == 67.5  # for Find, pressed now
        qtbot.keyClick(dial.field, Qt.Key.Key_Return)
        assert dial.field.text() == "67.5 px"
    dial.field.selectAll()
    qtbot.keyClicks(dial.field, "12 px")
    assert dial.finder.config_of(session.current).typical_size == 12.0


def test_where_two_sizes_could_be_meant_one_press_says_which(viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any) -> None:
    viewer.add_image(picture.micrograph.data, name="grid")
    bench = open_bench(viewer)
    panel, session = bench.panel(1), bench.session
    bench.go(1)
    panel.one.click()
    wait_jobs(session)
    item = session.current
    item.prediction = replace(item.prediction, candidates=(SizeCandidate(28.0, 12), SizeCandidate(180.0, 2)))
    session.item_changed.emit(item, Change.PREDICTION)
    assert re.match(r"About \d+ of about \S+ px and \d+ of about \S+ px could be the particles: which are meant\?", panel.note.text())
    assert panel.ways.sizes[1].accessibleName() == "large: 2 of 180 px"
    assert not panel.ways.isHidden()
    assert panel.ways.currentIndex() == 1
    panel.ways.sizes[0].click()
    wait_jobs(session)
    assert panel.dial.field.text() == "28 px"
    assert panel.ways.currentIndex() == 0
    assert len(item.particles) > 5


def test_what_a_told_size_gives_up_is_said_and_one_press_looks_for_both(viewer: Any, open_bench: Any, wait_jobs: Any) -> None:
    bench, panel = searched(viewer, open_bench, wait_jobs, two_sizes().image, 12.0)
    session = bench.session
    assert "found before" not in panel.note.text()
    found = len(session.current.particles)
    panel.dial.say_sizes([95.0])
    panel.one.click()
    wait_jobs(session)
    assert re.search(r"\b(7[5-9]|8[0-2]) small ones that were found before are not any more, as sizes from about 3\d", panel.note.text())
    assert not panel.ways.isHidden()
    assert panel.ways.currentIndex() == 2
    assert panel.ways.too.accessibleName().startswith("Both: ")
    session.current.history.undo()
    assert "found before" not in panel.note.text()  # they are there again
    assert len(session.current.particles) == found
    session.current.history.redo()
    panel.ways.too.click()
    wait_jobs(session)
    assert "80 small and 11 large" in panel.note.text()
    assert "found before" not in panel.note.text()


def test_a_powder_wider_than_a_search_is_found_as_one_distribution(viewer: Any, open_bench: Any, wait_jobs: Any) -> None:
    bench, panel = searched(viewer, open_bench, wait_jobs, wide_powder().image, 60.0)
    session = bench.session
    found = len(session.current.particles)
    panel.ways.too.click()
    wait_jobs(session)
    item = session.current
    assert len(item.particles) > found + 5
    assert [made.isChecked() for made in panel.ways.measured.values()] == [False, True]
    assert "population" not in item.measurement.table
    assert "small and" not in panel.note.text()
    assert panel.split.value().as_one
    colouring = session.part(Colouring)
    colouring.refresh()
    assert colouring.legend is None
    panel.ways.measured[False].click()  # told apart after all
    wait_jobs(session)
    assert set(item.measurement.table["population"]) == {"small", "large"}
    colouring.refresh()
    assert colouring.legend.classes == tuple(OF_POPULATION.items())
    panel.ways.measured[True].click()
    wait_jobs(session)
    colouring.refresh()
    assert colouring.legend is None
    assert is_cycled(item.particles_layer)


def test_smaller_particles_that_the_search_saw_are_said_and_one_press_finds_one_wide_distribution(
    viewer: Any, open_bench: Any, wait_jobs: Any
) -> None:
    bench, panel = searched(viewer, open_bench, wait_jobs, wide_powder().image, 75.0)
    session = bench.session
    item = session.current
    prediction = replace(item.prediction, smaller=SizeCandidate(26.0, 40))
    item.prediction, item.particles = prediction, replace(item.particles, prediction=prediction)
    session.item_changed.emit(item, Change.PREDICTION)
    assert "about 40 particles of some 26 px seem to be there too" in panel.note.text()
    assert panel.ways.currentIndex() == 2
    found = len(item.particles)
    panel.ways.too.click()
    wait_jobs(session)
    assert len(item.particles) > found
    assert "population" not in item.measurement.table
    assert [made.isChecked() for made in panel.ways.measured.values()] == [False, True]
    assert "seem to be there" not in panel.note.text()


def test_undo_of_a_search_brings_back_the_size_that_was_typed_for_the_one_before(
    viewer: Any, open_bench: Any, wait_jobs: Any, picture: Any
) -> None:
    bench, panel = searched(viewer, open_bench, wait_jobs, picture.micrograph.data, 28.0)
    item, undo = bench.session.current, bench.session.part(UndoKeys)
    first, typed = item.particles, panel.dial.field.text()
    panel.dial.say_sizes([40.0])
    assert panel.dial.field.text() != typed
    later = panel.dial.field.text()
    panel.one.click()
    wait_jobs(bench.session)
    for _ in range(2):
        undo.undo()
        wait_jobs(bench.session)
        assert item.particles is first
        assert panel.dial.field.text() == typed
        assert panel.finder.config_of(item).typical_size == 28.0
        undo.redo()
        wait_jobs(bench.session)
        assert item.particles is not first
        assert panel.dial.field.text() == later
    panel.dial.say_sizes([20.0])  # and what was typed since comes back with it
    undo.undo()
    undo.redo()
    assert panel.finder.config_of(item).typical_size == 20.0


def test_two_sizes_are_typed_and_both_are_asked_for_by_name(panel: Any, qtbot: Any) -> None:
    dial = panel.dial
    item = panel.session.current
    qtbot.keyClicks(dial.field, "12 nm, 60 nm")
    config = dial.finder.config_of(item)
    assert (config.typical_nm, config.other_nm) == (pytest.approx(12.0), pytest.approx(60.0))
    assert dial.band.text() == "≈ 4 to 180 nm"
    qtbot.keyClick(dial.field, Qt.Key.Key_Return)
    assert dial.field.text() == "12 nm, 60 nm"
    dial.field.clear()
    qtbot.keyClicks(dial.field, "both")
    assert dial.finder.config_of(item) == temseg.PredictConfig(both=True)
    qtbot.keyClick(dial.field, Qt.Key.Key_Return)
    assert dial.field.text() == "both"
    dial.field.clear()
    qtbot.keyClicks(dial.field, "20 nm")
    assert not dial.finder.config_of(item).both


@pytest.mark.parametrize("typed", ["20 nm, 20 nm", "39 nm, 20 nm"])
def test_two_sizes_that_one_search_finds_are_refused_as_they_were_typed(panel: Any, qtbot: Any, typed: str) -> None:
    dial, said = panel.dial, []
    dial.say_sizes([12.0])
    before = dial.finder.config_of(panel.session.current)
    panel.session.said.connect(said.append)
    dial.field.setFocus()
    dial.field.selectAll()
    qtbot.keyClicks(dial.field, typed)
    assert said[-1].startswith(f"Sizes of 20 nm and {typed[:2]} nm are no two populations: one search finds both")
    assert "give one of them, or two that are 2 times apart" in said[-1]
    assert dial.finder.config_of(panel.session.current) == before


def test_where_two_sizes_could_be_meant_the_third_press_finds_both(viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any) -> None:
    bench, panel = searched(viewer, open_bench, wait_jobs, two_sizes().image, 12.0)
    session = bench.session
    item = session.current
    item.prediction = replace(item.prediction, candidates=(SizeCandidate(13.0, 80), SizeCandidate(95.0, 12)))
    session.item_changed.emit(item, Change.PREDICTION)
    assert panel.ways.sizes[2].accessibleName() == "both: 92"
    panel.ways.sizes[2].click()
    wait_jobs(session)
    assert panel.dial.field.text() == "13 px, 95 px"
    assert "80 small and 11 large" in panel.note.text()
    assert panel.ways.currentIndex() == 3
    populations = item.measurement.table["population"].value_counts()
    assert (populations["small"], populations["large"]) == (pytest.approx(80, abs=1), pytest.approx(12, abs=1))
    # Two colours, and a D50, count and share for each, in panel and dock.
    bench.go(3)
    pool = session.part(Pool)
    qtbot.waitUntil(lambda: not pool.busy and len(pool.distribution.populations) == 2)
    small, large = bench.panel(3).result.sizes.text().split("\n")[:2]  # then the verdict
    assert small.startswith("small: D50 1")
    assert large.startswith("large: n = 9 (without those at the edge or excluded) is too few: a D50 needs 20")
    assert "by number" in small
    assert not pool.distribution.summary  # nothing of both together
    assert "none of both together" in bench.panel(3).result.cautions.text()
    colouring = session.part(Colouring)
    qtbot.waitUntil(lambda: colouring.legend is not None)
    assert colouring.legend.classes == tuple(OF_POPULATION.items())
    legend = session.part(DistributionOpener).open().legend
    qtbot.waitUntil(lambda: all(colour in legend.text() for colour in OF_POPULATION.values()))
    plot = session.part(DistributionOpener).open().histogram
    lines = [each.pen.color().name().upper() for each in plot.getPlotItem().items if isinstance(each, pg.InfiniteLine)]
    assert len(lines) == 1, "nine large ones have no D50"
    assert not set(lines) & {colour.upper() for colour in OF_POPULATION.values()}  # they are seen before the bars
    # Splitting goes on to work live on both.
    before = item.particles
    panel.split.fields["threshold"].value = 0.8
    wait_jobs(session)
    assert item.particles is not before
    assert set(item.particles.table["population"]) == {"small", "large"}
    areas = [np.bincount(each.labels.ravel())[1:].mean() for each in (item.particles, before)]
    assert areas[0] < areas[1]


def test_the_band_is_that_of_what_is_told_now_until_it_is_looked_for(viewer: Any, open_bench: Any, wait_jobs: Any) -> None:
    bench, panel = searched(viewer, open_bench, wait_jobs, two_sizes(256, large=0, small=30).image, 20.0)
    dial, item = panel.dial, bench.session.current
    found = item.prediction.size
    assert found < 19  # it moved to what was found
    assert dial.band.text() == dial._band(item, [found])
    assert f"20 px was said; what was found near it is about {dial.length(item, found)}." in dial.band.toolTip()
    dial.say_sizes([16.0])
    assert item.prediction.suits(16.0)
    assert dial.band.text() == "≈ 5.3 to 48 px"
    assert "was said" not in dial.band.toolTip()
    particles = item.particles
    item.particles = replace(particles, prediction=replace(particles.prediction, unlike=("unknown shapes",)))
    bench.session.item_changed.emit(item, Change.PARTICLES)
    assert panel.ways.first_size.isHidden()  # the size was said


def test_where_a_model_looks_for_what_it_was_taught_another_size_is_not_used_and_that_is_said(
    viewer: Any, open_bench: Any, wait_jobs: Any, banded: Any, discs: Any
) -> None:
    image, instances = discs(128, 160)
    config = temseg.TrainConfig(max_seconds=1e5, max_steps=2, crop=64, batch=2, device="cpu", precision="float32")
    own = temseg.train([image], [instances], meaning="instances", base=banded, config=config)  # which is of no use for these labels
    bench, panel = searched(viewer, open_bench, wait_jobs, image, 18.0)
    session = bench.session
    assert panel.dial.not_used(session.current) == ""
    session.models["own"] = own
    session.models_changed.emit()
    session.use_model("own")
    panel.dial.say_sizes([60.0])
    panel.one.click()
    wait_jobs(session)
    about = panel.dial.length(session.current, session.current.prediction.size)
    assert panel.dial.not_used(session.current) == f"the model looks for about {about}, which it was taught, and not for 60 px"
    assert "which it was taught" in panel._sentence(session.current)
