"""Several results against a truth, with a model whose findings are known beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import napari_temseg as temseg
from napari_temseg.engine.particles.evaluation import INVENTED, MISSED
from napari_temseg.pipeline.compare import DRAFT, PRESENT, Case, iter_compare, write_comparison


@pytest.fixture(scope="module")
def truth() -> Any:
    labels = np.zeros((64, 96), np.int32)
    labels[10:26, 10:26], labels[36:56, 60:80] = 1, 2
    return labels


@pytest.fixture(scope="module")
def image(truth: Any) -> Any:
    return temseg.Micrograph((truth > 0).astype(np.float32), source=temseg.Source("squares"))


def test_models_drafts_and_particles_stand_side_by_side(bright: Any, image: Any, truth: Any, tmp_path: Path) -> None:
    strokes = np.zeros(truth.shape, np.uint8)
    strokes[17, 12:24], strokes[2:5, 5:90] = 2, 1
    present = np.where(truth == 1, 1, 0)
    job = iter_compare([Case("squares", image, truth, None, strokes, present), Case("again", image, truth)], {"bright": bright})
    fractions = [step.fraction for step in job]
    assert fractions == sorted(fractions)
    comparison = job.result
    assert comparison.results == ["bright", DRAFT, PRESENT]
    assert [(line.image, line.result, line.case) for line in comparison.lines] == [
        ("squares", "bright", 0),
        ("squares", DRAFT, 0),
        ("squares", PRESENT, 0),
        ("again", "bright", 1),
    ]
    first, draft, half = (line.values for line in comparison.lines[:3])
    assert (first["n_found"], first["n_true"], first["ap50"]) == (2, 2, 1.0)
    assert first["iou"] > 0.9
    assert draft["iou"] > 0.8
    assert half["iou"] == pytest.approx(256 / 656)
    assert (half["ap50"], half["count_error"]) == (0.5, -0.5)
    kinds = comparison.mistakes[0, PRESENT]
    np.testing.assert_array_equal(kinds == MISSED, truth == 2)
    assert not (kinds == INVENTED).any()
    write_comparison(tmp_path / "table.csv", comparison)
    table = pd.read_csv(tmp_path / "table.csv")
    assert list(table["image"]) == ["squares"] * 3 + ["again", "mean of 2", "mean of 1", "mean of 1"]
    assert table["iou"][4] == pytest.approx(first["iou"], abs=1e-4)


def test_a_mask_tells_areas_only(bright: Any, image: Any, truth: Any) -> None:
    comparison = iter_compare([Case("squares", image, (truth > 0).astype(np.uint8))], {"bright": bright}).drain()
    values = comparison.lines[0].values
    assert values["iou"] > 0.9
    assert [name for name, value in values.items() if value is not None] == ["iou", "dice"]
    assert "mask" in comparison.notes[0]
    assert comparison.mean("bright").values["ap50"] is None
    single = np.where(truth == 1, 1, 0)
    assert iter_compare([Case("one particle", image, single)], {"bright": bright}).drain().lines[0].values["n_true"] == 1


def test_planes_without_truth_and_left_out_areas_do_not_count(bright: Any, image: Any, truth: Any) -> None:
    valid = np.ones(truth.shape, bool)
    valid[30:, 50:] = False
    stack = temseg.Micrograph(np.stack([image.data] * 3), "NYX", valid=valid)
    partly = np.stack([np.zeros_like(truth), truth, np.zeros_like(truth)])
    comparison = iter_compare([Case("stack", stack, partly, mask=False)], {"bright": bright}).drain()
    values = comparison.lines[0].values
    assert (values["n_found"], values["n_true"]) == (1, 1)
    assert "1 of 3 planes" in comparison.notes[0]
    assert comparison.mistakes[0, "bright"].shape == partly.shape
    assert not comparison.mistakes[0, "bright"][[0, 2]].any()


def test_nothing_found_does_not_improve_the_median(image: Any, truth: Any) -> None:
    cases = [Case("a", image, truth, particles=np.zeros_like(truth)), Case("b", image, truth, particles=truth)]
    comparison = iter_compare(cases, {}).drain()
    assert comparison.lines[0].values["mean_diameter_error"] is None
    assert comparison.mean(PRESENT).values["mean_diameter_error"] == 0.5


def test_what_cannot_be_compared_is_a_sentence(bright: Any, image: Any, truth: Any) -> None:
    with pytest.raises(temseg.TemsegError, match="truth is empty"):
        iter_compare([Case("squares", image, np.zeros_like(truth))], {"bright": bright}).drain()
    with pytest.raises(temseg.TemsegError, match="must agree"):
        iter_compare([Case("squares", image, truth[:10])], {"bright": bright}).drain()
    one_class = np.where(truth == 1, 2, 0).astype(np.uint8)
    comparison = iter_compare([Case("squares", image, truth, draft=one_class, particles=truth)], {}).drain()
    assert comparison.results == [PRESENT]
    assert "one class only" in comparison.notes[0]


def test_finishing_keeps_what_is_done(bright: Any, image: Any, truth: Any) -> None:
    job = iter_compare([Case("squares", image, truth, particles=truth)] * 3, {"bright": bright})
    for step in job:
        if step.message.endswith(PRESENT):
            job.finish()
    assert len(job.result.lines) == 2
