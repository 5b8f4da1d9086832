"""Which particles look like two and which pieces like one, and how the former come apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

import napari_temseg as temseg
from napari_temseg import TemsegError
from napari_temseg.engine.particles.doubts import apart_at, doubts, split_more
from napari_temseg.engine.particles.edits import part_at
from napari_temseg.engine.particles.outlining import outlined_at
from napari_temseg.engine.types.confidence import Doubts
from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.results import Particles, Prediction


def blobs(*places: tuple[int, int, int]) -> np.ndarray:
    y, x = np.indices((120, 160))
    found = np.zeros(y.shape, bool)
    for cy, cx, radius in places:
        found |= np.hypot(y - cy, x - cx) <= radius
    return found


DUMBBELL, BALL = ((40, 30, 16), (40, 56, 16)), (90, 110, 18)


def split_at(strength: float, mask: np.ndarray) -> tuple[Particles, SplitConfig]:
    """As splitting by shape leaves it."""
    config = SplitConfig(strength=strength)
    prediction = Prediction.of_classes(mask.astype(np.uint8) + 1, Micrograph(np.zeros(mask.shape, np.uint8), "YX"))
    return temseg.split(prediction, config), config


def test_a_dumbbell_left_together_looks_like_two_and_a_ball_does_not() -> None:
    particles, config = split_at(0.0, blobs(*DUMBBELL, BALL))
    assert len(particles) == 2
    found = doubts(particles, config)
    assert set(found.two) == {int(particles.labels[40, 30])}
    assert not found.one


def seen_with(seams: list[float]) -> tuple[Particles, SplitConfig]:
    """Dumbbells below one another that no dent cuts yet, noisy, each with a dark seam of that depth across its waist."""
    y, x = np.indices((60 * len(seams), 110))
    mask, image = np.zeros(y.shape, bool), np.full(y.shape, 60.0)
    for n, depth in enumerate(seams):
        here = (np.hypot(y - 60 * n - 30, x - 40) <= 16) | (np.hypot(y - 60 * n - 30, x - 66) <= 16)
        mask |= here
        image[here] = 140
        image[here & (np.abs(x - 53) <= 1)] -= depth
    image = ndimage.gaussian_filter(image, 1) + np.random.default_rng(3).normal(0, 3, y.shape)
    learnt = ndimage.distance_transform_edt(mask) / 16
    config = SplitConfig(strength=0.3)
    prediction = Prediction.of_classes(mask.astype(np.uint8) + 1, Micrograph(image.astype(np.float32), "YX"))
    prediction = replace(prediction, auxiliary={"distance": learnt.astype(np.float16)})
    return temseg.split(prediction, config), config


def test_of_like_dents_those_are_in_doubt_where_the_picture_shows_a_seam_the_clearest_first() -> None:
    particles, config = seen_with([0.0, 60.0, 100.0])
    assert len(particles) == 3
    without, faint, clear = (int(particles.labels[60 * n + 30, 40]) for n in range(3))
    found = doubts(particles, config)
    assert list(found.two) == [clear, faint]
    assert found.seams[clear] > found.seams[faint]
    assert len(found.others) == 1
    apart = apart_at(particles.labels, particles.prediction, config)
    assert apart[without] == pytest.approx(apart[faint], abs=0.02)


def test_a_picture_of_other_grey_levels_shows_the_same_seams() -> None:
    particles, config = seen_with([0.0, 60.0, 100.0])
    image = particles.micrograph
    darker = replace(particles, micrograph=replace(image, data=(image.data * 0.01 - 7).astype(np.float32)))
    seams = doubts(particles, config).seams
    assert doubts(darker, config).seams == pytest.approx(seams, rel=1e-3)


def test_what_is_left_out_of_a_picture_does_not_tell_its_noise() -> None:
    particles, config = seen_with([40.0])
    image = particles.micrograph
    bar = np.full((200, image.data.shape[1]), 255.0, np.float32)
    whole = Micrograph(np.concatenate([image.data, bar]), "YX", valid=np.arange(260)[:, None] < np.full((1, 110), 60))
    labels = np.pad(particles.labels, ((0, 200), (0, 0)))
    distance = np.pad(particles.prediction.auxiliary["distance"], ((0, 200), (0, 0)))
    prediction = Prediction.of_classes((labels > 0).astype(np.uint8) + 1, whole)
    prediction = replace(prediction, auxiliary={"distance": distance})
    larger = replace(particles, labels=labels, micrograph=whole, prediction=prediction)
    assert doubts(larger, config).seams == pytest.approx(doubts(particles, config).seams, rel=0.05)


def test_a_waist_tells_only_where_no_depth_was_learnt() -> None:
    particles, config = split_at(0.0, blobs(*DUMBBELL, BALL))
    flat = replace(particles.prediction, auxiliary={"distance": (particles.labels > 0).astype(np.float16)})
    assert not doubts(replace(particles, prediction=flat), config).two
    assert set(doubts(replace(particles, prediction=None), config).two) == {int(particles.labels[40, 30])}


def test_doubts_are_read_back_as_they_were_written_also_without_seams() -> None:
    found = Doubts({2: 0.7, 1: 1.0}, {(3, 4): 0.4}, {2: 8.0})
    assert Doubts.of_rows(found.rows()) == found
    assert list(Doubts.of_rows(found.rows()).two) == [2, 1]
    assert Doubts.of_rows([row[:3] for row in found.rows()]) == replace(found, seams={})


def test_splitting_cuts_from_the_strength_that_was_told_and_not_before() -> None:
    mask = blobs(*DUMBBELL, BALL)
    together, config = split_at(0.0, mask)
    told = float(apart_at(together.labels, together.prediction, config)[together.labels[40, 30]])
    assert 0 < told < 1
    assert len(split_at(told - 0.02, mask)[0]) == 2
    assert len(split_at(min(1.0, told + 0.02), mask)[0]) == 3


def test_two_halves_of_a_ball_look_like_one() -> None:
    particles, config = split_at(0.0, blobs(BALL))
    labels = particles.labels
    labels[:, 111:][labels[:, 111:] > 0] = 2
    particles.table.loc[2] = particles.table.loc[1]
    assert list(doubts(particles, config).one) == [(1, 2)]


def test_split_more_cuts_just_what_is_asked_for_and_names_what_has_no_waist() -> None:
    particles, config = split_at(0.0, blobs(*DUMBBELL, BALL))
    labels = particles.labels
    ball = int(labels[90, 110])
    patch, whole = split_more(particles, 0, [1, 2], config)
    assert whole == [ball]
    after = labels.copy()
    patch.apply(after)
    assert after[40, 30] != after[40, 56]
    np.testing.assert_array_equal(after > 0, labels > 0)
    np.testing.assert_array_equal(after == ball, labels == ball)
    assert all(ndimage.label(after == number)[1] == 1 for number in np.unique(after) if number)
    assert split_more(particles, 0, [ball], config) == (None, [ball])


def test_two_centres_part_a_particle_between_them() -> None:
    labels = blobs(*DUMBBELL).astype(np.int32)
    after = labels.copy()
    part_at(labels, 0, [(40, 28), (41, 58)]).apply(after)
    assert after[40, 30] != after[40, 56]
    border = np.flatnonzero(after[40, 31:56] != after[40, 30:55]) + 31
    assert abs(border.mean() - 43) <= 2
    with pytest.raises(TemsegError, match="different particles"):
        part_at(after, 0, [(40, 28), (41, 58)])
    with pytest.raises(TemsegError, match="on one another"):
        part_at(labels, 0, [(40, 28), (40, 28)])


@pytest.mark.parametrize("centres", [[(40, 26), (40, 60)], [(32, 22), (48, 50)], [(50, 30), (30, 66)]])
def test_centres_need_not_be_in_the_middle(centres) -> None:
    labels = blobs(*DUMBBELL).astype(np.int32)
    after = labels.copy()
    part_at(labels, 0, centres).apply(after)
    sizes = np.bincount(after.ravel())[1:]
    assert sizes.min() > 0.4 * sizes.sum()
    assert all(ndimage.label(after == n, np.ones((3, 3)))[1] == 1 for n in (1, 2))


def test_where_the_outline_does_not_tell_a_crease_of_the_picture_does() -> None:
    labels = blobs((60, 80, 40)).astype(np.int32)
    crease = np.abs(np.arange(160) - 62) <= 1
    image = ndimage.gaussian_filter(np.where(crease, 60.0, 120.0) * np.ones((120, 1)), 1)
    image += np.random.default_rng(0).normal(0, 4, image.shape)
    after = labels.copy()
    part_at(labels, 0, [(60, 50), (60, 90)], lambda rows, columns: image[rows, columns]).apply(after)
    border = np.flatnonzero(after[60, 42:119] != after[60, 41:118]) + 42
    assert len(border) == 1
    assert abs(border[0] - 62) <= 3


def test_three_centres_part_a_chain_in_three() -> None:
    labels = blobs((40, 30, 14), (40, 54, 14), (40, 78, 14)).astype(np.int32)
    after = labels.copy()
    part_at(labels, 0, [(38, 78), (42, 30), (40, 54)]).apply(after)
    assert [len(np.unique(after[labels > 0]))] == [3]
    assert np.bincount(after.ravel())[1:].min() > 0.25 * (labels > 0).sum()


def test_a_large_particle_is_parted_on_coarser_pixels_as_well() -> None:
    y, x = np.indices((400, 700))
    labels = ((np.hypot(y - 200, x - 200) <= 150) | (np.hypot(y - 200, x - 460) <= 150)).astype(np.int32)
    after = labels.copy()
    part_at(labels, 0, [(170, 150), (210, 520)]).apply(after)
    border = np.flatnonzero(after[200, 51:609] != after[200, 50:608]) + 51
    assert len(border) == 1
    assert abs(border[0] - 330) <= 6


@pytest.mark.parametrize("usual", [3.0, 6.0, 10.0])
def test_a_click_finds_the_edge_of_a_particle_many_times_as_large_as_its_neighbours(usual: float) -> None:
    truth = blobs((60, 80, 42))
    image = ndimage.gaussian_filter(np.where(truth, 160.0, 100.0), 3) + np.random.default_rng(0).normal(0, 8, truth.shape)
    outline = outlined_at(image, (64, 74), usual).path
    from skimage.draw import polygon

    made = np.zeros(truth.shape, bool)
    made[polygon(outline[:, 0], outline[:, 1], truth.shape)] = True
    assert (made & truth).sum() / (made | truth).sum() > 0.9


def test_a_click_on_a_small_particle_beside_a_large_one_outlines_the_small_one() -> None:
    small, large = blobs((30, 30, 12)), blobs((70, 105, 45))
    image = ndimage.gaussian_filter(np.where(small, 140.0, np.where(large, 200.0, 100.0)), 1)
    outline = outlined_at(image + np.random.default_rng(0).normal(0, 8, image.shape), (30, 30), 12.0).path
    np.testing.assert_allclose(np.hypot(*(outline - 30).T), 12, atol=2.5)


@pytest.mark.parametrize("bright", [True, False])
@pytest.mark.parametrize("off", [0, 5])
def test_a_click_finds_the_edge_though_the_usual_size_is_another(bright: bool, off: int) -> None:
    truth = blobs(BALL)
    rng = np.random.default_rng(0)
    image = np.where(truth, 160.0 if bright else 40.0, 100.0)
    image = ndimage.gaussian_filter(image, 1) + rng.normal(0, 12, image.shape)
    outline = outlined_at(image, (90 + off, 110 - off), 14.0).path
    from skimage.draw import polygon

    made = np.zeros(truth.shape, bool)
    made[polygon(outline[:, 0], outline[:, 1], truth.shape)] = True
    assert (made & truth).sum() / (made | truth).sum() > 0.85


def test_a_click_does_not_go_round_particles_that_are_there() -> None:
    there = blobs((60, 66, 9), (60, 94, 9), (46, 80, 9), (74, 80, 9))
    missed = blobs((60, 80, 4))
    image = ndimage.gaussian_filter(np.where(there | missed, 40.0, 100.0), 1) + np.random.default_rng(0).normal(0, 4, there.shape)
    outline = outlined_at(image, (60, 80), 22.0, taken=there).path
    from skimage.draw import polygon

    made = np.zeros(there.shape, bool)
    made[polygon(outline[:, 0], outline[:, 1], made.shape)] = True
    assert (made & there).sum() < 0.1 * made.sum()
    assert (made & missed).sum() > 0.8 * missed.sum()


def test_where_no_edge_is_the_outline_does_not_follow_the_texture() -> None:
    rng = np.random.default_rng(1)
    ragged = []
    for _ in range(10):
        image = ndimage.gaussian_filter(rng.normal(0, 10, (120, 120)), 1.5)
        reach = np.hypot(*(outlined_at(image, (60, 60), 15.0).path - 60).T)
        ragged.append(np.std(reach - ndimage.gaussian_filter1d(reach, 4, mode="wrap")) / reach.mean())
    assert np.median(ragged) < 0.033  # 0.039 when only neighbouring angles were smoothed


def test_a_size_that_was_drawn_decides_where_no_edge_is() -> None:
    outline = outlined_at(np.zeros((100, 100)), (50, 50), 20.0, drawn=True).path
    np.testing.assert_allclose(np.hypot(*(outline - 50).T), 20, atol=2)
    with pytest.raises(TemsegError, match="outside"):
        outlined_at(np.zeros((100, 100)), (150, 50), 20.0)
