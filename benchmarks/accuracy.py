"""How good it is on real micrographs, beside peers measured in the same run.

    python benchmarks/accuracy.py emps        particles: 105 micrographs of 65 papers nobody trained on
    python benchmarks/accuracy.py few         a dozen strokes on one micrograph: the rest of it, and the paper's others
    python benchmarks/accuracy.py vnc         another tissue: mitochondria, train on sections 00–07, predict 08–11
    python benchmarks/accuracy.py inexact     masks that are eroded, dilated, shifted, or lack particles
    python benchmarks/accuracy.py published   draft labels and the model trained on them against hand-made truth
    python benchmarks/accuracy.py sizes       training sets of 1 to 165 micrographs
    python benchmarks/accuracy.py peers       the shipped model beside BPartIS, the network of the authors of EMPS
    python benchmarks/accuracy.py groups      the shipped model by contrast, touching, size; also simulated, marks, cost (see model.py)

Each has --help. Peer: scikit-learn's random forest on `skimage.feature.multiscale_basic_features`, what trainable pixel classifiers
do. Nothing is chosen here: models and settings are those that ship. Data: `TEMSEG_DATA` (default ../shared/data).
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable

import numpy as np

import accuracy_common as common
import napari_temseg as temseg

Predictor = Callable[[np.ndarray], "temseg.Prediction"]
OTHERS = ("few", "vnc", "inexact", "published", "sizes", "peers")
OF_THE_MODEL = ("groups", "simulated", "marks", "cost")


def three_micrographs() -> list[common.Entry]:
    """The training set: the first three of *train*, by name, with 10 to 100 particles and different papers."""
    chosen: list[common.Entry] = []
    for entry in common.entries("train"):
        if 10 <= int(entry.row["instances"]) <= 100 and entry.paper not in {c.paper for c in chosen}:
            chosen.append(entry)
        if len(chosen) == 3:
            break
    return chosen


def emps(part: str, shipped: temseg.Segmenter, limit: int | None, untouched_only: bool, seconds: float) -> dict[str, dict[str, float]]:
    """Mean over the micrographs of a part."""
    scored, score = common.entries(part, limit=limit), common.particle_scores
    if untouched_only:
        return {"untouched": common.summary([score(temseg.predict(shipped, e.image), e.instances) for e in scored])}
    three = three_micrographs()
    images, instances = [e.image for e in three], [e.instances for e in three]
    start, config = time.perf_counter(), temseg.TrainConfig(max_seconds=seconds, seed=common.SEED)
    trained = temseg.train(images, instances, base=shipped, meaning="instances", config=config)
    print(f"trained on {', '.join(e.name for e in three)} in {time.perf_counter() - start:.0f} s: {trained.history[-1]['validation']}")
    wood = common.forest(images, [1 + (i > 0) for i in instances])
    methods: dict[str, Predictor] = {
        "shipped model, untouched": lambda image: temseg.predict(shipped, image),
        "trained on three micrographs": lambda image: temseg.predict(trained, image),
        "random forest, same three": lambda image: common.by_forest(wood, image),
    }
    rows = {name: [score(predict(entry.image), entry.instances) for entry in scored] for name, predict in methods.items()}
    return {name: common.summary(values) for name, values in rows.items()}


def main(arguments: list[str]) -> None:
    """Run one benchmark and print its table."""
    if arguments and arguments[0] in OTHERS:
        importlib.import_module(f"accuracy_{arguments[0]}").main(arguments[1:])
        return
    if arguments and arguments[0] in OF_THE_MODEL:
        importlib.import_module("model").main(arguments)
        return
    parser = common.options(__doc__, 60.0)
    parser.add_argument("what", choices=("emps", *OTHERS, *OF_THE_MODEL))
    parser.add_argument("--untouched-only", action="store_true", help="no training and no forest (for a quick look)")
    args = parser.parse_args(arguments)
    model, _ = common.begin(parser, args)
    rows = emps(args.part, model, args.limit, args.untouched_only, args.seconds)
    print(common.table(rows))
    common.end(args, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
