"""Which images are trained on next, and what *Train* says of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_temseg.engine.types.wording import ENOUGH_SECONDS, TIME_SUFFICED
from napari_temseg.widgets.session.change import Change


def test_an_image_joins_below_the_others_and_train_says_again_only_of_what_was_trained(viewer: Any, open_bench: Any, qtbot: Any) -> None:
    for number, name in enumerate(("one", "two", "three")):
        viewer.add_image(np.zeros((64, 64), np.uint8), name=name, translate=(0, 100 * number))
    bench = open_bench(viewer)
    session, panel = bench.session, bench.panel(2)
    bench.go(2)
    panel.live.box.click()  # nobody needs it here
    for name in ("three", "one"):
        item = next(each for each in session.items if each.name == name)
        session.set_current(item)
        panel.labelling.new.click()
        item.annotation.data[:8], item.annotation.data[20:28] = 1, 2
        session.item_changed.emit(item, Change.ANNOTATION)
        qtbot.waitUntil(lambda item=item: item in panel.set.boxes and panel.train.isEnabled())
    assert [each.name for each in panel.set.boxes] == ["three", "one"]
    trainer, three = panel.trainer, next(iter(panel.set.boxes))
    assert panel.train.text() == "Train"
    # As after a training of the other one, whose time was too short.
    trainer._taught.add(three)
    trainer.ended, trainer.notes = True, [f"{TIME_SUFFICED.format(9, 40)}: {ENOUGH_SECONDS.format(130)}"]
    panel.refresh()
    assert panel.train.text() == "Train again"
    panel.set.boxes[three].click()
    assert panel.train.text() == "Train"
    panel.set.boxes[three].click()
    panel.set.boxes[three].click()  # which do not go with this one may go with another
    session.set_current(three)
    assert panel.set.boxes[three].isChecked()
    assert panel.train.text() == "Train again for 130 s"
    assert panel.verdict.text() == "Not kept: time for 9 of 40 steps only; about 130 s would do."
    asked: list[float] = []
    begun, trainer.train = trainer.train, lambda base, config, *, tune: asked.append(config.max_seconds)
    panel.train.click()
    trainer.train = begun
    assert asked == [130]
    panel.form.fields["max_seconds"].value = 150  # somebody says another
    assert panel.train.text() == "Train again"
