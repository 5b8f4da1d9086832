"""Small training sets against large ones: 1, 3, 12, 48 and 165 micrographs with masks.

    python benchmarks/accuracy.py sizes [--part tune|score] [--limit MICROGRAPHS] [--seconds 300] [--ledger FILE] [--plot FILE]

The micrographs are drawn from *train* once, each set holds the smaller ones. From the shipped model, which has seen *train* already, and
from a frozen ImageNet encoder where its weights lie beside the data. IoU and AP50 on the micrographs of a part.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

import accuracy_common as common
import napari_temseg as temseg

SIZES = (1, 3, 12, 48, 165)
FROM_MODEL, FROM_IMAGENET = "from the shipped model", "from a frozen ImageNet encoder"


def learnt(base: Any, entries: list[common.Entry], scored: list[common.Entry], config: temseg.TrainConfig) -> dict[str, float]:
    """Means over the scored micrographs after training on `entries`."""
    start = time.perf_counter()
    images, truth = [entry.image for entry in entries], [entry.instances for entry in entries]
    model = temseg.train(images, truth, base=base, meaning="instances", config=config)
    took = time.perf_counter() - start
    means = common.summary([common.particle_scores(temseg.predict(model, entry.image), entry.instances) for entry in scored])
    return {**means, "training set": len(entries), "steps": model.history[-1]["steps"], "seconds": took}


def draw(path: Path, rows: dict[str, dict[str, float]]) -> None:
    """IoU and AP50 over the size of the training set."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
    for axis, key in zip(axes, ("IoU", "AP50"), strict=True):
        for start, colour in ((FROM_MODEL, "#56B4E9"), (FROM_IMAGENET, "#E69F00")):
            points = [(row["training set"], row[key]) for name, row in rows.items() if name.startswith(start)]
            if points:
                axis.plot(*zip(*points, strict=True), "o-", label=start, color=colour)
        untouched = next(row[key] for name, row in rows.items() if "untouched" in name)
        axis.axhline(untouched, color="#999999", linestyle="--", label="shipped model, untouched")
        axis.set_xscale("log")
        axis.set_xticks(SIZES, [str(size) for size in SIZES])
        axis.set_xlabel("micrographs in the training set")
        axis.set_ylabel(key)
    axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main(arguments: list[str]) -> None:
    """Run, print and draw."""
    parser = common.options(__doc__, 300.0)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="sizes of the training sets")
    args = parser.parse_args(arguments)
    model, ledger = common.begin(parser, args)
    scored, train, weights = common.entries(args.part, limit=args.limit), common.entries("train"), common.imagenet_weights()
    order = np.random.default_rng(common.SEED).permutation(len(train))
    settings = {"max_seconds": args.seconds, "max_steps": 100_000, "seed": common.SEED}
    starts: dict[str, tuple[Any, temseg.TrainConfig]] = {FROM_MODEL: (model, temseg.TrainConfig(**settings))}
    if weights is not None:
        starts[FROM_IMAGENET] = ("none", temseg.TrainConfig(encoder_weights=str(weights), **settings))
    start = "shipped model, untouched"
    rows = {start: ledger.get(lambda: untouched(model, scored), "sizes", args.part, args.limit, start)}
    for size in args.sizes:
        chosen = [train[index] for index in order[:size]]
        for name, (base, config) in starts.items():
            key = ("sizes", args.part, args.limit, args.seconds, size, name)
            rows[f"{name}, {size}"] = ledger.get(lambda b=base, c=chosen, k=config: learnt(b, c, scored, k), *key)
            print(f"{name}, {size}: IoU {rows[f'{name}, {size}']['IoU']:.3f}, AP50 {rows[f'{name}, {size}']['AP50']:.3f}", flush=True)
    print(f"\n{common.table(rows, 'AP50', 'untouched')}")
    if args.plot:
        draw(args.plot, rows)
    common.end(args, rows)


def untouched(model: temseg.Segmenter, scored: list[common.Entry]) -> dict[str, float]:
    """The shipped model as it is."""
    means = common.summary([common.particle_scores(temseg.predict(model, entry.image), entry.instances) for entry in scored])
    return {**means, "training set": 0, "steps": 0, "seconds": 0.0}
