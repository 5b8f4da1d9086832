"""Particles with what was done on them: a part of what is kept. What the model said takes much room, and is not kept."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.descriptors import BETWEEN_PIXELS, redefined, versions
from napari_temseg.engine.types.confidence import STANDING_OUT, STROKED, Confidence, Doubts
from napari_temseg.engine.types.large_arrays import copied
from napari_temseg.engine.types.micrograph import Micrograph
from napari_temseg.engine.types.progress import Control, Job, Progress
from napari_temseg.engine.types.results import Origin, Particles, SizeCandidate
from napari_temseg.engine.types.wording import several
from napari_temseg.widgets.autosave.store import About, Arrays, KeptPart, PictureFacts, Snapshot, read_arrays, readable
from napari_temseg.widgets.session.change import Change
from napari_temseg.widgets.session.results.doubtful import Doubtful

if TYPE_CHECKING:
    import pandas as pd

    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.engine.particles.carry_over import Unmatched
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session

LARGE_LABELS = 200 << 20  # bytes of labels: more is written when nothing was done for a while, or at the end
_FOUND = "found_"  # before the number of a plane: pixels that differ from what the search left, and what they were
_CONTOUR = "contour_"  # before the name of what was measured on contours of what the model said
_COLUMNS = {"class_id": np.int64, "plane": np.int64, "aggregate": np.int64, "frame": np.bool_, "cut": np.bool_}


class ReadParticles(NamedTuple):
    """What was kept: particles, their measurement, corrected planes (Y, X) as the search left them, None where that is not known, and
    corrections that somebody has to decide on."""

    particles: Particles
    measurement: Measurement
    found: Mapping[int, npt.NDArray[np.int32]] | None
    unmatched: Unmatched | None


class KeptParticles(KeptPart):
    """Particles with their corrections, exclusions and reviews, and what of their measurement cannot be had again."""

    folder, key, what = "work", "particles", "particles"
    changes = frozenset({Change.PARTICLES, Change.TABLE, Change.REVIEW, Change.DOUBTS, Change.OTHER_SPLITS, Change.CALIBRATION})

    @classmethod
    def of(cls, item: Item, opened: PictureFacts, session: Session) -> Snapshot | None:
        """As they are when they are written: the labels are the very ones that are painted on."""
        if item.particles is None:
            return None
        origin = _origin(item.particles, session.model_names)
        if origin is not None and item.particles.prediction is not None:
            origin = replace(origin, doubts=session.part(Doubtful).known(item))
        bare = replace(item.particles, prediction=None, origin=origin)
        about = {"image": item.name, "reviewed": item.reviewed, "classes": dict(sorted(session.classes.items()))}
        hand = None if item.restored else dict(item.found)
        pack = partial(_packed, about, bare, item.measurement, item.corrections, hand, item.unmatched)
        return Snapshot(item.name, pack, large=bare.labels.nbytes > LARGE_LABELS)

    def _take(self) -> list[str]:
        self.facts: About = self.about["particles"]
        self.reviewed = bool(self.about["reviewed"])
        self.classes = {int(number): str(name) for number, name in self.about["classes"].items()}
        self.corrections = int(self.facts["corrections"])
        self._then = {str(name): int(version) for name, version in self.facts.get("definitions", {}).items()}
        _ = tuple(self.facts["shape"]), dict(self.facts["excluded"])
        told = [several(int(self.facts["count"]), "particle")]
        told += [several(self.corrections, "correction")] if self.corrections else []
        return [*told, "reviewed"] if self.reviewed else told

    def iter_read(self, image: Micrograph, renumber: npt.NDArray[np.uint8]) -> Job[ReadParticles]:
        """The particles on `image`, without what it leaves out, and measured there; flags come back too.

        `renumber` gives class numbers of today by those of the file.
        """

        def steps(control: Control) -> Generator[Progress, None, ReadParticles]:
            from napari_temseg.engine.measure.other_splits import unpacked
            from napari_temseg.pipeline.label_images import iter_cut_out

            yield Progress("measure", 0.0, f"reading what is kept of {image.name}", control.elapsed)
            arrays = read_arrays(self.path)
            with readable(self.path):
                particles = self._particles(arrays, image, renumber)
                splits = unpacked(self.facts.get("splits", ()), arrays)
                found, unmatched = _found(self.facts.get("found"), arrays), _unmatched(self.facts.get("unmatched"))
            job = iter_cut_out(particles, image)
            yield from job
            particles, measurement = job.result
            measurement = replace(self._with_contours(measurement, arrays), other_splits=splits)
            if found is not None and image.valid is not None:  # what lies in left-out areas was not deleted by hand
                found = {plane: np.where(image.valid, page, 0) for plane, page in found.items()}
            return ReadParticles(particles, self._flagged(measurement, arrays, particles.origin), found, unmatched)

        return Job(steps)

    def otherwise(self, measurement: Measurement) -> list[str]:
        """Sentences on what is not as it was when this was kept."""
        # Taken over as it was kept, as what the model said is not: it cannot come out otherwise.
        changed = redefined(self._then | {name: versions()[name] for name in ("probability_mean", "confidence")})
        told = [f"Measured anew, as the definition has changed (version then → now): {', '.join(changed)}."] if changed else []
        lost = int(self.facts.get("contours", 0)) - int((measurement.table["estimator"] == BETWEEN_PIXELS).sum())
        if lost > 0:
            told.append(
                f"Ferets, rectangle and perimeter of {several(lost, 'particle')} come from the mask now, not from the contour of what the "
                "model said, which is not kept: find anew for it."
            )
        return told

    def _particles(self, arrays: Arrays, image: Micrograph, renumber: npt.NDArray[np.uint8]) -> Particles:
        import pandas as pd

        facts, labels = self.facts, arrays["labels"]
        if labels.shape != tuple(image.data.shape):
            raise ValueError("it belongs to a picture of another shape")
        table = pd.DataFrame({name: arrays[name] for name in _COLUMNS}, pd.Index(arrays["ids"], name="particle"))
        names = {int(number): str(name) for number, name in facts["names"].items()}
        table.insert(0, "class", pd.Series([names[number] for number in table["class_id"].tolist()], table.index, object))
        if STANDING_OUT in arrays:
            table[STANDING_OUT] = arrays[STANDING_OUT]
        if facts.get("populations"):
            table["population"] = pd.Series(facts["populations"], table.index, object)
        table["class_id"] = renumber[table["class_id"].to_numpy()].astype(np.int64)
        labels, table = _agreeing(labels.astype(np.int32, casting="safe"), table)
        origin = _origin_of(facts["origin"]) if facts["origin"] else None
        return Particles(labels, table, image, None, dict(facts["settings"]), int(facts["uncertain"]), origin, int(facts.get("faint", 0)))

    def _with_contours(self, measurement: Measurement, arrays: Arrays) -> Measurement:
        """With what was measured on contours then, where it was kept and the particles are the same."""
        from napari_temseg.engine.particles.kept_contours import FROM_CONTOURS, with_contour_columns

        kept = {name.removeprefix(_CONTOUR): values for name, values in arrays.items() if name.startswith(_CONTOUR)}
        if not set(FROM_CONTOURS) < kept.keys() or not self.facts.get("contour_scale"):
            return measurement  # of an earlier version
        y, x = self.facts["contour_scale"]
        return with_contour_columns(measurement, kept, (float(y), float(x)), self._then)

    def _flagged(self, measurement: Measurement, arrays: Arrays, origin: Origin | None) -> Measurement:
        """With what the model said of each particle in the mean, and what a person did."""
        import pandas as pd

        from napari_temseg.engine.measure.measurement import with_flags

        table = measurement.table
        alive = set(table["particle"].astype(int).tolist())
        means = np.asarray(pd.Series(arrays["probability"], arrays["ids"]).reindex(table["particle"]), np.float64)
        curve = None if origin is None else origin.confidence
        out = table[STANDING_OUT].to_numpy(np.float64)
        sure = np.full(len(means), np.nan) if curve is None else curve.of(means, out)
        if "stroked" in arrays:
            sure[np.isin(table["particle"], arrays["stroked"])] = STROKED
        measurement = replace(measurement, table=table.assign(probability_mean=means, confidence=sure))
        excluded = {int(number): str(why) for number, why in self.facts["excluded"].items() if int(number) in alive}
        return with_flags(measurement, excluded, [number for number in self.facts["seen"] if number in alive])


def _packed(
    about: About,
    particles: Particles,
    measurement: Measurement | None,
    corrections: int,
    found: Mapping[int, npt.NDArray[np.int32]] | None,
    unmatched: Unmatched | None,
) -> tuple[About, Arrays]:
    from napari_temseg.engine.measure.measurement import flags_of
    from napari_temseg.engine.measure.other_splits import packed
    from napari_temseg.engine.particles.kept_contours import contour_columns

    table = particles.table
    facts: About = {
        "definitions": versions(),
        "count": len(table),
        "shape": particles.labels.shape,
        "settings": particles.settings,
        "uncertain": particles.uncertain,
        "faint": particles.faint,
        "names": {int(number): str(name) for number, name in zip(table["class_id"], table["class"], strict=True)},
        "populations": table["population"].tolist() if "population" in table else None,
        "corrections": corrections,
        "origin": None if particles.origin is None else _facts_of(particles.origin),
        "excluded": {},
        "seen": [],
    }
    arrays: Arrays = {"labels": copied(particles.labels), "ids": table.index.to_numpy(np.int64)}  # painting goes on meanwhile
    arrays |= {name: table[name].to_numpy(kind) for name, kind in _COLUMNS.items()}
    arrays |= {STANDING_OUT: table[STANDING_OUT].to_numpy(np.float64)} if STANDING_OUT in table else {}
    arrays["probability"] = np.full(len(table), np.nan)
    if measurement is not None:
        facts["excluded"], facts["seen"] = flags_of(measurement)
        # The contour of what the model said, and the mean probability, cannot be had again.
        facts["contours"] = int((measurement.table["estimator"] == BETWEEN_PIXELS).sum())
        facts["contour_scale"] = measurement.calibration.scale
        arrays["probability"] = measurement.table.set_index("particle")["probability_mean"].reindex(table.index).to_numpy(np.float64)
        arrays["stroked"] = measurement.table["particle"][measurement.table["confidence"] == STROKED].to_numpy(np.int64)
        arrays |= {_CONTOUR + name: values for name, values in contour_columns(measurement).items()}
        facts["splits"], sizes = packed(measurement.other_splits)
        arrays |= sizes
    if unmatched is not None:
        facts["unmatched"] = [unmatched.count, sorted(unmatched.mine), sorted(unmatched.found), dict(unmatched.met)]
    facts["found"] = None if found is None else sorted(found)
    for plane, page in (found or {}).items():
        other = np.flatnonzero(page != arrays["labels"].reshape(-1, *page.shape)[plane])
        arrays |= {f"{_FOUND}{plane}_at": other, f"{_FOUND}{plane}": page.ravel()[other]}
    return {**about, "particles": facts}, arrays


def _found(planes: Sequence[int] | None, arrays: Arrays) -> dict[int, npt.NDArray[np.int32]] | None:
    """Corrected planes as the search left them; None where an earlier version kept the work, or where it was not known any more."""
    if planes is None:
        return None
    labels, found = arrays["labels"], {}
    for plane in map(int, planes):
        page = labels.reshape(-1, *labels.shape[-2:])[plane].astype(np.int32)
        page.ravel()[arrays[f"{_FOUND}{plane}_at"]] = arrays[f"{_FOUND}{plane}"]
        found[plane] = page
    return found


def _unmatched(facts: Any) -> Unmatched | None:
    from napari_temseg.engine.particles.carry_over import Unmatched

    if not facts:
        return None
    count, mine, there, met = facts
    met = {int(label): str(reason) for label, reason in met.items()}
    return Unmatched(int(count), frozenset(map(int, mine)), frozenset(map(int, there)), met)


def _origin(particles: Particles, models: Mapping[str, str]) -> Origin | None:
    said = particles.prediction
    if said is None:
        return particles.origin
    smaller = None if said.other is not None else said.smaller
    name, scales = models.get(said.model_hash, ""), tuple(said.working_scale)
    return Origin(said.model_hash, name, scales, said.unlike, said.confidence, smaller=smaller, doubted=said.doubted)


def _facts_of(origin: Origin) -> About:
    return asdict(replace(origin, doubts=None)) | {"doubts": None if origin.doubts is None else origin.doubts.rows()}


def _origin_of(facts: About) -> Origin:
    curve, unlike = facts.get("confidence"), tuple(map(str, facts.get("unlike", ())))
    sure = Confidence.from_dict(curve) if curve else None
    known = facts.get("doubts")
    doubts = None if known is None else Doubts.of_rows(known)
    smaller = SizeCandidate(**facts["smaller"]) if facts.get("smaller") else None
    made = {"scales": tuple(facts["scales"]), "unlike": unlike, "confidence": sure, "doubts": doubts, "smaller": smaller}
    return Origin(**{**facts, **made})


def _agreeing(labels: npt.NDArray[np.int32], table: pd.DataFrame) -> tuple[npt.NDArray[np.int32], Any]:
    """Labels and table that go together, should painting have gone on while they were written."""
    present = np.unique(labels)
    strange = np.setdiff1d(present[present > 0], table.index.to_numpy())
    if len(strange):
        labels = np.where(np.isin(labels, strange), 0, labels)
    return labels, table[table.index.isin(present)]
