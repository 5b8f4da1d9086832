"""Sizes that keep what is found and find what seems to lie beyond it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_temseg.engine.particles.modes import modes_of
from napari_temseg.engine.types.results import BAND

if TYPE_CHECKING:
    from napari_temseg.engine.types.results import SizeCandidate
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.results.given_up import Lost


@dataclass(frozen=True)
class FurtherSizes:
    """Both `sizes` (px) to look for; `as_one` where what seems to lie beyond is more of the same: one distribution, wider than a search.

    `larger` are particles that were seen beyond what was looked for: the first size is then just that of the search before.
    """

    sizes: tuple[float, float]
    as_one: bool
    larger: SizeCandidate | None = None


def further_sizes(item: Item | None, lost: Lost | None) -> FurtherSizes | None:
    """Of a picture, and what its search gave up; None where nothing seems to lie beyond what is found."""
    if lost:
        return FurtherSizes(lost.both, as_one=False)
    said = item.prediction if item is not None else None
    if item is None or said is None or not said.size or said.other is not None or item.particles is None:
        return None
    if (modes := modes_of(item.measurement, item.last_found)) is not None:
        pixel = item.calibration.nanometres or 1.0
        return FurtherSizes((modes.small / pixel, modes.large / pixel), as_one=False)
    if said.larger is not None:
        return FurtherSizes((said.size, said.larger.size), as_one=said.larger.size <= BAND**2 * said.size, larger=said.larger)
    ends = item.ends
    if ends is None or not any(ends.touched):
        return None
    return FurtherSizes((said.size / BAND, said.size) if ends.touched[0] else (said.size, said.size * BAND), as_one=True)
