"""Offers what earlier starts kept of a picture, and puts it back: facts and strokes at once, particles by a job that measures them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_temseg.engine.types.annotations import default_name
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.results import BACKGROUND
from napari_temseg.engine.types.wording import day_and_time
from napari_temseg.widgets.autosave.autosaver import Autosaver, Earlier
from napari_temseg.widgets.autosave.particles import KeptParticles, ReadParticles
from napari_temseg.widgets.autosave.parts import KeptFacts, KeptStrokes, size_of
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.kit.greyed import allow
from napari_temseg.widgets.kit.offer import OfferBar
from napari_temseg.widgets.kit.style import button
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.history import RESTORED_STEP
from napari_temseg.widgets.session.item_measurement import named
from napari_temseg.widgets.session.regions import Regions
from napari_temseg.widgets.session.results.state import ResultState, commit, use_model_of
from napari_temseg.widgets.session.results.unmatched import UnmatchedQuestions

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class Restorer(QObject):
    """Brings back what the `Autosaver` of a session knows of. What was done since the picture was opened is not overwritten.

    `strokes_read` hands over a micrograph and the strokes that came back.
    """

    strokes_read = Signal(object, object)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.autosaver = session, session.part(Autosaver)
        self._waiting: list[Item] = []
        self._many = False
        session.jobs.changed.connect(self._next)
        session.closing.connect(self._waiting.clear)

    def restore(self, item: Item, *, paint: bool = True) -> None:
        """Bring back what is kept, with the brush in hand if `paint`; `TemsegError` when that has to wait."""
        jobs = self.session.jobs
        if KeptParticles in self.autosaver.earlier_work(item) and jobs.running:
            raise TemsegError(f"{item.name}: “{jobs.title}” is still running; restore when it is done, or cancel it.")
        found = self.autosaver.take(item)
        facts, strokes, particles = (found.get(kind) for kind in (KeptFacts, KeptStrokes, KeptParticles))
        if strokes is not None:
            read, alone = partial(_read, strokes, layers.shape(item.layer)), len(found) == 1
            jobs.later(read, partial(self._strokes, item, strokes, paint, alone))
        # Particles are measured with the facts, so these come first; what is wrong with them is no reason to go without the others.
        told = guarded(partial(self._facts, item, facts)) if facts is not None else []
        known = [] if facts is None or told is None else facts.told
        if particles is not None:
            self._start(item, particles, known, told or [])
        elif known:
            self._say(item, known, told)

    def restore_all(self) -> None:
        """Bring back what is kept of every open micrograph, one after another."""
        self._waiting[:], self._many = self.autosaver.items_with_earlier_work(), True
        self._next()

    def _next(self) -> None:
        while self._waiting and not self.session.jobs.running:
            item = self._waiting.pop(0)
            if item in self.session.items:
                guarded(partial(self.restore, item, paint=False))
        if self._many and not self._waiting and not self.session.jobs.running:
            self._many = False
            self._show_current()

    def _show_current(self) -> None:
        """Pixel sizes that came back moved the pictures: show the one in hand, all of it, and hide the others."""
        session = self.session
        if session.current is not None:
            session.reveal()
            session.put_tools_down(annotating=session.annotating)
            layers.fit(session.viewer, session.current.layer)

    def _say(self, item: Item, back: list[str], told: list[str]) -> None:
        self.session.say(" ".join([f"{item.name}: {', '.join(back)} restored.", *told]))

    # -- part by part

    def _strokes(self, item: Item, kept: KeptStrokes, paint: bool, alone: bool, labels: Any) -> None:
        if item not in self.session.items or item.annotation is not None:  # made meanwhile
            self.autosaver.offer(item, kept)
            return
        with self.autosaver.coming_back(item, kept):
            if isinstance(labels, TemsegError):
                raise labels
            hand = self.session.current
            self.strokes_read.emit(item, adopt_classes(self.session, kept.classes)[labels])
            if not (paint and self.session.annotating):  # the new layer was selected: take in hand what was, and show that
                self.session.set_current(hand)
                self.session.reveal()
                self.session.put_tools_down(annotating=self.session.annotating)
        if alone:
            self.session.say(f"The strokes of {item.name} from {day_and_time(kept.time)} are back.")

    def _facts(self, item: Item, kept: KeptFacts) -> list[str]:
        """Put back what is known of the picture; returns sentences on what that took the place of, or left alone."""
        session, told, opened = self.session, [], self.autosaver.records[item].opened
        with self.autosaver.coming_back(item, kept):
            if kept.axes and item.axes in ("", opened.axes) and kept.axes != item.axes:
                session.set_axes(item, kept.axes)
            if kept.sample is not None and item.sample == opened.sample:
                session.set_sample(item, kept.sample)
            if kept.calibration is not None and kept.calibration != item.calibration:
                old, new = size_of(item.calibration), size_of(kept.calibration)
                if item.calibration != opened.calibration:
                    told.append(f"The pixel size stays {old}, as it was set meanwhile; {new} was kept.")
                else:
                    if item.calibration.pixel_size is not None:
                        whence = f"({kept.calibration.origin}) took the place of {old} ({item.calibration.origin})"
                        told.append(f"The pixel size {new} {whence}.")
                    session.set_calibration([item], kept.calibration)
            if kept.search is not None and item.search is None:
                item.search = kept.search
                session.item_changed.emit(item, Change.SEARCH)
            if kept.regions:
                session.part(Regions).put_back(item, kept.regions)
            if kept.ignored and not item.ignored:
                session.set_ignored([item], True)
        return told

    def _start(self, item: Item, kept: KeptParticles, known: list[str], told: list[str]) -> None:
        """Have particles read and measured by a job; `known` is back already."""
        again = partial(self._failed, item, kept)
        try:
            self.session.part(Regions).put_back(item, ())  # of what was searched, that none is left out is somebody's word too
            image, renumber = item.micrograph(), adopt_classes(self.session, kept.classes)
            done = partial(self._particles, item, kept, known, told)
            self.session.jobs.start(f"Restoring {item.name}", lambda: kept.iter_read(image, renumber), done, failed=again)
        except TemsegError:
            again()
            raise

    def _failed(self, item: Item, kept: KeptParticles) -> None:
        self._waiting.clear()
        self.autosaver.offer(item, kept)

    def _particles(self, item: Item, kept: KeptParticles, known: list[str], told: list[str], read: ReadParticles) -> None:
        if item not in self.session.items:
            return
        particles, measurement = read.particles, read.measurement
        prediction = item.prediction
        if prediction is None or particles.origin is None or prediction.model_hash != particles.origin.model_hash:
            prediction = None  # what another model says would not fit
        else:  # another object, so that a split which the regions set off just now does not take the place of what comes back
            prediction = replace(prediction)
        # The picture may have been calibrated, or renamed, while its particles were measured.
        state = ResultState(
            prediction,
            replace(particles, prediction=prediction),
            named(measurement, item),
            kept.reviewed,
            read.found or {},
            restored=kept.corrections > 0 and read.found is None,
            unmatched=read.unmatched,
        )
        if particles.origin is not None and particles.origin.model:  # the image list names it
            self.session.model_names.setdefault(particles.origin.model_hash, particles.origin.model)
        with self.autosaver.coming_back(item, kept):
            self.session.part(UnmatchedQuestions)  # asks
            commit(self.session, item, state, RESTORED_STEP, corrections=kept.corrections)
        if particles.origin is not None:
            use_model_of(self.session, item, particles.origin.model_hash, particles.origin.model)
        self._say(item, [*kept.told, *known], [*told, *kept.otherwise(measurement)])


class RestoreBar(OfferBar):
    """What is kept, and whether it shall come back; while strokes are painted, they come with the brush in hand."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        self.session, self.autosaver, self.restorer = session, session.part(Autosaver), session.part(Restorer)
        tip = "Bring all of it back to this image. What was found since can be had again by Undo (step 4)."
        self.restore = button("Restore", tip, self._restore)
        self.all = button("", "Bring back what is kept of every open image.", self.restorer.restore_all)
        self.discard = button("Discard", "Delete for good what is kept of this image.", self._discard)
        super().__init__(parent, self.restore, self.all, self.discard)
        for signal in (self.autosaver.earlier_changed, session.current_changed, session.item_changed, session.jobs.changed):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Follow the micrograph in hand."""
        item = self.session.current
        earlier = self.autosaver.earlier_work(item) if item is not None else {}
        if not self.offer(_sentence(item, earlier) if item is not None else "") or item is None:
            return
        many, wait = len(self.autosaver.items_with_earlier_work()), self.session.jobs.wait
        self.all.setText(f"All {many}")
        self.all.setVisible(many > 1)
        allow(self.all, wait)
        allow(self.restore, wait if KeptParticles in earlier else "")

    def _restore(self) -> None:
        if self.session.current is not None:
            self.restorer.restore(self.session.current, paint=self.session.annotating)

    def _discard(self) -> None:
        if self.session.current is not None:
            self.autosaver.discard(self.session.current)


def _sentence(item: Item, earlier: Earlier) -> str:
    """What is kept, and that its pixel size is not that of the file."""
    if not earlier:
        return ""
    facts, said = earlier.get(KeptFacts), item.calibration
    kept = facts.calibration if facts is not None else None
    differs = f" (the image says {size_of(said)})" if kept is not None and said.pixel_size is not None and kept != said else ""
    told = ", ".join(part for each in earlier.values() for part in each.told)
    return f"Work of {day_and_time(max(each.time for each in earlier.values()))} is kept: {told}{differs}."


def adopt_classes(session: Session, names: Mapping[int, str]) -> npt.NDArray[np.uint8]:
    """Take classes from elsewhere into a session; returns the number here (uint8) by the number there.

    A number whose class has no name of its own here is renamed, one that means something else here becomes another number.
    """
    renumber = np.arange(256, dtype=np.uint8)
    for number, name in sorted(names.items()):
        here = session.classes.get(number)
        known = next((other for other, called in session.classes.items() if called == name), None)
        if known is not None:
            renumber[number] = known
        elif here is None or here == default_name(number):
            session.set_class(number, name)
        elif number > BACKGROUND:
            renumber[number] = max(session.classes) + 1
            session.set_class(max(session.classes) + 1, name)
    return renumber


def _read(strokes: KeptStrokes, shape: tuple[int, ...]) -> Any:
    """In the thread of chores, where an error would go to the log alone."""
    try:
        return strokes.labels(shape)
    except TemsegError as error:
        return error
