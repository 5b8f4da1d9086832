"""What strokes speak for, of a model before and after a training: what is mended of what they call wrong, against what else changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_temseg.engine.types.results import BACKGROUND, BAND, FIRST_CLASS
from napari_temseg.engine.types.wording import several

RIGHT_SHARE = 0.9  # of the pixels of a stroke on a particle, from which on the starting model is right there
WORTH_IT = 0.05  # that strokes must speak for a change at least (see `stroke_worth`)
AS_GOOD = 0.02  # by less than this half of what was learnt is no better than all of it
LEFT_TO_LOSE, LOST_BY_STROKE = 0.25, 3.0  # of the sure particles that no stroke contradicts, how many may be lost; or so many a stroke
MANY_WRONG = 6  # strokes on what the starting model gets wrong, from which on they speak for more than themselves
LIES_ON = 0.5  # share of a stroke on background that lies on particles, from which on it contradicts them

Classes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Spoken:
    """The share that is `mended` of what strokes called wrong (None: they called nothing wrong), that is `spoilt` of what they called
    right, and what changed `elsewhere` of all that was found."""

    mended: float | None
    spoilt: float
    elsewhere: float

    @property
    def heard(self) -> float:
        """What strokes speak for, whatever changed elsewhere."""
        return (self.mended or 0.0) - self.spoilt


def spoken(labels: Sequence[Classes], after: Sequence[Classes], before: Sequence[Classes]) -> Spoken:
    """What strokes (`labels`) say of a model by which classes (Y, X) are `after`, against one by which they are `before`.

    The share of the strokes' pixels that were wrong and are right now, the classes counting alike; the share that were right and are
    wrong now; and what changed elsewhere, of all that was found: particles that went, and those that came. These count the less the
    more of the strokes on missed particles are heard, as more were asked for; what went counts half where all strokes on wrong ones are.
    Strokes on what is right already thus never speak against a change. Where more than `MANY_WRONG` strokes lie on what was wrong, more of
    the same kind is, and what changed elsewhere counts the less the more there are.
    """
    told = np.zeros((2, 2, 2))  # was right, is right, foreground: pixels
    stayed = came = went = 0
    for drawn, now, then in zip(labels, after, before, strict=True):
        for foreground in (0, 1):
            here = drawn >= FIRST_CLASS if foreground else drawn == BACKGROUND
            np.add.at(told[..., foreground], ((then == drawn)[here].astype(int), (now == drawn)[here].astype(int)), 1)
        was, is_now = ((each >= FIRST_CLASS) & (drawn == 0) for each in (then, now))
        stayed, came, went = stayed + int((was & is_now).sum()), came + int((is_now & ~was).sum()), went + int((was & ~is_now).sum())
    wrong, right = told[0].sum(axis=0), told[1].sum(axis=0)
    mended, spoilt = told[0, 1] / np.maximum(wrong, 1), told[1, 0] / np.maximum(right, 1)
    elsewhere = (1 - mended[0] / 2) * went / max(stayed + went, 1) + (1 - mended[1]) * came / max(stayed + went + came, 1)
    elsewhere *= min(1.0, MANY_WRONG / max(_wrong(labels, before), 1))
    return Spoken(
        float(mended[wrong > 0].mean()) if wrong.any() else None, float(spoilt[right > 0].mean()) if right.any() else 0.0, float(elsewhere)
    )


def _wrong(labels: Sequence[Classes], before: Sequence[Classes]) -> int:
    """How many strokes lie mostly on what the model `before` says otherwise."""
    found = 0
    for drawn, then in zip(labels, before, strict=True):
        for foreground in (False, True):
            lines, count = ndimage.label((drawn >= FIRST_CLASS) if foreground else drawn == BACKGROUND, np.ones((3, 3)))
            here = np.asarray(ndimage.mean((then >= FIRST_CLASS) != foreground, lines, range(1, count + 1)))
            found += int((here >= LIES_ON).sum())
    return found


def stroke_worth(labels: Sequence[Classes], after: Sequence[Classes], before: Sequence[Classes]) -> float:
    """What strokes (`labels`) speak for the model `after` against that `before` (see `spoken`): 1 at most, 0 for no change."""
    said = spoken(labels, after, before)
    return said.heard - said.elsewhere


def best_way(labels: Sequence[Classes], ways: Sequence[Sequence[Classes]], before: Sequence[Classes]) -> int:
    """Which of `ways` strokes speak for, the first of those that are as good; their number where they speak for none."""
    worth = [-math.inf if loses_too_many(labels, way, before) else stroke_worth(labels, way, before) for way in ways]
    best = max(worth)
    return next(way for way, each in enumerate(worth) if each >= best - AS_GOOD) if best >= WORTH_IT else len(ways)


def sure_classes(said: npt.NDArray[np.float32], least: float) -> npt.NDArray[np.uint8]:
    """The classes (Y, X) of what a search would keep of probabilities (K, Y, X): pieces with a mean foreground probability of `least`."""
    classes = (said.argmax(axis=0) + BACKGROUND).astype(np.uint8)
    pieces, count = ndimage.label(classes >= FIRST_CLASS)
    mean = np.asarray(ndimage.mean(1 - said[0], pieces, range(1, count + 1)))
    return np.where(np.r_[True, mean >= least][pieces], classes, np.uint8(BACKGROUND))


@dataclass(frozen=True)
class Unasked:
    """Particles of which no stroke speaks: how many there were, of which so many are `lost`, and how many `came`; `wrong` counts the
    strokes on background that lie on a particle."""

    there: int
    lost: int
    came: int
    wrong: int

    @property
    def too_many_lost(self) -> bool:
        """A stroke on a wrong particle speaks for some that look like it: strokes on many may take all of what a model found."""
        return self.lost > max(LEFT_TO_LOSE * self.there, LOST_BY_STROKE * self.wrong)


def unasked(labels: Sequence[Classes], after: Sequence[Classes], before: Sequence[Classes]) -> Unasked:
    """Which particles of `before` (classes, Y, X) are none `after`, of those on which no stroke of `labels` says background, and which
    come where no stroke says particle, those left out that are smaller than a third of the others across."""
    there = lost = came = strokes = 0
    for drawn, now, then in zip(labels, after, before, strict=True):
        pieces, count = ndimage.label(then >= FIRST_CLASS)
        lines, drawn_on = ndimage.label(drawn == BACKGROUND, np.ones((3, 3)))
        wrong = np.r_[False, np.asarray(ndimage.mean(pieces > 0, lines, range(1, drawn_on + 1))) >= LIES_ON]
        strokes += int(wrong.sum())
        free = np.setdiff1d(np.arange(1, count + 1), pieces[wrong[lines]])
        there += len(free)
        lost += int(np.sum(np.asarray(ndimage.mean(now >= FIRST_CLASS, pieces, free)) < LIES_ON))
        least = np.median(np.bincount(pieces.ravel())[1:]) / BAND**2 if count else 0
        others, n = ndimage.label(now >= FIRST_CLASS)
        new = np.setdiff1d(np.flatnonzero(np.bincount(others.ravel()) >= least), np.r_[0, others[drawn >= FIRST_CLASS]])
        came += int(np.sum(np.asarray(ndimage.mean(then >= FIRST_CLASS, others, new)) < LIES_ON)) if n else 0
    return Unasked(there, lost, came, strokes)


def loses_too_many(labels: Sequence[Classes], after: Sequence[Classes], before: Sequence[Classes]) -> bool:
    """Whether too many of the particles of `before` are none `after` (see `unasked`)."""
    return unasked(labels, after, before).too_many_lost


def right_already(strokes: Classes, before: Classes) -> bool:
    """Whether a stroke (Y, X) on a particle lies where the model before (its classes, Y, X) finds one too, all but a rim."""
    on = strokes >= FIRST_CLASS
    numbers, count = ndimage.label(on, np.ones((3, 3)))
    shares = ndimage.mean(before == strokes, numbers, range(1, count + 1))
    return bool(np.any(np.asarray(shares) >= RIGHT_SHARE))


def why_not(labels: Sequence[Classes], after: Sequence[Classes], before: Sequence[Classes]) -> tuple[str, str]:
    """Why strokes do not speak for the model `after`, and what would help it, in few words."""
    said, changed = spoken(labels, after, before), unasked(labels, after, before)
    if said.mended is None:
        return "what you stroked was right already", "stroke what is wrong"
    if said.heard < WORTH_IT and not changed.too_many_lost:
        return "it learnt next to nothing of what you stroked as wrong", "stroke more of what is wrong in the same way"
    more = "more" if any(right_already(drawn, then) for drawn, then in zip(labels, before, strict=True)) else "some"
    right = f"stroke {more} particles that are right"
    lost, came = f"lose {changed.lost} of {several(changed.there, 'particle')}", several(changed.came, "new particle")
    if changed.lost and changed.came:
        way = right if changed.lost >= changed.came else f"{right}, and background where they would come"
        return f"it would {lost} and find {came} beside your strokes", way
    if changed.lost:
        return f"it would {lost} beside your strokes", right
    if changed.came:
        return f"it would find {came} beside your strokes", "stroke background there"
    return "it would change outlines beside your strokes", right
