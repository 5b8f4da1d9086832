"""What was deleted in a part of a picture: what looks like it in the rest is selected, so that one press deletes or excludes it too."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.populations import LARGE, are_populations
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.widgets.particles.exclusion import NOT_A_PARTICLE
from napari_temseg.widgets.particles.tools.refusal import Refusal

if TYPE_CHECKING:
    from napari_temseg.engine.particles.label_changes import Window
    from napari_temseg.engine.particles.lookalikes import CorrectedPlane
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

Page = npt.NDArray[np.int32]


class Likewise(QObject):
    """Looks through the shown plane after the example of parts of it."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        # The boxes of each picture, with the plane as it was found: after a new search they are no examples any more.
        self._parts: WeakKeyDictionary[Item, list[tuple[Page, Window]]] = WeakKeyDictionary()

    def look(self, item: Item, corners: npt.NDArray[np.float64], *, adds: bool = False) -> None:
        """Take the box between two corners (2, 2) in px as the example, or as one more, and select what looks like the deleted ones.

        It is worked out beside the window. `TemsegError` where nothing was corrected.
        """
        self.session.settle(item)
        plane, particles = self.session.shown_plane(item), item.found_particles()
        excluded = self._no_particles(item)
        page = particles.planes()[plane]
        found = item.found.get(plane, page if excluded else None)
        if found is None:
            raise TemsegError(f"{item.name}: nothing was deleted here; delete what is no particle in one part, then draw the box round it.")
        low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0)) + 1
        rows, columns = (slice(max(int(a), 0), max(int(b), 0)) for a, b in zip(low, high, strict=True))
        known = [part for part in self._parts.get(item, []) if adds and part[0] is found]
        self._parts[item] = [*known, (found, (rows, columns))]
        parts, labels = [window for _, window in self._parts[item]], page.copy()  # which is corrected in place meanwhile
        said = None if item.prediction is None else item.prediction.at(plane)
        micrograph = item.micrograph()
        large = particles.table.index[particles.table["population"] == LARGE].tolist() if are_populations(particles) else []

        def corrected_plane() -> CorrectedPlane:
            from napari_temseg.engine.particles.lookalikes import CorrectedPlane

            image = np.asarray(micrograph.plane(plane), np.float32)
            maps = (None, None) if said is None else (said.foreground(), said.auxiliary.get("distance"))
            foreground, depth = (None if each is None else each.astype(np.float32) for each in maps)
            return CorrectedPlane(image, labels, found, foreground, depth, large)

        def steps(control: Control) -> Generator[Progress, None, list[int] | str]:
            from napari_temseg.engine.particles.lookalikes import like_the_deleted

            yield Progress("look", 0.0, "looking for what is like it", control.elapsed)
            try:
                return like_the_deleted(corrected_plane(), parts, excluded)
            except TemsegError as error:  # it stands whole in the panel, not cut beside the picture
                return str(error)

        self.session.say(f"{item.name}: looking for what is like it …")
        failed = partial(self.session.say, f"{item.name}: nothing was selected.")
        self.session.jobs.look(lambda: Job(steps), partial(self._found, item, particles.labels), failed=failed)

    @staticmethod
    def _no_particles(item: Item) -> list[int]:
        """Those that were left out as no particles."""
        table: Any = item.measurement.table if item.measurement is not None else None
        return [] if table is None else table.loc[table["excluded"] == NOT_A_PARTICLE, "particle"].astype(int).tolist()

    def _found(self, item: Item, labels: Page, alike: list[int] | str) -> None:
        if item is not self.session.current or item.particles is None or item.particles.labels is not labels:
            return  # another picture is in hand, or another result
        if isinstance(alike, str):
            self.session.say(f"{item.name}: nothing was selected.")
            self.session.part(Refusal).keep(TemsegError(alike))
            return
        reviewed = item.measurement.table.loc[item.measurement.table["reviewed"], "particle"] if item.measurement is not None else ()
        picked = set(alike) & set(item.particles.table.index) - set(reviewed)
        self.session.select(picked)
        n = len(picked)
        if not n:
            self.session.say(f"{item.name}: nothing else looks like what was deleted there.")
            return
        are = "looks like it and is" if n == 1 else "look like it and are"
        self.session.say(f"{item.name}: {n} more {are} selected. Delete takes them out; Shift and click spares one.")
