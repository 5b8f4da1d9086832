"""How far the search of a picture is, by work: what comes after its last look at the picture may take as long as all looks."""

from __future__ import annotations

import math
from dataclasses import replace

from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import PIXELS_SHOWN, Progress

# × the px of a plane that a network is shown in the time that these take, of each plane or once: measured on pictures of 0.3 to 4
# megapixels with 3 to 441 particles, on one core.
SPLITTING_TAKES, OTHER_SPLITS_TAKE, MEASURING_TAKES, LARGER_TAKES = 1.2, 1.5, 0.3, 2.6
RECOVERING_SHOWS = 3_000_000  # px, whatever the picture: that is looked for in a window


class SearchCourse:
    """What is done of the search of a picture: px that the network is shown, and beside that `each` × those of a plane for every plane, and
    `once` × them. Nothing told goes back."""

    def __init__(self, image: Micrograph, each: float, once: float = 0.0) -> None:
        self._pixels = float(math.prod(image.frame))
        self._shown = image.n_planes * self._pixels
        self._others = (image.n_planes * each + once) * self._pixels
        self._looked = self._after = self._told = 0.0

    def looked(self, progress: Progress) -> Progress:
        """A step of the prediction, as one of the whole."""
        self._shown = progress.metrics.get(PIXELS_SHOWN, self._shown)
        self._looked = progress.fraction * self._shown
        return self.at(progress)

    def did(self, times: float) -> None:
        """Something else that takes `times` the px of a plane is done."""
        self._after += times * self._pixels

    def at(self, progress: Progress, within: float = 0.0) -> Progress:
        """A step of something else, of which `within` × the px of a plane are done."""
        work = self._looked + self._after + within * self._pixels
        self._told = min(1.0, max(self._told, work / max(self._shown + self._others, 1.0)))
        return replace(progress, fraction=self._told)
