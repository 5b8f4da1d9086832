"""What the accuracy benchmarks share: the peers, simulated strokes, scores, tables, and a ledger that lets a run be taken up again."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.draw import line as line_of
from skimage.feature import multiscale_basic_features
from skimage.morphology import skeletonize
from sklearn.ensemble import RandomForestClassifier

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretraining"))
import napari_temseg as temseg
from emps import Entry, data_folder, entries

SEED = 0
STROKES = 6  # of each class
LOSS = 0.01  # IoU: a paper that loses more is counted
Mask = npt.NDArray[np.bool_]
Image = npt.NDArray[Any]


class Ledger:
    """Values by key, one JSON line each, appended as they come: a benchmark that was interrupted goes on where it stopped."""

    def __init__(self, path: Path | None, model: str) -> None:
        self.path, self.model = path, model
        self.known: dict[str, Any] = {}
        if path is not None and path.exists():
            for text in path.read_text().splitlines():
                self.known |= json.loads(text)

    def get(self, make: Callable[[], Any], *key: Any) -> Any:
        """The value under a key (and the model's hash), made when it is not known yet."""
        name = "|".join(map(str, (self.model[:12], *key)))
        if name not in self.known:
            self.known[name] = make()
            if self.path is not None:
                with self.path.open("a") as file:
                    file.write(json.dumps({name: self.known[name]}) + "\n")
        return self.known[name]


def papers(part: str, limit: int | None = None) -> dict[str, list[Entry]]:
    """Papers of a part with two micrographs or more."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries(part):
        found[entry.paper].append(entry)
    several = {paper: group for paper, group in found.items() if len(group) > 1}
    return dict(list(several.items())[:limit])


def imagenet_weights(encoder: str = "mobilenet_v2") -> Path | None:
    """A file of ImageNet weights for an encoder beside the data, where nothing can be downloaded."""
    path = data_folder().parent / "weights" / f"{encoder}_imagenet.safetensors"
    return path if path.exists() else None


def strokes(entry: Entry, seed: int) -> npt.NDArray[np.uint8]:
    """Thin strokes along the skeleton of six particles (class 2) and six straight ones on the background (class 1), as somebody draws."""
    rng = np.random.default_rng(seed)
    painted = np.zeros(entry.image.shape, np.uint8)
    ids = np.unique(entry.instances[entry.instances > 0])
    thick = np.ones((3, 3), bool)
    for number in rng.permutation(ids)[:STROKES]:
        inside = entry.instances == number
        painted[ndimage.binary_dilation(skeletonize(inside), thick) & inside] = 2
    background = entry.instances == 0
    free = np.argwhere(ndimage.binary_erosion(background, thick, iterations=2))
    if not len(free):
        free = np.argwhere(background)
    for y, x in free[rng.permutation(len(free))[:STROKES]]:
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(20, 60)
        rows, columns = line_of(y, x, round(y + length * np.sin(angle)), round(x + length * np.cos(angle)))
        held = (rows >= 0) & (rows < background.shape[0]) & (columns >= 0) & (columns < background.shape[1])
        on = np.zeros(len(rows), bool)
        on[held] = background[rows[held], columns[held]]
        until = len(on) if on.all() else int(np.argmin(on))
        painted[rows[:until], columns[:until]] = 1
    return painted


def iou(found: Mask, truth: Mask, where: Mask | None = None) -> float:
    """Intersection over union, over the pixels `where`."""
    if where is not None:
        found, truth = found & where, truth & where
    union = int((found | truth).sum())
    return int((found & truth).sum()) / union if union else 1.0


def foreground(model: temseg.Segmenter, image: Image) -> Mask:
    """Where a model finds particles."""
    return temseg.predict(model, image).classes > 1


def forest(images: list[Image], labels: list[Image]) -> RandomForestClassifier:
    """A random forest on at most 50,000 pixels of each of the classes (0 unlabelled, 1 background, 2 particle)."""
    rng = np.random.default_rng(SEED)
    rows, target = [], []
    for image, classes in zip(images, labels, strict=True):
        table = features(image)
        for value in (1, 2):
            where = np.flatnonzero(classes.ravel() == value)
            chosen = rng.choice(where, min(len(where), 50_000 // len(images)), replace=False)
            rows.append(table[chosen])
            target.append(np.full(len(chosen), value))
    model = RandomForestClassifier(n_estimators=100, max_depth=12, class_weight="balanced", n_jobs=-1, random_state=SEED)
    return model.fit(np.concatenate(rows), np.concatenate(target))


def features(image: Image) -> Image:
    """(pixels, features): intensity, edges and texture at scales 1 to 16 px."""
    scaled = (image - image.mean()) / (image.std() or 1)
    table = multiscale_basic_features(scaled.astype(np.float32), sigma_min=1, sigma_max=16)
    return table.reshape(-1, table.shape[-1])


def by_forest(model: RandomForestClassifier, image: Image) -> temseg.Prediction:
    """The forest's probabilities as a prediction, split like any other."""
    return as_prediction(model.predict_proba(features(image))[:, 1].reshape(image.shape), image)


def as_prediction(p: Image, image: Image) -> temseg.Prediction:
    """A probability of particle (Y, X) as a prediction."""
    probability = np.stack([1 - p, p]).astype(np.float16)
    names = {1: "background", 2: "particle"}
    return temseg.Prediction(probability, (1, 2), names, (probability.argmax(0) + 1).astype(np.uint8), temseg.Micrograph(image))


def particle_scores(prediction: temseg.Prediction, truth: Image) -> dict[str, float]:
    """The figures of one micrograph."""
    return label_scores(temseg.split(prediction).labels, truth)


def label_scores(labels: Image, truth: Image) -> dict[str, float]:
    """The same of labels."""
    score = temseg.evaluate(labels, truth)
    error = score.mean_diameter_error
    found = {"IoU": score.iou, "AP50": score.ap50, "PQ": score.pq}
    # Nothing found has no mean diameter: it counts as 100 % off, not as no error.
    return {**found, "diameter error": 1.0 if error is None else abs(error), "diameter bias": -1.0 if error is None else error}


def summary(values: list[dict[str, float]]) -> dict[str, float]:
    """Means; medians of what concerns the diameter."""
    result = {key: float(np.mean([v[key] for v in values])) for key in ("IoU", "AP50", "PQ")}
    medians = {key: float(np.median([v[key] for v in values])) for key in ("diameter error", "diameter bias")}
    return {**result, **medians, "micrographs": len(values)}


def same_and_other(rows: dict[str, dict[str, list[tuple[float, float]]]], reference: str) -> dict[str, dict[str, float]]:
    """By method and paper the pairs (IoU same, IoU other) of every seed → means, and the share of papers that lost against `reference`."""
    means = {name: {paper: np.mean(pairs, axis=0) for paper, pairs in found.items()} for name, found in rows.items()}
    result = {}
    for name, found in means.items():
        table = np.array(list(found.values()))
        lost = np.array([found[paper] < means[reference][paper] - LOSS for paper in found])
        # An answer for one picture alone has no figure for the others.
        shares = [
            float(column.mean()) if np.isfinite(figures).all() else float("nan") for column, figures in zip(lost.T, table.T, strict=True)
        ]
        result[name] = {"same": table[:, 0].mean(), "other": table[:, 1].mean(), "lost same": shares[0], "lost other": shares[1]}
    return result


def table(rows: dict[str, dict[str, float]], key: str = "IoU", peer: str = "forest") -> str:
    """Markdown; the last column is `key` as a ratio to the peer's."""
    keys = list(next(iter(rows.values())))
    measure = next((row[key] for name, row in rows.items() if peer in name), float("nan"))
    lines = ["| method | " + " | ".join(keys) + f" | {key} / {peer} |", "|---" * (len(keys) + 2) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(_cell(k, row[k]) for k in keys) + f" | {row[key] / measure:.2f} |")
    return "\n".join(lines)


def _cell(key: str, value: float) -> str:
    if not np.isfinite(value):
        return "–"
    if "diameter" in key or "lost" in key:
        return f"{value:.1%}"
    whole = key in ("micrographs", "training set", "sections", "steps")
    return f"{value:.0f}" if whole else f"{value:.1f}" if key == "seconds" else f"{value:.3f}"


def options(description: str | None, seconds: float, parts: Iterable[str] = ("score", "tune")) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=tuple(parts), default="score", help="score to report; tune to choose")
    parser.add_argument("--model", default="particles", help="a shipped model or a .temseg file")
    parser.add_argument("--limit", type=int, help="only the first N micrographs or papers (for a quick look)")
    parser.add_argument("--seconds", type=float, default=seconds, help=f"training budget (default {seconds:g} s)")
    parser.add_argument("--ledger", type=Path, help="JSON lines of what is done; a run with the same file goes on from there")
    parser.add_argument("--json", type=Path, help="write the table's rows")
    parser.add_argument("--plot", type=Path, help="write a plot (PNG, SVG, PDF), where there is one")
    return parser


def begin(parser: argparse.ArgumentParser, args: argparse.Namespace) -> tuple[temseg.Segmenter, Ledger]:
    """The model, and the ledger of what is done with it."""
    if not data_folder().is_dir():
        parser.error(f"{data_folder()} is not there; set TEMSEG_DATA to the folder with emps and vnc_stack")
    model = temseg.load(args.model)
    print(f"model {model.content_hash()[:12]}; {os.cpu_count()} cores\n", flush=True)
    return model, Ledger(args.ledger, model.content_hash())


def end(args: argparse.Namespace, rows: dict[str, Any]) -> None:
    """Keep the rows."""
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
