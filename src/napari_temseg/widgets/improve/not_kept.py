"""Why no model came of a training and what to do next: one reason and one way out, wherever something is said of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from napari_temseg.engine.types.wording import ENOUGH_SECONDS, FINISHED_AFTER, STAYS, TIME_SUFFICED

BETTER = 0.002  # IoU: a smaller gain is noise
MATERIAL = 0.005  # IoU: by less no step is kept (see `engine.training.selection`)
FILL = "Fill from strokes, correct that, then train"  # where strokes say that the model is wrong throughout: so few do not turn it
USE_LIVE = "for this image alone, Use this result"  # Live has what strokes say of the image in hand


class NotKept(NamedTuple):
    """Why, and the way out, each in few words; where that is more time, how many `seconds` would do, as far as that is known."""

    why: str
    way: str
    seconds: int = 0

    def words(self) -> str:
        """For the verdict."""
        return f"Not kept: {self.why}; {self.way}."


OTHER_SIZE = NotKept("you stroked particles of a size that is not looked for", "say first which is meant (below)")


def is_refused(notes: Sequence[str]) -> bool:
    """Whether a training was not kept as too much else would have changed, by the notes of its record."""
    return any(note.startswith(STAYS) for note in notes)


def is_of_not_kept(note: str) -> bool:
    """Whether a note tells why nothing was kept, which is told once: by the verdict."""
    return note.startswith(STAYS) or _short(note) is not None


def not_kept(
    points: Sequence[Mapping[str, float]], notes: Sequence[str] = (), facts: Mapping[str, float] | None = None, *, twice: bool = False
) -> NotKept:
    """Of a training without a model, by the points of its curves, the notes of its record, and the `facts` of its labels; `twice`: the one
    before it was refused too.

    Where the model says all that strokes say, more time would teach nothing either. Else that the time was short comes first, and alone:
    nothing else can be told of what was hardly tried. From labels too few to judge by nothing is concluded. Where strokes say that the
    model is wrong, a filling of them, corrected, teaches what they alone do not.
    """
    facts = facts or {}
    if facts.get("agreed"):
        return NotKept("the model agrees with your strokes", "stroke what is wrong, or split and merge in step 4")
    for note in notes:
        if (short := _short(note)) is not None:
            return short
    wrong = facts.get("mistaken", 0.0) == 1
    if refused := next((note for note in notes if note.startswith(STAYS)), ""):
        why, _, way = refused.removeprefix(STAYS).removeprefix(": ").partition("; ")
        way = FILL if wrong else way
        return NotKept(why, f"{way}; {USE_LIVE}" if twice and way else way or USE_LIVE)
    if facts.get("mistaken", 1.0) == 0 and not facts.get("telling", 1.0):
        return NotKept("the model is right on most of what you stroked", "stroke what is wrong")
    judged = [point["validation_iou"] for point in points if math.isfinite(point.get("validation_iou", math.nan))]
    if len(judged) < 2:
        return NotKept("nothing to try it on", "stroke in more places")
    if not facts.get("telling", 1.0):
        return NotKept("the few labels kept back do not speak for it", FILL if wrong else "stroke in more places")
    more = FILL if wrong else "stroke more of what is wrong"
    if max(judged[1:]) <= judged[0] + BETTER:
        return NotKept("no better than before on labels that it was not shown", more)
    if max(judged[1:]) < judged[0] + MATERIAL:
        return NotKept("the gain may be chance", more)
    return NotKept("the gain did not last", "allow more time")


def _short(note: str) -> NotKept | None:
    """What a note says of time that was short."""
    if short := re.match(TIME_SUFFICED.format(r"(\d+)", r"(\d+)"), note):
        enough = re.search(ENOUGH_SECONDS.format(r"(\d+)"), note)
        why = f"time for {short[1]} of {short[2]} steps only"
        return NotKept(why, enough[0], int(enough[1])) if enough else NotKept(why, "allow more time")
    if early := re.match(FINISHED_AFTER.format(r"(\d+)", r"(\d+)"), note):
        return NotKept(f"you finished it after {early[1]} of {early[2]} steps", "train again and let it end by itself")
    if re.match(r"making ready took .* steps were taken", note):
        return NotKept("making ready took most of the time", "allow more time")
    return None
