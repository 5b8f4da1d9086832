"""Which measurements are looked at together, and their figures, worked out beside the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from qtpy.QtCore import QObject, QTimer, Signal

from napari_temseg.api import size_distribution
from napari_temseg.engine.measure.calibrated import in_shown_unit
from napari_temseg.engine.measure.descriptors import readable
from napari_temseg.engine.measure.fits import ShownFit
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.wording import FEWEST, d50_words
from napari_temseg.widgets.audit.kept_audits import kept_audits
from napari_temseg.widgets.jobs.runner import complain
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.results.split_otherwise import SplitOtherwise

if TYPE_CHECKING:
    from napari_temseg.engine.measure.audit.carrying import Audit
    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

    Audits = Callable[[], tuple[Sequence[Measurement], Sequence[Audit]]]

SCOPES = ("this image", "this sample", "all images")
STALE = 300  # ms that figures of the images before may stand while those of others are worked out
MOST_SAMPLES = 6  # lines on samples, and on comparisons, that there is room for
_MATTERS = {Change.PARTICLES, Change.TABLE, Change.CALIBRATION, Change.SAMPLE, Change.IGNORED, Change.NAME}
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PopulationFigures:
    """One of two populations ("" where pictures of one size are looked at beside them).

    Its `summary`, `of_column` and `curve` are as of a `PooledDistribution`; `shares` of both by number, area and volume.
    """

    name: str
    summary: dict[str, Any]
    of_column: dict[str, Any]
    curve: ShownFit
    shares: dict[str, float | None] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name or "of one size"


@dataclass(frozen=True, eq=False)
class PooledDistribution:
    """What plots and sentences show of some measurements.

    `values` (n,) of `column` belong to `image` and `particle` (n,); `weights` correct for the frame and sum to n, `volumes` take each for
    a sphere of its diameter. Particles that touch the frame or are excluded are not among them. `summary` is that of the diameter,
    `of_column` that of the column if it is a length,
    `curve` what is drawn over the bars of it, or why nothing is. `obstacle` says why there are none. Of two populations there is
    no summary of all: `population` (n,) tells that of each value, `populations` has a `PopulationFigures` for each. `waiting` is True
    while what the segmentation leaves open of the sizes is being worked out. `samples` are lines on each of several samples, and on one
    against another, `twice` pictures that are left out as another of the same content counts, `unsplit` those kept at an earlier start
    before it was worked out what another splitting gives.
    """

    column: str = ""
    unit: str = ""
    title: str = ""
    values: Floats = field(default_factory=lambda: np.zeros(0))
    weights: Floats = field(default_factory=lambda: np.zeros(0))
    volumes: Floats = field(default_factory=lambda: np.zeros(0))
    image: Any = ()
    particle: Any = ()
    summary: dict[str, Any] = field(default_factory=dict)
    of_column: dict[str, Any] = field(default_factory=dict)
    curve: ShownFit = field(default_factory=ShownFit)
    obstacle: str = ""
    population: Any = ()
    populations: tuple[PopulationFigures, ...] = ()
    waiting: bool = False
    samples: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    unsplit: tuple[str, ...] = ()

    def drawn(self, population: PopulationFigures | None = None, *, by_volume: bool) -> ShownFit:
        """What is drawn over the bars, or over those of a population; of volumes a curve is known of diameters alone."""
        shown = self.curve if population is None else population.curve
        if by_volume and shown.curve is not None and not self.column.startswith("ecd_"):
            return ShownFit(why="fitted to numbers alone")
        return shown

    @property
    def summaries(self) -> dict[str, dict[str, Any]]:
        """The summary of the diameters, of two populations that of each by its title; {} where there is none."""
        found = {"": self.summary} | {each.title: each.summary for each in self.populations}
        return {title: summary for title, summary in found.items() if summary}


class Pool(QObject):
    """The measurements of this image, of its sample or of all images.

    `table` holds their rows, in the unit in which people read them (`calibrated.shown_unit`), as the figures are; `table_changed` comes
    soon after every change, `distribution_changed` when the figures are worked out.
    """

    table_changed = Signal()
    distribution_changed = Signal()
    scope_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.otherwise = session, session.part(SplitOtherwise)
        self.scope, self.column = SCOPES[0], "ecd"
        self.table: pd.DataFrame | None = None
        self.distribution = PooledDistribution()
        self.busy = False
        self._shown: tuple[str, list[Item]] = (self.scope, [])  # whose rows are in the table
        self._number = 0
        self._of: list[Item] = []  # what the figures are of
        self._stale = QTimer(self)
        self._stale.setSingleShot(True)
        self._stale.setInterval(STALE)
        self._stale.timeout.connect(self._let_go)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(40)
        self._timer.timeout.connect(self.refresh)
        session.item_changed.connect(self._item_changed)
        for signal in (session.items_changed, session.current_changed):
            signal.connect(self._timer.start)
        self.otherwise.changed.connect(self._timer.start)
        for timer in (self._timer, self._stale):
            session.closing.connect(timer.stop)
        self.refresh()

    @property
    def items(self) -> list[Item]:
        """The measured micrographs looked at together, each content once."""
        current = self.session.current
        if self.scope == SCOPES[0] or current is None:
            return [current] if current is not None and current.measurement is not None else []
        everything = self.scope == SCOPES[2]
        # Images whose sample nobody named may be of anything.
        same = [item for item in self.session.items if everything or item is current or (item.sample and item.sample == current.sample)]
        there = [item for item in same if item.measurement is not None and not item.ignored]  # whatever is in hand
        first = {_content(item): item for item in reversed(there)}
        return [item for item in there if first[_content(item)] is item]

    @property
    def twice(self) -> tuple[str, ...]:
        """Names of those whose content is that of another which counts."""
        if self.scope == SCOPES[0]:
            return ()
        counted = {_content(item): item for item in self.items}
        return tuple(i.name for i in self.session.items if i.measurement is not None and counted.get(_content(i), i) is not i)

    @property
    def unsplit(self) -> tuple[str, ...]:
        """Names of those that a model found, but whose other splits were not kept with the work of an earlier start."""
        kept = [(item, item.particles) for item in self.items if self.otherwise.of(item) == ()]
        return tuple(item.name for item, particles in kept if particles is not None and particles.origin and not particles.prediction)

    @property
    def behind(self) -> bool:
        """Whether the table, and the figures, are of images that were looked at before."""
        return self._shown != (self.scope, self.items)

    def outdated(self) -> None:
        """What figures are made of has changed beside the session: an audit."""
        self._timer.start()

    @property
    def measurements(self) -> list[Measurement]:
        """Their measurements, under the names and samples of today, with their other splits as far as these are known."""
        return [
            replace(item.measurement, image=item.name, sample=item.sample, other_splits=self.otherwise.of(item) or ())
            for item in self.items
            if item.measurement is not None
        ]

    def set_scope(self, scope: str) -> None:
        """Look at other images."""
        if scope != self.scope:
            self.scope = scope
            self.scope_changed.emit()
            self.refresh()

    def set_column(self, column: str) -> None:
        """Plot another column: its name without the unit of lengths."""
        if column != self.column:
            self.column = column
            self._reckon()

    def refresh(self) -> None:
        """Gather the rows, and have the figures worked out."""
        tables = [measurement.table for measurement in in_shown_unit(self.measurements)]
        self.table = None if not tables else tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)
        self.table_changed.emit()
        self.otherwise.want(self.items)
        before, self._shown = self._shown, (self.scope, self.items)
        self._reckon()
        # Figures of other pictures must not stand beside this table; of some of its pictures they may.
        if self.busy and before[1] and (before[0] != self.scope or any(item not in self._shown[1] for item in before[1])):
            self.distribution = PooledDistribution()
            self.distribution_changed.emit()

    def _item_changed(self, item: Item, what: Change) -> None:
        if what in _MATTERS:
            self._timer.start()

    def _reckon(self) -> None:
        self._number += 1
        number, items, measurements, column = self._number, self.items, in_shown_unit(self.measurements), self.column
        if not measurements:
            self._take(number, PooledDistribution())
            return
        waiting = any(self.otherwise.of(item) is None for item in items)

        def work() -> PooledDistribution | Exception | None:
            # Only the newest request is worth the effort.
            return _tried(measurements, column, partial(kept_audits, items, measurements), waiting) if number == self._number else None

        self.busy = True
        if items != self._of and not self._stale.isActive():
            self._stale.start()
        self.session.jobs.later(work, partial(self._take, number))

    def _let_go(self) -> None:
        """Figures of other images do not stand below this one while its own are long in coming."""
        if self.busy and self.items != self._of:
            self._of, self.distribution = [], PooledDistribution(column=self.column)
            self.distribution_changed.emit()

    def _take(self, number: int, found: PooledDistribution | Exception | None) -> None:
        if isinstance(found, Exception):
            complain(found, "The size distribution")
            found = PooledDistribution(obstacle="The size distribution cannot be worked out; the log has the details.")
        if found is not None and number == self._number:
            self._of, self.distribution, self.busy = self.items, replace(found, twice=self.twice, unsplit=self.unsplit), False
            self.distribution_changed.emit()


def pooled_distribution(measurements: Sequence[Measurement], column: str, audits: Audits | None = None) -> PooledDistribution:
    """Everything that takes more than a moment to work out; `audits` gives the measurements under the content of their pictures, and what
    was audited of them."""
    from napari_temseg.engine.measure.samples.populations import by_population, of_population, shares

    found = {}
    for population, there in by_population(measurements).items():
        try:
            found[population] = _of_one_size([of_population(each, population) for each in there], column, None if population else audits)
        except TemsegError as error:  # px beside nm
            return PooledDistribution(column=column, obstacle=str(error))
    if set(found) == {""}:
        return found[""][0]
    if len({sizes.unit for _, sizes in found.values()}) > 1:
        return PooledDistribution(column=column, obstacle="Some images are measured in nm, some in px: look at one at a time.")
    pools, told = [pool for pool, _ in found.values()], shares({name: sizes for name, (_, sizes) in found.items() if name})
    arrays = ("values", "weights", "volumes", "image", "particle")
    joined: dict[str, Any] = {name: np.concatenate([getattr(pool, name) for pool in pools]) for name in arrays}
    return PooledDistribution(
        column=pools[0].column,
        unit=pools[0].unit,
        title=pools[0].title,
        population=np.repeat(list(found), [len(pool.values) for pool in pools]),
        populations=tuple(_figures(name, pool, told) for name, (pool, _) in found.items()),
        **joined,
    )


def _figures(name: str, pool: PooledDistribution, shares: dict[str, Any]) -> PopulationFigures:
    return PopulationFigures(name, pool.summary, pool.of_column, pool.curve, shares.get(name, {}))


def _of_one_size(measurements: Sequence[Measurement], column: str, audits: Audits | None) -> tuple[PooledDistribution, SizeDistribution]:
    """The same of measurements that hold no two populations, and the distribution of diameters."""
    from napari_temseg.engine.measure.audit.carrying import audited
    from napari_temseg.engine.measure.pooling import LENGTHS

    sizes = size_distribution(measurements)
    if audits is not None:
        known, made = audits()
        sizes = audited({"": sizes}, made, known)[""]
    unit = sizes.unit
    table = pd.concat([m.table for m in measurements], ignore_index=True)
    table = table[(~table["frame"] & (table["excluded"] == "")).to_numpy()]
    diameter = table[f"ecd_{unit}"].to_numpy(np.float64)
    weights = np.empty(len(table))
    weights[np.argsort(diameter, kind="stable")] = sizes.weights
    bare = [replace(each, other_splits=()) for each in measurements]  # what they say is of the diameter alone
    length = size_distribution(bare, column) if column in LENGTHS and column != "ecd" else sizes if column == "ecd" else None
    name = measurements[0].column(column)
    values = table[name].to_numpy(np.float64)
    there = np.isfinite(values)
    pool = PooledDistribution(
        column=name,
        unit=_unit(name, unit),
        title=readable(column),
        values=values[there],
        weights=weights[there],
        volumes=(weights * diameter**3)[there],
        image=table["image"].to_numpy()[there],
        particle=table["particle"].to_numpy()[there],
        summary=sizes.summary(),
        of_column=length.summary() if length is not None else {},
        curve=length.shown_fit if length is not None else ShownFit(),
    )
    return pool, sizes


def _of_samples(measurements: Sequence[Measurement], audits: Audits, *, waiting: bool) -> tuple[str, ...]:
    """Lines as a report has them: on each of several samples, and on one against another."""
    from napari_temseg.pipeline.samples.summaries import compared, comparison_line, distributions_by_sample, measurements_by_sample

    if len({each.sample for each in measurements} - {""}) < 2:
        return ()
    known, made = audits()
    grouped = measurements_by_sample(known)
    sizes = distributions_by_sample(grouped, made)
    lines = []
    for (sample, _, population), each in sizes.items():
        summary, name = each.summary(), ", ".join(filter(None, (sample, population)))
        told = f"D50 {d50_words(summary, waiting=waiting)}" if len(each) >= FEWEST else "too few for a D50"
        lines.append(f"{name}: {told} · n\u00a0=\u00a0{len(each)}" + ("" if summary["usable"] or waiting else " · not usable as it is"))
    return (*lines[:MOST_SAMPLES], *map(comparison_line, compared(grouped, sizes)[:MOST_SAMPLES]))


def _content(item: Item) -> tuple[object, ...]:
    """What tells the same picture: its file's content and which of its series; of one that was not opened from a file, itself."""
    known = "" if item.measurement is None else item.measurement.content_hash
    return (known, item.particles.micrograph.source.series) if known and item.particles is not None else (id(item),)


def _unit(column: str, unit: str) -> str:
    from napari_temseg.engine.measure.descriptors import definitions

    known = definitions(unit)
    return known[column].kind if column in known else ""


def _tried(measurements: Sequence[Measurement], column: str, audits: Audits, waiting: bool) -> PooledDistribution | Exception:
    """The distribution, or the error to be told in the main thread."""
    try:
        told = _of_samples(measurements, audits, waiting=waiting)
        return replace(pooled_distribution(measurements, column, audits), waiting=waiting, samples=told)
    except Exception as error:  # noqa: BLE001  else the figures were said to be worked out for ever
        return error
