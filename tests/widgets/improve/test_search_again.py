"""What is told after a training of what its strokes say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_temseg.engine.interactive.stroked import Contradicted
from napari_temseg.engine.types.wording import STAYS
from napari_temseg.widgets.improve.live.next_place import NextPlace
from napari_temseg.widgets.improve.search_again import STROKED_SIZE, SearchAgain, SearchedAgain, outcome
from napari_temseg.widgets.improve.trainer import Trainer
from napari_temseg.widgets.particles.tools.undo_keys import UndoKeys
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.questions import Questions


def test_it_counts_particles_and_strokes(viewer: Any, open_bench: Any) -> None:
    viewer.add_image(np.zeros((64, 64), np.uint8), name="grid")
    item = open_bench(viewer).session.current

    def told(before: int | None, still: Contradicted | None, *, anew: bool = True) -> str:
        return outcome(SearchedAgain(item, None, before, 49, still=still, anew=anew))  # type: ignore[arg-type]

    assert told(46, None) == "49 particles, 46 before."
    wider = SearchedAgain(item, None, 84, 82, still=None, wider=1.08)  # type: ignore[arg-type]
    assert outcome(wider) == "82 particles, 84 before, D50 8 % larger."
    assert outcome(replace(wider, wider=0.93)) == "82 particles, 84 before, D50 7 % smaller."
    assert outcome(replace(wider, wider=1.01)) == "82 particles, 84 before."
    assert told(None, Contradicted(3, 0, 0, 2, 0)) == "49 particles; agrees with all strokes."
    assert told(46, Contradicted(3, 2, 0, 2, 0)) == "49 particles, 46 before; 2 of 3 stroked particles missed."
    assert told(46, Contradicted(3, 2, 1, 2, 1)).endswith(
        "2 of 3 stroked particles missed (1 of them unsure); 1 of 2 strokes on background lie on particles."
    )
    assert told(46, Contradicted(104, 27, 3, 88, 12, regions=True)) == (
        "49 particles, 46 before; 77 of 104 labelled found (3 more unsure); 12 false."
    )
    assert told(49, Contradicted(104, 0, 0, 88, 0, regions=True)) == "49 particles as before; agrees with all labels."
    assert told(49, Contradicted(1, 1, 1, 2, 0), anew=False) == "1 of 1 stroked particle missed (unsure)."
    assert told(49, Contradicted(1, 0, 0, 2, 0), anew=False) == outcome(None) == ""


def test_where_no_search_is_needed_the_result_stays_and_strokes_are_counted(
    viewer: Any, open_bench: Any, picture: Any, tiny: Any, wait_jobs: Any, qtbot: Any
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
    assert outcome(again.result) == "1 of 2 strokes on background lie on particles."
    # A size within the band is looked for.
    for times, offered in ((2.6, False), (0.4, False), (4.0, True)):
        again._offer(item, said, times * said.size)
        assert (session.part(Questions).on(item, STROKED_SIZE) is not None) == offered
    session.part(Questions).drop(item, STROKED_SIZE)
    # One press goes to the stroke, and why no model was made stands first.
    panel, trainer = bench.panel(2), session.part(Trainer)
    trainer.ended, trainer.notes = True, [f"{STAYS}: that is why; do that"]
    trainer._taught.add(item)
    panel.refresh()
    assert panel.verdict.text() == "Not kept: that is why; do that."
    assert panel.advice.text().startswith("1 of 2 strokes on background lie on particles.")
    assert panel.show_them.isVisibleTo(panel)
    assert panel.show_them.text() == "Show 1"
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
    # Where a model was made that is still wrong about many strokes, a filling teaches more than strokes.
    trainer.made = session.add_model("grid+1", tiny, [item])
    for missed, regions, begins in ((2, False, "Still wrong in many places: Fill from"), (1, False, "Look at"), (2, True, "Look at")):
        again.result = replace(again.result, still=Contradicted(5, missed, 0, 5, 0, regions=regions))
        panel.refresh()
        assert panel.advice.text().startswith(begins)


def test_a_size_that_was_stroked_and_not_looked_for_is_offered_and_never_taken(
    viewer: Any, open_bench: Any, wait_jobs: Any, qtbot: Any
) -> None:
    y, x = np.mgrid[:512, :512]
    image = np.full((512, 512), 60.0) + np.random.default_rng(0).normal(0, 6, (512, 512))
    large = ((110, 120), (380, 390))
    small = [(b, a) for a in range(40, 500, 60) for b in range(40, 500, 60) if min(np.hypot(b - c, a - d) for c, d in large) > 80]
    for (b, a), radius in [*((each, 8) for each in small[:40]), *((each, 55) for each in large)]:
        image += 90 * np.clip(radius - np.hypot(y - b, x - a), 0, 1)
    viewer.add_image(np.clip(image, 0, 255).astype(np.uint8), name="powder")
    bench = open_bench(viewer)
    session, item, questions = bench.session, bench.session.current, bench.session.part(Questions)
    bench.go(1)
    bench.panel(1).dial.say_sizes([16.0])
    bench.panel(1).one.click()
    wait_jobs(session)
    found, said, typed = item.particles, item.search, bench.panel(1).dial.field.text()
    bench.go(2)
    bench.panel(2).live.box.click()  # nobody needs it here
    bench.panel(2).labelling.new.click()
    for b, a in large:
        item.annotation.data[b - 2 : b + 3, a - 6 : a + 7] = 2
    item.annotation.data[254:259, 14:27] = 1
    session.item_changed.emit(item, Change.ANNOTATION)
    session.part(SearchAgain).begin(item, needed=False)  # as after a training that made no model
    qtbot.waitUntil(lambda: questions.of(item) is not None)
    question = questions.of(item)
    assert question.text.startswith("You stroked particles of about ")
    bench.panel(2).trainer.ended = True  # as after a training that was not kept: that comes first
    bench.panel(2).trainer._taught.add(item)
    bench.panel(2).refresh()
    assert bench.panel(2).verdict.text().endswith("of a size that is not looked for; say first which is meant (below).")
    assert (item.particles is found, item.search == said, item.prediction.other) == (True, True, None)
    questions.answer(question, question.answers[0])
    wait_jobs(session)
    assert item.prediction.other is not None
    assert all(item.particles.labels[place] for place in large)
    session.part(UndoKeys).undo()  # once
    wait_jobs(session)
    assert (item.particles is found, item.search == said) == (True, True)
    assert bench.panel(1).dial.field.text() == typed
    # Where a model was made, the picture is searched at the size it has.
    session.part(SearchAgain).begin(item, needed=True)
    wait_jobs(session)
    assert item.particles is not found
    assert item.prediction.size == found.prediction.size
    assert (item.search == said, item.prediction.other) == (True, None)
