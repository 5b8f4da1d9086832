"""Work on disk: calibration, sample, axes, particles with their corrections and flags, and what is left out of a picture."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.descriptors import BETWEEN_PIXELS, redefined, versions
from napari_temseg.engine.types.confidence import STANDING_OUT, Confidence
from napari_temseg.engine.types.micrograph import AXES, Calibration, Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import Origin, Particles
from napari_temseg.widgets.autosave.store import Saved, readable
from napari_temseg.widgets.canvas import shapes_layers

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

    def packed(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """What was done, and the particles as arrays."""
        about: dict[str, Any] = {
            "image": self.image,
            "opened": asdict(self.opened),
            "known": asdict(self.known),
            "ignored": self.ignored,
            "reviewed": self.reviewed,
            "regions": self.regions,
            "classes": dict(sorted(self.classes.items())),
        }
        if self.particles is None:
            return about, {}
        facts, arrays = _packed_particles(self.particles, self.measurement)
        origin = None if self.origin is None else asdict(self.origin)
        return {**about, "particles": {**facts, "corrections": self.corrections, "origin": origin}}, arrays


def _origin(particles: Particles, models: Mapping[str, str]) -> Origin | None:
    prediction, origin = particles.prediction, particles.origin
    if prediction is None:
        return origin
    name, scales = models.get(prediction.model_hash, ""), tuple(prediction.working_scale)
    return Origin(prediction.model_hash, name, scales, prediction.unlike, prediction.confidence)


def _packed_particles(particles: Particles, measurement: Measurement | None) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    from napari_temseg.engine.measure.measurement import flags_of
    from napari_temseg.engine.measure.other_splits import packed
    from napari_temseg.engine.particles.kept_contours import contour_columns

    table = particles.table
    facts: dict[str, Any] = {
        "definitions": versions(),
        "contours": 0,
        "contour_scale": None,
        "count": len(table),
        "shape": particles.labels.shape,
        "settings": particles.settings,
        "uncertain": particles.uncertain,
        "names": {int(number): str(name) for number, name in zip(table["class_id"], table["class"], strict=True)},
        "excluded": {},
        "seen": [],
        "splits": [],
        "populations": table["population"].tolist() if "population" in table else None,
    }
    arrays = {name: table[name].to_numpy(kind) for name, kind in _PARTICLE_COLUMNS.items()}
    arrays |= {"ids": table.index.to_numpy(np.int64), "probability": np.full(len(particles), np.nan)}
    if STANDING_OUT in table:
        arrays[STANDING_OUT] = table[STANDING_OUT].to_numpy(np.float64)
    if measurement is not None:
        facts["excluded"], facts["seen"] = flags_of(measurement)
        # The contour of what the model said, and the mean probability, cannot be had again: what it said is not kept.
        facts["contours"] = int((measurement.table["estimator"] == BETWEEN_PIXELS).sum())
        facts["contour_scale"] = measurement.calibration.scale
        means = measurement.table.set_index("particle")["probability_mean"]
        arrays["probability"] = means.reindex(table.index).to_numpy(np.float64)
        arrays |= {KEPT_CONTOUR + name: values for name, values in contour_columns(measurement).items()}
        facts["splits"], sizes = packed(measurement.other_splits)
        arrays |= sizes
    return facts, {"labels": particles.labels.copy()} | arrays  # painting goes on meanwhile


class SavedWork(Saved):
    """Work on disk. What nobody changed is None; so are the particles' facts when there are none."""

    folder_name = "work"

    def _take(self, about: dict[str, Any]) -> None:
        super()._take(about)
        opened, known = (_facts_of(about[when]) for when in ("opened", "known"))
        self.calibration = known.calibration if known.calibration != opened.calibration else None
        self.sample = known.sample if known.sample != opened.sample else None
        self.axes = known.axes if known.axes != opened.axes else None
        self.ignored, self.reviewed = bool(about["ignored"]), bool(about["reviewed"])
        self.regions = [shapes_layers.checked(kind, corners) for kind, corners in about["regions"]]
        self.classes = {int(number): str(name) for number, name in about["classes"].items()}
        self.particles: dict[str, Any] | None = about.get("particles")
        if self.particles is not None:
            versions_then = self.particles.get("definitions", {}).values()
            _ = [int(number) for number in (self.particles["count"], self.particles["corrections"], *versions_then)]
            _ = tuple(self.particles["shape"]), dict(self.particles["excluded"])

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


