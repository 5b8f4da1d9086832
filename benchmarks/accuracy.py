"""How good it is on real micrographs, beside a random forest in the same run.

    python benchmarks/accuracy.py emps [--limit N] [--json FILE]   particles: 105 micrographs of 65 papers nobody trained on
    python benchmarks/accuracy.py vnc [--json FILE]                another tissue: train on sections 00–03, predict 04–11

Peer: scikit-learn's random forest on `skimage.feature.multiscale_basic_features`, what trainable pixel classifiers do. Nothing is
chosen here: models and settings are those that ship. Data: `TEMSEG_DATA` (default ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretraining"))
import napari_temseg as temseg
from emps import Entry, data_folder, entries

Predictor = Callable[[np.ndarray], "temseg.Prediction"]
SEED = 0


def three_micrographs() -> list[Entry]:
    """The training set: the first three of *train*, by name, with 10 to 100 particles and different papers."""
    chosen: list[Entry] = []
    for entry in entries("train"):
        if 10 <= int(entry.row["instances"]) <= 100 and entry.paper not in {c.paper for c in chosen}:
            chosen.append(entry)
        if len(chosen) == 3:
            break
    return chosen


def forest(images: list[np.ndarray], masks: list[np.ndarray]) -> RandomForestClassifier:
    """A random forest on at most 50,000 pixels of each class."""
    rng = np.random.default_rng(SEED)
    rows, target = [], []
    for image, mask in zip(images, masks, strict=True):
        table = features(image)
        for value in (False, True):
            where = np.flatnonzero(mask.ravel() == value)
            chosen = rng.choice(where, min(len(where), 50_000 // len(images)), replace=False)
            rows.append(table[chosen])
            target.append(np.full(len(chosen), value))
    model = RandomForestClassifier(n_estimators=100, max_depth=12, n_jobs=-1, random_state=SEED)
    return model.fit(np.concatenate(rows), np.concatenate(target))


def features(image: np.ndarray) -> np.ndarray:
    """(pixels, features): intensity, edges and texture at scales 1 to 16 px."""
    scaled = (image - image.mean()) / (image.std() or 1)
    table = multiscale_basic_features(scaled.astype(np.float32), sigma_min=1, sigma_max=16)
    return table.reshape(-1, table.shape[-1])


def by_forest(model: RandomForestClassifier, image: np.ndarray) -> temseg.Prediction:
    """The forest's probabilities as a prediction, split like any other."""
    p = model.predict_proba(features(image))[:, 1].reshape(image.shape)
    probability = np.stack([1 - p, p]).astype(np.float16)
    names = {1: "background", 2: "particle"}
    return temseg.Prediction(probability, (1, 2), names, (probability.argmax(0) + 1).astype(np.uint8), temseg.Micrograph(image))


def emps(part: str, shipped: temseg.Segmenter, limit: int | None, untouched_only: bool) -> dict[str, dict[str, float]]:
    """Mean over the micrographs of a part."""
    scored = entries(part, limit=limit)
    if untouched_only:
        return {"untouched": summary([particle_scores(temseg.predict(shipped, e.image), e.instances) for e in scored])}
    three = three_micrographs()
    images, instances = [e.image for e in three], [e.instances for e in three]
    start = time.perf_counter()
    trained = temseg.train(images, instances, base=shipped, meaning="instances", config=temseg.TrainConfig(max_seconds=60, seed=SEED))
    print(f"trained on {', '.join(e.name for e in three)} in {time.perf_counter() - start:.0f} s: {trained.history[-1]['validation']}")
    wood = forest(images, [i > 0 for i in instances])
    methods: dict[str, Predictor] = {
        "shipped model, untouched": lambda image: temseg.predict(shipped, image),
        "trained on three micrographs": lambda image: temseg.predict(trained, image),
        "random forest, same three": lambda image: by_forest(wood, image),
    }
    rows = {name: [particle_scores(predict(entry.image), entry.instances) for entry in scored] for name, predict in methods.items()}
    return {name: summary(values) for name, values in rows.items()}


