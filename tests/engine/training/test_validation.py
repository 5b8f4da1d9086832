"""What judges a model is never in a crop that trains it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_temseg import TrainConfig
from napari_temseg.engine.training.crops import Crops
from napari_temseg.engine.training.dataset import LabelledPlane
from napari_temseg.engine.training.task import STROKE_PIXELS
from napari_temseg.engine.training.validation import MANY_PLANES, VALIDATION_PIXELS, VALIDATION_WINDOW, hold_out

GEOMETRY = TrainConfig(crop=96, scaling=1.0, elastic=4.0, brightness=0, contrast=0, gamma=0, noise=0)


def plane(labels: np.ndarray, first: int = 0, image: np.ndarray | None = None) -> LabelledPlane:
    """A plane whose every pixel holds its own number, from `first`."""
    numbers = first + np.arange(labels.size).reshape(labels.shape) if image is None else image
    distance = np.zeros(labels.shape, np.float32)
    return LabelledPlane(image=numbers.astype(np.float32), labels=labels.astype(np.uint8), known=labels > 0, distance=distance)


def dense(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Labels everywhere: particles of 12 px on a background."""
    coarse = np.random.default_rng(seed).random((height // 12 + 1, width // 12 + 1)) < 0.25
    return np.where(np.kron(coarse, np.ones((12, 12)))[:height, :width] > 0, 2, 1)


def judged(planes: list[LabelledPlane]) -> np.ndarray:
    return np.concatenate([one.image[one.labels > 0] for one in planes])


@settings(max_examples=15, deadline=None)
@given(st.integers(100, 400), st.integers(100, 400), st.integers(0, 50))
def test_no_judged_pixel_is_in_a_training_plane(height, width, seed):
    labels = dense(height, width, seed)
    parts = hold_out([plane(labels)], 0.2, seed)
    assert len(parts.training) == 1
    if not parts.validation:
        return
    trained, held = parts.training[0].image.ravel(), judged(parts.validation)
    assert not np.isin(held, trained).any()
    assert len(np.unique(held)) == len(held)
    assert 0.05 < len(held) / (len(held) + len(trained)) < 0.45
    # and a judged pixel keeps its label
    assert (labels.ravel()[held.astype(int)] == np.concatenate([one.labels[one.labels > 0] for one in parts.validation])).all()


def test_no_training_crop_sees_a_judged_pixel():
    labels = dense(300, 260)
    held = judged(hold_out([plane(labels)], 0.2, 0).validation).astype(int)
    assert held.size
    marked = np.zeros(labels.size)
    marked[held] = 1
    parts = hold_out([plane(labels, image=marked.reshape(labels.shape))], 0.2, 0)
    assert (judged(parts.validation) == 1).all()  # the same split: it looks at labels only
    crops = Crops(parts.training, GEOMETRY, scales=(1.0, 0.5))
    for _ in range(25):
        assert (crops.draw(4).images == 0).all()


def test_a_dense_mask_is_split_at_about_a_fifth_and_says_so():
    parts = hold_out([plane(dense(400, 300))], 0.2, 0)
    share = judged(parts.validation).size / (400 * 300)
    assert share == pytest.approx(0.2, abs=0.06)
    assert "of the labels kept back to try the model on, a strip of 1 micrograph" in parts.sentence


def test_a_stroke_across_the_border_is_never_judged_half():
    labels = np.zeros((200, 200), int)
    for row in range(8, 200, 16):
        labels[row : row + 3, 5:60] = 1
        labels[row : row + 3, 120:190] = 2
    parts = hold_out([plane(labels)], 0.2, 0)
    assert parts.validation
    held = set(judged(parts.validation).astype(int).tolist())
    trained = set(parts.training[0].image[parts.training[0].labels > 0].astype(int).tolist())
    for row in range(8, 200, 16):
        for number, columns in ((1, slice(5, 60)), (2, slice(120, 190))):
            stroke = {r * 200 + c for r in range(row, row + 3) for c in range(columns.start, columns.stop)}
            assert stroke <= held or not stroke & held, f"stroke of class {number} at row {row} is judged in part"
            assert not (stroke <= held and stroke & trained)


@pytest.mark.parametrize("side", [512, 2048])
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("seed", [1, 4])
def test_of_a_dozen_strokes_a_class_two_or_more_are_kept_back(side, clustered, seed):
    rng = np.random.default_rng(seed)
    labels, places = np.zeros((side, side), np.uint8), rng.uniform(0.15, 0.85, (3, 2)) * side
    for number, length in ((1, 30), (2, 12)):
        for _ in range(12):
            drawn = places[rng.integers(3)] + rng.normal(0, 0.12 * side, 2) if clustered else rng.uniform(0, side, 2)
            y, x = np.clip(drawn, 5, side - 40).astype(int)
            labels[y : y + 3, x : x + length] = number
    parts = hold_out([plane(labels)], 0.2, 0).thinned(STROKE_PIXELS, 1.0, "are looked at")
    for number in (1, 2):
        assert sum(int(ndimage.label(one.labels == number, np.ones((3, 3)))[1]) for one in parts.validation) >= 2
        assert (parts.training[0].labels == number).sum() >= 0.5 * (labels == number).sum()


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_few_labels_are_all_trained_on_and_the_sentence_says_why(share):
    labels = np.zeros((128, 128), int)
    labels[20:24, 20:60], labels[80:84, 20:60] = 1, 2  # one stroke a class
    parts = hold_out([plane(labels)], share, 0)
    assert parts.validation == []
    assert (parts.training[0].labels == labels).all()
    expected = (
        "fewer than two separate regions of a class are labelled" if share else "none of the labels kept back to try the model on, as asked"
    )
    assert expected in parts.sentence


def test_a_small_picture_is_not_split():
    assert hold_out([plane(dense(48, 48))], 0.2, 0).validation == []


def test_of_many_planes_whole_ones_are_held_out():
    planes = [plane(dense(64, 64, seed), first=seed * 4096) for seed in range(10)]
    parts = hold_out(planes, 0.2, 3)
    assert (len(parts.training), len(parts.validation)) == (8, 2)
    assert "2 of 10 labelled planes" in parts.sentence
    trained = np.concatenate([one.image.ravel() for one in parts.training])
    seen = np.concatenate([one.image.ravel() for one in parts.validation])
    assert not np.isin(seen, trained).any()
    again = hold_out(planes, 0.2, 3)
    assert [one.image[0, 0] for one in again.validation] == [one.image[0, 0] for one in parts.validation]


def test_a_class_on_one_plane_only_is_in_both_parts_or_none_is_held():
    planes = [plane(np.where(dense(150, 150, seed) == 2, 2 + (seed == 0), 1)) for seed in range(MANY_PLANES)]
    parts = hold_out(planes, 0.2, 0)
    numbers = {int(n) for one in parts.training for n in np.unique(one.labels)}
    judged_numbers = {int(n) for one in parts.validation for n in np.unique(one.labels)}
    assert numbers >= {1, 2, 3}
    assert not parts.validation or judged_numbers >= {1, 2, 3}


def test_windows_are_bounded_in_size_and_number_and_hold_every_class():
    labels = np.ones((1, 513 * 5, 1100), int)[0]
    labels[::400, 20:60] = 2
    labels[7:30, 700:760] = labels[-30:-7, 700:760] = 3
    parts = hold_out([plane(labels)] * 2, 0.3, 0)
    sizes = [side for one in parts.validation for side in one.labels.shape]
    assert max(sizes) <= VALIDATION_WINDOW
    assert min(sizes) > VALIDATION_WINDOW / 8
    if parts.validation:
        assert sum(one.labels.size for one in parts.validation) <= VALIDATION_PIXELS + 3 * VALIDATION_WINDOW**2
        assert {1, 2, 3} <= {int(n) for one in parts.validation for n in np.unique(one.labels)}
