"""The size, not told: candidates scored coarse first by the network of one band, judged as a classifier: right, asked, wrong.

    python benchmarks/band_search.py band.safetensors [--sets catalysts emps tio2 powder superalloy] [--limit N]

Sizes a factor of 1.6 apart are tried, each on the whole picture where that is small at its working scale and else on windows of it.
The evidence of a size is what lies near it among what is found: how many, how sure, how much of the picture. The best is right when
the true median is within a factor 1.6 of what it finds; two maxima a factor of 3 or more apart, the lesser of them at least `--second`
of the greater, are asked about, and that is as it should be when either is right.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from band import network
from band_sets import SETS
from band_splits import sigmoid
from napari_temseg.engine.model.band import WORKING_SIZE
from napari_temseg.engine.model.band_prediction import BandRunner
from napari_temseg.engine.model.segmenter import Normalisation

STEP = 1.6
SMALLEST = 5.0  # px
MOST = 500_000  # px at the working scale that a size may cost
NEAR = 1.5  # found widths within this factor of a candidate speak for it
RIGHT = 1.6


@dataclass(frozen=True)
class Evidence:
    """What speaks for a size: particles near it, their mean certainty, the share of what was seen that they cover, their median width."""

    size: float
    count: float
    sure: float
    cover: float
    found: float
    others: float


def candidates(shape: tuple[int, ...]) -> list[float]:
    """Sizes to try (px), coarse first."""
    largest = 0.7 * min(shape)
    count = max(1, math.floor(math.log(largest / SMALLEST, STEP)) + 1)
    return [SMALLEST * STEP**index for index in range(count)][::-1]


def windows(plane: npt.NDArray[np.float32], size: float) -> list[npt.NDArray[np.float32]]:
    """The whole plane, or four parts of it that together cost as much as may be."""
    zoom = min(WORKING_SIZE / size, 8.0)
    if plane.size * zoom**2 <= MOST:
        return [plane]
    side = int(math.sqrt(MOST / 4) / zoom)
    places = [(n - side) * np.array([0.2, 0.8]) for n in plane.shape]
    return [plane[int(y) : int(y) + side, int(x) : int(x) + side] for y in places[0] for x in places[1]]


def evidence(runner: BandRunner, plane: npt.NDArray[np.float32], size: float) -> Evidence:
    """Cores (learnt depth above a half, half as wide as their particles) near the size, and how sure they are."""
    widths, sures, areas, seen, others = [], [], [], 0.0, 0
    for part in windows(plane, size):
        answer = runner.answer(part, size)
        depth, probability = sigmoid(answer.raw[1]), sigmoid(answer.raw[0])
        labels, n = ndimage.label((depth > 0.5) & (probability > 0.5))
        numbers = np.arange(1, n + 1)
        area = np.bincount(labels.ravel(), minlength=n + 1)[1:]
        width = 2 * np.sqrt(4 / math.pi * area) / answer.zoom
        sure = ndimage.maximum(depth, labels, numbers) if n else np.zeros(0)
        near = (width >= size / NEAR) & (width <= size * NEAR)
        widths.append(width[near])
        sures.append(np.asarray(sure, float)[near])
        areas.append(area[near] * 4 / answer.zoom**2)
        others += int((~near & (area >= 4)).sum())
        seen += part.size
    width = np.concatenate(widths)
    if not len(width):
        return Evidence(size, 0, 0.0, 0.0, 0.0, others)
    scale = plane.size / seen
    return Evidence(
        size,
        len(width) * scale,
        float(np.concatenate(sures).mean()),
        float(np.concatenate(areas).sum() / seen),
        float(np.median(width)),
        others * scale,
    )


def value(e: Evidence) -> float:
    """One number: certain particles, their count damped, more of them when they cover more."""
    purity = e.count / max(e.count + e.others, 1)
    return max(e.sure - 0.4, 0) * purity * math.log1p(e.count) * (e.cover + 0.002) ** 0.35


def verdict(found: list[Evidence], truth: float, second: float) -> tuple[str, float]:
    """Right, asked or wrong, and the size it would answer."""
    values = np.array([value(e) for e in found])
    if not values.any():
        return "nothing", 0.0
    best = int(values.argmax())
    fits = [e.found > 0 and 1 / RIGHT <= e.found / truth <= RIGHT for e in found]
    far = [
        i
        for i, e in enumerate(found)
        if values[i] >= second * values[best] and max(e.size / found[best].size, found[best].size / e.size) >= 3
    ]
    if far:
        rival = max(far, key=lambda i: values[i])
        return ("asked" if fits[best] or fits[rival] else "asked, wrong"), found[best].found
    return ("right" if fits[best] else "wrong"), found[best].found


def main() -> None:
    """Print verdicts a set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--second", type=float, default=0.5)
    parser.add_argument("--json", type=Path, help="keep the evidence, to choose by")
    args = parser.parse_args()
    torch.set_num_threads(1)
    runner, kept = BandRunner(network(args.weights)), []
    for name in args.sets:
        tally: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for case in SETS[name]()[: args.limit]:
            plane = Normalisation().apply(case.image)
            found = [evidence(runner, plane, size) for size in candidates(plane.shape)]
            word, size = verdict(found, case.size, args.second)
            tally[case.group][word] += 1
            kept.append({"group": case.group, "name": case.name, "size": case.size, "evidence": [vars(e) for e in found]})
            print(f"  {case.group} {case.name}: true {case.size:.0f}, found {size:.0f}: {word}", flush=True)
        for group, words in tally.items():
            print(f"{group}: {dict(words)}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(kept))


if __name__ == "__main__":
    main()
