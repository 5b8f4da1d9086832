"""The published comparison: machine-made draft labels, and the model trained on them, against hand-made truth, image by image.

    python benchmarks/accuracy.py published [--part tune|score] [--limit PAPERS] [--ledger FILE] [--json FILE] [--plot FILE]

A dozen strokes on one micrograph of each paper with two or more; a random forest makes draft labels of it and of the paper's
others; a model is trained on the draft of the first alone, from the shipped model. Foreground IoU against truth, as bars.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import accuracy_common as common
import napari_temseg as temseg

METHODS = ("draft labels (random forest)", "trained on the draft", "shipped model, untouched")
WEIGHTS = "U-Net from ImageNet, trained on the draft"


def of_paper(group: list[common.Entry], model: temseg.Segmenter, seconds: float, weights: Path | None) -> dict[str, list[float]]:
    """IoU of every micrograph of a paper, the first is the one that was stroked, by method."""
    first = group[0]
    painted = common.strokes(first, common.SEED)
    draft = temseg.draft(first.image, painted)
    wood = common.forest([first.image], [painted])
    config = temseg.TrainConfig(max_seconds=seconds, seed=common.SEED)
    trained = temseg.train([first.image], [draft], base=model, config=config)

    def figures(find: Any) -> list[float]:
        return [common.iou(find(entry.image), entry.instances > 0) for entry in group]

    drafts = [draft > 1, *(common.by_forest(wood, entry.image).classes > 1 for entry in group[1:])]
    found = {
        METHODS[0]: [common.iou(mask, entry.instances > 0) for mask, entry in zip(drafts, group, strict=True)],
        METHODS[1]: figures(lambda image: common.foreground(trained, image)),
        METHODS[2]: figures(lambda image: common.foreground(model, image)),
    }
    if weights is not None:
        settings = temseg.TrainConfig(
            max_seconds=1e4, max_steps=100, validation=0.0, loss="cross-entropy", encoder_weights=str(weights), seed=common.SEED
        )
        published = temseg.train([first.image], [draft], base="none", config=settings)
        found[WEIGHTS] = figures(lambda image: common.foreground(published, image))
    return found


def draw(path: Path, names: list[str], figures: dict[str, list[float]]) -> None:
    """Bars, a group for each micrograph."""
    import matplotlib.pyplot as plt

    colours = ("#E69F00", "#56B4E9", "#999999", "#009E73")
    figure, axes = plt.subplots(figsize=(max(6, 0.35 * len(names)), 4), layout="constrained")
    width = 0.8 / len(figures)
    for number, (method, values) in enumerate(figures.items()):
        places = np.arange(len(names)) - 0.4 + (number + 0.5) * width
        axes.bar(places, values, width, label=f"{method} (mean {np.mean(values):.3f})", color=colours[number])
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_ylabel("IoU against hand-made truth")
    axes.set_ylim(0, 1)
    axes.margins(x=0.01)
    figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main(arguments: list[str]) -> None:
    """Run, print and draw."""
    parser = common.options(__doc__, 30.0)
    args = parser.parse_args(arguments)
    model, ledger = common.begin(parser, args)
    weights, names, stroked = common.imagenet_weights(), [], []
    figures: dict[str, list[float]] = {}
    for paper, group in common.papers(args.part, args.limit).items():
        found = ledger.get(lambda g=group: of_paper(g, model, args.seconds, weights), "published", args.seconds, paper)
        names += [entry.name.partition(".")[0] + ("*" if index == 0 else "") for index, entry in enumerate(group)]
        stroked += [index == 0 for index in range(len(group))]
        for method, values in found.items():
            figures.setdefault(method, []).extend(values)
        print(f"{paper}: " + ", ".join(f"{method} {np.mean(values):.3f}" for method, values in found.items()), flush=True)
    first = np.array(stroked)
    rows = {
        method: {
            "IoU": float(np.mean(values)),
            "same": float(np.mean(np.array(values)[first])),
            "other": float(np.mean(np.array(values)[~first])),
            "micrographs": len(values),
        }
        for method, values in figures.items()
    }
    print(f"\n{common.table(rows)}")
    if args.plot:
        draw(args.plot, names, figures)
    common.end(args, {"table": rows, "micrographs": names, "IoU": figures})
