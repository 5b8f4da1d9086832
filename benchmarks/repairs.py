"""How many gestures lead to a right distribution: a simulated person with a fixed rule on real micrographs.

    python benchmarks/repairs.py [--set tio2 emps catalysts] [--pictures 3] [--model particles] [--most 160] [--within 0.05]

The person drags across one particle of middling size, presses *Find*, and looks at the three worst suspects; where two of them are two
in the picture, it presses *Split more*, and does so again. Then it looks at the worst suspect, again and again, as *Go through* leads:
what is two is parted by a click on two centres, what is one is merged, what is right is left; after five in a row that were right, or
the last one, it lets them be. Then it goes through the picture, part by part, the middle one first: what it takes in at a glance, some
twenty particles (at most nine parts). What is wrong in one is taken by one lasso and *Delete*, what is two is parted, and what was
missed is added by a drag across it (on catalysts a click), each by itself. It stops when it has been through, or after `--most`
gestures. Its eyes are the hand-drawn outlines of the particle, or of the part, that it looks at, and of no other; the truth of the
whole is only asked afterwards. A look costs one gesture, a repair one more, a lasso two.

Catalysts, whose particles are boxed and not outlined, are gone through by parts alone. While at least every fifth of what it looked at last
was wrong, the person takes *Likewise* there, draws the box round that part, and deletes what is selected then (three gestures).

Prints for each picture the error of the number-weighted D50 (catalysts: F1 of the centres, less one) as found and at the end, and the
gestures after which it stayed within `--within` (catalysts: F1 of 0.9); the peer is the untouched result of the same search.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import ndimage
from skimage.draw import polygon

import napari_temseg as temseg
from band_sets import SETS, Boxes, Case, Labels, box_score, diameters, in_boxes
from napari_temseg.engine.particles.doubts import Doubts, doubts
from napari_temseg.engine.particles.edits import merge, part_at
from napari_temseg.engine.particles.label_changes import Patch
from napari_temseg.engine.particles.lookalikes import CorrectedPlane, like_the_deleted
from napari_temseg.engine.particles.outlining import looked_at, outlined_at
from napari_temseg.engine.particles.remeasure import corrected
from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph

POLARITY = {1: "bright", -1: "dark", 0: "auto"}
OFTEN_WRONG = 0.2  # share of what was looked at
F1_WITHIN = 0.1  # F1 of the centres of 0.9
FIRST = 3  # suspects that are looked at before *Split more* is pressed, or not
PATIENCE = 5  # suspects in a row that are right, after which no more are looked at
GLANCE = 20  # particles that are taken in at once
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
    errors = [float("nan"), off(particles.labels, aim)]
    looked: set[int] = set()
    while len(errors) < most:
        found = doubts(particles, config)
        first = [number for number in found.order if number not in looked][:FIRST]
        errors += [errors[-1]] * len(first)
        if sum(number in found.two and len(seen_in(particles.labels, truth, number)) > 1 for number in first) <= FIRST / 2:
            break
        stronger = min(1.0, np.ceil(100 * found.strength()) / 100)
        if stronger <= config.strength:
            break
        config = replace(config, strength=stronger)
        particles = temseg.split(said, config)
        errors.append(off(particles.labels, aim))
    right = 0
    while len(errors) < most and right < PATIENCE:
        found = doubts(particles, config)
        number = next((each for each in found.order if each not in looked), None)
        if number is None:
            break
        looked.add(number)
        errors.append(errors[-1])
        patch = repaired(particles.labels, truth, found, number)
        right = 0 if patch is not None else right + 1
        if patch is not None:
            particles = corrected(particles, patch)
            errors.append(off(particles.labels, aim))
    labels = particles.labels.copy()
    foreground = said.foreground().astype(np.float32)
    for field in glances(labels):
        if len(errors) >= most:
            break
        errors.append(errors[-1])  # a look
        for _ in put_right(labels, truth, image, foreground, field):
            errors.append(off(labels, aim))
    return errors, time.perf_counter() - begun


def put_right(labels: Labels, truth: Labels, image: np.ndarray, foreground: np.ndarray, field: np.ndarray) -> Iterator[None]:
    """Repair what an eye sees in a part of the picture, in place; yields after each gesture."""
    there = numbers_in(labels, field)
    wrong = [number for number in there if np.mean(truth[labels == number] > 0) < SHARE]
    if wrong:
        yield
        labels[np.isin(labels, wrong)] = 0
        yield
    for number in there:
        for _ in range(len(seen_in(labels, truth, number)) - 1):
            parted = parted_in_two(labels, truth, number)
            yield
            if parted is None:
                break
            labels[:] = parted
    for number in numbers_in(truth, field):
        if np.mean(labels[truth == number] > 0) < SHARE:
            drawn = float(np.sqrt(np.count_nonzero(truth == number) / np.pi))
            add_at(labels, image, foreground, tuple(middle(truth == number)), drawn, drawn=True)
            yield


def parted_in_two(labels: Labels, truth: Labels, number: int) -> Labels | None:
    """The labels after a click on two centres in one of them; None where nothing better comes of it, and the person takes it back."""
    inside = seen_in(labels, truth, number)
    if len(inside) < 2:
        return None
    try:
        patch = part_at(labels, 0, [middle((labels == number) & (truth == each)) for each in inside[:2]])
    except TemsegError:  # as in the window: a sentence, and nothing is changed
        return None
    after = labels.copy()
    patch.apply(after)
    new = int(after.max())
    return after if seen_in(after, truth, number)[:1] != seen_in(after, truth, new)[:1] else None


def glances(labels: Labels) -> list[np.ndarray]:
    """The parts of a picture that are taken in one after the other, the middle one first."""
    aside = int(np.clip(np.ceil(np.sqrt(len(diameters(labels)) / GLANCE)), 1, 3))
    fields = grid(labels.shape, aside)
    middle_one = len(fields) // 2 if aside % 2 else 0
    return [fields[middle_one], *fields[:middle_one], *fields[middle_one + 1 :]]


def numbers_in(labels: Labels, field: np.ndarray) -> list[int]:
    """Labels whose middle lies in a part of the picture."""
    boxes = ndimage.find_objects(labels)
    middles = {n: [(s.start + s.stop) / 2 for s in box] for n, box in enumerate(boxes, 1) if box is not None}
    return [n for n, place in middles.items() if ((place >= field[0]) & (place < field[1])).all()]


def walk_boxes(case: Case, model: temseg.Segmenter, most: int) -> tuple[list[float], float]:
    """F1 of the centres, less one, after each gesture; seconds of the computer."""
    begun, boxes = time.perf_counter(), np.asarray(case.truth, float)
    said = temseg.predict(model, Micrograph(case.image), PredictConfig(typical_size=case.size, polarity=POLARITY[case.polarity]))
    found = temseg.split(said).labels
    errors, labels = [float("nan"), short_of(boxes, found)], found.copy()
    foreground, depth = said.foreground().astype(np.float32), said.auxiliary["distance"].astype(np.float32)
    usual = float(np.median(diameters(labels))) / 2 if labels.any() else case.size / 2
    parts = []
    for field in glances(found):
        if len(errors) >= most:
            break
        errors.append(errors[-1])  # a look
        wrong, missed = seen_in_field(boxes, labels, field)
        if len(wrong):
            labels[np.isin(labels, wrong)] = 0
            errors += [errors[-1], short_of(boxes, labels)]
        for y, x in missed:
            add_at(labels, case.image, foreground, (y, x), usual)
            errors.append(short_of(boxes, labels))
        (top, left), (bottom, right) = field.round().astype(int)
        parts.append(np.s_[top:bottom, left:right])
        there = len(np.unique(labels[parts[-1]])) - 1
        if len(wrong) >= OFTEN_WRONG * (there + len(wrong)):
            plane = CorrectedPlane(case.image.astype(np.float32), labels, found, foreground, depth)
            labels = np.where(np.isin(labels, alike(plane, parts)), 0, labels)
            errors += [errors[-1], errors[-1], short_of(boxes, labels)]
    return errors, time.perf_counter() - begun


def alike(plane: CorrectedPlane, parts: list[tuple[slice, slice]]) -> list[int]:
    """What *Likewise* selects."""
    try:
        return like_the_deleted(plane, parts)
    except TemsegError:  # a sentence, and nothing is selected
        return []


def grid(shape: tuple[int, ...], aside: int) -> list[np.ndarray]:
    """Corners (low, high) in px of the parts of a picture, `aside` by `aside`, row by row."""
    rows, columns = (np.linspace(0, side, aside + 1) for side in shape[:2])
    return [np.array([[rows[i], columns[j]], [rows[i + 1], columns[j + 1]]]) for i in range(aside) for j in range(aside)]


def seen_in_field(boxes: Boxes, labels: Labels, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What an eye sees in a part of the picture: labels that are no particle, and middles of particles without a label."""
    fits, _, edges, _ = in_boxes(boxes, labels)
    middles = (edges[:, :2] + edges[:, 2:]) / 2

    def inside(places: np.ndarray) -> np.ndarray:
        return ((places >= field[0]) & (places < field[1])).all(axis=1)

    numbers = np.unique(labels[labels > 0])
    return numbers[inside(middles) & ~fits.any(axis=1)], boxes[inside(boxes[:, :2]) & ~fits.any(axis=0), :2]


