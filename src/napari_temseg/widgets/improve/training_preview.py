"""What a training takes for particles by now, on the plane that somebody looks at."""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from typing import TYPE_CHECKING, NamedTuple

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.results import Prediction
from napari_temseg.widgets.canvas import layers
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.session.change import Change

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class PreviewTarget(NamedTuple):
    """A plane that somebody looks at."""

    micrograph: Micrograph
    item: Item
    plane: int


class TrainingPreview:
    """Between `begin` and `end` it follows what is in hand, where that is learnt from: others may be of another size, or kind. A
    preview that the user removed comes back with the next training."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._runs = self._unwanted = False
        self._learnt: Container[Item] = ()
        self._aims: deque[PreviewTarget | None] = deque(maxlen=8)  # None: something that is not learnt from
        self._micrographs: dict[Item, Micrograph] = {}
        session.current_changed.connect(self._aim)
        session.plane_changed.connect(self._aim)
        session.item_changed.connect(self._item_changed)

    def begin(self, learnt: Container[Item]) -> None:
        """A training begins, on these pictures."""
        self._runs, self._unwanted, self._learnt = True, False, learnt
        self._micrographs.clear()
        self._aim()

    def end(self) -> None:
        """It runs no more."""
        self._runs = False
        self._aims.clear()
        self._micrographs.clear()
        for item in self.session.items:
            self._clear(item)

    @property
    def seen(self) -> bool:
        """Whether there is one on the picture in hand."""
        item = self.session.current
        return item is not None and Role.PREVIEW in item.made and layers.is_visible(item.made[Role.PREVIEW])

    def look(self) -> Micrograph | None:
        """The plane on the screen; asked in the thread of the job, which only reads what `_aim` has put there."""
        aim = self._aims[-1] if self._aims else None
        return None if aim is None or self._unwanted else aim.micrograph

    def show(self, prediction: Prediction) -> bool:
        """Show what was said of a plane, where that is still looked at."""
        aim = next((aim for aim in self._aims if aim is not None and aim.micrograph is prediction.micrograph), None)
        if aim is None or self._unwanted or aim.item is not self.session.current or aim.item not in self.session.items:
            return False
        session, item = self.session, aim.item
        layer, name = item.made.get(Role.PREVIEW), f"{item.name} preview"
        shown = layers.show_plane_map(session.viewer, item.layer, layer, aim.plane, prediction.foreground(), name, Role.PREVIEW)
        layers.set_visible(shown, True)
        session.adopt(item, Role.PREVIEW, shown)
        return True

    def _aim(self) -> None:
        item = self.session.current
        if not self._runs or item is None or item.asks_axes:
            return
        for other in self.session.items:
            if other is not item:
                self._clear(other)
        if item not in self._learnt:
            self._aims.append(None)
            return
        try:
            if item not in self._micrographs:
                self._micrographs[item] = item.micrograph()
        except TemsegError:  # a picture in colours: nothing to preview
            return
        plane = self.session.shown_plane(item)
        self._aims.append(PreviewTarget(self._micrographs[item].at(plane), item, plane))

    def _clear(self, item: Item) -> None:
        """Hide the preview; the next one is shown in its layer, as napari takes long to remove a layer."""
        if Role.PREVIEW in item.made:
            layers.set_visible(item.made[Role.PREVIEW], False)

    def _item_changed(self, item: Item, what: Change) -> None:
        if what == Change.PREVIEW:
            self._unwanted = True
        elif what in (Change.AXES, Change.LEFT_OUT, Change.PIXELS):
            self._micrographs.pop(item, None)
            self._aim()
