"""The demonstration: the simulated annotator, and the whole road on a small picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.draw import disk

import napari_temseg as temseg
from napari_temseg.files.tables import read_labels
from napari_temseg.pipeline.demo import DemoResult, annotator, demo_config, iter_demo

SHAPE = (120, 160)
CENTRES = [(25, 25), (25, 80), (25, 130), (85, 30), (85, 85), (85, 135)]


def _instances(radius: int = 14) -> np.ndarray:
    labels = np.zeros(SHAPE, np.int32)
    for number, centre in enumerate(CENTRES, 1):
        labels[disk(centre, radius, shape=SHAPE)] = number
    return labels


def _strokes(labels: np.ndarray, number: int) -> int:
    return int(ndimage.label(labels == number, np.ones((3, 3)))[1])


@settings(max_examples=30, deadline=None)
@given(
    st.sets(st.integers(1, 6)),
    st.lists(st.tuples(st.integers(0, 119), st.integers(0, 159), st.integers(1, 12)), max_size=4),
    st.integers(1, 12),
)
def test_strokes_are_never_wrong(missed: set[int], invented: list[tuple[int, int, int]], strokes: int) -> None:
    truth = _instances()
    classes = np.where((truth > 0) & ~np.isin(truth, list(missed)), 2, 1).astype(np.uint8)
    for y, x, radius in invented:
        classes[disk((y, x), radius, shape=SHAPE)] = 2
    labels = annotator(classes, truth, strokes)
    assert labels.dtype == np.uint8
    assert labels.shape == SHAPE
    assert (truth[labels == 2] > 0).all()
    assert (truth[labels == 1] == 0).all()
    assert {1, 2} <= set(np.unique(labels))
    np.testing.assert_array_equal(labels, annotator(classes, truth, strokes))


def test_every_missed_particle_gets_a_stroke() -> None:
    truth = _instances()
    labels = annotator(np.where(np.isin(truth, (2, 5, 6)), 2, 1).astype(np.uint8), truth)
    assert set(truth[labels == 2]) == {1, 3, 4}


def test_the_worst_errors_come_first() -> None:
    truth = _instances()
    classes = np.where(truth > 0, 2, 1).astype(np.uint8)
    classes[disk(CENTRES[0], 9)] = 1  # the largest hole
    classes[disk(CENTRES[1], 5)] = 1
    classes[disk((55, 55), 12)] = 2  # larger still: a particle that is none
    labels = annotator(classes, truth, strokes=2)
    assert labels[55, 55] == 1
    assert labels[CENTRES[0]] == 2
    assert labels[CENTRES[1]] == 0


def test_a_right_prediction_still_shows_both_classes() -> None:
    truth = _instances()
    labels = annotator(np.where(truth > 0, 2, 1).astype(np.uint8), truth)
    assert _strokes(labels, 1) == 2
    assert _strokes(labels, 2) == 2


def test_the_micrograph_depends_on_the_seed_alone() -> None:
    one, again, other = (temseg.simulate(demo_config(128, seed)).micrograph.data for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_the_whole_road(tmp_path: Path, untrained: temseg.Segmenter) -> None:
    result = iter_demo(tmp_path, seconds=1.0, seed=2, size=128, model=untrained).drain()
    assert {"simulate", "predict", "stroke", "train", "predict again", "split", "measure", "score", "report"} <= set(result.seconds)
    assert result.before.n_true == result.after.n_true == temseg.simulate(demo_config(128, 2)).instances.max()
    expected = {"simulated.tif", "simulated_strokes.tif", "demo.temseg", "simulated_classes.tif", "simulated_particles.tif"}
    expected |= {"particles.csv", "summary.json", "report.html", "recipe.json", "figures"}
    written = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert written - {"audit.html", "audit.json"} == expected  # there is a gallery where enough was found to draw a sample from
    table = pd.read_csv(tmp_path / "particles.csv")
    assert len(table) == len(np.unique(read_labels(tmp_path / "simulated_particles.tif"))) - 1 == result.after.n_found
    for words in (f"particles found, of {result.before.n_true}", "error of the mean diameter", "Time: simulate"):
        assert words in result.text()
    assert result.text().count("IoU") == 1, "another, of the strokes held out, is taken for this one"
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("ious", "told"),
    [
        ((0.0, 0.0), "no more than for the shipped one"),
        ((0.1, 0.9), "the model of step 3 was kept"),
    ],
)
def test_a_training_that_the_held_out_strokes_do_not_bear_out_is_no_success(ious: tuple[float, float], told: str) -> None:
    curve = [{"step": step, "validation_iou": iou} for step, iou in zip((0, 3), ious, strict=True)]
    nothing: Any = None
    result = DemoResult(nothing, nothing, {}, {}, nothing, {"steps": 3, "best_step": 3, "curve": curve})
    assert told in result.training_text()


def test_too_small(tmp_path: Path) -> None:
    with pytest.raises(temseg.TemsegError, match="too small"):
        iter_demo(tmp_path, size=64)
