"""An audit while it is answered: each particle is measured blind before its outline is shown and judged, then fields are searched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from napari_temseg.engine.measure.audit.outcome import ACCEPT, PIECE, REJECT, SEVERAL
from napari_temseg.engine.measure.audit.sampling import AuditField, AuditParticle, AuditSample

DECISION_KEYS = {"A": ACCEPT, "S": SEVERAL, "P": PIECE, "R": REJECT}
NEXT_KEY, BACK_KEY = "N", "U"
Place = tuple[float, float]


class AuditQuestions:
    """Which question is asked and what was said; `at` counts particles first, then fields.

    `clicks` (y, x in px of the picture) are those on the question in hand; `shown` tells whether its outline may be seen. `decisions` and
    `lengths` (px) go by particle, `missed` by field: places (y, x) and lengths of what was not found.
    """

    def __init__(self, sample: AuditSample, said: Mapping[str, Any] | None = None) -> None:
        """`said` are answers of before, as `answered` gives them: the audit goes on at the first that is open."""
        self.sample, said = sample, said or {}
        self.decisions: dict[int, str] = {int(number): str(each) for number, each in said.get("decisions", {}).items()}
        self.lengths: dict[int, float] = {int(number): float(each) for number, each in said.get("lengths", {}).items()}
        self.missed: dict[int, list[list[float]]] = {int(number): list(each) for number, each in said.get("missed", {}).items()}
        n = len(sample.particles)
        done = {*self.decisions, *(n + number for number in self.missed)}
        self.at = next((index for index in range(self.count) if index not in done), self.count)
        self.clicks: list[Place] = []
        self.shown = False

    @property
    def count(self) -> int:
        """Questions in all."""
        return len(self.sample.particles) + len(self.sample.fields)

    @property
    def current(self) -> AuditParticle | AuditField | None:
        """What is asked about; None when all is answered."""
        n = len(self.sample.particles)
        if self.at >= self.count:
            return None
        return self.sample.particles[self.at] if self.at < n else self.sample.fields[self.at - n]

    def click(self, y: float, x: float) -> None:
        """An end of a particle: the second end of the one that is asked about measures it and shows its outline."""
        asked = self.current
        if asked is None or self.shown:
            return
        self.clicks.append((y, x))
        if isinstance(asked, AuditParticle) and len(self.clicks) == 2:
            self.lengths[self.at] = math.dist(*self.clicks)
            self.shown = True

    def press(self, key: str) -> bool:
        """One of the keys; returns whether it led to another question."""
        asked = self.current
        if key == BACK_KEY:
            return self._go(self.at - 1)
        if isinstance(asked, AuditField) and key == NEXT_KEY:
            pairs = zip(self.clicks[::2], self.clicks[1::2], strict=False)
            found = [[(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, math.dist(a, b)] for a, b in pairs]
            self.missed[self.at - len(self.sample.particles)] = found
            return self._go(self.at + 1)
        if isinstance(asked, AuditParticle) and not self.shown and key == NEXT_KEY:
            self.lengths.pop(self.at, None)
            self.shown = True
        elif isinstance(asked, AuditParticle) and self.shown and key in DECISION_KEYS:
            self.decisions[self.at] = DECISION_KEYS[key]
            return self._go(self.at + 1)
        return False

    def _go(self, index: int) -> bool:
        """To a question that is asked anew, blind; what was said of it before goes."""
        self.at, self.clicks, self.shown = min(max(index, 0), self.count), [], False
        n = len(self.sample.particles)
        if index < self.count:
            self.decisions.pop(self.at, None)
            self.lengths.pop(self.at, None)
            self.missed.pop(self.at - n, None)
        return True

    def answered(self, digest: str, auditor: str, finished: str) -> dict[str, Any]:
        """What was said, as plain values: of which sample, by whom and when (ISO 8601). Only judged particles have a length."""
        lengths = {number: length for number, length in self.lengths.items() if number in self.decisions}
        told = {"decisions": dict(sorted(self.decisions.items())), "lengths": lengths, "missed": self.missed}
        return {"sample": digest, "auditor": auditor, "finished": finished, **told}