def particle_scores(prediction: temseg.Prediction, truth: np.ndarray) -> dict[str, float]:
    """The figures of one micrograph."""
    score = temseg.evaluate(temseg.split(prediction), truth)
    error = score.mean_diameter_error
    found = {"IoU": score.iou, "AP50": score.ap50, "PQ": score.pq}
    # Nothing found has no mean diameter: it counts as 100 % off, not as no error.
    return {**found, "diameter error": 1.0 if error is None else abs(error), "diameter bias": -1.0 if error is None else error}


def summary(values: list[dict[str, float]]) -> dict[str, float]:
    """Means; medians of what concerns the diameter."""
    result = {key: float(np.mean([v[key] for v in values])) for key in ("IoU", "AP50", "PQ")}
    return {
        **result,
        **{key: float(np.median([v[key] for v in values])) for key in ("diameter error", "diameter bias")},
        "micrographs": len(values),
    }


def vnc(shipped: temseg.Segmenter, seconds: float) -> dict[str, dict[str, float]]:
    """Foreground IoU of mitochondria, pooled over sections 04–11, from dense masks of 00–03."""
    root = data_folder() / "vnc_stack"
    images = np.stack([iio.imread(path) for path in sorted((root / "images").iterdir())])
    masks = np.stack([iio.imread(path) for path in sorted((root / "mitochondria").iterdir())]) > 0
    stack, truth = temseg.Micrograph(images[:4], axes="ZYX"), masks[4:]
    config = temseg.TrainConfig(max_seconds=seconds, batch=8, patience=20, seed=SEED)
    names = {2: "mitochondrion"}
    trained = temseg.train([stack], [masks[:4]], base=shipped, meaning="mask", class_names=names, config=config)
    rest = temseg.Micrograph(images[4:], axes="ZYX")
    wood = forest(list(images[:4]), list(masks[:4]))
    found = {
        "shipped model, untouched": temseg.predict(shipped, rest).classes > 1,
        f"trained, frozen encoder, {seconds:.0f} s": temseg.predict(trained, rest).classes > 1,
        "random forest": np.stack([by_forest(wood, image).classes > 1 for image in images[4:]]),
    }
    return {name: {"IoU": float((mask & truth).sum() / (mask | truth).sum())} for name, mask in found.items()}


def table(rows: dict[str, dict[str, float]]) -> str:
    """Markdown; the last column is the IoU as a ratio to the forest's."""
    keys = list(next(iter(rows.values())))
    forest_iou = next((row["IoU"] for name, row in rows.items() if "forest" in name), float("nan"))
    lines = ["| method | " + " | ".join(keys) + " | IoU / forest |", "|---" * (len(keys) + 2) + "|"]
    for name, row in rows.items():
        cells = [f"{row[k]:.1%}" if "diameter" in k else f"{row[k]:.0f}" if k == "micrographs" else f"{row[k]:.3f}" for k in keys]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {row['IoU'] / forest_iou:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Run one benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("emps", "vnc"))
    parser.add_argument("--part", choices=("score", "tune"), default="score", help="score to report; tune to choose")
    parser.add_argument("--model", default="particles", help="a shipped model or a .temseg file")
    parser.add_argument("--untouched-only", action="store_true", help="no training and no forest (for a quick look)")
    parser.add_argument("--limit", type=int, help="only the first N micrographs (for a quick look)")
    parser.add_argument("--seconds", type=float, default=180.0, help="training budget for vnc")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not data_folder().is_dir():
        parser.error(f"{data_folder()} is not there; set TEMSEG_DATA to the folder with emps and vnc_stack")
    model = temseg.load(args.model)
    rows: dict[str, Any] = emps(args.part, model, args.limit, args.untouched_only) if args.what == "emps" else vnc(model, args.seconds)
    print(f"model {model.content_hash()[:12]}\n\n{table(rows)}")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
