"""The bias of the whole road by size: find, split and measure pictures whose truth is known, of two simulators.

    python benchmarks/whole_road.py [--model particles] [--ledger FILE] [--untold] [--seeds 1] [--sets tio2 emps polyhedra own]

The second simulator is `polyhedra.py` (3-D polyhedra, granular HAADF, Fresnel bright field), beside it the project's own (spheres), which
training drew from. Median diameters of 8 to 80 px, none, a fifth and two fifths touching, three doses; the size is told. By true diameter:
medians of found / true diameter - 1 of matched particles (IoU at least 0.5), alone and touching, and of the same particles measured on
their true masks: what measuring adds. Then D50 found / true - 1: as it is, and of matched particles alone; the rest is what was missed,
welded and cut. The outlined pictures of tio2_sem and emps *tune* go the same road, their outlines being the truth; the size told is their
median.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

import napari_temseg as temseg
from accuracy_common import Ledger
from band_sets import BAR, Case, emps, tio2
from polyhedra import BRIGHT_FIELD, HAADF, Drawn, Scene, draw, side_of

DIAMETERS, TOUCHING, DOSES = (8.0, 14.0, 25.0, 45.0, 80.0), (0.0, 0.2, 0.4), (20.0, 100.0, 500.0)
EDGES = (0.0, 7.0, 10.0, 14.0, 20.0, 28.0, 40.0, 56.0, math.inf)
SECOND, OWN = "polyhedra", "own simulator"
SETS = ("tio2", "emps", "polyhedra", "own")
MATCHED = 0.5  # IoU
Row = dict[str, Any]
Particle = dict[str, Any]


def own(scene: Scene) -> Drawn:
    """The same of the project's own simulator; of its spheres the area of the mask is that of the projection within 0.3 % from 8 px on."""
    side = side_of(scene.diameter)
    count = max(12, int(0.16 * side**2 / (math.pi / 4 * scene.diameter**2)))
    size = {"height": side, "width": side, "count": count, "diameter": scene.diameter}
    made = temseg.simulate(temseg.SimulateConfig(mode=scene.mode, touching=scene.touching, dose=scene.dose, seed=scene.seed, **size))
    return Drawn(made.micrograph.data, made.instances, np.sqrt(4 * np.bincount(made.instances.ravel())[1:] / math.pi))


def scenes(seeds: int) -> Iterator[Scene]:
    for mode, diameter, touching, dose, seed in product((BRIGHT_FIELD, HAADF), DIAMETERS, TOUCHING, DOSES, range(seeds)):
        yield Scene(mode, diameter, touching, dose, seed)


