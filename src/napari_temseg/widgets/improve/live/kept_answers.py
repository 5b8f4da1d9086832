"""What is kept of instant answers: planes that a model has looked at already, and what the strokes on them were answered with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from math import prod
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from napari_temseg.engine.interactive.linear_head import Ground
    from napari_temseg.widgets.improve.live.answers import LiveAnswer, LiveTarget
    from napari_temseg.widgets.session.item import Item

PLANES_WITH_FEATURES = 3  # planes whose frozen features are kept however large they are: some 130 MB each for 4096² …
KEPT_PIXELS = 24 * 1024**2  # … px of the planes that are kept at most beside these: some 20 bytes each with their answers
MOST_PLANES = 64  # planes that are kept however small they are
Kept = TypeVar("Kept")


class KeptAnswers:
    """Those of the planes that were looked at last: who comes back to one sees at once what was there."""

    def __init__(self) -> None:
        self._grounds: OrderedDict[LiveTarget, Ground] = OrderedDict()  # the newest last
        self._answers: OrderedDict[LiveTarget, LiveAnswer] = OrderedDict()

    def __contains__(self, aim: LiveTarget) -> bool:
        return aim in self._grounds

    def ground(self, aim: LiveTarget) -> Ground | None:
        """What answering a plane needs, None where it was not looked at."""
        return self._grounds.get(aim)

    def answer(self, aim: LiveTarget) -> LiveAnswer | None:
        """The newest answer of a plane, None where it is not known any more."""
        return self._answers.get(aim)

    def keep(self, aim: LiveTarget, answered: LiveAnswer) -> None:
        """A plane was answered."""
        self._grounds[aim], self._answers[aim] = answered.ground, answered
        _trim(self._grounds, aim, PLANES_WITH_FEATURES)
        _trim(self._answers, aim, 1)

    def planes(self, aim: LiveTarget) -> dict[int, Ground]:
        """Of all planes of a micrograph that were looked at as this one is, by their indices."""
        return {each.plane: ground for each, ground in self._grounds.items() if each == aim._replace(plane=each.plane)}

    def forget(self, item: Item) -> None:
        """A micrograph is another now."""
        self._drop(lambda each: each is item)

    def only(self, items: Collection[Item]) -> None:
        """These are open; others were closed."""
        self._drop(lambda each: each not in items)

    def _drop(self, gone: Callable[[Item], bool]) -> None:
        for known in (self._grounds, self._answers):
            for aim in [aim for aim in known if gone(aim.item)]:
                del known[aim]

    def clear(self) -> None:
        """Let go of all."""
        self._grounds.clear()
        self._answers.clear()


def _trim(known: OrderedDict[LiveTarget, Kept], newest: LiveTarget, least: int) -> None:
    """Let go of the oldest, but for so many at the `least`."""
    known.move_to_end(newest)
    pixels = sum(prod(aim.item.frame) for aim in known)
    while len(known) > least and (len(known) > MOST_PLANES or pixels > KEPT_PIXELS):
        aim, _ = known.popitem(last=False)
        pixels -= prod(aim.item.frame)
