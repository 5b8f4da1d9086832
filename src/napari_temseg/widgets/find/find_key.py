"""The key F8: finds particles at once, or as soon as what runs is done, and says which."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ref

from qtpy.QtCore import QObject

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.widgets.find.finder import Finder
from napari_temseg.widgets.jobs.runner import guarded
from napari_temseg.widgets.session.keys import Keys

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

FIND_KEY = "F8"


class FindKey(QObject):
    """Pressed anywhere in the window; from step 1 it leads to step 2, where what is found is told.

    A picture asked for while a job ran is searched after that, unless it was closed.
    """

    def __init__(self, session: Session, panel: QWidget) -> None:
        super().__init__(panel)
        self.session, self.finder = session, session.part(Finder)
        self._awaits: ref[Item] | None = None
        session.part(Keys).use({FIND_KEY: self.press})
        session.jobs.changed.connect(self._go_on)

    def press(self) -> None:
        """Find particles in the picture in hand."""
        session, item = self.session, self.session.current
        if item is None:
            raise TemsegError("No image is open: drop micrographs onto the window, or choose File ▸ Open.")
        if item.asks_axes:
            session.say(f"{item.name}: say first what the planes of this stack are (below), then press {FIND_KEY} again.")
        elif not session.jobs.running:
            self.finder.find([item])
            self._lead()
        elif self.finder.searches(item):
            session.say(f"{item.name} is being searched.")
        else:
            self._awaits = ref(item)
            self._lead()
            session.say(f"{item.name} is searched as soon as this is done: {session.jobs.title}.")

    def _lead(self) -> None:
        """Step 1 tells nothing of what was found; step 3 and step 4 do."""
        if self.session.step == 0:
            self.session.step_wanted.emit(1)

    def _go_on(self) -> None:
        if self._awaits is None or self.session.jobs.running:
            return
        item, self._awaits = self._awaits(), None
        if item is not None and item in self.session.items and not self.session.jobs.cancelled:
            guarded(lambda: self.finder.find([item]))
