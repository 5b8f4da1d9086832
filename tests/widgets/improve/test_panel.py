"""Step 3 in a real viewer: strokes, classes, fillings, real (short) trainings, and what may happen in the middle of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QMenu
from scipy import ndimage

from napari_temseg.engine.types.annotations import LABEL_MEANINGS
from napari_temseg.widgets.find.finder import Finder
from napari_temseg.widgets.improve.model_offer import TRAINED
from napari_temseg.widgets.improve.training_labels import open_beside
from napari_temseg.widgets.particles.tools.undo_keys import UndoKeys
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.data_folder import data_folder
from napari_temseg.widgets.session.questions import Questions

SMALL = {"max_seconds": 3600, "max_steps": 6, "evaluate_every": 1, "crop": 64, "batch": 1}


@pytest.fixture(scope="session")
def truth(picture: Any) -> Any:
    """Class numbers of the first 192 px: 1 background, 2 particle."""
    return np.where(picture.instances[:192, :192] > 0, 2, 1).astype(np.uint8)


def paint_dots(layer: Any, truth: Any, plane: tuple[int, ...] = ()) -> None:
    """Dots in the middle of every particle and on a grid over the background."""
    layer.brush_size = 5
    objects, count = ndimage.label(truth == 2)
    for y, x in ndimage.center_of_mass(truth == 2, objects, range(1, count + 1)):
        if truth[round(y), round(x)] == 2:
            layer.paint((*plane, round(y), round(x)), 2)
    away = ndimage.distance_transform_edt(truth == 1)
    for y in range(12, 190, 32):
        for x in range(12, 190, 32):
            if away[y, x] > 5:
                layer.paint((*plane, y, x), 1)


def make_small(panel: Any) -> None:
    for name, value in SMALL.items():
        panel.form.fields[name].value = value


def menus(labelling: Any) -> list[QMenu]:
    return [menu for menu in labelling.findChildren(QMenu) if menu.isVisible()]


def pick(labelling: Any, text: str) -> None:
    """Choose from the menu that is open; `text` begins the entry, or is a meaning of labels."""
    menu = menus(labelling)[0]
    actions = [action for each in menu.actions() for action in (each.menu().actions() if each.menu() else [each])]
    next(action for action in actions if action.text().startswith((text, LABEL_MEANINGS.get(text, text)))).trigger()
    menu.close()


@pytest.fixture
def settle(qtbot: Any, idle: Any) -> Any:
    """Wait until what is painted is counted: `settle(panel)`."""

    def settled(panel: Any) -> None:
        idle()
        qtbot.waitUntil(lambda: not panel.annotator.counting)
        idle()

    return settled


def test_a_new_annotation_lies_on_the_image_with_the_brush_in_hand(bench: Any, viewer: Any) -> None:
    panel = bench.panel(2)
    assert panel.labelling.new.property("primary")
    assert not panel.train.isEnabled()
    assert "Waits for" in panel.note.text()
    panel.labelling.new.click()
    layer = bench.session.current.annotation
    assert layer.name == "grid annotation"
    assert layer.data.dtype == np.uint8
    np.testing.assert_allclose(layer.translate, (10, 20))
    np.testing.assert_allclose(layer.scale, (0.5, 0.5))
    assert viewer.layers.selection.active is layer
    assert (layer.mode, layer.selected_label) == ("paint", 2)
    panel.classes.buttons[1].click()
    assert (layer.mode, layer.selected_label) == ("paint", 1)
    panel.classes.eraser.click()
    assert layer.mode == "erase"
    layer.mode, layer.selected_label = "paint", 2
    assert panel.classes.buttons[2].isChecked()
    assert not panel.classes.eraser.isChecked()


def test_classes_are_added_renamed_and_counted(bench: Any, qtbot: Any, settle: Any) -> None:
    panel, session = bench.panel(2), bench.session
    panel.classes.add.click()
    qtbot.keyClicks(panel.classes.name, "rod")
    panel.classes.name.returnPressed.emit()
    assert session.classes[3] == "rod"
    layer = session.current.annotation
    assert layer.selected_label == 3
    panel.classes.buttons[2].renaming.emit()
    panel.classes.name.setText("sphere")
    panel.classes.name.returnPressed.emit()
    assert panel.classes.buttons[2].text() == "sphere"
    layer.brush_size = 1
    for x in (20, 60):
        layer.paint((30, x), 3)
    settle(panel)
    assert panel.classes.counts[3].text() == "2 strokes · 2 px"
    layer.undo()
    settle(panel)
    assert panel.classes.counts[3].text() == "1 stroke · 1 px"
    notification_manager.records.clear()
    panel.classes.add.click()
    panel.classes.name.setText("rod")
    panel.classes.name.returnPressed.emit()
    assert "already" in notification_manager.records[-1].message
    layer.paint((90, 90), 5)
    settle(panel)
    assert session.classes[5] == "class 5"


def test_a_new_annotation_begins_with_particles_and_counts_what_is_on_it(bench: Any, viewer: Any, picture: Any, settle: Any) -> None:
    panel, session = bench.panel(2), bench.session
    panel.labelling.new.click()
    panel.classes.buttons[1].click()
    session.current.annotation.paint((30, 30), 1)
    settle(panel)
    viewer.add_image(picture.micrograph.data[:192, :192].copy(), name="other", translate=(200, 20))
    session.set_current(session.items[-1])
    assert panel.classes.counts[1].text() == "nothing yet"
    assert "1 stroke" in panel.classes.counts[1].toolTip()
    panel.labelling.new.click()
    assert session.current.annotation.selected_label == 2
    assert panel.classes.buttons[2].isChecked()
    assert not panel.classes.buttons[1].isChecked()
    session.set_current(session.items[0])
    assert panel.classes.counts[1].text().startswith("1 stroke")


def test_training_improves_in_sight_while_painting_goes_on(
    bench: Any, viewer: Any, wait_jobs: Any, qtbot: Any, truth: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settle: Any
) -> None:
    panel, session = bench.panel(2), bench.session
    item = session.current
    panel.labelling.new.click()
    paint_dots(item.annotation, truth)
    settle(panel)
    assert panel.train.isEnabled()
    assert panel.train.property("primary")
    make_small(panel)
    previews: list[Any] = []
    viewer.layers.events.inserted.connect(lambda event: previews.append(event.value) if event.value.name.endswith("preview") else None)
    panel.train.click()
    assert session.jobs.can_finish
    assert not panel.train.isEnabled()
    qtbot.waitUntil(lambda: len(panel.trainer.points) >= 2, timeout=90_000)
    item.annotation.paint((3, 3), 1)
    item.annotation.name = "mine"
    assert not panel.curves.isHidden()
    wait_jobs(session)
    wait_jobs(session)
    assert item.annotation.data[3, 3] == 1
    assert panel.trainer.facts["background_share"] > 0
    assert "on the processor" in panel.advice.text() or "GPU" in panel.advice.text()
    assert previews
    assert not previews[0].visible
    np.testing.assert_allclose(previews[0].translate, (10, 20))
    assert panel.advice.text()
    points = [point["step"] for point in panel.trainer.points]
    assert points == sorted(set(points))
    x, _ = next(plot for plot in panel.curves.plots if plot.figure == "loss").lines["train"].getData()
    assert list(x) == points[1:]  # before the first step nothing was trained
    if panel.trainer.best_step:  # what was learnt is in use, and the image was searched with it
        assert list(session.models) == ["particles+1"]
        assert session.model == "particles+1"
        assert item.particles is not None
        path = tmp_path / "mine"
        monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getSaveFileName", lambda *_: (str(path), ""))
        panel.model.name.setText("better")
        panel.model.name.editingFinished.emit()
        assert session.model == "better"
        panel.model.save.click()
        qtbot.waitUntil(lambda: path.with_suffix(".temseg").exists(), timeout=10_000)


def test_finish_keeps_and_cancel_discards(bench: Any, viewer: Any, wait_jobs: Any, qtbot: Any, truth: Any, settle: Any) -> None:
    panel, session = bench.panel(2), bench.session
    item = session.current
    panel.labelling.new.click()
    paint_dots(item.annotation, truth)
    painted = item.annotation.data.copy()
    settle(panel)
    make_small(panel)
    panel.form.fields["max_steps"].value = 100_000
    panel.form.fields["validation"].value = 0.0
    panel.train.click()
    qtbot.waitUntil(lambda: any(point["step"] > 0 for point in panel.trainer.points), timeout=90_000)
    session.jobs.cancel()
    wait_jobs(session)
    assert session.models == {}
    assert item.particles is None
    assert "as they were" in panel.advice.text()
    panel.train.click()
    qtbot.waitUntil(lambda: any(point["step"] > 0 for point in panel.trainer.points), timeout=90_000)
    assert "No labels are kept back" in panel.advice.text()
    session.jobs.finish()
    wait_jobs(session)
    wait_jobs(session)
    assert list(session.models) == ["particles+1"]
    assert panel.start.base == "particles+1"
    assert item.particles is not None
    np.testing.assert_array_equal(item.annotation.data, painted)
    assert not [layer for layer in viewer.layers if layer.name.endswith("preview") and layer.visible]
    # Another picture is not searched with it unless somebody says so.
    viewer.add_image(np.ascontiguousarray(item.layer.data[:, ::-1]), name="other", translate=(300, 20))
    other = session.items[-1]
    session.set_current(other)
    assert (session.model, panel.start.base, bench.panel(1).model.currentText()) == ("particles", "particles", "particles (shipped)")
    question = session.part(Questions).of(other)
    assert question.text.endswith("Search with “particles+1” too?")
    assert session.part(Questions).on(item, TRAINED) is None
    bench.panel(1).all.click()
    wait_jobs(session)
    assert [session.model_names[each.prediction.model_hash] for each in (item, other)] == ["particles+1", "particles"]
    session.part(Questions).answer(question, question.answers[0])
    wait_jobs(session)
    assert session.model_names[other.prediction.model_hash] == "particles+1"
    assert (session.model, session.chosen) == ("particles+1", "particles")
    assert session.part(Questions).of(other) is None
    session.set_sample(item, "powder")
    viewer.add_image(np.ascontiguousarray(item.layer.data[::-1]), name="third", translate=(600, 20))
    third = session.items[-1]
    assert session.model_of(third) == "particles"
    session.set_sample(third, "powder")
    assert session.model_of(third) == "particles+1"
    session.use_model("particles")  # chosen by somebody: that holds for all
    assert {session.model_of(each) for each in session.items} == {"particles"}


def test_layers_and_viewer_may_go_in_the_middle(
    bench: Any, viewer: Any, wait_jobs: Any, qtbot: Any, truth: Any, settle: Any, idle: Any
) -> None:
    panel, session = bench.panel(2), bench.session
    item = session.current
    panel.labelling.new.click()
    paint_dots(item.annotation, truth)
    settle(panel)
    make_small(panel)
    panel.form.fields["max_steps"].value = 100_000
    panel.train.click()
    qtbot.waitUntil(lambda: "preview" in item.made, timeout=90_000)
    viewer.layers.remove(item.made["preview"])
    viewer.layers.remove(item.annotation)
    qtbot.waitUntil(lambda: len(panel.trainer.points) >= 3, timeout=90_000)
    assert "preview" not in item.made
    viewer.layers.clear()
    idle()
    session.jobs.finish()
    wait_jobs(session)
    assert session.items == []
    assert len(viewer.layers) == 0


def test_closing_in_the_middle_loses_nothing(bench: Any, viewer: Any, qtbot: Any, truth: Any, settle: Any) -> None:
    panel, session = bench.panel(2), bench.session
    panel.labelling.new.click()
    paint_dots(session.current.annotation, truth)
    settle(panel)
    panel.train.click()
    qtbot.waitUntil(lambda: bool(panel.trainer.points), timeout=90_000)
    session.current.annotation.paint((3, 3), 2)
    viewer.close()
    qtbot.waitUntil(lambda: session.closed, timeout=10_000)
    kept = next((data_folder() / "annotations").glob("[!.]*.npz"))
    assert np.load(kept)["labels"][0, 3, 3] == 2


def test_a_prediction_is_taken_over_under_the_strokes_and_can_be_taken_back(bench: Any, wait_jobs: Any, qtbot: Any) -> None:
    panel, session = bench.panel(2), bench.session
    item = session.current
    assert not panel.labelling.take.isEnabled()
    bench.panel(1).one.click()
    wait_jobs(session)
    panel.classes.buttons[1].click()
    layer = item.annotation
    middle = tuple(np.argwhere(item.prediction.classes == 2)[50])
    layer.paint(middle, 1)
    strokes = layer.data.copy()
    panel.labelling.take.click()
    pick(panel.labelling, "Classes of the prediction")
    qtbot.waitUntil(lambda: bool((layer.data == 2).any()), timeout=10_000)
    assert (layer.data > 0).all()
    assert (layer.data[strokes > 0] == 1).all()
    layer.paint((100, 100), 3)
    panel.labelling.undo.click()
    np.testing.assert_array_equal(layer.data[layer.data != 3], strokes[layer.data != 3])
    assert (layer.data == 3).any()
    assert not panel.labelling.undo.isEnabled()
    panel.labelling.take.click()
    pick(panel.labelling, "Only where the model is sure")
    qtbot.waitUntil(lambda: bool((layer.data == 2).any()), timeout=10_000)
    unsure = item.prediction.probability.max(axis=0) < 0.9
    assert not layer.data[unsure & (strokes == 0) & (layer.data != 3)].any()


def test_a_draft_fills_what_is_not_painted(bench: Any, wait_jobs: Any, qtbot: Any, truth: Any) -> None:
    panel, session = bench.panel(2), bench.session
    panel.labelling.new.click()
    layer = session.current.annotation
    paint_dots(layer, truth)
    strokes = layer.data.copy()
    panel.labelling.draft.click()
    wait_jobs(session)
    np.testing.assert_array_equal(layer.data[strokes > 0], strokes[strokes > 0])
    filled = layer.data > 0
    assert filled.mean() > 0.9
    assert (layer.data == truth)[filled].mean() > 0.8
    panel.labelling.undo.click()
    np.testing.assert_array_equal(layer.data, strokes)


def test_strokes_of_one_class_are_a_sentence(bench: Any, wait_jobs: Any, qtbot: Any, settle: Any) -> None:
    panel, session = bench.panel(2), bench.session
    panel.labelling.new.click()
    session.current.annotation.paint((30, 30), 2)
    settle(panel)
    assert not panel.train.isEnabled()
    assert panel.note.text() == "Waits for strokes on the background too."
    notification_manager.records.clear()
    panel.labelling.draft.click()
    wait_jobs(session)
    assert "background" in notification_manager.records[-1].message


def test_a_layer_of_ones_own_is_learnt_from(bench: Any, viewer: Any, picture: Any, qtbot: Any, settle: Any) -> None:
    panel, session = bench.panel(2), bench.session
    item = session.current
    notification_manager.records.clear()
    panel.labelling.use.click()
    assert "no labels layer" in notification_manager.records[-1].message
    own = viewer.add_labels(picture.instances[:192, :192].astype(np.int32), name="truth")
    panel.labelling.use.click()
    pick(panel.labelling, "mask")
    qtbot.waitUntil(lambda: item.annotation is not None and bool(item.annotation.data.all()), timeout=10_000)
    np.testing.assert_array_equal(item.annotation.data == 2, own.data > 0)
    panel.labelling.use.click()
    pick(panel.labelling, "instances")
    settle(panel)
    assert panel.set.choices[item].currentText() == "layer of instances"
    assert panel.annotator.counts()[2].objects == len(np.unique(own.data)) - 1
    viewer.layers.remove(own)
    settle(panel)
    assert panel.set.boxes[item].isChecked()
    assert panel.annotator.counts()[2].pixels == int((item.annotation.data == 2).sum())


def test_instances_that_are_called_classes_are_asked_about(bench: Any, viewer: Any, picture: Any, qtbot: Any, settle: Any) -> None:
    panel, item = bench.panel(2), bench.session.current
    viewer.add_labels(picture.instances[:192, :192].astype(np.int32), name="truth")
    for answer, becomes in (("Particles", "layer of instances"), ("Classes", "strokes")):
        panel.labelling.use.click()
        pick(panel.labelling, "classes")
        qtbot.waitUntil(lambda: any("what are they" in each.text() for m in menus(panel.labelling) for each in m.actions()), timeout=10_000)
        pick(panel.labelling, answer)
        if answer == "Classes":
            qtbot.waitUntil(lambda: item.annotation is not None and int(item.annotation.data.max()) > 2, timeout=10_000)
            item.teaches = "strokes"
            bench.session.item_changed.emit(item, Change.TRUTH)
        settle(panel)
        assert panel.set.choices[item].currentText() == becomes


def test_reviewed_particles_teach_with_their_outlines(bench: Any, wait_jobs: Any, qtbot: Any, settle: Any) -> None:
    panel, session = bench.panel(2), bench.session
    item = session.current
    bench.panel(1).one.click()
    wait_jobs(session)
    assert panel.set.boxes == {}
    item.reviewed = True
    session.item_changed.emit(item, Change.REVIEW)
    settle(panel)
    assert panel.annotator.counts()[2].objects == len(item.particles)
    assert panel.train.isEnabled()
    panel.set.boxes[item].click()
    assert not item.trains
    assert not panel.train.isEnabled()
    assert "tick one" in panel.note.text()
    panel.set.boxes[item].click()
    make_small(panel)
    panel.train.click()
    wait_jobs(session)
    wait_jobs(session)
    assert panel.trainer.facts["objects_2"] == len(item.particles)


def test_a_stack_is_previewed_and_filled_on_its_shown_plane(
    viewer: Any, open_bench: Any, stack: Any, wait_jobs: Any, qtbot: Any, truth: Any, settle: Any
) -> None:
    viewer.add_image(stack, name="series", scale=(2, 0.5, 0.5), translate=(4, 0, 0))
    made = open_bench(viewer)
    panel, session = made.panel(2), made.session
    item = session.current
    panel.labelling.new.click()
    viewer.dims.set_point(0, 4)
    assert session.shown_plane(item) == 0
    paint_dots(item.annotation, truth, (0,))
    settle(panel)
    assert "planes of a stack" in panel.note.text()
    session.set_axes(item, "ZYX")
    viewer.dims.set_point(0, 8)
    panel.labelling.draft.click()
    wait_jobs(session)
    assert (item.annotation.data[0] > 0).mean() > 0.9
    assert not item.annotation.data[1].any()
    assert (item.annotation.data[2] > 0).mean() > 0.9
    panel.labelling.undo.click()
    settle(panel)
    make_small(panel)
    panel.form.fields["max_steps"].value = 100_000
    panel.train.click()
    qtbot.waitUntil(lambda: "preview" in item.made, timeout=90_000)
    preview = item.made["preview"]
    assert preview.data.shape == (1, 192, 192)
    np.testing.assert_allclose(preview.translate, (8, 0, 0))
    session.jobs.cancel()
    wait_jobs(session)
    assert not preview.visible


def test_settings_are_remembered(bench: Any, viewer: Any, open_bench: Any) -> None:
    panel = bench.panel(2)
    panel.form.fields["max_seconds"].value = 77
    panel.tune.click()
    panel.start.setCurrentIndex(panel.start.findData("none"))
    panel.start.activated.emit(panel.start.currentIndex())
    assert panel.start.base == "none"
    bench.session.close()
    again = open_bench(viewer).panel(2)
    assert again.form.value().max_seconds == 77
    assert again.tune.isChecked()
    assert again.start.base == "none"
    again.session.close()


def test_what_is_found_on_the_other_open_images_is_held(
    bench: Any, viewer: Any, wait_jobs: Any, qtbot: Any, truth: Any, settle: Any
) -> None:
    panel, session = bench.panel(2), bench.session
    grid = session.current
    for name, colours in (("left out", 1), ("other", 1), ("in colours", 3)):
        viewer.add_image(np.random.default_rng(0).integers(0, 255, (80, 90, colours) if colours > 1 else (80, 90), np.uint8), name=name)
    session.set_ignored([session.items[1]], True)
    viewer.add_image(np.zeros((70, 60)), name="another sample")
    session.set_sample(session.items[-1], "rods")
    viewer.add_image(np.zeros((70, 60)), name="never searched")
    session.part(Finder).find([session.items[2], session.items[-2]])
    wait_jobs(session)
    session.set_current(grid)
    panel.labelling.new.click()
    paint_dots(grid.annotation, truth)
    settle(panel)
    make_small(panel)
    heard: list[str] = []
    session.jobs.progressed.connect(lambda steps: heard.extend(step.message for step in steps))
    panel.train.click()
    qtbot.waitUntil(lambda: bool(panel.trainer.facts), timeout=90_000)
    session.jobs.cancel()
    wait_jobs(session)
    assert "asking the model to start from, picture 1 of 1" in heard  # what it says of the others is known from their search
    held, watched = open_beside(session.items, [grid])
    assert [each.name for each in held] == ["another sample"]
    assert [each.name for each in watched] == ["other"]


def test_what_came_of_a_training_is_told_at_once_and_can_be_taken_back(
    bench: Any, viewer: Any, wait_jobs: Any, qtbot: Any, truth: Any, settle: Any, idle: Any, on_small_screen: Any
) -> None:
    on_small_screen(bench)
    bench.go(1)
    bench.panel(1).one.click()
    wait_jobs(bench.session)
    bench.go(2)
    panel, session, item = bench.panel(2), bench.session, bench.session.current
    found = item.particles
    panel.labelling.new.click()
    paint_dots(item.annotation, truth)
    settle(panel)
    make_small(panel)
    panel.form.fields["validation"].value = 0.0
    assert not panel.back.isEnabled()
    places: dict[str, set[int]] = {"train": set(), "back": set(), "curves": set()}
    told: list[str] = []

    def look() -> None:
        for name, seen in places.items():
            part = getattr(panel, name)
            seen.add(part.mapTo(bench, part.rect().topLeft()).y())
        told.append(panel.verdict.text())

    panel.train.click()
    qtbot.waitUntil(lambda: len(panel.trainer.points) >= 1, timeout=90_000)
    idle()
    panel.trainer.advanced.connect(look)
    look()
    wait_jobs(session)
    wait_jobs(session)
    idle()
    look()
    assert all(len(seen) == 1 for seen in places.values()), places
    area = bench.panels.currentWidget()
    asked = session.part(Questions).of(item)  # a size that was stroked and is not looked for; the advice gives way to it
    for part in (panel.verdict, panel.back, panel.curves.plots[0], *([] if asked else [panel.advice])):
        top = part.mapTo(area.viewport(), part.rect().topLeft()).y()
        assert top >= 0
        assert top + part.height() <= area.viewport().height()
    assert panel.verdict.text().startswith(f"“particles+1” is in use: {len(item.particles)} particles")
    assert any("searching grid again" in each for each in told)
    assert panel.train.text() == "Train on"
    assert item.particles is not found
    assert (panel.live.use.isEnabled(), panel.live.model.rests(item)) == (False, True)
    assert panel.back.accessibleName() == "Go back to “particles”"
    panel.back.click()
    wait_jobs(session)
    assert session.model == "particles"
    assert "particles+1" in session.models
    assert item.particles is found
    assert not panel.back.isEnabled()
    # All that is told is true of the image in hand, and of what would come next.
    assert panel.verdict.text() == "“particles” is in use here; “particles+1”, which was trained, stays in the list of models."
    assert "Train on" not in panel.advice.text()
    assert (panel.train.text(), panel.start.base) == ("Train again", "particles")
    assert session.part(Questions).on(item, TRAINED) is None
    viewer.add_image(np.ascontiguousarray(item.layer.data[:, ::-1]), name="other", translate=(300, 20))
    session.set_current(session.items[-1])
    assert panel.verdict.text() == "The last training was on grid."  # nobody recommends what somebody went back from
    assert session.part(Questions).on(session.current, TRAINED) is None  # who went back is not offered it
    session.set_current(item)
    session.use_model_for(item, "particles+1")
    assert panel.train.text() == "Train on"
    assert panel.verdict.text().startswith("“particles+1” is in use now")


def test_the_brush_stays_in_hand_from_picture_to_picture(bench: Any, viewer: Any, picture: Any, idle: Any) -> None:
    panel, session, grid = bench.panel(2), bench.session, bench.session.current
    panel.live.box.click()  # nobody needs it here
    panel.labelling.new.click()
    for number, name in enumerate(("other", "bare"), start=1):
        viewer.add_image(picture.micrograph.data[:96, :96].copy(), name=name, translate=(200 * number, 20))
    other, bare = (next(item for item in session.items if item.name == name) for name in ("other", "bare"))

    def go(item: Any) -> None:
        session.set_current(item)
        session.reveal()
        idle()

    def held() -> tuple[Any, str]:
        layer = viewer.layers.selection.active
        return next((item for item in session.items if item.annotation is layer), None), str(getattr(layer, "mode", ""))

    go(other)
    panel.labelling.new.click()
    go(grid)
    assert held() == (grid, "paint")
    panel.classes.eraser.click()
    go(other)
    assert held() == (other, "erase")
    assert panel.classes.eraser.isChecked()
    go(bare)  # it has no annotation
    assert held()[0] is None
    assert bare.annotation is None
    go(grid)
    assert held() == (grid, "erase")
    panel.classes.buttons[1].click()
    viewer.layers.selection.active = other.layer  # as by a click in napari's own list
    idle()
    assert held() == (other, "paint")
    assert other.annotation.selected_label == 1
    other.annotation.mode = "pan_zoom"  # somebody put it down: it stays down
    go(grid)
    assert held()[0] is not grid or held()[1] == "pan_zoom"
    panel.classes.buttons[2].click()
    bench.go(1)
    go(other)
    assert held()[0] is None, "nobody paints in step 2"
    bench.go(2)
    go(grid)
    assert held()[0] is None, "another step puts it down"


def test_what_was_undone_is_not_told_any_more_to_who_paints_on(bench: Any) -> None:
    panel, session = bench.panel(2), bench.session
    panel.live.box.click()  # nobody needs it here
    panel.labelling.new.click()
    said: list[str] = []
    session.said.connect(said.append)
    session.current.annotation.paint((30, 30), 2)
    assert said == []
    session.part(UndoKeys).undo()
    assert said[-1].startswith("Undone: stroke")
    session.current.annotation.paint((30, 30), 2)
    assert said[-1] == ""
    session.part(UndoKeys).undo()
    session.say("something else")
    session.current.annotation.paint((30, 30), 2)
    assert said[-1] == "something else"


def test_an_image_whose_strokes_were_undone_teaches_nothing(bench: Any, viewer: Any, settle: Any) -> None:
    panel, item = bench.panel(2), bench.session.current
    panel.live.box.click()  # nobody needs it here
    panel.labelling.new.click()
    settle(panel)
    assert panel.set.boxes == {}
    assert panel.note.text() == "Waits for strokes: paint on particles and on the background."
    for paint_again in (lambda: item.annotation.paint((30, 30), 2), item.annotation.redo, lambda: item.annotation.paint((50, 50), 1)):
        paint_again()
        settle(panel)
        assert panel.set.boxes[item].isChecked()
        assert panel.annotator.counts_of(item)[2].pixels or panel.annotator.counts_of(item)[1].pixels
        while item.annotation.data.any():
            item.annotation.undo()
        settle(panel)
        assert panel.set.boxes == {}
        assert not panel.train.isEnabled()
        assert panel.note.text() == "Waits for strokes: paint on particles and on the background."
    item.annotation.refresh()  # drawn anew: no stroke
    settle(panel)
    assert panel.set.boxes == {}
