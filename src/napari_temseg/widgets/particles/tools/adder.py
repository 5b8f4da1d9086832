"""Click to add: the outline of a particle that was missed, from the picture and what the model said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.large_arrays import areas
from napari_temseg.widgets.canvas import micrograph_layer, shapes_layers

if TYPE_CHECKING:
    from napari_temseg.engine.particles.outlining import Outlined
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

USUAL_RADIUS = 15.0  # px, where no other particle tells
LEAST_RADIUS = 2.0  # px
FAR_WIDER = 4.0  # × the usual width, from which on what was clicked may be something else, such as a grain that carries particles
Points = npt.NDArray[np.float64]


class Adder(QObject):
    """Outlines what lies at a place, as large as its neighbours, or as somebody drew."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session

    def outline(self, item: Item, place: Points, across: float | None = None) -> tuple[Points, str]:
        """The outline (n, 2) in px of what lies at a place of the shown plane, and what is to be said of it, "" for nothing; `across` is
        its diameter in px, where somebody drew it.

        `TemsegError` where nothing can be added.
        """
        from napari_temseg.engine.particles.outlining import looked_at, outlined_at

        plane, particles = self.session.shown_plane(item), item.found_particles()
        y, x = (round(float(each)) for each in place)
        height, width = item.frame
        if not (0 <= y < height and 0 <= x < width):
            raise TemsegError("That place lies outside the picture; click inside it.")
        if number := int(particles.planes()[plane][y, x]):
            raise TemsegError(f"That is particle {number} already: click where one was missed, or use Redraw.")
        if _is_left_out(item, y, x):
            raise TemsegError("That place lies in a region that is left out; click outside it, or delete the region (step 1).")
        drawn = across is not None
        radius = min(max(self._usual(item) if across is None else across / 2, LEAST_RADIUS), min(item.frame) / 2)
        reach = looked_at(radius, drawn=drawn)
        rows, columns = slice(max(y - reach, 0), y + reach + 1), slice(max(x - reach, 0), x + reach + 1)
        image = micrograph_layer.window(item.layer, plane, rows, columns)
        said: Any = None
        if item.prediction is not None:
            said = item.prediction.at(plane).foreground()[rows, columns].astype(np.float32)
        origin = np.array([rows.start, columns.start], float)
        near = place - origin
        taken = particles.planes()[plane][rows, columns] > 0
        at = float(near[0]), float(near[1])
        found = outlined_at(image, at, radius, said, drawn=drawn, taken=taken)
        path = np.asarray(found.path + origin)
        inner = np.array([[rows.start, columns.start], [rows.stop - 1, columns.stop - 1]], float)
        ends = _ends(path, inner), _ends(path, np.array([[0, 0], np.asarray(item.frame) - 1], float))
        return path, _drawn_remark(found) if drawn else _remark(found, *ends, wide=float(np.ptp(path, axis=0).mean()) / (2 * radius))

    def _usual(self, item: Item) -> float:
        """The median radius of the particles of this picture, in px."""
        labels = item.found_particles()
        area = (
            item.measurement.table["area_px2"].to_numpy() if item.measurement is not None and "area_px2" in item.measurement.table else ()
        )
        if not len(area):
            area = areas(labels.labels)[labels.table.index.to_numpy()] if len(labels) else ()
        return float(np.sqrt(np.median(area) / np.pi)) if len(area) else USUAL_RADIUS


def _ends(path: Points, box: Points) -> npt.NDArray[np.bool_]:
    """On which sides (2, 2) of a box (least and greatest y, x) an outline ends."""
    return np.stack([(path <= box[0] + 0.5).any(axis=0), (path >= box[1] - 0.5).any(axis=0)])


def _drawn_remark(found: Outlined) -> str:
    """What is to be said of an outline where somebody drew its size."""
    return "" if found.clear else "No clear edge was found near what you dragged: look at the outline; Redraw mends it."


def _remark(found: Outlined, looked_at: npt.NDArray[np.bool_], picture: npt.NDArray[np.bool_], *, wide: float) -> str:
    """What is to be said of an outline that stops at a limit; `looked_at` and `picture` are the sides of either at which it does, `wide` is
    its width, as a multiple of the usual one."""
    if found.largest or (looked_at & ~picture).any():
        where = "" if found.clear else ", where no clear edge is"
        return f"Its outline ends at the largest size looked for{where}: if the particle is larger, undo and drag across it."
    if not found.clear:
        return "No clear edge was found round it: look at the outline, or undo and drag across it."
    if wide >= FAR_WIDER:
        return f"It is {wide:.0f} times as wide as is usual here: if something smaller was meant, undo and drag across it."
    return "Its outline ends at the edge of the picture." if picture.any() else ""


def _is_left_out(item: Item, y: int, x: int) -> bool:
    mask = None if item.left_out is None else shapes_layers.left_out_mask(item.left_out, item.frame)
    return mask is not None and bool(mask[y, x])
