"""Corrective strokes: how fast does a picture become right when somebody strokes where it is wrong?

    python benchmarks/strokes.py [--particles] [--part tune|score] [--limit N] [--rounds 10] [--ledger FILE] [--json FILE]

After each round a simulated annotator looks for the deepest place where the answer is wrong and draws one line along the middle of
that region. With --particles it looks at the split particles instead: the largest one that is missing, invented, welded to a
neighbour (the line follows the seam) or of a wrong shape. Compared in the same run: the instant answer on top of the shipped model,
and a random forest on scikit-image's multi-scale features, which is what trainable pixel classifiers do. Foreground IoU, or AP50;
tune to choose, score to report.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import skeletonize
from sklearn.ensemble import RandomForestClassifier

import accuracy_common as common
import napari_temseg as temseg
from napari_temseg.engine.interactive.linear_head import answer, iter_ground
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS

REACHED = {"IoU": 0.9, "AP50": 0.8}
Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
Drawn = tuple[Mask, int]


def stroke(found: Mask, truth: Mask) -> Drawn | None:
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


def particle_stroke(labels: Labels, truth: Labels, drawn: set[int]) -> Drawn | None:
    """A line for the largest particle that is wrong, and its class; None when none is. `drawn` remembers the particles it was tried on.

    A missing particle gets a line along its middle, a welded one a line of background along the seam with its neighbours, an invented
    one a line of background along its own middle. Where that was tried already, or the shape is wrong, the deepest error near it counts.
    """
    pairs, overlap = np.unique(np.stack([labels.ravel(), truth.ravel()]), axis=1, return_counts=True)
    found_area, true_area = np.bincount(labels.ravel()), np.bincount(truth.ravel())
    inside = (pairs > 0).all(axis=0)
    (f, t), both = pairs[:, inside], overlap[inside]
    right = both / (found_area[f] + true_area[t] - both) > 0.5
    wrong = [(int(area), int(n)) for n, area in enumerate(true_area) if n and area and n not in set(t[right].tolist())]
    touched = set(f[both > 0.1 * found_area[f]].tolist())
    wrong += [(int(area), -int(n)) for n, area in enumerate(found_area) if n and area and n not in touched]
    if not wrong:
        return None
    _, number = max(wrong)
    if number < 0:
        return middle(labels == -number), BACKGROUND
    here = truth == number
    covering = np.bincount(labels[here], minlength=len(found_area))
    cover = int(covering.argmax())
    if number not in drawn:
        drawn.add(number)
        if cover == 0:
            return middle(here), FIRST_CLASS
        others = (truth > 0) & ~here & (labels == cover)
        if others.sum() > 0.1 * found_area[cover]:
            seam = ndimage.binary_dilation(here, iterations=2) & ndimage.binary_dilation(others, iterations=2)
            if seam.any():
                return seam, BACKGROUND
    box = ndimage.find_objects(here.astype(np.int8))[0]
    around = tuple(slice(max(0, side.start - 10), side.stop + 10) for side in box)
    answer = stroke(labels[around] > 0, truth[around] > 0)
    if answer is None:  # welded, and its foreground is right
        return None
    line = np.zeros(truth.shape, bool)
    line[around] = answer[0]
    return line, answer[1]


def middle(region: Mask) -> Mask:
    """A line along the middle of a region, its ends left out."""
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    return skeletonize(region) & (depth >= min(2, depth.max()))


class Instant:
    """The shipped model, corrected by what was stroked."""

    name = "instant answer"

    def __init__(self, model: temseg.Segmenter, image: npt.NDArray[np.uint8]) -> None:
        begun = time.perf_counter()
        self.ground = iter_ground(model, temseg.Micrograph(image), PredictConfig()).drain()
        self.prepared = time.perf_counter() - begun

    def found(self, strokes: npt.NDArray[np.uint8]) -> temseg.Prediction:
        return answer(self.ground, strokes)


class Forest:
    """Nothing is known before the first strokes of both classes; until then what was stroked is everywhere."""

    name = "random forest"

    def __init__(self, model: temseg.Segmenter, image: npt.NDArray[np.uint8]) -> None:
        begun = time.perf_counter()
        self.table, self.image = common.features(image), image
        self.prepared = time.perf_counter() - begun

    def found(self, strokes: npt.NDArray[np.uint8]) -> temseg.Prediction:
        known = np.flatnonzero(strokes)
        target = strokes.ravel()[known]
        if len(np.unique(target)) < 2:
            p = np.full(self.image.shape, 1.0 if (target == FIRST_CLASS).any() else 0.0)
        else:
            wood = RandomForestClassifier(n_estimators=50, max_depth=12, class_weight="balanced", n_jobs=-1, random_state=0)
            p = wood.fit(self.table[known], target).predict_proba(self.table)[:, 1].reshape(self.image.shape)
        return common.as_prediction(p, self.image)


def curve(method: Instant | Forest, truth: Labels, rounds: int, particles: bool) -> tuple[list[float], list[float]]:
    """IoU or AP50 after 0 … `rounds` strokes, and the seconds each answer took."""
    strokes = np.zeros(truth.shape, np.uint8)
    tried: set[int] = set()

    def judged() -> tuple[Drawn | None, float]:
        begun = time.perf_counter()
        prediction = method.found(strokes)
        seconds.append(time.perf_counter() - begun)
        if not particles:
            found = prediction.classes >= FIRST_CLASS
            scores.append(common.iou(found, truth > 0))
            return stroke(found, truth > 0), scores[-1]
        parts = temseg.split(prediction)
        scores.append(temseg.evaluate(parts, truth).ap50)
        return particle_stroke(parts.labels, truth, tried), scores[-1]

    scores: list[float] = []
    seconds: list[float] = []
    drawn, score = judged()
    for _ in range(rounds):
        if drawn is None:
            scores.append(score)
            continue
        strokes[drawn[0]] = drawn[1]
        drawn, score = judged()
    return scores, seconds[1:]


def main() -> None:
    """Run and print."""
    parser = common.options(__doc__, 0.0)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--particles", action="store_true", help="strokes on particles that are wrong; AP50 instead of IoU")
    parser.add_argument("--without-forest", action="store_true")
    args = parser.parse_args()
    model, ledger = common.begin(parser, args)
    kinds = [Instant] if args.without_forest else [Instant, Forest]
    measure = "AP50" if args.particles else "IoU"
    curves: dict[str, list[list[float]]] = {kind.name: [] for kind in kinds}
    seconds: dict[str, list[float]] = {kind.name: [] for kind in kinds}
    prepared: dict[str, list[float]] = {kind.name: [] for kind in kinds}
    for entry in common.entries(args.part, limit=args.limit):
        for kind in kinds:

            def drawn(kind: type[Instant | Forest] = kind, entry: common.Entry = entry) -> tuple[list[float], list[float], float]:
                method = kind(model, entry.image)
                return (*curve(method, entry.instances, args.rounds, args.particles), method.prepared)

            scores, took, before = ledger.get(drawn, "strokes", measure, args.rounds, entry.name, kind.name)
            curves[kind.name].append(scores)
            seconds[kind.name] += took
            prepared[kind.name].append(before)
    n = len(next(iter(curves.values())))
    print(f"{n} micrographs of {args.part}, mean {measure}\n")
    print("| strokes | " + " | ".join(map(str, range(args.rounds + 1))) + f" | median to {REACHED[measure]} | reached | deepest dip |")
    print("|---" * (args.rounds + 5) + "|")
    for name, rows in curves.items():
        table = np.array(rows)
        mean, there = table.mean(axis=0), (table >= REACHED[measure]).any(axis=1)
        first = np.where(there, (table >= REACHED[measure]).argmax(axis=1), np.inf)
        dip = max(0.0, float((mean[:-1] - mean[1:]).max()))
        print(f"| {name} | " + " | ".join(f"{v:.3f}" for v in mean) + f" | {np.median(first):g} | {there.mean():.0%} | {dip:.4f} |")
    print()
    for name in curves:
        if not seconds[name]:
            print(f"{name}: no particle was wrong")
            continue
        p50, p95 = np.percentile(seconds[name], [50, 95])
        print(f"{name}: prepared in {np.median(prepared[name]):.2f} s, an answer p50 {p50:.2f} s, p95 {p95:.2f} s")
    common.end(args, {"curves": curves, "seconds": seconds})


if __name__ == "__main__":
    main()
