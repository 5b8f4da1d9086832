"""Numbers in words, and bins that stay while particles are corrected."""

from __future__ import annotations

import numpy as np
import pytest

from napari_temseg.engine.measure.histogram_bins import bins, kept_bins
from napari_temseg.engine.types.wording import at_plane, four


@pytest.mark.parametrize(
    ("value", "text"),
    [(2052.0, "2052"), (2151.4, "2151"), (999.96, "1000"), (35.2, "35.20"), (0.5, "0.5000"), (54321.0, "54321"), (0, "0.000")],
)
def test_four_digits_without_exponent_or_stray_dot(value, text):
    assert four(value) == text


def test_a_single_plane_is_not_counted():
    assert (at_plane(0, 1), at_plane(2, 12)) == ("", "plane 3 of 12")


def test_bins_stay_widen_and_are_made_anew():
    sizes = np.random.default_rng(0).normal(50, 8, 200)
    edges = bins(sizes)
    assert kept_bins(sizes[4:], edges) is not None
    assert np.array_equal(kept_bins(np.sort(sizes)[2:-2], edges), edges)
    wider = kept_bins(np.append(sizes, edges[-1] + 5), edges)
    assert np.isclose(wider[1] - wider[0], edges[1] - edges[0])
    assert wider[-1] >= edges[-1] + 5
    few = sizes[np.abs(sizes - 50) < 3]
    assert np.array_equal(kept_bins(few, edges), bins(few))
