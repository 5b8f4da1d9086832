"""napari's brush and polygon in hand for one particle: Redraw and Draw new, until Esc, another particle or another tool."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.canvas import brush, layers, overlays
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.particles.tools.freehand import Freehand

if TYPE_CHECKING:
    from napari_temseg.widgets.session.session import Session


class Redrawing(QObject):
    """Gives the brush to the particle that is selected, or the polygon to a new one; what they paint is the corrector's."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session, self.corrector = session, session.part(Corrector)
        session.part(Freehand)
        self._held: Any = None  # the layer whose brush redraws
        session.selection_changed.connect(self._other_selected)
        session.tools_down.connect(self._ended)

    def redraw(self) -> None:
        """Take the brush in hand for the selected particle, or put it down."""
        item, layer = self.corrector.with_layer()
        if brush.painted_number(layer) is not None:
            self._put_down(layer)
            return
        item, ids = self.corrector.picked("redraw")
        if len(ids) > 1:
            raise TemsegError("Only one particle can be redrawn at a time; select just that one.")
        self.session.tools_down.emit()  # or a stroke would add or split too
        layers.show_plane(self.session.viewer, item.layer, self.corrector.plane_of(item, ids))
        brush.size_brush(layer, item.frame)
        overlays.draw_label(self.session.viewer, layer, next(iter(ids)), "paint")
        self.corrector.sitting = item, next(iter(ids))
        brush.on_tool(layer, self._tool)
        self._held = layer

    def draw_new(self) -> None:
        """Take the polygon in hand for a particle that was not found, or put it down."""
        from napari_temseg.engine.particles.label_changes import new_id

        item, layer = self.corrector.with_layer()
        if brush.painted_number(layer) is not None:
            self._put_down(layer)
            return
        number = new_id(self.corrector.labels_of(item))
        self.session.tools_down.emit()
        overlays.draw_label(self.session.viewer, layer, number, "polygon")

    def _other_selected(self) -> None:
        """The brush would go on with a particle that is not the marked one."""
        sitting = self.corrector.sitting
        if sitting is not None and self.session.selected and sitting[1] not in self.session.selected:
            layer = sitting[0].particles_layer
            if layer is not None:
                self._put_down(layer)

    def _put_down(self, layer: Any) -> None:
        self._ended()
        layers.rest(layer)

    def _tool(self, event: Any = None) -> None:
        """napari's own buttons and keys put the brush down too."""
        if brush.painted_number(self._held) is None:
            self._ended()

    def _ended(self) -> None:
        """What is painted from now on is a step of its own; the last stroke still belongs to this one, and what all of them enclose."""
        if self.corrector.sitting is not None:
            item, number = self.corrector.sitting
            brush.off_tool(self._held, self._tool)
            self._held = None
            self.session.settle(item)
            guarded(partial(self.corrector.close_outline, item, number))
            self.corrector.sitting = None
