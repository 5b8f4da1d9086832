"""The first page of a report in words: verdict, value with what it leaves open, budget, a line an image, a paragraph for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_temseg.engine.measure.samples.populations import of_population, populations_of
from napari_temseg.engine.types.config import HALF_CONTRAST, OUTLINE
from napari_temseg.engine.types.wording import (
    COUNTING_ALONE,
    FEWEST,
    NOT_IN_IT,
    WHY_APART,
    bias_words,
    d50_words,
    ends_words,
    four,
    half_width,
    interval_title,
    more_words,
    named_interval_words,
    rounded,
    several,
    shown_interval,
    signed,
)

if TYPE_CHECKING:
    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.engine.types.micrograph import Calibration

OTHER_EDGE = {OUTLINE: HALF_CONTRAST, HALF_CONTRAST: OUTLINE}
_MEASURAND = "equivalent circular diameter of the visible outline"
_TABLE = (
    ("d10", "D10, by number"),
    ("d50", "D50, by number"),
    ("d90", "D90, by number"),
    ("dv50", "D50, by volume (spheres)"),
    ("d32", "D[3,2] (spheres)"),
    ("gsd", "Geometric standard deviation of the particles"),
)
_SETTINGS = (
    ("strength", "strength", ""),
    ("threshold", "threshold", ""),
    ("certainty", "certainty", ""),
    ("min_diameter", "minimum diameter", " px"),
)
_OF_CURVE = ("d10", "d50", "d90", "dv50")  # of the table: not of a few particles
_DECIDED = {"accept": "accepted", "reject": "no particle", "split": "several in one", "part": "part of one"}
_BAR_NAMES = {"edge": "edge convention"}
_LENGTHS = ("mean", "sd", "median", "median_2", "scale")  # parameters of curves that have a unit
_IN_WORDS = {"gsd": "GSD", "sd": "standard deviation"}


def sheet(
    unit: str, sizes: SizeDistribution, summary: dict[str, Any], grids: int, calibrations: Sequence[Calibration] = ()
) -> dict[str, Any]:
    """What the first page says of a distribution of so many `grids` (0: not told), its images with particles of these `calibrations`;
    "value" is None where no D50 may stand in large type."""
    ends, name = shown_interval(summary["intervals"], summary["d50_interval"])
    half = half_width(summary)
    few = summary["n"] < FEWEST
    d50 = summary["d50"]
    stated = not few and d50 is not None and summary["usable"]
    pooled = len(sizes.samples) > 1  # a number of all tells how many images there are of either
    return {
        "sample": ", ".join(sizes.samples) or "No sample is named",
        "measurand": f"median by number (D50) of the {_MEASURAND}" + (f" of the {sizes.population} particles" if sizes.population else ""),
        "value": f"{rounded(d50, half)} {unit}" if stated else None,
        "expanded": _expanded(d50, (name, ends), unit) if stated and ends else "",
        "found": "" if d50 is None or few or pooled else f"{rounded(d50, half)} {unit}",
        "pooled": pooled,
        "intervals": [] if pooled else _interval_lines(summary, unit),
        "bias": "" if pooled else bias_words(summary["segmentation"], unlike=sizes.unlike.counts),
        "counts": _counts(summary, sizes, unit, grids, calibrations),
        "table": [] if pooled else [(title, *_statistic(summary, key, unit, half)) for key, title in _rows(summary)],
        "bars": _bars(summary, unit, calibrations),
        "detection": _detection(summary["detection"], unit),
        "fit": _fit(sizes, unit),
        "more": _more(summary["more_for_5_percent"]),
    }


def _interval_lines(summary: dict[str, Any], unit: str) -> list[str]:
    """The intervals of D50 in sentences, or that there are too few particles."""
    if summary["n"] < FEWEST:
        return [f"{several(summary['n'], 'particle')}: too few for a D50 and its interval, which need {FEWEST}."]
    return [named_interval_words(name, each, unit) for name, each in summary["intervals"].items()]


def _rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows of the table: statistic and title."""
    few = summary["n"] < FEWEST
    return [(key, title) for key, title in _TABLE if summary[key] is not None and not (few and key in _OF_CURVE)]


