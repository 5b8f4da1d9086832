"""The finder on drawn specimens, whose truth is known: supports by contrast and size, overlaps, few electrons, bent rods, two sizes.

    python benchmarks/specimens.py [--pictures 4] [--only supports overlaps faint rods two] [--model FILE]

Recall and precision at an IoU of 0.5, and the signed error of D50, with the size told and not. Peer in the same run: the top-hat of
`accuracy.py peers`, size and polarity being told.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

import napari_temseg as temseg
from accuracy_peers import top_hat
from model import diameters, matches
from napari_temseg.engine.particles.evaluation import _overlaps, _pair_iou
from napari_temseg.engine.simulate.specimens import SpecimenRecipe, specimen
from napari_temseg.engine.types.config import PredictConfig, SimulateConfig

Labels = npt.NDArray[np.int32]
SHARES = (0.25, 0.5, 0.7, 0.9, 1.01)  # of a particle that is seen: edges of the groups


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture and its truth; `ignore` is where nothing counts, `bright` the polarity, `size` (px) what is told."""

    image: npt.NDArray[np.generic]
    truth: Labels
    size: float
    bright: bool
    ignore: npt.NDArray[np.bool_] | None = None


def finders(model: temseg.Segmenter) -> dict[str, Callable[[Drawn], Labels]]:
    """The ways that are compared."""

    def found(drawn: Drawn, told: bool) -> Labels:
        config = PredictConfig(typical_size=max(2.0, drawn.size) if told else None)
        return temseg.split(temseg.predict(model, drawn.image, config)).labels

    ways: dict[str, Callable[[Drawn], Labels]] = {"told": lambda drawn: found(drawn, True), "untold": lambda drawn: found(drawn, False)}
    return {**ways, "top-hat, told": lambda drawn: top_hat(drawn.image, drawn.size, drawn.bright)}


def counted(labels: Labels, drawn: Drawn) -> Labels:
    """Without what lies mostly where nothing counts."""
    if drawn.ignore is None:
        return labels
    share = np.bincount(labels[drawn.ignore], minlength=labels.max() + 1) / np.maximum(np.bincount(labels.ravel()), 1)
    return np.where(share[labels] > 0.5, 0, labels).astype(np.int32)


def line(name: str, pictures: list[Drawn], ways: dict[str, Callable[[Drawn], Labels]]) -> None:
    """A row of the table."""
    cells = []
    for find in ways.values():
        hits = found = true = 0
        own: list[float] = []
        truth: list[float] = []
        for drawn in pictures:
            labels = counted(find(drawn), drawn)
            one, two, three = matches(labels, drawn.truth)
            hits, found, true = hits + one, found + two, true + three
            own += diameters(labels)
            truth += diameters(drawn.truth)
        off = f"{np.median(own) / np.median(truth) - 1:+.0%}" if own and truth else "–"
        cells.append(f"{hits / max(true, 1):.2f} / {hits / max(found, 1):.2f} / {off}")
    print(f"| {name} | {true} | " + " | ".join(cells) + " |", flush=True)


def supports(contrast: float, size: float, pictures: int) -> Iterator[Drawn]:
    """Scenes on supports; contrast of a particle in units of the support's."""
    seed = 0
    while pictures:
        rng, seed = np.random.default_rng([round(100 * contrast), round(size), seed]), seed + 1
        shape = (384, 384)
        recipe = replace(SpecimenRecipe.drawn(size, shape, rng), supported=True, contrast=contrast, voids=0.0, others=0.0, overlap=0.2)
        recipe = replace(recipe, dose=max(recipe.dose, 30.0), count=int(np.clip(0.06 * shape[0] * shape[1] / size**2, 4, 120)))
        scene = specimen(size, shape, rng, recipe)
        if scene.instances.any():
            pictures -= 1
            yield Drawn(scene.plane, scene.instances, size, recipe.haadf, scene.ignore)


