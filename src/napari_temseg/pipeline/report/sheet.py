"""The first page of a report in words: verdict, value with what it leaves open, budget, a line a picture, a paragraph for a paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_temseg.engine.measure.samples.populations import WHY_APART, of_population, populations_of
from napari_temseg.engine.types.config import HALF_CONTRAST, OUTLINE
from napari_temseg.engine.types.wording import FEWEST, four, rounded, signed

if TYPE_CHECKING:
    from napari_temseg.engine.measure.distribution import SizeDistribution
    from napari_temseg.engine.measure.measurement import Measurement

OTHER_EDGE = {OUTLINE: HALF_CONTRAST, HALF_CONTRAST: OUTLINE}
_MEASURAND = "equivalent circular diameter of the visible outline"
_TABLE = (
    ("d10", "D10, by number"),
    ("d50", "D50, by number"),
    ("d90", "D90, by number"),
    ("dv50", "D50, by volume (spheres)"),
    ("d32", "D[3,2] (spheres)"),
    ("gsd", "Geometric standard deviation"),
)
_DECIDED = {"accept": "accepted", "reject": "no particle", "split": "several in one", "part": "part of one"}
_RESAMPLED = {"images": "pictures", "grids": "grids", "particles": "particles"}
_BAR_NAMES = {"edge": "edge convention"}
_NAMES = {"these particles": "of these particles", "this specimen": "of this specimen"}


def sheet(unit: str, sizes: SizeDistribution, summary: dict[str, Any]) -> dict[str, Any]:
    """What the first page says of a distribution; "value" is None where no D50 may be stated in large type."""
    named = {name: each for name, each in summary["intervals"].items() if each["d50"]}
    best = named.get("this specimen") or named.get("these particles")
    half = (best["d50"][1] - best["d50"][0]) / 2 if best else None
    few = summary["n"] < FEWEST
    d50 = summary["d50"]
    return {
        "sample": ", ".join(sizes.samples) or "The pictures",
        "measurand": f"median by number (D50) of the {_MEASURAND}" + (f" of the {sizes.population} particles" if sizes.population else ""),
        "value": None if few or d50 is None or not summary["usable"] else f"{rounded(d50, half)} {unit}{_expanded(best)}",
        "found": "" if d50 is None or few else f"{four(d50)} {unit}",
        "intervals": [_named(name, each, unit) for name, each in summary["intervals"].items()],
        "bias": _bias(summary["segmentation"]),
        "counts": _counts(summary, sizes, unit),
        "table": [(title, *_statistic(summary, key, unit)) for key, title in _TABLE if summary[key] is not None],
        "bars": _bars(summary["budget"], summary["other_edge"], summary["edge_convention"]),
        "detection": _detection(summary["detection"], unit),
        "fit": _fit(sizes),
        "more": _more(summary["more_for_5_percent"]),
    }


def _expanded(interval: dict[str, Any] | None) -> str:
    """Half the width of an interval of the logarithm, as a share: " ± 12 %", or "" without one."""
    if interval is None:
        return ""
    low, high = interval["d50"]
    return f" ± {100 * (math.sqrt(high / low) - 1):.2g} %"


def _named(name: str, interval: dict[str, Any], unit: str) -> str:
    """The name of an interval of D50, the interval or why there is none, and what it holds and lacks."""
    if not interval["d50"]:
        return f"95 % {_NAMES[name]}: none, {interval['why_none']}."
    half = (interval["d50"][1] - interval["d50"][0]) / 2
    told = [f"{what} {', '.join(interval[what])}" for what in ("holds", "lacks") if interval[what]]
    return f"95 % {_NAMES[name]}: {_ends(interval['d50'], half)} {unit} ({'; '.join(told)})."


def _ends(interval: list[float], half: float | None) -> str:
    return " to ".join(rounded(each, half) for each in interval)


def _bias(segmentation: dict[str, Any] | None) -> str:
    """What the model is known to add or take."""
    if not segmentation or not segmentation["calibrated"]:
        return "Bias: not known, the model has not been compared with outlines drawn by hand."
    share = 100 * segmentation["bias"]
    seen = segmentation["calibration"].get("pictures", "?")
    if not share:
        return f"Bias: none in the median of outlines drawn by hand ({seen} pictures); that of a single specimen is in the interval."
    return f"Bias of the model, {signed(-share, 1)} % on outlines drawn by hand, taken off the interval."


def _counts(summary: dict[str, Any], sizes: SizeDistribution, unit: str) -> str:
    n, pictures = summary["n"], summary["n_images"]
    stated = summary["calibration_relative_uncertainty"]
    calibration = (
        "lengths in px" if unit == "px" else f"calibration {'without an uncertainty' if stated is None else f'± {100 * stated:.2g} %'}"
    )
    samples = f" · {len(sizes.samples)} samples" if len(sizes.samples) > 1 else ""
    return f"{n} particle{'' if n == 1 else 's'} · {pictures} picture{'' if pictures == 1 else 's'}{samples} · {calibration}"


def _statistic(summary: dict[str, Any], key: str, unit: str) -> tuple[str, str]:
    """A value as its interval of counting allows, and that interval."""
    interval = summary.get(f"{key}_interval")
    length = "" if key == "gsd" else f" {unit}"
    if not interval:
        return f"{four(summary[key])}{length}", "–"
    half = (interval[1] - interval[0]) / 2
    return f"{rounded(summary[key], half)}{length}", _ends(interval, half)


def _bars(budget: dict[str, float | None], other_edge: float | None, convention: str) -> list[tuple[str, str, float]]:
    """Each part of the budget: name, words, and its width in % of the widest."""
    known = {name: value for name, value in budget.items() if value}
    widest = max(known.values(), default=1.0)
    told = {name: (f"± {100 * value:.1f} %" if value else "not known") for name, value in budget.items()}
    if other_edge is None:
        told["edge"] = f"drawn by {convention}; the other convention is usually 3 to 7 % away"
    else:
        told["edge"] += (
            f" (drawn by {convention}; by {OTHER_EDGE.get(convention, 'the other')} D50 would be {signed(100 * other_edge, 1)} %)"
        )
    return [(_BAR_NAMES.get(name, name), told[name], 100 * known.get(name, 0.0) / widest) for name in budget]


def _detection(found: dict[str, Any] | None, unit: str) -> str:
    """From which size on particles are found, and how far off the diameters are there."""
    if found is None:
        return "Detection limit: not measured (temseg run ‑‑recovery)."
    planted = sum(row["planted"] for row in found["sizes"])
    if found["limit"] is None:
        return f"Detection limit: none reached; of no size nine of ten particles put into the pictures ({planted}) were found."
    near = [row for row in found["sizes"] if row["bias"] is not None and row["diameter"] >= found["limit"]]
    bias = f"; there diameters come out {signed(100 * near[0]['bias'], 0)} % off" if near else ""
    told = f"nine of ten particles put into the pictures ({planted}) are found from there on{bias}"
    return f"Detection limit: {four(found['limit'])} {unit}; {told}. {found['share_below']:.0%} of those that count are smaller."


def _fit(sizes: SizeDistribution) -> str:
    name = sizes.best_fit
    if name is None:
        return "No curve is drawn: none of normal, lognormal, Weibull and two lognormals is adequate, or the particles are too few to tell."
    fit = sizes.fits[name]
    told = ", ".join(
        f"{key.replace('_2', ' of the second')} {four(fit[key])} ({four(a)} to {four(b)})" for key, (a, b) in fit["intervals"].items()
    )
    return f"Curve: {name}, {told}; largest difference of the cumulative curves {100 * fit['largest_difference']:.1f} %."


def _more(more: dict[str, Any] | None) -> str:
    if more is None:
        return ""
    if not more["more"]:
        return "Counting leaves less than ± 5 % of D50 open."
    return f"For ± 5 % of D50 from counting: {more['more']} more {_RESAMPLED[more['of']]} like these."


def audit_words(audit: dict[str, Any] | None, unit: str) -> list[str]:
    """What an audit says, a sentence each; nothing without one."""
    if audit is None:
        return []
    counted = ", ".join(f"{n} {_DECIDED[name]}" for name, n in audit["decisions"].items() if n)
    who, when = audit["auditor"] or "somebody without a name", audit["finished"][:10] or "no date"
    said = [f"Audited by {who}, {when}: {audit['judged']} particles ({counted}).", _precision_and_recall(audit, unit)]
    agreement = audit["agreement"]
    if agreement:
        low, high = (signed(100 * each, 0) for each in agreement["limits"])
        bias = f"{signed(100 * agreement['bias'], 1)} %, limits of agreement {low} to {high} %"
        said.append(f"Diameters against those measured by hand ({agreement['n']}): {bias}.")
    said += [
        f"{' and '.join(each['auditors'])} decided alike on {each['equal_decisions']:.0%} of {each['n']} particles."
        for each in audit["between"]
    ]
    if audit["not_fitting"]:
        n = audit["not_fitting"]
        said.append(f"{n} judged particle{' is' if n == 1 else 's are'} no more in this result and do{'es' if n == 1 else ''} not count.")
    return said


def _precision_and_recall(audit: dict[str, Any], unit: str) -> str:
    precision = f"Precision {audit['precision']:.0%}{_percent(audit['precision_interval'])}"
    if audit["recall"] is None:
        return f"{precision}; recall not known, no field was searched."
    sizes = ", ".join(f"{_range(each, unit)} {each['recall']:.0%}" for each in audit["recall_by_size"] if each["recall"] is not None)
    recall = f"recall {audit['recall']:.0%}{_percent(audit['recall_interval'])}"
    return f"{precision}; {recall}, {audit['missed']} missed in {audit['fields']} fields; by size: {sizes}."


def _percent(interval: list[float] | None) -> str:
    return "" if interval is None else f" (95 %: {interval[0]:.0%} to {interval[1]:.0%})"


def _range(each: dict[str, Any], unit: str) -> str:
    if each["to"] is None:
        return f"from {four(each['from'])} {unit} on"
    return f"below {four(each['to'])} {unit}" if not each["from"] else f"{four(each['from'])} to {four(each['to'])} {unit}"


def corrected(audit: dict[str, Any] | None, unit: str) -> dict[str, str] | None:
    """D50 as the audit corrects it, in large type, and its interval; None where it corrects nothing."""
    if audit is None or audit["corrected_d50"] is None:
        return None
    interval = audit["corrected_d50_interval"]
    half = None if interval is None else (interval[1] - interval[0]) / 2
    told = "" if interval is None else f"95 % of the audit (which particles were drawn): {_ends(interval, half)} {unit}"
    return {"value": f"{rounded(audit['corrected_d50'], half)} {unit}", "interval": told}


def picture_line(measurement: Measurement) -> tuple[str, int, str, str]:
    """A picture in a line: name, particles that count, their D50, calibration."""
    from napari_temseg.engine.measure.pooling import size_distribution

    sizes = size_distribution([measurement])
    d50 = sizes.quantile(0.5)
    told = "–" if d50 is None else f"{four(d50)} {sizes.unit}" + ("" if len(sizes) >= FEWEST else " (few)")
    name = " · ".join(filter(None, (measurement.image, measurement.sample, measurement.grid)))
    return name, len(sizes), told, measurement.calibration.describe()


def picture_lines(measurement: Measurement) -> list[tuple[str, int, str, str]]:
    """A picture in a line, in two where it holds two populations, each named."""
    found = []
    for population in populations_of(measurement):
        name, n, d50, calibration = picture_line(of_population(measurement, population))
        found.append((" · ".join(filter(None, (name, population))), n, d50, calibration))
    return found


def population_words(sizes: SizeDistribution, populations: Sequence[dict[str, Any]]) -> list[str]:
    """What a population is of both, by number, area and volume, and why there is no D50 of both; [] of one size."""
    own = next((each for each in populations if sizes.population and each["population"] == sizes.population), None)
    if own is None:
        return []
    told = ", ".join(f"{share:.1%} by {what}" for what, share in own["shares"].items() if share is not None)
    return [*([f"Of both populations the {sizes.population} particles are {told}."] if told else []), f"{WHY_APART}."]


def indicator(found: dict[str, Any] | None) -> str:
    """The nanomaterial indicator in a sentence, or ""."""
    if found is None:
        return ""
    low, high = found["interval"]
    told = f"{found['share']:.0%} of the number below 100 nm ({low:.0%} to {high:.0%}; {', '.join(found['holds'])})"
    return f"Nanomaterial indicator: {told}. {found['caveat']}"


def _stated(figures: dict[str, Any], unit: str) -> str:
    """The D50 found and the widest interval that it has, in a sentence; nothing of too few particles."""
    if figures["d50"] is None or figures["n"] < FEWEST:
        return ""
    named = [(name, each["d50"]) for name, each in figures["intervals"].items() if each["d50"]]
    if not named:
        return f" The D50 found is {four(figures['d50'])} {unit}."
    name, ends = named[-1]
    half = (ends[1] - ends[0]) / 2
    return f" The D50 found is {rounded(figures['d50'], half)} {unit} (95 % {_NAMES[name]}: {_ends(ends, half)} {unit})."


def methods_paragraph(key: str, sizes: SizeDistribution, summary: dict[str, Any]) -> str:
    """A paragraph that may be pasted into a paper."""
    model = summary["model"] or {"name": "several models", "hash": ""}
    by = f"model {model['name'] or 'unnamed'}" + (f", SHA-256 {model['hash'][:16]}…" if model["hash"] else "")
    splits = [image.get("splitting") or {} for image in summary["images"]]
    first = splits[0] if splits else {}
    same = all(each == first for each in splits)
    keys = ("strength", "threshold", "certainty", "min_diameter")
    settings = ", ".join(f"{key.replace('_', ' ')} {first[key]:g}" for key in keys if first.get(key) is not None)
    how = f" with {settings}" if settings and same else ""
    figures, unit = summary["distributions"][key], sizes.unit
    d50 = _stated(figures, unit)
    pictures = len(summary["images"])
    missing = "; ".join(figures["intervals"]["this specimen"]["lacks"])
    lacks = f" Not in the intervals: {missing}." if missing else ""
    which = f"{sizes.population} " if sizes.population else ""
    sought = (
        "Small and large particles were looked for in turn and are populations of their own, each particle of the size that its width is "
        "nearer to by ratio. "
        if sizes.population
        else ""
    )
    audited = " ".join(audit_words(summary["audit"], unit)) or "Not audited by hand."
    return (
        f"Particles were found in {pictures} micrograph{'' if pictures == 1 else 's'} with napari-temseg {summary['temseg']} ({by}) "
        f"and touching ones separated{how}. "
        f"{sought}The {len(sizes)} {which}particles that lie wholly inside the pictures count, each weighted for those of its size that "
        f"the edges cut (Miles–Lantuéjoul). Sizes are the {_MEASURAND} ({summary['edge']}); volume weights take particles for spheres."
        f"{d50} "
        f"Counting: {figures['interval_basis']}.{lacks} {audited}"
    )