def add_at(
    labels: Labels, image: np.ndarray, foreground: np.ndarray, place: tuple[float, float], radius: float, drawn: bool = False
) -> None:
    """A click of *Add*, or a drag across, as the window does it."""
    y, x = (round(each) for each in place)
    if not (0 <= y < image.shape[0] and 0 <= x < image.shape[1]) or labels[y, x]:
        return
    reach = looked_at(radius, drawn=drawn)
    top, left = max(y - reach, 0), max(x - reach, 0)
    window = np.s_[top : y + reach + 1, left : x + reach + 1]
    try:
        found = outlined_at(
            image[window], (place[0] - top, place[1] - left), radius, foreground[window], drawn=drawn, taken=labels[window] > 0
        )
    except TemsegError:  # a sentence, and nothing is changed
        return
    rows, columns = polygon(*(found.path + np.array([top, left])).T, shape=labels.shape)
    free = labels[rows, columns] == 0
    labels[rows[free], columns[free]] = labels.max() + 1


def short_of(boxes: Boxes, labels: Labels) -> float:
    """F1 of the centres, less one."""
    told = box_score(boxes, labels)
    return 2 * told["hits"] / max(told["found"] + told["true"], 1) - 1


def off(labels: Labels, aim: float) -> float:
    """Relative error of the median diameter."""
    found = diameters(labels)
    return float(np.median(found)) / aim - 1 if len(found) else -1.0