def _expanded(d50: float, named: tuple[str, Sequence[float]], unit: str) -> str:
    """What an interval adds to a value: "± 2.7 nm (this specimen, 95 %)", both sides where they differ; where only counting is in it,
    "(counting alone, 95 %: 15.7 to 18.6 nm; how … is not in it)"."""
    title, (low, high) = named
    half = (high - low) / 2
    if title == COUNTING_ALONE:
        return f"({title}: {ends_words([low, high], half)} {unit}; {NOT_IN_IT})"
    if not low < d50 < high:  # a bias larger than the interval
        return f"{ends_words([low, high], half)} {unit} ({title})"
    up, down = (rounded(each, half) for each in (high - d50, d50 - low))
    return f"{f'± {up}' if up == down else f'+{up} / −{down}'} {unit} ({title})"


def _counts(summary: dict[str, Any], sizes: SizeDistribution, unit: str, grids: int, calibrations: Sequence[Calibration]) -> str:
    n, stated = summary["n"], summary["calibration_relative_uncertainty"]
    unstated = _partly_stated(calibrations) or "without a stated uncertainty"
    told = [
        f"{n} particle{' that counts' if n == 1 else 's that count'}",
        *([several(summary["n_images"], "image") + _empty(sizes)] if summary["n_images"] else []),
        *([several(grids, "grid")] if grids else []),
        *([several(len(sizes.samples), "sample")] if len(sizes.samples) > 1 else []),
    ]
    if unit == "px":
        told.append("not calibrated, lengths are in px")
    else:
        told.append(f"calibration {unstated if stated is None else f'± {100 * stated:.2g} % (standard uncertainty)'}")
    return " · ".join(told)


def _partly_stated(calibrations: Sequence[Calibration]) -> str:
    """What some of several images state: "± 1.2 to 1.7 % in 2 of 3 images, not stated in the others"; "" where all do or none."""
    told = [100 * each.uncertainty for each in calibrations if each.uncertainty]
    if not told or len(told) == len(calibrations):
        return ""
    low, high = f"{min(told):.2g}", f"{max(told):.2g}"
    return f"± {low if low == high else f'{low} to {high}'} % in {len(told)} of {len(calibrations)} images, not stated in the others"


def _empty(sizes: SizeDistribution) -> str:
    """How many of the images hold no particle that counts; nothing where all do, or where grids are counted."""
    n = 0 if sizes.by_grid else sizes.n_images - len(set(sizes.group.tolist()))
    return f", {n} of them without a particle that counts" if n > 0 else ""


def _statistic(summary: dict[str, Any], key: str, unit: str, d50_half: float | None) -> tuple[str, str]:
    """A value as its interval allows, that of counting or, of a length, in proportion that of D50; and the interval of counting."""
    interval, value = summary.get(f"{key}_interval"), summary[key]
    length = "" if key == "gsd" else f" {unit}"
    widths = [(interval[1] - interval[0]) / 2] if interval else []
    if length and d50_half:
        widths.append(d50_half * value / summary["d50"])
    half = max(widths, default=None)
    return f"{rounded(value, half)}{length}", ends_words(interval, half) if interval else "none"


