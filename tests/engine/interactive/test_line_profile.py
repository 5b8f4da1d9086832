from __future__ import annotations

import numpy as np
import pytest

from napari_temseg.engine.interactive.line_profile import line_profile
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration


def test_a_line_is_as_long_as_its_pixels_say_and_carries_the_grey_values_along_it() -> None:
    image = np.add.outer(np.zeros(20), np.arange(30.0))
    profile = line_profile(image, np.array([5.0, 2.0]), np.array([5.0, 22.0]), Calibration((0.25, 0.5), "typed"))
    assert (profile.length, profile.unit, profile.pixels) == (10.0, "nm", 20.0)
    np.testing.assert_allclose(profile.values, np.arange(2.0, 23.0))
    np.testing.assert_allclose(profile.distance, np.arange(0, 10.5, 0.5))
    across = line_profile(image, np.array([0.0, 0.0]), np.array([3.0, 4.0]), Calibration())
    assert (across.length, across.unit) == (5.0, "px")
    with pytest.raises(TemsegError, match="no length"):
        line_profile(image, np.array([1.0, 1.0]), np.array([1.0, 1.0]), Calibration())
