"""A drawn scene: the picture, every particle in it, and where nothing should be learnt. Bodies are drawn in their own small windows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.simulate.shapes import Outline, random_outline

Floats = npt.NDArray[np.float32]
Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Scene:
    """A simulated picture of something on, among or under something else.

    `plane` uint8 (Y, X); `instances` int32 (Y, X), 0 background, 1…n, the uppermost body wins; `ignore` bool (Y, X), where a body lies
    that nobody could see, or of which too little shows; `signs` int8 (n + 1,): 1 brighter than what is round it, −1 darker; `size`
    the typical width (px) of the population that is meant; `kind` in words.
    """

    plane: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.int32]
    ignore: npt.NDArray[np.bool_]
    signs: npt.NDArray[np.int8]
    size: float
    kind: str


@dataclass(frozen=True, eq=False)
class Body:
    """One drawn body: its window, the pixels of it that lie inside (h, w), and what it adds there in units of a median thickness."""

    window: Window
    mask: npt.NDArray[np.bool_]
    added: Floats
    width: float


@dataclass(eq=False)
class SceneCanvas:
    """Bodies placed so far: their labels (uppermost wins) and how many pixels each had and still shows."""

    labels: npt.NDArray[np.int32]
    bodies: list[Body] = field(default_factory=list)

    def window(self, outline: Outline, centre: tuple[float, float], margin: float) -> tuple[Window, Floats, Floats]:
        """The pixels that an outline and a margin reach, cut to the frame; their y (h, 1), x (1, w) from the centre."""
        up, down, left, right = outline.box
        height, width = self.labels.shape
        rows = slice(max(0, math.floor(centre[0] - up - margin)), min(height, math.ceil(centre[0] + down + margin) + 1))
        columns = slice(max(0, math.floor(centre[1] - left - margin)), min(width, math.ceil(centre[1] + right + margin) + 1))
        y = np.arange(rows.start, max(rows.start, rows.stop), dtype=np.float32)[:, None] - np.float32(centre[0])
        x = np.arange(columns.start, max(columns.start, columns.stop), dtype=np.float32)[None] - np.float32(centre[1])
        return (slice(rows.start, max(rows.start, rows.stop)), slice(columns.start, max(columns.start, columns.stop))), y, x

    def covered(self, window: Window, mask: npt.NDArray[np.bool_]) -> float:
        """The largest share that is hidden, of the new body's pixels or of any body's beneath it."""
        beneath = self.labels[window][mask]
        beneath = beneath[beneath > 0]
        if not beneath.size:
            return 0.0
        ids, hidden = np.unique(beneath, return_counts=True)
        sizes = np.array([self.bodies[int(i) - 1].mask.sum() for i in ids])
        return float(max(beneath.size / max(int(mask.sum()), 1), (hidden / sizes).max()))

    def add(self, body: Body) -> None:
        """Put a body on top."""
        self.bodies.append(body)
        self.labels[body.window][body.mask] = len(self.bodies)

    def visible(self) -> npt.NDArray[np.float64]:
        """The share of each body's pixels that shows, (n + 1,); entry 0 is 1."""
        shown = np.bincount(self.labels.ravel(), minlength=len(self.bodies) + 1).astype(float)
        own = np.array([shown[0], *(body.mask.sum() for body in self.bodies)], float)
        return np.where(own > 0, shown / np.maximum(own, 1), 1.0)


def lognormal(median: float, spread: float, rng: np.random.Generator, low: float = 0.2, high: float = 4.0) -> float:
    """A width of log-normal law with geometric deviation `spread`, within `low` to `high` medians."""
    return float(median * np.clip(spread ** rng.standard_normal(), low, high))


def outline_of(width: float, kinds: tuple[str, ...], rng: np.random.Generator) -> Outline:
    """A random outline whose width (not its length) is about `width` px: rods are up to ten times as long."""
    kind = kinds[int(rng.integers(len(kinds)))]
    outline = random_outline(kind, width, rng)
    ratio = width / max(outline.feret_min, 1e-6)
    return random_outline(kind, width * ratio, rng) if kind == "rod" else outline


def drop_invisible(
    canvas: SceneCanvas, seen: npt.NDArray[np.bool_], least_share: float = 0.25
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Labels without the bodies that cannot be `seen` (n + 1,) or show less than a share, and True where those lie, a px round them too."""
    keep = seen & (canvas.visible() >= least_share)
    keep[0] = True
    gone = ~keep[canvas.labels]
    labels = np.where(gone, 0, canvas.labels).astype(np.int32)
    return labels, ndimage.binary_dilation(gone, iterations=2) & (labels == 0)
