"""The segmentation interval: does it hold the D50 of outlines drawn by hand, how wide is it, and how often is a result refused?

    python benchmarks/segmentation_interval.py [--model particles] [--ledger FILE] [--write CALIBRATION.json]

On the tune parts: EMPS, tio2_sem with its data bar left out, powder_sem, superalloy_sem (both sizes) and spheroidite_sem. A model with a
working size is told the typical size everywhere, another in powder_sem: the interval speaks of how particles of that size are outlined
and split, and no width makes up for a size that was not meant (`band.py --untold` judges the search). Each picture is judged by a
calibration that has seen none of its specimen (EMPS: paper; each other set is one specimen). The train part of EMPS is learnt from and
never judged, as the network has seen it; its errors are no smaller than those of tune. Simulated micrographs are judged, their size not
told, and never learnt from. Only pictures in which 20 particles or more are found are judged, those from 10 on are learnt from. Pictures
that the model says are unlike its training are refused (`usability`) and not learnt from: no interval is given of them. `--write` keeps
the calibration of all of them, tied to the model's hash; that of a model that ships lies beside it as MODEL.segmentation.json. With
--ledger predictions are made once for each model, and fits take seconds. The bias is a share of ln(particles / those when split less), by
least squares drawn to 0 by a tenth, learnt on tune alone, as is what is left of it: in the others the network has seen the outlines.
Peer: the interval of counting alone, which is what was printed before. The last columns are medians of D50 found over that of the
outlines, minus 1, refused or not: signed, unsigned, and the same with the bias taken off.

Tried on these pictures with the specimen left out, and no better (refused, held, half width in %; 29, 93, 24 before there was a bias, 27,
97, 24 with it): scales from the width of the distribution, alone and with drifts (44 to 71, 87 to 100, 22 to 26); other powers and
floors, a level of 0.92 (24, 84, 21); quantiles for either side (24 to 88, 84 to 100, 13 to 26); quantiles by group of drift, width, size
in px, number of particles or of those that hang on the splitting (24 to 85, 89 to 100, 16 to 25); quantile regression forests, conformal
(56 to 85, 89 to 100, 13 to 25) or not (0 to 44, 71 to 87, 19 to 27); a bias by the share of outlines beside others (24, 94, 23, but the
signed error stays), by D50 under more splitting (27 to 51, 85 to 93, 24 to 26), or by groups (24 to 68, 86 to 100, 23 to 26).

Tried on the 28 of 37 pictures like the training, with the weights c9a0a857 (25, 90, 23 as it is): 44 pairs of a bias (by what hangs, its
root, either with the drift of the threshold) and a scale (powers, floors, the mean confidence, the spread of sizes; or a root of squares
fitted by likelihood to drifts, what hangs, confidence, spread). Chosen within the pictures learnt from, nested, by the interval score:
36, 89, 18. The best of them in hindsight, 32, 89, 14, is not to be had without looking. What is left are differences between specimens
that no covariate tells: TiO2 comes out 13 % too large as small pieces within the outlines of neighbours are missed, the small ones of the
superalloy 10 % as its masks are drawn half a pixel further in. D50 of the confident half, confidence weights, shares of small and irregular
particles and the half-contrast shift do not tell either.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

import napari_temseg as temseg
from accuracy_common import Ledger
from band_sets import BAR, LEAST, Case, components, emps, of_instances, powder, superalloy, tio2
from emps import data_folder, entries
from napari_temseg.engine.measure.segmentation import SegmentationCalibration, drifts, hanging, segmentation
from napari_temseg.engine.types.large_arrays import PackedMask
from napari_temseg.engine.types.wording import FEWEST
from napari_temseg.files.segmentation import write_segmentation

LEARNT_FROM = 10  # particles found in a picture
LEVEL = 0.93  # of the conformal quantile; that the intervals hold nine in ten is seen on specimens left out
SIMULATED = "simulated"
SEEN = "seen in training: "
FLOOR = 0.05  # what no splitting spans, added to the drifts
POWER = 0.5  # of that sum: errors grow more slowly than drifts do
DRAWN = 0.1  # by which share of what was seen the bias is drawn to 0
REFUSED = 0.3  # half width beyond which no interval is given
Row = dict[str, Any]


def spheroidite() -> list[Case]:
    """Carbides in steel; outlined by their masks, those at the edge of the picture left out as everywhere here."""
    folder, found = data_folder() / "spheroidite_sem", []
    for path in sorted((folder / "images").glob("*.png")):
        truth = components(iio.imread(folder / "masks" / path.name) > 127, LEAST)
        found.append(of_instances("spheroidite", path.stem, iio.imread(path), truth, 1))
    return found


def pictures(sized: bool) -> Iterator[tuple[str, str, temseg.Micrograph, temseg.PredictConfig, np.ndarray]]:
    """Specimen, name, picture, settings and outlines."""
    papers = {entry.name: entry.paper for entry in entries("tune")} | {entry.name: SEEN + entry.paper for entry in entries("train")}
    seen = [each for each in emps("train") if len(np.unique(each.truth)) > LEARNT_FROM]
    particles = [each for each in powder() if each.group == "powder particle"]
    for case in (*emps(), *tio2(), *particles, *superalloy(), *spheroidite(), *seen):
        valid = None if case.until is None else np.arange(case.image.shape[0])[:, None] + np.zeros(case.image.shape[1], int) < BAR
        image = temseg.Micrograph(case.image, valid=valid)
        told = sized or case.group.startswith("powder")
        config = temseg.PredictConfig(typical_size=max(2.0, case.size)) if told else temseg.PredictConfig()
        yield papers.get(case.name, case.group.split(" ")[0]), f"{case.group} {case.name}", image, config, case.truth


def simulated() -> Iterator[tuple[str, str, temseg.Micrograph, temseg.PredictConfig, np.ndarray]]:
    """The same of the project's own simulator: both contrasts, three shares of touching particles, two doses, two sizes."""
    for mode, touching, dose, diameter in product(("bright field", "HAADF"), (0.0, 0.3, 0.6), (20.0, 200.0), (16.0, 40.0)):
        count = int(0.25 * 512**2 / diameter**2)
        settings = {"mode": mode, "touching": touching, "dose": dose, "diameter": diameter, "count": min(count, 120), "seed": 11}
        drawn = temseg.simulate(temseg.SimulateConfig(**settings))
        image = temseg.Micrograph(drawn.micrograph.data)
        yield SIMULATED, f"{mode} {touching} {dose} {diameter}", image, temseg.PredictConfig(), drawn.instances


