"""The mouse on the picture: a click selects a particle; tools that stay in hand split, add and select many, until Esc."""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import Signal

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.canvas import layers, overlays
from napari_temseg.widgets.canvas.drags import moves
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.particles.corrector import Corrector
from napari_temseg.widgets.particles.tools.adder import Adder
from napari_temseg.widgets.particles.tools.likewise import Likewise
from napari_temseg.widgets.particles.tools.refusal import Refusal
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.held_tool import MouseTool

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

Points = npt.NDArray[np.float64]
Found = TypeVar("Found")


class Tool(Enum):
    """What the mouse does on the picture; the value says how, for people."""

    SELECT = "Click a particle or a row; Shift adds."
    SPLIT = "Draw lines across particles, or click two centres in one. Esc ends."
    ADD = "Click a particle that was missed, or drag across it from edge to edge. Esc ends."
    LASSO = "Draw round particles to select them; Shift adds. Esc ends."
    BOX = "Drag a box over particles to select them; Shift adds. Esc ends."
    LIKEWISE = "Drag a box round a part where you deleted all that is wrong: its like elsewhere is selected. Esc ends."


class Pointer(MouseTool):
    """Listens to the mouse of one viewer; `tool` is in hand, `tool_changed` tells of another."""

    tool_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session, partial(self.take, Tool.SELECT))
        self.corrector, self.adder, self.likewise = session.part(Corrector), session.part(Adder), session.part(Likewise)
        self.refusal = session.part(Refusal)
        self.tool = Tool.SELECT
        self._centre: tuple[Item, Points] | None = None  # the first of two that are to be parted
        session.current_changed.connect(partial(self.take, Tool.SELECT))
        session.plane_changed.connect(self._forget_centre)
        session.item_changed.connect(self._particles_changed)
        session.tools_down.connect(partial(self.take, Tool.SELECT))

    def take(self, tool: Tool) -> None:
        """Take a tool in hand, which stays there; the one for selecting puts all others down."""
        if tool is self.tool:
            return
        if tool is not Tool.SELECT:
            item = self.corrector.measured_item()
            if item.particles_layer is not None:
                layers.rest(item.particles_layer)
                layers.activate(self.session.viewer, item.particles_layer)
        self.tool, self._centre = tool, None
        self.refusal.forget()
        held = tool is not Tool.SELECT
        self._hold_key(held)
        overlays.hold_still(self.session.viewer, held)
        self.hide()
        self.tool_changed.emit()

    @property
    def instruction(self) -> str:
        """What to do next with the tool in hand, for people."""
        return self.tool.value if self._centre is None else "Now click the other centre in that particle. Esc ends."

    def toggle(self, tool: Tool) -> None:
        """Take a tool in hand, or put it down."""
        self.take(Tool.SELECT if tool is self.tool else tool)

    def _pressed(self, viewer: Any, event: Any) -> Any:
        if self.session.closed or event.button != 1:
            return None
        self.refusal.forget()
        if self.tool is Tool.SELECT:
            return self._click(event) if overlays.resting(viewer.layers.selection.active) else None
        overlays.hold_still(viewer, True)  # napari lets go of it whenever another layer becomes active
        tools = {Tool.SPLIT: self._split, Tool.ADD: self._add, Tool.LASSO: self._lasso, Tool.BOX: self._box, Tool.LIKEWISE: self._alike}
        begun = tools[self.tool]
        item = self.session.current
        if item is None or self._tried(partial(self.session.need_seen, item)) is None:
            return None
        return begun(item, event)

    # -- the tools

    def _click(self, event: Any) -> Generator[None, None, None]:
        adds, world = _shift(event), tuple(event.position)
        moved = yield from moves(event)
        if not moved:
            self._select(world, adds)

    def _select(self, world: tuple[float, ...], adds: bool) -> None:
        item = self.session.current
        if item is None or item.particles_layer is None or item.measurement is None or not self.session.sees(item):
            return
        number = layers.label_at(item.particles_layer, world)
        if not adds:
            self.session.select([number] if number else [])
        elif number:
            self.session.select(self.session.selected ^ {number})

    def _split(self, item: Item, event: Any) -> Generator[None, None, None]:
        start = end = overlays.position(item.layer, event.position)

        def shown(place: Points) -> None:
            nonlocal end
            end = place
            self._draw(item, np.stack([start, end]))

        moved = yield from moves(event, partial(self._at, item, shown))
        if item not in self.session.items:
            return
        if moved:
            self._forget_centre()
            self.hide()
            guarded(self.refusal.tried(partial(self.corrector.cut, np.stack([start, end]))))
        elif self._centre is not None and self._centre[0] is item:
            first = self._centre[1]
            self._forget_centre()
            guarded(self.refusal.tried(partial(self.corrector.part_at, np.stack([first, start]))))
        else:
            guarded(self.refusal.tried(partial(self._first_centre, item, start)))

    def _first_centre(self, item: Item, place: Points) -> None:
        """Keep the first of two centres; `TemsegError` where there is no particle to be parted."""
        self.corrector.particle_at(item, place)
        self._centre = item, place
        across = np.array([0.0, 5 * overlays.pixels_per_screen(self.session.viewer, item.layer)])
        self._draw(item, np.stack([place - across, place + across]))
        self.tool_changed.emit()

    def _forget_centre(self, *_: Any) -> None:
        if self._centre is not None:
            self._centre = None
            self.hide()
            self.tool_changed.emit()

    def _particles_changed(self, item: Item, what: Change) -> None:
        """The particle of the first centre may be another one now."""
        if what is Change.PARTICLES and self._centre is not None and self._centre[0] is item:
            self._forget_centre()

    def _add(self, item: Item, event: Any) -> Generator[None, None, None]:
        """A click outlines what lies there; a drag goes across it, from edge to edge, so that its ends may lie on others."""
        start = overlays.position(item.layer, event.position)
        found: tuple[Points, str] | None = None

        def shown(end: Points) -> None:
            nonlocal found
            line = np.stack([start, end])
            self.refusal.forget()
            across = float(np.hypot(*(end - start)))
            found = self._tried(partial(self.adder.outline, item, line.mean(axis=0), across))
            self._draw(item, line if found is None else np.concatenate([line, _begun_at(end, found[0])]))

        moved = yield from moves(event, partial(self._at, item, shown))
        if not moved and item in self.session.items:
            found = self._tried(partial(self.adder.outline, item, start))
        self.hide()
        if found is not None and item in self.session.items:
            guarded(self.refusal.tried(partial(self.corrector.add, *found)))

    def _lasso(self, item: Item, event: Any) -> Generator[None, None, None]:
        path = [overlays.position(item.layer, event.position)]

        def shown(place: Points) -> None:
            path.append(place)
            self._draw(item, np.stack([*path, path[0]]))

        return self._enclose(item, event, path, shown)

    def _box(self, item: Item, event: Any) -> Generator[None, None, None]:
        start = overlays.position(item.layer, event.position)
        path = [start]

        def shown(place: Points) -> None:
            path[:] = [start, np.array([start[0], place[1]]), place, np.array([place[0], start[1]])]
            self._draw(item, np.stack([*path, start]))

        return self._enclose(item, event, path, shown)

    def _alike(self, item: Item, event: Any) -> Generator[None, None, None]:
        adds, start = _shift(event), overlays.position(item.layer, event.position)
        ends = [start, start]

        def shown(place: Points) -> None:
            ends[1] = place
            self._draw(item, np.stack([start, [start[0], place[1]], place, [place[0], start[1]], start]))

        moved = yield from moves(event, partial(self._at, item, shown))
        self.hide()
        if moved and item in self.session.items:
            guarded(self.refusal.tried(partial(self.likewise.look, item, np.stack(ends), adds=adds)))

    def _enclose(self, item: Item, event: Any, path: list[Points], shown: Callable[[Points], None]) -> Generator[None, None, None]:
        adds, world = _shift(event), tuple(event.position)
        moved = yield from moves(event, partial(self._at, item, shown))
        self.hide()
        if item not in self.session.items:
            return
        if not moved:
            self._select(world, adds)
            return
        inside = self.corrector.enclosed(item, np.stack(path))
        self.session.select((self.session.selected if adds else frozenset()) | inside)

    # -- what is drawn meanwhile

    def _at(self, item: Item, shown: Callable[[Points], None], event: Any) -> None:
        if item in self.session.items:
            shown(overlays.position(item.layer, event.position))

    def _tried(self, action: Callable[[], Found]) -> Found | None:
        try:
            return action()
        except TemsegError as error:
            self.refusal.keep(error)
            if not self.refusal.seen():
                self.session.say(str(error))
            return None

    def _draw(self, item: Item, path: Points) -> None:
        self._show(item, path, overlays.add_line, "drawn line")


def _begun_at(place: Points, outline: Points) -> Points:
    """An outline (n, 2) that begins and ends where it is nearest to a place."""
    first = int(np.hypot(*(outline - place).T).argmin())
    return np.concatenate([outline[first:], outline[: first + 1]])


def _shift(event: Any) -> bool:
    return "Shift" in {getattr(each, "name", str(each)) for each in event.modifiers}
