from __future__ import annotations

import numpy as np

import napari_temseg as temseg
from napari_temseg.widgets.improve.live.answers import LiveAnswer, iter_answer, iter_ground
from napari_temseg.widgets.improve.live.sure_so_far import SureSoFar, not_weighed


def test_only_what_was_sure_or_is_stroked_is_drawn_as_a_particle_before_it_is_weighed() -> None:
    classes = np.ones((20, 60), np.uint8)
    sure, dashed, new, drawn = (np.s_[5:15, left : left + 10] for left in (2, 17, 32, 47))
    for place in (sure, dashed, new, drawn):
        classes[place] = 2
    taken, stays, strokes = (np.zeros(classes.shape, kind) for kind in (bool, bool, np.uint8))
    taken[sure] = taken[dashed] = stays[5:15, 3:11] = True  # its rim was gained by the answer
    taken[5:15, 2] = taken[5:15, 11] = False
    strokes[10, 50:54], strokes[10, 35:38] = 2, 1
    before = SureSoFar(taken, stays)
    doubtful = not_weighed(classes, strokes, before)
    assert [doubtful[place].all() for place in (sure, dashed, new, drawn)] == [False, True, True, False]
    assert not doubtful[sure].any()
    assert not doubtful[drawn].any()
    assert not doubtful[classes == 1].any()
    part = np.s_[3:18, 15:45]
    np.testing.assert_array_equal(not_weighed(classes[part], strokes[part], before.within(part)), doubtful[part])
    unknown = not_weighed(classes, strokes, None)
    assert unknown[sure].all()
    assert unknown[new].all()
    assert not unknown[drawn].any()


def test_what_was_given_up_stays_dashed_where_it_touches_what_is_sure() -> None:
    classes, nothing = np.full((10, 30), 2, np.uint8), np.zeros((10, 30), np.uint8)
    taken, stays = np.ones((10, 30), bool), np.zeros((10, 30), bool)
    stays[:, :20] = True
    doubtful = not_weighed(classes, nothing, SureSoFar(taken, stays))
    assert doubtful[:, 20:].all()
    assert not doubtful[:, :20].any()


def test_what_is_said_to_be_done_of_an_answer_ends_with_it(banded: temseg.Segmenter) -> None:
    picture = temseg.simulate(temseg.SimulateConfig(height=300, width=280, count=12, diameter=28, seed=3)).micrograph
    strokes = np.zeros(picture.frame, np.uint8)
    strokes[100, 100:110] = 2
    look = iter_ground(banded, picture, temseg.PredictConfig(typical_size=28.0, exact_size=True))
    nothing = np.zeros(picture.frame, bool)
    steps = list(job := iter_answer(look, strokes, unsure=False, before=SureSoFar(nothing, nothing)))
    done = [step.fraction for step in steps]
    assert done == sorted(done)
    assert done[0] == 0
    assert max(done) < 1
    assert len({*done}) > 2
    preview, answered = steps[-1].preview, job.result
    assert isinstance(preview, LiveAnswer)
    assert set(np.unique(preview.drawing % 2)) <= {0, 1}
    filled = [each.drawing % 2 == 1 for each in (preview, answered)]
    assert filled[0].sum() <= filled[1].sum()
    assert (filled[0] & ~filled[1]).sum() <= 0.01 * filled[0].sum()  # nothing is surer before it is weighed, but for specks