def main() -> None:
    """Walk through the pictures and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs="+", default=["tio2", "emps", "catalysts"], choices=list(SETS))
    parser.add_argument("--pictures", type=int, default=3, help="of each set, spread over it")
    parser.add_argument("--model", default="particles")
    parser.add_argument("--most", type=int, default=160, help="gestures after which the person gives up")
    parser.add_argument("--within", type=float, default=0.05)
    args = parser.parse_args()
    model, needed = temseg.load(args.model), []
    print(f"{'picture':40}{'found':>9}{'end':>9}{'gestures':>10}{'within':>8}{'seconds':>9}", flush=True)
    for name in args.set:
        cases = SETS[name]()
        for case in cases[:: max(1, len(cases) // args.pictures)][: args.pictures]:
            errors, seconds = (walk_boxes if case.boxed else walk)(case, model, args.most)
            within = F1_WITHIN if case.boxed else args.within
            outside = [index for index, error in enumerate(errors) if not abs(error) <= within]
            first = outside[-1] + 2 if outside else 1  # gestures, the first of which is number 1
            needed.append(first if first <= len(errors) else np.inf)
            told = f"{first}" if first <= len(errors) else "never"
            print(f"{name + ' ' + case.name[:32]:40}{errors[1]:+9.1%}{errors[-1]:+9.1%}{len(errors):10}{told:>8}{seconds:9.1f}", flush=True)
    print(f"median gestures until D50 stays within {args.within:.0%}, F1 above {1 - F1_WITHIN:g}: {np.median(needed):g}")


if __name__ == "__main__":
    main()
