from __future__ import annotations

import numpy as np
import pytest

from napari_temseg.engine.interactive.draft import iter_draft
from napari_temseg.engine.interactive.specks import Specks
from napari_temseg.engine.types.config import DraftConfig
from napari_temseg.engine.types.errors import Cancelled, TemsegError
from napari_temseg.engine.types.micrograph import Micrograph

QUICK = DraftConfig(trees=10, sigma_max=4.0)


def field(seed: int = 0, height: int = 96, width: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture with dark discs and its mask."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    mask = np.zeros((height, width), bool)
    for cy, cx in ((24, 24), (24, 90), (70, 40), (66, 100)):
        mask |= np.hypot(y - cy, x - cx) < 14
    return (100.0 - 40 * mask + random.normal(0, 5, mask.shape)).astype(np.float32), mask


def strokes(mask: np.ndarray) -> np.ndarray:
    drawn = np.zeros(mask.shape, np.uint8)
    drawn[24, 15:33] = 2
    drawn[46:48, 5:120] = 1
    return drawn


def test_a_few_strokes_fill_the_picture():
    picture, mask = field()
    draft = iter_draft(Micrograph(picture), strokes(mask), QUICK).drain()
    assert draft.dtype == np.uint8
    assert draft.shape == picture.shape
    found = draft == 2
    assert (found & mask).sum() / (found | mask).sum() > 0.85


def test_a_stack_is_filled_from_one_plane_with_one_progress_a_plane():
    planes, masks = zip(*(field(seed) for seed in range(3)), strict=True)
    stack = np.stack([planes[0], 2 * planes[1] + 30, planes[2]])  # another gain and offset must not matter
    drawn = np.zeros(stack.shape, np.uint8)
    drawn[0] = strokes(masks[0])
    job = iter_draft(Micrograph(stack, "NYX"), drawn, QUICK)
    filling = [progress for progress in job if progress.stage == "filling"]
    assert [progress.message for progress in filling] == ["plane 1 of 3", "plane 2 of 3", "plane 3 of 3"]
    assert filling[-1].fraction == 1
    for plane, mask in zip(job.result, masks, strict=True):
        assert ((plane == 2) & mask).sum() / ((plane == 2) | mask).sum() > 0.85


def test_strokes_are_kept_even_where_the_forest_disagrees():
    picture, mask = field()
    drawn = strokes(mask)
    drawn[5, 60:70] = 3  # background painted as another class
    draft = iter_draft(Micrograph(picture), drawn, DraftConfig(trees=10, sigma_max=4.0, confidence=1.0)).drain()
    np.testing.assert_array_equal(draft[drawn > 0], drawn[drawn > 0])
    assert (draft == 0).any()


def test_more_confidence_leaves_more_unlabelled():
    picture, mask = field()
    counts = [
        int((iter_draft(Micrograph(picture), strokes(mask), DraftConfig(trees=10, sigma_max=4.0, confidence=c)).drain() == 0).sum())
        for c in (0.0, 0.8, 1.0)
    ]
    assert counts[0] == 0 < counts[1] < counts[2]


def test_nan_and_invalid_pixels_stay_unlabelled():
    picture, mask = field()
    picture[60:70, 60:80] = np.nan
    valid = np.ones(mask.shape, bool)
    valid[-8:] = False
    draft = iter_draft(Micrograph(picture, valid=valid), strokes(mask), QUICK).drain()
    assert not draft[60:70, 60:80].any()
    assert not draft[-8:].any()
    assert draft[:60].all()


def test_a_plane_without_a_single_number_stays_unlabelled():
    picture, mask = field()
    drawn = np.zeros((2, *mask.shape), np.uint8)
    drawn[0] = strokes(mask)
    draft = iter_draft(Micrograph(np.stack([picture, np.full_like(picture, np.nan)]), "NYX"), drawn, QUICK).drain()
    assert draft[0].all()
    assert not draft[1].any()


def test_large_planes_are_worked_on_in_bands_without_a_seam(monkeypatch):
    picture, mask = field()
    whole = iter_draft(Micrograph(picture), strokes(mask), QUICK).drain()
    monkeypatch.setattr("napari_temseg.engine.interactive.draft.BAND_PIXELS", 20 * picture.shape[1])
    monkeypatch.setattr("napari_temseg.engine.interactive.draft.PIECE_PIXELS", 8 * picture.shape[1])
    job = iter_draft(Micrograph(picture), strokes(mask), QUICK)
    told = [progress.fraction for progress in job]
    assert (whole == job.result).mean() > 0.999
    assert told == sorted(told)
    assert np.diff(told).max() < 0.2  # nobody waits for long without a word of how far it is


def test_finish_leaves_the_rest_as_drawn_and_cancel_has_no_result():
    picture, mask = field()
    stack, drawn = np.stack([picture, picture]), np.zeros((2, *mask.shape), np.uint8)
    drawn[0], drawn[1, 0, :5] = strokes(mask), 1
    job = iter_draft(Micrograph(stack, "NYX"), drawn, QUICK)
    for progress in job:
        if progress.stage == "filling":
            job.finish()
    assert job.result[0].all()
    np.testing.assert_array_equal(job.result[1], drawn[1])

    job = iter_draft(Micrograph(stack, "NYX"), drawn, QUICK)
    next(job)
    job.cancel()
    with pytest.raises(Cancelled):
        job.drain()


def test_the_same_seed_gives_the_same_draft():
    picture, mask = field()
    first, second = (iter_draft(Micrograph(picture), strokes(mask), QUICK).drain() for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((96, 128), np.uint8), "no strokes"),
        (np.ones((96, 128), np.uint8), "background only"),
        (np.full((96, 128), 2, np.uint8), "one class only"),
        (np.zeros((96, 127), np.uint8), "shape"),
        (np.zeros((96, 128), float), "integers"),
        (np.full((96, 128), 300), "255"),
    ],
)
def test_bad_labels_say_what_to_do(labels, message):
    with pytest.raises(TemsegError, match=message):
        iter_draft(Micrograph(field()[0]), labels, QUICK).drain()


def test_specks_that_nobody_stroked_stay_unlabelled_and_holes_as_small_are_filled():
    filled = np.ones((2, 96, 128), np.uint8)
    y, x = np.mgrid[:96, :128]
    for plane in filled:
        for cx in (24, 64, 104):
            plane[np.hypot(y - 48, x - cx) < 14] = 2
        plane[5:8, 5:8] = plane[5, 60] = 2
        plane[46:49, 24:27] = 1  # a hole, and another that was stroked
        plane[46:49, 104:107] = 1
    drawn = np.zeros_like(filled)
    drawn[1, 48, 60:70], drawn[1, 47, 104:107] = 2, 1
    specks = Specks()
    np.testing.assert_array_equal(specks.taken_out(0, filled[0], drawn[0]), filled[0])  # nobody knows yet
    assert specks.left == [0]
    for index in (1, 0):
        out = specks.taken_out(index, filled[index], drawn[index])
        assert not out[5:8, 5:8].any()
        assert not out[5, 60]
        assert (out[40:55, 18:30] == 2).all()
        assert out[47, 105] == (1 if index else 2)
        assert (out[filled[index] != out] != 1).all()
