"""Bootstrap weights of sizes, by picture or by particle; of many particles in fine bins, so that their number costs nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

Floats = npt.NDArray[np.float64]
MOST_SIZES = 4096  # more are put into so many bins of equal width on the logarithm
_SEED = 0


@dataclass(frozen=True, eq=False)
class Resampled:
    """`x` (k,) ascending sizes, `weights` (k,) as they were, `draws` (n, k) resampled; `units` is the number of what was resampled."""

    x: Floats
    weights: Floats
    draws: Floats
    units: int


def resampled(x: Floats, w: Floats, group: npt.NDArray[np.intp] | None, replicates: int, most: int = MOST_SIZES) -> Resampled:
    """Resample pictures, the `group` 0…n−1 of each of the ascending sizes `x` (n,) with weights `w`; or particles, without a group.

    More than `most` sizes are put into bins.
    """
    rng = np.random.default_rng(_SEED)
    place = _bins(x, most)
    k = int(place[-1]) + 1
    total = np.bincount(place, w, k).astype(np.float64)
    middle = np.bincount(place, w * x, k) / total
    if group is None:
        count = np.bincount(place, minlength=k)
        drawn = rng.multinomial(len(x), count / len(x), size=replicates)
        return Resampled(middle, total, drawn * (total / count), len(x))
    n = int(group.max()) + 1
    by_picture = csr_array((w, (group, place)), shape=(n, k))
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=replicates)
    return Resampled(middle, total, np.asarray(by_picture.T.dot(drawn.T.astype(np.float64)).T), n)


def _bins(x: Floats, most: int) -> npt.NDArray[np.intp]:
    """The bin of each ascending size, numbered without gaps: each its own where there are few."""
    if len(x) <= most:
        return np.arange(len(x))
    logs = np.log(x)
    fine = ((logs - logs[0]) / max(logs[-1] - logs[0], 1e-12) * (most - 1)).astype(np.intp)
    return np.concatenate([[0], np.cumsum(np.diff(fine) > 0)])
