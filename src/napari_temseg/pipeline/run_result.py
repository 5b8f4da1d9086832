"""What a run leaves: of each input, and of the whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.engine.measure.samples.same_field import Field, Sketch, same_fields
from napari_temseg.engine.types.acquisition import Acquisition
from napari_temseg.engine.types.results import BandEnds, SizeCandidate

if TYPE_CHECKING:
    from napari_temseg.engine.measure.measurement import Measurement


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of a picture's first plane at full resolution with outlines, which `jpeg` gives, `width` px wide.

    `doubt` is the mean of what speaks against the outlines in it, `typical` whether it shows what is usual, not what is worst, `bar_place`
    the corner where a scale bar hides least: "" for the bottom left, else "above", "right" or both.
    """

    typical: bool
    doubt: float
    width: int
    jpeg: Callable[[], bytes] = field(repr=False)
    bar_place: str = ""


@dataclass(frozen=True, eq=False)
class RunItem:
    """One finished input: its unique name, its measurement, particles by class, files written, what gives a picture (JPEG) with outlines.

    `notes` are the sentences of its reader, `acquisition` what the file tells of how it was taken, `sketch` gives the picture at
    128 × 128 px.
    `shown_by` names the item that shows the same field, where one does, with how that is known; it is not `counted` then.
    """

    name: str
    path: Path
    measurement: Measurement
    per_class: dict[str, int]
    files: tuple[Path, ...]
    picture: Callable[[], bytes] = field(repr=False)  # read when it is asked for: of all that a set holds the most
    uncertain: int = 0
    lossy: bool = False
    unlike: dict[int, str] = field(default_factory=dict)  # as `Particles.unlike`
    candidates: tuple[SizeCandidate, ...] = ()  # as of its prediction
    ends: BandEnds | None = None  # as `Particles.band_ends`
    notes: tuple[str, ...] = ()
    acquisition: Acquisition = field(default_factory=Acquisition)
    sketch: Callable[[], Sketch] | None = field(default=None, repr=False)  # as `picture`
    shown_by: tuple[str, str] | None = None
    counted: bool = True
    scales: tuple[float, ...] = ()  # at which the model looked at it
    size: float = 0.0  # px, of the particles that were looked for, 0 where the model answers for all sizes
    other_size: float = 0.0  # px, that of the large ones, where two sizes are meant and `size` is that of the small ones
    larger: SizeCandidate | None = None  # as of its prediction; of a plane so large that it is searched in pieces nobody knows
    alone: bool = False  # as of its prediction: two sizes were asked for, one has evidence
    computed_with: str = ""  # as of its prediction
    splitting: dict[str, Any] = field(default_factory=dict)  # the settings as they came to be, those of the model filled in
    crops: tuple[Crop, ...] = field(default=(), repr=False)  # where it is typical, and where it is worst

    @property
    def field_seen(self) -> Field:
        """What its field is known by."""
        m = self.measurement
        return Field(self.acquisition, m.content_hash, m.n_planes, m.frame, self.sketch, m.calibration.nanometres)


def fields_once(items: Sequence[RunItem], *, count_twice: bool = False) -> list[RunItem]:
    """The items with what shows a field once more marked; unless `count_twice`, its particles are excluded, and it is not counted."""
    found = same_fields([item.field_seen for item in items])
    marked = list(items)
    for index, (first, how) in found.items():
        marked[index] = replace(items[index], shown_by=(items[first].name, how), counted=count_twice)
        if not count_twice:
            m = items[index].measurement
            excluded = m.table["excluded"].where(m.table["excluded"] != "", f"same field as {items[first].name}")
            marked[index] = replace(marked[index], measurement=replace(m, table=m.table.assign(excluded=excluded)))
    return marked


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a run left in `output`.

    `failures` gives for each input that could not be used the sentence that says why; `summary` is the content of summary.json;
    `stopped` is True when the run ended before its last input, and `missing` are the inputs it did not come to; `trouble` says what
    stopped it when nobody did (a full disk). `notes` say what else was done or left: pictures of an earlier start, older results, files
    that are no micrographs. `told` is the summary with lengths in the unit in which people read them.
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
    told: dict[str, Any] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        particles = sum(len(item.measurement) for item in self.items)
        failed = f", {len(self.failures)} could not be used" if self.failures else ""
        stopped = ", stopped before its end" if self.stopped else ""
        return f"<RunResult in {self.output}: {particles} particles in {len(self.items)} images{failed}{stopped}>"