def in_contact(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """By label - 1, whether a particle lies within two pixels of another."""
    largest = ndimage.grey_dilation(labels, 5)
    least = ndimage.grey_erosion(np.where(labels > 0, labels, labels.max() + 1), 5)
    near = np.zeros(labels.max() + 1, bool)
    inside = labels > 0
    near[labels[inside & ((largest != labels) | (least != labels))]] = True
    return near[1:]


def outlined(case: Case) -> Drawn:
    """A picture whose outlines were drawn by hand, its data bar left out."""
    shape = case.image.shape
    valid = None if case.until is None else np.broadcast_to(np.arange(shape[0])[:, None] < BAR, shape).copy()
    truth = np.asarray(case.truth, np.int32)
    return Drawn(temseg.Micrograph(case.image, valid=valid), truth, np.sqrt(4 * np.bincount(truth.ravel())[1:] / math.pi))


def judged(model: temseg.Segmenter, drawn: Drawn, size: float, told: bool) -> Row:
    """Of a picture: its particles that lie wholly inside, each with its match, and D50 found and true."""
    config = temseg.PredictConfig(typical_size=max(2.0, size)) if told else temseg.PredictConfig()
    here = np.asarray(temseg.split(temseg.predict(model, drawn.picture, config)).labels)
    found, true = temseg.measure(here), temseg.measure(drawn.labels)
    there = drawn.labels.max() + 1
    both = np.bincount(here.ravel().astype(np.int64) * there + drawn.labels.ravel(), minlength=(here.max() + 1) * there).reshape(-1, there)
    union = both.sum(1)[:, None] + both.sum(0)[None, :] - both
    found_of = {int(b): int(a) for a, b in zip(*np.nonzero(both / np.maximum(union, 1) >= MATCHED), strict=True) if a and b}
    near, by_label = in_contact(drawn.labels), found.table.set_index("particle")["ecd_px"]
    particles = []
    for row in true.table[~true.table["frame"]].itertuples():
        label = int(row.particle)
        match = by_label.get(found_of.get(label, -1))
        sizes = {"true": float(drawn.ecd[label - 1]), "on mask": float(row.ecd_px), "found": None if match is None else float(match)}
        particles.append({**sizes, "touching": bool(near[label - 1])})
    matched = [each["found"] / each["true"] for each in particles if each["found"]]
    both_d50 = (temseg.size_distribution(found).quantile(0.5), temseg.size_distribution(true).quantile(0.5))
    return {"particles": particles, "d50": both_d50, "matched": float(np.median(matched)) if matched else None}


def share(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:+.1f} %"


def off(particles: Sequence[Particle], key: str, keep: Callable[[Particle], bool] = lambda _: True) -> float | None:
    """Median of a diameter over the true one, minus 1."""
    ratios = [each[key] / each["true"] for each in particles if each["found"] and keep(each)]
    return float(np.median(ratios)) - 1 if len(ratios) >= 8 else None


def by_size(particles: Sequence[Particle]) -> None:
    """Recall and bias by true diameter."""
    print(
        "| true diameter, px | particles | found | diameter of the found | – alone | – touching | on the true mask |\n" + "|---" * 7 + "|"
    )
    for low, high in pairwise(EDGES):
        here = [each for each in particles if low <= each["true"] < high]
        if len(here) < 8:
            continue
        recall = sum(1 for each in here if each["found"]) / len(here)
        cells = [off(here, "found"), off(here, "found", lambda p: not p["touching"]), off(here, "found", lambda p: p["touching"])]
        told = " | ".join(map(share, [*cells, off(here, "on mask")]))
        print(f"| {low:g} to {high:g} | {len(here)} | {recall:.0%} | {told} |")


def by_setting(rows: Sequence[tuple[Scene, Row]]) -> None:
    """D50 of pictures by what was set, signed medians."""
    print("\n| | pictures | D50 | 90th percentile, unsigned | of matched particles alone |\n" + "|---" * 5 + "|")
    groups: list[tuple[str, Callable[[Scene], bool]]] = [("all", lambda _: True)]
    groups += [(f"{value:g} px", lambda s, v=value: s.diameter == v) for value in DIAMETERS]
    groups += [(f"{value:.0%} touching", lambda s, v=value: s.touching == v) for value in TOUCHING]
    groups += [(f"{value:g} electrons a px", lambda s, v=value: s.dose == v) for value in DOSES]
    for name, keep in groups:
        here = [row for scene, row in rows if keep(scene)]
        ratios = [row["d50"][0] / row["d50"][1] - 1 for row in here if row["d50"][0]]
        alone = [row["matched"] - 1 for row in here if row["matched"]]
        wide = f"{100 * np.quantile(np.abs(ratios), 0.9):.1f} %" if ratios else "–"
        print(f"| {name} | {len(ratios)} of {len(here)} | {share(np.median(ratios))} | {wide} | {share(np.median(alone))} |")


def _road(model: temseg.Segmenter, case: Case, untold: bool) -> Callable[[], Row]:
    return lambda: judged(model, outlined(case), case.size, not untold)


def outlines(name: str, rows: Sequence[Row]) -> None:
    """The same of pictures with outlines drawn by hand."""
    print(f"\n## {name}\n")
    by_size([particle for row in rows for particle in row["particles"]])
    ratios = [row["d50"][0] / row["d50"][1] - 1 for row in rows if all(row["d50"])]
    alone = [row["matched"] - 1 for row in rows if row["matched"]]
    wide = 100 * np.quantile(np.abs(ratios), 0.9)
    told = f"{len(ratios)} of {len(rows)} | {share(float(np.median(ratios)))} | {wide:.1f} % | {share(float(np.median(alone)))}"
    print(f"\n| pictures | D50 | 90th percentile, unsigned | of matched particles alone |\n{'|---' * 4}|\n| {told} |")


def main() -> None:
    """Draw, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="particles")
    parser.add_argument("--ledger", type=Path, help="JSON lines of the pictures that are done")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--untold", action="store_true", help="the size is looked for")
    parser.add_argument("--seeds", type=int, default=1, help="pictures of each kind")
    args = parser.parse_args()
    model = temseg.load(args.model)
    ledger = Ledger(args.ledger, model.content_hash())
    for name, cases in (("tio2", tio2), ("emps", emps)):
        if name in args.sets:
            outlines(name, [ledger.get(_road(model, each, args.untold), "whole road", name, args.untold, each.name) for each in cases()])
    for simulator, make in ((SECOND, draw), (OWN, own)):
        if simulator.split()[0] not in args.sets:
            continue
        rows: list[tuple[Scene, Row]] = []
        for scene in scenes(args.seeds):

            def row(make: Callable[[Scene], Drawn] = make, scene: Scene = scene) -> Row:
                return judged(model, make(scene), scene.diameter, not args.untold)

            rows.append((scene, ledger.get(row, "whole road", simulator, args.untold, scene)))
        for mode in (BRIGHT_FIELD, HAADF):
            here = [each for each in rows if each[0].mode == mode]
            print(f"\n## {simulator}, {mode}\n")
            by_size([particle for _, each in here for particle in each["particles"]])
            by_setting(here)


if __name__ == "__main__":
    main()
