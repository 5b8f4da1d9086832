"""Which particles are selected and which are excluded, drawn over the picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from qtpy.QtCore import QObject, QTimer

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
HATCH = 5  # lines over what is excluded: one in so many widths of a line
Mask = npt.NDArray[np.bool_]
Page = npt.NDArray[np.integer[Any]]
Marked = npt.NDArray[np.uint8]
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
        return max(1 if MAGNIFIED * screen <= 1 else 2, min(wanted, WIDEST_MARK))

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
        self._thick = thick = self._line(item)
        ring(target, page, thick, (rows[beside], overlays.PARTNER, 0), (rows[chosen], overlays.SELECTED, overlays.SELECTED_FILL))
        hatch(target, page, rows[(rows["excluded"] != "").to_numpy()], thick)  # selected ones too
        layers.set_visible(layer, True)
        layers.redraw(layer)


def ring(target: Marked, page: Page, thick: int, *kinds: tuple[pd.DataFrame, int, int]) -> None:
    """Mark particles by lines `thick` px wide round them, with a halo that hides no other particle; each of the `kinds`: rows of a
    measurement's table, the mark of the line, and that of a fill.

    A line keeps its width off them all: outline and edge are seen on both sides, and a particle of a few px is not hidden.
    """
    parts = []
    for rows, mark, fill in kinds:
        for window, inside in _windows(page, rows, 3 * thick):
            gap = _wider(inside, thick)
            line = _wider(gap, thick)
            parts.append((target[window], inside, gap, line, mark, fill))
            target[window][_wider(line, thick) & ~line & (page[window] == 0)] = overlays.HALO
    for view, _, gap, line, mark, _ in parts:  # after all halos: a window may hold a part of another particle
        view[line & ~gap] = mark
    for view, _, gap, *_ in parts:
        view[gap] = 0
    for view, inside, _, _, _, fill in parts:
        view[inside] = fill


def hatch(target: Marked, page: Page, rows: pd.DataFrame, thick: int) -> None:
    """Mark particles as excluded: their inner edge, and lines over what is within, as an edge alone is not seen on every picture."""
    for window, inside in _windows(page, rows, thick):
        view = target[window]
        view[inside] = overlays.EXCLUDED_FILL
        y, x = np.ogrid[window]
        view[inside & (((y + x) % (HATCH * thick) < thick) | inner_borders(page[window], thick))] = overlays.EXCLUDED


def _windows(page: Page, rows: pd.DataFrame, reach: int) -> Iterator[tuple[tuple[slice, slice], Mask]]:
    """Windows of a plane, `reach` px wider than the particles of these rows, and where any of these lie in them."""
    if not len(rows):
        return
    numbers = rows["particle"].to_numpy()
    wanted = np.zeros(int(page.max()) + 1, bool)
    wanted[numbers[numbers < len(wanted)]] = True
    boxes = rows[_BOX].to_numpy(int)
    if len(boxes) > MANY_MARKS:
        boxes = np.asarray([[*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)]])
    for top, left, bottom, right in boxes:
        window = (slice(max(top - reach, 0), bottom + reach), slice(max(left - reach, 0), right + reach))
        yield window, wanted[page[window]]


def _wider(mask: Mask, by: int) -> Mask:
    """A mask with what is within `by` px, by octagons: shifts take a fifth of the time of scipy's dilation."""
    for step in range(by):
        tall, wide = mask.copy(), mask.copy()
        tall[1:] |= mask[:-1]
        tall[:-1] |= mask[1:]
        along = mask if step % 2 else tall
        wide[:, 1:] |= along[:, :-1]
        wide[:, :-1] |= along[:, 1:]
        mask = tall | wide
    return mask


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