def _bars(summary: dict[str, Any], unit: str, calibrations: Sequence[Calibration]) -> list[tuple[str, str, float]]:
    """Each part of the budget: name, words, and its width in % of the widest."""
    budget, other_edge, convention, found = (summary[name] for name in ("budget", "other_edge", "edge_convention", "segmentation"))
    known = {name: value for name, value in budget.items() if value}
    widest = max(known.values(), default=1.0)
    told = {name: (f"± {100 * value:.1f} %" if value else "not known") for name, value in budget.items()}
    if found and found["at_least"] and budget.get("segmentation"):
        told["segmentation"] = f"at least {told['segmentation']}, as with the shipped model"
    if not budget["calibration"]:
        told["calibration"] = "lengths are in px" if unit == "px" else _partly_stated(calibrations) or "not stated"
    if "edge" not in budget:  # the auditor saw it
        told["audit"] += " (in place of segmentation and edge convention)"
    elif other_edge is None:
        told["edge"] = f"drawn by {convention}; the other convention is usually 3 to 7 % away"
    else:
        told["edge"] += (
            f" (drawn by {convention}; by {OTHER_EDGE.get(convention, 'the other')} D50 would be {signed(100 * other_edge, 1)} %)"
        )
    return [(_BAR_NAMES.get(name, name), told[name], 100 * known.get(name, 0.0) / widest) for name in budget]


def _detection(found: dict[str, Any] | None, unit: str) -> str:
    """From which size on particles are found, and how far off the diameters are there."""
    if found is None:
        return "Detection limit: not measured (on the command line: temseg run ‑‑recovery; it takes particles that stand alone)."
    planted = sum(row["planted"] for row in found["sizes"])
    if found["limit"] is None:
        return f"Detection limit: none reached; of no size were nine of ten particles put into the images ({planted}) found."
    near = [row for row in found["sizes"] if row["bias"] is not None and row["diameter"] >= found["limit"]]
    bias = f"; diameters near it are off by {signed(100 * near[0]['bias'], 0)} %" if near else ""
    told = f"of {planted} particles of known size put into the images nine in ten are found from there on{bias}"
    smaller = f"{_percent(found['share_below'])} of the particles that count are smaller"
    return f"Detection limit: {rounded(found['limit'], found['limit'])} {unit}; {told}. {smaller}."


def _fit(sizes: SizeDistribution, unit: str) -> str:
    curve, why, _ = sizes.shown_fit
    if curve is None:
        return f"No curve: {why}."
    fit = curve.fit
    told = ", ".join(_parameter(key, fit[key], ends, unit) for key, ends in fit["intervals"].items())
    below = float(sizes.weights[sizes.values < curve.lowest].sum() / sizes.weights.sum())
    where = f" above {four(curve.lowest)} {unit}, which {_percent(1 - below)} of the particles are," if below else ""
    return f"Curve: {curve.name}, {told}; the cumulative curves{where} differ by {100 * fit['largest_difference']:.1f} % at most."


def _parameter(key: str, value: float, ends: list[float], unit: str) -> str:
    """A parameter of a curve with its interval from counting: "GSD 1.29 (1.27 to 1.31)"."""
    half = (ends[1] - ends[0]) / 2
    name, _, second = key.partition("_")
    length = f" {unit}" if key in _LENGTHS else ""
    return f"{_IN_WORDS.get(name, name)}{' of the second' if second else ''} {rounded(value, half)}{length} ({ends_words(ends, half)})"


def _more(more: dict[str, Any] | None) -> str:
    if more is None:
        return ""
    if not more["more"]:
        return "Counting leaves less than ± 5 % of D50 open."
    return f"For ± 5 % of D50 from counting: {more_words(more['more'], more['of'])} like {'this' if more['more'] == 1 else 'these'}."


def audit_words(audit: dict[str, Any] | None, unit: str) -> list[str]:
    """What an audit says, a sentence each; nothing without one."""
    if audit is None:
        return []
    counted = ", ".join(f"{n} {_DECIDED[name]}" for name, n in audit["decisions"].items() if n)
    who, when = audit["auditor"] or "somebody without a name", audit["finished"][:10] or "no date"
    said = [f"Audited by {who}, {when}: {several(audit['judged'], 'particle')} ({counted}).", _precision_and_recall(audit, unit)]
    agreement = audit["agreement"]
    if agreement:
        low, high = (signed(100 * each, 0) for each in agreement["limits"])
        bias = f"{signed(100 * agreement['bias'], 1)} %, limits of agreement {low} to {high} %"
        said.append(f"Diameters against those measured by hand ({agreement['n']}): {bias}.")
    said += [
        f"{' and '.join(each['auditors'])} decided alike on {_percent(each['equal_decisions'])} of {several(each['n'], 'particle')}."
        for each in audit["between"]
    ]
    if audit["not_fitting"]:
        n = audit["not_fitting"]
        said.append(f"{n} judged particle{' is' if n == 1 else 's are'} no more in this result and do{'es' if n == 1 else ''} not count.")
    return said


