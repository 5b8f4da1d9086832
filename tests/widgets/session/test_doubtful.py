"""What looks like two, worked out plane by plane."""

from __future__ import annotations

import weakref

import numpy as np

import napari_temseg as temseg
from napari_temseg.engine.particles.doubts import doubts
from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.results import Prediction
from napari_temseg.widgets.session.results.doubtful import DoubtsByPlane


def test_only_planes_that_were_edited_are_gone_through_again() -> None:
    y, x = np.indices((70, 90))
    plane = (np.hypot(y - 35, x - 28) <= 16) | (np.hypot(y - 35, x - 54) <= 16)
    image = Micrograph(np.zeros((3, 70, 90), np.uint8), "ZYX")
    config = SplitConfig(strength=0.0)
    particles = temseg.split(Prediction.of_classes(np.stack([plane] * 3).astype(np.uint8) + 1, image), config)
    by_plane = DoubtsByPlane(weakref.ref(particles.prediction), config)
    assert [by_plane.next(particles, start) for start in range(3)] == [1, 2, 3]
    assert set(by_plane.together().two) == {1, 2, 3}
    assert by_plane.together() == doubts(particles, config)
    assert by_plane.next(particles, 0) == 3, "nothing to be done"
    particles.labels[1] = 0
    assert by_plane.next(particles, 0) == 2
    assert by_plane.next(particles, 2) == 3
    assert set(by_plane.together().two) == {1, 3}
    assert by_plane.fits(particles, config)
    assert not by_plane.fits(particles, SplitConfig(strength=0.5))
