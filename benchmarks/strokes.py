"""Corrective strokes: how fast does a picture become right when somebody strokes where it is wrong?

    python benchmarks/strokes.py [--part tune|score] [--limit N] [--rounds 10] [--json FILE]

After each round a simulated annotator looks for the deepest place where the answer is wrong and draws one line along the middle of
that region. Compared in the same run: the instant answer on top of the shipped model, and a random forest on scikit-image's
multi-scale features, which is what trainable pixel classifiers do. Foreground IoU; tune to choose, score to report.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.feature import multiscale_basic_features
from skimage.morphology import skeletonize
from sklearn.ensemble import RandomForestClassifier

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretraining"))
import napari_temseg as temseg
from emps import data_folder, entries
from napari_temseg.engine.config import PredictConfig
from napari_temseg.engine.instant import answer, iter_ground
from napari_temseg.engine.results import BACKGROUND, FIRST_CLASS

REACHED = 0.9
Mask = npt.NDArray[np.bool_]


def stroke(found: Mask, truth: Mask) -> tuple[Mask, int] | None:
    """A line (bool (Y, X)) along the middle of the deepest wrong region, and the class it is drawn in; None when nothing is wrong."""
    wrong = found != truth
    depth = ndimage.distance_transform_edt(np.pad(wrong, 1))[1:-1, 1:-1]
    if depth.max() == 0:
        return None
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    parts, _ = ndimage.label(wrong & (truth == truth[y, x]))
    line = skeletonize(parts == parts[y, x]) & (depth >= min(2, depth.max()))
    line[y, x] = True
    return line, FIRST_CLASS if truth[y, x] else BACKGROUND


class Instant:
    """The shipped model, corrected by what was stroked."""

    name = "instant answer"

    def __init__(self, model: temseg.Segmenter, image: npt.NDArray[np.uint8]) -> None:
        begun = time.perf_counter()
        self.ground = iter_ground(model, temseg.Micrograph(image), PredictConfig()).drain()
        self.prepared = time.perf_counter() - begun

    def found(self, strokes: npt.NDArray[np.uint8]) -> Mask:
        return answer(self.ground, strokes).classes >= FIRST_CLASS


class Forest:
    """Nothing is known before the first strokes of both classes; until then nothing is found."""

    name = "random forest"

    def __init__(self, model: temseg.Segmenter, image: npt.NDArray[np.uint8]) -> None:
        begun = time.perf_counter()
        scaled = (image - image.mean()) / (image.std() or 1)
        table = multiscale_basic_features(scaled.astype(np.float32), sigma_min=1, sigma_max=16)
        self.table, self.shape = table.reshape(-1, table.shape[-1]), image.shape
        self.prepared = time.perf_counter() - begun

    def found(self, strokes: npt.NDArray[np.uint8]) -> Mask:
        known = np.flatnonzero(strokes)
        target = strokes.ravel()[known]
        if len(np.unique(target)) < 2:
            return np.full(self.shape, bool((target == FIRST_CLASS).any()))
        wood = RandomForestClassifier(n_estimators=50, max_depth=12, class_weight="balanced", n_jobs=-1, random_state=0)
        return wood.fit(self.table[known], target).predict(self.table).reshape(self.shape) == FIRST_CLASS


def curve(method: Instant | Forest, truth: Mask, rounds: int) -> tuple[list[float], list[float]]:
    """IoU after 0 … `rounds` strokes, and the seconds each answer took."""
    strokes = np.zeros(truth.shape, np.uint8)
    found = method.found(strokes)
    scores, seconds = [iou(found, truth)], []
    for _ in range(rounds):
        drawn = stroke(found, truth)
        if drawn is None:
            scores.append(scores[-1])
            continue
        strokes[drawn[0]] = drawn[1]
        begun = time.perf_counter()
        found = method.found(strokes)
        seconds.append(time.perf_counter() - begun)
        scores.append(iou(found, truth))
    return scores, seconds


def iou(found: Mask, truth: Mask) -> float:
    """Intersection over union."""
    union = int((found | truth).sum())
    return int((found & truth).sum()) / union if union else 1.0


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("score", "tune"), default="score")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--model", default="particles")
    parser.add_argument("--without-forest", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not data_folder().is_dir():
        parser.error(f"{data_folder()} is not there; set TEMSEG_DATA to the folder with emps")
    model, kinds = temseg.load(args.model), [Instant] if args.without_forest else [Instant, Forest]
    curves: dict[str, list[list[float]]] = {kind.name: [] for kind in kinds}
    seconds: dict[str, list[float]] = {kind.name: [] for kind in kinds}
    prepared: dict[str, list[float]] = {kind.name: [] for kind in kinds}
    for entry in entries(args.part, limit=args.limit):
        for kind in kinds:
            method = kind(model, entry.image)
            scores, took = curve(method, entry.instances > 0, args.rounds)
            curves[kind.name].append(scores)
            seconds[kind.name] += took
            prepared[kind.name].append(method.prepared)
    n = len(next(iter(curves.values())))
    print(f"{n} micrographs of {args.part}; model {model.content_hash()[:12]}\n")
    print("| strokes | " + " | ".join(map(str, range(args.rounds + 1))) + f" | median to {REACHED} | reached | deepest dip |")
    print("|---" * (args.rounds + 5) + "|")
    for name, rows in curves.items():
        table = np.array(rows)
        mean, there = table.mean(axis=0), (table >= REACHED).any(axis=1)
        first = np.where(there, (table >= REACHED).argmax(axis=1), np.inf)
        dip = max(0.0, float((mean[:-1] - mean[1:]).max()))
        print(f"| {name} | " + " | ".join(f"{v:.3f}" for v in mean) + f" | {np.median(first):g} | {there.mean():.0%} | {dip:.4f} |")
    print()
    for name in curves:
        p50, p95 = np.percentile(seconds[name], [50, 95])
        print(f"{name}: prepared in {np.median(prepared[name]):.2f} s, an answer p50 {p50:.2f} s, p95 {p95:.2f} s")
    if args.json:
        args.json.write_text(json.dumps({"curves": curves, "seconds": seconds}))


if __name__ == "__main__":
    main()