def _facts_of(facts: dict[str, Any]) -> PictureFacts:
    axes = str(facts["axes"])
    if axes and axes not in AXES:
        raise ValueError(f"“{axes}”")
    return PictureFacts(Calibration(**facts["calibration"]), str(facts["sample"]), axes)


def iter_read(found: SavedWork, image: Micrograph, renumber: npt.NDArray[np.uint8]) -> Job[tuple[Particles, Any]]:
    """Particles as they were kept, on `image` and measured there, without what it leaves out; flags come back too.

    `renumber` gives class numbers of today by those of the file.
    """

    def steps(control: Control) -> Generator[Progress, None, tuple[Particles, Any]]:
        from napari_temseg.engine.measure.other_splits import unpacked
        from napari_temseg.pipeline.label_images import iter_cut_out

        yield Progress("measure", 0.0, f"reading what is kept of {image.name}", control.elapsed)
        arrays = found.arrays()
        particles, probability = _particles(found, arrays, image, renumber)
        job = iter_cut_out(particles, image)
        yield from job
        particles, measurement = job.result
        facts = found.particles or {}
        with readable(found.path):
            measurement = replace(measurement, other_splits=unpacked(facts.get("splits", ()), arrays))
        return particles, _flagged(_with_contours(measurement, found, arrays), facts, probability, particles.origin)

    return Job(steps)


def _particles(
    found: SavedWork, arrays: dict[str, npt.NDArray[Any]], image: Micrograph, renumber: npt.NDArray[np.uint8]
) -> tuple[Particles, Any]:
    """Particles as they lie on disk, and their mean probabilities by number."""
    import pandas as pd

    facts = found.particles or {}
    with readable(found.path):
        labels = arrays["labels"]
        if labels.shape != tuple(image.data.shape):
            raise ValueError("it belongs to a picture of another shape")
        labels = labels.astype(np.int32, casting="safe")
        table = pd.DataFrame({name: arrays[name] for name in _PARTICLE_COLUMNS}, pd.Index(arrays["ids"], name="particle"))
        names = {int(number): str(name) for number, name in facts["names"].items()}
        table.insert(0, "class", pd.Series([names[number] for number in table["class_id"].tolist()], table.index, object))
        if STANDING_OUT in arrays:
            table[STANDING_OUT] = arrays[STANDING_OUT]
        if facts.get("populations"):
            table["population"] = pd.Series(facts["populations"], table.index, object)
        table["class_id"] = renumber[table["class_id"].to_numpy()].astype(np.int64)
        means, origin = pd.Series(arrays["probability"], table.index), _origin_of(facts["origin"])
    labels, table = _agreeing(labels, table)
    return Particles(labels, table, image, None, dict(facts["settings"]), int(facts["uncertain"]), origin), means


def _origin_of(facts: dict[str, Any] | None) -> Origin | None:
    if not facts:
        return None
    curve = facts.get("confidence")
    told = {"scales": tuple(facts["scales"]), "unlike": tuple(map(str, facts.get("unlike", ())))}
    return Origin(**{**facts, **told, "confidence": Confidence.from_dict(curve) if curve else None})


def _with_contours(measurement: Measurement, found: SavedWork, arrays: dict[str, npt.NDArray[Any]]) -> Measurement:
    """With what was measured on contours then, where it was kept and the particles are the same."""
    from napari_temseg.engine.particles.kept_contours import FROM_CONTOURS, with_contour_columns

    facts = found.particles or {}
    kept = {name.removeprefix(KEPT_CONTOUR): values for name, values in arrays.items() if name.startswith(KEPT_CONTOUR)}
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
    out = table[STANDING_OUT].to_numpy(np.float64)
    sure = np.full(len(means), np.nan) if origin is None or origin.confidence is None else origin.confidence.of(means, out)
    measurement = replace(measurement, table=table.assign(probability_mean=means, confidence=sure))
    excluded = {int(number): str(why) for number, why in facts["excluded"].items() if int(number) in alive}
    return with_flags(measurement, excluded, [number for number in facts["seen"] if number in alive])
