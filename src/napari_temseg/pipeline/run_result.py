"""What a run leaves: of each input, and of the whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.engine.types.acquisition import Acquisition

if TYPE_CHECKING:
    from napari_temseg.engine.measure.measurement import Measurement


@dataclass(frozen=True, eq=False)
class RunItem:
    """One finished input: its unique name, its measurement, particles by class, files written, and a picture (JPEG) with outlines.

    `notes` are the sentences of its reader, `acquisition` what the file tells of how it was taken.
    """

    name: str
    path: Path
    measurement: Measurement
    per_class: dict[str, int]
    files: tuple[Path, ...]
    picture: bytes = field(repr=False)
    uncertain: int = 0
    lossy: bool = False
    unlike: dict[int, str] = field(default_factory=dict)  # as `Particles.unlike`
    notes: tuple[str, ...] = ()
    acquisition: Acquisition = field(default_factory=Acquisition)


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a run left in `output`.

    `failures` gives for each input that could not be used the sentence that says why; `summary` is the content of summary.json;
    `stopped` is True when the run ended before its last input, and `missing` are the inputs it did not come to; `trouble` says what
    stopped it when nobody did (a full disk). `notes` say what else was done or left: pictures of an earlier start, older results, files
    that are no micrographs.
    """

    output: Path
    items: tuple[RunItem, ...]
    failures: dict[str, str]
    summary: dict[str, Any]
    files: tuple[Path, ...] = ()
    stopped: bool = False
    missing: tuple[Path, ...] = ()
    trouble: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        particles = sum(len(item.measurement) for item in self.items)
        failed = f", {len(self.failures)} could not be used" if self.failures else ""
        stopped = ", stopped before its end" if self.stopped else ""
        return f"<RunResult in {self.output}: {particles} particles in {len(self.items)} images{failed}{stopped}>"
