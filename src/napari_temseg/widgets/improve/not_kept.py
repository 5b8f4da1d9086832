"""Why no model came of a training and what to do next: one advice, in few words, wherever something is said of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from napari_temseg.engine.types.wording import RIGHT_ALREADY, STAYS, TIME_SUFFICED

BETTER = 0.002  # IoU: a smaller gain is noise
MATERIAL = 0.005  # IoU: by less no step is kept (see `engine.training.selection`)
USE_LIVE = "for this image Use this result"  # where training is no way; Live has what strokes say of the image in hand


class NotKept(NamedTuple):
    """Why, and the way out, each in so few words that two lines of the dock hold both."""

    why: str
    way: str

    def words(self) -> str:
        """For the verdict."""
        return f"{self.why}; {self.way}"

    def next_step(self) -> str:
        """The same way as a sentence."""
        again = ": it takes what Live shows" if self.way == USE_LIVE else " and train again"
        return f"{self.way[:1].upper()}{self.way[1:]}{again}."


def is_refused(notes: Sequence[str]) -> bool:
    """Whether a training was not kept as too much else would have changed, by the notes of its record."""
    return any(note.startswith(STAYS) for note in notes)


def not_kept(points: Sequence[Mapping[str, float]], notes: Sequence[str] = (), *, twice: bool = False) -> NotKept:
    """Of a training without a model, by the points of its curves and the notes of its record; `twice`: the one before it was refused too.

    That the time was short comes first: nothing else can be told of what was hardly tried.
    """
    for note in notes:
        if short := re.match(TIME_SUFFICED.format(r"(\d+)", r"(\d+)"), note):
            return NotKept(f"time for {short[1]} of {short[2]} steps only", "allow more time")
        if re.match(r"making ready took .* steps were taken", note):
            return NotKept("making ready took most of the time", "allow more time")
    if is_refused(notes):
        right = twice or any(RIGHT_ALREADY in note for note in notes)
        return NotKept("too much else changed", USE_LIVE if right else "stroke right particles too")
    judged = [point["validation_iou"] for point in points if math.isfinite(point.get("validation_iou", math.nan))]
    if len(judged) < 2:
        return NotKept("nothing to try it on", "stroke in more places")
    if max(judged[1:]) <= judged[0] + BETTER:
        return NotKept("no better than before", "stroke more of what is wrong")
    if max(judged[1:]) < judged[0] + MATERIAL:
        return NotKept("the gain may be chance", "stroke more of what is wrong")
    return NotKept("the gain did not last", "allow more time")


def without_way(note: str) -> str:
    """A note that tells why the model stays, without what it says to do: that is told once, of all that is known."""
    return note.partition("; ")[0] if note.startswith(STAYS) else note
