"""Colours of the particles: napari's changing ones, one a class, or a scale for any column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, QTimer, Signal

from napari_temseg.engine.measure.descriptors import DESCRIPTORS, definitions
from napari_temseg.engine.types.populations import are_told_apart
from napari_temseg.widgets.canvas import layers, overlays
from napari_temseg.widgets.canvas.colours import OF_POPULATION, OUTLINES, class_colour
from napari_temseg.widgets.session.change import Change

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Labels

    from napari_temseg.engine.types.results import Particles
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

CYCLE, CLASS = "", "class"
COLOURED_BY = tuple(DESCRIPTORS)
MOST_COLOURED = 60_000  # numbers that napari tells apart by a table of colours


def _kept(table: pd.DataFrame, before: Particles, places: Mapping[int, int]) -> dict[int, int]:
    """The places in the cycle of those of a table that lie where one lay before: of several where one lay, of the largest."""
    planes = before.planes()
    at = np.stack([table["plane"], table["centroid_y_px"].round(), table["centroid_x_px"].round()], axis=1).astype(int)
    inside = np.asarray((at < np.array(planes.shape)).all(axis=1))
    numbers, areas = table["particle"].to_numpy(int), _extent(table)
    found: dict[int, tuple[float, int]] = {}
    for number, area, place in zip(numbers[inside], areas[inside], at[inside], strict=True):
        old = int(planes[place[0]][place[1], place[2]])
        if old in places and area > found.get(old, (0.0, 0))[0]:
            found[old] = float(area), int(number)
    return {number: places[old] for old, (_, number) in found.items()}


def _extent(table: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Area of the box round each particle in px²."""
    height, width = (table[f"bbox_{high}_px"] - table[f"bbox_{low}_px"] for low, high in (("top", "bottom"), ("left", "right")))
    return (height * width).to_numpy(np.float64)


@dataclass(frozen=True)
class Legend:
    """What the colours of a picture mean: limits of a scale, or classes with their colours."""

    low: float = 0.0
    high: float = 0.0
    unit: str = ""
    classes: tuple[tuple[str, str], ...] = ()


class Colouring(QObject):
    """Keeps the colours of particles layers in step with their tables; exclusions and selection are marks of their own (see `marks`)."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.by = CYCLE
        self.legend: Legend | None = None
        self._seen: WeakKeyDictionary[Item, tuple[Particles, dict[int, int]]] = WeakKeyDictionary()  # and the place of each in the cycle
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(250)  # napari takes long to recolour a large picture, so not after every stroke
        self._timer.timeout.connect(self.refresh)
        session.item_changed.connect(self._item_changed)
        session.current_changed.connect(self._timer.start)
        session.closing.connect(self._timer.stop)

    def set_by(self, by: str) -> None:
        """Colour by a column (its name without unit), by `CLASS`, or not (`CYCLE`)."""
        if by != self.by:
            self.by = by
            self.refresh()

    def refresh(self) -> None:
        """Colour the micrograph in hand."""
        item = self.session.current
        self.legend = None
        if item is not None and item in self.session.items and item.particles_layer is not None and item.measurement is not None:
            self.legend = self._colour(item)
        self.changed.emit()

    def _item_changed(self, item: Item, what: Change) -> None:
        if item is self.session.current and what in (Change.PARTICLES, Change.CALIBRATION):
            seen = self._seen.get(item)
            if self.by == CYCLE and seen is not None and item.particles is not None and item.particles.labels is not seen[0].labels:
                self.refresh()  # at once: until then the new ones would have each other's colours
            self._timer.start()

    def _colour(self, item: Item) -> Legend | None:
        layer, measurement = item.particles_layer, item.measurement
        if layer is None or measurement is None:
            return None
        if self.by == CYCLE and are_told_apart(item.found_particles()):
            return self._by_population(item)
        if self.by == CYCLE:
            self._cycle(item, layer, measurement.table)
            return None
        ids = measurement.table["particle"].to_numpy(int).tolist()
        if self.by == CLASS:
            return self._by_class(item)
        from napari_temseg.engine.measure.calibrated import in_shown_unit

        (measurement,) = in_shown_unit([measurement])
        name = measurement.column(self.by)
        values = measurement.table[name].to_numpy(float)
        finite = values[np.isfinite(values)]
        if not len(finite):
            overlays.colour_by(layer, ids, overlays.gradient(values))
            return Legend(float("nan"), float("nan"))
        low, high = float(finite.min()), float(finite.max())
        overlays.colour_by(layer, ids, overlays.gradient((values - low) / ((high - low) or 1.0)))
        return Legend(low, high, definitions(measurement.length_unit)[name].kind)

    def _cycle(self, item: Item, layer: Labels, table: pd.DataFrame) -> None:
        """Neighbours differ, and a particle that was there before has the colour that it had."""
        particles, seen = item.found_particles(), self._seen.get(item)
        if seen is not None and seen[0] is particles and overlays.is_cycled(layer):
            return
        kept = {} if seen is None else _kept(table, *seen)
        numbers = table["particle"].astype(int).tolist()
        places = {number: kept.get(number, number - 1) % len(OUTLINES) for number in numbers}
        self._seen[item] = particles, places
        highest = max(numbers, default=0)
        usual = highest > MOST_COLOURED or all(place == (number - 1) % len(OUTLINES) for number, place in places.items())
        layers.cycle_colours(layer, () if usual else [places.get(number, number - 1) for number in range(1, highest + 1)])

    def _by_population(self, item: Item) -> Legend:
        table, layer = item.found_particles().table, item.particles_layer
        if layer is not None:
            layers.recolour(layer, dict(zip(table.index.astype(int), table["population"].map(OF_POPULATION), strict=True)))
        return Legend(classes=tuple(OF_POPULATION.items()))

    def _by_class(self, item: Item) -> Legend:
        table = item.found_particles().table
        names = dict(sorted(zip(table["class_id"].astype(int), table["class"].astype(str), strict=True)))
        layer = item.particles_layer
        if layer is not None:
            layers.recolour(layer, dict(zip(table.index.astype(int), map(class_colour, table["class_id"].astype(int)), strict=True)))
        return Legend(classes=tuple((name, class_colour(number)) for number, name in names.items()))
