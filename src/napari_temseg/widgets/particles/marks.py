"""Which particles are selected and which are excluded, drawn over the picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from qtpy.QtCore import QObject, QTimer
from scipy.ndimage import binary_dilation

from napari_temseg.widgets.canvas import layers, overlays
from napari_temseg.widgets.canvas.outline_width import MAGNIFIED, ZOOMED, inner_borders
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.results.doubtful import Doubtful

if TYPE_CHECKING:
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

MANY_MARKS = 60  # particles: more are drawn in one window, fewer each in its own
MARK_LINE, WIDEST_MARK = 1.5, 12  # px of the screen that a line takes at least, px of the picture that it takes at most
RINGED = 14  # px of the screen: a smaller particle would be hidden by its mark, which is drawn round it
HATCH = 5  # lines over what is excluded: one in so many widths of a line
Mask = npt.NDArray[np.bool_]
_BOX = ["bbox_top_px", "bbox_left_px", "bbox_bottom_px", "bbox_right_px"]


class Marks(QObject):
    """Keeps a layer of marks in step with selection, exclusions and the shown plane; it is hidden while there is nothing to mark."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.doubtful = session, session.part(Doubtful)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self.refresh)
        self._thick = 0
        self._zoomed = QTimer(self)
        self._zoomed.setSingleShot(True)
        self._zoomed.setInterval(ZOOMED)
        self._zoomed.timeout.connect(self._refit)
        session.viewer.scene.camera.events.zoom.connect(self._on_zoom)
        session.closing.connect(self._close)
        for signal in (session.selection_changed, session.current_changed, session.plane_changed, session.items_changed, session.improving):
            signal.connect(lambda *_: self._timer.start())
        self.doubtful.changed.connect(self._timer.start)
        session.item_changed.connect(self._item_changed)

    def _close(self) -> None:
        self._timer.stop()
        self._zoomed.stop()
        self.session.viewer.scene.camera.events.zoom.disconnect(self._on_zoom)

    def _on_zoom(self, event: Any = None) -> None:
        self._zoomed.start()

    def _refit(self) -> None:
        """At another magnification the lines of the marks are as wide on the screen as before."""
        item = self.session.current
        if item is not None and self._thick and self._thick != self._line(item):
            self.refresh()

    def _line(self, item: Item) -> int:
        """Width of a line of the marks in px of the picture."""
        screen = overlays.pixels_per_screen(self.session.viewer, item.layer)
        wanted = math.ceil(MARK_LINE * screen)
        return max(1 if MAGNIFIED * screen <= 1 else 2, min(item.frame) // 700 + 1, min(wanted, WIDEST_MARK))

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
        if item is self.session.current and what in (Change.PARTICLES, Change.TABLE, Change.VEILED):
            self._timer.start()

    def _rows(self, item: Item) -> pd.DataFrame | None:
        """Rows of the shown plane to be marked, None when there are none."""
        if item.measurement is None or item.particles is None or item.particles_layer is None:
            return None
        table = item.measurement.table
        marked = np.isin(table["particle"], [*self._selected, *self._partners(item)])
        if not item.veiled:  # else they would lie over what Live shows in the place of the particles
            marked |= (table["excluded"] != "").to_numpy()
        marked &= (table["plane"] == self.session.shown_plane(item)).to_numpy()
        return table[marked] if marked.any() else None

    @property
    def _selected(self) -> frozenset[int]:
        """What is marked as selected: nothing while strokes are painted, where rings would only hide what is stroked."""
        return frozenset() if self.session.annotating else self.session.selected

    def _partners(self, item: Item) -> frozenset[int]:
        """What looks like one particle with the one that is selected."""
        doubts, selected = self.doubtful.of(item), self._selected
        pairs = doubts.one if doubts is not None and len(selected) == 1 else ()
        return frozenset(number for pair in pairs if selected & set(pair) for number in pair) - selected

    def _draw(self, item: Item, rows: pd.DataFrame) -> None:
        page = item.found_particles().planes()[self.session.shown_plane(item)]
        if Role.MARKS not in item.made:
            self.session.adopt(item, Role.MARKS, overlays.add_marks(self.session.viewer, item.layer, f"{item.name} marks"))
        layer = item.made[Role.MARKS]
        target = layer.data
        target[...] = 0
        chosen = np.isin(rows["particle"], list(self._selected))
        beside = np.isin(rows["particle"], list(self._partners(item)))
        out = (rows["excluded"] != "").to_numpy() & ~chosen & ~beside
        self._thick = thick = self._line(item)
        small = RINGED * overlays.pixels_per_screen(self.session.viewer, item.layer)
        draw(target, page, rows[out], thick, overlays.EXCLUDED, overlays.EXCLUDED_FILL, hatched=True)
        draw(target, page, rows[beside], thick, overlays.PARTNER, 0, overlays.HALO, small)
        draw(target, page, rows[chosen], thick, overlays.SELECTED, overlays.SELECTED_FILL, overlays.HALO, small)
        layers.set_visible(layer, True)
        layers.redraw(layer)


def draw(
    target: npt.NDArray[np.uint8],
    page: npt.NDArray[np.integer[Any]],
    rows: pd.DataFrame,
    thick: int,
    edge: int,
    fill: int,
    halo: int = 0,
    small: float = 0.0,
    *,
    hatched: bool = False,
) -> None:
    """Mark the particles of these rows of a measurement's table: `thick` px of their inner edge, what is within, and a `halo` round it,
    which hides no other particle.

    Of those less than `small` px wide the edge lies round them instead, within the halo. `hatched`: lines of the edge's kind lie over what
    is within, as an edge alone is not seen on every picture.
    """
    if not len(rows):
        return
    numbers = rows["particle"].to_numpy()
    wanted = np.zeros(int(page.max()) + 1, bool)
    wanted[numbers[numbers < len(wanted)]] = True
    boxes = rows[_BOX].to_numpy(int)
    narrow = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) < small
    if len(boxes) > MANY_MARKS:
        boxes, narrow = np.asarray([[*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)]]), np.asarray([narrow.mean() > 0.5])
    for (top, left, bottom, right), round_it in zip(boxes, narrow, strict=True):
        reach = 2 * thick if round_it else thick
        window = (slice(max(top - reach, 0), bottom + reach), slice(max(left - reach, 0), right + reach))
        crop, view = page[window], target[window]
        inside = wanted[crop]
        view[inside] = fill
        if hatched:
            y, x = np.ogrid[window]
            view[inside & ((y + x) % (HATCH * thick) < thick)] = edge
        if round_it:
            _surround(view, inside, thick, edge)
            inside = _wider(inside, thick)
        else:
            view[inside & inner_borders(crop, thick)] = edge
        if halo:
            _surround(view, inside, thick, halo, crop == 0)


