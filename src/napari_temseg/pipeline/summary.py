"""The numbers of a run: one distribution a unit, what was read and found in each image, cautions in words, as summary.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.api import size_distribution
from napari_temseg.engine.measure.audit.carrying import Audit, audited
from napari_temseg.engine.measure.descriptors import DISTRIBUTION_STATISTICS, POPULATION, definitions
from napari_temseg.engine.measure.samples.populations import by_population, population_figures, populations_of
from napari_temseg.engine.particles.modes import modes_of
from napari_temseg.engine.types.populations import POPULATIONS
from napari_temseg.engine.types.results import BAND, SizeCandidate
from napari_temseg.engine.types.units import length_words, size_words
from napari_temseg.engine.types.wording import (
    WHY_APART,
    ends_touched,
    larger_seen,
    one_size_alone,
    sizes_asked,
    some_of,
    two_heaps,
    unlike_training,
)
from napari_temseg.files.atomic import json_text, plain, printable, write_text
from napari_temseg.files.formats.series import LOSSY
from napari_temseg.files.segmentation import segmentation_for
from napari_temseg.pipeline.recipe import Recipe
from napari_temseg.pipeline.samples.summaries import comparisons, sample_summaries
from napari_temseg.version import __version__

if TYPE_CHECKING:
    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.pipeline.run_result import RunItem


NOT_USABLE = "Not usable as it is"  # how the caution of a verdict begins
TOO_FEW_IMAGES = ("Only 1 image:", "Only 2 images:")  # and that of pictures which have no interval of the specimen
INPUTS_NAMED = 8  # inputs that a sentence names one by one; the report's list and summary.json name all
ADVICE_FOR_COMMANDS = {
    "certainty": "--certainty 0",
    "size": "Say it with --typical-size, or --typical-size both, and --as-one where that is one powder of many sizes",
    "another size": "Say a smaller or larger --typical-size",
    "wider": "Look for both as one powder with --typical-size “{}, {}” --as-one",
    "larger": "Look for both with --typical-size “{}, {}”",
    "two heaps": "Look for each by itself with --typical-size “{}, {}”",
    "pixel size": 'give it with --pixel-size "0.21 nm"',
    "strokes": "train a model on a few strokes (temseg gui, step Improve)",
}
ADVICE_FOR_THE_WINDOW = {
    "certainty": "Find ▸ Certainty 0",
    "size": "Say it with Find ▸ size, or choose both there, and One wide distribution where that is one powder of many sizes",
    "another size": "Say a smaller or larger size in Find",
    "wider": "Look for both as one powder: size “{}, {}” in Find, and One wide distribution",
    "larger": "Look for both: size “{}, {}” in Find",
    "two heaps": "Look for each by itself: size “{}, {}” in Find",
    "pixel size": "click “not calibrated (px)” beside the image's name",
    "strokes": "paint a few strokes in Improve",
}


def distributions(measurements: Sequence[Measurement], audits: Sequence[Audit] = ()) -> dict[str, SizeDistribution]:
    """One distribution of the equivalent circular diameter a unit, "nm" or "px": these are never pooled.

    Nor are two populations: those of a unit are "nm small" and "nm large". `audits` are those that were made of the images; they count
    where all lengths are in one unit.
    """
    found = {}
    for unit in sorted({measurement.length_unit for measurement in measurements}):
        for population, there in by_population([m for m in measurements if m.length_unit == unit]).items():
            found[f"{unit} {population}".strip()] = size_distribution(there, population=population)
    return audited(found, audits, measurements)


def summarise(
    items: Sequence[RunItem],
    failures: dict[str, str],
    sizes: dict[str, SizeDistribution],
    settings: Recipe,
    output: Path,
    *,
    window: bool = False,
    audits: Sequence[Audit] = (),
) -> dict[str, Any]:
    """Everything of a run that is a number or a sentence, as plain values; with `window`, advice names its controls.

    `sizes` are audited already (`distributions`); with `audits` the samples are too.
    """
    summaries = {unit: distribution.summary() for unit, distribution in sizes.items()}
    for unit, distribution in sizes.items():
        summaries[unit] |= _surface(distribution, settings)
    recorded, samples = settings.to_dict(output), sample_summaries(items, audits)
    summary = {
        "temseg": __version__,
        "model": recorded["model"],
        "settings": {"predict": recorded["predict"], "split": recorded["split"]},
        "edge": " / ".join(sorted({item.measurement.edge for item in items})),
        "mask_overlays": settings.mask_overlays,
        "images": [_image(item) for item in items],
        "failures": failures,
        "distributions": summaries,
        "populations": _populations(sizes),
        "fits": {unit: {"drawn": each.best_fit, "all": each.fits} for unit, each in sizes.items()},
        "audit": next((each.audit for each in sizes.values()), None),
        "samples": samples,
        "sample_comparisons": comparisons(items, audits),
        "nanomaterial_indicator": _nanomaterial(items),
        "cautions": [
            *_cautions(items, failures, summaries, ADVICE_FOR_THE_WINDOW if window else ADVICE_FOR_COMMANDS),
            *(
                f"Sample {each['sample']}: {some_of(each['deviating'])} searched or split with other settings than the rest of the sample."
                for each in samples
                if each["deviating"]
            ),
        ],
        "columns": {
            column: {"definition": each.formula, "unit": each.kind, "version": each.version}
            for key in sorted({item.measurement.length_unit for item in items})
            for column, each in (definitions(key) | (POPULATION if any(map(_has_two, items)) else {})).items()
        },
        "statistics": {name: {"definition": each.formula, "version": each.version} for name, each in DISTRIBUTION_STATISTICS.items()},
    }
    values: dict[str, Any] = plain(summary)
    return values


def _surface(sizes: SizeDistribution, settings: Recipe) -> dict[str, Any]:
    """Surface per mass, and dispersion of a metal, with what counting leaves open of D[3,2]; {} where no density is told or in px."""
    density, mass = settings.density, settings.molar_mass
    area = None if density is None else sizes.specific_surface(density)
    if density is None or area is None:
        return {}
    told: dict[str, Any] = {"density": density, "molar_mass": mass, "specific_surface": area}
    if mass is not None:
        told["dispersion"] = sizes.dispersion(density, mass)
    d32, interval = (sizes.summary()[name] for name in ("d32", "d32_interval"))
    for name in ("specific_surface", "dispersion"):
        if name in told and interval:
            told[f"{name}_interval"] = [told[name] * d32 / end for end in reversed(interval)]
    return told


def _larger(item: RunItem, larger: SizeCandidate, advice: dict[str, str]) -> str:
    """That larger particles were not looked for, and how to look for both, as the window offers it."""
    small, large = (size_words(size, item.measurement.calibration.nanometres) for size in (item.size, larger.size))
    way = advice["wider" if larger.size <= BAND**2 * item.size else "larger"]
    return f"{item.name}: {larger_seen(larger, large)} {way.format(small, large)}."


def _has_two(item: RunItem) -> bool:
    return len(populations_of(item.measurement)) > 1


def _populations(sizes: Mapping[str, SizeDistribution]) -> dict[str, list[dict[str, Any]]]:
    """Number, D50 and shares of two populations by unit; {} where all is of one size."""
    units = {each.unit: {other.population: other for other in sizes.values() if other.unit == each.unit} for each in sizes.values()}
    return {unit: figures for unit, own in units.items() if (figures := population_figures(own))}


def _nanomaterial(items: Sequence[RunItem]) -> dict[str, Any] | None:
    """The indicator of the pictures in nm; none of two populations, of which it counts the smaller one and little else."""
    from napari_temseg.engine.measure.nanomaterial import nanomaterial_indicator

    calibrated = [item.measurement for item in items if item.measurement.length_unit != "px"]
    if any(map(_has_two, items)):
        return None
    return nanomaterial_indicator(calibrated, segmentation_for({each.model_hash for each in calibrated})) if calibrated else None


def _image(item: RunItem) -> dict[str, Any]:
    m = item.measurement
    return {
        "image": item.name,
        "sample": m.sample,
        "grid": m.grid,
        "file": item.path.name,
        "sha256": m.content_hash,
        "axes": m.axes,
        "edge": m.edge,
        "planes": m.n_planes,
        "frame_px": m.frame,
        "left_out_share": None if m.mask is None else 1 - m.valid_area / (m.frame[0] * m.frame[1]),
        "calibration": {**asdict(m.calibration), "text": m.calibration.stated()},
        "acquisition": asdict(item.acquisition),
        "particles": len(m),
        "excluded": m.table["excluded"][m.table["excluded"] != ""].value_counts().to_dict(),
        "reviewed": int(m.table["reviewed"].sum()),
        "per_class": item.per_class,
        **({"per_population": _per_population(item)} if _has_two(item) else {}),
        "uncertain": item.uncertain,
        "size_looked_for_px": item.size or None,
        **({"other_size_looked_for_px": item.other_size} if item.other_size and not _has_two(item) else {}),
        "larger_not_looked_for": None if item.larger is None else {"particles": item.larger.count, "size_px": item.larger.size},
        "scales": list(item.scales),
        "computed_with": item.computed_with,
        "splitting": item.splitting,
        "lossy": item.lossy,
        "notes": list(item.notes),
        "same_field_as": None if item.shown_by is None else {"image": item.shown_by[0], "known_by": item.shown_by[1]},
        "counted": item.counted,
        "unlike_training": ", ".join(dict.fromkeys(item.unlike.values())),
    }


def _per_population(item: RunItem) -> dict[str, dict[str, Any]]:
    """Of a picture with particles of two sizes: how many of each, and the size (px) that was looked for."""
    counts = item.measurement.table["population"].value_counts()
    sought = dict(zip(POPULATIONS, (item.size, item.other_size), strict=True))
    return {name: {"particles": int(counts.get(name, 0)), "size_px": sought[name]} for name in POPULATIONS}


def _cautions(
    items: Sequence[RunItem], failures: dict[str, str], summaries: dict[str, dict[str, Any]], advice: dict[str, str]
) -> list[str]:
    missing = "1 input could not be used and is" if len(failures) == 1 else f"{len(failures)} inputs could not be used and are"
    cautions = [f"{missing} missing here."] if failures else []
    cautions += [
        f"{NOT_USABLE}{_which(each, ' ({} particles)')}: {'; '.join(each['why_not'])}. Next: {'; '.join(each['next_steps'])}."
        for each in summaries.values()
        if not each["usable"]
    ]
    uncalibrated = [item.name for item in items if item.measurement.length_unit == "px"]
    if uncalibrated:
        cautions.append(
            f"{some_of(uncalibrated)}: no pixel size is known, so lengths are in px and compare only at the same magnification; "
            f"{advice['pixel size']}."
        )
    odd: dict[str, list[str]] = {}
    for item in items:
        odd.setdefault(item.measurement.calibration.doubt, []).append(item.name)
    cautions += [f"{some_of(names)}: a pixel size of {doubt}: is it right?" for doubt, names in odd.items() if doubt]
    units = {each["unit"] for each in summaries.values()}
    if len(units) > 1:
        cautions.append("Images in nm and images in px are summarised apart; they cannot be pooled.")
    cautions += reading_notes(items)
    lossy = [item.name for item in items if item.lossy]
    if lossy:
        cautions.append(f"{some_of(lossy)}: {LOSSY}")
    for item in [item for item in items if item.unlike]:
        told = unlike_training(item.name, item.unlike.values(), item.measurement.n_planes)
        cautions.append(f"{told}: check its particles, or {advice['strokes']}.")
    for item in [item for item in items if item.candidates]:
        cautions.append(sizes_asked(item.name, item.candidates, item.measurement.calibration.nanometres, advice["size"]))
    for item in [item for item in items if item.alone]:
        cautions.append(one_size_alone(item.name, item.size, item.measurement.calibration.nanometres))
    for item in items:
        if item.ends is not None and any(item.ends.touched):
            side = item.measurement.calibration.nanometres
            both = (size_words(size, side) for size in (item.ends.smallest, item.size))  # as the window offers them
            way = advice["wider"].format(*both) if item.ends.seen and item.size else advice["another size"]
            cautions.append(ends_touched(item.name, item.ends, item.measurement.calibration.nanometres, way))
        if (modes := modes_of(item.measurement)) is not None:
            small, large = (length_words(each, item.measurement.length_unit) for each in (modes.small, modes.large))
            way = advice["two heaps"].format(small, large)
            cautions.append(two_heaps(item.name, (modes.n_small, modes.n_large), (small, large), way))
        elif item.larger is not None:
            cautions.append(_larger(item, item.larger, advice))
    empty = [item.name for item in items if not len(item.measurement)]
    if empty:
        cautions.append(
            f"{some_of(empty)}: no particle was found; look at the picture, and improve the model with strokes if some are there."
        )
    unsure = [item for item in items if item.uncertain > max(2, len(item.measurement) // 5)]
    if unsure:
        dropped, kept = sum(item.uncertain for item in unsure), sum(len(item.measurement) for item in unsure)
        cautions.append(
            f"{some_of([item.name for item in unsure])}: {dropped} regions were dropped because the model is unsure of them, "
            f"many beside {kept} particle{'s' if kept != 1 else ''} kept; {advice['certainty']} keeps them, a few strokes make it surer."
        )
    if any(map(_has_two, items)):
        cautions.append(f"{WHY_APART}.")
    said = Counter(each for summary in summaries.values() for each in summary["cautions"])
    for summary in summaries.values():  # what holds of both populations is said once, without a name
        of_unit = f"Of the images in {summary['unit']}: " if len(units) > 1 and not summary.get("population") else ""
        cautions += [
            each if said[each] > 1 else (_which(summary, "Of the {} particles: ") or of_unit) + each for each in summary["cautions"]
        ]
    return list(dict.fromkeys(cautions))  # of two populations the pictures are the same


def _which(summary: Mapping[str, Any], words: str) -> str:
    """Of which of two populations something is said; "" of one size."""
    return words.format(summary["population"]) if summary.get("population") else ""


def reading_notes(items: Sequence[RunItem]) -> list[str]:
    """What the readers said of the files, each sentence once with the pictures that it was said of, and which show one field.

    `LOSSY` has a place of its own.
    """
    said: dict[str, list[str]] = {}
    for item in items:
        for note in item.notes:
            said.setdefault(note, []).append(item.name)
    return [f"{some_of(names)}: {note}" for note, names in said.items() if note != LOSSY] + _same_fields(items)


def _same_fields(items: Sequence[RunItem]) -> list[str]:
    """Which pictures show a field once more, and what was made of it."""
    said: dict[tuple[str, str, bool], list[str]] = {}
    for item in items:
        if item.shown_by is not None:
            said.setdefault((*item.shown_by, item.counted), []).append(item.name)
    told = {False: "not counted; --count-twice counts it", True: "counted twice, as was asked for"}
    return [f"{some_of(names)}: the same field as {first} ({how}), {told[counted]}." for (first, how, counted), names in said.items()]


def write_summary(path: Path, summary: dict[str, Any]) -> None:
    """Write summary.json."""
    write_text(path, json_text(summary, indent=2) + "\n")


def said_complete(summary: dict[str, Any], missing: Sequence[Path], skipped: Mapping[str, int]) -> dict[str, Any]:
    """The summary with `complete` (every input is in the table), `missing` (inputs nobody came to) and `skipped` (by reason)."""
    names = [printable(str(path)) for path in missing]
    cautions = list(summary["cautions"])
    if names:
        cautions.insert(0, f"Not complete: {_listed(missing)} not searched yet; the same command goes on.")
    whole = not names and not summary["failures"]
    return {**summary, "complete": whole, "missing": names, "skipped": dict(skipped), "cautions": cautions}


def stopped_sentence(done: int, total: int, missing: Sequence[Path]) -> str:
    """What is finished of a run that ended early, and what is missing."""
    left = f"; {_listed(missing)} missing" if missing else ""
    return f"{done} of {total} input{'s' if total != 1 else ''} {'is' if done == 1 else 'are'} finished{left}; the same command goes on."


def unfinished(done: int, total: int, missing: Sequence[Path]) -> str:
    """What stands in the folder of a run as long as it runs, and after it was killed."""
    what = f"{_listed(missing)} not searched yet" if missing else "the table, the summary and the report are not written yet"
    return (
        f"This run is not finished: {done} of {total} inputs are done, {what}.\n"
        "Where there are a table and a report, they do not hold all of it. If no temseg is running here, the same command goes on."
    )


def _listed(missing: Sequence[Path]) -> str:
    names = [printable(path.name) for path in missing]
    return f"{some_of(names, INPUTS_NAMED)} {'is' if len(names) == 1 else 'are'}"
