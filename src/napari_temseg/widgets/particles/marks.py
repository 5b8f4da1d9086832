"""Which particles are selected and which are excluded, drawn over the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from qtpy.QtCore import QObject, QTimer
from scipy.ndimage import binary_dilation

from napari_temseg.widgets.canvas import layers, overlays
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.session.change import Change

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

MANY_MARKS = 60  # particles: more are drawn in one window, fewer each in its own
_BOX = ["bbox_top_px", "bbox_left_px", "bbox_bottom_px", "bbox_right_px"]


class Marks(QObject):
    """Keeps a layer of marks in step with selection, exclusions and the shown plane; it is hidden while there is nothing to mark."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self.refresh)
        for signal in (session.selection_changed, session.current_changed, session.plane_changed, session.items_changed):
            signal.connect(lambda *_: self._timer.start())
        session.item_changed.connect(self._item_changed)
        session.closing.connect(self._timer.stop)

    def refresh(self) -> None:
        """Draw the marks of the micrograph in hand anew."""
        session = self.session
        for other in session.items:
            if other is not session.current and Role.MARKS in other.made:
                layers.set_visible(other.made[Role.MARKS], False)
        item = session.current
        if item is None or item not in session.items:
            return
        rows = self._rows(item)
        if rows is None:
            if Role.MARKS in item.made:
                layers.set_visible(item.made[Role.MARKS], False)
            return
        self._draw(item, rows)

    def _item_changed(self, item: Item, what: Change) -> None:
        if item is self.session.current and what in (Change.PARTICLES, Change.TABLE):
            self._timer.start()

    def _rows(self, item: Item) -> pd.DataFrame | None:
        """Rows of the shown plane to be marked, None when there are none."""
        if item.measurement is None or item.particles is None or item.particles_layer is None:
            return None
        table = item.measurement.table
        marked = (table["excluded"] != "").to_numpy() | np.isin(table["particle"], list(self.session.selected))
        marked &= (table["plane"] == self.session.shown_plane(item)).to_numpy()
        return table[marked] if marked.any() else None

    def _draw(self, item: Item, rows: pd.DataFrame) -> None:
        page = item.found_particles().planes()[self.session.shown_plane(item)]
        if Role.MARKS not in item.made:
            self.session.adopt(item, Role.MARKS, overlays.add_marks(self.session.viewer, item.layer, f"{item.name} marks"))
        layer = item.made[Role.MARKS]
        target = layer.data
        target[...] = 0
        chosen = np.isin(rows["particle"], list(self.session.selected))
        out = (rows["excluded"] != "").to_numpy() & ~chosen
        thick = 1 + max(1, min(page.shape) // 700)
        draw(target, page, rows[out], thick - 1, overlays.EXCLUDED, overlays.EXCLUDED_FILL)
        draw(target, page, rows[chosen], thick, overlays.SELECTED, overlays.SELECTED_FILL, overlays.HALO)
        layers.set_visible(layer, True)
        layers.redraw(layer)


def draw(
    target: npt.NDArray[np.uint8], page: npt.NDArray[np.integer[Any]], rows: pd.DataFrame, thick: int, edge: int, fill: int, halo: int = 0
) -> None:
    """Mark the particles of these rows of a measurement's table: `thick` px of their inner edge, what is within, and a `halo` round it."""
    if not len(rows):
        return
    numbers = rows["particle"].to_numpy()
    wanted = np.zeros(int(page.max()) + 1, bool)
    wanted[numbers[numbers < len(wanted)]] = True
    boxes = rows[_BOX].to_numpy(int)
    if len(boxes) > MANY_MARKS:
        boxes = np.asarray([[*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)]])
    for top, left, bottom, right in boxes:
        window = (slice(max(top - thick, 0), bottom + thick), slice(max(left - thick, 0), right + thick))
        crop = page[window]
        inside = wanted[crop]
        border = np.zeros(crop.shape, bool)
        for step in range(1, thick + 1):
            across, along = crop[step:] != crop[:-step], crop[:, step:] != crop[:, :-step]
            border[step:] |= across
            border[:-step] |= across
            border[:, step:] |= along
            border[:, :-step] |= along
        view = target[window]
        view[inside] = fill
        view[inside & border] = edge
        if halo:
            view[binary_dilation(inside, np.ones((3, 3), bool), thick) & ~inside] = halo


def centre(session: Session, item: Item, number: int) -> None:
    """Bring a particle into the middle of the canvas."""
    if item.measurement is None or item not in session.items:
        return
    rows = item.measurement.table[item.measurement.table["particle"] == number]
    if len(rows):
        row = rows.iloc[0]
        extent = float(max(row["bbox_bottom_px"] - row["bbox_top_px"], row["bbox_right_px"] - row["bbox_left_px"]))
        layers.centre_on(session.viewer, item.layer, int(row["plane"]), float(row["centroid_y_px"]), float(row["centroid_x_px"]), extent)
