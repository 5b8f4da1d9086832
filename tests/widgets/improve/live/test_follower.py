"""*Live*, *Use this result* and *Next* in a real viewer: strokes are answered while they are painted, whatever happens meanwhile."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QTimer
from scipy.ndimage import binary_dilation

from napari_temseg.engine.measure.pooling import unsure_share
from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.pipeline.find import iter_resplit
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.improve.live.first_answers import FirstAnswer
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.session.regions import Regions


def a_particle(picture: Any, side: int = 192) -> Any:
    """The largest particle that lies whole within the picture: its mask."""
    truth = picture.instances[:side, :side]
    at_edge = set(np.concatenate([truth[0], truth[-1], truth[:, 0], truth[:, -1]]).tolist())
    inner = [n for n in np.unique(truth)[1:] if n not in at_edge]
    return truth == max(inner, key=lambda n: int((truth == n).sum()))


def stroke(layer: Any, mask: Any, number: int, plane: tuple[int, ...] = ()) -> None:
    """A line across a mask, as one drag of the brush would leave."""
    y, x = (round(v) for v in np.argwhere(mask).mean(axis=0))
    layer.brush_size = 5
    for other in range(max(x - 12, 0), x + 13, 3):
        if mask[y, other]:
            layer.paint((*plane, y, other), number)


def test_outlines_follow_each_stroke_and_its_undo(bench: Any, viewer: Any, picture: Any, settle: Any) -> None:
    panel, item = bench.panel(2), bench.session.current
    live = panel.live.model
    assert panel.live.box.isChecked()
    assert "waits for strokes" in panel.live.note.text()
    panel.labelling.new.click()
    settle(bench)
    layer = item.made["live"]
    assert layer.name == "grid live"
    np.testing.assert_allclose(layer.translate, (10, 20))
    np.testing.assert_allclose(layer.scale, (0.5, 0.5))
    assert viewer.layers.selection.active is item.annotation
    particle, before = a_particle(picture), layer.data.copy()
    assert (before[particle] > 0).mean() > 0.6  # the model's own answer
    stroke(item.annotation, particle, 1)
    live._advance()  # as soon as the window has a moment
    assert panel.live.note.text() == "Live works on your newest strokes …"
    assert not panel.live.use.isEnabled()
    settle(bench)
    assert (layer.data[particle] > 0).mean() < 0.4
    assert panel.live.use.isEnabled()
    assert len(live.seconds) >= 1
    assert panel.live.note.text() == "Live follows strokes; dashed is unsure and left out. Use this result splits and measures."
    while item.annotation.data.any():
        item.annotation.undo()
    settle(bench)
    np.testing.assert_array_equal(layer.data, before)
    bench.go(1)
    assert not layer.visible
    bench.go(2)
    settle(bench)
    assert layer.visible
    panel.live.box.click()
    settle(bench)
    assert not layer.visible
    assert bench.session.settings.get("live") is False


def test_the_answer_becomes_the_result_and_undo_brings_back(bench: Any, picture: Any, settle: Any) -> None:
    panel, session, item = bench.panel(2), bench.session, bench.session.current
    bench.panel(1).split.fields["min_diameter"].value = 24.0  # so that some are given up, those that the frame cuts
    bench.panel(1).one.click()
    settle(bench)
    found, outlines, before = item.particles, item.particles_layer, item.measurement
    panel.labelling.new.click()
    settle(bench)
    assert outlines.visible, "nothing was stroked yet: what was found is what there is to see"
    particle = a_particle(picture)
    stroke(item.annotation, particle, 1)
    settle(bench)
    assert not outlines.visible
    drawing = item.made["live"].data.copy()
    solid = drawing % 2 == 1  # the faint area within an outline; what Use this result gives up has none, and a dashed outline
    panel.live.use.click()
    settle(bench)
    assert item.particles is not found
    assert item.history.undoable == "use of what Live shows"
    assert item.history.by_hand == 0
    assert (item.particles.labels[solid] > 0).mean() > 0.98
    dashed = (drawing > 0) & (item.particles.labels == 0)
    assert dashed.any()
    assert not (dashed & solid).sum() > 0.02 * solid.sum()
    assert (item.particles.labels[particle] > 0).mean() < 0.4
    assert len(item.measurement.table) == len(item.particles)
    assert item.measurement.table["confidence"].notna().all(), "what the model doubts is known of this result too"
    assert item.measurement.doubted == unsure_share([before.table])
    assert session.model_names[item.prediction.model_hash] == "particles, corrected by strokes (instant)"
    assert item.prediction.model_hash != found.prediction.model_hash
    assert item.prediction.depth_taught
    assert outlines.visible
    assert not item.made["live"].visible
    stroke(item.annotation, particle, 2)
    settle(bench)
    assert item.made["live"].visible
    assert not outlines.visible
    bench.panel(1).one.click()  # a newer result is what there is to see, until the next stroke
    settle(bench)
    assert item.particles_layer.visible
    assert not item.made["live"].visible
    item.annotation.refresh()  # as when napari draws it anew, for whatever reason: that is no stroke
    settle(bench)
    assert item.particles_layer.visible
    assert not item.made["live"].visible
    stroke(item.annotation, particle, 1)
    settle(bench)
    assert item.made["live"].visible
    item.history.undo()
    bench.go(3)
    assert outlines.visible
    item.history.undo()
    assert item.particles is found


def test_next_leads_where_the_answer_is_unsure(bench: Any, viewer: Any, settle: Any) -> None:
    panel, session, item = bench.panel(2), bench.session, bench.session.current
    said: list[str] = []
    session.said.connect(said.append)
    panel.labelling.new.click()
    panel.live.next.click()  # before the first answer: it comes with it
    settle(bench)
    guide = panel.live.next_place
    first = guide.place
    assert first is not None
    assert said[-1] == "Stroke here: is it particle or background?"
    assert item.made["place"].visible
    rows, columns = layers.window_in_view(viewer, item.layer)
    assert rows.start <= first.y < rows.stop
    assert columns.start <= first.x < columns.stop
    seen = [first]
    for _ in range(40):
        panel.live.next.click()
        settle(bench)
        if guide.place is None:
            break
        seen.append(guide.place)
    assert "begins anew" in said[-1]
    assert len({(place.y, place.x) for place in seen}) == len(seen)
    viewer.window._qt_viewer.canvas.native.setFocus()
    panel.live.next.click()
    settle(bench)
    assert (guide.place.y, guide.place.x) == (first.y, first.x)
    item.annotation.paint((first.y, first.x), 1)
    settle(bench)
    assert guide.place is None
    assert not item.made["place"].visible
    panel.live.next.click()
    settle(bench)
    assert item.made["place"].visible
    session.models_changed.emit()  # another model is unsure elsewhere
    assert guide.place is None
    assert not item.made["place"].visible
    panel.live.next.click()
    settle(bench)
    assert np.hypot(guide.place.y - first.y, guide.place.x - first.x) > 8


def test_uncertainty_is_shown_and_follows(bench: Any, picture: Any, settle: Any) -> None:
    panel, item = bench.panel(2), bench.session.current
    panel.labelling.new.click()
    panel.live.unsure.click()
    settle(bench)
    layer = item.made["uncertainty"]
    assert layer.name == "grid uncertainty"
    assert layer.visible
    assert 0 <= layer.data.min() < layer.data.max() <= 1
    before = layer.data.copy()
    stroke(item.annotation, a_particle(picture), 1)
    settle(bench)
    assert (layer.data != before).any()
    panel.live.unsure.click()
    settle(bench)
    assert not layer.visible


def test_the_place_to_be_judged_is_free_and_one_sees_where_one_is(bench: Any, viewer: Any, settle: Any) -> None:
    panel, item = bench.panel(2), bench.session.current
    panel.labelling.new.click()
    panel.live.unsure.click()
    settle(bench)
    whole = item.made["uncertainty"].data.copy()
    panel.live.next.click()
    settle(bench)
    place = panel.live.next_place.place
    reach, shown = round(place.reach), item.made["uncertainty"].data
    there = np.s_[max(place.y - reach, 0) : place.y + reach, max(place.x - reach, 0) : place.x + reach]
    assert whole[there].any()
    assert not shown[there].any()
    assert shown.any()
    rows, _ = layers.window_in_view(viewer, item.layer)
    assert rows.stop - rows.start >= 80
    panel.live.next.click()
    settle(bench)
    assert (item.made["uncertainty"].data != shown).any()
    bench.session.models_changed.emit()  # the mark goes
    settle(bench)
    np.testing.assert_array_equal(item.made["uncertainty"].data, whole)


def test_planes_are_answered_one_by_one_and_used_together(viewer: Any, open_bench: Any, stack: Any, picture: Any, settle: Any) -> None:
    viewer.add_image(stack, name="series", scale=(2, 0.5, 0.5), translate=(4, 0, 0))
    bench = open_bench(viewer)
    bench.go(2)
    panel, session = bench.panel(2), bench.session
    item = session.current
    panel.labelling.new.click()
    settle(bench)
    assert "planes of this stack" in panel.live.note.text()
    session.set_axes(item, "ZYX")
    viewer.dims.set_point(0, 4)
    settle(bench)
    layer = item.made["live"]
    assert layer.data.shape == (1, 192, 192)
    first = layer.data.copy()
    viewer.dims.set_point(0, 8)
    settle(bench)
    np.testing.assert_allclose(layer.translate, (8, 0, 0))
    assert (layer.data != first).any()
    viewer.dims.set_point(0, 4)
    settle(bench)
    np.testing.assert_array_equal(layer.data, first)
    particle = a_particle(picture)
    stroke(item.annotation, particle, 1, (0,))
    item.annotation.paint((0, 5, 5), 3)  # a class that the model does not know
    settle(bench)
    panel.live.use.click()
    settle(bench)
    assert item.prediction.class_ids == (1, 2, 3)
    assert item.particles.labels.shape == stack.shape
    assert (item.particles.labels[0][particle] > 0).mean() < 0.4
    assert set(item.measurement.table["plane"]) == {0, 1, 2}
    for _ in range(60):  # Next goes on to other planes
        panel.live.next.click()
        settle(bench)
        if session.shown_plane(item) != 0:
            break
    assert session.shown_plane(item) != 0


def test_layers_go_in_the_middle(bench: Any, viewer: Any, picture: Any, settle: Any, qtbot: Any) -> None:
    panel, session, item = bench.panel(2), bench.session, bench.session.current
    panel.labelling.new.click()
    viewer.layers.remove(item.annotation)
    settle(bench)
    assert "live" not in item.made or not item.made["live"].visible
    panel.labelling.new.click()
    settle(bench)
    stroke(item.annotation, a_particle(picture), 1)
    viewer.layers.remove(item.made["live"])
    settle(bench)
    qtbot.waitUntil(lambda: not panel.live.box.isChecked())
    panel.live.box.click()
    settle(bench)
    assert item.made["live"].visible
    stroke(item.annotation, a_particle(picture), 2)
    viewer.layers.clear()
    settle(bench)
    assert session.items == []
    assert panel.live.box.isChecked()
    assert not panel.live.next.isEnabled()


def test_nothing_is_drawn_where_the_picture_is_left_out(bench: Any, picture: Any, settle: Any) -> None:
    item, particle = bench.session.current, a_particle(picture)
    rows, columns = np.nonzero(particle)
    box = (int(rows.min()) - 3, int(columns.min()) - 3, int(rows.max()) + 4, int(columns.max()) + 4)
    bench.session.part(Regions).leave_out(item, [box])
    settle(bench)
    bench.panel(2).labelling.new.click()
    settle(bench)
    drawing = item.made["live"].data
    assert not drawing[particle].any()
    assert drawing.any()


def test_the_viewer_closes_in_the_middle(bench: Any, viewer: Any, qtbot: Any) -> None:
    bench.panel(2).labelling.new.click()
    qtbot.waitUntil(lambda: bench.session.jobs.looking, timeout=10_000)
    viewer.close()
    qtbot.waitUntil(lambda: bench.session.closed)


def test_a_training_has_precedence_and_a_new_model_answers_anew(bench: Any, picture: Any, settle: Any, qtbot: Any, idle: Any) -> None:
    panel, session, item = bench.panel(2), bench.session, bench.session.current
    live = panel.live.model
    panel.labelling.new.click()
    stroke(item.annotation, a_particle(picture), 2)
    item.annotation.paint((4, 4), 1)
    settle(bench)
    qtbot.waitUntil(lambda: not panel.annotator.counting)
    idle()
    for name, value in {"max_seconds": 3600, "max_steps": 100_000, "evaluate_every": 1, "crop": 64, "batch": 1, "validation": 0.0}.items():
        panel.form.fields[name].value = value
    answered = live.answer
    panel.train.click()
    qtbot.waitUntil(lambda: any(point["step"] > 0 for point in panel.trainer.points), timeout=90_000)
    assert "pauses" in panel.live.note.text()
    stroke(item.annotation, a_particle(picture), 1)
    qtbot.waitUntil(lambda: not panel.annotator.counting)
    idle()
    assert not session.jobs.looking
    assert live.answer is answered
    session.jobs.finish()
    settle(bench)
    settle(bench)
    assert live.answer is answered  # its result is what there is to see: nothing is looked at until the next stroke
    item.annotation.paint((9, 90), 1)
    settle(bench)
    assert live.aim.model is session.models["particles+1"]
    np.testing.assert_array_equal(live.answer.strokes, item.annotation.data)


def test_another_preview_in_between_does_not_lose_the_answer(bench: Any, picture: Any, settle: Any) -> None:
    panel, item = bench.panel(2), bench.session.current
    bench.panel(1).one.click()
    settle(bench)
    panel.labelling.new.click()
    settle(bench)
    stroke(item.annotation, a_particle(picture), 1)
    QTimer.singleShot(0, lambda: bench.session.jobs.look(lambda: iter_resplit(item.prediction, SplitConfig()), lambda _: None))
    settle(bench)
    np.testing.assert_array_equal(panel.live.model.answer.strokes, item.annotation.data)


def test_what_cannot_work_says_so(bench: Any, viewer: Any, settle: Any) -> None:
    panel, session, item = bench.panel(2), bench.session, bench.session.current
    assert not panel.live.use.isEnabled()
    panel.start.setCurrentIndex(panel.start.findData("none"))
    panel.start.activated.emit(panel.start.currentIndex())
    panel.labelling.new.click()
    settle(bench)
    assert "needs a model" in panel.live.note.text()
    assert not panel.live.use.isEnabled()
    assert not panel.live.next.isEnabled()
    notification_manager.records.clear()
    guarded(panel.live.next_place.next)  # as by its key
    settle(bench)
    assert "nothing is known of it yet" in notification_manager.records[-1].message
    viewer.add_image(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8), name="colours", rgb=True)
    session.set_current(session.items[-1])
    assert item is not session.current


def test_what_is_on_the_screen_is_answered_before_the_rest_is_looked_at(
    viewer: Any, open_bench: Any, picture: Any, settle: Any, qtbot: Any
) -> None:
    viewer.add_image(np.tile(picture.micrograph.data, (4, 3)), name="large", scale=(0.5, 0.5), units=("nm", "nm"))
    bench = open_bench(viewer)
    bench.go(2)
    panel, item = bench.panel(2), bench.session.current
    bench.panel(1).dial.say_sizes([20.0])  # nothing is searched for: that would only take longer
    live = panel.live.model
    shown: list[Any] = []
    show = live.view.show
    live.view.show = lambda *how: (shown.append(how[2]), show(*how))  # type: ignore[method-assign]
    layers.look_at(viewer, item.layer, 128, 128, 200)  # about one of the 12
    panel.labelling.new.click()
    qtbot.waitUntil(lambda: bool(shown))
    assert isinstance(shown[0], FirstAnswer)
    rows, columns = shown[0].asked.window
    assert 0 < rows.stop - rows.start < 1024
    drawing = item.made["live"].data
    assert drawing[rows, columns].any()
    assert not np.delete(drawing, np.r_[rows], axis=0).any()
    assert not (drawing % 2 == 1).any()  # nobody weighed what is seen there yet: dashed edges alone
    stroke(item.annotation, a_particle(picture, 256), 1)
    settle(bench)
    assert live.seconds
    assert not isinstance(shown[-1], FirstAnswer)
    assert item.made["live"].data[700:].any()
    assert (item.made["live"].data % 2 == 1).any()
    assert (item.made["live"].data[:256, :256][a_particle(picture, 256)] > 0).mean() < 0.5


def test_a_background_stroke_between_two_that_touch_keeps_them_apart(bench: Any, picture: Any, settle: Any, several_scales: Any) -> None:
    # Of the model that ships all particles of this picture hang together without splitting, by ways round the seam.
    bench.session.add_model("earlier", several_scales)
    panel, item, truth = bench.panel(2), bench.session.current, picture.instances[:192, :192]
    one, other = (truth == number for number in (4, 11))  # they touch
    gap = binary_dilation(one, iterations=2) & binary_dilation(other, iterations=2)
    middles = [tuple(np.argwhere(mask).mean(axis=0).astype(int)) for mask in (one, other)]

    def apart() -> bool:
        first, second = (int(item.particles.labels[place]) for place in middles)
        return 0 != first != second != 0

    bench.panel(1).split.fields["strength"].value = 0.0  # nothing but the stroke parts them
    panel.labelling.new.click()
    settle(bench)
    item.annotation.data[gap] = 1
    item.annotation.events.paint(value=[])
    settle(bench)
    panel.live.use.click()
    settle(bench)
    assert apart()
    bench.panel(1).one.click()  # as after training: the model may know nothing of the stroke, but the picture does
    settle(bench)
    assert apart()