def faint(diameter: float, dose: float, mode: str, pictures: int) -> Iterator[Drawn]:
    """Small particles and few electrons."""
    for seed in range(pictures):
        config = SimulateConfig(
            mode=mode, height=256, width=256, count=150, diameter=diameter, touching=0.1, dose=dose, support=0.05, seed=seed
        )
        scene = temseg.simulate(config)
        yield Drawn(scene.micrograph.data, scene.instances, diameter, mode == "HAADF")


def bent_rods(width: float, pictures: int) -> Iterator[Drawn]:
    """Rods of 4:1 to 9:1 that follow arcs of a circle, dark, crossing no other."""
    y, x = np.indices((448, 448), np.float32)
    for seed in range(pictures):
        rng = np.random.default_rng([int(width), seed])
        truth, signal = np.zeros(y.shape, np.int32), np.zeros(y.shape, np.float32)
        for _ in range(400):
            length, turn = width * rng.uniform(3, 8), rng.uniform(0.5, 2.0)  # of the middle line: px, and rad from end to end
            radius, start = length / turn, rng.uniform(0, 2 * math.pi)
            cy, cx = rng.uniform(0, 448, 2) + radius * rng.uniform(-1, 1, 2)
            angle = np.mod(np.arctan2(y - cy, x - cx) - start, 2 * math.pi)
            ends = [(cy + radius * math.sin(a), cx + radius * math.cos(a)) for a in (start, start + turn)]
            away = np.minimum.reduce([np.hypot(y - v, x - u) for v, u in ends])
            away = np.where(angle <= turn, np.abs(np.hypot(y - cy, x - cx) - radius), away)
            body = away <= width / 2
            cut = body[0].any() or body[-1].any() or body[:, 0].any() or body[:, -1].any()
            if not body.any() or cut or truth[ndimage.binary_dilation(body, iterations=3)].any():
                continue
            truth[body] = truth.max() + 1
            signal += np.sqrt(np.maximum((width / 2) ** 2 - away**2, 0)) / (width / 2) * rng.uniform(0.5, 0.9)
            if truth.max() >= 14:
                break
        bright = ndimage.gaussian_filter(np.exp(-signal), 1.0)
        yield Drawn(rng.poisson(60 * bright).astype(np.uint8), truth, width, False)


def two_sizes(pictures: int) -> Iterator[tuple[Drawn, Labels]]:
    """Particles of 3 and of 30 nm at 0.4 nm a pixel, apart, dark; and which of them are the large ones."""
    y, x = np.indices((640, 640), np.float32)
    for seed in range(pictures):
        rng = np.random.default_rng([7, seed])
        truth, signal, large = np.zeros(y.shape, np.int32), np.zeros(y.shape, np.float32), 0
        for number, width in [(12, 75.0), (140, 7.5)]:
            for _ in range(20 * number):
                own = width * float(np.clip(1.15 ** rng.standard_normal(), 0.7, 1.4))
                cy, cx = rng.uniform(own / 2 + 2, 638 - own / 2, 2)
                box = tuple(slice(max(0, int(c - own)), int(c + own) + 1) for c in (cy, cx))
                away = np.hypot(y[box] - cy, x[box] - cx)
                if truth[box][away <= own / 2 + 3].any():
                    continue
                truth[box][away <= own / 2] = truth.max() + 1
                signal[box] += np.sqrt(np.maximum(1 - (2 * away / own) ** 2, 0)) * (0.9 if width > 20 else 0.5)
                if truth.max() - large >= number:
                    break
            large = large or int(truth.max())
        image = rng.poisson(120 * ndimage.gaussian_filter(np.exp(-signal), 0.8)).astype(np.uint8)
        yield Drawn(image, truth, 7.5, False), np.where(truth <= large, truth, 0).astype(np.int32)


