"""A model says when a picture is unlike those it was trained on, and only when it finds something there."""

from __future__ import annotations

import json
from dataclasses import replace

import imageio.v3 as iio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

import napari_temseg as temseg
from napari_temseg import Micrograph, PredictConfig, Prediction, SimulateConfig, TemsegError
from napari_temseg.engine.model.novelty import FAR, NAMES, NOVELTY_STATISTICS, SYMMETRIC_ONLY, SYMMETRY, TEXTURE, Familiarity, statistics_of
from napari_temseg.engine.model.prediction import told_unlike
from napari_temseg.files.models import load, save

N = len(NAMES)
ANYTHING = Familiarity((0.0,) * N, (1.0,) * N, (1.0,) * N, -1.0)  # to which everything is unlike
NOTHING = replace(ANYTHING, limit=1e6)


def raw_of(probability: np.ndarray, depth: np.ndarray) -> np.ndarray:
    maps = np.stack([probability, depth]).clip(1e-4, 1 - 1e-4)
    return np.log(maps / (1 - maps)).astype(np.float32)[None]


def statistic(name: str, *args: object) -> float:
    found = statistics_of(*args)  # type: ignore[arg-type]
    assert found is not None
    return float(found[NAMES.index(name)])


@pytest.fixture(scope="module")
def disc() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:96, :128]
    away = np.hypot(y - 50, x - 40)
    return (away < 20).astype(float), np.clip(1 - away / 20, 0, 1)


def noise(shape: tuple[int, int] = (96, 128), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_nothing_found_has_no_statistics(disc):
    assert statistics_of(noise(), raw_of(0 * disc[0], disc[1]), 2, 1.0) is None
    assert statistics_of(noise(), raw_of(*disc), 2, 1.0, np.zeros((96, 128), bool)) is None


def test_doubt_and_shape_are_seen(disc):
    sure, doubtful = raw_of(*disc), raw_of(0.25 + 0.4 * disc[0], disc[1])
    for name in ("unsure near foreground", "unsure anywhere"):
        assert statistic(name, noise(), doubtful, 2, 1.0) > statistic(name, noise(), sure, 2, 1.0) + 0.3
    flat = raw_of(disc[0], 0.2 * disc[0])
    assert statistic("cores", noise(), flat, 2, 1.0) == 0 < statistic("cores", noise(), sure, 2, 1.0)
    assert statistic("depth at outlines", noise(), flat, 2, 1.0) > statistic("depth at outlines", noise(), sure, 2, 1.0)


def test_area_left_out_does_not_count(disc):
    valid = np.ones((96, 128), bool)
    valid[:, 90:] = False
    doubtful = np.where(valid, disc[0], 0.5)
    inside = statistics_of(noise(), raw_of(doubtful, disc[1]), 2, 1.0, valid)
    assert inside is not None
    assert inside[NAMES.index("unsure anywhere")] < 0.3 < statistic("unsure anywhere", noise(), raw_of(doubtful, disc[1]), 2, 1.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(120, 300), st.floats(0.7, 1.4), st.floats(0.42, 0.58), st.floats(0.42, 0.58), st.booleans())
def test_rings_are_symmetric_wherever_they_lie_and_in_either_contrast(height, aspect, up, left, inverted):
    width = round(aspect * height)
    y, x = np.mgrid[:height, :width]
    away = np.hypot(y - up * height, x - left * width) / min(height, width)
    rings = (np.exp(-4 * away) + np.exp(-(((away - 0.3) / 0.03) ** 2))).astype(np.float32)
    foreground = raw_of((away < 0.2).astype(float), away * 0)
    image = (rings - rings.mean()) / rings.std() * (-1 if inverted else 1)
    for name in ("turned by half", "same at one distance"):
        found, of_noise = (statistic(name, each, foreground, 2, 1.0) for each in (image, noise((height, width))))
        assert np.tanh(found) > 0.8
        assert np.tanh(of_noise) < 0.5


SYMMETRIC = [name for name, group, _ in NOVELTY_STATISTICS if group == SYMMETRY]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.42, 0.58), st.floats(0.25, 0.5))
def test_a_lump_of_support_is_no_diffraction_pattern_and_rings_on_its_haze_are(seed, place, width):
    rng, side = np.random.default_rng(seed), 256
    y, x = np.mgrid[:side, :side] / side - place
    haze = 3 * np.exp(-((np.hypot(y, x) / width) ** 2)) + rng.normal(size=(side, side))
    particles = sum(2.0 * (np.hypot(y + place - row, x + place - column) < 0.015) for row, column in rng.random((60, 2)))
    rings = sum(2.0 * np.exp(-(((np.hypot(y, x) - radius) / 0.012) ** 2)) for radius in (0.12, 0.2, 0.27, 0.33))
    middle = raw_of((np.hypot(y, x) < 0.1).astype(float), 0 * y)
    for image, symmetric in ((haze + particles, False), (haze + rings, True)):
        shown = ((image - image.mean()) / image.std()).astype(np.float32)
        assert any(statistic(name, shown, middle, 2, 1.0) > 0 for name in SYMMETRIC) == symmetric


def test_supported_catalysts_in_dark_field_are_not_called_diffraction_patterns(data):
    for stem in ("PtW6", "Pd_silica1", "Pd_silica2"):
        image = iio.imread(data / "supported_catalysts" / "images" / f"{stem}.jpg", mode="L").reshape(512, 4, 512, 4).mean((1, 3))
        shown = ((image - image.mean()) / image.std()).astype(np.float32)
        found = raw_of((shown > 2).astype(float), 0 * shown)
        assert [statistic(name, shown, found, 2, 1.0) for name in SYMMETRIC] == [0] * len(SYMMETRIC), stem


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=N, max_size=N), st.integers(0, N - 1), st.floats(0, 1e3))
def test_a_statistic_can_only_speak_against_a_picture(values, index, more):
    found = np.array(values)
    worse = found.copy()
    worse[index] += NOVELTY_STATISTICS[index][2] * more
    assert ANYTHING.score(worse) >= ANYTHING.score(found) >= 1.0
    assert ANYTHING.score(found) <= 1 + N * FAR


