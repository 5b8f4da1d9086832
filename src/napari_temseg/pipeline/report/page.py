"""report.html, which needs neither a network nor a program to be read, printed and archived.

It is one file, but for the pictures of a set of many, which lie beside it and are read as they come into sight.
"""

from __future__ import annotations

import base64
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from napari_temseg.engine.measure.plots import draw_samples, svg
from napari_temseg.engine.measure.samples.populations import of_population, populations_of
from napari_temseg.engine.measure.segmentation import NEAR_STEPS
from napari_temseg.engine.types.thumbnails import taken_apart
from napari_temseg.engine.types.units import length_words, to_nanometres
from napari_temseg.engine.types.wording import FEWEST, WHY_APART, d50_words, four, half_width, rounded, several, signed, verdict_words
from napari_temseg.files.atomic import printable, replacing
from napari_temseg.pipeline.report.beside import are_many
from napari_temseg.pipeline.report.crops import bar_place
from napari_temseg.pipeline.report.sheet import (
    audit_words,
    corrected,
    image_line,
    image_lines,
    indicator,
    methods_paragraph,
    population_words,
    sheet,
)
from napari_temseg.pipeline.run_folder import THUMBNAILS
from napari_temseg.pipeline.samples.summaries import comparison_line, distributions_of, sample_name
from napari_temseg.pipeline.summary import NOT_USABLE, TOO_FEW_IMAGES

if TYPE_CHECKING:
    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.pipeline.run_result import RunItem