def overlaps(model: temseg.Segmenter, pictures: int) -> None:
    """Recall by the share of a particle that is seen, of particles at least a pixel of which shows."""
    print("\n| seen | true | told | untold |\n|---|---|---|---|")
    tally: dict[str, list[npt.NDArray[np.bool_]]] = {"told": [], "untold": []}
    seen: list[npt.NDArray[np.float64]] = []
    for mode, seed in ((mode, seed) for mode in ("bright field", "HAADF") for seed in range(pictures)):
        config = SimulateConfig(
            mode=mode, height=448, width=448, count=70, diameter=32, touching=0.3, overlapping=0.6, support=0.05, seed=seed
        )
        scene = temseg.simulate(config)
        area = np.bincount(scene.instances.ravel(), minlength=len(scene.table) + 1)[1:]
        there = scene.table[area > 0]
        inside = ~there["touches_frame"].to_numpy(bool)
        seen.append((area[area > 0] / there["area_px2"].to_numpy())[inside])
        for way in tally:
            prediction = temseg.predict(model, scene.micrograph, PredictConfig(typical_size=32.0 if way == "told" else None))
            pairs = _pair_iou(*_overlaps(temseg.split(prediction).labels, scene.instances))
            tally[way].append(np.isin(np.arange(len(there)), pairs.col[pairs.data > 0.5])[inside])
    shares = np.concatenate(seen)
    for low, high in pairwise(SHARES):
        group = (shares >= low) & (shares < high)
        cells = [f"{np.concatenate(hits)[group].mean():.2f}" for hits in tally.values()]
        print(f"| {low:.0%} to {min(high, 1):.0%} | {group.sum()} | " + " | ".join(cells) + " |", flush=True)


def two(model: temseg.Segmenter, pictures: int) -> None:
    """Recall of each size when it is told, and when both are meant."""
    small, large = [], []
    for drawn, of_large in two_sizes(pictures):
        truths = (np.where(of_large > 0, 0, drawn.truth), of_large)
        for told, out in (((7.5, None), small), ((75.0, None), large), ((7.5, 75.0), None)):
            config = PredictConfig(typical_size=told[0], other_size=told[1])
            labels = temseg.split(temseg.predict(model, drawn.image, config)).labels
            for truth, rows in zip(truths, (small, large), strict=True):
                if out is None or out is rows:
                    rows.append((out is None, *matches(labels, truth)))
    print("\n| size | true | recall, told | recall, both told |\n|---|---|---|---|")
    for name, rows in (("3 nm", small), ("30 nm", large)):
        recall = [sum(r[1] for r in rows if r[0] == both) / max(1, sum(r[3] for r in rows if r[0] == both)) for both in (False, True)]
        print(f"| {name} | {sum(r[3] for r in rows if r[0])} | {recall[0]:.2f} | {recall[1]:.2f} |", flush=True)


def main() -> None:
    """Print a table for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=4)
    parser.add_argument("--only", nargs="+", choices=("supports", "overlaps", "faint", "rods", "two"))
    parser.add_argument("--model", type=Path)
    args = parser.parse_args()
    wanted = args.only or ("supports", "overlaps", "faint", "rods", "two")
    model = temseg.load(args.model or "particles")
    ways = finders(model)
    n = args.pictures
    kinds: dict[str, dict[str, Callable[[], Iterator[Drawn]]]] = {
        "supports": {
            f"contrast {contrast:g} of the support's, {size:g} px": lambda c=contrast, s=size: supports(c, s, n)  # type: ignore[misc]
            for contrast in (0.1, 0.3, 1.0, 3.0, 10.0)
            for size in (6.0, 12.0, 30.0)
        },
        "faint": {
            f"{size:g} px, {dose:g} electrons, {mode}": lambda m=mode, s=size, d=dose: faint(s, d, m, n)  # type: ignore[misc]
            for mode in ("bright field", "HAADF")
            for size, dose in ((6.0, 20.0), (6.0, 200.0))
        },
        "rods": {f"bent rods {width:g} px wide": lambda w=width: bent_rods(w, n) for width in (8.0, 16.0)},  # type: ignore[misc]
    }
    heading = "| | true | " + " | ".join(f"{way}: recall / precision / D50" for way in ways) + " |\n" + "|---" * (2 + len(ways)) + "|"
    for kind, rows in kinds.items():
        if kind in wanted:
            print(f"\n{heading}", flush=True)
            for name, draw in rows.items():
                line(name, list(draw()), ways)
    if "overlaps" in wanted:
        overlaps(model, n)
    if "two" in wanted:
        two(model, n)


if __name__ == "__main__":
    main()
