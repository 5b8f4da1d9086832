"""How many of the particles that are said to look like two are two, and what comes of splitting them all as the program offers.

    python benchmarks/suspects.py [--set tio2 emps superalloy catalysts powder] [--model particles] [--pictures]

The tune parts, the size told as a drag across a typical particle tells it. A suspect is *two* when an eye sees two hand-drawn particles in
it (30 % of each; on catalysts: the centres of two boxes), *right* when it overlaps one by half, else *neither*. *twos* is how many
of all that were found are two. Printed with it: the relative error of D50 and of the number, PQ and IoU, as found and when every offered
split is taken. The peer is what was offered without a look at the picture: every particle that splitting would cut up to the same
strength. `--pictures` prints a line for each picture.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

import napari_temseg as temseg
from band_sets import SETS, Case, Labels, diameters
from napari_temseg.engine.particles.doubts import AT_LEAST, NO_DENT, WITHIN, apart_at, doubts, split_more
from napari_temseg.engine.particles.evaluation import evaluate
from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.results import Particles
from repairs import POLARITY, SHARE, off

CONFIG = SplitConfig()
KINDS = ("two", "right", "neither")
WAYS = ("found", "offered", "peer")


def kinds(case: Case, labels: Labels) -> dict[int, str]:
    """What each label is by hand-drawn truth."""
    numbers = np.unique(labels[labels > 0]).tolist()
    if case.boxed:
        places = np.asarray(case.truth)[:, :2].astype(int)
        held = Counter(labels[tuple(np.clip(places, 0, np.array(labels.shape) - 1).T)].tolist())
        return {n: "two" if held[n] > 1 else "right" if held[n] else "neither" for n in numbers}
    truth = np.asarray(case.truth)[: case.until].astype(np.int64)
    shared = np.zeros((int(labels.max()) + 1, int(truth.max()) + 1), np.int64)
    np.add.at(shared, (labels.ravel(), truth.ravel()), 1)
    whole, area = shared.sum(axis=0), shared.sum(axis=1)
    inside = shared[:, 1:]
    seen = np.count_nonzero(inside > SHARE * np.maximum(whole[1:], 1), axis=1)
    overlap = (inside / (area[:, None] + whole[None, 1:] - inside)).max(axis=1, initial=0)
    return {n: "two" if seen[n] > 1 else "right" if overlap[n] > 0.5 else "neither" for n in numbers}


def split_all(particles: Particles, numbers: list[int]) -> Labels:
    """The labels after the split that is offered of each of these was taken."""
    labels = particles.labels.copy()
    patch = split_more(particles, 0, numbers, CONFIG)[0] if numbers else None
    if patch is not None:
        patch.apply(labels)
    return labels


def figures(case: Case, labels: Labels) -> tuple[float, float, float, float]:
    """Errors of D50 and of the number, PQ and IoU."""
    truth = case.truth[: case.until].astype(np.int32)
    told, sizes = evaluate(labels, truth), diameters(truth)
    return off(labels, float(np.median(sizes))), len(diameters(labels)) / len(sizes) - 1, told.pq, told.iou


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs="+", default=["tio2", "emps", "superalloy", "catalysts", "powder"], choices=list(SETS))
    parser.add_argument("--model", default="particles")
    parser.add_argument("--pictures", action="store_true")
    args = parser.parse_args()
    model = temseg.load(args.model)
    print(f"{'':30}{'found':>6}{'twos':>6}   offered: two right neither (clear: two of)   peer: two right neither")
    for name in args.set:
        counts: dict[str, Counter[str]] = {}
        errors: dict[str, list[tuple[tuple[float, float, float, float], ...]]] = {}
        for case in SETS[name]():
            if case.group == "powder satellite":  # small ones on large ones, which are not outlined
                continue
            config = PredictConfig(typical_size=case.size, polarity=POLARITY[case.polarity])
            said = temseg.predict(model, Micrograph(case.image[: case.until]), config)
            particles = temseg.split(said, CONFIG)
            if not particles.labels.any():
                continue
            count, kind = Counter[str](), kinds(case, particles.labels)
            offered = doubts(particles, CONFIG)
            apart = apart_at(particles.labels, said, CONFIG)
            by_dent = [n for n in kind if apart[n] < min(max(CONFIG.strength + WITHIN, AT_LEAST), NO_DENT)]
            count.update(found=len(kind), twos=sum(each == "two" for each in kind.values()))
            count.update(f"offered {kind[n]}" for n in offered.two)
            count.update(f"peer {kind[n]}" for n in by_dent)
            count.update(f"clear {kind[n]}" for n in offered.clear)
            counts.setdefault(case.group, Counter()).update(count)
            if not case.boxed:
                ways = (figures(case, split_all(particles, numbers)) for numbers in ([], list(offered.two), by_dent))
                errors.setdefault(case.group, []).append(tuple(ways))
            if args.pictures:
                print(line(f"  {case.name[:26]}", count))
        for group, count in counts.items():
            print(line(group, count), flush=True)
            if group in errors:
                table = np.array(errors[group])
                for way, each in zip(WAYS, np.moveaxis(table, 1, 0), strict=True):
                    size, number = np.abs(each[:, :2]).mean(axis=0)
                    print(f"    {way:10} |D50| {size:6.1%} ({each[:, 0].mean():+.1%})  |n| {number:6.1%}  PQ {each[:, 2].mean():.3f}  "
                          f"IoU {each[:, 3].mean():.3f}")  # fmt: skip


def line(name: str, count: Counter[str]) -> str:
    """The counts of a picture or a set."""
    offered, peer = (" ".join(f"{count[f'{way} {kind}']:5}" for kind in KINDS) for way in ("offered", "peer"))
    clear = f"{count['clear two']} of {sum(count[f'clear {kind}'] for kind in KINDS)}"
    return f"{name:30}{count['found']:6}{count['twos']:6}   {'':8}{offered}   ({clear:>9}) {'':16}{peer}"


if __name__ == "__main__":
    main()