def judged(prediction: temseg.Prediction, truth: np.ndarray) -> Row:
    """Of a picture: numbers of particles, D50 of the outlines and of every splitting, the interval of counting."""
    image = prediction.micrograph.with_calibration(temseg.Calibration())
    particles = temseg.split(replace(prediction, micrograph=image))
    measured = temseg.measure(particles, other_splits=True)
    outlined = replace(temseg.measure(truth), mask=None if image.valid is None else PackedMask.of(image.valid))
    found = temseg.size_distribution(measured)
    pooled = segmentation([measured])
    truly = temseg.size_distribution(outlined)
    return {
        "unlike": bool(found.unlike.images),
        "n": len(found),
        "outlined": len(truly),
        "truth": truly.quantile(0.5),
        "counting": found.summary()["d50_interval"],
        "splits": {} if pooled is None else pooled.splits,
    }


def usable(row: Row, fewest: int) -> bool:
    """Whether there is a D50 on both sides."""
    return row["n"] >= fewest and row["truth"] is not None


def error(row: Row) -> float:
    """ln(D50 of the outlines / D50 found)."""
    return math.log(row["truth"] / row["splits"]["as found"]["d50"])


def learnt(rows: Sequence[tuple[str, Row]], model: str = "") -> SegmentationCalibration:
    """The calibration that pictures (specimen, row) give: conformal, each specimen with the same weight."""
    there = [(specimen, row) for specimen, row in rows if usable(row, LEARNT_FROM) and not row["unlike"]]
    used = [(specimen, row) for specimen, row in there if math.isfinite(sum(drifts(row["splits"]).values()))]
    shares: dict[str, int] = defaultdict(int)
    for specimen, _ in used:
        shares[specimen] += 1
    bare = SegmentationCalibration(model, 0.0, FLOOR, 1.0, math.inf, power=POWER)
    scale = np.array([bare.scale(drifts(row["splits"])) for _, row in used])
    errors = np.array([error(row) for _, row in used])
    weights = np.array([1 / shares[specimen] for specimen, _ in used])
    welded = _welded(used, errors, weights)
    errors = errors - welded * np.array([hanging(row["splits"]) for _, row in used])
    new = np.array([not specimen.startswith(SEEN) for specimen, _ in used])  # of the others the network knows the outlines
    order = np.argsort(errors[new])
    reached = np.cumsum(weights[new][order])
    bias = float(errors[new][order][np.searchsorted(reached, weights[new].sum() / 2)])
    uncertain = 1.25 * float(np.std(errors[new])) / math.sqrt(len({specimen for specimen, _ in used if not specimen.startswith(SEEN)}))
    bias = bias if abs(bias) > 2 * uncertain else 0.0
    scores = np.abs(errors - bias) / scale
    order = np.argsort(scores)
    # Conformal: a further specimen, of unknown score, counts as the worst.
    reached = np.cumsum(weights[order]) / (weights.sum() + 1)
    factor = float(scores[order][min(int(np.searchsorted(reached, LEVEL)), len(order) - 1)])
    facts = {"pictures": len(used), "specimens": len(shares), "level": LEVEL}
    return replace(bare, bias=bias, welded=welded, factor=factor, refused=math.log(1 + REFUSED) / factor, facts=facts)


