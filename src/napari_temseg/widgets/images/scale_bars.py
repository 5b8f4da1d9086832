"""Burnt-in scale bars and letters: found by jobs, left out as ordinary regions, and one confirmed bar for all pictures that show it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from napari.utils.notifications import show_info
from qtpy.QtCore import QObject

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration
from napari_temseg.engine.types.wording import some_of
from napari_temseg.pipeline.burnt_in import BurntIn, iter_burnt_in, same_bar
from napari_temseg.widgets.canvas import micrograph_layer
from napari_temseg.widgets.session.regions import Regions

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

BARS_NAMED = 12  # pictures named in a notification


class ScaleBars(QObject):
    """The one that looks for what is burnt into the pictures of a session; in a stack, into the plane that is shown."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session

    def find(self, item: Item, found: Callable[[BurntIn], None], failed: Callable[[], None]) -> None:
        """Look for the bar of one picture, beside a running job."""
        pictures = self._pictures([item])
        self.session.jobs.look(lambda: iter_burnt_in(pictures, boxes=False), lambda result: found(result[0]), failed=failed)

    def leave_out(self, items: Sequence[Item], told: str = "") -> None:
        """Add bars, letters and data bars to what is left out; the sentence at the end starts with `told`."""
        pictures, items = self._pictures(items), list(items)
        self.session.jobs.start(_title(items), lambda: iter_burnt_in(pictures), partial(self._left_out, items, told))

    def spread(self, item: Item, known: Calibration, items: Sequence[Item], *, leave_out: bool) -> None:
        """Give a pixel size that was confirmed by the bar of `item` to all pictures whose bar has its length and label.

        The others are named. With `leave_out`, what is burnt into those that got it is left out.
        """
        others = [each for each in items if each is not item]
        pictures = self._pictures([item, *others])
        done = partial(self._spread, item, known, others, leave_out)
        self.session.jobs.start(_title([item, *others]), lambda: iter_burnt_in(pictures), done)

    def _pictures(self, items: Sequence[Item]) -> list[tuple[str, Callable[[], npt.NDArray[Any]]]]:
        return [(item.name, micrograph_layer.plane_reader(item.layer, self.session.shown_plane(item))) for item in items]

    def _leave_out(self, pairs: Sequence[tuple[Item, BurntIn]]) -> str:
        """Add the boxes to the regions; the sentence that tells what was found."""
        regions = self.session.part(Regions)
        added = sum(regions.leave_out(item, found.boxes) for item, found in pairs)
        return _sentence(added, [(item.name, found) for item, found in pairs])

    def _left_out(self, items: Sequence[Item], told: str, found: list[BurntIn]) -> None:
        pairs = [(item, each) for item, each in zip(items, found, strict=True) if item in self.session.items]
        self.session.say(" ".join(filter(None, [told, self._leave_out(pairs)])))

    def _spread(self, item: Item, known: Calibration, others: Sequence[Item], leave_out: bool, found: list[BurntIn]) -> None:
        session, first = self.session, found[0]
        pairs = [(each, burnt) for each, burnt in zip(others, found[1:], strict=True) if each in session.items]
        reasons = [same_bar(first, burnt) for _, burnt in pairs]
        same = [pair for pair, why in zip(pairs, reasons, strict=True) if not why]
        unlike = [f"{each.name}: {why}" for (each, _), why in zip(pairs, reasons, strict=True) if why]
        session.set_calibration([each for each, _ in same], known)
        n = len(same) + 1
        told = f"{n} image{'s' if n > 1 else ''} got {known.describe()}."
        if leave_out:
            mine = [(item, first)] if item in session.items else []
            told += f" {self._leave_out([*mine, *same])}"
        if unlike:
            told += f" {len(unlike)} to be looked at."
            show_info("\n".join([f"Not the same scale bar as in {item.name}, to be looked at:", *_listed(unlike)]))
        session.say(told)


def check_idle(session: Session) -> None:
    """`TemsegError` while a long job runs, before anything is changed."""
    if session.jobs.running:
        raise TemsegError(f"“{session.jobs.title}” is still running: wait for its end, or cancel it, then click again.")


def _title(items: Sequence[Item]) -> str:
    return f"Scale bar of {items[0].name}" if len(items) == 1 else f"Scale bars of {len(items)} images"


def _sentence(added: int, found: Sequence[tuple[str, BurntIn]]) -> str:
    """What was found, what was not, and in which pictures: letters over particles, or soft ones, are often missed."""
    if not found:
        return ""
    bars, lettered = sum(each.bar is not None for _, each in found), sum(each.letters for _, each in found)
    if not bars and not lettered:
        where = found[0][0] if len(found) == 1 else "these images"
        return f"No burnt-in bar or letters were found in {where}; draw a region over those you see."
    what = [f"{bars} scale bar{'s' if bars > 1 else ''}"] * (bars > 0)
    what += ["letters or data bar" + (f" in {lettered} images" if len(found) > 1 else "")] * (lettered > 0)
    boxes = f"{added} box{'es' if added > 1 else ''}" if added else "already"
    text = f"Left out: {' and '.join(what)} ({boxes})"
    bare = [name for name, each in found if not each.letters]
    if not bare:
        return f"{text}; look whether any are missing."
    where = "" if len(found) == 1 else f" in {some_of(bare)}"
    return f"{text}; no letters found{where}: draw a region over those you see."


def _listed(sentences: Sequence[str]) -> list[str]:
    lines = [f"• {sentence}" for sentence in sentences[:BARS_NAMED]]
    return [*lines, f"• and {len(sentences) - BARS_NAMED} more"] if len(sentences) > BARS_NAMED else lines
