"""Does the confidence of a particle mean what it says? Of those at 0.8, are 80 % right?

    python benchmarks/confidence.py [--model particles] [--ledger FILE] [--write MODEL.temseg]

On the tune parts of five sets (`band_sets.py`), each size told, nothing dropped as uncertain. Right is a particle that shares more than
half of its union with an outlined one, or whose middle lies in a box of its size. Each picture is judged by a curve that has seen no
picture of its fifth of all; every picture counts alike, however many particles it holds. `--write` stores the curve of all pictures in a
copy of the model. Peer: the mean foreground probability itself, taken for a confidence.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from scipy.optimize import minimize

import napari_temseg as temseg
from accuracy_common import Ledger
from band_sets import SETS, Case, in_boxes
from emps import data_folder
from napari_temseg.engine.particles.evaluation import _overlaps, _pair_iou
from napari_temseg.engine.types.confidence import STANDING_OUT, Confidence, judged, logit
from napari_temseg.files.models import save

FOLDS = 5
EDGES = (0.0, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0)
Row = dict[str, Any]
Floats = npt.NDArray[np.float64]


def looked_at(model: temseg.Segmenter, case: Case) -> Row:
    """The mean probability of every particle that is found, as it counts for how far it stands out and bare, and whether it is right."""
    prediction = temseg.predict(model, case.image, temseg.PredictConfig(typical_size=max(2.0, case.size)))
    particles = temseg.split(prediction, temseg.SplitConfig(certainty=0.0))
    labels = particles.labels
    if case.until is not None:
        labels = np.where(np.arange(labels.shape[0])[:, None] < case.until, labels, 0)
    numbers = np.unique(labels[labels > 0])
    mean = np.asarray(1 - ndimage.mean(prediction.probability[0].astype(np.float32), labels, numbers), float)
    counts = judged(mean, particles.table.loc[numbers, STANDING_OUT].to_numpy())
    is_right = right(case, labels, numbers).astype(int).tolist()
    return {"p": counts.round(5).tolist(), "bare": mean.round(5).tolist(), "right": is_right}


def right(case: Case, labels: npt.NDArray[np.int32], numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Whether each of the labels `numbers` is one that a person marked."""
    if case.boxed:
        return in_boxes(np.asarray(case.truth, float), labels)[0].any(1)
    found = _pair_iou(*_overlaps(labels, np.asarray(case.truth, np.int32)))
    hit = np.zeros(len(numbers), bool)
    hit[np.unique(found.row[found.data > 0.5])] = True
    return hit


def fitted(rows: Sequence[Row]) -> Confidence:
    """The curve of most likelihood, each picture counting as much as another."""
    x = logit(np.concatenate([row["p"] for row in rows]))
    y = np.concatenate([row["right"] for row in rows]).astype(float)
    weight = np.concatenate([np.full(len(row["p"]), 1 / max(len(row["p"]), 1)) for row in rows])

    def loss(parameters: Floats) -> float:
        odds = parameters[0] + parameters[1] * x
        return float((weight * (np.logaddexp(0, odds) - y * odds)).sum())

    found = minimize(loss, np.array([0.0, 1.0]), bounds=((-20, 20), (0.01, 20)))
    return Confidence(float(found.x[0]), float(found.x[1]))


def reliability(said: Sequence[Floats], rows: Sequence[Row]) -> list[str]:
    """For each range of what is said: what is said and what is right in the mean of pictures, and how many pictures and particles."""
    cells = []
    for low, high in pairwise(EDGES):
        each = []
        for confidence, row in zip(said, rows, strict=True):
            inside = (confidence >= low) & ((confidence < high) | (high == 1.0))
            if inside.any():
                each.append((confidence[inside].mean(), np.array(row["right"])[inside].mean(), inside.sum()))
        if each:
            table = np.array(each)
            cells.append(f"{table[:, 0].mean():.2f} → {table[:, 1].mean():.2f} ({len(each)}; {int(table[:, 2].sum())})")
        else:
            cells.append("–")
    return cells


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="particles")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--ledger", type=Path, help="JSON lines of what is done")
    parser.add_argument("--write", type=Path, help="store the curve in a copy of the model")
    args = parser.parse_args()
    if not data_folder().is_dir():
        parser.error(f"{data_folder()} is not there; set TEMSEG_DATA to the folder with the micrographs")
    torch.set_num_threads(1)
    model = temseg.load(args.model)
    ledger = Ledger(args.ledger, model.content_hash())
    cases = [case for name in args.sets for case in SETS[name]()]
    rows = [ledger.get(lambda case=case: looked_at(model, case), "confidence", case.group, case.name) for case in cases]
    fold = np.random.default_rng(0).permutation(len(rows)) % FOLDS
    curves = [fitted([row for row, of in zip(rows, fold, strict=True) if of != part]) for part in range(FOLDS)]
    said = [curves[of].of(np.array(row["p"], float)) for row, of in zip(rows, fold, strict=True)]
    bare = [np.array(row["bare"], float) for row in rows]
    heads = [f"{low:g}–{high:g}" for low, high in pairwise(EDGES)]
    print("said → right, means of pictures (pictures; particles)\n")
    print("| | " + " | ".join(heads) + " |\n" + "|---" * (len(heads) + 1) + "|")
    for name in (*dict.fromkeys(case.group for case in cases), "all"):
        of = [index for index, case in enumerate(cases) if name in ("all", case.group)]
        for word, values in (("confidence", said), ("mean probability", bare)):
            print(f"| {name}: {word} | " + " | ".join(reliability([values[i] for i in of], [rows[i] for i in of])) + " |")
    curve = fitted(rows)
    print(f"\n{curve}")
    if args.write:
        save(replace(model, confidence=curve), args.write, half=True)


if __name__ == "__main__":
    main()
