"""Models of one's own: does the interval that is stated of their results, at least that of the shipped model, hold the outlines' D50?

    python benchmarks/own_models.py [--ledger FILE]

The tune parts of `segmentation_interval.py`, pictures of up to 2.5 million px in which the shipped model finds 20 particles or more. On
each the shipped model is trained for a minute at most, on strokes as somebody who looks at the picture draws them: on its six largest
errors (no two on one particle) and along four particles that it found. The picture is searched with what comes out, for the size of the
search before.
Peer: counting alone, which is what was stated of such results before.

Of the first fifteen pictures (EMPS and tio2_sem) eleven got a new model. One of these results was refused; of the other ten the
interval held nine, counting alone two.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import napari_temseg as temseg
from accuracy_common import Ledger
from napari_temseg.engine.measure.segmentation import drifts
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS
from napari_temseg.engine.types.wording import FEWEST
from napari_temseg.files.segmentation import segmentation_for
from segmentation_interval import SEEN, Row, error, judged, pictures, usable
from strokes import Labels, middle, particle_stroke

LARGEST = 2_500_000  # px
ERRORS, RIGHT = 6, 4  # strokes on errors, and on particles that were found
SECONDS = 60.0  # at most: a dozen strokes are learnt in some forty steps


def drawn(found: Labels, truth: Labels) -> npt.NDArray[np.uint8]:
    """Strokes (Y, X): 0 nothing, 1 background, 2 particle."""
    strokes, seen = np.zeros(truth.shape, np.uint8), found.copy()
    tried: set[int] = set()
    for _ in range(ERRORS):
        line = particle_stroke(seen, truth, tried)
        if line is None:
            break
        strokes[line[0]] = line[1]
        under = truth[line[0]]
        if (under > 0).any():  # is right now, for who looks for the next error
            seen[truth == np.bincount(under[under > 0]).argmax()] = seen.max() + 1
        else:
            seen[np.isin(seen, np.unique(seen[line[0]]))] = 0
    for number in np.unique(found[found > 0])[:RIGHT]:
        strokes[middle(found == number) & (truth > 0) & (strokes == 0)] = FIRST_CLASS
    if not (strokes == BACKGROUND).any():
        free = np.argwhere((truth == 0) & (found == 0))
        y, x = free[len(free) // 2]
        row = slice(max(0, x - 6), x + 6)
        strokes[y, row][truth[y, row] == 0] = BACKGROUND
    return strokes


def trained(model: temseg.Segmenter, image: temseg.Micrograph, config: temseg.PredictConfig, truth: Labels) -> Row | None:
    """Figures of a picture by the shipped model and by what was trained on it; None where too few particles are found."""
    first = temseg.predict(model, image, config)
    shipped = judged(first, truth)
    if not usable(shipped, FEWEST):
        return None
    strokes = drawn(temseg.split(first).labels, truth)
    own = temseg.train([image], [strokes], base="particles", config=temseg.TrainConfig(max_seconds=SECONDS))
    again = judged(temseg.predict(own, image, replace(config, typical_size=first.size or config.typical_size)), truth)
    return {"shipped": shipped, "own": again, "same": own.content_hash() == model.content_hash()}


def held(row: Row) -> tuple[bool, bool, float, bool]:
    """Whether the interval is refused, whether it holds the truth, its half width, and whether counting alone holds it."""
    known = segmentation_for(())
    if known is None:
        raise SystemExit("No calibration of the segmentation ships.")
    scale = known.scale(drifts(row["splits"]))
    half = known.factor * scale + abs(known.offset(row["splits"]))
    counted = row["counting"] is not None and row["counting"][0] <= row["truth"] <= row["counting"][1]
    return scale > known.refused or row["unlike"], abs(error(row)) <= half, half, counted


def main() -> None:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", type=Path, help="JSON lines of the pictures that are done")
    args = parser.parse_args()
    model = temseg.load("particles")
    ledger = Ledger(args.ledger, model.content_hash())
    rows = []
    for specimen, name, image, config, truth in pictures(False):
        if specimen.startswith(SEEN) or truth.size > LARGEST:
            continue

        def make(image: Any = image, config: Any = config, truth: Any = truth) -> Row | None:
            return trained(model, image, config, truth)

        if (row := ledger.get(make, "own", specimen, name)) is not None and usable(row["own"], FEWEST):
            rows.append(row)
    print("| results | n | refused | held of the others | median half width | held by counting alone |\n|---|---|---|---|---|---|")
    groups = {
        "trained, a new model": [row["own"] for row in rows if not row["same"]],
        "trained, the model stayed": [row["own"] for row in rows if row["same"]],
    }
    for title, group in groups.items():
        each = [held(row) for row in group]
        given = [one for one in each if not one[0]]
        if not given:
            continue
        ok, width, counted = (np.mean([one[1] for one in given]), np.median([one[2] for one in given]), np.mean([one[3] for one in given]))
        print(f"| {title} | {len(each)} | {len(each) - len(given)} | {ok:.0%} | {math.expm1(width):.0%} | {counted:.0%} |")


if __name__ == "__main__":
    main()
