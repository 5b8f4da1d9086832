"""Puts kept work back on a micrograph: strokes and facts at once, particles by a job that measures them anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_temseg.engine.measure.descriptors import BETWEEN_PIXELS
from napari_temseg.engine.types.annotations import default_name
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.results import BACKGROUND
from napari_temseg.engine.types.wording import day_and_time
from napari_temseg.widgets.autosave.autosaver import Autosaver
from napari_temseg.widgets.autosave.strokes import SavedStrokes
from napari_temseg.widgets.autosave.work import SavedWork, iter_read, plural, size_of
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.jobs.runner import complain
from napari_temseg.widgets.session.history import RESTORED_STEP
from napari_temseg.widgets.session.item_measurement import named
from napari_temseg.widgets.session.regions import Regions
from napari_temseg.widgets.session.results.state import ResultState, commit, use_model_of

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
        session.closing.connect(self._stop)

    def restore(self, item: Item, *, paint: bool = True) -> None:
        """Bring back what is kept, with the brush in hand if `paint`; `TemsegError` when that has to wait."""
        earlier = self.autosaver.earlier_work(item)
        if earlier is not None and earlier.work is not None and earlier.work.particles is not None and self.session.jobs.running:
            raise TemsegError(f"{item.name}: “{self.session.jobs.title}” is still running; restore when it is done, or cancel it.")
        earlier = self.autosaver.restoring(item)
        if earlier is None:
            return
        if (strokes := earlier.strokes) is not None:
            read = partial(_read, strokes, layers.shape(item.layer))
            self.session.jobs.later(read, partial(self._strokes, item, strokes, paint))
        if earlier.work is not None:
            self._work(item, earlier.work)

    def restore_all(self) -> None:
        """Bring back what is kept of every open micrograph, one after another."""
        self._waiting, self._many = self.autosaver.items_with_earlier_work(), True
        self._next()

    def _next(self) -> None:
        while self._waiting and not self.session.jobs.running:
            item = self._waiting.pop(0)
            if item in self.session.items:
                self.restore(item, paint=False)
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

    def _strokes(self, item: Item, strokes: SavedStrokes, paint: bool, labels: Any) -> None:
        if isinstance(labels, TemsegError):
            raise labels
        if item not in self.session.items or item.annotation is not None:
            return
        renumber = adopt_classes(self.session, strokes.classes)
        self.autosaver.records[item].files[SavedStrokes].path = strokes.path
        hand = self.session.current
        self.strokes_read.emit(item, renumber[labels])
        if not paint:  # the new layer was selected: take in hand what was, and show that
            self.session.set_current(hand)
            self.session.reveal()
            self.session.put_tools_down(annotating=self.session.annotating)
        if not self.autosaver.records[item].restoring:
            self.session.say(f"The strokes of {item.name} from {day_and_time(strokes.time)} are back.")

    def _work(self, item: Item, work: SavedWork) -> None:
        told: list[str] = []
        try:
            told = self._facts(item, work)
            if work.particles is None:
                self._whole(item, work, told)
                return
            image, renumber = item.micrograph(), adopt_classes(self.session, work.classes)
            self.session.jobs.start(
                f"Restoring {item.name}",
                lambda: iter_read(work, image, renumber),
                partial(self._particles, item, work, told),
                failed=partial(self._failed, item, work),
            )
        except TemsegError as error:
            self.autosaver.restored(item, work, whole=False)
            complain(error, "restoring")

    def _stop(self) -> None:
        self._waiting.clear()

    def _failed(self, item: Item, work: SavedWork) -> None:
        self._stop()
        self.autosaver.restored(item, work, whole=False)

    def _facts(self, item: Item, work: SavedWork) -> list[str]:
        """Put back what is known of the picture; returns sentences on what that took the place of, or left alone."""
        session, told, opened = self.session, [], self.autosaver.records[item].opened
        if work.axes and item.axes in ("", opened.axes) and work.axes != item.axes:
            session.set_axes(item, work.axes)
        if work.sample is not None and item.sample == opened.sample:
            session.set_sample(item, work.sample)
        if work.calibration is not None and work.calibration != item.calibration:
            old, new = size_of(item.calibration), size_of(work.calibration)
            if item.calibration != opened.calibration:
                told.append(f"The pixel size stays {old}, as it was set meanwhile; {new} was kept.")
            else:
                if item.calibration.pixel_size is not None:
                    told.append(f"The pixel size {new} ({work.calibration.origin}) took the place of {old} ({item.calibration.origin}).")
                session.set_calibration([item], work.calibration)
        if work.regions or work.particles is not None:  # of what was searched, that none is left out is somebody's word too
            session.part(Regions).put_back(item, work.regions)
        if work.ignored and not item.ignored:
            session.set_ignored([item], True)
        return told

    def _particles(self, item: Item, work: SavedWork, told: list[str], result: tuple[Any, Any]) -> None:
        if item not in self.session.items:
            return
        particles, measurement = result
        prediction = item.prediction
        if prediction is None or particles.origin is None or prediction.model_hash != particles.origin.model_hash:
            prediction = None  # what another model says would not fit
        else:  # another object, so that a split which the regions set off just now does not take the place of what comes back
            prediction = replace(prediction)
        # The picture may have been calibrated, or renamed, while its particles were measured.
        state = ResultState(
            prediction, replace(particles, prediction=prediction), named(measurement, item), work.reviewed, restored=work.corrections > 0
        )
        commit(self.session, item, state, RESTORED_STEP, corrections=work.corrections)
        if work.redefined:
            told = [*told, f"Measured anew, as the definition has changed (version then → now): {', '.join(work.redefined)}."]
        lost = work.contours - int((measurement.table["estimator"] == BETWEEN_PIXELS).sum())
        if lost > 0:
            lengths = f"Ferets, rectangle and perimeter of {plural(lost, 'particle')}"
            told = [
                *told,
                f"{lengths} come from the mask now, not from the contour of what the model said, which is not kept: find anew for it.",
            ]
        self._whole(item, work, told)

    def _whole(self, item: Item, work: SavedWork, told: list[str]) -> None:
        self.autosaver.restored(item, work, whole=True)
        if item is self.session.current and item.particles is not None and item.particles.origin is not None:
            use_model_of(self.session, item.particles.origin.model_hash, item.particles.origin.model)
        self.session.say(" ".join([f"{item.name}: {', '.join(work.parts)} restored.", *told]))


def adopt_classes(session: Session, names: Mapping[int, str]) -> Any:
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


def _read(strokes: SavedStrokes, shape: tuple[int, ...]) -> Any:
    """In the thread of chores, where an error would go to the log alone."""
    try:
        return strokes.labels(shape)
    except TemsegError as error:
        return error
