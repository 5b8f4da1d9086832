"""*Use as result*: labels that were painted and filled are the particles of a picture, and nobody takes them for a model's."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_temseg.api import size_distribution
from napari_temseg.engine.particles.other_splits import with_other_splits
from napari_temseg.engine.types.results import BY_LABELS
from napari_temseg.engine.types.wording import least_words, verdict_words
from napari_temseg.widgets.improve.annotation.annotator import FILLED_OPACITY, OPACITY
from napari_temseg.widgets.particles.tools.undo_keys import UndoKeys
from napari_temseg.widgets.session.change import Change


def test_labels_become_the_result_and_say_that_no_model_found_them(
    viewer: Any, open_bench: Any, picture: Any, wait_jobs: Any, wait_chores: Any, qtbot: Any
) -> None:
    truth = picture.instances[:192, :192]
    viewer.add_image(picture.micrograph.data[:192, :192], name="grid", scale=(0.5, 0.5), units=("nm", "nm"))
    bench = open_bench(viewer)
    bench.go(2)
    panel, session = bench.panel(2), bench.session
    panel.live.box.click()  # nobody needs it here
    item = session.current
    panel.labelling.new.click()
    layer = item.annotation
    layer.paint((5, 5), 1)
    session.item_changed.emit(item, Change.ANNOTATION)
    qtbot.waitUntil(lambda: not panel.annotator.counting)
    assert not panel.labelling.result.isEnabled()  # most of it is not labelled
    assert layer.opacity == OPACITY
    assert panel.classes.counts[1].text().startswith("1 stroke · ")
    layer.data[...] = np.where(truth > 0, 2, 1)
    layer.data[:2] = 0
    session.item_changed.emit(item, Change.ANNOTATION)
    qtbot.waitUntil(panel.labelling.result.isEnabled)
    assert layer.opacity == FILLED_OPACITY  # outlines below it are seen
    assert " regions · " in panel.classes.counts[2].text()  # nobody stroked those
    told: list[str] = []
    session.said.connect(told.append)
    panel.labelling.result.click()
    wait_jobs(session)
    np.testing.assert_array_equal(item.particles.labels > 0, (truth > 0) & (layer.data > 0))
    assert len(item.particles) >= len(np.unique(truth)) - 2  # touching ones come apart
    assert item.particles.uncertain == 0
    assert told[-1].startswith(f"{len(item.particles)} particles of grid are as labelled")
    assert "1 % of the image is not labelled" in told[-1]
    assert item.measurement.model_hash == BY_LABELS
    assert "found by “labels of step 3, no model”" in bench.panel(1).note.text()
    words = size_distribution([with_other_splits(item.measurement, item.particles)]).summary()
    assert words["segmentation"]["uncalibrated"].startswith("the particles are outlined by labels, and no model was compared")
    assert (words["segmentation"]["calibrated"], words["segmentation"]["at_least"]) == (False, True)
    assert "no model was compared" in least_words(words)
    assert verdict_words({**words, "usable": True}).count("these are outlines by labels: no model was compared") == 1
    session.part(UndoKeys).undo()
    assert item.particles is None
    session.part(UndoKeys).redo()
    assert item.measurement.model_hash == BY_LABELS
    layer.opacity = 0.5  # somebody's own
    layer.data[...] = 0
    session.item_changed.emit(item, Change.ANNOTATION)
    qtbot.waitUntil(lambda: not panel.annotator.counting)
    assert layer.opacity == 0.5
