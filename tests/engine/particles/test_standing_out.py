from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import napari_temseg as temseg
from napari_temseg.engine.particles.standing_out import polarity_seen
from napari_temseg.engine.types.confidence import Confidence, judged
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.results import Particles, Prediction

SHAPE, WIDTH = (240, 240), 16.0
PLACES = [(y, x) for y in range(24, 230, 32) for x in range(24, 230, 32)]
Disc = tuple[int, int, float, float]  # y, x, width (px), contrast


def picture_of(discs: list[Disc], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture of discs on an uneven background, and their labels 1…n."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    grey = 90 + 20 * np.sin(y / 90) + np.random.default_rng(seed).normal(0, 2, SHAPE)
    labels = np.zeros(SHAPE, np.int32)
    for number, (cy, cx, width, contrast) in enumerate(discs, 1):
        inside = np.hypot(y - cy, x - cx) <= width / 2
        grey[inside] += contrast
        labels[inside] = number
    return grey.astype(np.float32), labels


def predicted(grey: np.ndarray, labels: np.ndarray, sure: list[float], valid: np.ndarray | None = None, size: float = WIDTH) -> Prediction:
    """What a model for one band of sizes says that gives each label its probability."""
    foreground = np.concatenate([[0.0], sure])[labels]
    classes = np.where(labels > 0, 2, 1).astype(np.uint8)
    names = {1: "background", 2: "particle"}
    probability = np.stack([1 - foreground, foreground]).astype(np.float16)
    return Prediction(probability, (1, 2), names, classes, Micrograph(grey, valid=valid), size=size, confidence=Confidence(-3.0, 2.0))


def standing(discs: list[Disc], **changes: float) -> np.ndarray:
    grey, labels = picture_of(discs)
    grey = grey * np.float32(changes.get("gain", 1.0)) + np.float32(changes.get("offset", 0.0))
    found = temseg.split(predicted(grey, labels, [0.97] * 12 + [0.9] * (len(discs) - 12)), temseg.SplitConfig(certainty=0.0))
    order = [found.labels[y, x] for y, x, _, _ in discs]
    return found.table["standing_out"].reindex(order).to_numpy()


def test_what_stands_out_far_less_than_the_most_certain_counts_less_and_is_dropped() -> None:
    bright, faint = [(y, x, WIDTH, 80.0) for y, x in PLACES[:25]], [(y, x, WIDTH, 8.0) for y, x in PLACES[25:]]
    grey, labels = picture_of(bright + faint)
    sure = [0.97] * 12 + [0.88] * (len(PLACES) - 12)
    prediction = predicted(grey, labels, sure)
    found = temseg.split(prediction)
    assert len(found) == 25
    assert found.uncertain == len(faint)
    everything = temseg.split(prediction, temseg.SplitConfig(certainty=0.0))
    assert len(everything) == len(PLACES)
    table = temseg.measure(everything).table.sort_values(["centroid_y_px", "centroid_x_px"])
    assert table["probability_mean"].to_numpy()[12:] == pytest.approx(0.88, abs=1e-3)
    assert table["confidence"].to_numpy()[12:25].min() > 0.7 > 0.3 > table["confidence"].to_numpy()[25:].max()


@pytest.mark.parametrize("power", [0.0, 1.0])  # contrast that is the same for all, and one that grows with the width
def test_no_size_is_lost_whether_contrast_grows_with_it_or_not(power: float) -> None:
    widths = np.geomspace(WIDTH / 2.5, WIDTH * 1.7, len(PLACES))
    discs = [
        (y, x, float(w), float(60 * (w / WIDTH) ** power))
        for (y, x), w in zip(PLACES, np.random.default_rng(1).permutation(widths), strict=True)
    ]
    assert standing(discs).min() > 0.6


@pytest.mark.parametrize("change", [{"gain": -1.0}, {"gain": 300.0}, {"offset": 5000.0}])
def test_neither_polarity_nor_the_units_of_grey_matter(change: dict[str, float]) -> None:
    discs = [(y, x, WIDTH, 80.0 if index % 2 else 30.0) for index, (y, x) in enumerate(PLACES)]
    np.testing.assert_allclose(standing(discs, **change), standing(discs), rtol=1e-3)


def test_with_too_few_to_compare_nothing_is_said_and_nothing_lost() -> None:
    grey, labels = picture_of([(60, 60, WIDTH, 80.0), (60, 160, WIDTH, 80.0), (160, 60, WIDTH, 6.0)])
    found = temseg.split(predicted(grey, labels, [0.95, 0.95, 0.9]))
    assert len(found) == 3
    assert found.table["standing_out"].isna().all()


def test_a_picture_of_one_grey_level_drops_none() -> None:
    _, labels = picture_of([(y, x, WIDTH, 1.0) for y, x in PLACES])
    found = temseg.split(predicted(np.full(SHAPE, 7, np.uint8), labels, [0.9] * len(PLACES)))
    assert len(found) == len(PLACES)


def test_what_is_left_out_of_the_picture_is_not_compared_with() -> None:
    discs = [(y, x, WIDTH, 60.0) for y, x in PLACES]
    grey, labels = picture_of(discs)
    valid = np.ones(SHAPE, bool)
    valid[:, 228:] = False
    odd = np.where(valid, grey, 1e6).astype(np.float32)
    found = temseg.split(predicted(odd, labels, [0.9] * len(discs), valid))
    assert len(found) == len(discs)
    assert found.table["standing_out"].min() > 0.8


def test_each_class_is_compared_with_itself() -> None:
    discs = [(y, x, WIDTH, 80.0 if index < 25 else 10.0) for index, (y, x) in enumerate(PLACES)]
    grey, labels = picture_of(discs)
    one = predicted(grey, labels, [0.9] * len(discs))
    faint = labels > 25
    background = one.probability[0]
    channels = np.stack([background, np.where(faint, 0, one.probability[1]), np.where(faint, one.probability[1], 0)])
    two = replace(
        one,
        probability=channels,
        class_ids=(1, 2, 3),
        class_names={1: "background", 2: "metal", 3: "oxide"},
        classes=np.where(faint, 3, one.classes).astype(np.uint8),
    )
    assert len(temseg.split(two)) == len(discs)


def test_larger_pixels_say_the_same() -> None:
    discs = [(y, x, WIDTH, 80.0 if index % 3 else 25.0) for index, (y, x) in enumerate(PLACES)]
    grey, labels = picture_of(discs)
    large = predicted(
        np.kron(grey, np.ones((3, 3), np.float32)), np.kron(labels, np.ones((3, 3), np.int32)), [0.9] * len(discs), size=3 * WIDTH
    )
    small = predicted(grey, labels, [0.9] * len(discs))
    keep = temseg.SplitConfig(certainty=0.0)
    one, other = (temseg.measure(temseg.split(each, keep)).table for each in (small, large))
    assert np.sort(one["standing_out"]) == pytest.approx(np.sort(other["standing_out"]), abs=0.1)


def test_an_edited_particle_has_none_and_counts_by_its_probability() -> None:
    discs = [(y, x, WIDTH, 80.0) for y, x in PLACES]
    grey, labels = picture_of(discs)
    found = temseg.split(predicted(grey, labels, [0.9] * len(discs)))
    table = temseg.measure(found).table
    assert table["standing_out"].notna().all()
    unknown = Particles(found.labels, found.table.drop(columns="standing_out"), found.micrograph, found.prediction)
    again = temseg.measure(unknown).table
    assert again["standing_out"].isna().all()
    np.testing.assert_allclose(again["confidence"], Confidence(-3.0, 2.0).of(again["probability_mean"].to_numpy()))


def test_odds_only_fall() -> None:
    p = np.linspace(0.01, 0.99, 50)
    for ratio in (0.25, 0.5, 0.59):
        assert (judged(p, np.full(50, ratio)) < p).all()
    for ratio in (0.6, 1.0, 4.0, np.nan):
        np.testing.assert_array_equal(judged(p, np.full(50, ratio)), p)


@pytest.mark.parametrize("sign", [1, -1])
def test_polarity_is_that_of_nearly_all_particles_round_which_background_is_seen(sign: int) -> None:
    word = "bright" if sign > 0 else "dark"
    grey, labels = picture_of([(y, x, WIDTH, sign * 40.0) for y, x in PLACES])
    assert polarity_seen(Micrograph(grey), labels) == word
    mixed, marked = picture_of([(y, x, WIDTH, (-40.0 if i % 5 == 0 else 40.0) * sign) for i, (y, x) in enumerate(PLACES)])
    assert polarity_seen(Micrograph(mixed), marked) == "auto"
    few, four = picture_of([(y, x, WIDTH, sign * 40.0) for y, x in PLACES[:4]])
    assert polarity_seen(Micrograph(few), four) == "auto"  # too few to speak for all
    heap, touching = picture_of([(y, x, 34.0, sign * 40.0) for y, x in PLACES])
    filled = np.where(touching > 0, touching, 1 + len(PLACES))  # what is round each is another particle
    assert polarity_seen(Micrograph(heap), filled) == "auto"
    assert polarity_seen(Micrograph(np.full(SHAPE, 7.0, np.float32)), labels) == "auto"  # one grey
    unread = np.ones(SHAPE, bool)
    unread[:, :] = labels > 0
    assert polarity_seen(Micrograph(grey, valid=unread), labels) == "auto"  # nothing round them may be looked at