def _welded(used: Sequence[tuple[str, Row]], errors: np.ndarray, weights: np.ndarray) -> float:
    """How the error grows with what hangs on the splitting, from pictures that the network has not seen."""
    there = np.array([not specimen.startswith(SEEN) for specimen, _ in used])
    hangs = np.array([hanging(row["splits"]) for _, row in used])
    square = float((weights * hangs**2)[there].sum())
    return float((weights * hangs * errors)[there].sum() / ((1 + DRAWN) * square)) if square else 0.0


def held(row: Row, calibration: SegmentationCalibration) -> tuple[bool, float, bool]:
    """Whether the interval holds the truth, its half width as a share, and whether the result is refused."""
    scale = calibration.scale(drifts(row["splits"]))
    half = calibration.factor * scale
    return abs(corrected(row, calibration)) <= half, math.exp(half) - 1, scale > calibration.refused or row["unlike"]


def corrected(row: Row, calibration: SegmentationCalibration) -> float:
    """The error with the bias taken off."""
    return error(row) - calibration.offset(row["splits"])


def report(title: str, rows: Sequence[tuple[str, Row]], everything: Sequence[tuple[str, Row]]) -> dict[str, float]:
    """A line of the table: leave one specimen out."""
    found, rest = [], []
    for specimen, row in rows:
        if usable(row, FEWEST):
            calibration = learnt([each for each in everything if each[0] != specimen])
            found.append((row, *held(row, calibration)))
            rest.append(math.exp(-corrected(row, calibration)) - 1)
    given = [each for each in found if not each[3]]
    counted = [row for row, *_ in found if row["counting"] and row["counting"][0] <= row["truth"] <= row["counting"][1]]
    worst = max((abs(math.exp(error(row)) - 1) for row, *_ in given), default=math.nan)
    figures = {
        "pictures": len(found),
        "refused": (len(found) - len(given)) / max(len(found), 1),
        "held": float(np.mean([each[1] for each in given])) if given else math.nan,
        "median half width": float(np.median([each[2] for each in given])) if given else math.nan,
        "largest error given": worst,
        "held by counting alone": len(counted) / max(len(found), 1),
    }
    off = [math.exp(-error(row)) - 1 for row, *_ in found]
    signed = " | ".join(f"{np.median(each):+.1%} | {np.median(np.abs(each)):.1%}" if each else "– | –" for each in (off, rest))
    print(f"| {title} | {figures['pictures']} | " + " | ".join(f"{value:.0%}" for value in list(figures.values())[1:]) + f" | {signed} |")
    return figures


def main() -> None:
    """Predict, judge, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="particles")
    parser.add_argument("--ledger", type=Path, help="JSON lines of the pictures that are done")
    parser.add_argument("--write", type=Path, help="write the calibration of all pictures, with how it did")
    args = parser.parse_args()
    model = temseg.load(args.model)
    ledger = Ledger(args.ledger, model.content_hash())
    rows: list[tuple[str, Row]] = []
    for specimen, name, image, config, truth in (*pictures(bool(model.spec.working_size)), *simulated()):

        def make(image: Any = image, config: Any = config, truth: Any = truth) -> Row:
            return judged(temseg.predict(model, image, config), truth)

        rows.append((specimen, ledger.get(make, "segmentation", specimen, name)))
    print(
        "| pictures with 20 particles or more | n | refused | held of the others | median half width | largest error | counting alone "
        "| D50 found, signed | unsigned | bias taken off, signed | unsigned |"
    )
    print("|---" * 11 + "|")
    outlined = [each for each in rows if each[0] != SIMULATED]
    tune = [each for each in outlined if not each[0].startswith(SEEN)]
    like = [each for each in tune if not each[1]["unlike"]]
    sets = ("tio2", "powder", "superalloy", "spheroidite")
    groups = {"outlines of tune": tune, "of these like the training": like} | {
        f"– {name}": [each for each in tune if each[0] == name] for name in sets
    }
    groups |= {"– EMPS": [each for each in tune if each[0] not in sets], SIMULATED: [each for each in rows if each[0] == SIMULATED]}
    figures = {title: report(title, each, outlined) for title, each in groups.items()}
    final = learnt(outlined, model.content_hash())
    print(
        f"\nbias {final.bias:+.3f}, by what hangs on the splitting {final.welded:+.3f}, factor {final.factor:.2f}, "
        f"{final.facts['pictures']} pictures of {final.facts['specimens']} specimens"
    )
    if args.write:
        judged_on = {"left one specimen out": figures["outlines of tune"], "like the training": figures["of these like the training"]}
        facts = {**final.facts, **judged_on, "made by": "benchmarks/segmentation_interval.py"}
        write_segmentation(args.write, replace(final, facts=facts))


if __name__ == "__main__":
    main()
