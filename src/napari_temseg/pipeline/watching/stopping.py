"""When there are pictures enough: a rule that is set before the first of them, or its interval means less than it says."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.units import length_words
from napari_temseg.engine.types.wording import more_words, percent, several
from napari_temseg.files.atomic import write_text

if TYPE_CHECKING:
    from napari_temseg.engine.measure.distribution import SizeDistribution

LEAST_PICTURES = 5  # before which a rule cannot be met: of three, intervals are too chancy to stop at the first that is narrow
LEAST_UNTIL, MOST_UNTIL = 0.002, 0.5
USUAL = 0.05  # ± of D50 that is told where there is no rule
UNLOOKED = 9.0  # × as long as a look at all sizes took goes by before the next


class StoppingRule:
    """Enough pictures: counting leaves at most ± `until` of D50 open (95 %, from how pictures differ); None: whoever watches decides.

    The rule is kept in the `state` folder of the run with the number of pictures that were `done` when it was set, and stays where the run
    goes on with the same one.
    """

    def __init__(self, until: float | None, state: Path, done: int) -> None:
        self.until, self.met, self.open = until, False, float("inf")
        self._looked, self._cost, self._said = 0.0, 0.0, ""
        self._set_at = self._agreed(state / "watch.json", done)

    def _agreed(self, path: Path, done: int) -> int:
        """At how many pictures the rule was set."""
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            if known["until"] == self.until and known["set_at"] <= done:
                return int(known["set_at"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # there was none
        write_text(path, json.dumps({"until": self.until, "set_at": done}) + "\n")
        return done

    def due(self) -> bool:
        """Whether it is time to look at all sizes again: they take longer the more there are."""
        return time.monotonic() - self._looked >= UNLOOKED * self._cost

    def look(self, sizes: Mapping[str, SizeDistribution]) -> str:
        """D50 as it stands, and how many more pictures it takes; whether the rule is `met` is known then."""
        begun = time.monotonic()
        self._said = " · ".join(self._told(each) for each in sizes.values())
        left_open = [each.counted.half.get("d50", float("inf")) if self._enough(each) else float("inf") for each in sizes.values()]
        self.open = max(left_open, default=float("inf"))
        self.met = self.until is not None and self.open <= self.until
        self._looked = time.monotonic()
        self._cost = self._looked - begun
        return self._said

    @property
    def said(self) -> str:
        """What was told last."""
        return self._said

    @staticmethod
    def _enough(sizes: SizeDistribution) -> bool:
        return sizes.counted.of_specimen and sizes.counted.units >= LEAST_PICTURES

    def _told(self, sizes: SizeDistribution) -> str:
        middle, half, share = sizes.quantile(0.5), sizes.counted.half.get("d50"), self.until or USUAL
        if middle is None:
            return "no particle yet"
        told = f"{several(len(sizes), 'particle')}, D50 {length_words(middle, sizes.unit, 4)}"
        more = sizes.more_for(share)
        if half is None or more is None or not sizes.counted.of_specimen:
            return f"{told}, its interval from three pictures on"
        needed = max(more["more"], LEAST_PICTURES - sizes.counted.units)
        enough = more_words(needed, more["of"]) if needed else "enough"
        return f"{told} ± {percent(half, 1)}, {enough} for ± {percent(share, 1)}"

    def plain(self) -> dict[str, Any]:
        """For summary and report."""
        left_open = self.open if self.open != float("inf") else None
        return {"until": self.until, "set_at": self._set_at, "met": self.met, "open": left_open, "text": self._sentence(left_open)}

    def _sentence(self, left_open: float | None) -> str:
        if self.until is None:
            return (
                "Pictures were added as they were taken, without a rule for when there are enough: if imaging ended because a number "
                "looked right, its interval is too narrow."
            )
        were = f"{several(self._set_at, 'picture')} {'was' if self._set_at == 1 else 'were'}"
        when = f"when {were} done, not before the first" if self._set_at else "before the first picture"
        outcome = "it was met" if self.met else "it was not met"
        now = "" if left_open is None else f" (± {percent(left_open, 1)} in the end)"
        return (
            f"Pictures were added as they were taken, until counting leaves ± {percent(self.until, 1)} of D50 open (95 %, {LEAST_PICTURES} "
            f"pictures at least); this rule was set {when}, and {outcome}{now}."
        )


def checked_until(until: float | None, *, watch: bool) -> float | None:
    """The rule as it can be used; `TemsegError` says why not."""
    if until is None:
        return None
    if not watch:
        raise TemsegError("A rule for when to stop (until) belongs to a run that watches a folder; add --watch, or leave it out.")
    if not LEAST_UNTIL <= until <= MOST_UNTIL:
        raise TemsegError(
            f"Until ± {until:.3g} of D50 cannot be meant; give {percent(LEAST_UNTIL, 1)} to {percent(MOST_UNTIL)}, such as 5%."
        )
    return float(until)
