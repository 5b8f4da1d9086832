from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from napari_temseg.widgets.improve.live import kept_answers
from napari_temseg.widgets.improve.live.answers import LiveTarget
from napari_temseg.widgets.improve.live.kept_answers import KEPT_PIXELS, KeptAnswers


def test_who_comes_back_to_a_picture_sees_its_answer_at_once(bench: Any, viewer: Any, picture: Any, settle: Any) -> None:
    viewer.add_image(picture.micrograph.data[::-1, :192], name="another")
    session, panel = bench.session, bench.panel(2)
    bench.go(2)
    live, first, second = panel.live.model, *session.items
    for item, row in ((first, 90), (second, 40)):
        session.set_current(item)
        panel.labelling.new.click()
        item.annotation.data[row, 90:100] = 2
        item.annotation.refresh()
        live.annotator.painted.emit(item)
        settle(bench)
    for item in (first, second):
        session.set_current(item)
        live._advance()
        assert not session.jobs.looking
        assert not live.coming
        assert live.seen
        assert item.made["live"].visible
        np.testing.assert_array_equal(live.answer_of(item, 0).strokes, item.annotation.data)
    viewer.layers.remove(second.layer)
    settle(bench)
    assert not live._kept.planes(LiveTarget(second, 0, live.aim.model, live.aim.predict))


class Picture:
    """What is asked of a picture to keep answers of it."""

    def __init__(self, side: int) -> None:
        self.frame = side, side


def test_no_more_is_kept_than_fits() -> None:
    def aims(side: int, count: int) -> list[Any]:
        return [LiveTarget(Picture(side), 0, None, None) for _ in range(count)]  # type: ignore[arg-type]

    for side, grounds, answers in ((4096, 3, 1), (2048, 6, 6), (64, kept_answers.MOST_PLANES, kept_answers.MOST_PLANES)):
        kept, made = KeptAnswers(), aims(side, 70)
        for aim in made:
            kept.keep(aim, SimpleNamespace(ground=object()))  # type: ignore[arg-type]
        assert [aim in kept for aim in made] == [False] * (70 - grounds) + [True] * grounds
        assert sum(kept.answer(aim) is not None for aim in made) == answers
        assert answers * side**2 <= KEPT_PIXELS
