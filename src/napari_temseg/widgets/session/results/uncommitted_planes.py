"""Planes on the screen while a search or a split is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_temseg.engine.types.large_arrays import zeros
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.session.results.result_layers import show_labels
from napari_temseg.widgets.session.results.state import ResultState, put

if TYPE_CHECKING:
    from napari_temseg.pipeline.find import PlaneFound
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class UncommittedPlanes:
    """Planes on the screen that are not committed yet."""

    def __init__(self, session: Session, item: Item) -> None:
        self.session, self.item = session, item
        self.labels: Any = None

    def plane(self, ready: PlaneFound) -> None:
        """Show a plane in the layers of its picture; one that is not on the screen is drawn when somebody goes there."""
        item, first = self.item, self.labels is None
        shape = layers.shape(item.layer)
        if first:
            self.labels = zeros(shape, np.int32)
            if item.particles is not None and ready.prediction is None:
                self.labels[...] = item.particles.labels
        self.labels.reshape((-1, *shape[-2:]))[ready.plane] = ready.particles.labels
        if first or ready.plane == self.session.shown_plane(item) or item.particles_layer is None:
            show_labels(self.session, item, self.labels)

    def revert(self) -> None:
        """Back to what is committed."""
        if self.item in self.session.items and self.labels is not None:
            put(self.session, self.item, ResultState.of(self.item))
