"""Corrections by hand go over to the particles of a new search or split, where these still match.

Old and new particles that overlap form groups. A group in which somebody corrected something is taken over as it was left, when both
sides cover the same pixels well enough; else it does not match, and somebody has to decide. Until then outlines by hand stay as they were
left, as work is not lost without a word, while another thing that was found where something was deleted or excluded is there. Labels are
(Y, X) or (P, Y, X) and unique over the stack.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_temseg.engine.particles.label_changes import Ints, Mask, Patch, difference, new_id
from napari_temseg.engine.types.errors import TemsegError

SAME_PLACE = 0.5  # intersection over union from which on two outlines are of the same thing, as AP50 counts it
SHARED = 0.25  # of the smaller one: two particles that share more have to do with each other
Table = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Corrections:
    """What was done by hand: `labels` as they were left, and in `found` those planes (Y, X) that were corrected as the search left them.

    `reviewed` and `excluded` (with reasons) are labels; `classes` gives class numbers. Where `found` is None, nobody knows it any more:
    what was deleted is not known either, and reviewed ones that match no single new one count as corrected.
    """

    labels: Ints
    found: Mapping[int, Ints] | None
    excluded: Mapping[int, str] = field(default_factory=dict)
    reviewed: Collection[int] = ()
    classes: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Unmatched:
    """`count` corrections that do not match what was found, and are as they were left: the labels `mine` stand where the search or split
    has `found` ones (by its own labels). `met` are labels that were found where another thing was excluded, with its reason, or deleted,
    with "".
    """

    count: int
    mine: frozenset[int] = frozenset()
    found: frozenset[int] = frozenset()
    met: Mapping[int, str] = field(default_factory=dict)


@dataclass(eq=False)
class CarriedOver:
    """`patches` make the new labels what they are with the corrections; the flags are those of labels after that.

    `taken` is the number of corrected particles that match what is new, `clashing` are the old labels of those that do not: of outlines by
    hand, that are as they were left, `kept` are the labels of their groups after the patches, `displaced` the new ones that these take the
    place of, and `met` the new ones where something else was excluded (with its reason) or deleted ("").
    """

    patches: list[Patch] = field(default_factory=list)
    excluded: dict[int, str] = field(default_factory=dict)
    reviewed: list[int] = field(default_factory=list)
    classes: dict[int, int] = field(default_factory=dict)
    taken: int = 0
    clashing: set[int] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)
    displaced: set[int] = field(default_factory=set)
    met: dict[int, str] = field(default_factory=dict)
    drawn: int = 0  # of `clashing`, outlines that are as they were left
    lost: int = 0  # of `clashing`, those that hold no more

    @property
    def unmatched(self) -> Unmatched | None:
        """What somebody has to decide; None where all matches."""
        if not self.clashing:
            return None
        return Unmatched(self.drawn, frozenset(self.kept), frozenset(self.displaced), dict(self.met))


def carry_over(hand: Corrections, fresh: Ints) -> CarriedOver:
    """The corrections on the labels of a new search; `fresh` is not changed. `TemsegError` when the labels are of another shape."""
    if hand.labels.shape != fresh.shape:
        raise TemsegError(f"The corrections are of a picture of {hand.labels.shape}, not of {fresh.shape}; they cannot be carried over.")
    carried, next_id = CarriedOver(), new_id(fresh)
    frame = fresh.shape[-2:]
    pages = hand.labels.reshape(-1, *frame), fresh.reshape(-1, *frame)
    for plane, (old, new) in enumerate(zip(*pages, strict=True)):
        page = _Page.of(old, new, None if hand.found is None else hand.found.get(plane), hand)
        next_id = page.carry(carried, plane, next_id)
    return carried


def as_found(labels: Ints, found: Mapping[int, Ints], unmatched: Unmatched) -> tuple[list[Patch], dict[int, Ints]]:
    """What puts that in the place of unmatched corrections which was found there: patches, and `found` with labels that are free.

    `labels` may have been corrected since. Planes that are not in `found` stay.
    """
    patches, pages, next_id = [], dict(found), max(new_id(labels), *(new_id(page) for page in found.values()), 1)
    frame = labels.shape[-2:]
    for plane, page in enumerate(labels.reshape(-1, *frame)):
        was = found.get(plane)
        there = np.zeros(frame, bool) if was is None else np.isin(was, list(unmatched.found))
        own = np.isin(page, list(unmatched.mine)) if was is not None else there
        # What came of them by hand since lies there for the most part.
        area, within = (np.bincount(each, minlength=int(page.max(initial=0)) + 1) for each in (page.ravel(), page[there | own]))
        goes = within >= SAME_PLACE * np.maximum(area, 1)
        goes[0] = False
        rest = np.where(goes[page], 0, page)
        here = there & (rest == 0)
        if was is None or not (here.any() or goes.any()):
            continue
        used = np.intersect1d(np.unique(was[there]), np.unique(labels[~_at(goes[page], plane, labels)]))
        if len(used):
            number_of = np.arange(int(was.max()) + 1, dtype=was.dtype)
            number_of[used] = np.arange(next_id, next_id + len(used))
            next_id += len(used)
            was = pages[plane] = np.where(there, number_of[was], was)
        patch = difference(page, np.where(here, was, rest), plane)
        patches += [patch] if patch is not None else []
    return patches, pages


def _at(mask: Mask, plane: int, labels: Ints) -> Mask:
    """A mask of one plane as one of all."""
    if labels.ndim == 2:
        return mask
    whole = np.zeros(labels.shape, bool)
    whole[plane] = mask
    return whole


@dataclass(eq=False)
class _Page:
    """One plane: `old` labels, with deleted particles under numbers of their own from `first_deleted` on, and `new` ones."""

    hand: Corrections
    old: Ints
    new: Ints
    corrected: Mask  # by old label: pixels were changed, so that nothing but what was left will do
    first_deleted: int
    deleted_as: dict[int, int]  # number above → the label it had

    @classmethod
    def of(cls, old: Ints, new: Ints, base: Ints | None, hand: Corrections) -> _Page:
        top = int(old.max(initial=0)) + 1
        if base is None:
            return cls(hand, old, new, np.zeros(top, bool), top, {})
        changed = base != old
        gone = np.setdiff1d(base[changed], old)
        pixels = np.bincount(base.ravel(), minlength=int(base.max(initial=0)) + 1)
        empty = np.bincount(base[changed & (old == 0)], minlength=len(pixels))
        deleted = [int(number) for number in gone if number > 0 and empty[number] >= pixels[number] / 2]
        corrected = np.zeros(top + len(deleted), bool)
        touched = np.union1d(old[changed], np.setdiff1d(base[changed], gone))  # also what only lost pixels
        corrected[touched] = True
        corrected[top:] = True
        corrected[0] = False
        names = dict(enumerate(deleted, top))
        if deleted:
            number_of = np.zeros(len(pixels), old.dtype)
            number_of[deleted] = np.arange(top, top + len(deleted))
            old = np.where((old == 0) & (number_of[base] > 0), number_of[base], old)
        return cls(hand, old, new, corrected, top, names)

    def carry(self, carried: CarriedOver, plane: int, next_id: int) -> int:
        """Add this plane to what is carried over; returns the next free label."""
        one, other, shared = _overlaps(self.old, self.new)
        area, fresh_area = np.bincount(self.old.ravel(), minlength=len(self.corrected)), np.bincount(self.new.ravel())
        alike = shared >= SAME_PLACE * (area[one] + fresh_area[other] - shared)
        near = shared >= SHARED * np.minimum(area[one], fresh_area[other])
        group, fresh_group = _groups(one[near], other[near], len(area), len(fresh_area))
        n = int(max(group.max(), fresh_group.max())) + 1
        both = np.bincount(group[one], shared * (group[one] == fresh_group[other]), n)
        old_area, new_area = np.bincount(group[1:], area[1:], n), np.bincount(fresh_group[1:], fresh_area[1:], n)
        said = self._said(one[alike]) & (area > 0)
        # A particle that was only left out, and is not found any more, needs no word.
        met = (new_area > 0)[group] | self.corrected | np.isin(np.arange(len(area)), list(self.hand.reviewed if self._unknown else ()))
        said &= met
        concerned = np.zeros(n, bool)
        concerned[group[said]] = True
        fits = (new_area == 0) | (both >= SAME_PLACE * (old_area + new_area - both))
        take, clash = concerned & fits, concerned & ~fits
        drawn = said & (self.corrected | ~np.isin(np.arange(len(area)), list(self.hand.excluded)))
        drawn[self.first_deleted :] = False
        by_hand = np.zeros(n, bool)
        by_hand[group[drawn]] = True
        stays, aside = clash & by_hand, clash & ~by_hand
        carried.clashing.update(self._label(number) for number in np.flatnonzero(said & clash[group]))
        carried.taken += int((said & take[group]).sum())
        carried.drawn += int((drawn & stays[group]).sum())
        carried.lost += int((said & aside[group]).sum())
        number_of = self._take(carried, plane, next_id, (take | stays)[group] & (area > 0), (take | stays)[fresh_group])
        carried.kept.update(number_of[stays[group] & (number_of > 0)].tolist())
        carried.displaced.update(np.flatnonzero(stays[fresh_group] & (fresh_area > 0)).tolist())
        reason = {int(group[label]): why for label, why in self.hand.excluded.items() if label < self.first_deleted}
        new = np.flatnonzero(aside[fresh_group] & (fresh_area > 0)).tolist()
        carried.met.update({number: reason.get(int(fresh_group[number]), "") for number in new})
        free = ~concerned[group]
        self._pass_flags(carried, one[alike], other[alike], free)
        piece = (shared >= SAME_PLACE * fresh_area[other]) & free[one]
        self._pass_exclusions(carried, one[piece], other[piece])
        return max(next_id, int(number_of.max(initial=0)) + 1)

    @property
    def _unknown(self) -> bool:
        """Whether nobody knows any more what was found."""
        return self.hand.found is None

    def _said(self, matched: Table) -> Mask:
        """Labels of which somebody said something that the new particles do not know by themselves."""
        said = self.corrected.copy()
        soft = {*self.hand.excluded, *(self.hand.reviewed if self._unknown else ())} - set(matched.tolist())
        said[[number for number in soft if number < self.first_deleted]] = True
        return said

    def _label(self, number: Any) -> int:
        return self.deleted_as.get(int(number), int(number))

    def _take(self, carried: CarriedOver, plane: int, next_id: int, old_taken: Mask, new_taken: Mask) -> Ints:
        """Make the plane within the groups that are taken what it was; others keep their pixels. Returns new labels by old ones."""
        alive = np.flatnonzero(old_taken[: self.first_deleted])
        alive = alive[alive > 0]
        number_of = np.zeros(len(self.corrected), self.new.dtype)
        number_of[alive] = np.arange(next_id, next_id + len(alive))
        new_taken[0] = False
        old_taken[0] = False
        here = new_taken[self.new] | (old_taken[self.old] & (self.new == 0))
        after = np.where(here, number_of[self.old], self.new)
        patch = difference(self.new, after, plane)
        if patch is not None:
            carried.patches.append(patch)
        for label, number in zip(alive.tolist(), number_of[alive].tolist(), strict=True):
            self._flag(carried, label, number, whole=True)
        return number_of

    def _pass_flags(self, carried: CarriedOver, one: Table, other: Table, free: Mask) -> None:
        """Exclusions and reviews of particles that nobody corrected go to those of the same place."""
        for label, number in zip(one[free[one]].tolist(), other[free[one]].tolist(), strict=True):
            if label < self.first_deleted:
                self._flag(carried, label, number)

    def _pass_exclusions(self, carried: CarriedOver, one: Table, other: Table) -> None:
        """What lies for the most part in an excluded particle is a piece of it: it does not count either."""
        for label, number in zip(one.tolist(), other.tolist(), strict=True):
            if reason := self.hand.excluded.get(label, ""):
                carried.excluded.setdefault(number, reason)

    def _flag(self, carried: CarriedOver, label: int, number: int, *, whole: bool = False) -> None:
        hand = self.hand
        if reason := hand.excluded.get(label, ""):
            carried.excluded[number] = reason
        if label in hand.reviewed:
            carried.reviewed.append(number)
        if whole and label in hand.classes:
            carried.classes[number] = hand.classes[label]


def _overlaps(old: Ints, new: Ints) -> tuple[Table, Table, Floats]:
    """Pairs of labels that share pixels, and how many; counted by runs along the rows, of which there are few."""
    width = int(new.max(initial=0)) + 1
    code = np.where((old > 0) & (new > 0), old.astype(np.int64) * width + new, 0).ravel()
    start = np.flatnonzero(np.concatenate([[True], code[1:] != code[:-1]]))
    length = np.diff(np.concatenate([start, [code.size]]))
    pairs: Table
    pairs, index = np.unique(code[start], return_inverse=True)
    count = np.bincount(index, length)
    there = pairs > 0
    return pairs[there] // width, pairs[there] % width, count[there].astype(np.float64)


def _groups(one: Table, other: Table, n: int, m: int) -> tuple[Table, Table]:
    """The group of each old and of each new label."""
    graph = coo_array((np.ones(len(one), bool), (one, other + n)), shape=(n + m, n + m))
    group = connected_components(graph, directed=False)[1].astype(np.int64)
    return group[:n], group[n:]
