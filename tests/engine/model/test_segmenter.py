"""A model carries its normalisation, classes and history, and knows itself by its hash."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_temseg import Segmenter, TemsegError
from napari_temseg.engine.model import segmenter
from napari_temseg.engine.model.network_spec import NetworkSpec
from napari_temseg.engine.model.segmenter import AsItIs, Normalisation

PLANES = hnp.arrays(
    st.sampled_from([np.uint8, np.int16, np.float16, np.float32, np.float64, bool]),
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
)


@settings(max_examples=30, deadline=None)
@given(PLANES)
def test_any_plane_becomes_finite_or_is_refused(plane):
    if not np.isfinite(plane).any():
        with pytest.raises(TemsegError, match="no pixel holds a finite number"):
            Normalisation().apply(plane)
        return
    result = Normalisation().apply(plane)
    assert result.dtype == np.float32
    assert result.shape == plane.shape
    assert np.isfinite(result).all()
    assert (result[~np.isfinite(plane)] == 0).all()


@settings(max_examples=20, deadline=None)
@given(st.floats(-15, 15), st.floats(-3, 3))
def test_gain_and_offset_do_not_matter(exponent, offset):
    plane = np.random.default_rng(0).normal(5, 1, (40, 40))
    gain = 10.0**exponent
    expected = Normalisation().apply(plane)
    np.testing.assert_allclose(Normalisation().apply(gain * (plane + offset)), expected, atol=1e-4)
    assert abs(expected.mean()) < 1e-5
    assert expected.std() == pytest.approx(1, abs=1e-4)


def test_the_largest_numbers_there_are():
    plane = np.random.default_rng(0).choice([1e300, 1.7e308], size=(16, 16))
    result = Normalisation().apply(plane)
    assert np.isfinite(result).all()
    assert result.std() == pytest.approx(1, abs=1e-4)


def test_hot_pixels_and_bars_do_not_set_the_contrast():
    plane = np.random.default_rng(0).normal(100, 10, (100, 100))
    clean = Normalisation().apply(plane)
    hot = plane.copy()
    hot[3, 3] = 1e30
    assert np.abs(Normalisation().apply(hot) - clean)[np.arange(100) != 3].max() < 0.05
    barred, valid = np.vstack([plane, np.zeros((20, 100))]), np.ones((120, 100), bool)
    valid[100:] = False
    np.testing.assert_allclose(Normalisation().apply(barred, valid)[:100], clean, atol=1e-5)


def test_constant_and_wholly_invalid_planes():
    assert (Normalisation().apply(np.full((5, 7), 3.3)) == 0).all()
    assert (Normalisation().apply(np.full((5, 7), 1e-30, np.float32)) == 0).all()
    assert np.isfinite(Normalisation().apply(np.eye(4), np.zeros((4, 4), bool))).all()
    with pytest.raises(TemsegError, match="grid_07: no pixel"):
        Normalisation().apply(np.full((2, 2), np.nan), name="grid_07")


def test_what_is_normalised_stays_as_it_is():
    plane = np.array([[1.0, 5.0]])
    assert (AsItIs().apply(plane) == plane).all()


def test_the_seed_makes_the_weights_and_leaves_the_global_generator():
    spec = NetworkSpec(decoder_channels=(16, 16, 8, 8, 8))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, two, other = (Segmenter.new(spec, {1: "background", 2: "particle"}, seed=seed) for seed in (0, 0, 1))
    assert torch.rand(1) == expected
    assert one.content_hash() == two.content_hash() != other.content_hash()


def test_a_copy_is_independent(tiny):
    copy = tiny.copy()
    with torch.no_grad():
        next(copy.network.parameters()).add_(1)
    copy.classes[2] = "rod"
    copy.history.append({"kind": "test"})
    assert tiny.classes[2] == "particle"
    assert tiny.history == []
    assert copy.content_hash() != tiny.content_hash()


def test_the_hash_follows_what_bears_on_a_prediction(tiny):
    copy = tiny.copy()
    copy.name, copy.history = "other", [{"kind": "x"}]
    assert copy.content_hash() == tiny.content_hash()
    copy.scales = (1.0, 0.5)
    assert copy.content_hash() != tiny.content_hash()


def test_classes_run_without_gaps(tiny):
    with pytest.raises(TemsegError, match="must run from 1"):
        Segmenter(tiny.network, tiny.spec, {1: "background", 3: "particle"})


def test_there_and_back(tiny):
    again = Segmenter.from_parts(tiny.metadata(), tiny.tensors())
    assert again.content_hash() == tiny.content_hash()
    assert again.metadata() == tiny.metadata()


@pytest.mark.parametrize(
    "change",
    [
        {"scales": []},
        {"scales": [100.0]},
        {"normalisation": {"low": 60, "high": 40}},
        {"normalisation": {"low": 0, "high": 101}},
        {"normalisation": {"low": float("nan"), "high": 99}},
        {"classes": {"1": "background"}},
        {"network": {"encoder": "mobilenet_v2", "decoder_channels": [16, 16, 8, 8], "n_classes": 2, "auxiliary": []}},
        {"network": {"encoder": "mobilenet_v2", "decoder_channels": [16, 16, 8, 8, 10**9], "n_classes": 2, "auxiliary": []}},
        {"network": {"encoder": "resnet18", "decoder_channels": [32, 16, 16, 8, 8], "n_classes": 2, "auxiliary": ["distance"]}},
        {"network": {"encoder": "nonsense", "decoder_channels": [32, 16, 16, 8, 8], "n_classes": 2, "auxiliary": ["distance"]}},
    ],
)
def test_parts_that_do_not_fit(tiny, change):
    with pytest.raises((ValueError, TemsegError)):
        Segmenter.from_parts({**tiny.metadata(), **change}, tiny.tensors())


def test_saving_without_a_file_format_says_what_to_import(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(segmenter, "writer", None)  # as before files.models is imported
    with pytest.raises(TemsegError, match=r"import napari_temseg\.files\.models"):
        tiny.save(tmp_path / "model.temseg")
