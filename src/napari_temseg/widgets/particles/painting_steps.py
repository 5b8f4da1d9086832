"""What a brush did to particles, as steps that can be taken back: one for all strokes of a redraw."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.confidence import STANDING_OUT
from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.session.history import Step

if TYPE_CHECKING:
    from napari_temseg.engine.particles.kept_contours import KnownRows
    from napari_temseg.engine.particles.label_changes import Patch
    from napari_temseg.widgets.session.item import Item


@dataclass(frozen=True)
class Facts:
    """What labels alone do not tell of some particles: class numbers, reasons for leaving out, who was looked at, populations, and how far
    they stand out of the picture.

    `rows` are theirs, and of those beside them, where what the model said is not at hand any more.
    """

    classes: Mapping[int, int]
    excluded: Mapping[int, str]
    reviewed: Collection[int]
    populations: Mapping[int, str] = field(default_factory=dict)
    standing: Mapping[int, float] = field(default_factory=dict)
    rows: KnownRows | None = None

    @classmethod
    def of(cls, item: Item, ids: Collection[int], patches: Sequence[Patch] = ()) -> Facts:
        """As they are now, of those of `ids` that exist, and the rows that `patches` have measured anew."""
        from napari_temseg.engine.particles.kept_contours import KnownRows
        from napari_temseg.engine.particles.remeasure import measured_anew

        if item.measurement is None:
            raise TemsegError(f"{item.name}: its particles are not measured yet; find them again (step 2).")
        own, table = item.found_particles().table, item.measurement.table
        anew = {*ids, *(number for patch in patches for number in measured_anew(item.found_particles(), patch).tolist())}
        known = own[own.index.isin(ids)]
        rows = table[table["particle"].isin(ids)]
        return cls(
            dict(zip(known.index.astype(int), known["class_id"].astype(int), strict=True)),
            dict(zip(rows["particle"].astype(int), rows["excluded"], strict=True)),
            rows.loc[rows["reviewed"], "particle"].astype(int).tolist(),
            dict(zip(known.index.astype(int), known["population"], strict=True)) if "population" in known else {},
            dict(zip(known.index.astype(int), known[STANDING_OUT], strict=True)) if STANDING_OUT in known else {},
            None if item.prediction is not None else KnownRows.of(item.measurement, anew),
        )

    def after_correction(self, ids: Collection[int], meant: Collection[int], *, painted: bool) -> Facts:
        """What holds of `ids` after these facts were before: those that are `meant` were looked at, and count again unless they were only
        painted on; others that gain pixels, such as what lies beneath, stay as they were said to be."""
        kept = {n: reason for n, reason in self.excluded.items() if reason and (painted or n not in meant)}
        return Facts({}, kept, [n for n in ids if n in meant or n in self.reviewed])


@dataclass(frozen=True, eq=False)
class StrokePart:
    """One stroke: `raw` is what the brush did, `patches` with what was put in order after it."""

    patches: Sequence[Patch]
    before: Facts
    after: Facts
    raw: Patch


Replay = Callable[[Sequence["Patch"], Facts], None]


@dataclass(frozen=True)
class Painting(Step):
    """A step of painting: all strokes of one redraw, or one stroke of a brush that was taken in napari."""

    parts: tuple[StrokePart, ...] = ()
    sitting: object = None  # the redraw it belongs to
    replay: Replay | None = None

    @classmethod
    def of(cls, name: str, replay: Replay, parts: tuple[StrokePart, ...], sitting: object) -> Painting:
        """The step of some strokes that are there; `replay` changes pixels and what is known of the particles."""

        def undo() -> None:
            for part in reversed(parts):
                replay([patch.inverse() for patch in reversed(part.patches)], part.before)

        def redo() -> None:
            for part in parts:
                replay(part.patches, part.after)

        return cls(name, undo, redo, parts=parts, sitting=sitting, replay=replay)

    def parted(self) -> tuple[Painting | None, Step]:
        """The strokes but the last, and the last."""
        if len(self.parts) < 2 or self.replay is None:
            return None, self
        again = partial(self.of, self.name, self.replay)
        return again(self.parts[:-1], self.sitting), again(self.parts[-1:], self.sitting)

    def joined(self, later: Step) -> Step | None:
        """With a stroke of the same redraw."""
        if not isinstance(later, Painting) or self.replay is None or self.sitting is None or later.sitting is not self.sitting:
            return None
        return self.of(self.name, self.replay, (*self.parts, *later.parts), self.sitting)


def dropped(order: Patch | None) -> str:
    """What went when a stroke was put in order, for people."""
    from scipy import ndimage

    gone = 0 if order is None else int(ndimage.label((order.before > 0) & (order.after == 0), np.ones((3, 3)))[1])
    return f" {gone} piece{'s' if gone != 1 else ''} under the smallest size {'were' if gone != 1 else 'was'} dropped." if gone else ""


def strayed(item: Item, raw: Patch) -> Patch | None:
    """What a stroke painted where the picture is left out, taken back; None where it kept off."""
    from napari_temseg.engine.particles.label_changes import page_of

    particles = item.found_particles()
    if particles.micrograph.valid is None:
        return None
    before = page_of(particles.labels, raw.plane)[raw.rows, raw.columns].copy()
    out = ~particles.micrograph.valid[raw.rows, raw.columns] & (raw.after > 0) & (raw.after != raw.before)
    return replace(raw, before=before, after=np.where(out, raw.before, before)) if out.any() else None


def own_numbers(item: Item, raw: Patch) -> Patch | None:
    """New numbers for pixels painted with that of a particle on another plane: labels are unique over a stack."""
    from napari_temseg.engine.particles.label_changes import new_id, page_of

    particles = item.found_particles()
    labels, planes = particles.labels, particles.table["plane"]
    strange = [number for number in raw.ids() if number in planes.index and planes[number] != raw.plane]
    if not strange:
        return None
    before = page_of(labels, raw.plane)[raw.rows, raw.columns].copy()
    after = before.copy()
    for fresh, number in enumerate(strange, new_id(labels)):
        after[before == number] = fresh
    return replace(raw, before=before, after=after)


def enclosed(item: Item, parts: Sequence[StrokePart], number: int) -> Patch | None:
    """What fills a particle whose outline the strokes of a redraw traced, where holes are filled at all; None where nothing is enclosed."""
    from napari_temseg.engine.particles.edits import fill_traced
    from napari_temseg.engine.particles.label_changes import page_of

    particles = item.found_particles()
    plane = parts[-1].raw.plane
    if not particles.settings.get("fill_holes", SplitConfig().fill_holes):
        return None
    before = page_of(particles.labels, plane).copy()
    erased = np.zeros(before.shape, bool)
    for part in reversed([part for part in parts if part.raw.plane == plane]):
        for patch in reversed(part.patches):
            patch.revert(before)
        erased[part.raw.rows, part.raw.columns] |= (part.raw.before > 0) & (part.raw.after == 0)
    return fill_traced(particles.labels, plane, number, before, erased, particles.micrograph.valid)


def takes_back(page: npt.NDArray[np.integer[Any]], change: Patch, stroke: Patch) -> bool:
    """Whether a change put all pixels of an earlier stroke back, and touched no others."""
    if change.plane != stroke.plane:
        return False
    was = stroke.before != stroke.after
    touched = np.zeros(page.shape, bool)
    touched[change.rows, change.columns] = change.before != change.after
    touched[stroke.rows, stroke.columns] &= ~was
    return not touched.any() and bool((page[stroke.rows, stroke.columns] == stroke.before)[was].all())
