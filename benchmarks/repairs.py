"""How many gestures lead to a right distribution: a simulated person with a fixed rule on real micrographs.

    python benchmarks/repairs.py [--set tio2 emps] [--pictures 3] [--model particles] [--most 40] [--within 0.05]

The person drags across one particle of middling size, presses *Find*, and looks at the three worst suspects; where two of them are two in
the picture, it presses *Split more*. Then it looks at the worst suspect, again and again, as *Go through* leads: what is two is parted by a
click on two centres, what is one is merged, what is right is left; it stops when no suspect is left that it has not looked at, or after
`--most` gestures. Its eyes are the hand-drawn outlines of the particle it
looks at, and of no other; the truth of the whole is only asked afterwards. A look costs one gesture, a repair one more.

Prints for each picture the error of the number-weighted D50 as found and at the end, and the gestures after which it stayed within
`--within`; the peer is the untouched result of the same search.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

import napari_temseg as temseg
from band_sets import SETS, Case, Labels, diameters
from napari_temseg.engine.particles.doubts import Doubts, doubts
from napari_temseg.engine.particles.edits import merge, part_at
from napari_temseg.engine.particles.label_changes import Patch
from napari_temseg.engine.particles.remeasure import corrected
from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.results import Particles

POLARITY = {1: "bright", -1: "dark", 0: "auto"}
FIRST = 3  # suspects that are looked at before *Split more* is pressed, or not
SHARE = 0.3  # of a hand-drawn particle that has to lie in a label to be seen in it


def seen_in(labels: Labels, truth: Labels, number: int) -> list[int]:
    """The hand-drawn particles that an eye sees in a label, the largest first."""
    inside = np.bincount(truth[labels == number], minlength=int(truth.max()) + 1)
    inside[0] = 0
    whole = np.bincount(truth.ravel(), minlength=len(inside))
    return [int(each) for each in np.argsort(-inside) if inside[each] > SHARE * max(whole[each], 1)]


def middle(mask: np.ndarray) -> np.ndarray:
    """The pixel of a mask that lies nearest to its centre of mass."""
    places = np.argwhere(mask)
    return places[np.argmin(((places - places.mean(axis=0)) ** 2).sum(axis=1))]


def repaired(labels: Labels, truth: Labels, found: Doubts, number: int) -> Patch | None:
    """What a person does about a suspect, None where it is right."""
    inside = seen_in(labels, truth, number)
    try:
        if number in found.two and len(inside) > 1:
            return part_at(labels, 0, [middle((labels == number) & (truth == each)) for each in inside[:2]])
        for pair in found.one:
            if number in pair:
                other = pair[0] if pair[1] == number else pair[1]
                both = [seen_in(labels, truth, each)[:1] or touched(labels, truth, each) for each in (number, other)]
                if both[0] and both[0] == both[1]:
                    return merge(labels, 0, pair)
    except TemsegError:  # as in the window: a sentence, and nothing is changed
        return None
    return None


def touched(labels: Labels, truth: Labels, number: int) -> list[int]:
    """The hand-drawn particle that a label lies in for the most part."""
    inside = np.bincount(truth[labels == number])
    inside[0] = 0
    return [int(inside.argmax())] if inside.any() else []


def walk(case: Case, model: temseg.Segmenter, most: int) -> tuple[list[float], float]:
    """The error of D50 after each gesture, the first of which are the drag and *Find*; seconds of the computer."""
    begun = time.perf_counter()
    image = case.image[: case.until]
    truth = case.truth[: case.until].astype(np.int32)
    aim = float(np.median(diameters(truth)))
    config = SplitConfig()
    said = temseg.predict(model, Micrograph(image), PredictConfig(typical_size=case.size, polarity=POLARITY[case.polarity]))
    particles = temseg.split(said, config)
    errors = [float("nan"), off(particles, aim)]
    looked: set[int] = set()
    found = doubts(particles, config)
    first = found.order[:FIRST]
    errors += [errors[-1]] * len(first)
    if sum(number in found.two and len(seen_in(particles.labels, truth, number)) > 1 for number in first) > FIRST / 2:
        config = replace(config, strength=min(1.0, np.ceil(100 * found.strength()) / 100))
        particles = temseg.split(said, config)
        errors.append(off(particles, aim))
    while len(errors) < most:
        found = doubts(particles, config)
        number = next((each for each in found.order if each not in looked), None)
        if number is None:
            break
        looked.add(number)
        errors.append(errors[-1])
        patch = repaired(particles.labels, truth, found, number)
        if patch is not None:
            particles = corrected(particles, patch)
            errors.append(off(particles, aim))
    return errors, time.perf_counter() - begun


def off(particles: Particles, aim: float) -> float:
    """Relative error of the median diameter."""
    found = diameters(particles.labels)
    return float(np.median(found)) / aim - 1 if len(found) else -1.0


def main() -> None:
    """Walk through the pictures and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs="+", default=["tio2", "emps"], choices=[name for name in SETS if name != "catalysts"])
    parser.add_argument("--pictures", type=int, default=3, help="of each set, spread over it")
    parser.add_argument("--model", default="particles")
    parser.add_argument("--most", type=int, default=40, help="gestures after which the person gives up")
    parser.add_argument("--within", type=float, default=0.05)
    args = parser.parse_args()
    model, needed = temseg.load(args.model), []
    print(f"{'picture':40}{'found':>9}{'end':>9}{'gestures':>10}{'within':>8}{'seconds':>9}", flush=True)
    for name in args.set:
        cases = SETS[name]()
        for case in cases[:: max(1, len(cases) // args.pictures)][: args.pictures]:
            errors, seconds = walk(case, model, args.most)
            outside = [index for index, error in enumerate(errors) if not abs(error) <= args.within]
            first = outside[-1] + 2 if outside else 1  # gestures, the first of which is number 1
            needed.append(first if first <= len(errors) else np.inf)
            told = f"{first}" if first <= len(errors) else "never"
            print(f"{name + ' ' + case.name[:32]:40}{errors[1]:+9.1%}{errors[-1]:+9.1%}{len(errors):10}{told:>8}{seconds:9.1f}", flush=True)
    print(f"median gestures until D50 stays within {args.within:.0%}: {np.median(needed):g}")


if __name__ == "__main__":
    main()
