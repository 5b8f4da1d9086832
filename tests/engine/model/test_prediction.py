"""Prediction: tiled equals untiled, any picture gives a result or a sentence, stacks go plane by plane."""

from __future__ import annotations

import mmap
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_temseg import (
    Cancelled,
    Micrograph,
    PlanePrediction,
    PredictConfig,
    Prediction,
    Segmenter,
    SimulateConfig,
    TemsegError,
    iter_predict,
    load,
    predict,
    simulate,
)
from napari_temseg.engine.model import runner
from napari_temseg.engine.model.backends.by_torch import ByTorch
from napari_temseg.engine.model.network_spec import NetworkSpec
from napari_temseg.engine.model.prediction import iter_predict_planes
from napari_temseg.engine.model.tiles import STRIDE, surrounded, tiles
from napari_temseg.engine.types import large_arrays
from napari_temseg.engine.types.progress import PIXELS_SHOWN

EXACT = PredictConfig(device="cpu", precision="float32")


class Pointwise(torch.nn.Module):
    """A network whose output is its input: what tiling and blending do to it is all there is to see."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat([image, -image], 1)


@pytest.fixture(scope="module")
def pointwise() -> Segmenter:
    return Segmenter(Pointwise(), NetworkSpec(auxiliary=("distance",)), {1: "background", 2: "particle"})


def check(result, micrograph_shape: tuple[int, ...]) -> None:
    """What holds for every prediction."""
    channels = len(result.class_ids)
    assert result.probability.shape == (*micrograph_shape[:-2], channels, *micrograph_shape[-2:])
    assert result.probability.dtype == np.float16
    assert np.isfinite(result.probability).all()
    np.testing.assert_allclose(result.probability.astype(np.float32).sum(-3), 1, atol=2e-3)
    assert result.classes.shape == micrograph_shape
    assert result.classes.dtype == np.uint8
    assert set(np.unique(result.classes)) <= set(result.class_ids)
    for depth in result.auxiliary.values():
        assert depth.shape == micrograph_shape
        assert depth.dtype == np.float16
        assert depth.min() >= 0
        assert depth.max() <= 1


def test_tiled_equals_untiled_at_the_shipped_tile_and_overlap(particles):
    picture = simulate(SimulateConfig(height=1600, width=1300, count=1200, diameter=22, data_bar=True, seed=3)).micrograph
    scale = replace(EXACT, scales=(1.0,))
    tiled, whole = predict(particles, picture, scale), predict(particles, picture, replace(scale, tile=2048))
    assert (EXACT.tile, EXACT.overlap) == (1024, 256)
    assert (tiled.classes == whole.classes).mean() >= 0.999
    assert np.abs(tiled.probability.astype(np.float32) - whole.probability.astype(np.float32)).mean() <= 1e-3
    assert 0.05 < (whole.classes == 2).mean() < 0.95


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 500), st.integers(1, 500), st.integers(128, 300), st.integers(0, 300), st.integers(0, 99))
def test_blending_changes_nothing_that_tiles_agree_on(pointwise, height, width, tile, overlap, seed):
    image = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    tiled = predict(pointwise, image, replace(EXACT, tile=tile, overlap=overlap))
    whole = predict(pointwise, image, replace(EXACT, tile=8192))
    check(tiled, (height, width))
    np.testing.assert_allclose(tiled.probability.astype(np.float32), whole.probability.astype(np.float32), atol=1e-3)


@pytest.mark.parametrize(("shape", "least"), [((5, 9), 32), ((40, 31), 32), ((64, 64), 32), ((1, 1), 7), ((3, 80), 50)])
def test_what_is_round_a_small_picture_is_its_mirror_image(shape: tuple[int, int], least: int) -> None:
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(1, 1, *shape)
    round_it, where = surrounded(image, least)
    assert all(n == max(m, least) for n, m in zip(round_it.shape[-2:], shape, strict=True))
    assert np.array_equal(round_it[..., *where], image)
    for axis, part in ((2, where[0]), (3, where[1])):
        for step in range(min(part.start, image.shape[axis])):
            beyond, inside = (round_it.take(part.start + at, axis) for at in (-1 - step, step))
            assert np.array_equal(beyond, inside)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(4, 64), st.data())
def test_tiles_start_on_the_stride_and_cover_with_their_overlap(strides, tile, data):
    length, side = strides * STRIDE, tile * STRIDE
    overlap = data.draw(st.integers(0, tile // 2)) * STRIDE
    longest = side
    places, side = tiles(length, longest, overlap)
    assert side <= longest
    assert side % STRIDE == 0
    assert all(place % STRIDE == 0 for place in places)
    covered = np.zeros(length, bool)
    for place in places:
        covered[place : place + side] = True
    assert covered.all()
    if length > side:
        assert places[-1] + side == length
        assert all(before + side - after >= overlap for before, after in pairwise(places))
        assert len(places) == -(-(length - overlap) // (longest - overlap))
        assert len(places) * side < length + (len(places) - 1) * overlap + len(places) * STRIDE


def test_no_tile_is_larger_than_asked_for(pointwise):
    sizes = []

    class Measuring(Pointwise):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            sizes.append(max(image.shape[-2:]))
            return super().forward(image)

    predict(replace(pointwise, weights=Measuring()), np.eye(700), replace(EXACT, tile=256, overlap=2048))
    assert max(sizes) == 256
    assert len(sizes) <= 36  # an overlap above half a tile is cut to it


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (33, 517), (64, 64), (2, 300)])
def test_odd_sizes(tiny, shape):
    check(predict(tiny, np.random.default_rng(0).normal(size=shape), replace(EXACT, scales=(1.0, 0.5))), shape)


def with_hot_pixel() -> np.ndarray:
    image = np.random.default_rng(0).normal(size=(40, 50))
    image[3, 4], image[5, 6] = 1e30, -1e30
    return image


def with_holes() -> np.ndarray:
    image = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)
    image[:9, :9], image[20, 20], image[21, 21] = np.nan, np.inf, -np.inf
    return image


@pytest.mark.parametrize(
    "image",
    [
        np.full((40, 50), 7, np.uint8),
        np.zeros((40, 50)),
        with_hot_pixel(),
        with_holes(),
        np.eye(40, 50, dtype=bool),
        np.random.default_rng(0).integers(0, 65535, (40, 50)).astype(np.uint16),
        np.random.default_rng(0).integers(-(2**31), 2**31, (40, 50)),
        np.random.default_rng(0).normal(size=(40, 50)).astype(np.float16),
        np.random.default_rng(0).normal(size=(50, 40)).T,
        np.random.default_rng(0).normal(size=(40, 50))[::-1, ::-1],
        np.random.default_rng(0).normal(size=(40, 50)).astype(">f4"),
    ],
    ids=["constant", "zero", "hot", "nan-inf", "bool", "uint16", "int64", "float16", "transposed", "mirrored", "big-endian"],
)
def test_any_kind_of_pixel(tiny, image):
    check(predict(tiny, image, EXACT), (40, 50))


def test_the_kind_of_number_does_not_matter(tiny):
    image = np.random.default_rng(0).integers(0, 200, (40, 50))
    one, two = (predict(tiny, image.astype(kind), EXACT).probability for kind in (np.uint8, np.float64))
    np.testing.assert_allclose(one.astype(float), two.astype(float), atol=1e-3)


def test_a_picture_without_any_number_is_refused_by_name(tiny):
    with pytest.raises(TemsegError, match="grid_07: no pixel holds a finite number"):
        predict(tiny, Micrograph(np.full((9, 9), np.nan), sample="grid_07"))


def test_a_stack_is_its_planes_and_may_be_lazy(tiny):
    stack = np.random.default_rng(0).normal(size=(3, 40, 50)).astype(np.float32) * np.array([1, 5, 9])[:, None, None]
    job = iter_predict(tiny, Micrograph(da.from_array(stack, chunks=(1, 40, 50)), "ZYX"), EXACT)
    messages = [progress.message for progress in job]
    check(job.result, (3, 40, 50))
    assert ["plane 3 of 3" in message for message in messages] == [False, False, True]
    for index in range(3):
        single = predict(tiny, stack[index], EXACT)
        assert (single.probability == job.result.probability[index]).all()
        assert (single.auxiliary["distance"] == job.result.auxiliary["distance"][index]).all()
    assert job.result.planes().shape == (3, 2, 40, 50)


def test_looking_for_the_size_is_part_of_the_progress():
    drawn = simulate(SimulateConfig(height=96, width=128, seed=2))
    shares = [progress.fraction for progress in iter_predict(load("particles"), drawn.micrograph)]
    assert shares == sorted(shares)
    assert any(0 < share < 0.5 for share in shares), "while sizes are looked at"
    assert shares[-1] == pytest.approx(1)


def test_progress_rises_to_one_and_cancelling_leaves_nothing(tiny):
    image, config = np.random.default_rng(0).normal(size=(300, 300)), replace(EXACT, tile=128, overlap=32, scales=(1.0, 0.5))
    shares = [progress.fraction for progress in iter_predict(tiny, image, config)]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert len(shares) > 9
    job = iter_predict(tiny, image, config)
    next(job)
    job.cancel()
    assert list(job) == []
    with pytest.raises(Cancelled):
        _ = job.result


def test_the_invalid_area_does_not_set_the_contrast(tiny):
    image = np.random.default_rng(0).normal(size=(64, 64))
    image[48:] = 1e4
    valid = np.ones((64, 64), bool)
    valid[48:] = False
    shown, hidden = predict(tiny, Micrograph(image, valid=valid), EXACT), predict(tiny, image, EXACT)
    assert np.abs(shown.probability.astype(float) - hidden.probability.astype(float))[:, :16].max() > 0.001


def test_it_says_what_made_it(tiny):
    result = predict(tiny, np.eye(32), replace(EXACT, scales=(0.5,)))
    assert result.model_hash == tiny.content_hash()
    assert result.working_scale == (0.5,)
    assert (result.class_ids, result.class_names) == ((1, 2), tiny.classes)
    assert predict(replace(tiny, scales=(2.0,)), np.eye(32), EXACT).working_scale == (2.0,)


def test_scales_out_of_range(tiny):
    with pytest.raises(TemsegError, match=r"from 0\.05 to 8"):
        predict(tiny, np.eye(32), replace(EXACT, scales=(0.001,)))


def test_mixed_precision_is_close_to_exact(particles, discs):
    image = discs()[0]
    exact, mixed = predict(particles, image, EXACT), predict(particles, image, replace(EXACT, precision="auto"))
    assert np.abs(exact.probability.astype(float) - mixed.probability.astype(float)).mean() < 0.02


def short_of_memory(monkeypatch, largest: int) -> None:
    real = ByTorch.run

    def run(self, batch):
        if max(batch.shape[-2:]) > largest:
            raise torch.OutOfMemoryError("out of memory")
        return real(self, batch)

    monkeypatch.setattr(ByTorch, "run", run)  # memory cannot be made to run out


def test_out_of_memory_takes_smaller_tiles(pointwise, monkeypatch):
    image = np.random.default_rng(0).normal(size=(700, 600))
    whole = predict(pointwise, image, EXACT)
    short_of_memory(monkeypatch, 256)
    np.testing.assert_allclose(predict(pointwise, image, EXACT).probability, whole.probability, atol=1e-3)
    short_of_memory(monkeypatch, 16)
    with pytest.raises(TemsegError, match="does not suffice even for tiles of 256 px; choose device cpu"):
        predict(pointwise, image, EXACT)


def stack_of(n: int) -> Micrograph:
    return Micrograph(np.random.default_rng(0).normal(size=(n, 40, 50)).astype(np.float32), "TYX")


def equal(one: Prediction, two: Prediction) -> bool:
    """Whether two predictions say the same of pictures of the same shape."""
    pairs = [(one.probability, two.probability), (one.classes, two.classes)]
    pairs += [(one.auxiliary[name], two.auxiliary[name]) for name in two.auxiliary]
    facts = [(p.micrograph.axes, p.class_names, p.model_hash, p.working_scale, p.depth_taught, set(p.auxiliary)) for p in (one, two)]
    return facts[0] == facts[1] and all(np.array_equal(a, b) for a, b in pairs)


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(4)))
def test_planes_come_in_the_order_that_is_asked_for(pointwise, order):
    stack = stack_of(4)
    whole = predict(pointwise, stack, EXACT)
    job = iter_predict(pointwise, stack, EXACT, order)
    seen = [progress for progress in job if progress.preview is not None]
    assert [progress.preview.index for progress in seen] == list(order)
    assert [progress.fraction for progress in seen] == pytest.approx([0.25, 0.5, 0.75, 1])
    for progress in seen:
        plane = progress.preview
        assert isinstance(plane, PlanePrediction)
        assert equal(plane.prediction, whole.at(plane.index))
        assert equal(plane.prediction, predict(pointwise, stack.data[plane.index], EXACT))
    assert equal(job.result, whole)


@pytest.mark.parametrize("order", [[], [0, 1], [0, 1, 1], [0, 1, 3], [-1, 0, 1], [0, 1, 2, 2]])
def test_an_order_names_every_plane_once(pointwise, order):
    with pytest.raises(TemsegError, match="each of 0 to 2 once"):
        iter_predict(pointwise, stack_of(3), EXACT, order)


def test_one_picture_is_its_own_only_plane(pointwise):
    job = iter_predict(pointwise, np.eye(64), EXACT)
    (progress,) = job
    assert progress.preview.index == 0
    assert progress.preview.prediction is job.result
    assert job.result.at(0) is job.result
    with pytest.raises(TemsegError, match="there is no plane 1"):
        job.result.at(1)


def test_planes_gathered_are_the_stack(pointwise):
    stack = stack_of(3)
    whole = predict(pointwise, stack, EXACT)
    planes = [whole.at(index) for index in range(3)]
    assert all(plane.micrograph.axes == "YX" for plane in planes)
    assert equal(Prediction.gathered(planes, stack), whole)
    assert equal(Prediction.gathered(planes[:1], stack.at(0)), planes[0])
    assert not equal(Prediction.gathered(planes[::-1], stack), whole)
    with pytest.raises(TemsegError, match="not one for each of its 3 planes"):
        Prediction.gathered(planes[:2], stack)
    with pytest.raises(TemsegError, match="not one for each"):
        Prediction.gathered([whole] * 3, stack)
    with pytest.raises(TemsegError, match="by different models or at different scales"):
        Prediction.gathered([*planes[:2], predict(pointwise, stack.at(2), replace(EXACT, scales=(0.5,)))], stack)


def test_a_large_prediction_lives_in_a_temporary_file(pointwise, monkeypatch):
    stack = stack_of(3)
    in_memory = predict(pointwise, stack, EXACT)
    monkeypatch.setattr(large_arrays, "IN_MEMORY", 1000)
    on_disk = predict(pointwise, stack, EXACT)
    assert equal(on_disk, in_memory)

    def root(array: np.ndarray) -> object:
        while isinstance(array, np.ndarray) and array.base is not None:
            array = array.base
        return array

    assert all(isinstance(root(array), mmap.mmap) for array in (on_disk.probability, on_disk.classes, on_disk.auxiliary["distance"]))
    assert not isinstance(root(in_memory.probability), mmap.mmap)
    gathered = Prediction.gathered([on_disk.at(index) for index in range(3)], stack)
    assert isinstance(root(gathered.probability), mmap.mmap)
    assert equal(gathered, in_memory)
    monkeypatch.setattr(large_arrays.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))  # a disk cannot be filled
    assert not isinstance(root(predict(pointwise, stack, EXACT).probability), mmap.mmap)


def test_it_can_be_cancelled_between_planes_scales_and_tiles(pointwise):
    picture, config = np.eye(300), replace(EXACT, tile=128, overlap=0, scales=(0.25, 1.0))
    assert len(list(iter_predict(pointwise, picture, config))) == 1 + 9  # 75 px in one tile, 300 in nine
    job = iter_predict(pointwise, stack_of(4), EXACT)
    next(job)
    job.cancel()
    assert list(job) == []


def test_other_errors_are_not_taken_for_want_of_memory(pointwise):
    class Broken(Pointwise):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        predict(replace(pointwise, weights=Broken()), np.eye(700), EXACT)


def test_what_follows_the_prediction_of_a_plane_does_not_decode_it_again(pointwise: Segmenter) -> None:
    planes, decoded = np.random.default_rng(0).integers(0, 255, (3, 64, 64)).astype(np.uint8), [0, 0, 0]

    def decode(block: np.ndarray, block_info: dict) -> np.ndarray:
        if block_info:
            decoded[block_info[0]["chunk-location"][0]] += 1
        return block

    lazy = da.from_array(planes, chunks=(1, 64, 64)).map_blocks(decode, dtype=np.uint8, meta=planes[:0])
    for progress in iter_predict_planes(pointwise, Micrograph(lazy, "TYX"), EXACT):
        if isinstance(progress.preview, PlanePrediction):
            before, plane = list(decoded), progress.preview
            assert all(np.array_equal(plane.prediction.micrograph.plane(0), planes[plane.index]) for _ in range(5))
            assert decoded == before
    assert min(decoded) > 0


def test_a_plane_that_is_too_large_where_it_is_enlarged_is_looked_at_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = simulate(SimulateConfig(seed=2, width=320, height=256, count=60, diameter=8, pixel_size=0.5))
    model, config = load("particles"), replace(EXACT, typical_size=8.0, exact_size=True)
    whole = predict(model, drawn.micrograph, config)
    shown: list[int] = []
    monkeypatch.setattr(runner, "MOST_SHOWN", 400_000)
    monkeypatch.setattr(runner, "PART_SIDE", 400)
    at_once = runner.Runner.shown
    monkeypatch.setattr(runner.Runner, "shown", lambda self, image, scale: (shown.append(image.size), at_once(self, image, scale))[1])
    steps = iter_predict(model, drawn.micrograph, config)
    fractions = [step.fraction for step in steps]
    assert len(shown) == 6
    assert max(shown) < 0.9 * 320 * 256
    assert fractions == sorted(fractions)
    assert (steps.result.classes == whole.classes).mean() > 0.995
    assert np.abs(steps.result.probability.astype(np.float32) - whole.probability).mean() < 0.01


def test_nobody_is_told_how_long_it_takes_before_it_is_known_how_far_the_picture_is_enlarged():
    drawn = simulate(SimulateConfig(height=96, width=128, seed=2, diameter=9, count=20))
    told = list(iter_predict(load("particles"), drawn.micrograph))
    searching = [progress for progress in told if "how large" in progress.message]
    assert searching
    assert [progress.remaining for progress in searching] == [None] * len(searching)
    known = [progress for progress in told if progress not in searching]
    assert all(progress.paced for progress in known)
    share, shown = searching[-1].fraction, searching[-1].metrics[PIXELS_SHOWN]
    # As if its particles were the smallest that are looked for: what is left is never more than was told.
    assert known[0].metrics[PIXELS_SHOWN] * (1 - known[0].fraction) <= shown * (1 - share)
    assert known[0].metrics[PIXELS_SHOWN] < shown
