"""Work on disk: calibration, sample, axes, particles with their corrections and flags, and what is left out of a picture."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.descriptors import BETWEEN_PIXELS, redefined, versions
from napari_temseg.engine.types.confidence import Confidence
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import AXES, Calibration, Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import Origin, Particles
from napari_temseg.widgets.autosave import store
from napari_temseg.widgets.canvas import shapes_layers
from napari_temseg.widgets.session.data_folder import data_folder

if TYPE_CHECKING:
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.widgets.session.item import Item

LARGE_LABELS = 200 << 20  # bytes of labels: more is written when nothing was done for a while, or at the end
KEPT_CONTOUR = "contour_"  # before the name of what was measured on contours of what the model said, which is not kept
_PARTICLE_COLUMNS = {"class_id": np.int64, "plane": np.int64, "aggregate": np.int64, "frame": np.bool_, "cut": np.bool_}


@dataclass(frozen=True)
class PictureFacts:
    """What was known of a micrograph when it was opened, before anybody did anything."""

    calibration: Calibration
    sample: str
    axes: str

    @classmethod
    def of(cls, item: Item) -> PictureFacts:
        """As it is now."""
        return cls(item.calibration, item.sample, item.axes)


@dataclass(frozen=True, eq=False)
class Work:
    """What was done on a micrograph. The labels are the very ones that are painted on; all else stays as it is here."""

    image: str
    opened: PictureFacts
    known: PictureFacts
    ignored: bool
    reviewed: bool
    regions: list[shapes_layers.Area]
    particles: Particles | None
    measurement: Measurement | None
    corrections: int
    classes: dict[int, str]
    origin: Origin | None
    gone: bool = False  # whether the layer of the particles was removed since

    @classmethod
    def of(cls, item: Item, opened: PictureFacts, classes: Mapping[int, str], models: Mapping[str, str]) -> Work:
        """As it is now; `models` are names by hash."""
        return cls(
            item.name,
            opened,
            PictureFacts.of(item),
            item.ignored,
            item.reviewed,
            [] if item.left_out is None else shapes_layers.areas_of(item.left_out),
            item.particles,
            item.measurement,
            item.history.by_hand,
            dict(classes),
            None if item.particles is None else _origin(item.particles, models),
        )

    def light(self) -> Work:
        """Without what the model said, which takes much memory and is not kept."""
        return replace(self, particles=self.particles and replace(self.particles, prediction=None, origin=self.origin))

    def with_particles_of(self, other: Work) -> Work:
        """This with the particles of another, and all that was done on those."""
        return replace(
            self,
            reviewed=other.reviewed,
            particles=other.particles,
            measurement=other.measurement,
            corrections=other.corrections,
            origin=other.origin,
        )

    @property
    def plain(self) -> bool:
        """Whether nothing was done."""
        return self.known == self.opened and not (self.ignored or self.reviewed or self.regions) and self.particles is None

    @property
    def large(self) -> bool:
        """Whether writing it takes so long that it waits for a pause."""
        return self.particles is not None and self.particles.labels.nbytes > LARGE_LABELS


def _origin(particles: Particles, models: Mapping[str, str]) -> Origin | None:
    prediction, origin = particles.prediction, particles.origin
    if prediction is None:
        return origin
    name, scales = models.get(prediction.model_hash, ""), tuple(prediction.working_scale)
    return Origin(prediction.model_hash, name, scales, prediction.unlike, prediction.confidence)


class WorkFile(store.AutosaveFile):
    """Where the work on one micrograph goes."""

    @staticmethod
    def folder() -> Path:
        """Where work is kept."""
        return data_folder() / "work"

    def save(self, work: Work) -> str:
        """Write what changed since the last time; returns a sentence when that failed for the first time, else ""."""
        if work.plain and self.path is None:
            return ""
        return self.attempt(work.image, lambda: self.put(*_content(work)))


def _content(work: Work) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    about: dict[str, Any] = {
        "image": work.image,
        "opened": asdict(work.opened),
        "known": asdict(work.known),
        "ignored": work.ignored,
        "reviewed": work.reviewed,
        "regions": work.regions,
        "classes": dict(sorted(work.classes.items())),
    }
    particles = work.particles
    if particles is None:
        return about, {}
    table = particles.table
    flags, arrays = _flags(work.measurement), {name: table[name].to_numpy(kind) for name, kind in _PARTICLE_COLUMNS.items()}
    about["particles"] = flags | {
        "definitions": versions(),
        "contours": _contours(work.measurement),
        "contour_scale": None if work.measurement is None else work.measurement.calibration.scale,
        "count": len(table),
        "shape": particles.labels.shape,
        "settings": particles.settings,
        "uncertain": particles.uncertain,
        "corrections": work.corrections,
        "origin": None if work.origin is None else asdict(work.origin),
        "names": {int(number): str(name) for number, name in zip(table["class_id"], table["class"], strict=True)},
    }
    arrays |= {"ids": table.index.to_numpy(np.int64), "probability": _probability(particles, work.measurement)}
    if work.measurement is not None:
        from napari_temseg.engine.particles.kept_contours import contour_columns

        arrays |= {KEPT_CONTOUR + name: values for name, values in contour_columns(work.measurement).items()}
    return about, {"labels": particles.labels.copy()} | arrays  # painting goes on meanwhile


def _flags(measurement: Measurement | None) -> dict[str, Any]:
    if measurement is None:
        return {"excluded": {}, "seen": []}
    from napari_temseg.engine.measure.measurement import flags_of

    return dict(zip(("excluded", "seen"), flags_of(measurement), strict=True))


def _contours(measurement: Measurement | None) -> int:
    """How many particles were measured on the contour of what the model said, which is not kept."""
    return 0 if measurement is None else int((measurement.table["estimator"] == BETWEEN_PIXELS).sum())


def _probability(particles: Particles, measurement: Measurement | None) -> npt.NDArray[np.float64]:
    """Mean probability of each particle: it cannot be measured again without what the model said."""
    if measurement is None:
        return np.full(len(particles), np.nan)
    means = measurement.table.set_index("particle")["probability_mean"]
    return means.reindex(particles.table.index).to_numpy(np.float64)


@dataclass(frozen=True, eq=False)
class SavedWork:
    """Work on disk. What nobody changed is None; so are the particles' facts when there are none."""

    path: Path
    time: datetime
    calibration: Calibration | None
    sample: str | None
    axes: str | None
    ignored: bool
    reviewed: bool
    regions: list[shapes_layers.Area]
    classes: dict[int, str]
    particles: dict[str, Any] | None = field(default=None)

    @property
    def corrections(self) -> int:
        """Number of corrections by hand."""
        return int(self.particles["corrections"]) if self.particles else 0

    @property
    def redefined(self) -> list[str]:
        """What is measured by another definition today than when this was kept; see `descriptors.redefined`."""
        if self.particles is None:
            return []
        # Taken over as it was kept, as what the model said is not: it cannot come out otherwise.
        then = {str(name): int(version) for name, version in self.particles.get("definitions", {}).items()}
        return redefined(then | {name: versions()[name] for name in ("probability_mean", "confidence")})

    @property
    def contours(self) -> int:
        """Particles whose lengths and perimeter were measured on the contour of what the model said."""
        return int(self.particles.get("contours", 0)) if self.particles else 0

    @property
    def parts(self) -> list[str]:
        """What it holds, for people."""
        found = []
        if self.particles is not None:
            found.append(plural(int(self.particles["count"]), "particle"))
            if self.corrections:
                found.append(plural(self.corrections, "correction"))
        if self.reviewed:
            found.append("reviewed")
        if self.regions:
            found.append(plural(len(self.regions), "region"))
        if self.calibration is not None:
            found.append(f"pixel size {size_of(self.calibration)}")
        found += [f"sample {self.sample}"] if self.sample else []
        found += [f"planes as {AXES[self.axes]}"] if self.axes and self.particles is None else []
        found += ["image left out"] if self.ignored else []
        return found