def _precision_and_recall(audit: dict[str, Any], unit: str) -> str:
    precision = f"Precision {_percent(audit['precision'])}{_percents(audit['precision_interval'])}"
    if audit["recall"] is None:
        return f"{precision}; recall not known, no field was searched."
    sizes = ", ".join(f"{_range(each, unit)} {_percent(each['recall'])}" for each in audit["recall_by_size"] if each["recall"] is not None)
    recall = f"recall {_percent(audit['recall'])}{_percents(audit['recall_interval'])}"
    return f"{precision}; {recall}, {audit['missed']} missed in {audit['fields']} fields; by size: {sizes}."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _percents(interval: list[float] | None) -> str:
    return "" if interval is None else f" (95 %: {_percent(interval[0])} to {_percent(interval[1])})"


def _range(each: dict[str, Any], unit: str) -> str:
    if each["to"] is None:
        return f"from {four(each['from'])} {unit} on"
    return f"below {four(each['to'])} {unit}" if not each["from"] else f"{four(each['from'])} to {four(each['to'])} {unit}"


def corrected(audit: dict[str, Any] | None, unit: str) -> dict[str, str] | None:
    """D50 as the audit corrects it, in large type, what its interval adds, and that interval in words; None where it corrects nothing."""
    if audit is None or audit["corrected_d50"] is None:
        return None
    d50, whole = audit["corrected_d50"], audit["corrected"]
    if whole is None:
        return {"value": f"{four(d50)} {unit}", "expanded": "", "interval": ""}
    half = (whole["d50"][1] - whole["d50"][0]) / 2
    return {
        "value": f"{rounded(d50, half)} {unit}",
        "expanded": _expanded(d50, (interval_title(whole["name"], whole["holds"]), whole["d50"]), unit),
        "interval": named_interval_words(whole["name"], whole, unit).replace("D50", "the corrected D50", 1),
    }


def image_line(measurement: Measurement, relative: float | None) -> tuple[str, int, str, str]:
    """An image in a line: name, particles that count, their D50 with the digits that `relative`, a share of it, allows, calibration."""
    from napari_temseg.engine.measure.pooling import size_distribution

    sizes = size_distribution([measurement])
    d50 = sizes.quantile(0.5)
    told = "–" if d50 is None else f"{rounded(d50, relative and relative * d50)} {sizes.unit}" + ("" if len(sizes) >= FEWEST else " (few)")
    name = " · ".join(filter(None, (measurement.image, measurement.sample, measurement.grid)))
    return name, len(sizes), told, measurement.calibration.stated()


def image_lines(measurement: Measurement, relative: float | None) -> list[tuple[str, int, str, str]]:
    """An image in a line, in two where it holds two populations, each named."""
    found = []
    for population in populations_of(measurement):
        name, n, d50, calibration = image_line(of_population(measurement, population), relative)
        found.append((" · ".join(filter(None, (name, population))), n, d50, calibration))
    return found


def population_words(sizes: SizeDistribution, populations: Sequence[dict[str, Any]]) -> list[str]:
    """What a population is of both, by number, area and volume, and why there is no D50 of both; [] of one size."""
    own = next((each for each in populations if sizes.population and each["population"] == sizes.population), None)
    if own is None:
        return []
    told = ", ".join(f"{100 * share:.1f} % by {what}" for what, share in own["shares"].items() if share is not None)
    return [*([f"Of both populations the {sizes.population} particles are {told}."] if told else []), f"{WHY_APART}."]


