"""Where *Fill from strokes* puts outlines: px outside (+) or inside of those drawn by hand, and IoU.

    python benchmarks/fills.py [--sets emps tio2 powder superalloy] [--seeds 2]

On tune parts; six strokes in particles and six beside, as `accuracy.py few` draws them. A pixel of an outline counts where one drawn by
hand is within 8 px; the mean of pictures, and that of their amounts in brackets. Peer: a random forest on multi-scale features, whose
outlines lie wherever it puts them.
"""

from __future__ import annotations

import argparse
from types import SimpleNamespace

import numpy as np
from scipy import ndimage

import napari_temseg as temseg
from accuracy_common import Image, Mask, features, forest, iou, strokes
from band_sets import SETS, Case

NEAR = 8  # px


def outside(found: Mask, truth: Mask) -> float:
    """Mean px by which the outline of `found` lies outside that of `truth`, where they are near each other."""
    signed = np.where(truth, 0.5 - ndimage.distance_transform_edt(truth), ndimage.distance_transform_edt(~truth) - 0.5)
    rim = signed[found & ~ndimage.binary_erosion(found, border_value=1)] + 0.5
    near = rim[np.abs(rim) <= NEAR]
    return float(near.mean()) if near.size else 0.0


def ways(case: Case, seed: int) -> dict[str, Mask]:
    """What each way fills."""
    image: Image = case.image[: case.until]
    drawn = strokes(SimpleNamespace(image=image, instances=np.asarray(case.truth)[: case.until]), seed)
    peer = forest([image], [drawn]).predict(features(image)).reshape(image.shape) == 2
    return {"fill": temseg.draft(image, drawn) == 2, "forest": peer}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [name for name in SETS if name != "catalysts"]  # boxes tell of no outline
    parser.add_argument("--sets", nargs="+", default=names, choices=names)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=12, help="of each set, at most")
    args = parser.parse_args()
    for name in args.sets:
        rows: dict[str, list[tuple[float, float]]] = {"fill": [], "forest": []}
        for case in SETS[name]()[: args.pictures]:
            for seed in range(args.seeds):
                truth = np.asarray(case.truth)[: case.until] > 0
                for way, mask in ways(case, seed).items():
                    rows[way].append((outside(mask, truth), iou(mask, truth)))
        amounts = {way: np.abs([px for px, _ in values]).mean() for way, values in rows.items()}
        for way, values in rows.items():
            px, agrees = np.mean(values, axis=0)
            ratio = amounts["forest"] / amounts[way]
            print(
                f"{name:<12} {way:<7} {px:+.2f} px ({amounts[way]:.2f}; ratio {ratio:.2f})  IoU {agrees:.3f}  n {len(values)}", flush=True
            )


if __name__ == "__main__":
    main()
