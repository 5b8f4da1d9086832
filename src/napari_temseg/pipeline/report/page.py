"""report.html: one file that needs nothing else, neither a network nor a program, to be read, printed and archived."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined

from napari_temseg.engine.measure.plots import draw_samples, pdf, svg
from napari_temseg.engine.types.thumbnails import thumbnail as outlined
from napari_temseg.engine.types.wording import FEWEST, four, interval_words, signed
from napari_temseg.files.atomic import printable, replacing
from napari_temseg.pipeline.run_folder import FIGURES
from napari_temseg.pipeline.samples.summaries import comparison_line, distributions_of
from napari_temseg.pipeline.report.sheet import audit_words, corrected, indicator, methods_paragraph, picture_line, sheet
from napari_temseg.pipeline.summary import NOT_USABLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.pipeline.run_result import RunItem

PICTURE = 720  # px, the longer side of an image in the report
_TEMPLATES = Environment(
    loader=PackageLoader("napari_temseg.pipeline.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ROWS = (
    ("n", "Particles in the distribution", ""),
    ("n_images", "Images", ""),
    ("n_eff", "Effective number of particles", ""),
    ("mean", "Mean", "unit"),
    ("sd", "Standard deviation", "unit"),
    ("geometric_mean", "Geometric mean", "unit"),
    ("gsd", "Geometric standard deviation", ""),
    ("d10", "D10 (by number)", "unit"),
    ("d50", "D50 (by number)", "unit"),
    ("d90", "D90 (by number)", "unit"),
    ("dv10", "D10 (by volume)", "unit"),
    ("dv50", "D50 (by volume)", "unit"),
    ("dv90", "D90 (by volume)", "unit"),
    ("span", "Span (D90 − D10) / D50", ""),
    ("d32", "D[3,2]", "unit"),
    ("d43", "D[4,3]", "unit"),
    ("share_below_100nm", "Share below 100 nm (by number)", "%"),
)


def thumbnail(plane: npt.NDArray[Any], labels: npt.NDArray[np.integer[Any]]) -> bytes:
    """JPEG of a plane with the outlines of its particles, at most `PICTURE` px wide."""
    return bytes(iio.imwrite("<bytes>", outlined(plane, labels, PICTURE), extension=".jpg", quality=88, subsampling=0))


def figure_files(sizes: Mapping[str, SizeDistribution]) -> dict[str, Callable[[Path], object]]:
    """The figures of a report by file name, and what writes each: histograms and quantiles as SVG and PDF."""
    files: dict[str, Callable[[Path], object]] = {}
    for unit, each in sizes.items():
        for title, draw in (("distribution", each.plot), ("quantiles", each.plot_quantiles)):
            for write, ending in ((svg, "svg"), (pdf, "pdf")):
                files[f"{FIGURES}/{title}_{unit}.{ending}"] = partial(_write_figure, draw=draw, write=write)
    return files


def _write_figure(path: Path, draw: Callable[[], Figure], write: Callable[[Figure], bytes]) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(write(draw()))


def write_report(
    path: Path, items: Sequence[RunItem], sizes: dict[str, SizeDistribution], summary: dict[str, Any], *, recipe: bool = True
) -> None:
    """Write the report of a run from its `summary` (see `pipeline.summary`); `recipe` tells whether a recipe.json lies beside it.

    An image of the summary that has a "model" and "settings" of its own was found with these.
    """
    page = _TEMPLATES.get_template("report.template.html").generate(
        total=sum(image["particles"] for image in summary["images"]),
        # The verdict stands above them already.
        cautions=[each for each in summary["cautions"] if not each.startswith(NOT_USABLE)],
        failures=list(summary["failures"].values()),
        missing=summary.get("missing", ()),
        distributions=[_distribution(unit, sizes[unit], summary["distributions"][unit]) for unit in sizes],
        audit=summary["audit"],
        audited={unit: audit_words(summary["audit"], unit) for unit in sizes},
        corrected={unit: corrected(summary["audit"], unit) for unit in sizes},
        samples=_samples(items, summary),
        comparisons=[comparison_line(each) for each in summary["sample_comparisons"]],
        nanomaterial=indicator(summary["nanomaterial_indicator"]),
        lines=[picture_line(item.measurement) for item in items],
        paragraphs=[methods_paragraph(unit, sizes[unit], summary) for unit in sizes],
        # One after the other, as each is written: the pictures of a set are the most of its report.
        images=(_image(item, image) for item, image in zip(items, summary["images"], strict=True)),
        n_images=len(items),
        methods=_methods(summary),
        columns=summary["columns"],
        statistics=summary["statistics"],
        version=summary["temseg"],
        recipe=recipe,
    )
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(printable(piece) for piece in chain(page, ["\n"]))


def _distribution(unit: str, sizes: SizeDistribution, summary: dict[str, Any]) -> dict[str, Any]:
    """The histogram as an SVG that stands in an <img>, so that its fonts and ids keep to themselves, the table and the notes."""
    reasons = [f"{reason}: {count}" for reason, count in (summary.get("n_left_out") or {}).items() if count]
    notes = [f"Left out of the distribution: {', '.join(reasons)}."] if reasons else []
    if summary.get("interval_basis"):
        notes.append(f"Counting alone: {summary['interval_basis']}.")
    uncertainty = summary.get("calibration_relative_uncertainty")
    stated = "not stated by anybody" if uncertainty is None else f"{100 * uncertainty:.2g} % of every length (one standard deviation)"
    notes.append(f"Calibration: {stated}." if unit == "nm" else "Calibration: none, lengths are in px.")
    rows = [
        (label, f"{summary[key]:.1%}" if kind == "%" else _number(summary[key], unit if kind else ""), _interval(summary, key))
        for key, label, kind in _ROWS
        if summary.get(key) is not None
    ]
    return {
        "unit": unit,
        "plot": base64.b64encode(sizes.to_svg()).decode(),
        "rows": rows,
        "notes": notes,
        "verdict": sizes.verdict,
        "sheet": sheet(unit, sizes, summary),
        "named": [_named(name, each, unit) for name, each in summary["intervals"].items()],
        "pieces": [(each["what"], each["n"], "–" if each["d50"] is None else _number(each["d50"], unit)) for each in summary["pieces"]],
        "splits": _splits(summary["segmentation"], unit),
        "recovered": [
            (_number(row["diameter"], unit), row["planted"], f"{row['found'] / row['planted']:.0%}", _share(row["bias"]))
            for row in (summary["detection"] or {"sizes": []})["sizes"]
        ],
    }


def _samples(items: Sequence[RunItem], summary: dict[str, Any]) -> dict[str, Any] | None:
    """A line a sample, how they agree with their settings, and where there are several, their curves laid over one another."""
    if not summary["samples"]:
        return None
    edits = summary.get("corrections_by_hand", {})
    lines = []
    for each in summary["samples"]:
        by_hand = sum(edits.get(name, 0) for name in each["images"])
        differing = f"{len(each['deviating'])} of {len(each['images'])} pictures deviate" if each["deviating"] else "the same"
        remarks = ", ".join([differing, *([f"{by_hand} corrections by hand"] if by_hand else [])])
        d50 = "–" if each["d50"] is None or each["n"] < FEWEST else f"{four(each['d50'])} {each['unit']}{interval_words(each)}"
        lines.append((each["sample"], len(each["grids"]) or "–", len(each["images"]), each["n"], d50, remarks, each["usable"]))
    sizes = distributions_of(items)
    units = sorted({unit for _, unit in sizes if sum(1 for _, other in sizes if other == unit) > 1})
    drawn = [draw_samples({name: (each.values, each.weights) for (name, of), each in sizes.items() if of == unit}, unit) for unit in units]
    return {"lines": lines, "plots": [base64.b64encode(svg(figure)).decode() for figure in drawn]}


def _named(name: str, interval: dict[str, Any], unit: str) -> tuple[str, str, str]:
    """The name of an interval of D50, the interval or why there is none, and what it holds and lacks."""
    if not interval["d50"]:
        return name, "none", interval["why_none"]
    low, high = interval["d50"]
    told = [f"{what} {', '.join(interval[what])}" for what in ("holds", "lacks") if interval[what]]
    return name, f"{four(low)} – {four(high)} {unit}", "; ".join(told)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{signed(100 * value, 1)} %"


def _splits(segmentation: dict[str, Any] | None, unit: str) -> list[tuple[str, int, str]]:
    """Each other splitting: its setting, the number of particles and their D50."""
    found = []
    for key, figures in (segmentation or {"splits": {}})["splits"].items():
        value = "" if figures["value"] is None else f" {figures['value']:.2g}"
        title = key if key == "as found" else f"{key.split(' ')[0]}{value or ' ' + key.partition(' ')[2]}"
        found.append((title, int(figures["n"]), "–" if figures["d50"] is None else _number(figures["d50"], unit)))
    return found


def _image(item: RunItem, image: dict[str, Any]) -> dict[str, Any]:
    m = item.measurement
    return {
        "name": item.name,
        "jpeg": base64.b64encode(item.picture).decode(),
        "classes": ", ".join(f"{name}: {count}" for name, count in item.per_class.items()) or "no particles",
        "planes": m.n_planes,
        "bar": _bar(m),
        "remarks": " · ".join([m.calibration.describe(), *_remarks(image)]),
        "notes": image.get("notes", []),
    }


def _bar(measurement: Measurement) -> tuple[float, str] | None:
    """A scale bar about a fifth of a calibrated picture long: its share of the width in %, and its length in words."""
    pixel = measurement.calibration.scale[1]
    if measurement.length_unit == "px":
        return None
    width = measurement.frame[1] * pixel
    decade = 10.0 ** math.floor(math.log10(width / 5))
    length = max(each * decade for each in (1, 2, 5) if each * decade <= width / 5)
    return round(100 * length / width, 2), f"{length / 1000:g} µm" if length >= 1000 else f"{length:g} nm"


def _remarks(image: dict[str, Any]) -> list[str]:
    """Whether an image is unlike what its model knows; what a person left out, corrected, excluded and reviewed in it."""
    share, excluded, corrections = image["left_out_share"], image["excluded"], image.get("corrections", 0)
    said = [f"unlike the model's training ({image['unlike_training']})"] if image["unlike_training"] else []
    said += [] if share is None else [f"{100 * share:.3g} % of the picture left out"]
    if corrections:
        said.append(f"{corrections} correction{'s' if corrections != 1 else ''} by hand")
    if excluded:
        said.append(f"{sum(excluded.values())} excluded ({', '.join(f'{reason}: {count}' for reason, count in excluded.items())})")
    if image["reviewed"]:
        said.append(f"{image['reviewed']} of {image['particles']} reviewed")
    return said


def _methods(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """How it was measured, a label and a text each."""
    images = summary["images"]
    return [
        ("Program", f"napari-temseg {summary['temseg']}"),
        ("Model", _each(images, [_model(image.get("model", summary["model"])) for image in images])),
        ("Edge of a particle", _each(images, [image["edge"] for image in images])),
        *([("Burnt-in scale bars, letters, data bars", _masked(images))] if summary.get("mask_overlays") is not False else []),
        ("Particles on the edge of a picture", "left out of the distribution; the others weighted for it (Miles–Lantuéjoul)"),
        ("Volume weighting", "takes particles for spheres of the equivalent circular diameter"),
        *(row for stage in summary["settings"] for row in _settings(stage, summary)),
    ]


def _masked(images: Sequence[dict[str, Any]]) -> str:
    """Which pictures lost what is burnt in, found by the program."""
    shares = [image["left_out_share"] for image in images]
    told = [f"left out, {100 * share:.3g} % of the picture (found automatically)" if share else "none found" for share in shares]
    return _each(images, told)


def _model(model: dict[str, str]) -> str:
    return f"{model['name'] or 'unnamed'}, hash {model['hash'][:16]}" if model["hash"] else model["name"] or "none"


def _settings(stage: str, summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The settings of a stage that all images share in one row, each of the others in a row of its own."""
    images, shared = summary["images"], summary["settings"][stage]
    # Of a splitting what it came to be: certainty is the model's where nobody set it.
    effective = [image["splitting"] if stage == "split" and image.get("splitting") else shared for image in images]
    own = [image.get("settings", {}).get(stage) or each for image, each in zip(images, effective, strict=True)]
    differing = [key for key in dict.fromkeys(key for values in own for key in values) if len({str(v.get(key, "")) for v in own}) > 1]
    equal = ", ".join(f"{key} {_value(value)}" for key, value in (own[0] if own else shared).items() if key not in differing)
    rows = [(f"Settings of {stage}", equal)] if equal else []
    return rows + [(f"Setting of {stage}: {key}", _each(images, [_value(v.get(key, "none")) for v in own])) for key in differing]


def _value(value: Any) -> str:
    return "automatic" if value is None else ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _each(images: Sequence[dict[str, Any]], values: Sequence[str]) -> str:
    """What is equal for all images once, else "a, b: this; c: that"."""
    names: dict[str, list[str]] = {}
    for image, value in zip(images, values, strict=True):
        names.setdefault(value, []).append(image["image"])
    return next(iter(names)) if len(names) == 1 else "; ".join(f"{', '.join(each)}: {value}" for value, each in names.items())


def _number(value: Any, unit: str) -> str:
    return f"{four(value) if isinstance(value, float) else value} {unit}".rstrip()


def _interval(summary: dict[str, Any], key: str) -> str:
    interval = summary.get(f"{key}_interval") or summary.get("intervals", {}).get(key)
    return f"{four(interval[0])} – {four(interval[1])}" if interval and None not in interval else ""
