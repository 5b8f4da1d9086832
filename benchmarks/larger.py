"""What is gained where step 2 says that larger particles were not looked for, and somebody presses to have both sizes found.

    python benchmarks/larger.py [--sets catalysts emps tio2 powder superalloy] [--train]

The first search finds its size itself; the second looks for just that size and for that of the larger ones. F1 is by centres of boxes, or
by overlap with hand-drawn outlines; D50 of these too. With `--train` the catalysts on which the shipped model was trained, for choosing.
"""

from __future__ import annotations

import argparse
from collections import Counter

import imageio.v3 as iio
import numpy as np
import torch

import napari_temseg as temseg
from band_sets import CATALYSTS, SETS, Case, data_folder, score
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.pipeline.picture.larger import iter_larger


def trained_on() -> list[Case]:
    """The catalysts of the train part."""
    folder, found = data_folder() / "supported_catalysts", []
    for path in sorted((folder / "images").glob("*.jpg")):
        if path.stem.startswith(CATALYSTS):
            image = iio.imread(path, mode="L")
            boxes = np.loadtxt(folder / "labels" / f"{path.stem}.txt", ndmin=2)[:, [2, 1, 4, 3]] * np.tile(image.shape, 2)
            boxes = boxes[boxes[:, 2:].min(1) > 0]
            found.append(Case("catalysts", path.stem, image, boxes, float(np.median(np.sqrt(boxes[:, 2] * boxes[:, 3]))), 1))
    return found


def judged(case: Case, particles: temseg.Particles) -> dict[str, float]:
    """The score of a picture, its F1 too."""
    labels = np.zeros(case.image.shape[:2], np.int32)
    labels[: case.until] = particles.labels
    row = score(case, labels)
    return {**row, "F1": 2 * row["hits"] / max(row["found"] + row["true"], 1)}


def main() -> None:
    """A line a picture where it is offered, and the mean F1 of all of a set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--train", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = temseg.load("particles")
    for name, cases in {"catalysts, train": trained_on}.items() if args.train else {name: SETS[name] for name in args.sets}.items():
        before, after, offered = [], [], Counter[bool]()
        for case in cases():
            plane, config = Micrograph(case.image[: case.until]), temseg.PredictConfig()
            particles = temseg.split(temseg.predict(model, plane, config))
            first = last = judged(case, particles)
            larger = iter_larger(model, particles, config).drain()
            offered[larger is not None] += 1
            if larger is not None and particles.prediction is not None:
                size = particles.prediction.size
                both = temseg.PredictConfig(typical_size=size, other_size=larger.size, exact_size=True)
                last = judged(case, temseg.split(temseg.predict(model, plane, both)))
                d50 = f", D50 {first['D50']:+.3f} to {last['D50']:+.3f}" if "D50" in first else ""
                print(
                    f"{case.group} {case.name}: {size:.3g} px, {larger.count} larger of {larger.size:.3g} px: n {first['found']:.0f} to "
                    f"{last['found']:.0f} of {first['true']:.0f}, F1 {first['F1']:.3f} to {last['F1']:.3f}{d50}",
                    flush=True,
                )
            before.append(first["F1"])
            after.append(last["F1"])
        print(f"{name}: offered in {offered[True]} of {len(before)}, mean F1 {np.mean(before):.3f} to {np.mean(after):.3f}", flush=True)


if __name__ == "__main__":
    main()