def test_the_reason_names_what_is_loudest():
    values = np.zeros(N)
    assert NOTHING.reason(values) == ""
    values[NAMES.index("turned by half")] = 5
    assert replace(ANYTHING, limit=1.0).reason(values) == SYMMETRIC_ONLY  # as a large particle in the middle is
    values[NAMES.index("same at one distance")] = 1
    assert replace(ANYTHING, limit=1.0).reason(values) == SYMMETRY
    values[NAMES.index("unsure anywhere")] = 6
    assert replace(ANYTHING, limit=1.0).reason(values) == f"{TEXTURE}, {SYMMETRY}"


@pytest.fixture(scope="module")
def scene() -> Micrograph:
    return temseg.simulate(SimulateConfig(height=96, width=96, count=5, diameter=24, seed=2)).micrograph


def test_a_prediction_tells_plane_by_plane_and_an_empty_one_is_no_alarm(particles, scene):
    wary = replace(particles, familiar=ANYTHING)
    plane = scene.plane()
    stack = Micrograph(np.stack([plane, np.full_like(plane, 90)]), "NYX")
    result = temseg.predict(wary, stack)
    assert result.unlike[0]
    assert result.unlike[1] == ""
    assert [result.at(index).unlike for index in range(2)] == [(reason,) for reason in result.unlike]
    assert Prediction.gathered([result.at(0), result.at(1)], stack).unlike == result.unlike
    assert temseg.split(result).unlike == {0: result.unlike[0]}
    assert temseg.predict(replace(particles, familiar=NOTHING), scene).unlike == ("",)
    assert temseg.predict(replace(particles, familiar=None), scene).unlike == ()
    assert temseg.predict(wary, scene, PredictConfig(scales=(1.0,))).unlike == ()


def test_what_is_familiar_is_kept_and_changes_neither_hash_nor_result(particles, tmp_path, scene):
    wary = replace(particles, familiar=ANYTHING)
    save(wary, tmp_path / "wary.temseg", half=True)
    again = load(tmp_path / "wary.temseg")
    assert again.familiar == ANYTHING
    assert again.content_hash() == particles.content_hash()
    told, quiet = temseg.predict(again, scene), temseg.predict(replace(particles, familiar=None), scene)
    assert np.array_equal(told.classes, quiet.classes)


def rewritten(path, change):
    """The model in a file, with what it keeps of familiar pictures changed."""
    with safe_open(path, framework="pt") as file:
        header, tensors = json.loads(file.metadata()["temseg"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(header["familiar"])
    save_file(tensors, path, metadata={"temseg": json.dumps(header)})


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("weight"),
        lambda values: values["centre"].pop(),
        lambda values: values["spread"].__setitem__(0, 0.0),
        lambda values: values.update(limit="many"),
        lambda values: values.update(limit=float("nan")),
    ],
)
def test_a_file_tampered_with_is_refused_in_one_sentence(tiny, tmp_path, change):
    path = tmp_path / "wary.temseg"
    save(replace(tiny, familiar=ANYTHING), path)
    rewritten(path, change)
    with pytest.raises(TemsegError, match=r"wary\.temseg: not a usable model"):
        load(path)


def test_statistics_of_another_version_say_nothing(particles, tmp_path, scene):
    path = tmp_path / "later.temseg"
    save(replace(particles, familiar=ANYTHING), path)
    rewritten(path, lambda values: values["names"].__setitem__(0, "something new"))
    assert temseg.predict(load(path), scene).unlike == ()


def test_training_on_other_pictures_makes_it_silent(particles, scene):
    wary = replace(particles, familiar=ANYTHING)
    labels = np.zeros((96, 96), np.uint8)
    labels[10:14, 10:60], labels[70:74, 10:60] = 1, 2
    config = temseg.TrainConfig(max_seconds=1e5, max_steps=1, crop=64, batch=1, validation=0, device="cpu")
    assert temseg.train([scene], [labels], base=wary, config=config).familiar is None
    job = temseg.iter_train([scene], [labels], base=wary, config=config)
    job.finish()
    assert job.drain().familiar == ANYTHING  # not a step was taken: it is what it was


def test_the_shipped_model_names_tissue_and_no_simulated_micrograph(particles, data):
    assert particles.familiar is not None, "run pretraining/familiar.py on it"
    section = iio.imread(sorted((data / "vnc_stack" / "images").iterdir())[3])[300:684, 300:684]
    assert temseg.predict(particles, section).unlike[0]
    for seed in range(2):
        picture = temseg.simulate(SimulateConfig(height=256, width=256, count=12, diameter=40, seed=seed)).micrograph
        assert temseg.predict(particles, picture).unlike == ("",)


def test_a_look_at_which_next_to_nothing_is_found_tells_nothing():
    assert told_unlike([("", 23), ("unknown shapes", 3)]) == ""
    assert told_unlike([("unknown shapes", 3), ("", 23)]) == ""
    assert told_unlike([("unknown shapes", 12), ("", 200)]) == "unknown shapes"
    assert told_unlike([("unknown shapes", 3), ("", 2)]) == "unknown shapes"
    assert told_unlike([("unknown texture", 1)]) == "unknown texture"
    assert told_unlike([("", 0), ("", 0)]) == told_unlike([]) == ""
