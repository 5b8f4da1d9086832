"""Live on particles of another size than was looked for: one short stroke inside each, on EMPS *tune*.

    python benchmarks/other_sizes.py [--every 4] [--factors 0.2 0.25 1 2 3 4 5]

A picture is looked at for particles so many times smaller (below 1: larger) than the largest ones in it that stand apart. Told are the
diameter of the outline that a stroke gives over that of the hand-drawn one, and their overlap (IoU); beside them the same answer where the
model is not shown what is under a stroke at other sizes.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

import napari_temseg as temseg
from accuracy_common import entries
from napari_temseg.engine.interactive.linear_head import answer, iter_ground
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.results import FIRST_CLASS

APART = 4  # px of background round a particle that stands apart
MOST = 4  # of a picture
LONG, BROAD = 0.4, 0.08  # of a stroke, × the diameter of the largest circle in its particle
LEAST_SIZE = 6.0  # px
Mask = npt.NDArray[np.bool_]


def standing_apart(truth: npt.NDArray[np.int32]) -> list[Mask]:
    """The largest particles (Y, X) that touch neither another nor the edge."""
    found = []
    for number in np.unique(truth)[1:]:
        own = truth == number
        round_it = ndimage.binary_dilation(own, iterations=APART)
        inner = not (own[:2].any() or own[-2:].any() or own[:, :2].any() or own[:, -2:].any())
        if inner and not (round_it & ~own & (truth > 0)).any():
            found.append(own)
    return sorted(found, key=lambda own: -int(own.sum()))[:MOST]


def stroke(own: Mask) -> Mask:
    """Along a row through the middle of a particle (Y, X)."""
    depth = ndimage.distance_transform_edt(own)
    y, x = (int(at) for at in np.unravel_index(depth.argmax(), own.shape))
    half, thick = int(LONG * depth.max()), int(BROAD * depth.max())
    line = np.zeros(own.shape, bool)
    line[y - thick : y + thick + 1, x - half : x + half + 1] = True
    return line & own


def compared(classes: npt.NDArray[np.uint8], own: Mask, drawn: Mask) -> tuple[float, float]:
    """Ratio of the diameters, and IoU, of what an answer has under a stroke and the particle."""
    pieces, _ = ndimage.label(classes >= FIRST_CLASS)
    found = np.isin(pieces, np.unique(pieces[drawn & (pieces > 0)]))
    return float(np.sqrt(found.sum() / own.sum())), float((found & own).sum() / (found | own).sum())


def main() -> None:
    """A line a factor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=4, help="of so many pictures one")
    parser.add_argument("--factors", type=float, nargs="+", default=[0.2, 0.25, 1.0, 2.0, 3.0, 4.0, 5.0])
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = temseg.load("particles")
    rows: dict[tuple[float, str], list[tuple[float, float]]] = defaultdict(list)
    for entry in entries("tune", every=args.every):
        particles = standing_apart(entry.instances)
        width = float(np.median([np.sqrt(4 / np.pi * own.sum()) for own in particles])) if particles else 0.0
        drawn = [stroke(own) for own in particles]
        strokes = np.any(drawn, axis=0) * np.uint8(FIRST_CLASS) if particles else np.zeros(entry.instances.shape, np.uint8)
        for factor in args.factors:
            size = width / factor
            if not LEAST_SIZE <= size <= min(entry.image.shape):
                continue
            ground = iter_ground(model, Micrograph(entry.image), temseg.PredictConfig(typical_size=size, exact_size=True)).drain()
            for kind, known in (("as it is", ground), ("at that size alone", replace(ground, under=None))):
                classes = answer(known, strokes).classes
                rows[factor, kind] += [compared(classes, own, line) for own, line in zip(particles, drawn, strict=True)]
    for (factor, kind), found in sorted(rows.items()):
        ratio, overlap = np.array(found).T
        low, middle, high = np.percentile(ratio, [25, 50, 75])
        print(
            f"{factor:g} × the size looked for, {kind}: {len(found)} particles, diameter × {middle:.3f} "
            f"(quartiles {low:.3f}, {high:.3f}), IoU {np.median(overlap):.3f}"
        )


if __name__ == "__main__":
    main()
