"""What is gained where step 2 offers to say that all particles are bright, or dark, and somebody says so; tune parts only.

    python benchmarks/polarity.py [--sets catalysts emps tio2 powder superalloy]

The offer stands where the model doubts a tenth of what it found and nearly all of that is of one polarity. Both searches find their size
themselves; the second is told the polarity, and the size that the first one found, as the button does.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

import napari_temseg as temseg
from band_sets import SETS, Case, score
from napari_temseg.engine.measure.pooling import unsure_share
from napari_temseg.engine.measure.usability import DOUBTED
from napari_temseg.engine.particles.standing_out import polarity_seen
from napari_temseg.engine.types.micrograph import Micrograph


def found(model: temseg.Segmenter, case: Case, config: temseg.PredictConfig) -> tuple[temseg.Particles, float, float]:
    """The particles of a picture, the size that was looked for and F1."""
    prediction = temseg.predict(model, Micrograph(case.image[: case.until]), config)
    particles = temseg.split(prediction)
    labels = np.zeros(case.image.shape[:2], np.int32)
    labels[: case.until] = particles.labels
    row = score(case, labels)
    return particles, prediction.size, 2 * row["hits"] / max(row["found"] + row["true"], 1)


def main() -> None:
    """A line a picture where it is offered, and the mean F1 of these and of all of a set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = temseg.load("particles")
    for name in args.sets:
        before, after = [], []
        for case in SETS[name]():
            particles, size, first = found(model, case, temseg.PredictConfig())
            doubted = unsure_share([temseg.measure(particles).table])
            seen = polarity_seen(particles.micrograph, particles.labels)
            before.append(first)
            after.append(first)
            if doubted >= DOUBTED and seen != "auto":
                again, _, after[-1] = found(model, case, temseg.PredictConfig(polarity=seen, typical_size=size))
                print(
                    f"{case.group} {case.name}: {doubted:.0%} doubted, all {seen}: "
                    f"n {len(particles)} to {len(again)}, F1 {first:.3f} to {after[-1]:.3f}",
                    flush=True,
                )
        offered = np.array(before) != np.array(after)
        print(f"{name}: {len(before)} pictures, changed {offered.sum()}, mean F1 {np.mean(before):.3f} to {np.mean(after):.3f}", flush=True)


if __name__ == "__main__":
    main()