def _wider(mask: Mask, thick: int) -> Mask:
    wider: Mask = binary_dilation(mask, np.ones((3, 3), bool), thick)
    return wider


def _surround(view: npt.NDArray[np.uint8], inside: Mask, thick: int, mark: int, where: Mask | None = None) -> None:
    round_it = _wider(inside, thick) & ~inside
    view[round_it if where is None else round_it & where] = mark


_SEEN = ("plane", "centroid_y_px", "centroid_x_px", "bbox_top_px", "bbox_bottom_px", "excluded", "reviewed")  # of a particle


def centre(session: Session, item: Item, number: int, *, judged: bool = False) -> None:
    """Bring a particle into the middle of the canvas; to be `judged`, it must not be tiny there."""
    if item.measurement is None or item not in session.items:
        return
    rows = item.measurement.table[item.measurement.table["particle"] == number]
    if len(rows):
        row = rows.iloc[0]
        extent = float(max(row["bbox_bottom_px"] - row["bbox_top_px"], row["bbox_right_px"] - row["bbox_left_px"]))
        y, x = float(row["centroid_y_px"]), float(row["centroid_x_px"])
        layers.centre_on(session.viewer, item.layer, int(row["plane"]), y, x, extent, judged=judged)


def bring_into_view(session: Session, item: Item, before: Measurement | None) -> None:
    """Move the picture to what is other than `before` where none of it is seen, as after an undo; not where most of the picture is."""
    now = item.measurement
    if before is None or now is None or not session.sees(item):
        return
    old, new = (each.table.set_index("particle")[list(_SEEN)] for each in (before, now))
    common = old.index.intersection(new.index)
    same = (old.loc[common] == new.loc[common]).all(axis=1)
    changed = [*common[~same.to_numpy()], *new.index.difference(common)]
    places = new.loc[changed] if changed else old.loc[old.index.difference(common)]
    if not len(places) or len(places) > max(1, len(new) // 2):
        return
    seen, shown = layers.window_in_view(session.viewer, item.layer), session.shown_plane(item)
    if seen is not None:
        y, x = places["centroid_y_px"], places["centroid_x_px"]
        inside = y.between(seen[0].start, seen[0].stop) & x.between(seen[1].start, seen[1].stop) & (places["plane"] == shown)
        if inside.any():
            return
    first = places.iloc[0]
    extent = float(first["bbox_bottom_px"] - first["bbox_top_px"])
    layers.centre_on(session.viewer, item.layer, int(first["plane"]), float(first["centroid_y_px"]), float(first["centroid_x_px"]), extent)