LISTED = 12  # images of which the first sheet has a line each
CAUTION_LINES, AUDIT_LINES, REFUSAL_LINES = 9, 5, 2  # of cautions on the first sheet, and fewer by what an audit and a refusal take
_LINE = 150  # letters of a printed line
_LEFT_OUT = {"at the edge": "left out, cut by the edge (what is seen of them)"}
_TEMPLATES = Environment(
    loader=PackageLoader("napari_temseg.pipeline.report", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
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
    ("specific_surface", "Surface per mass (spheres, D[3,2])", "m²/g"),
    ("dispersion", "Dispersion: atoms at the surface (fcc metal, spheres)", "%"),
    ("share_below_100nm", "Share with an equivalent diameter below 100 nm (by number)", "%"),
)


def write_report(
    path: Path, items: Sequence[RunItem], sizes: dict[str, SizeDistribution], summary: dict[str, Any], *, recipe: bool = True
) -> None:
    """Write the report of a run from its `summary` (see `pipeline.summary`), all in the unit in which people read it (see `told`);
    `recipe` tells whether a recipe.json lies beside it.

    An image of the summary that has a "model" and "settings" of its own was found with these.
    """
    # Whether it can be used, why two populations are apart, and why one or two images tell nothing of the specimen stands above already.
    above = (NOT_USABLE, WHY_APART)
    cautions = [each for each in summary["cautions"] if not (each.startswith(above) or any(few in each for few in TOO_FEW_IMAGES))]
    refused = not all(each.usability.usable for each in sizes.values())
    first, others = _fitting(cautions, CAUTION_LINES - AUDIT_LINES * bool(summary["audit"]) - REFUSAL_LINES * refused)
    apart = are_many(items)
    page = _TEMPLATES.get_template("report.template.html").generate(
        cautions=first,
        more_cautions=others,
        failures=list(summary["failures"].values()),
        missing=summary.get("missing", ()),
        distributions=[_distribution(key, sizes[key], summary, items) for key in sizes],
        audit=summary["audit"],
        audited={key: audit_words(summary["audit"], each.unit) for key, each in sizes.items()},
        corrected={key: corrected(summary["audit"], each.unit) for key, each in sizes.items()},
        samples=_samples(items, summary),
        by_sample=len({each["sample"] for each in summary["samples"]}) > 1,
        comparisons=[comparison_line(each) for each in summary["sample_comparisons"]],
        nanomaterial=indicator(summary["nanomaterial_indicator"]),
        # Those that the first sheet has no room for.
        lines=[line for item in items for line in image_lines(item.measurement, _relative(summary))] if len(items) > LISTED else [],
        # One after the other, as each is written: the pictures of a set are the most of its report.
        images=(_image(item, image, apart=apart) for item, image in zip(items, summary["images"], strict=True)),
        apart=apart,
        methods=_methods(summary),
        columns=summary["columns"],
        statistics=summary["statistics"],
        version=summary["temseg"],
        converted=any(each.unit not in ("nm", "px") for each in sizes.values()),
        recipe=recipe,
    )
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(printable(piece) for piece in chain(page, ["\n"]))


def _fitting(cautions: Sequence[str], room: int) -> tuple[list[str], list[str]]:
    """The cautions that the first sheet has `room` for, in lines, and the rest."""
    lines = list(accumulate(-(-len(each) // _LINE) for each in cautions))
    n = sum(1 for each in lines if each <= room)
    return list(cautions[:n]), list(cautions[n:])


def _distribution(key: str, sizes: SizeDistribution, summary: dict[str, Any], items: Sequence[RunItem]) -> dict[str, Any]:
    """What the first sheet and the tables behind it show of the sizes in one unit, of two populations those of one."""
    figures, unit = summary["distributions"][key], sizes.unit
    rows = [
        (label, _told(figures[key], unit if kind == "unit" else kind), _interval(figures, key, kind))
        for key, label, kind in _ROWS
        if figures.get(key) is not None
    ]
    if unit != "px" and figures["per_area"] is not None:
        density = figures["per_area"] * (1000 / to_nanometres(1, unit)) ** 2
        told = f"{four(density)} /µm²" if density >= 0.01 else f"{four(1e6 * density)} /mm²"
        rows.append(("Particles per area, those at the edge made up for", told, ""))
    own = [
        replace(item, measurement=of_population(item.measurement, sizes.population))
        for item in items
        if item.measurement.length_unit == unit and sizes.population in populations_of(item.measurement)
    ]
    return {
        "key": key,
        "found": f"{several(sum(len(item.measurement) for item in own), 'particle')} found in {several(len(own), 'image')}",
        "unit": unit,
        "both": population_words(sizes, summary["populations"].get(unit, [])),
        "plot": inline_svg(sizes.to_svg(), "Histogram and cumulative curve of diameters"),
        "rows": rows,
        "usability": sizes.usability,
        "verdict": verdict_words(figures),
        "which": f": {sizes.population}" if sizes.population else "",
        "sheet": sheet(
            unit,
            sizes,
            figures,
            len({(each.measurement.sample, each.measurement.grid) for each in own if each.measurement.grid}),
            [each.measurement.calibration for each in own if len(each.measurement)],
        ),
        "pieces": _pieces(figures, unit),
        "splits": _splits(figures["segmentation"], half_width(figures)),
        "lines": [image_line(item.measurement, _relative(summary)) for item in own[:LISTED]],
        "more_lines": f"{len(own) - LISTED} more are listed behind this sheet." if len(own) > LISTED else "",
        "crops": _crops(own, figures["d50"]),
        "paragraph": methods_paragraph(key, sizes, summary),
        "recovered": [
            (_number(row["diameter"], unit), row["planted"], f"{100 * row['found'] / row['planted']:.0f} %", _share(row["bias"]))
            for row in (figures["detection"] or {"sizes": []})["sizes"]
        ],
    }


def inline_svg(svg_document: bytes, title: str) -> str:
    """A figure of ours as an element of a page, whose ink, ground and light grey it takes: a dark page has a dark figure.

    Letters are paths already; names of the figure's parts are taken away, as a page may hold several.
    """
    text = svg_document.decode("utf-8")
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r' (?:xmlns(?::\w+)?="[^"]*"|id="(?:figure|axes|patch|text|line2d|matplotlib|legend|[xy]tick)[._]?[^"]*")', "", text)
    for colour, name in (("#000000", "ink"), ("#ffffff", "page"), ("#dddddd", "line")):
        text = text.replace(colour, f"var(--{name})")
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)


def _pieces(figures: dict[str, Any], unit: str) -> list[tuple[str, Any, str]]:
    """Number and D50 of all particles that count, of parts of them, and of those that are left out, by reason."""
    pieces = [(each["what"], each["n"], each["d50"]) for each in figures["pieces"]]
    pieces += [
        (_LEFT_OUT.get(reason, f"left out, {reason}"), n, figures["d50_left_out"].get(reason))
        for reason, n in figures["n_left_out"].items()
        if n
    ]
    half = half_width(figures)
    few = {what for what, n, _ in pieces if n < FEWEST}
    return [(what, n, "–" if d50 is None else f"{rounded(d50, half)} {unit}{' (few)' if what in few else ''}") for what, n, d50 in pieces]


def _crops(items: Sequence[RunItem], d50: float | None) -> list[dict[str, Any]]:
    """A typical part of the picture whose D50 is nearest that of all, and the part with the worst outlines of all pictures."""
    seen = [(item, crop) for item in items for crop in item.crops]
    if not seen:
        return []

    def off(item: RunItem) -> float:
        sizes = item.measurement.table[item.measurement.column("ecd")]
        return abs(math.log(float(sizes.median()) / d50)) if d50 and len(sizes) else math.inf

    typical = min((each for each in seen if each[1].typical), key=lambda each: off(each[0]))
    worst = max((each for each in seen if not each[1].typical), key=lambda each: each[1].doubt)
    return [
        {
            "title": title,
            "name": item.name,
            "jpeg": base64.b64encode(crop.jpeg()).decode(),
            "bar": (*_bar(item.measurement, crop.width, 3), crop.bar_place),
        }
        for title, (item, crop) in (("Typical", typical), ("Worst", worst))
    ]


def _samples(items: Sequence[RunItem], summary: dict[str, Any]) -> dict[str, Any] | None:
    """A line a sample, how they agree with their settings, and where there are several, their curves laid over one another."""
    if not summary["samples"]:
        return None
    edits = summary.get("corrections_by_hand", {})
    lines = []
    for each in summary["samples"]:
        by_hand = sum(edits.get(name, 0) for name in each["images"])
        differing = f"{len(each['deviating'])} of {len(each['images'])} images deviate" if each["deviating"] else "the same"
        remarks = ", ".join([differing, *([f"{by_hand} corrections by hand"] if by_hand else [])])
        d50 = "–" if each["d50"] is None or each["n"] < FEWEST else d50_words(each)
        d50 += "" if each["usable"] else " · not usable as it is"
        lines.append((sample_name(each), len(each["grids"]) or "–", len(each["images"]), each["n"], d50, remarks))
    sizes = distributions_of(items)
    kinds = [kind for kind, n in Counter((unit, population) for _, unit, population in sizes).items() if n > 1]
    drawn = []
    for unit, population in sorted(kinds):
        own = {name: each for (name, *kind), each in sizes.items() if kind == [unit, population]}
        told = f", {population}" if population else ""
        drawn.append(draw_samples({f"{name}{told}": (each.values, each.weights) for name, each in own.items()}, unit))
    return {"lines": lines, "plots": [inline_svg(svg(figure), "Cumulative curves of the samples") for figure in drawn]}


def _share(value: float | None) -> str:
    return "–" if value is None else f"{signed(100 * value, 1)} %"


def _splits(segmentation: dict[str, Any] | None, half: float | None) -> list[tuple[str, str]]:
    """Each setting of the splitting, and D50 under each value that was tried, with the digits that `half` allows.

    In brackets what is further than a step, and counts for neither interval nor verdict.
    """
    tried: dict[str, list[tuple[float, str]]] = {}
    for key, figures in (segmentation or {"splits": {}})["splits"].items():
        setting, _, step = key.partition(" ")
        if key != "as found":
            value, d50 = figures["value"], figures["d50"]
            order = (0.0 if "less" in step else 1.0) if value is None else value
            told = f"{step if value is None else f'{value:.2g}'}: {'none found' if d50 is None else rounded(d50, half)}"
            tried.setdefault(setting, []).append((order, told if step in NEAR_STEPS else f"({told})"))
    return [(setting, " · ".join(told for _, told in sorted(each))) for setting, each in tried.items()]


def _image(item: RunItem, image: dict[str, Any], *, apart: bool) -> dict[str, Any]:
    m = item.measurement
    source = quote(f"{THUMBNAILS}/{item.name}.jpg")
    if apart:  # of many the sketch has to do, as their pictures are not read
        grey, outlines = None if item.sketch is None else item.sketch(), None
    else:
        picture = item.picture()
        source = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
        grey, outlines = taken_apart(picture)
    return {
        "name": item.name,
        "source": source,
        "classes": ", ".join(f"{name}: {count}" for name, count in item.per_class.items()) or "no particles",
        "planes": m.n_planes,
        "bar": (*_bar(m, m.frame[1], 5), bar_place(m.valid, grey, outlines)),
        "remarks": " · ".join([m.calibration.stated(), *_remarks(image)]),
        "notes": image.get("notes", []),
    }


def _bar(measurement: Measurement, width: int, part: int) -> tuple[float, str]:
    """A scale bar at most a `part`th of an image of this `width` (px) long: its share of it in %, and its length in words."""
    across = width * measurement.calibration.scale[1]
    decade = 10.0 ** math.floor(math.log10(across / part))
    length = max(each * decade for each in (1, 2, 5) if each * decade <= across / part)
    return round(100 * length / across, 2), length_words(length, measurement.length_unit)


def _relative(summary: dict[str, Any]) -> float | None:
    """The widest uncertainty that a D50 has, as a share of it."""
    shares = [(half_width(each) or 0.0) / each["d50"] for each in summary["distributions"].values() if each["d50"]]
    return max(shares, default=0.0) or None


def _remarks(image: dict[str, Any]) -> list[str]:
    """Whether an image is unlike what its model knows; what a person left out, corrected, excluded and reviewed in it."""
    share, excluded, corrections = image["left_out_share"], image["excluded"], image.get("corrections", 0)
    said = [f"unlike the model's training ({image['unlike_training']})"] if image["unlike_training"] else []
    said += [] if share is None else [f"{100 * share:.3g} % of the image left out"]
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
        *([("Computed with", computed)] if (computed := _each(images, [image.get("computed_with", "") for image in images])) else []),
        ("Size looked for", _each(images, [_looked_for(image) for image in images])),
        ("Edge of a particle", _each(images, [image["edge"] for image in images])),
        *(
            [("Burnt-in scale bars, letters, data bars", _masked(images, by_hand="corrections_by_hand" in summary))]
            if summary.get("mask_overlays") is not False
            else []
        ),
        ("Particles on the edge of an image", "left out of the distribution; the others weighted for it (Miles–Lantuéjoul)"),
        ("Volume weighting", "takes particles for spheres of the equivalent circular diameter"),
        *(row for stage in summary["settings"] for row in _settings(stage, summary)),
    ]


def _looked_for(image: dict[str, Any]) -> str:
    """The size that a model looked for in an image, and the scale at which it did."""
    size, other = image["size_looked_for_px"], image.get("other_size_looked_for_px")
    scales, both = ", ".join(f"{each:.3g}" for each in image["scales"]), f" and {other:.3g} px as one distribution" if other else ""
    return f"{size:.3g} px{both}{f', seen at scale {scales}' if scales else ''}" if size else "all sizes"


def _masked(images: Sequence[dict[str, Any]], *, by_hand: bool) -> str:
    """Which pictures lost what is burnt in, found by the program; `by_hand`: areas may also be drawn, and taken back, by somebody."""
    shares = [image["left_out_share"] for image in images]
    how, none = ("found by the program or drawn by hand", "nothing left out") if by_hand else ("found automatically", "none found")
    told = [f"left out, {100 * share:.3g} % of the image ({how})" if share else none for share in shares]
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
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, value))
    return "automatic" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _each(images: Sequence[dict[str, Any]], values: Sequence[str]) -> str:
    """What is equal for all images once, else "a, b: this; c: that"; of many images not each."""
    names: dict[str, list[str]] = {}
    for image, value in zip(images, values, strict=True):
        names.setdefault(value, []).append(image["image"])
    if len(names) > LISTED and are_many(images):
        return f"{len(names)} different ones; summary.json tells that of each image"
    return next(iter(names)) if len(names) == 1 else "; ".join(f"{', '.join(each)}: {value}" for value, each in names.items())


def _number(value: Any, unit: str) -> str:
    return f"{four(value) if isinstance(value, float) else value} {unit}".rstrip()


def _told(value: Any, unit: str) -> str:
    return f"{100 * value:.3g} %" if unit == "%" else _number(value, unit)


def _interval(summary: dict[str, Any], key: str, kind: str = "") -> str:
    interval = summary.get(f"{key}_interval") or summary.get("intervals", {}).get(key)
    if not interval or None in interval:
        return ""
    return " – ".join(f"{100 * each:.3g}" if kind == "%" else four(each) for each in interval)