def indicator(found: dict[str, Any] | None) -> str:
    """The nanomaterial indicator in a sentence, or ""."""
    if found is None:
        return ""
    low, high = found["interval"]
    told = f"{_percent(found['share'])} of the number below 100 nm ({_percent(low)} to {_percent(high)}; with {', '.join(found['holds'])})"
    return f"Nanomaterial indicator: {told}. {found['caveat']}"


def _stated(figures: dict[str, Any], unit: str) -> str:
    """The D50 found and the widest interval that it has, in a sentence; nothing of too few particles, and none that is not to be stated."""
    if figures["d50"] is None or figures["n"] < FEWEST:
        return ""
    if not figures["usable"]:
        return " No D50 is stated: the result is not usable as it is."
    return f" The D50 found is {d50_words(figures)}."


def _stated_by_sample(summary: dict[str, Any], sizes: SizeDistribution) -> str:
    """The D50 of each of several samples in a sentence, and none of all."""
    own = [each for each in summary["samples"] if (each["unit"], each.get("population", "")) == (sizes.unit, sizes.population)]
    told = [f"{each['sample']} {d50_words(each)}" for each in own if each["d50"] is not None and each["n"] >= FEWEST]
    return f" D50 found, by sample: {', '.join(told)}." if told else ""


def methods_paragraph(key: str, sizes: SizeDistribution, summary: dict[str, Any]) -> str:
    """A paragraph that may be pasted into a paper."""
    model = summary["model"] or {"name": "several models", "hash": ""}
    by = f"model {model['name'] or 'unnamed'}" + (f", SHA-256 {model['hash'][:16]}…" if model["hash"] else "")
    if model["name"].startswith("none ("):
        by = f"no model: {model['name'][len('none (') : -1]}"
    splits = [image.get("splitting") or {} for image in summary["images"]]
    first = splits[0] if splits else {}
    same = all(each == first for each in splits)
    settings = ", ".join(f"{words} {first[name]:g}{length}" for name, words, length in _SETTINGS if first.get(name) is not None)
    how = f" with {settings}" if settings and same else ""
    figures, unit = summary["distributions"][key], sizes.unit
    images = figures["n_images"]
    d50 = _stated_by_sample(summary, sizes) if len(sizes.samples) > 1 else _stated(figures, unit)
    missing = "; ".join(figures["intervals"]["this specimen"]["lacks"])
    lacks = f" Not in the intervals: {missing}." if missing else ""
    counted = "" if len(sizes.samples) > 1 else f"Counting: {figures['interval_basis']}.{lacks} "
    which = f"{sizes.population} " if sizes.population else ""
    sought = (
        "Small and large particles were looked for in turn and are populations of their own, each particle of the size that its width is "
        "nearer to by ratio. "
        if sizes.population
        else "Small and large particles were looked for in turn and are taken for one distribution. "
        if first.get("as_one") and any(image.get("other_size_looked_for_px") for image in summary["images"])
        else ""
    )
    audited = " ".join(audit_words(summary["audit"], unit)) or "Not audited by hand."
    better = corrected(summary["audit"], unit)
    if better:
        audited += f" D50 corrected by the audit: {better['value']} {better['expanded']}."
    stopped = summary["stopping"]["text"] + " " if summary.get("stopping") else ""
    return (
        f"Particles were looked for in {images} micrograph{'' if images == 1 else 's'}{_empty(sizes)}, "
        f"with napari-temseg {summary['temseg']} ({by}) "
        f"and touching ones separated{how}. "
        f"{stopped}"
        f"{sought}The {len(sizes)} {which}particles that lie wholly inside the images count, each weighted for those of its size that "
        f"the edges cut (Miles–Lantuéjoul). Sizes are the {_MEASURAND} ({summary['edge']}); volume weights take particles for spheres."
        f"{d50} "
        f"{counted}{audited}"
    )
