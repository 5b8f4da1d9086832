"""Masks that are not exact: does a model trained on them come out better than the masks?

    python benchmarks/accuracy.py inexact [--part tune|score] [--limit PAPERS] [--seconds 30] [--ledger FILE] [--json FILE]

One micrograph of each paper with two or more is labelled whole, exactly or with an error; a model is trained on it from the shipped
one, and scored against exact truth on that micrograph (same) and on the paper's others (other). `labels` is the IoU of the labels
themselves. Errors: outlines eroded or dilated by 2 px, everything shifted by 3 px, 30 % of the particles missing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.segmentation import expand_labels

import accuracy_common as common
import napari_temseg as temseg

Instances = Any  # int32 (Y, X), 0 background
DISC = np.hypot(*np.mgrid[-2:3, -2:3]) <= 2


def eroded(instances: Instances, _: int) -> Instances:
    """Every outline 2 px further in; particles that touch come apart."""
    inner = ndimage.grey_erosion(instances, footprint=DISC) == ndimage.grey_dilation(instances, footprint=DISC)
    return np.where(inner, instances, 0)


def dilated(instances: Instances, _: int) -> Instances:
    """Every outline 2 px further out."""
    return expand_labels(instances, 2)


def shifted(instances: Instances, _: int) -> Instances:
    """All of it 3 px down and to the right."""
    moved = np.zeros_like(instances)
    moved[3:, 3:] = instances[:-3, :-3]
    return moved


def missing(instances: Instances, seed: int) -> Instances:
    """30 % of the particles are taken for background; at least one stays."""
    ids = np.unique(instances[instances > 0])
    gone = np.random.default_rng(seed).permutation(ids)[: min(round(0.3 * len(ids)), len(ids) - 1)]
    return np.where(np.isin(instances, gone), 0, instances)


ERRORS: dict[str, Callable[[Instances, int], Instances]] = {
    "exact": lambda instances, _: instances,
    "eroded by 2 px": eroded,
    "dilated by 2 px": dilated,
    "shifted by 3 px": shifted,
    "30 % missing": missing,
}
UNTOUCHED = "shipped model, untouched"


def scored(model: temseg.Segmenter, group: list[common.Entry]) -> tuple[float, float]:
    """IoU on the first micrograph and on the others."""
    figures = [common.iou(common.foreground(model, entry.image), entry.instances > 0) for entry in group]
    return figures[0], float(np.mean(figures[1:]))


def learnt(base: temseg.Segmenter, group: list[common.Entry], labels: Instances, seconds: float) -> tuple[float, float, float]:
    """IoU same, other, and of the labels themselves."""
    config = temseg.TrainConfig(max_seconds=seconds, seed=common.SEED)
    model = temseg.train([group[0].image], [labels], base=base, meaning="instances", config=config)
    return *scored(model, group), common.iou(labels > 0, group[0].instances > 0)


def main(arguments: list[str]) -> None:
    """Run and print."""
    parser = common.options(__doc__, 30.0)
    args = parser.parse_args(arguments)
    model, ledger = common.begin(parser, args)
    rows: dict[str, dict[str, list[tuple[float, float]]]] = {}
    of_labels: dict[str, list[float]] = {}
    for paper, group in common.papers(args.part, args.limit).items():
        before = ledger.get(lambda g=group: scored(model, g), "inexact", paper, UNTOUCHED)
        rows.setdefault(UNTOUCHED, {})[paper] = [tuple(before)]
        for name, change in ERRORS.items():
            labels = change(group[0].instances, zlib.crc32(paper.encode()))
            if not (labels > 0).any():  # so small that nothing is left to learn from
                labels = group[0].instances
            found = ledger.get(lambda g=group, k=labels: learnt(model, g, k, args.seconds), "inexact", args.seconds, paper, name)
            rows.setdefault(name, {})[paper] = [tuple(found[:2])]
            of_labels.setdefault(name, []).append(found[2])
            print(f"{paper} {name}: same {found[0]:.3f}, other {found[1]:.3f}, labels {found[2]:.3f}", flush=True)
    table = common.same_and_other(rows, UNTOUCHED)
    for name, row in table.items():
        row["labels"] = float(np.mean(of_labels[name])) if name in of_labels else float("nan")
    print(f"\n{common.table(table, 'same', 'untouched')}")
    common.end(args, table)
