"""A dozen strokes on one micrograph of a paper: how good is the rest of it (same), and the paper's other micrographs (other)?

    python benchmarks/accuracy.py few [--part tune|score] [--limit PAPERS] [--seeds 3] [--ledger FILE] [--json FILE]

Six particles get a thin stroke along their skeleton and the background six straight ones. Foreground IoU; three draws of strokes.
`lost` is the share of papers whose IoU fell by more than 0.01 against the untouched model. The published recipe is a U-Net with
a frozen ImageNet MobileNetV2, 100 steps of 4 × 256²; being the slowest, it is trained on the first draw only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import accuracy_common as common
import napari_temseg as temseg
from napari_temseg.engine.interactive.linear_head import answer, iter_ground
from napari_temseg.engine.types.config import PredictConfig

UNTOUCHED = "shipped model, untouched"
FOUND = tuple[float, float, float]  # IoU same, IoU other (NaN where there is none), seconds before the first prediction
Finder = Callable[[np.ndarray], common.Mask]


def scored(group: list[common.Entry], painted: Any, find: Finder, seconds: float, only_same: bool = False) -> FOUND:
    """The pair of figures of one method on a paper."""
    first, others = group[0], group[1:]
    same = common.iou(find(first.image), first.instances > 0, painted == 0)
    other = float("nan") if only_same else float(np.mean([common.iou(find(e.image), e.instances > 0) for e in others]))
    return same, other, seconds


def trained(group: list[common.Entry], painted: Any, base: Any, config: temseg.TrainConfig) -> FOUND:
    """Train on the strokes, from a model or from none."""
    start = time.perf_counter()
    model = temseg.train([group[0].image], [painted], base=base, config=config)
    return scored(group, painted, lambda image: common.foreground(model, image), time.perf_counter() - start)


def by_forest(group: list[common.Entry], painted: Any) -> FOUND:
    """The random forest."""
    start = time.perf_counter()
    wood = common.forest([group[0].image], [painted])
    return scored(group, painted, lambda image: common.by_forest(wood, image).classes > 1, time.perf_counter() - start)


def instant(group: list[common.Entry], painted: Any, model: temseg.Segmenter) -> FOUND:
    """The instant answer, which knows the stroked picture only."""
    start = time.perf_counter()
    ground = iter_ground(model, temseg.Micrograph(group[0].image), PredictConfig()).drain()
    found = answer(ground, painted).classes > 1
    return scored(group, painted, lambda _: found, time.perf_counter() - start, only_same=True)


def methods(model: temseg.Segmenter, seed: int, seconds: float, weights: Path | None) -> dict[str, Callable[..., FOUND]]:
    """What is compared, by name; each takes a paper and its strokes."""
    ours = temseg.TrainConfig(max_seconds=seconds, seed=seed)
    # No validation part: the published recipe runs its hundred steps to the end.
    published = temseg.TrainConfig(
        max_seconds=1e4, max_steps=100, validation=0.0, loss="cross-entropy", encoder_weights=str(weights), seed=seed
    )
    found: dict[str, Callable[..., FOUND]] = {
        UNTOUCHED: lambda group, painted: scored(group, painted, lambda image: common.foreground(model, image), 0.0),
        "trained on the strokes": lambda group, painted: trained(group, painted, model, ours),
        "instant answer": lambda group, painted: instant(group, painted, model),
        "random forest": by_forest,
    }
    if weights is not None and seed == 0:
        found["U-Net, frozen ImageNet encoder"] = lambda group, painted: trained(group, painted, "none", published)
    return found


def main(arguments: list[str]) -> None:
    """Run and print."""
    parser = common.options(__doc__, 30.0)
    parser.add_argument("--seeds", type=int, default=3, help="draws of strokes for each paper (default 3)")
    args = parser.parse_args(arguments)
    model, ledger = common.begin(parser, args)
    weights = common.imagenet_weights()
    rows: dict[str, dict[str, list[tuple[float, float]]]] = {}
    seconds: dict[str, list[float]] = {}
    groups = common.papers(args.part, args.limit)
    for paper, group in groups.items():
        for seed in range(args.seeds):
            painted = common.strokes(group[0], seed)
            for name, method in methods(model, seed, args.seconds, weights).items():
                same, other, took = ledger.get(lambda m=method, g=group, p=painted: m(g, p), "few", args.seconds, paper, seed, name)
                rows.setdefault(name, {}).setdefault(paper, []).append((same, other))
                seconds.setdefault(name, []).append(took)
                print(f"{paper} {seed} {name}: same {same:.3f}, other {other:.3f}, {took:.1f} s", flush=True)
    table = common.same_and_other(rows, UNTOUCHED)
    for name, row in table.items():
        row["seconds"] = float(np.median(seconds[name]))
    print(f"\n{len(groups)} papers of {args.part}, {args.seeds} draws of strokes\n\n{common.table(table, 'same')}")
    common.end(args, table)