def size_of(calibration: Calibration) -> str:
    """A pixel size for people."""
    return "not known (px)" if calibration.pixel_size is None else f"{calibration.scale[1]:.4g} nm"


def plural(n: int, what: str) -> str:
    """ "1 particle", "2 particles"."""
    return f"{n} {what}{'s' if n != 1 else ''}"


def look_up(file: WorkFile, *, own: bool = False) -> SavedWork | str | None:
    """The newest work kept of a picture, or a sentence when none can be read; None when there is none.

    What this start has written counts only if `own`.
    """
    if not any(file.folder().glob("*.npz")):
        return None
    trouble = ""
    for path in file.files():
        if path == file.path and not own:
            continue
        try:
            found = _saved(path, store.read_file(path)[0])
            if found.parts:
                return found
        except TemsegError as error:
            trouble = str(error)
    return trouble or None


def _saved(path: Path, about: dict[str, Any]) -> SavedWork:
    try:
        opened, known, particles = _facts_of(about["opened"]), _facts_of(about["known"]), about.get("particles")
        if particles is not None:
            int(particles["count"]), int(particles["corrections"]), tuple(particles["shape"]), dict(particles["excluded"])
            _ = [int(version) for version in particles.get("definitions", {}).values()]
        return SavedWork(
            path,
            datetime.fromisoformat(about["time"]),
            known.calibration if known.calibration != opened.calibration else None,
            known.sample if known.sample != opened.sample else None,
            known.axes if known.axes != opened.axes else None,
            bool(about["ignored"]),
            bool(about["reviewed"]),
            [shapes_layers.checked(kind, corners) for kind, corners in about["regions"]],
            {int(number): str(name) for number, name in about["classes"].items()},
            particles,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise store.unusable(path, f"{error} is missing or wrong") from error


def _facts_of(facts: dict[str, Any]) -> PictureFacts:
    size = facts["calibration"].pop("pixel_size")
    axes = str(facts["axes"])
    if axes and axes not in AXES:
        raise ValueError(f"“{axes}”")
    return PictureFacts(Calibration(None if size is None else tuple(size), **facts["calibration"]), str(facts["sample"]), axes)


def iter_read(found: SavedWork, image: Micrograph, renumber: npt.NDArray[np.uint8]) -> Job[tuple[Particles, Any]]:
    """Particles as they were kept, on `image` and measured there, without what it leaves out; flags come back too.

    `renumber` gives class numbers of today by those of the file.
    """

    def steps(control: Control) -> Generator[Progress, None, tuple[Particles, Any]]:
        from napari_temseg.pipeline.label_images import iter_cut_out

        yield Progress("measure", 0.0, f"reading what is kept of {image.name}", control.elapsed)
        particles, probability = _particles(found, image, renumber)
        job = iter_cut_out(particles, image)
        yield from job
        particles, measurement = job.result
        return particles, _flagged(_with_contours(measurement, found), found.particles or {}, probability, particles.origin)

    return Job(steps)


def _particles(found: SavedWork, image: Micrograph, renumber: npt.NDArray[np.uint8]) -> tuple[Particles, Any]:
    """Particles as they lie on disk, and their mean probabilities by number."""
    import pandas as pd

    facts = found.particles or {}
    _, (labels, ids, probability, *columns) = store.read_file(found.path, "labels", "ids", "probability", *_PARTICLE_COLUMNS)
    try:
        if labels.shape != tuple(image.data.shape):
            raise ValueError("it belongs to a picture of another shape")
        labels = labels.astype(np.int32, casting="safe")
        table = pd.DataFrame(dict(zip(_PARTICLE_COLUMNS, columns, strict=True)), pd.Index(ids, name="particle"))
        names = {int(number): str(name) for number, name in facts["names"].items()}
        table.insert(0, "class", pd.Series([names[number] for number in table["class_id"].tolist()], table.index, object))
        table["class_id"] = renumber[table["class_id"].to_numpy()].astype(np.int64)
        origin = facts["origin"]
        if origin:
            told = {"scales": tuple(origin["scales"]), "unlike": tuple(map(str, origin.get("unlike", ())))}
            curve = origin.get("confidence")
            origin = Origin(**{**origin, **told, "confidence": Confidence.from_dict(curve) if curve else None})
        means = pd.Series(probability, table.index)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise store.unusable(found.path, f"{error}") from error
    labels, table = _agreeing(labels, table)
    return Particles(labels, table, image, None, dict(facts["settings"]), int(facts["uncertain"]), origin), means


def _with_contours(measurement: Measurement, found: SavedWork) -> Measurement:
    """With what was measured on contours then, where it was kept and the particles are the same."""
    from napari_temseg.engine.particles.kept_contours import FROM_CONTOURS, with_contour_columns

    facts = found.particles or {}
    kept = {name.removeprefix(KEPT_CONTOUR): values for name, values in store.read_arrays(found.path, KEPT_CONTOUR).items()}
    if not set(FROM_CONTOURS) < kept.keys() or not facts.get("contour_scale"):
        return measurement  # of an earlier version
    y, x = facts["contour_scale"]
    return with_contour_columns(measurement, kept, (float(y), float(x)), facts.get("definitions", {}))


def _agreeing(labels: npt.NDArray[np.int32], table: Any) -> tuple[npt.NDArray[np.int32], Any]:
    """Labels and table that go together, should painting have gone on while they were written."""
    present = np.unique(labels)
    strange = np.setdiff1d(present[present > 0], table.index.to_numpy())
    if len(strange):
        labels = np.where(np.isin(labels, strange), 0, labels)
    return labels, table[table.index.isin(present)]


def _flagged(measurement: Any, facts: dict[str, Any], probability: Any, origin: Origin | None) -> Any:
    from napari_temseg.engine.measure.measurement import with_flags

    table = measurement.table
    alive = set(table["particle"].astype(int).tolist())
    means = probability.reindex(table["particle"]).to_numpy()
    sure = np.full(len(means), np.nan) if origin is None or origin.confidence is None else origin.confidence.of(means)
    measurement = replace(measurement, table=table.assign(probability_mean=means, confidence=sure))
    excluded = {int(number): str(why) for number, why in facts["excluded"].items() if int(number) in alive}
    return with_flags(measurement, excluded, [number for number in facts["seen"] if number in alive])
