"""Draw new by hand: while napari's polygon is in hand, a drag draws the outline, which closes when the button is let go."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_temseg.widgets.canvas import overlays
from napari_temseg.widgets.canvas.drags import moves
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.particles.tools.refusal import Refusal
from napari_temseg.widgets.session.held_tool import MouseTool

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

CLICKED = 8.0  # px of the screen: a path that leaves its beginning by less is the slip of a hand that clicks
AREA = 3  # corners from which on an outline is being clicked, and a drag ends nothing


class Freehand(MouseTool):
    """Follows the pointer while its button is down and the polygon is in hand on the particles; clicks are napari's corners."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.hide)
        self.corrector, self.refusal = session.part(Corrector), session.part(Refusal)

    def _pressed(self, viewer: Any, event: Any) -> Any:
        item = self.session.current
        layer = item.particles_layer if item is not None else None
        if self.session.closed or event.button != 1 or item is None or layer is None or viewer.layers.selection.active is not layer:
            return None
        if layer.mode != "polygon" or viewer.dims.ndisplay != 2 or overlays.corners(layer) >= AREA:
            return None
        return self._follow(item, layer, event)

    def _follow(self, item: Item, layer: Any, event: Any) -> Generator[None, None, None]:
        from napari_temseg.engine.particles.label_changes import new_id

        start = np.asarray(event.pos, float)
        path, reach = [overlays.position(layer, event.position)], 0.0

        def dragged(moved: Any) -> None:
            nonlocal reach
            path.append(overlays.position(layer, moved.position))
            reach = max(reach, float(np.abs(np.asarray(moved.pos, float) - start).max()))
            if item in self.session.items and reach >= CLICKED:
                self._show(item, np.stack([*path, path[0]]), overlays.add_line, "outline")

        yield from moves(event, dragged)
        self.hide()
        if item is self.session.current and reach >= CLICKED and layer.mode == "polygon":
            overlays.forget_corners(layer)  # the press was one
            guarded(self.refusal.tried(partial(self.corrector.add, np.stack(path))))
            layer.selected_label = new_id(item.found_particles().labels)  # or the next outline would be of the same particle
