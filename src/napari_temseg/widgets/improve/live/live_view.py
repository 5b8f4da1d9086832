"""What is seen of a live answer: its layers on the picture, and the particles that it becomes when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from qtpy.QtCore import QObject, Signal

from napari_temseg.widgets.canvas import layers, overlays
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.improve.live.answers import LiveAnswer
from napari_temseg.widgets.improve.live.first_answers import FirstAnswer
from napari_temseg.widgets.session.change import Change

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

LIVE_ROLES = (Role.LIVE, Role.UNCERTAINTY)


class LiveView(QObject):
    """Shows one answer at a time, in layers of its micrograph; those that somebody hides stay hidden until they are asked for again.

    `changed` tells that something else is shown.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._shown: tuple[Item, LiveAnswer | FirstAnswer, list[Role]] | None = None  # and the roles of the layers that show it
        self._plane = 0  # of it
        self._closed: WeakSet[Item] = WeakSet()  # whose particles somebody had hidden before an answer took their place
        session.closing.connect(self._forget)
        session.current_changed.connect(self._other_image)

    def shows(self, answered: LiveAnswer | FirstAnswer, roles: list[Role]) -> bool:
        """Whether this was the last that was shown, in these layers."""
        return self._shown is not None and self._shown[1:] == (answered, roles)

    @property
    def shows_current(self) -> bool:
        """Whether what is shown is of the plane that is looked at."""
        item = self.session.current
        return item is not None and self._shown is not None and self._shown[0] is item and self._plane == self.session.shown_plane(item)

    def holds(self, item: Item, plane: int) -> bool:
        """Whether what is shown is of this plane, with its outlines."""
        return self._shown is not None and self._shown[0] is item and self._plane == plane and Role.LIVE in self._shown[2]

    def seen(self, item: Item, plane: int) -> bool:
        """Whether outlines of the whole of this plane are on the screen."""
        whole = self._shown is not None and isinstance(self._shown[1], LiveAnswer)
        return whole and self.holds(item, plane) and Role.LIVE in item.made and layers.is_visible(item.made[Role.LIVE])

    def show(self, item: Item, plane: int, answered: LiveAnswer | FirstAnswer, roles: list[Role]) -> None:
        """Show an answer for a plane in the layers of these roles (of `LIVE_ROLES`), and nothing of any other."""
        session, veiled = self.session, item.veiled
        before = self._shown[2] if self._shown is not None and self._shown[0] is item else []
        self._clear(but=item)
        for role in LIVE_ROLES:
            if role not in roles and role in item.made:
                layers.set_visible(item.made[role], False)
        made: dict[Role, Any] = {}
        if Role.UNCERTAINTY in roles:
            layer, name, style = item.made.get(Role.UNCERTAINTY), f"{item.name} uncertainty", {"colours": "magma", "opacity": 0.7}
            made[Role.UNCERTAINTY] = layers.show_plane_map(
                session.viewer, item.layer, layer, plane, answered.unsure, name, Role.UNCERTAINTY, **style
            )
            if layer is None:
                overlays.add_colour_bar(made[Role.UNCERTAINTY])
        if Role.LIVE in roles:
            layer, name = item.made.get(Role.LIVE), f"{item.name} live"
            made[Role.LIVE] = overlays.show_answer(session.viewer, item.layer, layer, plane, answered.drawing, name)
            self._veil(item)
        for role, layer in made.items():
            session.adopt(item, role, layer)
            if role not in before:
                layers.set_visible(layer, True)
        self._shown, self._plane = (item, answered, roles), plane
        if item.veiled != veiled:
            session.item_changed.emit(item, Change.VEILED)
        self.changed.emit()

    def hide(self) -> None:
        """Show no answer."""
        before, self._shown = self._shown, None
        self._clear()
        if before is not None:
            self.changed.emit()

    def leave(self, item: Item) -> None:
        """Show its particles again in the place of the answer."""
        if self._shown is not None and self._shown[0] is item:
            self.hide()
        else:
            self._unveil(item)

    def _unveil(self, item: Item) -> None:
        if not item.veiled:
            return
        item.veiled = False
        if item not in self._closed and item.particles_layer is not None:
            layers.set_visible(item.particles_layer, layers.is_visible(item.layer))
        self._closed.discard(item)
        self.session.item_changed.emit(item, Change.VEILED)

    def _veil(self, item: Item) -> None:
        """Outlines of an earlier search would only confuse beside those of the answer: nothing that is pressed in the dock shows them."""
        layer = item.particles_layer
        if item.veiled:
            return
        item.veiled = True
        if layer is not None:
            if layers.is_visible(item.layer) and not layers.is_visible(layer):
                self._closed.add(item)
            layers.set_visible(layer, False)

    def _clear(self, but: Item | None = None) -> None:
        for item in self.session.items:
            if item is but:
                continue
            for role in LIVE_ROLES:
                if role in item.made and layers.is_visible(item.made[role]):
                    layers.set_visible(item.made[role], False)
            self._unveil(item)

    def _other_image(self) -> None:
        """At once: a busy machine would show one picture under the answer of another."""
        if self._shown is not None and self._shown[0] is not self.session.current:
            self.hide()

    def _forget(self) -> None:
        self._shown = None
