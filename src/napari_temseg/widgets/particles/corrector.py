"""Particles corrected by hand: every correction is a step that can be undone, and measures only what it changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject

from napari_temseg.engine.types.config import SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.canvas import brush, micrograph_layer, overlays
from napari_temseg.widgets.particles.marks import bring_into_view
from napari_temseg.widgets.particles.painted_edits import PaintedEdits
from napari_temseg.widgets.particles.painting_steps import Facts, Painting, StrokePart, dropped, enclosed, own_numbers, strayed, takes_back
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.history import Step
from napari_temseg.widgets.session.item_measurement import show_features
from napari_temseg.widgets.session.results.splitter import Splitter

if TYPE_CHECKING:
    from napari_temseg.engine.particles.label_changes import Patch
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

    _Patches = Sequence[Patch]

PAINTING = "painting"
_Ids = Collection[int]
_DONE = {  # what is said of a step when it is done
    "merging": "merged",
    "splitting": "split",
    "adding": "added",
    "deleting": "deleted",
    "excluding": "excluded",
    "counting": "counted",
    "painting": "painted",
    "marking": "marked",
    "taking": "took",
}


class Corrector(QObject):
    """Corrects the particles selected in the picture in hand. All of it raises `TemsegError` for what cannot be done."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.painted_edits = PaintedEdits(session, self._painted)
        self._warm = False
        self.sitting: tuple[Item, int] | None = None  # the redraw that goes on: whose particle, its number
        session.item_changed.connect(self._warm_up)

    # -- what a person asks for

    def merge(self) -> None:
        """Make the selected particles one."""
        from napari_temseg.engine.particles.edits import merge

        item, ids = self.picked("merge", 2)
        patch = merge(self.labels_of(item), self.plane_of(item, ids), ids)
        self._correct(item, [patch], f"merging {_count(ids)}", then=[min(ids)])

    def cut(self, line: npt.NDArray[np.float64]) -> None:
        """Cut every particle of the shown plane that a line (n, 2) in px crosses."""
        from napari_temseg.engine.particles.edits import cut

        item = self.measured_item()
        patch = cut(self.labels_of(item), self.session.shown_plane(item), line)
        self._correct(item, [patch], f"splitting {_count(np.unique(patch.before[patch.after != patch.before]))}", then=patch.ids())

    def particle_at(self, item: Item, place: npt.NDArray[np.float64]) -> int:
        """The particle of the shown plane at a place (y, x) in px; `TemsegError` where there is none."""
        page = item.found_particles().planes()[self.session.shown_plane(item)]
        y, x = (round(float(each)) for each in place)
        number = int(page[y, x]) if 0 <= y < page.shape[0] and 0 <= x < page.shape[1] else 0
        if not number:
            raise TemsegError("There is no particle: click on two centres inside one, or draw a line across it.")
        return number

    def part_at(self, centres: npt.NDArray[np.float64]) -> None:
        """Part the particle of the shown plane that holds two centres (n, 2) in px between them."""
        from napari_temseg.engine.particles.edits import part_at

        item = self.measured_item()
        plane = self.session.shown_plane(item)
        patch = part_at(self.labels_of(item), plane, centres, partial(micrograph_layer.window, item.layer, plane))
        self._correct(item, [patch], "splitting 1 particle", then=patch.ids())

    def split_these(self) -> None:
        """Split each selected particle where it is narrowest, by just the strength that it needs; one step."""
        from napari_temseg.engine.particles.doubts import split_more

        item, ids = self.picked("split")
        self.labels_of(item)
        found, config = item.found_particles(), self.session.part(Splitter).config_of(item)
        by_plane = {plane: [n for n in ids if self.plane_of(item, [n]) == plane] for plane in self._planes_of(item, ids)}
        done = [split_more(found, plane, part, config) for plane, part in by_plane.items()]
        patches, whole = [patch for patch, _ in done if patch is not None], [number for _, left in done for number in left]
        if not patches:
            raise TemsegError("Nothing in the selected particles is narrow enough to split at; draw a line across, or click two centres.")
        before = set(ids)
        pieces = {int(n) for patch in patches for n in patch.ids()}
        self._correct(item, patches, f"splitting {_count(before - set(whole))}", then=pieces)
        if whole:
            self.session.say(f"{item.name}: {_count(before - set(whole))} split; {_count(whole)} had no waist. Ctrl+Z or U takes it back.")

    def add(self, outline: npt.NDArray[np.float64], told: str = "") -> None:
        """A new particle on the shown plane within an outline (n, 2) in px; others keep their pixels. `told` is said of it."""
        from napari_temseg.engine.particles.edits import redraw
        from napari_temseg.engine.particles.label_changes import new_id

        item = self.measured_item()
        number = new_id(labels := self.labels_of(item))
        patch = redraw(labels, self.session.shown_plane(item), number, outline, item.found_particles().micrograph.valid)
        self._correct(item, [patch], "adding 1 particle", then=[number], told=f" {told}".rstrip())

    def enclosed(self, item: Item, path: npt.NDArray[np.float64]) -> frozenset[int]:
        """The particles of the shown plane whose centres lie within a path (n, 2) in px."""
        from skimage.measure import points_in_poly

        if item.measurement is None or len(path) < 3:
            return frozenset()
        table = item.measurement.table
        rows = table[table["plane"] == self.session.shown_plane(item)]
        inside = points_in_poly(rows[["centroid_y_px", "centroid_x_px"]].to_numpy(float), path)
        return frozenset(rows.loc[inside, "particle"].astype(int))

    def delete(self) -> None:
        """Turn the selected particles into background."""
        from napari_temseg.engine.particles.edits import delete
        from napari_temseg.engine.types.populations import without

        item, ids = self.picked("delete")
        by_plane = {plane: [n for n in ids if self.plane_of(item, [n]) == plane] for plane in self._planes_of(item, ids)}
        labels, particles = self.labels_of(item), item.found_particles()
        patches = [delete(labels, plane, part, without(particles, plane, part)) for plane, part in by_plane.items()]
        self._correct(item, patches, f"deleting {_count(ids)}", then=[], meant=ids)

    def exclude(self, reason: str) -> None:
        """Leave the selected particles out of the distribution; "" counts them again."""
        item, ids = self.picked("exclude" if reason else "count again")
        before = {n: old for n, old in Facts.of(item, ids).excluded.items() if old != reason}
        if not before:
            raise TemsegError("The selected particles are excluded for that reason already." if reason else "They all count already.")
        name = f"excluding {_count(before)} ({reason})" if reason else f"counting {_count(before)} again"
        self._flag(item, name, before, dict.fromkeys(before, reason))

    def undo(self) -> None:
        """Take the newest correction, split or search back; of a redraw that goes on its last stroke."""
        self._step(item := self.measured_item(), partial(self._back, item), "Undone: {}. Ctrl+Shift+Z or Shift+U does it again.")

    def _back(self, item: Item) -> str:
        newest = item.history.newest
        return item.history.undo(part=isinstance(newest, Painting) and newest.sitting is not None and newest.sitting is self.sitting)

    def redo(self) -> None:
        """Do again what was undone last, which may be the first search."""
        item = current if (current := self.session.current) is not None and current.history.redoable else self.measured_item()
        self._step(item, item.history.redo, "Done again: {}.")

    def _step(self, item: Item, action: Callable[[], str], sentence: str) -> None:
        self.session.settle(item)
        before = item.measurement
        if name := action():
            if item.particles_layer is not None:
                brush.forget_history(item.particles_layer)  # napari's own knows the pixels of before this
            bring_into_view(self.session, item, before)
            self.session.say(sentence.format(name))

    def review_all(self, item: Item, on: bool) -> None:
        """Mark a picture as looked at, with all its particles, or as not."""
        before = Facts.of(item, self._all(item)).reviewed
        undo = partial(self._set_reviewed, item, before, item.reviewed)
        redo = partial(self._set_reviewed, item, self._all(item) if on else before, on)
        name = "marking all as reviewed" if on else "taking the review back"
        item.history.add(Step(name, undo, redo, corrects=False))
        redo()
        self._say_done(item, name)

    def reviewed(self, item: Item) -> frozenset[int]:
        """The particles that somebody has looked at."""
        return frozenset(Facts.of(item, self._all(item)).reviewed)

    def mark_reviewed(self, item: Item, ids: Collection[int], *, on: bool = True) -> None:
        """Mark particles as looked at, or as not; the picture is when all of them are. A step for those that were otherwise."""
        before, meant = self.reviewed(item), frozenset(map(int, ids)) & self._all(item)
        after = before | meant if on else before - meant
        if after == before:
            return
        undo = partial(self._set_reviewed, item, before, item.reviewed)
        redo = partial(self._set_reviewed, item, after, on and (item.reviewed or after == self._all(item)))
        name = f"review of {_count(after - before)}" if on else "taking the review back"
        item.history.add(Step(name, undo, redo, corrects=False))
        redo()

    # -- how it is done

    def _warm_up(self, item: Item, what: Change) -> None:
        """Load beside the window what the first correction needs."""
        if what == Change.PARTICLES and not self._warm:
            self._warm = True
            self.session.jobs.later(partial(import_module, "napari_temseg.engine.particles.edits"))
            self.session.jobs.later(partial(import_module, "napari_temseg.engine.particles.remeasure"))

    def measured_item(self) -> Item:
        """The picture in hand; `TemsegError` when it has no measured particles."""
        item = self.session.current
        if item is None:
            raise TemsegError("No image is open: drop micrographs onto the window, or choose File ▸ Open.")
        if item.particles is None or item.measurement is None:
            raise TemsegError(f"{item.name}: there are no particles yet; find them first (step 2).")
        return item

    def with_layer(self) -> tuple[Item, Any]:
        """The picture in hand and the layer of its particles."""
        item = self.session.need_seen(self.measured_item())
        if item.particles_layer is None:
            raise TemsegError(f"{item.name}: its particles layer was removed; find particles again (step 2).")
        return item, item.particles_layer

    def picked(self, what: str, least: int = 1) -> tuple[Item, frozenset[int]]:
        """The item and its selected particles, after the last strokes were taken in."""
        item = self.measured_item()
        self.session.settle(item)
        ids = self.session.selected & self._all(item)
        if len(ids) < least:
            wanted = "a particle" if least == 1 else f"{least} particles or more (Shift adds)"
            raise TemsegError(f"{item.name}: click {wanted} to {what} in the picture or in the table first.")
        return item, ids

    def _all(self, item: Item) -> frozenset[int]:
        return frozenset(item.particles.table.index.astype(int).tolist()) if item.particles is not None else frozenset()

    def labels_of(self, item: Item) -> npt.NDArray[np.int32]:
        """The labels, with the last strokes in the table; the layer shows this very array, on a picture that is seen."""
        self.session.settle(self.session.need_seen(item))
        labels = item.found_particles().labels
        if item.particles_layer is not None and item.particles_layer.data is not labels:
            raise TemsegError(f"{item.name}: its particles are being found or split just now; wait until that is done.")
        return labels

    def _planes_of(self, item: Item, ids: Collection[int]) -> list[int]:
        planes = item.found_particles().table["plane"]
        return sorted({int(planes[number]) for number in ids})

    def plane_of(self, item: Item, ids: Collection[int]) -> int:
        """The one plane of a stack on which particles lie."""
        planes = self._planes_of(item, ids)
        if len(planes) > 1:
            raise TemsegError(f"{item.name}: the selected particles lie on planes {planes}; select those of one plane.")
        return planes[0]

    def _correct(
        self, item: Item, patches: _Patches, name: str, *, then: _Ids = (), raw: Patch | None = None, told: str = "", meant: _Ids = ()
    ) -> None:
        """Make a change and remember it, with the selection before it and `then`; a stroke (`raw`) selects nothing else.

        Whoever corrects a particle has looked at it; excluded ones stay so if only painted on. Where some are `meant`, others keep both.
        """
        picked, chosen = self.session.selected, frozenset(map(int, then))
        ids = {int(number) for patch in patches for number in patch.ids()}
        before = Facts.of(item, ids, patches)
        self._keep_found(item, patches, painted=raw is not None)
        self._replay(item, patches, before.after_correction(ids, frozenset(meant or ids), painted=raw is not None))
        back, again = [patch.inverse() for patch in reversed(patches)], Facts.of(item, ids, patches)
        if raw is None:
            undo, redo = partial(self._replay, item, back, before, picked), partial(self._replay, item, patches, again, chosen)
            item.history.add(Step(name, undo, redo))
            self.session.select(chosen)
        else:
            self._add_stroke(item, name, StrokePart(patches, before, again, raw))
        self._say_done(item, name, told)
        if raw is None and item.particles_layer is not None:
            brush.forget_history(item.particles_layer)  # napari's own undo would bring back pixels of before this

    def _say_done(self, item: Item, name: str, told: str = "") -> None:
        """“grid: split 1 particle. Ctrl+Z or U takes it back.” of the step “splitting 1 particle”."""
        first, *others = name.split(" ")
        self.session.say(f"{item.name}: {' '.join([_DONE.get(first, first), *others])}.{told} Ctrl+Z or U takes it back.")

    def _add_stroke(self, item: Item, name: str, part: StrokePart) -> None:
        """Remember a stroke: the strokes of one redraw are one step."""
        layer, newest = item.particles_layer, item.history.newest
        number = brush.painted_number(layer) if layer is not None else None
        sitting = self.sitting if self.sitting is not None and self.sitting[0] is item and number in (None, 0, self.sitting[1]) else None
        earlier: tuple[StrokePart, ...] = ()
        if sitting is not None and isinstance(newest, Painting) and newest.sitting is sitting:
            earlier = newest.parts
            item.history.drop()
        self._add_painting(item, name, (*earlier, part), sitting)

    def close_outline(self, item: Item, number: int) -> None:
        """Fill what the strokes of the redraw that goes on enclose, as part of their step."""
        newest = item.history.newest
        if isinstance(newest, Painting) and newest.sitting is self.sitting and (patch := enclosed(item, newest.parts, number)) is not None:
            self._correct(item, [patch], PAINTING, raw=patch, told=" What the outline encloses was filled.")
            if item.particles_layer is not None:
                brush.forget_history(item.particles_layer)

    def _add_painting(self, item: Item, name: str, parts: tuple[StrokePart, ...], sitting: object) -> None:
        item.history.add(Painting.of(name, partial(self._replay, item), parts, sitting))

    def _keep_found(self, item: Item, patches: Sequence[Patch], *, painted: bool) -> None:
        """Remember the planes as they were before their first correction: a new search knows the corrections by that."""
        pages = item.found_particles().planes()
        for patch in patches:
            if patch.plane not in item.found:
                page = pages[patch.plane].copy()
                if painted:  # the brush was quicker
                    page[patch.rows, patch.columns] = patch.before
                item.found = {**item.found, patch.plane: page}

    def _replay(self, item: Item, patches: Sequence[Patch], facts: Facts, picked: frozenset[int] | None = None) -> None:
        """Change pixels and what is known of particles; `picked` are selected then, by default those that were and are still there."""
        from napari_temseg.engine.measure.measurement import with_flags
        from napari_temseg.engine.particles.remeasure import corrected, remeasure

        particles, measurement = item.particles, item.measurement
        if particles is None or measurement is None:
            return
        for patch in patches:
            self._write(item, patch)
            self.painted_edits.accept(item, patch)
            particles = corrected(particles, patch, facts.classes, facts.populations, facts.standing)
            measurement = remeasure(measurement, particles, patch)
        measurement = measurement if facts.rows is None else facts.rows.put_into(measurement)
        alive = set(particles.table.index)
        excluded, reviewed = {n: reason for n, reason in facts.excluded.items() if n in alive}, [n for n in facts.reviewed if n in alive]
        item.particles, item.measurement = particles, with_flags(measurement, excluded, reviewed)
        show_features(item)
        if item is self.session.current:
            self.session.select((self.session.selected if picked is None else picked) & alive)
        self.session.item_changed.emit(item, Change.PARTICLES)

    def _write(self, item: Item, patch: Patch) -> None:
        layer = item.particles_layer
        if layer is not None and item.particles is not None and layer.data is item.particles.labels:
            overlays.write(layer, patch.plane, patch.rows, patch.columns, patch.after)

    def _painted(self, item: Item, raw: Patch, before: npt.NDArray[np.int32]) -> None:
        """Pixels changed by napari's own tools become a step, or take one back when its own undo did."""
        from napari_temseg.engine.particles.edits import tidy
        from napari_temseg.engine.particles.label_changes import difference, page_of

        labels, newest = item.found_particles().labels, item.history.newest
        page = page_of(labels, raw.plane)
        if isinstance(newest, Painting) and newest.parts and takes_back(page, raw, newest.parts[-1].raw):
            item.history.undo(part=True)  # napari's own undo took the last stroke back
            if item.particles_layer is not None:
                brush.forget_undone(item.particles_layer)  # its own redo knows nothing of what else is undone
            return
        for change in (left_out := strayed(item, raw), own := own_numbers(item, raw)):
            if change is not None:
                self._write(item, change)
        least = np.pi / 4 * float(item.found_particles().settings.get("min_diameter", SplitConfig().min_diameter)) ** 2
        order = tidy(labels, raw.plane, np.union1d(raw.ids(), [] if own is None else own.ids()).astype(int), least)
        if order is not None:
            self._write(item, order)
        total = difference(before, page, raw.plane)
        told = dropped(order) + ("" if left_out is None else " Nothing is painted in regions that are left out.")
        if total is not None:
            self._correct(item, [total], PAINTING, raw=raw, told=told)
        elif told:
            self.session.say(f"{item.name}:{told}")

    def _flag(self, item: Item, name: str, before: Mapping[int, str], after: Mapping[int, str]) -> None:
        step = partial(self._set_flags, item)
        item.history.add(Step(name, partial(step, before), partial(step, after)))
        step(after)
        self._say_done(item, name)

    def _set_flags(self, item: Item, excluded: Mapping[int, str], reviewed: Collection[int] = (), unreviewed: Collection[int] = ()) -> None:
        from napari_temseg.engine.measure.measurement import with_flags

        if item.measurement is not None:
            item.measurement = with_flags(item.measurement, excluded, reviewed, unreviewed)
            show_features(item)
            self.session.item_changed.emit(item, Change.TABLE)

    def _set_reviewed(self, item: Item, ids: Collection[int], on: bool) -> None:
        """Mark just these particles as looked at, and the picture."""
        everything = self._all(item)
        seen = frozenset(ids) & everything
        item.reviewed = on
        self._set_flags(item, {}, seen, everything - seen)
        self.session.item_changed.emit(item, Change.REVIEW)


def _count(ids: Collection[Any]) -> str:
    return f"{len(ids)} particle{'s' if len(ids) != 1 else ''}"
