"""COCO polygons and ONNX."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import disk, polygon2mask

import napari_temseg as temseg
from napari_temseg.files.exchange import coco, write_coco, write_onnx

WITH_ONNX = find_spec("onnx") is not None and find_spec("onnxscript") is not None


def _filled(annotation: dict, shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for points in annotation["segmentation"]:
        xy = np.reshape(points, (-1, 2)) - 0.5  # back to pixel centres
        mask |= polygon2mask(shape, xy[:, ::-1])
    return mask


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 49), st.integers(2, 9)), min_size=1, max_size=5))
def test_polygons_cover_their_particle(discs: list[tuple[int, int, int]]) -> None:
    labels = np.zeros((40, 50), np.int32)
    for number, (y, x, radius) in enumerate(discs, 1):
        labels[disk((y, x), radius, shape=labels.shape)] = number * 3  # labels need not run without gaps
    found = coco(labels, "a.tif")["annotations"]
    assert sorted(a["particle"] for a in found) == sorted(set(labels[labels > 0].tolist()))
    for annotation in found:
        mask = labels == annotation["particle"]
        assert annotation["area"] == mask.sum()
        x, y, width, height = annotation["bbox"]
        assert mask[y : y + height, x : x + width].sum() == mask.sum()
        assert (_filled(annotation, labels.shape) & mask).sum() >= 0.99 * mask.sum()


def test_holes_and_parts() -> None:
    labels = np.zeros((20, 30), int)
    labels[2:12, 2:12] = 1
    labels[5:8, 5:8] = 0
    labels[15:18, 20:24] = 1
    (annotation,) = coco(labels, "a.tif")["annotations"]
    assert len(annotation["segmentation"]) == 2  # two parts; the hole is no polygon of its own
    assert annotation["area"] == 100 - 9 + 12


def test_file_is_complete(tmp_path: Path) -> None:
    labels = np.zeros((2, 10, 10), int)
    labels[0, 2:5, 2:5], labels[1, 4:9, 4:9] = 1, 2
    assert write_coco(tmp_path / "a.json", labels, "a.tif", categories={2: 3}, names={2: "particle", 3: "rod"}) == 2
    content = json.loads((tmp_path / "a.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["a.tif#0", "a.tif#1"]
    assert [a["category_id"] for a in content["annotations"]] == [2, 3]
    with pytest.raises(temseg.TemsegError, match="whole numbers"):
        coco(labels.astype(float), "a.tif")


def _model() -> temseg.Segmenter:
    from napari_temseg.engine.model.network_spec import NetworkSpec

    spec = NetworkSpec("mobilenet_v2", (16, 16, 8, 8, 8), 2, ("distance",))
    return temseg.Segmenter.new(spec, {1: "background", 2: "particle"}, seed=1)


@pytest.mark.skipif(WITH_ONNX, reason="onnx is installed here, so its absence cannot be tried")
def test_onnx_needs_the_extra(tmp_path: Path) -> None:
    with pytest.raises(temseg.TemsegError, match=r"napari-temseg\[export\]"):
        write_onnx(_model(), tmp_path / "a.onnx")


@pytest.mark.skipif(not WITH_ONNX, reason="needs the [export] extra")
def test_onnx_says_what_the_network_says(tmp_path: Path) -> None:
    import onnx
    import torch
    from onnx.reference import ReferenceEvaluator

    model = _model()
    write_onnx(model, tmp_path / "a.onnx")
    proto = onnx.load(tmp_path / "a.onnx")
    assert json.loads({p.key: p.value for p in proto.metadata_props}["temseg.classes"]) == {"1": "background", "2": "particle"}
    image = np.random.default_rng(0).normal(size=(1, 1, 64, 96)).astype(np.float32)
    probability, distance = ReferenceEvaluator(proto).run(None, {"image": image})
    with torch.no_grad():
        raw = torch.sigmoid(model.network(torch.from_numpy(image))).numpy()
    np.testing.assert_allclose(probability[:, 1], raw[:, 0], atol=1e-4)
    np.testing.assert_allclose(distance, raw[:, 1], atol=1e-4)
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-5)
