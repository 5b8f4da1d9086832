"""Judges the sizes of the picture in hand beside the window, audits included, as the report will."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.audit.kept_audits import kept_audits
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.results.split_otherwise import SplitOtherwise
from napari_temseg.widgets.session.results.verdicts import Verdicts

if TYPE_CHECKING:
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.engine.measure.usability import Usability
    from napari_temseg.engine.types.results import Particles
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

_Judged = tuple[Sequence[tuple[str, "Usability"]], str]
SPELL = 150  # ms after the last change until it begins
_MATTERS = {Change.PARTICLES, Change.TABLE, Change.CALIBRATION, Change.OTHER_SPLITS, Change.REVIEW}


class Judge(QObject):
    """Has the picture in hand judged whenever what counts of it has changed, once it is known what the segmentation leaves open."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.verdicts, self.otherwise = session, session.part(Verdicts), session.part(SplitOtherwise)
        self._number = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SPELL)
        self._timer.timeout.connect(self._begin)
        session.item_changed.connect(self._item_changed)
        session.current_changed.connect(self._timer.start)
        session.closing.connect(self._timer.stop)

    def _item_changed(self, item: Item, what: Change) -> None:
        if item is self.session.current and what in _MATTERS:
            self._timer.start()

    def _begin(self) -> None:
        item = self.session.current
        if item is None:
            return
        splits = self.otherwise.of(item)
        if item.measurement is None or splits is None:  # nothing is known of what is shown now
            self.verdicts.note(item, ())
            return
        self._number += 1
        number, measurement = self._number, replace(item.measurement, other_splits=splits)
        particles = item.particles

        def work() -> _Judged:
            if number != self._number:
                return (), ""
            return judged(item, measurement), "" if particles is None else missed_polarity(particles, measurement)

        self.session.jobs.later(work, partial(self._take, number, item))

    def _take(self, number: int, item: Item, found: _Judged) -> None:
        if number == self._number and item in self.session.items:
            self.verdicts.note(item, *found)


def missed_polarity(particles: Particles, measurement: Measurement) -> str:
    """What the particles of a picture, or of the middle plane of a stack, are beside what is round them, where the model doubts so many
    that fainter ones are missed: "bright" or "dark"; else "".
    """
    from napari_temseg.engine.measure.pooling import unsure_share
    from napari_temseg.engine.measure.usability import DOUBTED
    from napari_temseg.engine.particles.standing_out import polarity_seen

    if unsure_share([measurement.table], faint=[measurement.faint]) < DOUBTED:
        return ""
    plane = particles.micrograph.n_planes // 2
    seen = polarity_seen(particles.micrograph.at(plane), particles.planes()[plane])
    return "" if seen == "auto" else seen


def judged(item: Item, measurement: Measurement) -> Sequence[tuple[str, Usability]]:
    """Whether the sizes of a picture can be used, of two populations each by its name; nothing where there are no particles that count."""
    from napari_temseg.api import size_distribution
    from napari_temseg.engine.measure.audit.carrying import audited
    from napari_temseg.engine.measure.calibrated import in_shown_unit
    from napari_temseg.engine.measure.samples.populations import populations_of

    (measurement,) = in_shown_unit([measurement])
    names = populations_of(measurement)
    try:
        sizes = {name: size_distribution([measurement], population=name) for name in names}
        known, audits = kept_audits([item], [measurement])
        sizes = audited(sizes, audits, known) if list(sizes) == [""] else sizes
    except TemsegError:  # step 4 tells it
        return ()
    return [(name, each.usability) for name, each in sizes.items() if len(measurement.table)]
