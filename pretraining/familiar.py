"""Teach a particle model to say when a picture is unlike those it was trained on, and write that into its file.

    python pretraining/familiar.py src/napari_temseg/models/particles.temseg [--score]

Fits a logistic regression whose weights cannot be negative (statistics: `engine/model/novelty.py`): EMPS *train*, simulated
micrographs and the train parts of supported catalysts, powders, superalloys and a movie of sintering, each of these counting as much as
`EACH` pictures, against `outsiders.py`. The limit is set so that at most 4 % of EMPS *tune* are called unlike; the *tune* parts, tissue
sections, fresh outsiders and outsiders of kinds left out of the fit are reported, and EMPS *score* if asked for, of which nothing is
chosen. The shipped weights were fitted before statistics of symmetry asked for symmetry of what is fine: fewer pictures are unlike by them.

Tried: EMPS and simulated micrographs as the only insiders, which called nine of sixteen supported catalysts unlike (symmetric like a
diffraction pattern) and knew 83 % of the outsiders; with half of EMPS *train*, sets that count as 10, 20, 30 or 100 pictures (catalysts of
*tune* called unlike 14, 14, 14, 0 %; outsiders known 84, 87, 86, 68 %), and a limit over all *tune* parts (EMPS *tune* 10 %).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize

from band_samples import CATALYSTS, POWDER_TUNE
from emps import data_folder, entries
from napari_temseg.engine.model.novelty import NAMES, Familiarity, statistics_of, suspicion
from napari_temseg.engine.model.runner import Runner
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.engine.simulate.micrographs import randomised, simulate
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.progress import returned
from napari_temseg.files.models import load, save
from outsiders import KINDS, SIDE

Array = npt.NDArray[np.float64]
FALSE_ALARMS = 0.04
RIDGE = 3.0
EACH = 50  # pictures that a set beside EMPS counts as
SUPERALLOY_TRAIN = 15  # by name
REAL = ("supported_catalysts", "powder_sem", "superalloy_sem", "sintering_bf")


def statistics(model: Segmenter, pictures: Iterable[npt.NDArray[Any]]) -> Array:
    """A row a picture in which the model finds something."""
    rows = []
    for picture in pictures:
        runner, image = Runner(model, PredictConfig()), model.normalisation.apply(picture)
        known = returned(runner.settle(image, None))
        raw = returned(runner.plane(image, known))
        found = statistics_of(image, raw, model.spec.n_classes, float(np.exp(np.mean(np.log(runner.scales)))))
        rows += [] if found is None else [found]
    return np.array(rows).reshape(-1, len(NAMES))


def fitted(inside: Array, outside: Array) -> Familiarity:
    """The regression, both sides weighing the same; its limit is where they are equally likely."""
    centre, spread = np.median(inside, axis=0), inside.std(axis=0) + 1e-6
    rows = suspicion(np.vstack([inside, outside]), centre, spread)
    side = np.r_[-np.ones(len(inside)), np.ones(len(outside))]
    weight = len(side) / 2 / np.where(side > 0, len(outside), len(inside))

    def loss(p: Array) -> tuple[float, Array]:
        margin = side * (rows @ p[:-1] + p[-1])
        slope = -side * weight / (1 + np.exp(np.clip(margin, -50, 50)))
        value = (weight * np.logaddexp(0, -margin)).sum() + RIDGE / 2 * (p[:-1] ** 2).sum()
        return float(value), np.r_[rows.T @ slope + RIDGE * p[:-1], slope.sum()]

    p = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=[(0, None)] * rows.shape[1] + [(None, None)]).x
    return Familiarity(*(tuple(map(float, part)) for part in (centre, spread, p[:-1])), float(-p[-1]))


def pictures_of(name: str, part: str) -> list[Path]:
    """The pictures of a set in *train* or *tune*, as the README of the data tells them."""
    paths = sorted((data_folder() / name / "images").iterdir())
    train = {
        "supported_catalysts": [path.stem.startswith(CATALYSTS) for path in paths],
        "powder_sem": [not path.name.startswith(POWDER_TUNE) for path in paths],
        "superalloy_sem": [index < SUPERALLOY_TRAIN for index in range(len(paths))],
        "sintering_bf": [True] * len(paths),
    }[name]
    return [path for path, own in zip(paths, train, strict=True) if own == (part == "train")]


def alike(sets: dict[str, Array], names: Iterable[str], count: int) -> Array:
    """The rows of sets, repeated until each counts about as many."""
    return np.vstack([np.repeat(sets[name], max(1, round(count / len(sets[name]))), axis=0) for name in names if len(sets[name])])


def limited(familiar: Familiarity, tune: Array) -> Familiarity:
    """With the limit that so many of *tune* exceed as may."""
    scores = np.sort([familiar.score(row) for row in tune])[::-1]
    allowed = int(FALSE_ALARMS * len(scores) + 0.5)
    return replace(familiar, limit=familiar.limit + float(scores[allowed - 1 : allowed + 1].mean()))


def alarms(familiar: Familiarity, rows: Array) -> float:
    """Share of pictures that are called unlike."""
    return float(np.mean([familiar.score(row) > 0 for row in rows])) if len(rows) else float("nan")


def _sections() -> Iterable[npt.NDArray[Any]]:
    for number, path in enumerate(sorted((data_folder() / "vnc_stack" / "images").iterdir())):
        for y, x in ((100 * (number % 3), 50 * (number % 5)), (500 + 10 * number, 560 - 30 * number)):
            yield iio.imread(path)[y : y + SIDE, x : x + SIDE]


def main() -> None:
    """Fit, report, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--each", type=int, default=10, help="outsiders of each kind to fit to; as many again to check")
    parser.add_argument("--simulated", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--score", action="store_true", help="report false alarms on EMPS score too")
    parser.add_argument("--dry", action="store_true", help="leave the file as it is")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = load(args.model)
    rng = np.random.default_rng(3)
    drawn = [simulate(randomised(rng, SIDE, SIDE)).micrograph.plane() for _ in range(args.simulated)]
    sets = {part: statistics(model, (entry.image for entry in entries(part))) for part in ("train", "tune")}
    sets["simulated"] = statistics(model, drawn)
    for name in REAL:
        for part in ("train", "tune"):
            sets[f"{name} {part}"] = statistics(model, (iio.imread(path, mode="L") for path in pictures_of(name, part)))
    print("insiders are done", flush=True)
    outside = {kind: statistics(model, _drawn(kind, 7, args.each)) for kind in KINDS}
    fresh = {kind: statistics(model, _drawn(kind, 8, args.each)) for kind in KINDS}
    sets["tissue sections"] = statistics(model, _sections())
    if args.score:
        sets["score"] = statistics(model, (entry.image for entry in entries("score")))
    inside = np.vstack([sets["train"], alike(sets, ["simulated", *(f"{name} train" for name in REAL)], EACH)])
    familiar = limited(fitted(inside, np.vstack(list(outside.values()))), sets["tune"])
    print("| pictures | something found | called unlike |\n|---|---|---|")
    for name, rows in sets.items():
        print(f"| {name} | {len(rows)} | {alarms(familiar, rows):.0%} |")
    print("\n| outsiders | something found | called unlike, fresh | kind left out of the fit |\n|---|---|---|---|")
    for kind, rows in fresh.items():
        others = np.vstack([part for name, part in outside.items() if name != kind])
        blind = limited(fitted(inside, others), sets["tune"])
        print(f"| {kind} | {len(rows)} of {args.each} | {alarms(familiar, rows):.0%} | {alarms(blind, rows):.0%} |")
    everything = np.vstack(list(fresh.values()))
    print(f"| all | {len(everything)} | {alarms(familiar, everything):.0%} | |")
    print(
        "\n" + ", ".join(f"{name} {weight:.2f}" for name, weight in zip(NAMES, familiar.weight, strict=True)), f"limit {familiar.limit:.2f}"
    )
    if not args.dry:
        save(replace(model, familiar=familiar), args.model, half=True)
        print(f"wrote {args.model}")


def _drawn(kind: str, seed: int, count: int) -> Iterable[npt.NDArray[Any]]:
    rng = np.random.default_rng([seed, len(kind)])
    return (KINDS[kind](rng) for _ in range(count))


if __name__ == "__main__":
    main()
