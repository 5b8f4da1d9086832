"""What is told after a training of what its strokes say."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_temseg.engine.interactive.stroked import Contradicted
from napari_temseg.engine.types.wording import STAYS
from napari_temseg.widgets.improve.live.next_place import NextPlace
from napari_temseg.widgets.improve.search_again import SearchAgain, SearchedAgain, of_sizes, outcome
from napari_temseg.widgets.improve.trainer import Trainer
from napari_temseg.widgets.session.change import Change


def test_it_counts_particles_and_strokes(viewer: Any, open_bench: Any) -> None:
    viewer.add_image(np.zeros((64, 64), np.uint8), name="grid")
    item = open_bench(viewer).session.current

    def told(before: int | None, still: Contradicted | None, *, anew: bool = True) -> str:
        return outcome(SearchedAgain(item, None, before, 49, still=still, anew=anew))  # type: ignore[arg-type]

    assert told(46, None) == "49 particles, 46 before."
    assert told(None, Contradicted(3, 0, 0, 2, 0)) == "49 particles; agrees with all strokes."
    assert told(46, Contradicted(3, 2, 0, 2, 0)) == "49 particles, 46 before; 2 of 3 stroked particles still missed."
    assert told(46, Contradicted(3, 2, 1, 2, 1)).endswith(
        "2 of 3 stroked particles still missed (1 of them unsure, left out); 1 of 2 strokes on background still on particles."
    )
    assert told(49, Contradicted(1, 1, 1, 2, 0), anew=False) == "1 of 1 stroked particle still missed (unsure, left out)."
    assert told(49, Contradicted(1, 0, 0, 2, 0), anew=False) == outcome(None) == ""
    assert of_sizes(None) == ""


def test_where_no_search_is_needed_the_result_stays_and_strokes_are_counted(
    viewer: Any, open_bench: Any, picture: Any, wait_jobs: Any, qtbot: Any
) -> None:
    viewer.add_image(picture.micrograph.data[:192, :192], name="grid")
    bench = open_bench(viewer)
    bench.panel(1).one.click()
    session = bench.session
    wait_jobs(session)
    item = session.current
    found, said = item.particles, item.prediction
    bench.go(2)
    bench.panel(2).labelling.new.click()
    y, x = np.argwhere(found.labels == 0)[0]
    item.annotation.data[y : y + 3, x : x + 3] = 1
    y, x = np.argwhere(found.labels > 0)[300]
    item.annotation.data[y : y + 2, x : x + 2] = 1
    y, x = np.argwhere(found.labels == found.labels.max())[200]
    item.annotation.data[y : y + 2, x : x + 2] = 2
    session.item_changed.emit(item, Change.ANNOTATION)
    again = session.part(SearchAgain)
    with qtbot.waitSignal(again.ended, timeout=60_000):
        again.begin(item, needed=False)
    assert item.particles is found
    assert item.prediction is said
    assert outcome(again.result) == "1 of 2 strokes on background still on particles."
    # One press goes to the stroke, and why no model was made stands first.
    panel, trainer = bench.panel(2), session.part(Trainer)
    trainer.ended, trainer.notes = True, [f"{STAYS}: that is why"]
    trainer._taught.add(item)
    panel.refresh()
    assert panel.verdict.text().startswith("Not kept: it would have changed too much that your strokes say nothing about")
    assert panel.verdict.text().endswith("1 of 2 strokes on background still on particles.")
    assert panel.show_them.isVisibleTo(panel)
    place = trainer.contradicted[0]
    told: list[str] = []
    session.said.connect(told.append)
    panel.show_them.click()
    assert (session.part(NextPlace).place, item.made["place"].visible) == (place, True)
    assert item.annotation.data[place.y, place.x] == 1
    assert found.labels[place.y, place.x] > 0
    assert told[-1].startswith("this stroke says background, and lies on a particle")
    item.annotation.data[place.y - 3 : place.y + 4, place.x - 3 : place.x + 4] = 0  # as by the eraser
    session.item_changed.emit(item, Change.ANNOTATION)
    assert not panel.show_them.isEnabled()
