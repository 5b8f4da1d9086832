"""The measurement of a micrograph in the viewer: under the name and the calibration of today, its flags, its layer's features."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_temseg.widgets.canvas import layers

if TYPE_CHECKING:
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.widgets.session.item import Item


def named(measurement: Measurement, item: Item) -> Measurement:
    """Under the name of the layer, which is unique in the viewer."""
    return replace(measurement, image=item.name, table=measurement.table.assign(image=item.name))


def remeasured(item: Item) -> None:
    """Bring an item's measurement and its features under its calibration of today; flags stay."""
    from napari_temseg.engine.measure.calibrated import recalibrated
    from napari_temseg.engine.measure.measurement import flags_of, with_flags
    from napari_temseg.pipeline.find import measured

    if item.particles is None:
        return
    before = item.measurement
    item.particles = particles = replace(item.particles, micrograph=item.particles.micrograph.with_calibration(item.calibration))
    scaled = recalibrated(before, item.calibration) if before is not None else None
    item.measurement = named(scaled or measured(particles), item)
    if before is not None and scaled is None:
        item.measurement = with_flags(item.measurement, *flags_of(before))
    show_features(item)


def bring_up_to_date(item: Item) -> None:
    """A measurement that comes back from the history gets the name and the calibration of today."""
    measurement = item.measurement
    if measurement is not None and measurement.calibration != item.calibration:
        remeasured(item)
    elif measurement is not None and measurement.image != item.name:
        item.measurement = named(measurement, item)


def with_flags_of(fresh: Measurement, old: Measurement | None) -> Measurement:
    """A new measurement with the exclusions and reviews of the old one, where their particles are still there."""
    if old is None:
        return fresh
    from napari_temseg.engine.measure.measurement import flags_of, with_flags

    there = set(fresh.table["particle"].astype(int))
    excluded, reviewed = flags_of(old)
    return with_flags(fresh, {number: why for number, why in excluded.items() if number in there}, there.intersection(reviewed))


def show_features(item: Item) -> None:
    """Make the table of a micrograph the features of its particles layer."""
    if item.measurement is not None and item.particles_layer is not None:
        layers.set_features(item.particles_layer, item.measurement.table)
