"""Micrographs of one kind are told from others by their particles and their looks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.results import Prediction
from napari_temseg.widgets.improve.alike import alike


def scene(seed: int, *, dark: bool = False, noise: float = 6.0, blurred: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A picture of discs, and where they are."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:256, :256]
    centres = rng.uniform(20, 236, (20, 2))
    particles = np.any([np.hypot(y - b, x - a) < 10 for b, a in centres], axis=0)
    image = ndimage.gaussian_filter(np.where(particles, 70.0 if dark else 170.0, 120.0) + rng.normal(0, noise, y.shape), blurred)
    return image.astype(np.uint8), particles


@pytest.mark.parametrize(
    ("other", "same"),
    [({}, True), ({"noise": 9.0}, True), ({"dark": True}, False), ({"noise": 40.0}, False), ({"blurred": 3.0}, False)],
)
@pytest.mark.parametrize("calibrated", [False, True])
def test_pictures_that_were_searched_are_alike_where_they_look_alike(
    viewer: Any, open_bench: Any, other: dict[str, Any], same: bool, calibrated: bool
) -> None:
    found = [scene(0), scene(1, **other)]
    for number, (image, _) in enumerate(found):
        viewer.add_image(image, name=f"{number}")
    items = open_bench(viewer).session.items
    assert alike(*items) == (same or "dark" in other)  # what is bright or dark is known after the search
    for item, (_, particles) in zip(items, found, strict=True):
        said = Prediction.of_classes(np.where(particles, 2, 1).astype(np.uint8), item.micrograph())
        item.prediction = replace(said, size=20.0)
    if calibrated:  # one alone, as is so while images are being calibrated
        items[0].calibration = Calibration((2.0, 2.0), "typed")
    assert alike(*items) == alike(*items[::-1]) == same
    items[1].sample = "another"
    assert alike(*items) == same
    items[0].sample = "another"
    assert alike(*items)  # which somebody said


@pytest.mark.parametrize(("shape", "same"), [((64, 96), True), ((62, 96), True), ((96, 96), False), ((64, 128), False)])
def test_pictures_of_other_shapes_are_not_taken_for_one_kind(viewer: Any, open_bench: Any, shape: tuple[int, int], same: bool) -> None:
    for number, each in enumerate(((64, 96), shape)):
        viewer.add_image(np.zeros(each, np.uint8), name=f"{number}", translate=(0, 200 * number))
    assert alike(*open_bench(viewer).session.items) == same
